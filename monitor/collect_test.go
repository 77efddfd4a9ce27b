package monitor

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

func unavailable(n Node) []string {
	var out []string
	for _, u := range n.Unavailable {
		out = append(out, u.Command)
	}
	return out
}

// TestCollectEverywhere: every kind of client is sampled, each node by itself.
func TestCollectEverywhere(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		if e.Kind == redistest.KindAutoPipeline || e.Kind == redistest.KindClusterAutoPipeline {
			_, err := New(e.Client, Options{})
			require.ErrorContains(t, err, "*redis.AutoPipeliner")
			return
		}
		announced(t, e.Client)
		m := newMonitor(t, e.Client, Options{})
		for range 2 {
			s, err := m.Collect(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.Err())
			want := 1
			switch {
			case e.Clustered():
				want = 6
			case e.Kind == redistest.KindRing:
				want = 2
			}
			require.Equal(t, want, len(s.Nodes))
			for _, n := range s.Nodes {
				assert.NotEmpty(t, n.Addr)
				assert.Positive(t, n.Latency.RoundTrip.Or(0))
				up, ok := n.Figure(MetricUp)
				assert.True(t, ok)
				assert.InDelta(t, 1, up, 0)
				if !e.Real() {
					assert.Positive(t, n.Clients.Connected.Or(0), "miniredis counts its clients")
					assert.Equal(t, Value[int64]{}, n.Memory.Used, "and has no memory: that is not known, and not 0")
					assert.Equal(t, Value[[]Database]{}, n.Keyspace)
					assert.Nil(t, n.Config)
					assert.Contains(t, unavailable(n), "CONFIG GET")
					assert.Contains(t, unavailable(n), "SLOWLOG GET")
					continue
				}
				assert.Positive(t, n.Memory.Used.Or(0))
				assert.Positive(t, n.Stats.Commands.Or(0))
				_, known := n.Keyspace.Get()
				assert.True(t, known)
				commands, known := n.Commands.Get()
				assert.True(t, known)
				assert.NotEmpty(t, commands)
				_, known = n.Slowlog.Get()
				assert.True(t, known)
				_, known = n.Latency.Events.Get()
				assert.True(t, known)
				assert.Equal(t, "10000", n.Config["maxclients"])
				assert.NotContains(t, n.Config, "requirepass")
				assert.Empty(t, n.Unavailable)
				assert.NotEmpty(t, n.Info["redis_version"])
				assert.Contains(t, []string{"master", "replica"}, n.Role)
				if e.Clustered() {
					assert.Equal(t, "ok", n.Cluster.State.Or(""))
					assert.Len(t, n.ID, 40)
				} else {
					assert.Equal(t, Value[string]{}, n.Cluster.State)
				}
			}
			last, ok := m.Last()
			assert.True(t, ok)
			assert.Equal(t, s.At, last.At)
		}
	})
}

// TestCollectRoundTrips: two a node, one where a PING was timed a moment ago, and what was refused is not asked twice.
func TestCollectRoundTrips(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone}, func(t *testing.T, e redistest.Env) {
		m := newMonitor(t, e.Client, Options{})
		hook := &trips{}
		e.Client.AddHook(hook)
		_, err := m.Collect(t.Context())
		require.NoError(t, err)
		n, asked := hook.take()
		assert.LessOrEqual(t, n, 3)
		assert.Contains(t, asked, "config get")
		assert.Contains(t, asked, "cluster info")
		m.opts.Interval = time.Hour
		s, err := m.Collect(t.Context())
		require.NoError(t, err)
		first := s.Nodes[0].Latency
		n, asked = hook.take()
		assert.Equal(t, 1, n)
		assert.NotContains(t, asked, "ping")
		assert.Positive(t, first.RoundTrip.Or(0))
		m.opts.Interval = time.Nanosecond
		for range 3 {
			s, err := m.Collect(t.Context())
			require.NoError(t, err)
			n, asked = hook.take()
			assert.Equal(t, 2, n)
			assert.Contains(t, asked, "ping")
			assert.NotEqual(t, first.at, s.Nodes[0].Latency.at)
			assert.NotContains(t, asked, "config get", "a minute old at most")
			if e.Real() {
				assert.NotContains(t, asked, "cluster", "not one")
				assert.NotNil(t, s.Nodes[0].Config, "what was read before")
				assert.Contains(t, asked, "info everything")
			} else {
				assert.NotContains(t, asked, "slowlog")
				assert.NotContains(t, asked, "info everything")
			}
		}
	})
}

// TestCollectWithFewRights: who may do almost nothing gets what there is, and is told of the rest.
func TestCollectWithFewRights(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{
		"few on >secret -@all +info +ping", "fewer on >secret -@all +ping", "none on >secret -@all", "some on >secret -@all +info +ping +slowlog +cluster|info",
	}})
	as := func(user string) *redis.Client {
		return s.Client(func(o *redis.Options) { o.Username, o.Password = user, "secret" })
	}
	for user, want := range map[string][]string{
		"few":   {"CLUSTER INFO", "CLUSTER NODES", "CONFIG GET", "LATENCY LATEST", "SLOWLOG GET"},
		"fewer": {"CLUSTER INFO", "CLUSTER NODES", "CONFIG GET", "INFO", "INFO everything", "LATENCY LATEST", "SLOWLOG GET"},
		"none":  {"CLUSTER INFO", "CLUSTER NODES", "CONFIG GET", "INFO", "INFO everything", "LATENCY LATEST", "PING", "SLOWLOG GET"},
		"some":  {"CLUSTER NODES", "CONFIG GET", "LATENCY LATEST"},
	} {
		t.Run(user, func(t *testing.T) {
			rdb := as(user)
			hook := &trips{}
			rdb.AddHook(hook)
			m := newMonitor(t, rdb, Options{})
			for i := range 3 {
				snapshot, err := m.Collect(t.Context())
				require.NoError(t, err)
				n := snapshot.Nodes[0]
				require.NoError(t, n.Err)
				assert.Equal(t, want, unavailable(n))
				for _, u := range n.Unavailable {
					assert.Equal(t, "denied", u.Reason)
					assert.Contains(t, u.Detail, "NOPERM")
				}
				_, known := n.Memory.Used.Get()
				assert.Equal(t, user == "few" || user == "some", known)
				_, asked := hook.take()
				assert.Equal(t, i == 0, strings.Contains(asked, "config get"), asked)
				text, err := n.MarshalJSON()
				require.NoError(t, err)
				assert.NotContains(t, string(text), "secret")
			}
		})
	}
}

// TestCollectManagedService: commands that a service took away are reported, and the rest works; after a restart they are
// asked again.
func TestCollectManagedService(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{
		"--rename-command", "CONFIG", "", "--rename-command", "SLOWLOG", "", "--rename-command", "LATENCY", "my-latency",
	}})
	rdb := s.Client()
	hook := &trips{}
	rdb.AddHook(hook)
	m := newMonitor(t, rdb, Options{})
	for range 2 {
		snapshot, err := m.Collect(t.Context())
		require.NoError(t, err)
		n := snapshot.Nodes[0]
		assert.Equal(t, []string{"CONFIG GET", "LATENCY LATEST", "SLOWLOG GET"}, unavailable(n))
		assert.Equal(t, "unknown", n.Unavailable[0].Reason)
		assert.Positive(t, n.Memory.Used.Or(0))
		assert.Nil(t, n.Config)
		assert.Equal(t, Value[[]SlowEntry]{}, n.Slowlog)
	}
	hook.take()
	s.Stop()
	s.Restart(t)
	redistest.Poll(t, "a sample of the new process", func() bool {
		snapshot, err := m.Collect(t.Context())
		return err == nil && snapshot.Nodes[0].Err == nil
	})
	hook.take()
	_, err := m.Collect(t.Context())
	require.NoError(t, err)
	_, asked := hook.take()
	assert.Contains(t, asked, "slowlog get", "another process may know more")
}

// TestCollectErrors: what is no figure is an error, never a snapshot of zeros.
func TestCollectErrors(t *testing.T) {
	for name, answer := range map[string]func(*server.Peer){
		"words":  func(c *server.Peer) { c.WriteBulk("<html>502 Bad Gateway</html>") },
		"empty":  func(c *server.Peer) { c.WriteBulk("") },
		"number": func(c *server.Peer) { c.WriteInt(7) },
		"nil":    func(c *server.Peer) { c.WriteNull() },
		"list":   func(c *server.Peer) { c.WriteLen(1); c.WriteBulk("redis_version:7.0.0") },
	} {
		t.Run("INFO "+name, func(t *testing.T) {
			mini := miniredis.RunT(t)
			rdb := redis.NewClient(&redis.Options{Addr: mini.Addr(), MaxRetries: -1, ReadTimeout: 30 * time.Second})
			t.Cleanup(func() { _ = rdb.Close() })
			mini.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
				if cmd == "INFO" {
					answer(c)
				}
				return cmd == "INFO"
			})
			s, err := newMonitor(t, rdb, Options{}).Collect(t.Context())
			if name == "number" { // go-redis takes it for a text without a field
				require.ErrorIs(t, err, errGarbage)
			}
			require.Error(t, err)
			require.Equal(t, 1, len(s.Nodes))
			require.Error(t, s.Nodes[0].Err)
			require.NotErrorIs(t, err, redis.Nil)
			assert.Equal(t, Value[int64]{}, s.Nodes[0].Memory.Used)
		})
	}
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a port that nobody listens on
		require.NoError(t, err)
		addr := l.Addr().String()
		require.NoError(t, l.Close())
		rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
		t.Cleanup(func() { _ = rdb.Close() })
		s, err := newMonitor(t, rdb, Options{}).Collect(t.Context())
		require.Error(t, err)
		node, ok := errors.AsType[*NodeError](err)
		require.True(t, ok)
		assert.Equal(t, addr, node.Addr)
		up, known := s.Nodes[0].Figure(MetricUp)
		assert.True(t, known)
		assert.InDelta(t, 0, up, 0)
		for m := range metrics {
			_, known := s.Nodes[0].Figure(m)
			assert.Equal(t, m == MetricUp, known, m)
		}
		clusterClient := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{addr}, MaxRedirects: -1, DialerRetries: 1})
		t.Cleanup(func() { _ = clusterClient.Close() })
		s, err = newMonitor(t, clusterClient, Options{}).Collect(t.Context())
		require.Error(t, err)
		require.Equal(t, 1, len(s.Nodes), "a cluster that is down from the start has nodes that are")
		assert.Equal(t, addr, s.Nodes[0].Addr)
	})
	t.Run("password", func(t *testing.T) {
		s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"default on >geheim"}})
		for _, password := range []string{"", "falsch"} {
			rdb := s.Client(func(o *redis.Options) { o.Password = password })
			_, err := newMonitor(t, rdb, Options{}).Collect(t.Context())
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "geheim")
			assert.NotContains(t, err.Error(), "falsch")
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		m := newMonitor(t, offline(t), Options{})
		_, err := m.Collect(ctx)
		require.ErrorIs(t, err, context.Canceled)
		_, err = m.Check(ctx)
		require.ErrorIs(t, err, context.Canceled)
		_, known := m.Last()
		assert.False(t, known)
	})
}

// TestCollectHung: a server that hangs is an error when the context ends, though its client would wait for longer, and is
// sampled again when it goes on.
func TestCollectHung(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	m, err := New(rdb, Options{Timeout: time.Second})
	require.NoError(t, err)
	s.Pause()
	snapshot, err := m.Collect(t.Context())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, 1, len(snapshot.Nodes))
	assert.Equal(t, Value[time.Duration]{}, snapshot.Nodes[0].Latency.RoundTrip)
	alerts, err := m.Check(t.Context())
	require.Error(t, err)
	require.Len(t, alerts, 1)
	assert.Equal(t, "ServerDown", alerts[0].Rule)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	patient := newMonitor(t, rdb, Options{})
	go func() {
		_, err := patient.Collect(ctx)
		done <- err
	}()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled, "it does not wait for the server")
	s.Resume()
	redistest.Poll(t, "the server answers again", func() bool {
		_, err := m.Collect(t.Context())
		return err == nil
	})
}

// TestFailedNodes: a dead node of a cluster is an entry with an error, also when the cluster has given it up and go-redis
// no longer tells of it; its alert fires once, and resolves when it is back. A hung one keeps nobody from being sampled.
func TestFailedNodes(t *testing.T) {
	t.Parallel()
	c := redistest.NewCluster(t, "--cluster-node-timeout", "5000")
	rdb := c.Client(func(o *redis.ClusterOptions) { o.DialerRetries, o.MaxRetries = 1, -1 })
	m := newMonitor(t, rdb, Options{
		Timeout: 10 * time.Second, Rules: []Rule{{Name: "down", Metric: MetricUp, Op: Below, Threshold: 1}},
	})
	states := func(s Snapshot) (failed []string) {
		for _, n := range s.Nodes {
			if n.Err != nil {
				failed = append(failed, n.Addr)
			}
		}
		return failed
	}
	redistest.Poll(t, "all nodes are sampled", func() bool {
		s, err := m.Collect(t.Context())
		return err == nil && len(s.Nodes) == 6 && len(states(s)) == 0
	})
	dead := c.Nodes()[5]
	dead.Kill()
	given := false
	redistest.Poll(t, "the cluster gives the node up", func() bool {
		alerts, err := m.Check(t.Context())
		require.NoError(t, err)
		s, _ := m.Last()
		require.Equal(t, 6, len(s.Nodes), "it does not vanish")
		n, ok := s.Node(dead.Addr())
		require.True(t, ok)
		if n.Err == nil {
			return false // a sample that was under way
		}
		given = given || strings.Contains(n.Err.Error(), "marked the node as failed")
		firing := slices.ContainsFunc(alerts, func(a Alert) bool { return a.Node == dead.Addr() && a.State == Firing })
		assert.True(t, firing, "%v", alerts)
		return given
	})
	dead.Restart(t)
	redistest.Poll(t, "the node is back", func() bool {
		alerts, err := m.Check(t.Context())
		s, _ := m.Last()
		return err == nil && len(alerts) == 0 && len(states(s)) == 0 && len(s.Nodes) == 6
	})
	hung := c.Nodes()[4]
	hung.Pause()
	s, err := m.Collect(t.Context())
	require.NoError(t, err)
	assert.Contains(t, states(s), hung.Addr())
	answered := 0
	for _, n := range s.Nodes {
		if n.Err == nil {
			answered++
		}
	}
	assert.GreaterOrEqual(t, answered, 3, "the others are sampled: %v", states(s))
	hung.Resume()
}

// TestRingShards: shards that are down are errors; those that SetAddrs takes out are gone.
func TestRingShards(t *testing.T) {
	t.Parallel()
	a, b := redistest.NewServer(t, redistest.ServerOptions{}), redistest.NewServer(t, redistest.ServerOptions{})
	ring := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"a": a.Addr(), "b": b.Addr()}, HeartbeatFrequency: 20 * time.Millisecond, MaxRetries: -1, DialerRetries: 1,
		ReadTimeout: 30 * time.Second,
	})
	t.Cleanup(func() { _ = ring.Close() })
	m := newMonitor(t, ring, Options{})
	s, err := m.Collect(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, len(s.Nodes))
	b.Kill()
	redistest.Poll(t, "the ring takes the shard for down", func() bool { return ring.Len() == 1 })
	s, err = m.Collect(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, len(s.Nodes))
	n, ok := s.Node(b.Addr())
	require.True(t, ok)
	require.Error(t, n.Err)
	ring.SetAddrs(map[string]string{"a": a.Addr()})
	s, err = m.Collect(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, len(s.Nodes))
	a.Kill()
	redistest.Poll(t, "all shards are down", func() bool { return ring.Len() == 0 })
	s, err = m.Collect(t.Context())
	require.Error(t, err)
	require.Equal(t, 1, len(s.Nodes))
	assert.Equal(t, a.Addr(), s.Nodes[0].Addr)
}

// TestRatesOfARealServer: counted between samples, and known from the second.
func TestRatesOfARealServer(t *testing.T) {
	t.Parallel()
	srv := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := srv.Client()
	m := newMonitor(t, rdb, Options{Interval: 2 * time.Millisecond})
	s, err := m.Collect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Rates{}, s.Nodes[0].Rates)
	require.NoError(t, rdb.Set(t.Context(), "k", "v", 0).Err())
	redistest.Poll(t, "an earlier sample is old enough", func() bool {
		for range 3 {
			require.NoError(t, rdb.Get(t.Context(), "k").Err())
		}
		require.ErrorIs(t, rdb.Get(t.Context(), "none").Err(), redis.Nil)
		s, err = m.Collect(t.Context())
		return err == nil && s.Nodes[0].Rates.Over > 0
	})
	r := s.Nodes[0].Rates
	assert.InDelta(t, 0.75, r.HitRatio.Or(0), 1e-9)
	assert.Positive(t, r.Commands.Or(0))
	ratio, ok := s.Nodes[0].Figure(MetricHitRatio)
	assert.True(t, ok)
	assert.InDelta(t, 0.75, ratio, 1e-9)
	require.NoError(t, rdb.ConfigResetStat(t.Context()).Err())
	redistest.Poll(t, "a sample after RESETSTAT", func() bool {
		s, err = m.Collect(t.Context())
		require.NoError(t, err)
		return s.Nodes[0].Stats.Commands.Or(1e9) < 1000 && s.Nodes[0].Rates.Over > 0
	})
	assert.GreaterOrEqual(t, s.Nodes[0].Rates.Commands.Or(-1), 0.0)
}

// TestSlowlogAndLatency: what the server noted of slow commands.
func TestSlowlogAndLatency(t *testing.T) {
	t.Parallel()
	srv := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--slowlog-log-slower-than", "0", "--latency-monitor-threshold", "1"}})
	rdb := srv.Client(func(o *redis.Options) { o.ClientName = "shop" })
	require.NoError(t, rdb.Do(t.Context(), "DEBUG", "SLEEP", "0.02").Err())
	s, err := newMonitor(t, rdb, Options{}).Collect(t.Context())
	require.NoError(t, err)
	entries, ok := s.Nodes[0].Slowlog.Get()
	require.True(t, ok)
	i := slices.IndexFunc(entries, func(e SlowEntry) bool { return slices.Equal(e.Args, []string{"DEBUG", "SLEEP", "0.02"}) })
	require.GreaterOrEqual(t, i, 0)
	assert.GreaterOrEqual(t, entries[i].Duration, 20*time.Millisecond)
	assert.Equal(t, "shop", entries[i].ClientName)
	events, ok := s.Nodes[0].Latency.Events.Get()
	require.True(t, ok)
	require.NotEmpty(t, events)
	assert.Equal(t, "command", events[0].Name)
	assert.Positive(t, events[0].Max)
}

// TestOneNodeOfACluster: a client of one node samples that node, and says nothing of those that it does not reach.
func TestOneNodeOfACluster(t *testing.T) {
	t.Parallel()
	c := redistest.SharedCluster(t)
	rdb := c.Nodes()[0].Client(c.Nodes()[0].TCP)
	m := newMonitor(t, rdb, Options{Rules: []Rule{{Name: "down", Metric: MetricUp, Op: Below, Threshold: 1}}})
	for range 2 {
		alerts, err := m.Check(t.Context())
		require.NoError(t, err)
		assert.Empty(t, alerts)
		s, _ := m.Last()
		require.Len(t, s.Nodes, 1, "%v", s.Err())
		assert.NotEmpty(t, s.Nodes[0].ID)
		assert.Equal(t, "ok", s.Nodes[0].Cluster.State.Or(""))
	}
}

// TestSlowlogIsNotReadAgain: while nothing is new the newest entry alone is asked for; what is new, a reset and a restart are
// seen all the same.
func TestSlowlogIsNotReadAgain(t *testing.T) {
	t.Parallel()
	srv := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--slowlog-log-slower-than", "10000000"}})
	rdb := srv.Client()
	m := newMonitor(t, rdb, Options{Interval: longestInterval})
	hook := &trips{}
	log := func(n int) {
		require.NoError(t, rdb.ConfigSet(t.Context(), "slowlog-log-slower-than", "0").Err())
		for i := range n - 1 { // the first is CONFIG SET itself
			require.NoError(t, rdb.Set(t.Context(), "k", i, 0).Err())
		}
		require.NoError(t, rdb.ConfigSet(t.Context(), "slowlog-log-slower-than", "10000000").Err())
	}
	sample := func(entries, roundTrips int) {
		t.Helper()
		hook.take()
		s, err := m.Collect(t.Context())
		require.NoError(t, err)
		n, asked := hook.take()
		got, known := s.Nodes[0].Slowlog.Get()
		assert.True(t, known)
		want, err := rdb.Do(t.Context(), "SLOWLOG", "GET", 16).Result()
		require.NoError(t, err)
		assert.Equal(t, parseSlowlog(want).Or(nil), got)
		assert.Len(t, got, entries)
		assert.Equal(t, roundTrips, n, asked)
	}
	log(5)
	rdb.AddHook(hook)
	_, err := m.Collect(t.Context()) // which has a PING, too
	require.NoError(t, err)
	sample(5, 1)
	sample(5, 1)
	log(2)
	sample(7, 2)
	log(2)
	sample(9, 1)
	log(1)
	sample(10, 1)
	sample(10, 1)
	require.NoError(t, rdb.Do(t.Context(), "SLOWLOG", "RESET").Err())
	sample(0, 1)
	sample(0, 1)
	log(40)
	sample(16, 1)
}

// TestSwiftNodeHangs: a server that answered at once, and is asked on the caller's goroutine for that, may hang the next time:
// a deadline and a cancelled context end the wait all the same, and it is sampled again afterwards.
func TestSwiftNodeHangs(t *testing.T) {
	t.Parallel()
	srv := redistest.NewServer(t, redistest.ServerOptions{})
	for _, read := range []time.Duration{100 * time.Millisecond, 30 * time.Second, -1} {
		rdb := srv.Client(func(o *redis.Options) { o.ReadTimeout, o.MaxRetries = read, 3 })
		m := newMonitor(t, rdb, Options{})
		redistest.Poll(t, "it is swift", func() bool {
			_, err := m.Collect(t.Context())
			return err == nil && m.abilities[rdb.Options().Addr].isSwift()
		})
		srv.Pause()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		s, err := m.Collect(ctx)
		cancel()
		require.Error(t, err)
		require.Len(t, s.Nodes, 1)
		require.Error(t, s.Nodes[0].Err)
		assert.Equal(t, rdb.Options().Addr, s.Nodes[0].Addr)
		assert.Zero(t, s.Nodes[0].At)
		srv.Resume()
		redistest.Poll(t, "it is sampled again", func() bool {
			s, err := m.Collect(t.Context())
			return err == nil && s.Nodes[0].Memory.Used.Or(0) > 0
		})
	}
}

// TestHaste: what is asked in haste is asked once; the node is then asked as all others are, with the client's retries.
func TestHaste(t *testing.T) {
	t.Parallel()
	srv := redistest.NewServer(t, redistest.ServerOptions{})
	proxy := redistest.NewProxy(t, "tcp", srv.Addr())
	rdb := srv.Client(func(o *redis.Options) { o.Network, o.Addr, o.MaxRetries = "tcp", proxy.Addr(), 3 })
	m := newMonitor(t, rdb, Options{})
	redistest.Poll(t, "it is swift", func() bool {
		_, err := m.Collect(t.Context())
		return err == nil && m.abilities[proxy.Addr()].isSwift()
	})
	proxy.CloseConnections()
	_, err := m.Collect(t.Context())
	require.NoError(t, err, "a connection that broke in the pool is not the server's state")
}
