package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Check takes one sample and evaluates all rules on it, once. It returns what is pending and firing. Rules over a window
// compare with the samples of earlier Checks, so that the first decides nothing of them. Check has a memory of its own:
// it neither disturbs Run nor tells a notifier or subscriber.
//
// Where no node answers there are alerts and an error. Cost: that of Collect.
func (m *Monitor) Check(ctx context.Context) ([]Alert, error) {
	snapshot, err := m.Collect(ctx)
	if err != nil && len(snapshot.Nodes) == 0 {
		return nil, err
	}
	m.checking.Lock()
	defer m.checking.Unlock()
	m.check.step(&snapshot)
	return m.check.alerts(), err
}

// errRunning is what a second Run returns.
var errRunning = errors.New("monitor: Run is running already")

// Run samples and judges every Interval until ctx ends, and then returns nil, after the notifiers had 5 s for what still
// waits. Each sample starts at once, whatever becomes of the last one; errors go to Options.OnError and are survived. A
// Monitor runs once at a time. Goroutines that Run starts end with it, but for a Notifier that does not return though its
// context has ended.
func (m *Monitor) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.running {
		m.mu.Unlock()
		return errRunning
	}
	m.running, m.alerts = true, nil
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.running = false
		m.mu.Unlock()
	}()

	deliveries, give := context.WithCancel(context.WithoutCancel(ctx))
	defer give()
	stop := make(chan struct{})
	var workers []*worker
	var delivering sync.WaitGroup
	for _, n := range m.opts.Notifiers {
		w := newWorker(n, m.report)
		workers = append(workers, w)
		delivering.Go(func() { w.run(deliveries, stop) })
	}

	var late sync.WaitGroup // this Run's own: others may be in Collect at any time
	m.loop(ctx, &late, func(alerts []Alert) {
		for _, w := range workers {
			w.add(alerts...)
		}
	})

	close(stop)
	timer := time.AfterFunc(flushTime, give)
	delivering.Wait()
	timer.Stop()
	late.Wait()
	return nil
}

func (m *Monitor) loop(ctx context.Context, late *sync.WaitGroup, notify func([]Alert)) {
	e := newEngine(m.opts.Rules, m.opts.History)
	lead := leadership{ask: m.opts.Leader, timeout: m.opts.Timeout, late: late, report: m.report}
	ticker := time.NewTicker(m.opts.Interval)
	defer ticker.Stop()
	said := ""
	for {
		snapshot, err := m.collect(ctx, late.Go)
		if ctx.Err() != nil {
			return
		}
		text := ""
		if err != nil {
			if text = err.Error(); text != said { // an outage is one error, not one a sample
				m.report(err)
			}
		}
		said = text
		if len(snapshot.Nodes) > 0 {
			m.judge(ctx, e, &snapshot, &lead, notify)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// judge evaluates the rules, publishes what came of it, and tells subscribers and, as the leader, notifiers.
func (m *Monitor) judge(ctx context.Context, e *engine, s *Snapshot, lead *leadership, notify func([]Alert)) {
	events := e.step(s)
	m.mu.Lock()
	if n := len(m.history); n > 0 {
		m.history[n-1] = slim(m.history[n-1])
	}
	m.history = append(m.history, *s)
	if n := len(m.history) - m.opts.History; n > 0 {
		m.history = slices.Delete(m.history, 0, n)
	}
	m.alerts = e.alerts()
	m.mu.Unlock()

	for _, event := range events {
		switch event.Kind {
		case EventResolved:
			if len(m.opts.Notifiers) > 0 {
				lead.owe(*event.Alert)
			}
		case EventFired:
			lead.settled(event.Alert.key())
		}
		m.subs.tell(event, m.report)
	}
	if len(m.opts.Notifiers) == 0 || !lead.leads(ctx) {
		return // what fires stays to be told, by whoever leads next
	}
	notify(append(lead.owed(s.At, m.memory()), e.due(s.At)...))
}

// memory is how long what resolved is told of by who only leads since: longer than a lease that nobody renews.
func (m *Monitor) memory() time.Duration { return max(resolvedMemory, 10*m.opts.Interval) }

const (
	resolvedMemory = 10 * time.Minute
	resolvedLength = 4 * queueLength
)

// slim leaves of a snapshot the figures that a chart draws: an hour of raw INFO would be megabytes. Its strings are copied:
// each is a part of INFO, and would keep all of it alive.
func slim(s Snapshot) Snapshot {
	nodes := slices.Clone(s.Nodes)
	for i := range nodes {
		n := &nodes[i]
		n.Info, n.Commands, n.Slowlog, n.Config, n.Stats.Errors = nil, Value[[]Command]{}, Value[[]SlowEntry]{}, nil, nil
		n.Latency.Events = Value[[]LatencyEvent]{}
		for _, text := range []*Value[string]{
			&n.Server.Name, &n.Server.Version, &n.Server.Mode, &n.Server.OS, &n.Server.RunID, &n.Server.ConfigFile, &n.Memory.Policy, &n.Memory.Allocator,
			&n.Replication.Role, &n.Replication.ReplID, &n.Replication.ReplID2, &n.Replication.MasterHost, &n.Cluster.State,
		} {
			*text = own(*text)
		}
		n.Role = strings.Clone(n.Role)
		n.Replication.Replicas = slices.Clone(n.Replication.Replicas)
		for i := range n.Replication.Replicas {
			r := &n.Replication.Replicas[i]
			r.State = strings.Clone(r.State)
		}
		n.Sentinel.Masters.v = slices.Clone(n.Sentinel.Masters.v)
		for i := range n.Sentinel.Masters.v {
			m := &n.Sentinel.Masters.v[i]
			m.Name, m.Addr, m.Status = strings.Clone(m.Name), strings.Clone(m.Addr), strings.Clone(m.Status)
		}
	}
	return Snapshot{At: s.At, Nodes: nodes}
}

// leadership asks who leads, once a sample. An answer that does not come in time, or a panic, is the last answer.
type leadership struct {
	ask     func(context.Context) bool
	timeout time.Duration
	late    *sync.WaitGroup
	report  func(error)

	// What resolved and was not told yet. A leader may have died after it told that an alert fires, and before it could tell
	// that it does not: its successor does. Only judge looks at it.
	resolved []Alert

	mu      sync.Mutex
	answer  bool
	waiting chan struct{}
	hangs   chan struct{} // the waiting that lasted longer than the timeout: nobody waits for it again
}

func (l *leadership) owe(a Alert) {
	l.settled(a.key())
	l.resolved = append(l.resolved, a)
	if n := len(l.resolved) - resolvedLength; n > 0 {
		l.resolved = slices.Delete(l.resolved, 0, n)
	}
}

// settled forgets an alert that fires again.
func (l *leadership) settled(key alertKey) {
	l.resolved = slices.DeleteFunc(l.resolved, func(a Alert) bool { return a.key() == key })
}

// owed returns what is not too old, and forgets all.
func (l *leadership) owed(now time.Time, memory time.Duration) []Alert {
	out := slices.DeleteFunc(l.resolved, func(a Alert) bool { return now.Sub(a.ResolvedAt) > memory })
	l.resolved = nil
	return out
}

func (l *leadership) leads(ctx context.Context) bool {
	if l.ask == nil {
		return true
	}
	l.mu.Lock()
	done := l.waiting
	if done == nil {
		done = make(chan struct{})
		l.waiting = done
		asked, cancel := context.WithTimeout(ctx, l.timeout)
		l.late.Go(func() {
			defer cancel()
			defer close(done)
			answer, err := l.call(asked)
			if err != nil {
				l.report(err)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.waiting = nil
			if err == nil {
				l.answer = answer
			}
		})
	}
	if done == l.hangs {
		defer l.mu.Unlock()
		return l.answer
	}
	l.mu.Unlock()
	timer := time.NewTimer(l.timeout)
	defer timer.Stop()
	hangs := false
	select {
	case <-done:
	case <-timer.C:
		hangs = true
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if hangs {
		l.hangs = done
	}
	return l.answer
}

func (l *leadership) call(ctx context.Context) (leads bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("monitor: Options.Leader panicked: %v", p)
		}
	}()
	return l.ask(ctx), nil
}
