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
// A node is asked in three round trips at most, and mostly in one or two: one pipeline of INFO, SLOWLOG, LATENCY, in a
// cluster CLUSTER INFO and CLUSTER NODES, and once a minute CONFIG; a PING that is timed, unless one was within half an
// Interval; and SLOWLOG once more when it has something new after a while without. In a cluster one node is asked for the
// slots, before. What a server or an ACL user refuses is asked once, listed in Node.Unavailable, and not asked again until
// the server restarts.
//
// A single server that answered at once the last time is asked without a goroutine; should it hang now, it is asked once
// more, and a ctx that is cancelled meanwhile is seen after the client's ReadTimeout at most. Deadlines are kept in any case.
func (m *Monitor) Collect(ctx context.Context) (Snapshot, error) {
	return m.collect(ctx, func(work func()) { go work() }) // ends with the reads of its client, within the timeout
}

// starter begins work that may be late, so that it is owned by who may have to wait for it.
type starter func(work func())

func (m *Monitor) collect(ctx context.Context, start starter) (Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return Snapshot{}, fmt.Errorf("monitor: collect: %w", err)
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, m.opts.Timeout)
	defer cancel()
	targets, err := m.source.search(ctx, m.opts.Timeout, start)
	if err != nil {
		return Snapshot{At: time.Now()}, err
	}
	out := Snapshot{}
	var views []string
	if one, ok := m.alone(ctx, targets); ok {
		out.Nodes, views = []Node{one.node}, []string{one.view}
	} else {
		out.Nodes, views = m.together(ctx, targets, start)
	}
	out.At = time.Now()
	if err := caller.Err(); errors.Is(err, context.Canceled) {
		return Snapshot{At: time.Now()}, fmt.Errorf("monitor: collect: %w", err) // says nothing of the servers
	}
	m.settle(&out, views)
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

// together asks all nodes at once, and returns them with their CLUSTER NODES.
func (m *Monitor) together(ctx context.Context, targets []target, start starter) ([]Node, []string) {
	h := newHarvest(len(targets) + len(m.opts.Sentinels))
	for i, t := range targets {
		start(func() {
			h.views[i] = m.node(ctx, t, &h.nodes[i], false)
			h.arrive(i)
		})
	}
	for i, s := range m.opts.Sentinels {
		at := len(targets) + i
		start(func() {
			m.sentinel(ctx, s, i, &h.nodes[at])
			h.arrive(at)
		})
	}
	select {
	case <-h.done:
	case <-ctx.Done():
		// Who is late ends soon, with its client's read: Run waits for it at its end.
	}
	return h.take(func(i int) Node {
		n := Node{Err: fmt.Errorf("monitor: no answer in time: %w", context.Cause(ctx))}
		if i < len(targets) {
			n.Addr = targets[i].addr
		} else {
			n.Addr = sentinelAddr(m.opts.Sentinels[i-len(targets)], i-len(targets))
		}
		return n
	})
}

// swift is how soon a node answered that is asked again without a goroutine, which costs half as much as INFO itself.
const swift = 20 * time.Millisecond

type sampled struct {
	node Node
	view string
}

// alone asks the only node there is, if it was a swift one the last time. It returns false where it did not answer now. Since
// go-redis does not look at a context while it reads, the client's own time-out has to end within ctx.
func (m *Monitor) alone(ctx context.Context, targets []target) (one sampled, ok bool) {
	if len(targets) != 1 || len(m.opts.Sentinels) > 0 || !m.ability(targets[0].addr).isSwift() || !readsWithin(ctx, targets[0].client) {
		return one, false
	}
	one.view = m.node(ctx, targets[0], &one.node, true)
	if one.node.Err != nil {
		return sampled{}, false
	}
	return one, true
}

func readsWithin(ctx context.Context, c asker) bool {
	client, ok := c.(*redis.Client)
	if !ok {
		return false // of another's client nobody knows how long it reads
	}
	end, bound := ctx.Deadline()
	read := client.Options().ReadTimeout
	return bound && read > 0 && read <= time.Until(end)
}

// settle leaves in a snapshot the nodes that are part of the deployment, sorted.
func (m *Monitor) settle(s *Snapshot, views []string) {
	listed := m.identify(s.Nodes, views)
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n Node) bool { return m.removed(&n) })
	s.Nodes = m.asTheClusterSees(s.Nodes, listed)
	slices.SortStableFunc(s.Nodes, func(a, b Node) int {
		if a.Role == "sentinel" != (b.Role == "sentinel") {
			if a.Role == "sentinel" {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Addr, b.Addr)
	})
}

// harvest is where the nodes of one sample arrive. What has not arrived belongs to who still asks for it.
type harvest struct {
	nodes []Node
	views []string      // CLUSTER NODES, by node
	done  chan struct{} // closed when all have arrived

	mu      sync.Mutex
	arrived []bool
	waiting int
}

func newHarvest(n int) *harvest {
	h := &harvest{nodes: make([]Node, n), views: make([]string, n), arrived: make([]bool, n), waiting: n, done: make(chan struct{})}
	if n == 0 {
		close(h.done)
	}
	return h
}

func (h *harvest) arrive(i int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.arrived[i] = true
	if h.waiting--; h.waiting == 0 {
		close(h.done)
	}
}

// take returns what has arrived, with late for the rest.
func (h *harvest) take(late func(i int) Node) ([]Node, []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == 0 {
		return h.nodes, h.views
	}
	nodes, views := make([]Node, len(h.nodes)), make([]string, len(h.nodes))
	for i := range nodes {
		if h.arrived[i] {
			nodes[i], views[i] = h.nodes[i], h.views[i]
		} else {
			nodes[i] = late(i)
		}
	}
	return nodes, views
}

// removed tells whether a node has left, and then forgets it.
func (m *Monitor) removed(n *Node) bool {
	if !errors.Is(n.Err, redis.ErrClosed) || !m.source.left(n.Addr) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.abilities, n.Addr)
	return true
}

// node asks one server; in haste each question is asked once only. The text is its CLUSTER NODES.
func (m *Monitor) node(ctx context.Context, t target, n *Node, hasty bool) (view string) {
	n.Addr = t.addr
	if t.err != nil {
		n.Err = t.err
		return ""
	}
	a := m.ability(t.addr)
	client := bounded(t.client, m.opts.Timeout)
	begin := time.Now()
	defer func() { a.took(time.Since(begin), n.Err) }()
	b := newBatch(ctx, client, a, hasty)
	if err := b.send(ctx); err != nil {
		n.Err = err
		return ""
	}
	n.At = time.Now()
	raw, err := b.info()
	switch {
	case errors.Is(err, redis.Nil):
		n.Err = errGarbage
		return ""
	case err != nil && refused(err) == "":
		n.Err = err // LOADING and BUSY do not forbid INFO, so that this is a server that tells nothing
		return ""
	case err == nil:
		info := readInfo(raw)
		if len(info.fields) == 0 {
			n.Err = errGarbage
			return ""
		}
		var cluster fields
		if b.clusterInfo != nil {
			cluster = parseInfo(b.clusterInfo.Val())
		}
		n.fill(info, cluster)
	}
	a.restarted(n.Server.RunID.Or(""))
	if err := b.slow(ctx, client, n, hasty); err != nil {
		*n = Node{Addr: t.addr, Err: err}
		return ""
	}
	if err := m.ping(ctx, client, a, n, hasty); err != nil { // after the pipeline, which had to connect if somebody had to
		*n = Node{Addr: t.addr, Err: err}
		return ""
	}
	if b.latency != nil && b.latency.Err() == nil {
		n.Latency.Events = parseLatency(b.latency.Val())
	}
	b.note()
	view = b.nodes()
	m.rates(a, n)
	n.Config, n.Unavailable = a.lists()
	if n.Role == "sentinel" {
		m.quorum(ctx, client.Process, n)
	}
	return view
}

// ping times one round trip, unless that was done a moment ago. One that had to connect first is not what a caller with a
// pool waits for, so that it is asked again. A server that answers with an error is there all the same.
func (m *Monitor) ping(ctx context.Context, client asker, a *ability, n *Node, hasty bool) error {
	if !a.may("PING") {
		return nil
	}
	if l := a.lastPing(); !l.at.IsZero() && n.At.Sub(l.at) < m.opts.Interval/2 {
		n.Latency = l
		return nil
	}
	for range 2 {
		if hasty && !readsWithin(ctx, client) {
			return errLate
		}
		before := client.PoolStats().Misses
		start := time.Now()
		cmd := redis.NewStatusCmd(ctx, "ping")
		err := client.Process(ctx, retried(cmd, !hasty))
		took := time.Since(start)
		if err != nil {
			if !replied(err) || authentication(err) {
				return err
			}
			a.note("PING", err)
			return nil
		}
		n.Latency = Latency{RoundTrip: Known(took), at: start}
		if client.PoolStats().Misses == before {
			break
		}
	}
	a.pinged(n.Latency)
	return nil
}

// errLate has a node asked as all others are, because it was not as swift as it used to be.
var errLate = errors.New("monitor: the node has become slow")

// oneTry is a command that go-redis does not send again, nor what shares its pipeline.
type oneTry struct{ redis.Cmder }

// NoRetry is what go-redis asks for.
func (oneTry) NoRetry() bool { return true }

func retried(cmd redis.Cmder, again bool) redis.Cmder {
	if again {
		return cmd
	}
	return oneTry{cmd}
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
	slowEntries  int
	latency      *redis.Cmd
	clusterInfo  *redis.StringCmd
	clusterNodes *redis.StringCmd
	config       []*redis.MapStringStringCmd
	wantsCluster bool
}

func newBatch(ctx context.Context, client asker, a *ability, hasty bool) *batch {
	b := &batch{pipe: client.Pipeline(), a: a}
	a.mu.Lock()
	first, config := !a.asked, time.Since(a.configAt) >= configAge
	b.wantsCluster = a.cluster || first
	a.mu.Unlock()
	if a.may("INFO everything") {
		b.everything = redis.NewStringCmd(ctx, "info", "everything")
		_ = b.pipe.Process(ctx, retried(b.everything, !hasty)) // it is queued
	}
	if first || b.everything == nil && a.may("INFO") { // the first time both, so that a refusal costs no round trip
		b.plain = redis.NewStringCmd(ctx, "info")
		_ = b.pipe.Process(ctx, retried(b.plain, !hasty))
	}
	if a.may("SLOWLOG GET") {
		b.slowEntries = a.slowEntries()
		b.slowlog = b.pipe.Do(ctx, "SLOWLOG", "GET", b.slowEntries)
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

// slow fills in the slow log. Where nothing was new the last time the newest entry alone was asked for; if that is new, the
// others are asked for now.
func (b *batch) slow(ctx context.Context, client asker, n *Node, hasty bool) error {
	if b.slowlog == nil || b.slowlog.Err() != nil {
		return nil //nolint:nilerr // what was refused is noted with the abilities of the server
	}
	log, known := parseSlowlog(b.slowlog.Val()).Get()
	if !known {
		return nil
	}
	kept, whole := b.a.slowlog(log, b.slowEntries)
	if !whole {
		if hasty && !readsWithin(ctx, client) {
			return errLate
		}
		cmd := redis.NewCmd(ctx, "SLOWLOG", "GET", slowlogLength)
		err := client.Process(ctx, retried(cmd, !hasty))
		switch {
		case err == nil:
			log, known = parseSlowlog(cmd.Val()).Get()
		case replied(err): // refused, which was allowed a moment ago
			known = false
		default:
			return err
		}
		if !known {
			return nil
		}
		kept = b.a.keepSlowlog(log)
	}
	n.Slowlog = Known(kept)
	return nil
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

// identify gives the nodes of a cluster their ids, and returns what their views list, as far as the client reaches it: one
// that is not a cluster's own does not reach the others.
func (m *Monitor) identify(nodes []Node, views []string) map[string]clusterNode {
	_, all := m.rdb.(*redis.ClusterClient)
	listed := map[string]clusterNode{}
	for i, view := range views {
		if view == "" {
			continue
		}
		for _, n := range parseClusterNodes(view) {
			if n.is("myself") {
				nodes[i].ID = strings.Clone(n.id) // of a text that may be long
			}
			if !all || n.is("handshake") || n.is("noaddr") {
				continue
			}
			if have, ok := listed[n.id]; !ok || n.is("fail") && !have.is("fail") {
				listed[n.id] = n
			}
		}
	}
	return listed
}

// asTheClusterSees adds the nodes that the cluster has and go-redis does not tell of, because they failed, and takes out
// those that it has no longer. Any node that answers will do as a witness.
func (m *Monitor) asTheClusterSees(nodes []Node, listed map[string]clusterNode) []Node {
	if len(listed) == 0 {
		return nodes
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range nodes {
		if id := nodes[i].ID; id != "" {
			m.ids[id] = nodes[i].Addr // it is dead under the same name
		}
	}
	for id := range m.ids {
		if _, ok := listed[id]; !ok {
			delete(m.ids, id)
		}
	}
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
		delete(m.abilities, n.Addr)
		return true
	})
}

// What a cluster says of nodes that are not sampled.
var (
	errFailed      = errors.New("monitor: the cluster has marked the node as failed")
	errUnannounced = errors.New("monitor: the cluster does not announce the node: it is not in step with its master")
)
