package monitor

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// MemoryReport is what Analyze found.
type MemoryReport struct {
	Nodes []NodeMemory `json:"nodes"`
}

// NodeMemory is the memory of one node.
type NodeMemory struct {
	Addr      string            `json:"addr"`
	Role      string            `json:"role"`
	Err       string            `json:"err,omitempty"` // why nothing is known
	Memory    Memory            `json:"memory"`
	Databases Value[[]Database] `json:"databases"`
	Keys      Value[int64]      `json:"keys"`
	Expires   Value[int64]      `json:"expires"`       // keys with a time to live
	PerKey    Value[int64]      `json:"bytes_per_key"` // of the dataset
	Advice    []string          `json:"advice"`        // in words, the most pressing first; empty where all is well
}

// Analyze says where the memory of each node goes, and what to do about it. It reads INFO alone, and so needs no rights
// beyond that. Round trips: those of Collect.
func Analyze(ctx context.Context, rdb redis.UniversalClient) (MemoryReport, error) {
	snapshot, err := sampleOnce(ctx, rdb)
	report := MemoryReport{Nodes: []NodeMemory{}}
	for i := range snapshot.Nodes {
		report.Nodes = append(report.Nodes, analyze(&snapshot.Nodes[i]))
	}
	if err != nil {
		err = fmt.Errorf("monitor: analyze: %w", err)
	}
	return report, err
}

// sampleOnce takes a sample of a client that nobody monitors.
func sampleOnce(ctx context.Context, rdb redis.UniversalClient) (Snapshot, error) {
	m, err := New(rdb, Options{Rules: []Rule{}, Timeout: longSearch})
	if err != nil {
		return Snapshot{}, err
	}
	return m.Collect(ctx)
}

// infoRefused is why a node that is up tells nothing of itself; "" where it does.
func infoRefused(n *Node) string {
	if len(n.Info) > 0 {
		return ""
	}
	for _, u := range n.Unavailable {
		if u.Command == "INFO" {
			return u.Detail
		}
	}
	return ""
}

func analyze(n *Node) NodeMemory {
	out := NodeMemory{Addr: n.Addr, Role: n.Role, Memory: n.Memory, Databases: n.Keyspace, Advice: []string{}}
	if n.Err != nil {
		out.Err = n.Err.Error()
		return out
	}
	out.Err = infoRefused(n)
	if databases, ok := n.Keyspace.Get(); ok {
		var keys, expires int64
		for _, db := range databases {
			keys += db.Keys.Or(0)
			expires += db.Expires.Or(0)
		}
		out.Keys, out.Expires = Known(keys), Known(expires)
		if data, ok := n.Memory.Dataset.Get(); ok && keys > 0 {
			out.PerKey = Known(data / keys)
		}
	}
	out.Advice = append(out.Advice, limitAdvice(n, &out)...)
	out.Advice = append(out.Advice, heapAdvice(n)...)
	return out
}

// The bounds of advice: below them nobody wins by acting.
const (
	nearlyFull  = 0.85
	fragmented  = 1.5
	worthwhile  = 100 * mebibyte
	mostlyOwn   = 0.5  // of the memory is overhead
	muchBuffers = 0.10 // of the memory are clients' buffers
)

func limitAdvice(n *Node, out *NodeMemory) []string {
	var advice []string
	policy := n.Memory.Policy.Or("")
	if usage, ok := n.Figure(MetricMaxMemoryUsage); ok && usage > nearlyFull {
		text := fmt.Sprintf("%s of maxmemory %s are in use (%.0f %%)", humanBytes(n.Memory.Used.v), humanBytes(n.Memory.Max.v), usage*100)
		if policy == "noeviction" {
			text += ": at 100 % writes are refused, since the policy is noeviction"
		} else {
			text += ": keys are evicted by " + policy
		}
		advice = append(advice, text)
	}
	if strings.HasPrefix(policy, "volatile-") && out.Expires.ok && out.Expires.v == 0 && out.Keys.v > 0 && n.Memory.Max.v > 0 {
		advice = append(advice, fmt.Sprintf("nothing can be evicted: the policy is %s, and none of %d keys has a time to live", policy, out.Keys.v))
	}
	if limit, ok := n.Memory.Max.Get(); ok && limit == 0 {
		text := "maxmemory is not set: the server grows until the machine has no memory left"
		if usage, ok := share(n.Memory.Used, n.Memory.System); ok {
			text += fmt.Sprintf(" (it uses %.1f %% of %s)", usage*100, humanBytes(n.Memory.System.v))
		}
		advice = append(advice, text)
	}
	if out.Keys.v > 0 && out.Expires.ok && out.Expires.v*10 < out.Keys.v && policy != "noeviction" && !strings.HasPrefix(policy, "allkeys-") {
		advice = append(advice, fmt.Sprintf("%d of %d keys never expire", out.Keys.v-out.Expires.v, out.Keys.v))
	}
	return advice
}

// keyOverhead is what is left of the overhead without buffers, scripts, and what an empty server takes.
func keyOverhead(m *Memory) (int64, bool) {
	over, ok := m.Overhead.Get()
	for _, part := range []Value[int64]{m.Startup, m.ClientsNormal, m.ClientsReplicas, m.ReplicationBacklog, m.AOFBuffer, m.Scripts} {
		over -= part.Or(0)
	}
	return over, ok && m.Used.ok
}

func heapAdvice(n *Node) []string {
	var advice []string
	m := &n.Memory
	lost := m.FragmentationBytes.Or(0)
	switch ratio, ok := m.Fragmentation.Get(); {
	case ok && ratio > fragmented && lost > worthwhile:
		advice = append(advice, fmt.Sprintf(
			"%s are lost to fragmentation (ratio %.2f): MEMORY PURGE may give some back, active defragmentation or a restart all", humanBytes(lost), ratio))
	case ok && ratio < 1 && -lost > worthwhile:
		advice = append(advice, fmt.Sprintf("%s of the server's memory are not resident (ratio %.2f): the machine swaps", humanBytes(-lost), ratio))
	}
	if peak := m.Peak.Or(0); m.Used.ok && peak-m.Used.v > worthwhile && peak > 2*m.Used.v {
		advice = append(advice, fmt.Sprintf("%s are in use, and %s were at the peak: leave room for it", humanBytes(m.Used.v), humanBytes(peak)))
	}
	if over, ok := keyOverhead(m); ok && float64(over) > mostlyOwn*float64(m.Used.v) && over > worthwhile {
		advice = append(advice, fmt.Sprintf(
			"%.0f %% of the memory is overhead of keys, not data: small keys are cheaper inside hashes", float64(over)/float64(m.Used.v)*100))
	}
	if part, ok := share(m.ClientsNormal, m.Used); ok && part > muchBuffers && m.ClientsNormal.v > worthwhile {
		advice = append(advice, humanBytes(m.ClientsNormal.v)+" are buffers of clients: someone reads too slowly, or sends too much at once")
	}
	if scripts := m.Scripts.Or(0); scripts > worthwhile/10 {
		advice = append(advice, humanBytes(scripts)+" are cached scripts: pass values as arguments, instead of writing them into the script")
	}
	return advice
}
