package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// TopologyReport says who replicates whom, and who serves what.
type TopologyReport struct {
	Mode         string             `json:"mode"` // standalone, cluster, sentinel or ring
	Masters      []TopologyMaster   `json:"masters"`
	SlotsCovered int                `json:"slots_covered"`           // of 16,384; of a cluster
	SlotsMissing [][2]int           `json:"slots_missing,omitempty"` // served by no master that is up
	State        string             `json:"state,omitempty"`         // of a cluster, as its nodes see it: ok or fail
	Sentinels    []TopologySentinel `json:"sentinels,omitempty"`
}

// TopologyMaster is a master with its replicas.
type TopologyMaster struct {
	Addr     string            `json:"addr"`
	ID       string            `json:"id,omitempty"` // in a cluster
	Up       bool              `json:"up"`
	Err      string            `json:"err,omitempty"`
	Slots    [][2]int          `json:"slots,omitempty"` // both ends included
	Offset   Value[int64]      `json:"offset"`
	Replicas []TopologyReplica `json:"replicas"`
}

// TopologyReplica is a replica of a master.
type TopologyReplica struct {
	Addr   string               `json:"addr"`
	ID     string               `json:"id,omitempty"`
	Up     bool                 `json:"up"`
	State  string               `json:"state"`  // online and the like, as its master sees it; "" where that is not known
	Behind Value[int64]         `json:"behind"` // bytes
	Lag    Value[time.Duration] `json:"lag_ns"` // since its last acknowledgement, or since it heard of its master
	LinkUp Value[bool]          `json:"link_up"`
}

// TopologySentinel is a Sentinel with the masters that it watches.
type TopologySentinel struct {
	Addr    string           `json:"addr"`
	Err     string           `json:"err,omitempty"`
	Masters []SentinelMaster `json:"masters"`
}

// Topology finds masters and replicas with their lag, of a cluster its slots and which of them nobody serves, and what
// the Sentinels know, if they are given. A replica that is asked alone is reported below its master, which is then not
// up as far as that is known. A user of a cluster who may not ask for CLUSTER NODES is told what CLUSTER SLOTS says. Round
// trips: those of Collect, and three a Sentinel's master; a Sentinel that hangs is waited for as long as its client waits.
func Topology(ctx context.Context, rdb redis.UniversalClient, sentinels ...*redis.SentinelClient) (TopologyReport, error) {
	if slices.Contains(sentinels, nil) {
		return TopologyReport{}, errors.New("monitor: topology: a Sentinel is nil")
	}
	m, err := New(rdb, Options{Rules: []Rule{}, Timeout: longSearch})
	if err != nil {
		return TopologyReport{}, err
	}
	snapshot, err := m.Collect(ctx)
	report := TopologyReport{Mode: "standalone", Masters: []TopologyMaster{}}
	if _, ring := rdb.(*redis.Ring); ring {
		report.Mode = "ring"
	}
	clustered := slices.ContainsFunc(snapshot.Nodes, func(n Node) bool { return n.Cluster.Enabled.Or(false) })
	if clustered {
		report.Mode = "cluster"
		if clusterErr := report.cluster(ctx, m, &snapshot); clusterErr != nil && err == nil {
			err = clusterErr
		}
	} else {
		report.plain(&snapshot)
		report.named(ctx, rdb)
	}
	report.Sentinels = append(report.Sentinels, lookAtAll(ctx, sentinels)...)
	if err != nil {
		err = fmt.Errorf("monitor: topology: %w", err)
	}
	return report, err
}

// plain reads masters and replicas from what each says of the other.
func (r *TopologyReport) plain(s *Snapshot) {
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Role == "sentinel" {
			r.Mode = "sentinel"
			r.Sentinels = append(r.Sentinels, TopologySentinel{Addr: n.Addr, Masters: n.Sentinel.Masters.Or([]SentinelMaster{})})
			continue
		}
		if n.Role == "replica" {
			addr := joinAddr(n.Replication.MasterHost.Or(""), strconv.FormatInt(n.Replication.MasterPort.Or(0), 10))
			r.Masters = append(r.Masters, TopologyMaster{Addr: addr, Replicas: []TopologyReplica{replicaOf(n)}})
			continue
		}
		r.Masters = append(r.Masters, masterNode(n))
	}
}

// failover is what go-redis calls the server behind a client that asks Sentinels for it.
const failover = "FailoverClient"

// named replaces it by the address at which the server has the connection.
func (r *TopologyReport) named(ctx context.Context, rdb redis.UniversalClient) {
	client, ok := rdb.(*redis.Client)
	if !ok || client.Options().Addr != failover || ctx.Err() != nil {
		return
	}
	text, err := client.Do(ctx, "client", "info").Text()
	if err != nil {
		return // refused, or older than 6.2
	}
	for word := range strings.FieldsSeq(text) {
		addr, ok := strings.CutPrefix(word, "laddr=")
		if !ok || addr == "" {
			continue
		}
		for i := range r.Masters {
			m := &r.Masters[i]
			if m.Addr == failover {
				m.Addr = addr
			}
			for j := range m.Replicas {
				if m.Replicas[j].Addr == failover {
					m.Replicas[j].Addr = addr
				}
			}
		}
	}
}

func masterNode(n *Node) TopologyMaster {
	master := TopologyMaster{Addr: n.Addr, ID: n.ID, Up: n.Err == nil, Offset: n.Replication.Offset, Replicas: []TopologyReplica{}}
	if n.Err != nil {
		master.Err = n.Err.Error()
	}
	for _, rep := range n.Replication.Replicas {
		master.Replicas = append(master.Replicas, TopologyReplica{
			Addr: rep.Addr, Up: rep.State == "online", State: rep.State, Behind: rep.Behind, Lag: rep.Lag, LinkUp: Known(rep.State == "online"),
		})
	}
	slices.SortFunc(master.Replicas, func(a, b TopologyReplica) int { return strings.Compare(a.Addr, b.Addr) })
	return master
}

func replicaOf(n *Node) TopologyReplica {
	return TopologyReplica{Addr: n.Addr, ID: n.ID, Up: n.Err == nil, Lag: n.Replication.LastIO, LinkUp: n.Replication.LinkUp}
}

// cluster takes the view of a node that answers, and adds what each node says of itself.
func (r *TopologyReport) cluster(ctx context.Context, m *Monitor, s *Snapshot) error {
	view, err := m.view(ctx, s)
	if err != nil {
		return err
	}
	byID := map[string]*Node{}
	for i := range s.Nodes {
		if s.Nodes[i].ID != "" {
			byID[s.Nodes[i].ID] = &s.Nodes[i]
		}
		if state, ok := s.Nodes[i].Cluster.State.Get(); ok && r.State != "fail" {
			r.State = state // one that sees it failed is enough
		}
	}
	sampled := func(n clusterNode) *Node {
		if have := byID[n.id]; have != nil {
			return have
		}
		if i := slices.IndexFunc(s.Nodes, func(have Node) bool { return have.ID == "" && have.Addr == n.addr }); i >= 0 {
			return &s.Nodes[i] // it may not say who it is
		}
		return nil
	}
	address := func(n clusterNode) string {
		if have := sampled(n); have != nil {
			return have.Addr
		}
		return n.addr
	}
	up := func(n clusterNode) bool {
		have := sampled(n)
		if have == nil || errors.Is(have.Err, errUnannounced) {
			return n.linked && !n.is("fail") // go-redis has no client of it yet: the others' word must do
		}
		return have.Err == nil && !n.is("fail")
	}
	covered := make([]bool, clusterSlots)
	for _, n := range view {
		if n.is("slave") || n.is("handshake") {
			continue
		}
		master := TopologyMaster{Addr: address(n), ID: n.id, Up: up(n), Slots: n.slots, Replicas: []TopologyReplica{}}
		have := sampled(n)
		if have != nil {
			master.Offset = have.Replication.Offset
			if have.Err != nil {
				master.Err = have.Err.Error()
			}
		}
		for _, rep := range view {
			if rep.master != n.id || !rep.is("slave") {
				continue
			}
			one := TopologyReplica{Addr: address(rep), ID: rep.id, Up: up(rep)}
			if own := sampled(rep); own != nil {
				one.Lag, one.LinkUp = own.Replication.LastIO, own.Replication.LinkUp
				if own.Replication.Offset.ok && master.Offset.ok {
					one.Behind = Known(max(0, master.Offset.v-own.Replication.Offset.v))
				}
			}
			master.Replicas = append(master.Replicas, one)
		}
		slices.SortFunc(master.Replicas, func(a, b TopologyReplica) int { return strings.Compare(a.Addr, b.Addr) })
		if master.Up {
			for _, part := range n.slots {
				for slot := part[0]; slot <= part[1]; slot++ {
					covered[slot] = true
				}
			}
		}
		r.Masters = append(r.Masters, master)
	}
	slices.SortFunc(r.Masters, func(a, b TopologyMaster) int {
		return cmp.Or(cmp.Compare(firstSlot(a), firstSlot(b)), strings.Compare(a.Addr, b.Addr))
	})
	for slot := range clusterSlots {
		if covered[slot] {
			r.SlotsCovered++
			continue
		}
		if n := len(r.SlotsMissing); n > 0 && r.SlotsMissing[n-1][1] == slot-1 {
			r.SlotsMissing[n-1][1] = slot
		} else {
			r.SlotsMissing = append(r.SlotsMissing, [2]int{slot, slot})
		}
	}
	return nil
}

func firstSlot(m TopologyMaster) int {
	if len(m.Slots) == 0 {
		return clusterSlots
	}
	return m.Slots[0][0]
}

// view asks one node after the other for CLUSTER NODES, until one answers, or for CLUSTER SLOTS where the user may not ask
// that: no client of a cluster can do without it, but it leaves out replicas and slots that failed.
func (m *Monitor) view(ctx context.Context, s *Snapshot) ([]clusterNode, error) {
	targets, err := m.source.targets(ctx, longSearch)
	if err != nil {
		return nil, err
	}
	err = errors.New("none answers")
	for _, t := range targets {
		if n, ok := s.Node(t.addr); !ok || n.Err != nil || t.client == nil {
			continue
		}
		client := bounded(t.client, longSearch)
		text, askErr := client.ClusterNodes(ctx).Result()
		if askErr == nil {
			return parseClusterNodes(text), nil
		}
		err = askErr
		if refused(askErr) == "" {
			continue
		}
		if slots, slotsErr := client.ClusterSlots(ctx).Result(); slotsErr == nil {
			return viewOf(slots), nil
		}
	}
	return nil, fmt.Errorf("no node tells of the cluster: %w", err)
}

// viewOf is what CLUSTER SLOTS tells of what CLUSTER NODES would.
func viewOf(slots []redis.ClusterSlot) []clusterNode {
	var out []clusterNode
	for _, part := range slots {
		for i, n := range part.Nodes {
			at := slices.IndexFunc(out, func(have clusterNode) bool { return have.id == n.ID })
			if at < 0 {
				at = len(out)
				one := clusterNode{id: n.ID, addr: n.Addr, flags: []string{"master"}, linked: true}
				if i > 0 {
					one.flags, one.master = []string{"slave"}, part.Nodes[0].ID
				}
				out = append(out, one)
			}
			if i == 0 && part.Start >= 0 && part.Start <= part.End && part.End < clusterSlots {
				out[at].slots = append(out[at].slots, [2]int{part.Start, part.End})
			}
		}
	}
	return out
}

func lookAtAll(ctx context.Context, sentinels []*redis.SentinelClient) []TopologySentinel {
	out := make([]TopologySentinel, len(sentinels))
	var wg sync.WaitGroup
	for i, s := range sentinels {
		wg.Go(func() {
			addr := sentinelAddr(s, i)
			view := lookAt(ctx, s, addr)
			out[i] = TopologySentinel{Addr: addr, Masters: append([]SentinelMaster{}, view.masters...)}
			if view.err != nil {
				out[i].Err = view.err.Error()
			}
		})
	}
	wg.Wait()
	return out
}
