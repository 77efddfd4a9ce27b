package redistest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Cluster is three masters, nodes 0 to 2, with a replica each, nodes 3 to 5.
type Cluster struct {
	nodes   []*Server
	clients *clients
}

// handle is the cluster for one test, at whose end the clients that it made are closed.
func (c *Cluster) handle(tb testing.TB) *Cluster {
	tb.Helper()
	h := &Cluster{nodes: handles(tb, c.nodes), clients: &clients{parent: c.clients}}
	tb.Cleanup(h.clients.close)
	return h
}

const (
	clusterMasters = 3
	slots          = 16384

	// patient is a node time-out, in milliseconds, that no busy machine makes a node miss.
	patient = "30000"
)

// NewCluster starts a cluster of the test's own. args are added to each node's: "--cluster-node-timeout", "2000" makes for a fast failover,
// the default of 30 s for none that a busy machine brings about.
func NewCluster(tb testing.TB, args ...string) *Cluster {
	tb.Helper()
	bin := Binary(tb)
	c, err := newCluster(bin, args)
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(c.close)
	return c
}

func newCluster(bin string, args []string) (*Cluster, error) {
	// Nodes greet each other the faster the shorter their time-out is; once they know each other it is set to what was asked for.
	timeout := patient
	for i := 0; i+1 < len(args); i++ {
		if args[i] == "--cluster-node-timeout" {
			timeout = args[i+1]
		}
	}
	args = append([]string{"--cluster-replica-validity-factor", "0"}, args...)
	first := append(slices.Clone(args), "--cluster-node-timeout", "2000", "--cluster-replica-no-failover", "yes")
	c := &Cluster{nodes: make([]*Server, 2*clusterMasters), clients: &clients{}}
	var wg sync.WaitGroup
	errs := make([]error, len(c.nodes))
	for i := range c.nodes {
		wg.Go(func() { c.nodes[i], errs[i] = newServer(bin, ServerOptions{Args: first}, true) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		c.close()
		return nil, err
	}
	if err := c.join(); err != nil {
		c.close()
		return nil, err
	}
	for _, n := range c.nodes {
		n.opts.Args = append(slices.Clone(args), "--cluster-node-timeout", timeout) // for a restart
		for _, setting := range [][2]string{{"cluster-node-timeout", timeout}, {"cluster-replica-no-failover", "no"}} {
			if err := n.admin().ConfigSet(context.Background(), setting[0], setting[1]).Err(); err != nil {
				c.close()
				return nil, err
			}
		}
	}
	return c, nil
}

// join makes one cluster of the nodes.
func (c *Cluster) join() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*PollFor)
	defer cancel()
	ids := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		client := n.admin()
		if i < clusterMasters {
			first, last := i*slots/clusterMasters, (i+1)*slots/clusterMasters-1
			if err := client.Do(ctx, "cluster", "addslotsrange", first, last).Err(); err != nil {
				return err
			}
			// Epochs that differ from the start save the nodes from settling on who is who.
			if err := client.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
				return err
			}
		}
		id, err := client.Do(ctx, "cluster", "myid").Text()
		if err != nil {
			return err
		}
		ids[i] = id
	}
	// Everybody greets everybody: waiting for gossip takes longer.
	for i, n := range c.nodes {
		for _, other := range c.nodes[i+1:] {
			if err := n.admin().Do(ctx, "cluster", "meet", "127.0.0.1", other.port, other.bus).Err(); err != nil {
				return err
			}
		}
	}
	if err := c.until(ctx, "all nodes know each other", func(info map[string]string) bool {
		return info["cluster_known_nodes"] == strconv.Itoa(len(c.nodes))
	}); err != nil {
		return err
	}
	for i := clusterMasters; i < len(c.nodes); i++ {
		// The node may not have heard of its master's slots yet.
		for {
			err := c.nodes[i].admin().Do(ctx, "cluster", "replicate", ids[i-clusterMasters]).Err()
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return err
			}
			pause()
		}
	}
	if err := c.until(ctx, "the cluster is well", func(info map[string]string) bool {
		return info["cluster_state"] == "ok" && info["cluster_slots_ok"] == strconv.Itoa(slots)
	}); err != nil {
		return err
	}
	for i, n := range c.nodes {
		for !c.sees(ctx, n, ids) || (i >= clusterMasters && !linkUp(ctx, n)) {
			if ctx.Err() != nil {
				return fmt.Errorf("node %d never saw all replicas", i)
			}
			pause()
		}
	}
	return nil
}

func pause() { time.Sleep(10 * time.Millisecond) }

// sees says whether a node knows three masters with a replica each.
func (c *Cluster) sees(ctx context.Context, n *Server, ids []string) bool {
	text, err := n.admin().ClusterNodes(ctx).Result()
	if err != nil {
		return false
	}
	replicas := 0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 3 && strings.Contains(fields[2], "slave") {
			for _, id := range ids[:clusterMasters] {
				if fields[3] == id {
					replicas++
				}
			}
		}
	}
	return replicas == clusterMasters
}

func linkUp(ctx context.Context, s *Server) bool {
	text, err := s.admin().Info(ctx, "replication").Result()
	return err == nil && strings.Contains(text, "master_link_status:up")
}

// until polls CLUSTER INFO of every node.
func (c *Cluster) until(ctx context.Context, what string, cond func(map[string]string) bool) error {
	for i, n := range c.nodes {
		for {
			text, err := n.admin().ClusterInfo(ctx).Result()
			if err == nil && cond(fields(text)) {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("node %d: waited in vain until %s", i, what)
			}
			pause()
		}
	}
	return nil
}

func fields(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[name] = value
		}
	}
	return all
}

// Nodes are all six servers: three masters, as long as nothing failed over, and their replicas in the same order.
func (c *Cluster) Nodes() []*Server { return c.nodes }

// Masters are the three servers that were masters at the start.
func (c *Cluster) Masters() []*Server { return c.nodes[:clusterMasters] }

// MasterOf is the server that was master of a key's slot at the start.
func (c *Cluster) MasterOf(key string) *Server {
	slot := Slot(key)
	for i := range clusterMasters {
		if slot < (i+1)*slots/clusterMasters {
			return c.nodes[i]
		}
	}
	return nil
}

// Client returns a client of the cluster that looks for changed masters every second; it is closed at the end of
// the test.
func (c *Cluster) Client(mod ...func(*redis.ClusterOptions)) *redis.ClusterClient {
	o := &redis.ClusterOptions{
		DialTimeout: 20 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, PoolTimeout: 60 * time.Second,
		PoolSize: 32, ClusterStateReloadInterval: time.Second,
	}
	for _, n := range c.nodes {
		o.Addrs = append(o.Addrs, n.Addr())
	}
	for _, change := range mod {
		change(o)
	}
	client := redis.NewClusterClient(o)
	c.clients.keep(client)
	return client
}

// Promote makes the other node of a master's pair take its place, at once and whether the master lives or not, and waits until
// every living node agrees, and the old master, if it lives, is a replica in step. It returns the new master, which may be
// handed in later to promote back.
func (c *Cluster) Promote(tb testing.TB, master *Server) *Server {
	tb.Helper()
	replica := c.partner(master)
	if replica == nil || !replica.alive() {
		tb.Fatalf("redistest: promote: that server has no replica here that lives")
		return nil
	}
	ctx := context.Background()
	if err := replica.admin().Do(ctx, "cluster", "failover", "takeover").Err(); err != nil {
		tb.Fatalf("redistest: promote: %v", err)
		return nil
	}
	id, err := replica.admin().Do(ctx, "cluster", "myid").Text()
	if err != nil {
		tb.Fatalf("redistest: promote: %v", err)
		return nil
	}
	for _, n := range living(c.nodes) {
		Poll(tb, "the new master is known to "+n.Addr(), func() bool {
			text, err := n.admin().ClusterNodes(ctx).Result()
			if err != nil {
				return false
			}
			for line := range strings.Lines(text) {
				f := strings.Fields(line)
				if len(f) > 8 && f[0] == id && strings.Contains(f[2], "master") {
					return true
				}
			}
			return false
		})
	}
	Poll(tb, "the old master is a replica in step", func() bool {
		if !master.alive() {
			return true
		}
		text, err := master.admin().Info(ctx, "replication").Result()
		about := fields(text)
		return err == nil && about["role"] == "slave" && about["master_link_status"] == "up" && about["master_port"] == strconv.Itoa(replica.port)
	})
	return replica
}

// partner is the other node of a pair, or nil.
func (c *Cluster) partner(s *Server) *Server {
	for i, n := range c.nodes {
		if s != nil && n.process == s.process {
			return c.nodes[(i+clusterMasters)%len(c.nodes)]
		}
	}
	return nil
}

func (s *process) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.exited:
		return false
	default:
		return !s.paused
	}
}

func (c *Cluster) close() {
	c.clients.close()
	for _, n := range c.nodes {
		if n != nil {
			n.close()
		}
	}
}

// Slot is the hash slot of a key.
func Slot(key string) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}
