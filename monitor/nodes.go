package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// asker is what a node is asked through: a *redis.Client, or a client of a kind that we do not know.
type asker interface {
	redis.UniversalClient
}

// target is one node that the client reaches.
type target struct {
	addr   string
	client asker
	err    error // set where there is no client to ask
}

// source finds the nodes behind a client. A cluster's nodes are kept: finding them asks one of them at random, which
// may be the one that hangs, and what is known must not be lost over that.
type source struct {
	rdb     redis.UniversalClient
	masters bool // of a cluster, the masters only
	forgets bool // of a cluster, what a search does not find is not asked for any more

	mu      sync.Mutex
	kept    []target
	shards  map[string]*redis.Client // of a Ring, all that were ever seen
	removed map[string]bool          // of a Ring, those that SetAddrs took out
	running chan struct{}            // closed when the search under way ends
	began   time.Time                // of the search under way
	failed  error                    // of the last search
	wg      sync.WaitGroup
}

// errAutoPipeliner is why one is refused.
var errAutoPipeliner = errors.New("monitor: a *redis.AutoPipeliner hides the nodes of its client: pass the client that it was made from")

// usable refuses what cannot be asked, by name.
func usable(rdb redis.UniversalClient) error {
	switch c := rdb.(type) {
	case nil:
		return errors.New("monitor: the client is nil")
	case *redis.Client:
		if c == nil {
			return errors.New("monitor: the *redis.Client is nil")
		}
	case *redis.ClusterClient:
		if c == nil {
			return errors.New("monitor: the *redis.ClusterClient is nil")
		}
	case *redis.Ring:
		if c == nil {
			return errors.New("monitor: the *redis.Ring is nil")
		}
	case *redis.AutoPipeliner:
		return errAutoPipeliner
	}
	return nil
}

// targets is search for who waits for all searches itself.
func (s *source) targets(ctx context.Context, timeout time.Duration) ([]target, error) { //nolint:unparam // who asks says for how long
	return s.search(ctx, timeout, s.wg.Go)
}

// search returns the nodes sorted by address. It waits until ctx ends for a search, and answers with the nodes that it
// knows where that does not succeed. What it starts ends within the timeout.
func (s *source) search(ctx context.Context, timeout time.Duration, start starter) ([]target, error) {
	switch rdb := s.rdb.(type) {
	case *redis.Client:
		return []target{{addr: rdb.Options().Addr, client: rdb}}, nil
	case *redis.Ring:
		return s.ring(ctx, rdb), nil
	case *redis.ClusterClient:
		return s.cluster(ctx, rdb, timeout, start)
	}
	addr := "redis"
	if c, ok := s.rdb.(interface{ Options() *redis.Options }); ok {
		addr = c.Options().Addr
	}
	return []target{{addr: addr, client: s.rdb}}, nil
}

// ring asks live shards, and those that were live once: go-redis hides a shard that is down. One that was never live is known
// from the options, unless SetAddrs has replaced those. A shard that was removed has a closed client.
func (s *source) ring(ctx context.Context, rdb *redis.Ring) []target {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shards == nil {
		s.shards = map[string]*redis.Client{}
	}
	var found sync.Mutex
	_ = rdb.ForEachShard(ctx, func(_ context.Context, c *redis.Client) error { // the function cannot fail
		found.Lock()
		defer found.Unlock()
		s.shards[c.Options().Addr] = c
		return nil
	})
	given := map[string]bool{}
	for _, addr := range rdb.Options().Addrs {
		given[addr] = true
	}
	replaced := false
	out := make([]target, 0, len(s.shards))
	for addr, c := range s.shards {
		out = append(out, target{addr: addr, client: c})
		replaced = replaced || !given[addr]
	}
	for addr := range given {
		if s.shards[addr] == nil && !replaced && !s.removed[addr] {
			out = append(out, target{addr: addr, err: errShardDown})
		}
	}
	sortTargets(out)
	return out
}

var errShardDown = errors.New("monitor: the ring takes the shard for down")

// drop forgets a shard whose client was closed by SetAddrs, or a node that left its cluster.
func (s *source) drop(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shards, addr)
	if s.removed == nil {
		s.removed = map[string]bool{}
	}
	s.removed[addr] = true
	s.kept = slices.DeleteFunc(slices.Clone(s.kept), func(t target) bool { return t.addr == addr })
}

// left tells whether the closed client of an address is that of a shard which SetAddrs took out of its Ring, or of a node
// that go-redis has dropped, and then forgets it. Where the client itself is closed nothing has left.
func (s *source) left(addr string) bool {
	switch rdb := s.rdb.(type) {
	case *redis.Ring:
		if rdb.Len() == 0 {
			return false
		}
	case *redis.ClusterClient:
		if s.closed() {
			return false
		}
	default:
		return false
	}
	s.drop(addr)
	return true
}

// closed tells whether the last search failed because the client itself is closed.
func (s *source) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Is(s.failed, redis.ErrClosed)
}

func (s *source) cluster(ctx context.Context, rdb *redis.ClusterClient, timeout time.Duration, start starter) ([]target, error) {
	s.mu.Lock()
	done := s.running
	if done == nil {
		done = make(chan struct{})
		s.running, s.began = done, time.Now()
		start(func() {
			defer close(done)
			search, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
			defer cancel()
			found, err := clusterNodes(search, rdb, s.masters)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.running, s.failed = nil, err
			switch {
			case err != nil:
			case s.masters, s.forgets: // one that is no master any more does not matter any more
				s.kept = found
			default:
				s.kept = merge(found, s.kept)
			}
		})
	}
	known, left := len(s.kept) > 0, timeout/2-time.Since(s.began)
	s.mu.Unlock()

	patience := ctx
	if known { // then there is an answer, and half of the time is left to ask the nodes
		var cancel context.CancelFunc
		patience, cancel = context.WithTimeout(ctx, left) // who comes later to a search that hangs does not wait again
		defer cancel()
	}
	var gaveUp error
	select {
	case <-done:
	case <-patience.Done():
		gaveUp = patience.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) > 0 {
		return slices.Clone(s.kept), nil
	}
	// The addresses that the client was given stand for what they lead to, so that a cluster that is down from the start
	// has nodes that are.
	err := fmt.Errorf("monitor: the cluster's nodes: %w", errors.Join(s.failed, gaveUp))
	var seeds []target
	for _, addr := range rdb.Options().Addrs {
		seeds = append(seeds, target{addr: addr, err: err})
	}
	if len(seeds) == 0 {
		return nil, err
	}
	sortTargets(seeds)
	return seeds, nil
}

// merge keeps nodes that this search did not find: CLUSTER SLOTS leaves out replicas that the one node which was asked has
// not heard of for long enough. Those that the cluster has forgotten are dropped when a sample shows that.
func merge(found, kept []target) []target {
	for _, t := range kept {
		if !slices.ContainsFunc(found, func(f target) bool { return f.addr == t.addr }) {
			found = append(found, t)
		}
	}
	sortTargets(found)
	return found
}

func clusterNodes(ctx context.Context, rdb *redis.ClusterClient, masters bool) ([]target, error) {
	var mu sync.Mutex
	var out []target
	collect := func(_ context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		addr := c.Options().Addr
		if !slices.ContainsFunc(out, func(t target) bool { return t.addr == addr }) {
			out = append(out, target{addr: addr, client: c})
		}
		return nil
	}
	each := rdb.ForEachShard
	if masters {
		each = rdb.ForEachMaster
	}
	if err := each(ctx, collect); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("the cluster has no nodes")
	}
	sortTargets(out)
	return out, nil
}

func sortTargets(ts []target) {
	slices.SortFunc(ts, func(a, b target) int { return strings.Compare(a.addr, b.addr) })
}

// longRead is how long a client may read that is used as it is: what waits for it does so in a goroutine of its own.
const longRead = 10 * time.Second

// bounded returns a client whose reads end soon, though the server hangs: go-redis does not look at a context while it
// reads. It shares the pool of its original, but not its hooks, which go-redis loses: usual clients are left as they are.
func bounded(c asker, timeout time.Duration) asker {
	client, ok := c.(*redis.Client)
	if !ok {
		return c
	}
	if read := client.Options().ReadTimeout; read > 0 && read <= max(timeout, longRead) {
		return client
	}
	return client.WithTimeout(timeout)
}

// clusterNode is a line of CLUSTER NODES.
type clusterNode struct {
	id, addr, master string
	flags            []string
	linked           bool
	slots            [][2]int
}

func (n *clusterNode) is(flag string) bool { return slices.Contains(n.flags, flag) }

// parseClusterNodes reads the reply of CLUSTER NODES; a line that cannot be read is left out.
func parseClusterNodes(text string) []clusterNode {
	var out []clusterNode
	for line := range strings.Lines(text) {
		parts := strings.Fields(line)
		if len(parts) < 8 {
			continue
		}
		addr, _, _ := strings.Cut(parts[1], ",") // what follows is the host's name
		if i := strings.LastIndexByte(addr, '@'); i >= 0 {
			addr = addr[:i] // what follows is the port of the bus
		}
		if i := strings.LastIndexByte(addr, ':'); i >= 0 {
			addr = joinAddr(strings.Trim(addr[:i], "[]"), addr[i+1:])
		}
		n := clusterNode{id: parts[0], addr: addr, flags: strings.Split(parts[2], ","), linked: parts[7] == "connected"}
		if parts[3] != "-" {
			n.master = parts[3]
		}
		for _, part := range parts[8:] {
			if slots, ok := parseSlots(part); ok {
				n.slots = append(n.slots, slots)
			}
		}
		out = append(out, n)
	}
	return out
}

const clusterSlots = 16384

// parseSlots reads "5" or "5-9"; a slot in migration, in brackets, belongs to its old node until it has moved.
func parseSlots(text string) ([2]int, bool) {
	from, to, two := strings.Cut(text, "-")
	if !two {
		to = from
	}
	lo, ok := parseSlot(from)
	hi, ok2 := parseSlot(to)
	if !ok || !ok2 || hi < lo {
		return [2]int{}, false
	}
	return [2]int{lo, hi}, true
}

func parseSlot(text string) (int, bool) {
	n := 0
	if text == "" || len(text) > 5 {
		return 0, false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n < clusterSlots
}
