package monitor

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var start = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// blocked makes a snapshot of one node with a figure; a negative one is not known.
func blocked(at time.Time, v int64) *Snapshot {
	n := Node{Addr: "a", At: at}
	if v >= 0 {
		n.Clients.Blocked = Known(v)
	}
	return &Snapshot{At: at, Nodes: []Node{n}}
}

func kinds(events []Event) []EventKind {
	var out []EventKind
	for _, e := range events {
		out = append(out, e.Kind)
	}
	return out
}

// TestAlertStates: each way from one state to the next, second by second.
func TestAlertStates(t *testing.T) {
	rule := Rule{Name: "r", Severity: Critical, Metric: MetricBlockedClients, Op: Above, Threshold: 10, Hysteresis: 3, For: 2 * time.Second, KeepFiring: 2 * time.Second, Summary: "many"}
	e := newEngine([]Rule{rule.completed()}, 100)
	for i, c := range []struct {
		v      int64
		state  State
		events []EventKind
	}{
		{10, "", nil},                          // 0: the threshold itself is fine
		{11, Pending, nil},                     // 1
		{11, Pending, nil},                     // 2
		{5, "", nil},                           // 3: it did not hold for long enough
		{11, Pending, nil},                     // 4
		{-1, Pending, nil},                     // 5: no data
		{-1, Pending, nil},                     // 6: does not fire
		{12, Firing, []EventKind{EventFired}},  // 7
		{-1, Firing, nil},                      // 8: no data does not resolve
		{9, Firing, nil},                       // 9: within the hysteresis
		{7, Firing, nil},                       // 10: well
		{7, Firing, nil},                       // 11: but kept
		{8, Firing, nil},                       // 12: not well, so that it begins again
		{7, Firing, nil},                       // 13
		{6, Firing, nil},                       // 14
		{5, "", []EventKind{EventResolved}},    // 15
		{5, "", nil},                           // 16
		{99, Pending, nil}, {99, Pending, nil}, // 17, 18
		{99, Firing, []EventKind{EventFired}}, // 19
		{99, Firing, nil}, {99, Firing, nil},  // 20, 21: one event a change
		{0, Firing, nil}, {0, Firing, nil}, {0, "", []EventKind{EventResolved}}, // 22, 23, 24
	} {
		at := start.Add(time.Duration(i) * time.Second)
		events := e.step(blocked(at, c.v))
		assert.Equal(t, c.events, kinds(events), "step %d", i)
		alerts := e.alerts()
		if c.state == "" {
			assert.Empty(t, alerts, "step %d", i)
			if len(events) == 1 {
				a := events[0].Alert
				assert.Equal(t, Resolved, a.State)
				assert.Equal(t, at, a.ResolvedAt)
			}
			continue
		}
		require.Len(t, alerts, 1, "step %d", i)
		assert.Equal(t, c.state, alerts[0].State, "step %d", i)
	}
	e.step(blocked(start.Add(time.Hour), 11))
	a := e.alerts()[0]
	assert.Equal(t, Alert{
		Rule: "r", Node: "a", Severity: Critical, State: Pending, Value: 11, Threshold: 10, Since: start.Add(time.Hour),
		Message: "many: blocked_clients 11, above 10",
	}, a)
}

// TestAlertModel: random figures, gaps and rules beside a definition that looks back from each moment.
func TestAlertModel(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 9))
		rule := Rule{
			Name: "r", Metric: MetricBlockedClients, Op: Above, Threshold: 5, Hysteresis: float64(r.IntN(3)),
			For: time.Duration(r.IntN(4)) * time.Second, KeepFiring: time.Duration(r.IntN(4)) * time.Second,
		}
		if seed%2 == 1 {
			rule.Op = Below
		}
		rule = rule.completed()
		e := newEngine([]Rule{rule}, 50)
		type point struct {
			at time.Time
			v  int64
		}
		var known []point // since the last change
		firing := false
		at := start
		for i := range 120 {
			at = at.Add(time.Duration(1+r.IntN(2)) * time.Second)
			v := int64(r.IntN(11)) - 1
			if r.IntN(3) == 0 && len(known) > 0 { // figures stay, now and then, or nothing would ever last
				v = known[len(known)-1].v
			}
			events := kinds(e.step(blocked(at, v)))
			var want []EventKind
			if v >= 0 {
				known = append(known, point{at, v})
				// How long has it been so, looking back?
				lasted := func(so func(float64) bool) (time.Duration, bool) {
					from, any := at, false
					for _, p := range slices.Backward(known) {
						if !so(float64(p.v)) {
							break
						}
						from, any = p.at, true
					}
					return at.Sub(from), any
				}
				holds := func(v float64) bool { return rule.Op == Above && v > 5 || rule.Op == Below && v < 5 }
				well := func(v float64) bool {
					return rule.Op == Above && v <= 5-rule.Hysteresis || rule.Op == Below && v >= 5+rule.Hysteresis
				}
				if !firing {
					if d, any := lasted(holds); any && d >= rule.For {
						firing, known, want = true, nil, []EventKind{EventFired}
					}
				} else if d, any := lasted(well); any && d >= rule.KeepFiring {
					firing, known, want = false, nil, []EventKind{EventResolved}
				}
			}
			require.Equal(t, want, events, "seed %d step %d: %+v", seed, i, rule)
			alerts := e.alerts()
			require.Equal(t, firing, len(alerts) == 1 && alerts[0].State == Firing, "seed %d step %d", seed, i)
		}
	}
}

// counting simulates what a server counts, beside what truly happened.
type counting struct {
	id      int
	started time.Time
	evicted int64
	other   int64
}

func (s *counting) node(at time.Time) Node {
	return Node{
		Addr: "a", At: at, Server: Server{RunID: Known(strconv.Itoa(s.id)), Uptime: Known(at.Sub(s.started).Truncate(time.Second))},
		Stats: Stats{Evicted: Known(s.evicted), Commands: Known(s.other)},
	}
}

// TestIncreaseAcrossResets: whatever restarts, RESETSTATs and failovers come between, a window never tells of more than
// happened in it, never less than what came after the last reset of each step, and nothing negative.
func TestIncreaseAcrossResets(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		s := &counting{started: start}
		at := start
		var samples []sample
		type step struct{ most, least int64 } // what the samples can tell of a step
		var steps []step
		for i := range 60 {
			took := time.Duration(5+r.IntN(20)) * time.Second
			at = at.Add(took)
			happened := int64(r.IntN(50))
			one := step{happened, happened}
			event := r.IntN(12)
			if event == 1 && s.other == 0 {
				event = 11 // of two RESETSTATs in a row nobody could tell the second
			}
			s.other += 1 + happened // a server that is sampled counts at least that
			switch event {
			case 0: // a restart in between: what was before it is lost
				before := r.Int64N(happened + 1)
				s = &counting{id: s.id + 1, started: at.Add(-took / 2), evicted: happened - before, other: 1}
				one.least = happened - before
			case 1: // CONFIG RESETSTAT
				before := r.Int64N(happened + 1)
				s.evicted, s.other = happened-before, 0
				one.least = happened - before
			case 2: // another server takes over, which has counted for long
				s = &counting{id: s.id + 1, started: start.Add(-time.Hour), evicted: int64(r.IntN(1e6)), other: int64(r.IntN(1e6))}
				one = step{0, 0}
			default:
				s.evicted += happened
			}
			n := s.node(at)
			samples = append(samples, sampleOf(&n))
			if i > 0 {
				steps = append(steps, one)
			}
		}
		for _, window := range []time.Duration{time.Second, time.Minute, 5 * time.Minute, time.Hour} {
			n, covered, ok := increase(samples, window, countEvicted)
			part := within(samples, window)
			var most, least int64
			for _, st := range steps[len(samples)-len(part):] {
				most, least = most+st.most, least+st.least
			}
			if ok {
				assert.GreaterOrEqual(t, n, least, "seed %d %v", seed, window)
				assert.LessOrEqual(t, n, most, "seed %d %v", seed, window)
				assert.LessOrEqual(t, covered, part[len(part)-1].at.Sub(part[0].at))
			} else {
				assert.Zero(t, least)
			}
		}
	}
}

// TestPerMinute: what a window tells of.
func TestPerMinute(t *testing.T) {
	series := func(every time.Duration, totals ...int64) []sample {
		var out []sample
		for i, n := range totals {
			s := sample{at: start.Add(time.Duration(i) * every), runID: "1"}
			s.totals[countEvicted] = Known(n)
			out = append(out, s)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		in     []sample
		window time.Duration
		want   float64
		known  bool
	}{
		{"the first sample alone decides nothing", series(15*time.Second, 1000), time.Minute, 0, false},
		{"a part of a window is not blown up", series(15*time.Second, 1000, 1003), time.Minute, 3, true},
		{"a window", series(15*time.Second, 0, 10, 20, 30, 40), time.Minute, 40, true},
		{"only the window", series(15*time.Second, 0, 900, 900, 900, 900, 901), time.Minute, 1, true},
		{"samples further apart than the window", series(5*time.Minute, 0, 500), time.Minute, 100, true},
		{"a longer window is told by the minute", series(time.Minute, 0, 10, 20, 30, 40, 50), 5 * time.Minute, 10, true},
		{"none", nil, time.Minute, 0, false},
	} {
		v, ok := perMinute(c.in, c.window, countEvicted)
		assert.Equal(t, c.known, ok, c.name)
		assert.InDelta(t, c.want, v, 1e-9, c.name)
	}
}

// TestHitRatio: an idle server has none.
func TestHitRatio(t *testing.T) {
	pair := func(hits, misses int64) []sample {
		a, b := sample{at: start}, sample{at: start.Add(time.Minute)}
		a.totals[countHits], a.totals[countMisses] = Known[int64](100), Known[int64](100)
		b.totals[countHits], b.totals[countMisses] = Known(100+hits), Known(100+misses)
		return []sample{a, b}
	}
	_, ok := hitRatio(pair(0, 0), time.Minute, 0)
	assert.False(t, ok)
	_, ok = hitRatio(pair(1, 8), time.Minute, 10)
	assert.False(t, ok, "fewer than the rule asks for")
	v, ok := hitRatio(pair(1, 9), time.Minute, 10)
	assert.True(t, ok)
	assert.InDelta(t, 0.1, v, 1e-9)
	_, ok = hitRatio(pair(5, 5)[:1], time.Minute, 0)
	assert.False(t, ok)
}

func TestSlowest(t *testing.T) {
	var samples []sample
	for i := range 200 {
		samples = append(samples, sample{at: start.Add(time.Duration(i) * time.Second), ping: Known(time.Duration(i) * time.Millisecond)})
	}
	v, ok := slowest(samples, 99*time.Second, 100)
	assert.True(t, ok)
	assert.InDelta(t, 0.198, v, 1e-9, "the 99th of 100")
	_, ok = slowest(samples, 99*time.Second, 101)
	assert.False(t, ok)
	_, ok = slowest(nil, time.Minute, 0)
	assert.False(t, ok)

	one := sample{at: start, ping: Known(time.Second), pinged: start}
	two, three := one, one
	two.at, three.at, three.pinged = start.Add(time.Second), start.Add(2*time.Second), start.Add(2*time.Second)
	_, ok = slowest([]sample{one, two, three}, time.Minute, 3)
	assert.False(t, ok, "samples that rest on one PING count once")
	_, ok = slowest([]sample{one, two, three}, time.Minute, 2)
	assert.True(t, ok)
}

// TestRestartedEvent and its neighbours: what happens to nodes is told once.
func TestRestartedEvent(t *testing.T) {
	node := func(id string, up time.Duration, role, replID, replID2 string, at time.Time) *Snapshot {
		n := Node{Addr: "a", At: at, Role: role}
		n.Server.RunID, n.Server.Uptime = Known(id), Known(up)
		n.Replication.ReplID, n.Replication.ReplID2 = Known(replID), Known(replID2)
		return &Snapshot{At: at, Nodes: []Node{n}}
	}
	e := newEngine(nil, 10)
	now := start
	step := func(s *Snapshot) []EventKind { return kinds(e.step(s)) }
	tick := func() time.Time { now = now.Add(15 * time.Second); return now }
	assert.Empty(t, step(node("1", time.Hour, "master", "x", "0", tick())))
	assert.Equal(t, []EventKind{EventRestarted}, step(node("2", 3*time.Second, "master", "y", "0", tick())))
	assert.Empty(t, step(node("2", 18*time.Second, "master", "y", "0", tick())))
	// A failover client finds another server under the same name.
	assert.Equal(t, []EventKind{EventFailover}, step(node("3", time.Hour, "master", "z", "y", tick())))
	assert.Equal(t, []EventKind{EventFailover}, step(node("4", time.Second, "master", "q", "z", tick())), "a young one that took over")
	assert.Empty(t, step(node("4", 16*time.Second, "replica", "q", "z", tick())), "a demotion is the other side of a promotion")
	assert.Equal(t, []EventKind{EventFailover}, step(node("4", 31*time.Second, "master", "r", "q", tick())))
	// Without a run id the uptime tells.
	assert.Empty(t, step(node("", time.Hour, "master", "", "", tick())))
	assert.Equal(t, []EventKind{EventRestarted}, step(node("", time.Second, "master", "", "", tick())))
	// The same sample twice, or an older one, is none.
	before := len(e.tracks["a"].samples)
	assert.Empty(t, step(node("", time.Second, "master", "", "", now)))
	assert.Len(t, e.tracks["a"].samples, before)
}

// TestNodesComeAndGo: a node that is lost and found again, and one that is gone for good, whose alerts resolve.
func TestNodesComeAndGo(t *testing.T) {
	rules := []Rule{
		{Name: "down", Metric: MetricUp, Op: Below, Threshold: 1},
		{Name: "blocked", Metric: MetricBlockedClients, Threshold: 5},
	}
	for i := range rules {
		rules[i] = rules[i].completed()
	}
	e := newEngine(rules, 10)
	now := start
	tick := func(nodes ...Node) []Event {
		now = now.Add(time.Second)
		for i := range nodes {
			if nodes[i].Err == nil {
				nodes[i].At = now
				nodes[i].Clients.Blocked = Known[int64](9)
			}
		}
		return e.step(&Snapshot{At: now, Nodes: nodes})
	}
	gone := errors.New("connection refused")
	assert.Equal(t, []EventKind{EventFired, EventFired}, kinds(tick(Node{Addr: "a"}, Node{Addr: "b"})))
	events := tick(Node{Addr: "a"}, Node{Addr: "b", Err: gone})
	assert.Equal(t, []EventKind{EventNodeLost, EventFired}, kinds(events))
	assert.Equal(t, "no answer: connection refused", events[1].Alert.Message)
	assert.Len(t, e.alerts(), 3, "what fired on the lost node goes on firing: nothing is known of it")
	assert.Empty(t, tick(Node{Addr: "a"}, Node{Addr: "b", Err: gone}))
	assert.Equal(t, []EventKind{EventNodeBack, EventResolved}, kinds(tick(Node{Addr: "a"}, Node{Addr: "b"})))
	events = tick(Node{Addr: "a"})
	assert.Equal(t, []EventKind{EventNodeLost, EventResolved}, kinds(events))
	assert.Equal(t, "b", events[0].Node)
	assert.Equal(t, "the node is no longer there", events[1].Alert.Message)
	assert.Len(t, e.alerts(), 1)
	assert.Empty(t, tick(Node{Addr: "a"}, Node{Addr: "c", Err: gone})[1:], "a node that never answered was not lost: its rule fires, and that is all")
}

// TestDue: notifiers are told when an alert fires, and again after Repeat.
func TestDue(t *testing.T) {
	for repeat, want := range map[time.Duration][]int{0: {0, 240, 480}, 90 * time.Minute: {0, 90, 180, 270, 360, 450}, -1: {0}} {
		e := newEngine([]Rule{Rule{Name: "r", Metric: MetricBlockedClients, Threshold: 1, Repeat: repeat}.completed()}, 10)
		var told []int
		for minute := range 500 {
			now := start.Add(time.Duration(minute) * time.Minute)
			e.step(blocked(now, 2))
			if len(e.due(now)) > 0 {
				told = append(told, minute)
			}
		}
		assert.Equal(t, want, told, "%v", repeat)
	}
}

// TestSamplesAreBounded: what is kept does not grow, and is enough for the longest window.
func TestSamplesAreBounded(t *testing.T) {
	rule := Rule{Name: "r", Metric: MetricEvictedKeys, Threshold: 1, Window: time.Minute}.completed()
	e := newEngine([]Rule{rule}, 1000)
	s := &counting{started: start}
	for i := range 5000 {
		at := start.Add(time.Duration(i) * time.Second)
		s.evicted += 2
		n := s.node(at)
		e.step(&Snapshot{At: at, Nodes: []Node{n}})
	}
	kept := e.tracks["a"].samples
	assert.Len(t, kept, 61)
	v, ok := perMinute(kept, time.Minute, countEvicted)
	assert.True(t, ok)
	assert.InDelta(t, 120, v, 1e-9)
	few := newEngine([]Rule{rule}, 10)
	for i := range 100 {
		few.step(blocked(start.Add(time.Duration(i)*time.Second), 1))
	}
	assert.Len(t, few.tracks["a"].samples, 11)
}

func TestRates(t *testing.T) {
	s := &counting{started: start, evicted: 10, other: 100}
	n1 := s.node(start.Add(10 * time.Second))
	n1.CPU = CPU{System: Known(1.0), User: Known(2.0)}
	s.evicted, s.other = 30, 300
	n2 := s.node(start.Add(20 * time.Second))
	n2.CPU = CPU{System: Known(2.0), User: Known(6.0)}
	a, b := sampleOf(&n1), sampleOf(&n2)
	r := ratesBetween(&a, &b)
	assert.Equal(t, 10*time.Second, r.Over)
	assert.InDelta(t, 2, r.Evicted.Or(-1), 1e-9)
	assert.InDelta(t, 20, r.Commands.Or(-1), 1e-9)
	assert.InDelta(t, 0.5, r.CPU.Or(-1), 1e-9)
	assert.Equal(t, Value[float64]{}, r.Hits)
	assert.Equal(t, Value[float64]{}, r.HitRatio)
	assert.Equal(t, Rates{}, ratesBetween(&b, &a), "time does not run back")
}

// TestWithoutUptime: of another process that does not say since when it counts, nothing can be told.
func TestWithoutUptime(t *testing.T) {
	a, b := sample{at: start, runID: "a"}, sample{at: start.Add(time.Minute), runID: "b"}
	a.totals[countEvicted], b.totals[countEvicted] = Known[int64](1), Known[int64](1e6)
	_, known := grown(&a, &b, countEvicted)
	assert.False(t, known)
	b.uptime = Known(30 * time.Second)
	n, known := grown(&a, &b, countEvicted)
	assert.True(t, known)
	assert.Equal(t, int64(1e6), n)
}
