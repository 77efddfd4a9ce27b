package monitor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// slowlogLength is how many entries of the slow log a sample holds.
const slowlogLength = 16

// configAge is how old the settings of a sample may be.
const configAge = time.Minute

// settings are what a sample asks of CONFIG: nothing that is a secret.
var settings = []string{
	"maxmemory", "maxmemory-policy", "maxclients", "timeout", "tcp-keepalive", "save", "appendonly", "appendfsync",
	"slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold", "notify-keyspace-events", "min-replicas-to-write",
}

// errGarbage is what a reply is that has no field of INFO in it.
var errGarbage = errors.New("monitor: the reply to INFO cannot be read")

// Collect takes one sample of all nodes, each asked by itself, at the same time. A node that does not answer is an entry
// with its error. Where no node answers, the error says so, and the snapshot still names them. Collect returns when ctx
// ends or Options.Timeout is over, whatever the servers do.
//
// A node is asked in two round trips, three the first time: a PING that is timed, and one pipeline of INFO, SLOWLOG,
// LATENCY, in a cluster CLUSTER INFO and CLUSTER NODES, and once a minute CONFIG. In a cluster one node is asked for the
// slots, before. What a server or an ACL user refuses is asked once, listed in Node.Unavailable, and not asked again until
// the server restarts.
func (m *Monitor) Collect(ctx context.Context) (Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return Snapshot{}, fmt.Errorf("monitor: collect: %w", err)
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, m.opts.Timeout)
	defer cancel()
	targets, err := m.source.targets(ctx, m.opts.Timeout)
	if err != nil {
		return Snapshot{At: time.Now()}, err
	}

	all := len(targets) + len(m.opts.Sentinels)
	nodes := make([]Node, all)
	views := make([]string, all) // CLUSTER NODES, by node
	arrived := make([]bool, all)
	var mu sync.Mutex
	waiting := all
	done := make(chan struct{})
	if all == 0 {
		close(done)
	}
	one := func(i int, ask func() (Node, string)) {
		m.late.Go(func() { // ends with the node's read, which ends within the timeout
			node, view := ask()
			mu.Lock()
			defer mu.Unlock()
			nodes[i], views[i], arrived[i] = node, view, true
			if waiting--; waiting == 0 {
				close(done)
			}
		})
	}
	for i, t := range targets {
		one(i, func() (Node, string) { return m.node(ctx, t) })
	}
	for i, s := range m.opts.Sentinels {
		one(len(targets)+i, func() (Node, string) { return m.sentinel(ctx, s, i), "" })
	}
	select {
	case <-done:
	case <-ctx.Done():
		// Who is late ends soon, with its client's read: Run waits for it at its end.
	}

	if err := caller.Err(); errors.Is(err, context.Canceled) {
		return Snapshot{At: time.Now()}, fmt.Errorf("monitor: collect: %w", err) // says nothing of the servers
	}
	mu.Lock()
	out := Snapshot{At: time.Now(), Nodes: slices.Clone(nodes)}
	for i := range out.Nodes {
		if arrived[i] {
			continue
		}
		addr := ""
		if i < len(targets) {
			addr = targets[i].addr
		} else {
			addr = sentinelAddr(m.opts.Sentinels[i-len(targets)], i-len(targets))
		}
		out.Nodes[i] = Node{Addr: addr, Err: fmt.Errorf("monitor: no answer in time: %w", context.Cause(ctx))}
	}
	seen := slices.Clone(views)
	mu.Unlock()

	out.Nodes = slices.DeleteFunc(out.Nodes, func(n Node) bool { return m.removed(n) })
	out.Nodes = m.asTheClusterSees(out.Nodes, seen)
	slices.SortStableFunc(out.Nodes, func(a, b Node) int {
		if a.Role == "sentinel" != (b.Role == "sentinel") {
			if a.Role == "sentinel" {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Addr, b.Addr)
	})
	m.mu.Lock()
	m.last = &out
	m.mu.Unlock()
	for i := range out.Nodes {
		if out.Nodes[i].Err == nil {
			return out, nil
		}
	}
	if err := out.Err(); err != nil {
		return out, err
	}
	return out, errors.New("monitor: no node was found")
}

// removed tells whether a closed client is that of a shard which SetAddrs took out of its Ring, or of a node that
// go-redis has dropped.
func (m *Monitor) removed(n Node) bool {
	if !errors.Is(n.Err, redis.ErrClosed) {
		return false
	}
	switch rdb := m.rdb.(type) {
	case *redis.Ring:
		if rdb.Len() == 0 {
			return false
		}
	case *redis.ClusterClient:
		if m.source.closed() {
			return false
		}
	default:
		return false
	}
	m.source.drop(n.Addr)
	return true
}

// node asks one server. The text is its CLUSTER NODES.
func (m *Monitor) node(ctx context.Context, t target) (Node, string) {
	n := Node{Addr: t.addr}
	if t.err != nil {
		n.Err = t.err
		return n, ""
	}
	a := m.ability(t.addr)
	client := bounded(t.client, m.opts.Timeout)
	if err := m.ping(ctx, client, a, &n); err != nil {
		n.Err = err
		return n, ""
	}
	b := newBatch(ctx, client, a, t)
	if err := b.send(ctx); err != nil {
		n.Err = err
		return n, ""
	}
	n.At = time.Now()
	raw, err := b.info()
	switch {
	case err != nil && refused(err) == "":
		n.Err = err // LOADING and BUSY do not forbid INFO, so that this is a server that tells nothing
		return n, ""
	case err == nil:
		info := parseInfo(raw)
		if len(info) == 0 {
			n.Err = errGarbage
			return n, ""
		}
		var cluster fields
		if b.clusterInfo != nil {
			cluster = parseInfo(b.clusterInfo.Val())
		}
		n.fill(raw, info, cluster)
	}
	b.fill(&n)
	a.restarted(n.Server.RunID.Or(""))
	b.note()
	view := b.nodes()
	n.ID = myself(view)
	m.know(n.ID, n.Addr)
	m.rates(a, &n)
	n.Config, n.Unavailable = a.lists()
	if n.Role == "sentinel" {
		m.quorum(ctx, client.Process, &n)
	}
	return n, view
}

// ping times one round trip. One that had to connect first is not what a caller with a pool waits for, so that it is
// asked again. A server that answers with an error is there all the same.
func (m *Monitor) ping(ctx context.Context, client asker, a *ability, n *Node) error {
	if !a.may("PING") {
		return nil
	}
	for range 2 {
		before := client.PoolStats().Misses
		start := time.Now()
		err := client.Ping(ctx).Err()
		took := time.Since(start)
		if err != nil {
			if !replied(err) || authentication(err) {
				return err
			}
			a.note("PING", err)
			return nil
		}
		n.Latency.RoundTrip = Known(took)
		if client.PoolStats().Misses == before {
			break
		}
	}
	return nil
}

// authentication tells whether a server lets nobody in with what the client has.
func authentication(err error) bool {
	return err != nil && (strings.HasPrefix(err.Error(), "NOAUTH") || strings.HasPrefix(err.Error(), "WRONGPASS"))
}

// batch is the one pipeline of a sample.
type batch struct {
	pipe         redis.Pipeliner
	a            *ability
	everything   *redis.StringCmd
	plain        *redis.StringCmd
	slowlog      *redis.Cmd
	latency      *redis.Cmd
	clusterInfo  *redis.StringCmd
	clusterNodes *redis.StringCmd
	config       []*redis.MapStringStringCmd
	wantsCluster bool
}

func newBatch(ctx context.Context, client asker, a *ability, t target) *batch {
	b := &batch{pipe: client.Pipeline(), a: a}
	a.mu.Lock()
	first, config := !a.asked, time.Since(a.configAt) >= configAge
	b.wantsCluster = a.cluster || first || t.err != nil
	a.mu.Unlock()
	if a.may("INFO everything") {
		b.everything = b.pipe.Info(ctx, "everything")
	}
	if first || b.everything == nil && a.may("INFO") { // the first time both, so that a refusal costs no round trip
		b.plain = b.pipe.Info(ctx)
	}
	if a.may("SLOWLOG GET") {
		b.slowlog = b.pipe.Do(ctx, "SLOWLOG", "GET", slowlogLength)
	}
	if a.may("LATENCY LATEST") {
		b.latency = b.pipe.Do(ctx, "LATENCY", "LATEST")
	}
	if b.wantsCluster && a.may("CLUSTER INFO") {
		b.clusterInfo = b.pipe.ClusterInfo(ctx)
	}
	if b.wantsCluster && a.may("CLUSTER NODES") {
		b.clusterNodes = b.pipe.ClusterNodes(ctx)
	}
	if config && a.may("CONFIG GET") {
		for _, name := range settings { // by themselves: several in one CONFIG GET need 7.0
			b.config = append(b.config, b.pipe.ConfigGet(ctx, name))
		}
	}
	return b
}

// send returns an error only where the server did not answer.
func (b *batch) send(ctx context.Context) error {
	if b.pipe.Len() == 0 {
		return nil
	}
	cmds, err := b.pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && (!replied(err) || authentication(err)) {
			return err
		}
	}
	if !replied(err) {
		return err
	}
	return nil
}

// info returns the fullest text that the server gave.
func (b *batch) info() (string, error) {
	err := error(refusalError("INFO may not be asked"))
	for _, cmd := range []*redis.StringCmd{b.everything, b.plain} {
		if cmd == nil {
			continue
		}
		if err = cmd.Err(); err == nil {
			return cmd.Val(), nil
		}
	}
	return "", err
}

// refusalError stands for a refusal of an earlier sample.
type refusalError string

func (r refusalError) Error() string { return "ERR " + string(r) }
func (refusalError) RedisError()     {}

// note records what was refused.
func (b *batch) note() {
	a := b.a
	if b.everything != nil {
		a.note("INFO everything", b.everything.Err())
	}
	if b.plain != nil {
		a.note("INFO", b.plain.Err())
	}
	if b.slowlog != nil {
		a.note("SLOWLOG GET", b.slowlog.Err())
	}
	if b.latency != nil {
		a.note("LATENCY LATEST", b.latency.Err())
	}
	if b.clusterInfo != nil {
		a.note("CLUSTER INFO", b.clusterInfo.Err())
	}
	if b.clusterNodes != nil {
		a.note("CLUSTER NODES", b.clusterNodes.Err())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = true
	if b.clusterNodes != nil && b.clusterNodes.Err() == nil {
		a.cluster = true
	}
	if len(b.config) == 0 {
		return
	}
	got := map[string]string{}
	var failed error
	for _, cmd := range b.config {
		if err := cmd.Err(); err != nil {
			failed = err
			continue
		}
		maps.Copy(got, cmd.Val())
	}
	a.configAt = time.Now()
	switch {
	case len(got) > 0:
		a.config = got
	case refused(failed) != "":
		if a.refused == nil {
			a.refused = map[string]Unavailable{}
		}
		a.refused["CONFIG GET"] = Unavailable{Command: "CONFIG GET", Reason: refused(failed), Detail: failed.Error()}
	}
}

// lists returns the settings, and what was refused as far as it says something: outside a cluster the cluster's commands
// are no loss, nor is INFO everything where the plain INFO is answered.
func (a *ability) lists() (map[string]string, []Unavailable) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Unavailable
	for command, u := range a.refused {
		if strings.HasPrefix(command, "CLUSTER ") && u.Reason == "unknown" && !a.cluster {
			continue
		}
		out = append(out, u)
	}
	slices.SortFunc(out, func(x, y Unavailable) int { return strings.Compare(x.Command, y.Command) })
	return a.config, out
}

func (b *batch) fill(n *Node) {
	if b.slowlog != nil && b.slowlog.Err() == nil {
		n.Slowlog = parseSlowlog(b.slowlog.Val())
	}
	if b.latency != nil && b.latency.Err() == nil {
		n.Latency.Events = parseLatency(b.latency.Val())
	}
}

func (b *batch) nodes() string {
	if b.clusterNodes == nil || b.clusterNodes.Err() != nil {
		return ""
	}
	return b.clusterNodes.Val()
}

func parseSlowlog(reply any) Value[[]SlowEntry] {
	list, ok := reply.([]any)
	if !ok {
		return Value[[]SlowEntry]{}
	}
	out := make([]SlowEntry, 0, len(list))
	for _, item := range list {
		parts, ok := item.([]any)
		if !ok || len(parts) < 4 {
			continue
		}
		id, ok1 := parts[0].(int64)
		at, ok2 := parts[1].(int64)
		took, ok3 := parts[2].(int64)
		args, ok4 := parts[3].([]any)
		if !ok1 || !ok2 || !ok3 || !ok4 {
			continue
		}
		e := SlowEntry{ID: id, At: time.Unix(at, 0), Duration: time.Duration(took) * time.Microsecond}
		for _, arg := range args {
			e.Args = append(e.Args, fmt.Sprint(arg))
		}
		if len(parts) > 5 {
			e.Client, _ = parts[4].(string)
			e.ClientName, _ = parts[5].(string)
		}
		out = append(out, e)
	}
	return Known(out)
}

func parseLatency(reply any) Value[[]LatencyEvent] {
	list, ok := reply.([]any)
	if !ok {
		return Value[[]LatencyEvent]{}
	}
	out := make([]LatencyEvent, 0, len(list))
	for _, item := range list {
		parts, ok := item.([]any)
		if !ok || len(parts) < 4 {
			continue
		}
		name, ok1 := parts[0].(string)
		at, ok2 := parts[1].(int64)
		last, ok3 := parts[2].(int64)
		longest, ok4 := parts[3].(int64)
		if !ok1 || !ok2 || !ok3 || !ok4 {
			continue
		}
		out = append(out, LatencyEvent{
			Name: name, At: time.Unix(at, 0), Last: time.Duration(last) * time.Millisecond, Max: time.Duration(longest) * time.Millisecond,
		})
	}
	return Known(out)
}

// rates fills Node.Rates from an earlier sample that is old enough for a figure, and keeps this one for later.
func (m *Monitor) rates(a *ability, n *Node) {
	now := sampleOf(n)
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := len(a.rates) - 1; i >= 0; i-- {
		if now.at.Sub(a.rates[i].at) >= m.opts.Interval/2 {
			n.Rates = ratesBetween(&a.rates[i], &now)
			break
		}
	}
	if len(a.rates) > 0 && now.at.Sub(a.rates[len(a.rates)-1].at) < m.opts.Interval/4 {
		return
	}
	a.rates = append(a.rates, now)
	if len(a.rates) > 4 {
		a.rates = slices.Delete(a.rates, 0, len(a.rates)-4)
	}
}

// myself returns the id of the node whose view of the cluster it is.
func myself(view string) string {
	for _, n := range parseClusterNodes(view) {
		if n.is("myself") {
			return n.id
		}
	}
	return ""
}

// know keeps the address that a node was sampled under: it is dead under the same name.
func (m *Monitor) know(id, addr string) {
	if id == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids[id] = addr
}

// asTheClusterSees adds the nodes that the cluster has and go-redis does not tell of, because they failed, and takes out
// those that it has no longer. Any node that answers will do as a witness.
func (m *Monitor) asTheClusterSees(nodes []Node, views []string) []Node {
	listed := map[string]clusterNode{}
	for _, view := range views {
		for _, n := range parseClusterNodes(view) {
			if n.is("handshake") || n.is("noaddr") {
				continue
			}
			if have, ok := listed[n.id]; !ok || n.is("fail") && !have.is("fail") {
				listed[n.id] = n
			}
		}
	}
	if len(listed) == 0 {
		return nodes
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sampled := map[string]bool{}
	for i := range nodes {
		if nodes[i].ID != "" {
			sampled[nodes[i].ID] = true
		}
	}
	addrs := map[string]bool{} // of what the cluster lists
	for id, n := range listed {
		addr := n.addr
		if known, ok := m.ids[id]; ok {
			addr = known
		}
		addrs[addr] = true
		i := slices.IndexFunc(nodes, func(have Node) bool { return have.Addr == addr })
		if i >= 0 {
			nodes[i].ID = id
			if nodes[i].Err != nil && n.is("fail") {
				nodes[i].Err = fmt.Errorf("%w: %w", errFailed, nodes[i].Err)
			}
			continue
		}
		if sampled[id] {
			continue // under another address
		}
		err := errUnannounced
		if n.is("fail") {
			err = errFailed
		}
		nodes = append(nodes, Node{Addr: addr, ID: id, Err: err})
	}
	return slices.DeleteFunc(nodes, func(n Node) bool {
		if n.Err == nil || n.Role == "sentinel" || addrs[n.Addr] || sampled[n.ID] {
			return false
		}
		m.source.drop(n.Addr)
		return true
	})
}

// What a cluster says of nodes that are not sampled.
var (
	errFailed      = errors.New("monitor: the cluster has marked the node as failed")
	errUnannounced = errors.New("monitor: the cluster does not announce the node: it is not in step with its master")
)
