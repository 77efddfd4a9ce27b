package monitor

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Options of New. The zero value is fine.
type Options struct {
	Interval  time.Duration              // between samples of Run; defaults to 15 s, at most a day
	Rules     []Rule                     // nil: DefaultRules, their windows fitted to Interval; empty and not nil: none
	Notifiers []Notifier                 // told of alerts that fire, resolve and repeat
	History   int                        // samples that Run keeps for windows and pages; defaults to 240
	Logger    *slog.Logger               // defaults to silence; gets errors, never a secret
	OnError   func(error)                // called with errors that Run survives, from several goroutines; defaults to nothing
	Leader    func(context.Context) bool // nil: always; only the leader tells the notifiers. Lease.Leader is one

	Timeout   time.Duration           // of one sample: a node that has not answered by then has an error; defaults to 5 s
	Sentinels []*redis.SentinelClient // sampled as nodes of the role sentinel; each waits as long as its own client says
}

const (
	defaultInterval = 15 * time.Second
	defaultHistory  = 240
	defaultTimeout  = 5 * time.Second
	longestInterval = 24 * time.Hour
	longestHistory  = 1_000_000
)

// Monitor samples a deployment, judges it by rules, and tells of what changes. Make one with New. It is safe for
// concurrent use; it starts no goroutine but in Run and for the time of a call.
type Monitor struct {
	rdb    redis.UniversalClient
	opts   Options
	source *source
	subs   subscribers

	mu        sync.Mutex
	abilities map[string]*ability
	ids       map[string]string // cluster node id -> the address that it was sampled under
	last      *Snapshot
	history   []Snapshot
	alerts    []Alert // of Run

	checking sync.Mutex
	check    *engine
	running  bool
}

// New makes a Monitor of the servers that the client reaches. It does no I/O. The client stays the caller's. A
// *redis.AutoPipeliner is refused: it hides the nodes of a cluster; pass the client that it was made from. Of a client
// type that is not go-redis's own, the one server that answers is seen.
func New(rdb redis.UniversalClient, opts Options) (*Monitor, error) {
	if err := usable(rdb); err != nil {
		return nil, err
	}
	opts.Interval = cmp.Or(opts.Interval, defaultInterval)
	opts.History = cmp.Or(opts.History, defaultHistory)
	opts.Timeout = cmp.Or(opts.Timeout, defaultTimeout)
	switch {
	case opts.Interval < time.Millisecond || opts.Interval > longestInterval:
		return nil, fmt.Errorf("monitor: Options.Interval: %v is not between 1ms and %v", opts.Interval, longestInterval)
	case opts.History < 2 || opts.History > longestHistory:
		return nil, fmt.Errorf("monitor: Options.History: %d is not between 2 and %d", opts.History, longestHistory)
	case opts.Timeout < time.Millisecond:
		return nil, fmt.Errorf("monitor: Options.Timeout: %v is below 1ms", opts.Timeout)
	}
	rules, err := completeRules(opts.Rules, opts.Interval, opts.History)
	if err != nil {
		return nil, err
	}
	opts.Rules = rules
	opts.Notifiers = slices.Clone(opts.Notifiers)
	for i, n := range opts.Notifiers {
		if err := checkNotifier(n); err != nil {
			return nil, fmt.Errorf("monitor: Options.Notifiers[%d]: %w", i, err)
		}
	}
	opts.Sentinels = slices.Clone(opts.Sentinels)
	for i, s := range opts.Sentinels {
		if s == nil {
			return nil, fmt.Errorf("monitor: Options.Sentinels[%d] is nil", i)
		}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Monitor{
		rdb: rdb, opts: opts, source: &source{rdb: rdb},
		abilities: map[string]*ability{}, ids: map[string]string{}, check: newEngine(rules, opts.History),
	}, nil
}

// Rules returns the rules in force, their defaults filled in.
func (m *Monitor) Rules() []Rule { return slices.Clone(m.opts.Rules) }

// Interval returns the time between two samples of Run.
func (m *Monitor) Interval() time.Duration { return m.opts.Interval }

// Last returns the newest snapshot that Collect, Check or Run took, and whether there is one. No round trip.
func (m *Monitor) Last() (Snapshot, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		return Snapshot{}, false
	}
	return *m.last, true
}

// History returns the snapshots that Run took, oldest first, at most Options.History of them. But for the newest they
// carry figures alone: no Info, Commands, Slowlog, Config, and no events of Latency. No round trip.
func (m *Monitor) History() []Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.history)
}

// Alerts returns what is pending and firing by the rules of Run, by node and in the order of the rules. No round trip.
func (m *Monitor) Alerts() []Alert {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.alerts)
}

// Subscribe has fn called with each event of Run, in order, from Run's own goroutine: a fn that takes long delays the
// next sample. A panic in it is reported and stops nobody. cancel may be called at any time, in fn too.
func (m *Monitor) Subscribe(fn func(Event)) (cancel func()) {
	if fn == nil {
		return func() {}
	}
	return m.subs.add(fn)
}

// report tells of an error that is survived.
func (m *Monitor) report(err error) {
	m.opts.Logger.Error("monitor", slog.Any("error", err))
	if m.opts.OnError == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			m.opts.Logger.Error("monitor: Options.OnError panicked", slog.Any("panic", p))
		}
	}()
	m.opts.OnError(err)
}

func (m *Monitor) ability(addr string) *ability {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.abilities[addr]
	if a == nil {
		a = &ability{}
		m.abilities[addr] = a
	}
	return a
}
