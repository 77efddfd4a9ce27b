package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/larder-go/larder/internal/redistest"
)

// runner runs a Monitor and keeps what it tells.
type runner struct {
	m      *Monitor
	mu     sync.Mutex
	events []Event
	told   []Alert
	errs   []error
	stop   func()
}

// run starts a Monitor that is stopped at the end of the test, and checks that Run returns nil then.
func run(t *testing.T, rdb redis.UniversalClient, opts Options) *runner {
	t.Helper()
	r := &runner{}
	opts.Notifiers = append(opts.Notifiers, NotifierFunc(func(_ context.Context, alerts []Alert) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, alerts...)
		return nil
	}))
	opts.OnError = func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.errs = append(r.errs, err)
	}
	if opts.Interval == 0 {
		opts.Interval = 20 * time.Millisecond
	}
	r.m = newMonitor(t, rdb, opts)
	r.m.Subscribe(func(e Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.m.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	t.Cleanup(r.stop)
	return r
}

func (r *runner) kinds() []EventKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	return kinds(r.events)
}

func (r *runner) saw(kind EventKind) bool { return slices.Contains(r.kinds(), kind) }

func (r *runner) alerts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, a := range r.told {
		out = append(out, a.Rule+" "+string(a.State))
	}
	return out
}

// TestRun: an alert fires and resolves on a real server, each told once; a restart and an outage are told; the loop goes on.
func TestRun(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client(func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 })
	r := run(t, rdb, Options{Rules: []Rule{
		{Name: "blocked", Metric: MetricBlockedClients, Threshold: 0, Severity: Critical},
		{Name: "down", Metric: MetricUp, Op: Below, Threshold: 1},
	}})
	redistest.Poll(t, "it runs", func() bool { return len(r.m.History()) > 0 })
	require.ErrorIs(t, r.m.Run(t.Context()), errRunning)
	r.m.Subscribe(func(Event) { panic("oops") }) // disturbs nobody

	blocked := s.Client()
	go func() { _ = blocked.BLPop(context.Background(), 0, "queue").Err() }()
	redistest.Poll(t, "the alert fires", func() bool { return len(r.m.Alerts()) == 1 })
	assert.Equal(t, Firing, r.m.Alerts()[0].State)
	redistest.Poll(t, "and is told", func() bool { return slices.Equal(r.alerts(), []string{"blocked firing"}) })
	n := len(r.m.History())
	redistest.Poll(t, "more samples", func() bool { return len(r.m.History()) > n+3 })
	require.NoError(t, s.Client().LPush(t.Context(), "queue", "x").Err())
	redistest.Poll(t, "it resolves", func() bool { return slices.Equal(r.alerts(), []string{"blocked firing", "blocked resolved"}) })
	assert.Equal(t, []EventKind{EventFired, EventResolved}, r.kinds(), "one event a change")
	assert.Empty(t, r.m.Alerts())

	s.Kill()
	redistest.Poll(t, "the outage is told", func() bool { return slices.Equal(r.alerts()[2:], []string{"down firing"}) })
	assert.True(t, r.saw(EventNodeLost))
	s.Restart(t)
	redistest.Poll(t, "it is back", func() bool { return slices.Equal(r.alerts()[2:], []string{"down firing", "down resolved"}) })
	redistest.Poll(t, "the restart is told", func() bool { return r.saw(EventRestarted) })
	assert.True(t, r.saw(EventNodeBack))
	r.mu.Lock()
	outages := 0
	for _, err := range r.errs {
		if _, ok := errors.AsType[*NodeError](err); ok {
			outages++
		}
	}
	r.mu.Unlock()
	assert.Positive(t, outages)
	r.stop()
	require.NoError(t, func() error { // it runs again
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return r.m.Run(ctx)
	}())
}

// TestRunLeavesNothing: no goroutine outlives Run.
func TestRunLeavesNothing(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	require.NoError(t, rdb.Ping(t.Context()).Err())
	m := newMonitor(t, rdb, Options{Interval: 10 * time.Millisecond, Notifiers: []Notifier{NotifierFunc(func(context.Context, []Alert) error { return nil })}})
	_, err := m.Collect(t.Context()) // opens what go-redis keeps open
	require.NoError(t, err)
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	redistest.Poll(t, "some samples", func() bool { return len(m.History()) > 5 })
	cancel()
	require.NoError(t, <-done)
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/larder-go/larder/internal/redistest.(*Server).start.func1"))
}

// TestCheckDisturbsNobody: Check has its own memory.
func TestCheckDisturbsNobody(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	rule := Rule{Name: "clients", Metric: MetricConnectedClients, Threshold: 0, For: time.Hour}
	r := run(t, rdb, Options{Rules: []Rule{rule}})
	redistest.Poll(t, "pending", func() bool { return len(r.m.Alerts()) == 1 })
	since := r.m.Alerts()[0].Since
	first, err := r.m.Check(t.Context())
	require.NoError(t, err)
	require.Len(t, first, 1)
	assert.Equal(t, Pending, first[0].State)
	assert.True(t, first[0].Since.After(since))
	again, err := r.m.Check(t.Context())
	require.NoError(t, err)
	assert.Equal(t, first[0].Since, again[0].Since, "it remembers its own")
	assert.Equal(t, since, r.m.Alerts()[0].Since)
	assert.Empty(t, r.kinds())
	assert.Empty(t, r.alerts())
}

// TestFailoverEvent: behind a failover client another server answers under the same name; in a cluster a replica rises.
func TestFailoverEvent(t *testing.T) {
	t.Parallel()
	sents := redistest.NewSentinels(t, 0)
	rdb := sents.Client()
	require.NoError(t, rdb.Set(t.Context(), "k", "v", 0).Err())
	r := run(t, rdb, Options{Rules: []Rule{{Name: "evicted", Metric: MetricEvictedKeys, Threshold: 0, Window: time.Second}}})
	redistest.Poll(t, "samples", func() bool { return len(r.m.History()) > 2 })
	sents.Steady(t)
	sents.Promote(t)
	redistest.Poll(t, "the failover is told", func() bool { return r.saw(EventFailover) })
	assert.False(t, r.saw(EventRestarted))
	assert.False(t, r.saw(EventFired), "the totals of another server are no growth")
}

// TestRulesOnARealServer: each default rule, brought about for real. For is left out, since time is not what is tested.
func TestRulesOnARealServer(t *testing.T) {
	t.Parallel()
	// A busy machine has slow round trips of its own: HighLatency is brought about by itself.
	rules := slices.DeleteFunc(DefaultRules(), func(r Rule) bool { return r.Metric == MetricLatency })
	for i := range rules {
		rules[i].For = 0
	}
	type firings map[string]State
	check := func(t *testing.T, m *Monitor) firings {
		t.Helper()
		alerts, _ := m.Check(t.Context())
		out := firings{}
		for _, a := range alerts {
			out[a.Rule] = a.State
			assert.NotEmpty(t, a.Message)
			_, err := json.Marshal(a)
			assert.NoError(t, err)
		}
		return out
	}
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory", "20mb", "--maxmemory-policy", "allkeys-lru"}})
		rdb := s.Client()
		m := newMonitor(t, rdb, Options{Rules: rules})
		assert.Empty(t, check(t, m))
		pipe := rdb.Pipeline()
		for i := range 3000 {
			pipe.Set(t.Context(), fmt.Sprint("k", i), make([]byte, 10_000), 0)
		}
		_, err := pipe.Exec(t.Context())
		require.NoError(t, err)
		assert.Equal(t, firings{"HighMemoryUsage": Firing, "KeysEvicted": Firing}, check(t, m))
	})
	t.Run("clients", func(t *testing.T) {
		t.Parallel()
		s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxclients", "30"}})
		rdb := s.Client()
		m := newMonitor(t, rdb, Options{Rules: rules})
		assert.Empty(t, check(t, m))
		for range 25 { // each holds one connection in a blocking command
			one := s.Client(func(o *redis.Options) { o.MaxRetries, o.PoolSize = -1, 1 })
			go func() { _ = one.BLPop(context.Background(), 0, "queue").Err() }()
		}
		redistest.Poll(t, "clients block", func() bool { return check(t, m)["BlockedClients"] == Firing })
		var rejected int
		for rejected < 60 { // whoever comes now is turned away at the 31st
			one := redis.NewClient(&redis.Options{Network: "unix", Addr: s.Socket(), MaxRetries: -1, DialerRetries: 1, PoolSize: 1, ReadTimeout: 30 * time.Second})
			if err := one.Ping(t.Context()).Err(); err != nil {
				rejected++
				_ = one.Close()
			} else {
				t.Cleanup(func() { _ = one.Close() })
			}
		}
		got := check(t, m)
		assert.Equal(t, Firing, got["ClientsNearLimit"])
		assert.Equal(t, Firing, got["RejectedConnections"])
	})
	t.Run("hits", func(t *testing.T) {
		t.Parallel()
		rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
		m := newMonitor(t, rdb, Options{Rules: rules})
		assert.Empty(t, check(t, m))
		assert.Empty(t, check(t, m), "an idle server has no ratio")
		pipe := rdb.Pipeline()
		for range 1500 {
			pipe.Exists(t.Context(), "none")
		}
		_, err := pipe.Exec(t.Context())
		require.NoError(t, err)
		assert.Equal(t, firings{"LowHitRatio": Firing}, check(t, m))
	})
	t.Run("replication", func(t *testing.T) {
		t.Parallel()
		master := redistest.NewServer(t, redistest.ServerOptions{})
		replica := redistest.NewReplica(t, master, redistest.ServerOptions{})
		m := newMonitor(t, replica.Client(), Options{Rules: rules})
		assert.Empty(t, check(t, m))
		master.Kill()
		redistest.Poll(t, "the link is down", func() bool { return check(t, m)["ReplicationBroken"] == Firing })
		alerts, err := m.Check(t.Context())
		require.NoError(t, err)
		assert.Contains(t, alerts[0].Message, "the link to master "+master.Addr()+" is down")
	})
	t.Run("persistence", func(t *testing.T) {
		t.Parallel()
		s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--dbfilename", "dump.rdb", "--enable-protected-configs", "yes"}})
		rdb := s.Client()
		m := newMonitor(t, rdb, Options{Rules: rules})
		assert.Empty(t, check(t, m))
		breakSaves(t, rdb)
		assert.Equal(t, firings{"PersistenceFailed": Firing}, check(t, m))
	})
	t.Run("latency", func(t *testing.T) {
		t.Parallel()
		s := redistest.NewServer(t, redistest.ServerOptions{})
		proxy := redistest.NewProxy(t, "tcp", s.Addr())
		proxy.Delay(20 * time.Millisecond)
		m := newMonitor(t, s.Client(func(o *redis.Options) { o.Network, o.Addr = "tcp", proxy.Addr() }), Options{})
		m.opts.Interval = time.Nanosecond // each sample is to have a PING of its own
		for range 9 {
			assert.NotContains(t, check(t, m), "HighLatency", "too few round trips to tell")
		}
		assert.Equal(t, Firing, check(t, m)["HighLatency"])
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		s := redistest.NewServer(t, redistest.ServerOptions{})
		m := newMonitor(t, s.Client(func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 }), Options{Rules: rules})
		assert.Empty(t, check(t, m))
		s.Kill()
		assert.Equal(t, firings{"ServerDown": Firing}, check(t, m))
		s.Restart(t)
		redistest.Poll(t, "it resolves", func() bool { return len(check(t, m)) == 0 })
	})
}

// breakSaves has a background save fail, as on a full or read-only disk: the folder of the dump is gone.
func breakSaves(t *testing.T, rdb *redis.Client) {
	t.Helper()
	dir := t.TempDir() + "/gone"
	mkdir(t, dir)
	require.NoError(t, rdb.ConfigSet(t.Context(), "dir", dir).Err())
	remove(t, dir)
	require.NoError(t, rdb.Set(t.Context(), "k", "v", 0).Err())
	require.NoError(t, rdb.BgSave(t.Context()).Err())
	redistest.Poll(t, "the save has failed", func() bool {
		info, err := rdb.Info(t.Context(), "persistence").Result()
		return err == nil && parseInfo(info)["rdb_last_bgsave_status"] == "err"
	})
}

// TestTwoReplicasNotifyOnce: of two replicas of a service the one with the lease tells; when it is gone the other does.
func TestTwoReplicasNotifyOnce(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	rule := Rule{Name: "blocked", Metric: MetricBlockedClients, Threshold: 0}
	var leases []*Lease
	var runs []*runner
	for range 2 {
		lease, err := NewLease(rdb, "monitor:leader", time.Hour)
		require.NoError(t, err)
		leases = append(leases, lease)
		runs = append(runs, run(t, rdb, Options{Rules: []Rule{rule}, Leader: lease.Leader}))
	}
	redistest.Poll(t, "both have sampled", func() bool { return len(runs[0].m.History()) > 2 && len(runs[1].m.History()) > 2 })
	go func() { _ = s.Client().BLPop(context.Background(), 0, "queue").Err() }()
	redistest.Poll(t, "both see it", func() bool { return len(runs[0].m.Alerts()) == 1 && len(runs[1].m.Alerts()) == 1 })
	all := func() int { return len(runs[0].alerts()) + len(runs[1].alerts()) }
	redistest.Poll(t, "one tells", func() bool { return all() >= 1 })
	for _, r := range runs { // many more samples, none of which tells anew
		n := len(r.m.History())
		redistest.Poll(t, "more samples", func() bool { return len(r.m.History()) > n+5 })
	}
	require.Equal(t, 1, all())
	leader := 0
	if len(runs[1].alerts()) == 1 {
		leader = 1
	}
	runs[leader].stop()
	require.NoError(t, leases[leader].Release(t.Context()))
	redistest.Poll(t, "the other takes over, and tells once more", func() bool { return all() == 2 })
}

func TestLease(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		key := e.Namespace + ":lease:{" + e.ID("l") + "}"
		a, err := NewLease(e.Client, key, time.Minute)
		require.NoError(t, err)
		b, err := NewLease(e.Client, key, time.Minute)
		require.NoError(t, err)
		for range 2 {
			assert.True(t, a.Leader(t.Context()))
			assert.False(t, b.Leader(t.Context()))
		}
		ttl, err := e.Client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		assert.Positive(t, ttl, "it never stays for ever")
		require.NoError(t, b.Release(t.Context()), "who does not hold it gives nothing up")
		assert.True(t, a.Leader(t.Context()))
		require.NoError(t, a.Release(t.Context()))
		assert.True(t, b.Leader(t.Context()))
		require.NoError(t, e.Client.Del(t.Context(), key).Err())
		require.NoError(t, e.Client.LPush(t.Context(), key, "x").Err())
		_, err = b.Acquire(t.Context())
		require.ErrorContains(t, err, "WRONGTYPE")
		assert.True(t, b.Leader(t.Context()), "the last answer stands")
		assert.Equal(t, int64(1), e.Client.LLen(t.Context(), key).Val(), "a foreign key stays as it is")
		require.NoError(t, e.Client.Del(t.Context(), key).Err())
	})
	rdb := offline(t)
	never, err := NewLease(rdb, "k", time.Minute)
	require.NoError(t, err)
	assert.True(t, never.Leader(t.Context()), "one that never had an answer leads")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = never.Acquire(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, never.Release(ctx), context.Canceled)
	require.Error(t, never.Release(t.Context()))
	_, err = NewLease(nil, "k", time.Minute)
	require.Error(t, err)
	_, err = NewLease(rdb, "", time.Minute)
	require.Error(t, err)
	_, err = NewLease(rdb, "k", 0)
	require.Error(t, err)
}

// TestMemoryIsBounded: a thousand cycles hold what a hundred do.
func TestMemoryIsBounded(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	m := newMonitor(t, rdb, Options{History: 20, Interval: time.Hour, Rules: []Rule{}})
	e := newEngine(m.opts.Rules, 20)
	lead := &leadership{}
	cycles := func(n int) uint64 {
		for range n {
			s, err := m.Collect(t.Context())
			require.NoError(t, err)
			m.judge(t.Context(), e, &s, lead, func([]Alert) {})
		}
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	first := cycles(100)
	last := cycles(900)
	assert.Less(t, int64(last)-int64(first), int64(2<<20), "%d after a hundred, %d after a thousand", first, last)
	assert.Len(t, m.History(), 20)
	assert.Nil(t, m.History()[18].Nodes[0].Info)
	assert.NotNil(t, m.History()[19].Nodes[0].Info)
}

// TestSentinelQuorum: Sentinels are nodes, and a lost quorum is an alert.
func TestSentinelQuorum(t *testing.T) {
	t.Parallel()
	sents := redistest.NewSentinels(t, 0)
	var clients []*redis.SentinelClient
	for _, s := range sents.Sentinels() {
		c := redis.NewSentinelClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1, ReadTimeout: 30 * time.Second})
		t.Cleanup(func() { _ = c.Close() })
		clients = append(clients, c)
	}
	rules := DefaultRules()
	for i := range rules {
		rules[i].For = 0
	}
	m := newMonitor(t, sents.Client(), Options{Sentinels: clients, Rules: rules})
	s, err := m.Collect(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, len(s.Nodes))
	for _, n := range s.Nodes[1:] {
		assert.Equal(t, "sentinel", n.Role)
		masters, ok := n.Sentinel.Masters.Get()
		require.True(t, ok)
		require.Len(t, masters, 1)
		assert.Equal(t, redistest.MasterName, masters[0].Name)
		assert.Equal(t, sents.Master().Addr(), masters[0].Addr)
		assert.Equal(t, int64(2), masters[0].Replicas)
		assert.Equal(t, int64(3), masters[0].Sentinels)
		assert.Equal(t, Known(true), masters[0].Quorum)
		v, ok := n.Figure(MetricSentinelQuorum)
		assert.True(t, ok)
		assert.InDelta(t, 1, v, 0)
	}
	alerts, err := m.Check(t.Context())
	require.NoError(t, err)
	assert.Empty(t, alerts)
	// Two of three must be reached: the quorum is raised beyond those that there are.
	require.NoError(t, clients[0].Set(t.Context(), redistest.MasterName, "quorum", "5").Err())
	sents.Sentinels()[2].Kill()
	redistest.Poll(t, "the quorum is lost", func() bool {
		alerts, err = m.Check(t.Context())
		require.NoError(t, err)
		return slices.ContainsFunc(alerts, func(a Alert) bool {
			return a.Rule == "SentinelQuorumLost" && a.State == Firing && a.Node == sents.Sentinels()[0].Addr()
		})
	})
	assert.True(t, slices.ContainsFunc(alerts, func(a Alert) bool { return a.Rule == "ServerDown" && a.Node == sents.Sentinels()[2].Addr() }))
}

// TestWatchSentinel: masters, replicas, quorum and a failover, told once though three Sentinels tell of it.
func TestWatchSentinel(t *testing.T) {
	t.Parallel()
	sents := redistest.NewSentinels(t, 0)
	var clients []*redis.SentinelClient
	for _, s := range sents.Sentinels() {
		c := redis.NewSentinelClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1, ReadTimeout: 30 * time.Second})
		t.Cleanup(func() { _ = c.Close() })
		clients = append(clients, c)
	}
	var mu sync.Mutex
	var updates []SentinelUpdate
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- WatchSentinel(ctx, clients, SentinelOptions{Interval: 50 * time.Millisecond}, func(u SentinelUpdate) {
			mu.Lock()
			defer mu.Unlock()
			updates = append(updates, u)
		})
	}()
	last := func() (u SentinelUpdate, switches []Switch) {
		mu.Lock()
		defer mu.Unlock()
		for _, one := range updates {
			if one.Switch != nil {
				switches = append(switches, *one.Switch)
			}
			u = one
		}
		return u, switches
	}
	old := sents.Master().Addr()
	redistest.Poll(t, "the masters are told", func() bool {
		u, _ := last()
		return len(u.Masters) == 1 && u.Masters[0].Addr == old && len(u.Masters[0].ReplicaAddrs) == 2 && u.Masters[0].Quorum == Known(true) &&
			u.Masters[0].Sentinels == 3 && u.Err == nil
	})
	sents.Steady(t)
	promoted := sents.Promote(t)
	redistest.Poll(t, "the switch is told", func() bool {
		_, switches := last()
		return len(switches) > 0
	})
	sents.Sentinels()[1].Kill()
	redistest.Poll(t, "a dead Sentinel is told", func() bool {
		u, _ := last()
		return u.Err != nil
	})
	cancel()
	require.NoError(t, <-done)
	u, switches := last()
	assert.Equal(t, []Switch{{Master: redistest.MasterName, From: old, To: promoted.Addr()}}, switches)
	require.ErrorContains(t, u.Err, sents.Sentinels()[1].Addr())

	fn := func(SentinelUpdate) {}
	require.Error(t, WatchSentinel(t.Context(), nil, SentinelOptions{}, fn))
	require.Error(t, WatchSentinel(t.Context(), []*redis.SentinelClient{nil}, SentinelOptions{}, fn))
	require.Error(t, WatchSentinel(t.Context(), clients, SentinelOptions{Interval: -1}, fn))
	require.Error(t, WatchSentinel(t.Context(), clients, SentinelOptions{}, nil))
}

// TestOnErrorPanics: it is called from goroutines of the Monitor, which it must not end.
func TestOnErrorPanics(t *testing.T) {
	m := newMonitor(t, offline(t), Options{OnError: func(error) { panic("oops") }})
	assert.NotPanics(t, func() { m.report(errors.New("x")) })
}

// TestCollectWhileRunEnds: Run waits for its own samples, and for nobody else's.
func TestCollectWhileRunEnds(t *testing.T) {
	t.Parallel()
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	m := newMonitor(t, rdb, Options{Interval: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = m.Collect(ctx)
			}
		})
	}
	for range 30 {
		running, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		before := len(m.History())
		go func() { done <- m.Run(running) }()
		redistest.Poll(t, "a sample", func() bool { return len(m.History()) > before })
		stop()
		require.NoError(t, <-done)
	}
	cancel()
	wg.Wait()
}

// TestResolvedWhileNobodyLeads: what resolves between the death of one leader and the rise of the next is told by the next,
// or a receiver would show it firing for ever.
func TestResolvedWhileNobodyLeads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, offline(t), Options{Rules: []Rule{{Name: "blocked", Metric: MetricBlockedClients, Threshold: 10}}, Notifiers: []Notifier{NotifierFunc(func(context.Context, []Alert) error { return nil })}})
		e := newEngine(m.opts.Rules, m.opts.History)
		leads := false
		lead := &leadership{timeout: time.Second, late: &sync.WaitGroup{}, report: m.report, ask: func(context.Context) bool { return leads }}
		var told []string
		step := func(clients int64, passes time.Duration) {
			time.Sleep(passes)
			m.judge(t.Context(), e, blocked(time.Now(), clients), lead, func(alerts []Alert) {
				for _, a := range alerts {
					told = append(told, string(a.State))
				}
			})
		}
		step(20, 0)
		step(0, time.Minute) // the leader that told of it has died
		leads = true
		step(0, time.Minute)
		assert.Equal(t, []string{"resolved"}, told)
		step(0, time.Minute)
		assert.Equal(t, []string{"resolved"}, told, "once")

		leads, told = false, nil
		step(20, time.Minute)
		step(0, time.Minute)
		step(20, time.Minute)
		leads = true
		step(20, time.Minute)
		assert.Equal(t, []string{"firing"}, told, "what fires again has not resolved")

		leads, told = false, nil
		step(0, time.Minute)
		step(0, 24*time.Hour)
		leads = true
		step(0, time.Minute)
		assert.Empty(t, told, "of what resolved yesterday the leader of yesterday told")
	})
}

// TestNothingIsKeptOfNodesThatLeft: addresses come and go where pods do.
func TestNothingIsKeptOfNodesThatLeft(t *testing.T) {
	t.Parallel()
	a, b := redistest.NewServer(t, redistest.ServerOptions{}), redistest.NewServer(t, redistest.ServerOptions{})
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": a.Addr(), "b": b.Addr()}, MaxRetries: -1, ReadTimeout: 30 * time.Second})
	t.Cleanup(func() { _ = ring.Close() })
	m := newMonitor(t, ring, Options{})
	_, err := m.Collect(t.Context())
	require.NoError(t, err)
	require.Len(t, m.abilities, 2)
	ring.SetAddrs(map[string]string{"a": a.Addr()})
	_, err = m.Collect(t.Context())
	require.NoError(t, err)
	assert.Len(t, m.abilities, 1)
}

// TestHistoryLetsGoOfINFO: a string that is part of INFO keeps all of it alive, which for a busy server is 100 kB a sample.
func TestHistoryLetsGoOfINFO(t *testing.T) {
	sents := redistest.NewSentinels(t, 0)
	m := newMonitor(t, sents.Master().Client(), Options{Sentinels: []*redis.SentinelClient{
		redis.NewSentinelClient(&redis.Options{Addr: sents.Addrs()[0]}),
	}})
	t.Cleanup(func() { _ = m.opts.Sentinels[0].Close() })
	e := newEngine(m.opts.Rules, 20)
	var raw []string
	for range 3 {
		s, err := m.Collect(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Err())
		for _, n := range s.Nodes {
			for _, text := range n.Info {
				raw = append(raw, text)
			}
		}
		m.judge(t.Context(), e, &s, &leadership{}, func([]Alert) {})
	}
	inside := func(text string) bool {
		at := uintptr(unsafe.Pointer(unsafe.StringData(text)))
		return text != "" && slices.ContainsFunc(raw, func(r string) bool {
			from := uintptr(unsafe.Pointer(unsafe.StringData(r)))
			return r != "" && from <= at && at < from+uintptr(len(r))
		})
	}
	h := m.History()
	require.True(t, holds(reflect.ValueOf(h[len(h)-1]), inside), "the newest is whole")
	assert.False(t, holds(reflect.ValueOf(h[:len(h)-1]), inside))
	for _, t2 := range e.tracks {
		assert.False(t, holds(reflect.ValueOf(*t2), inside))
	}
	for _, a := range m.abilities {
		assert.False(t, holds(reflect.ValueOf(a.rates), inside))
	}
}

// holds tells whether a string for which is holds is anywhere in v.
func holds(v reflect.Value, is func(string) bool) bool {
	switch v.Kind() {
	case reflect.String:
		return is(v.String())
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && holds(v.Elem(), is)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if holds(v.Index(i), is) {
				return true
			}
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return false
		}
		for _, field := range v.Fields() {
			if holds(field, is) {
				return true
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if holds(it.Key(), is) || holds(it.Value(), is) {
				return true
			}
		}
	}
	return false
}
