package monitor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// ready asks the handler as an orchestrator does.
func ready(t *testing.T, h *Health) (int, HealthReport) {
	t.Helper()
	rec := httptest.NewRecorder()
	h.Ready().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/ready", nil))
	assert.Equal(t, "application/json", rec.Header().Get("Content-Type"))
	assert.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	var report HealthReport
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &report), rec.Body.String())
	return rec.Code, report
}

func newHealth(t *testing.T, rdb redis.UniversalClient, opts HealthOptions) *Health {
	t.Helper()
	if opts.Timeout == 0 {
		opts.Timeout = 60 * time.Second
	}
	if opts.Share == 0 {
		opts.Share = -1
	}
	h, err := newMonitor(t, rdb, Options{}).Health(opts)
	require.NoError(t, err)
	return h
}

// only returns the one check.
func only(t *testing.T, report HealthReport) HealthCheck {
	t.Helper()
	require.Len(t, report.Checks, 1)
	for _, c := range report.Checks {
		return c
	}
	return HealthCheck{}
}

// TestReadyReasons: each reason by a real server in that state; and with the reason tolerated, degraded.
func TestReadyReasons(t *testing.T) {
	t.Parallel()
	once := func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 }
	for reason, prepare := range map[Reason]func(t *testing.T) (*redis.Client, HealthOptions){
		ReasonOOM: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory", "1", "--maxmemory-policy", "noeviction"}})
			return s.Client(), HealthOptions{Probe: "probe"}
		},
		ReasonReadOnly: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			master := redistest.NewServer(t, redistest.ServerOptions{})
			return redistest.NewReplica(t, master, redistest.ServerOptions{}).Client(), HealthOptions{Probe: "probe"}
		},
		ReasonNoReplicas: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--min-replicas-to-write", "1"}})
			return s.Client(), HealthOptions{Probe: "probe"}
		},
		ReasonMisconf: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--save", "86400 100000", "--enable-protected-configs", "yes"}})
			breakSaves(t, s.Client())
			return s.Client(), HealthOptions{Probe: "probe"}
		},
		ReasonBusy: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--busy-reply-threshold", "1"}})
			busy := s.Client()
			go func() { _ = busy.Eval(context.Background(), "while true do end", nil).Err() }()
			rdb := s.Client(once)
			redistest.Poll(t, "the script keeps the server busy", func() bool {
				err := rdb.Ping(t.Context()).Err()
				return err != nil && strings.HasPrefix(err.Error(), "BUSY")
			})
			t.Cleanup(func() { _ = s.Client().ScriptKill(context.Background()).Err() })
			return rdb, HealthOptions{}
		},
		ReasonLoading: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{
				"--dbfilename", "dump.rdb", "--key-load-delay", "8000", "--loading-process-events-interval-bytes", "1024",
			}})
			rdb := s.Client()
			pipe := rdb.Pipeline()
			for i := range 10_000 {
				pipe.Set(t.Context(), "key:"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+time.Duration(i).String(), i, 0)
			}
			_, err := pipe.Exec(t.Context())
			require.NoError(t, err)
			require.NoError(t, rdb.Save(t.Context()).Err())
			s.Kill()
			s.Restart(t)
			return s.Client(once), HealthOptions{}
		},
		ReasonMasterDown: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			master := redistest.NewServer(t, redistest.ServerOptions{})
			replica := redistest.NewReplica(t, master, redistest.ServerOptions{})
			rdb := replica.Client(once)
			_, report := ready(t, newHealth(t, rdb, HealthOptions{}))
			require.Equal(t, StatusOK, report.Status, "a replica in step is fine for who reads")
			master.Kill()
			redistest.Poll(t, "the link is down", func() bool {
				info, err := rdb.Info(t.Context(), "replication").Result()
				return err == nil && parseInfo(info)["master_link_status"] == "down"
			})
			return rdb, HealthOptions{}
		},
		ReasonNoAuth: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"default on >geheim"}})
			return s.Client(once, func(o *redis.Options) { o.Password = "falsch" }), HealthOptions{}
		},
		ReasonDenied: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"u on >geheim ~app:* +@all"}})
			rdb := s.Client(once, func(o *redis.Options) { o.Username, o.Password = "u", "geheim" })
			code, _ := ready(t, newHealth(t, rdb, HealthOptions{Probe: "app:probe"}))
			require.Equal(t, http.StatusOK, code)
			return rdb, HealthOptions{Probe: "other"}
		},
		ReasonTimeout: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			s := redistest.NewServer(t, redistest.ServerOptions{})
			rdb := s.Client(once)
			require.NoError(t, rdb.Ping(t.Context()).Err())
			s.Pause()
			return rdb, HealthOptions{Timeout: 300 * time.Millisecond}
		},
		ReasonUnreachable: func(t *testing.T) (*redis.Client, HealthOptions) {
			t.Helper()
			s := redistest.NewServer(t, redistest.ServerOptions{})
			rdb := s.Client(once)
			require.NoError(t, rdb.Ping(t.Context()).Err())
			s.Kill()
			return rdb, HealthOptions{}
		},
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			rdb, opts := prepare(t)
			h := newHealth(t, rdb, opts)
			code, report := ready(t, h)
			c := only(t, report)
			assert.Equal(t, http.StatusServiceUnavailable, code)
			assert.Equal(t, StatusUnavailable, report.Status)
			assert.Equal(t, reason, c.Reason, c.Error)
			assert.NotEmpty(t, c.Error)
			assert.NotContains(t, c.Error, "geheim")
			assert.NotContains(t, c.Error, "falsch")
			assert.False(t, c.Since.IsZero())
			_, again := ready(t, h)
			assert.True(t, only(t, again).Since.Equal(c.Since), "it has been so since then")

			opts.Tolerate = []Reason{reason}
			code, report = ready(t, newHealth(t, rdb, opts))
			assert.Equal(t, http.StatusOK, code)
			assert.Equal(t, StatusDegraded, report.Status)
			assert.Equal(t, reason, only(t, report).Reason)
		})
	}
}

// TestReadyWithoutStaleData: a replica that may not serve old data says so itself.
func TestReadyWithoutStaleData(t *testing.T) {
	t.Parallel()
	master := redistest.NewServer(t, redistest.ServerOptions{})
	replica := redistest.NewReplica(t, master, redistest.ServerOptions{Args: []string{"--replica-serve-stale-data", "no"}})
	rdb := replica.Client(func(o *redis.Options) { o.MaxRetries = -1 })
	h := newHealth(t, rdb, HealthOptions{})
	code, _ := ready(t, h)
	assert.Equal(t, http.StatusOK, code)
	master.Kill()
	redistest.Poll(t, "MASTERDOWN", func() bool {
		_, report := ready(t, h)
		return only(t, report).Reason == ReasonMasterDown
	})
}

// TestProbeWritesNothing, on any kind of server, and finds a key for each master.
func TestProbeWritesNothing(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		if e.Kind == redistest.KindAutoPipeline || e.Kind == redistest.KindClusterAutoPipeline {
			return
		}
		h := newHealth(t, e.Client, HealthOptions{Probe: e.Namespace})
		for range 2 {
			code, report := ready(t, h)
			assert.Equal(t, http.StatusOK, code, "%+v", report)
			want := 1
			switch {
			case e.Clustered():
				want = 3
			case e.Kind == redistest.KindRing:
				want = 2
			}
			assert.Len(t, report.Checks, want)
			for _, c := range report.Checks {
				assert.Equal(t, StatusOK, c.Status)
				assert.Positive(t, c.LatencyMS)
				assert.Empty(t, c.Error)
			}
		}
		if e.Clustered() {
			assert.Len(t, h.keys, 3)
		}
		for _, master := range e.Masters() {
			keys, err := master.Keys(t.Context(), e.Namespace+"*").Result()
			require.NoError(t, err)
			assert.Empty(t, keys)
		}
	})
}

// TestReadyCluster: PING answers PONG on a cluster that is down; a failover, a hung and a dead replica leave it ready.
func TestReadyCluster(t *testing.T) {
	t.Parallel()
	c := redistest.NewCluster(t)
	ctx := t.Context()
	rdb := c.Client()
	h := newHealth(t, rdb, HealthOptions{Probe: "probe", Timeout: 12 * time.Second})
	code, report := ready(t, h)
	require.Equal(t, http.StatusOK, code, "%+v", report)
	require.Len(t, report.Checks, 3)

	for _, withProbe := range []string{"", "probe"} {
		reading := newHealth(t, rdb, HealthOptions{Probe: withProbe})
		for _, n := range c.Nodes() {
			if err := n.Client().ClusterDelSlots(ctx, 7).Err(); err != nil { // the others may have heard of it
				require.ErrorContains(t, err, "already unassigned")
			}
		}
		redistest.Poll(t, "the cluster is down", func() bool {
			code, report := ready(t, reading)
			if code != http.StatusServiceUnavailable {
				return false
			}
			for _, one := range report.Checks {
				if one.Reason != ReasonClusterDown {
					return false
				}
			}
			return true
		})
		require.NoError(t, c.Masters()[0].Client().ClusterAddSlots(ctx, 7).Err())
		redistest.Poll(t, "it is up again", func() bool {
			code, _ := ready(t, reading)
			return code == http.StatusOK
		})
	}

	// A replica that has not heard of the slot would leave it to its master, which then stays one.
	for _, n := range c.Nodes() {
		redistest.Poll(t, "the slot's owner is known", func() bool {
			return strings.Contains(n.Client().ClusterInfo(ctx).Val(), "cluster_slots_assigned:16384")
		})
	}
	c.Promote(t, c.Masters()[0])
	redistest.Poll(t, "ready behind the failover", func() bool {
		rdb.ReloadState(ctx)
		code, report := ready(t, h)
		_, promoted := report.Checks[c.Nodes()[3].Addr()]
		return code == http.StatusOK && promoted && len(report.Checks) == 3
	})
	hung := c.Nodes()[4] // a replica
	hung.Pause()
	for range 3 {
		code, report := ready(t, h)
		assert.Equal(t, http.StatusOK, code, "%+v", report)
	}
	hung.Resume()
	c.Nodes()[5].Kill()
	for range 3 {
		code, report := ready(t, h)
		assert.Equal(t, http.StatusOK, code, "%+v", report)
	}
}

// TestReadyIsShared: those who ask at the same time, and shortly after, share one look; a hung server is asked once.
func TestReadyIsShared(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	hook := &trips{}
	rdb.AddHook(hook)
	h := newHealth(t, rdb, HealthOptions{Share: time.Hour})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			assert.Equal(t, StatusOK, h.Check(context.Background()).Status)
		})
	}
	wg.Wait()
	n, _ := hook.take()
	assert.Equal(t, 1, n)

	rdb = s.Client(func(o *redis.Options) { o.MaxRetries = -1 })
	require.NoError(t, rdb.Ping(t.Context()).Err())
	rdb.AddHook(hook)
	h = newHealth(t, rdb, HealthOptions{Timeout: 5 * time.Second})
	s.Pause()
	for range 20 { // they do not wait at all
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		report := h.Check(ctx)
		assert.Equal(t, StatusUnavailable, report.Status)
		assert.Equal(t, "who asked gave up", only(t, report).Error)
	}
	n, _ = hook.take()
	assert.LessOrEqual(t, n, 1)
	assert.Empty(t, h.states, "who gives up says nothing of Redis")
	s.Resume()
	redistest.Poll(t, "ready again", func() bool { return h.Check(t.Context()).Status == StatusOK })
}

func TestLive(t *testing.T) {
	rdb := offline(t)
	hook := &trips{}
	rdb.AddHook(hook)
	h := newHealth(t, rdb, HealthOptions{})
	for method, want := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405} {
		rec := httptest.NewRecorder()
		h.Live().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, "/live", nil))
		assert.Equal(t, want, rec.Code)
		if method == http.MethodGet {
			assert.JSONEq(t, `{"status":"ok"}`, rec.Body.String())
		} else {
			assert.Empty(t, rec.Body.String())
		}
	}
	n, _ := hook.take()
	assert.Zero(t, n, "it never asks Redis")
}

func TestHealthOptions(t *testing.T) {
	m := newMonitor(t, offline(t), Options{})
	for want, opts := range map[string]HealthOptions{
		"Timeout": {Timeout: -1}, "Share": {Share: -2}, "Probe": {Probe: "a{b}"}, "Tolerate": {Tolerate: []Reason{"tired"}},
	} {
		_, err := m.Health(opts)
		require.ErrorContains(t, err, "monitor: HealthOptions."+want)
	}
	_, err := m.Health(HealthOptions{Share: -1, Tolerate: reasons})
	require.NoError(t, err)
	assert.Equal(t, redistest.Slot("probe:x:12"), keySlot("probe:x:12"))
}

// TestReadyForgetsShards: a shard that SetAddrs took out of its Ring is nothing to be ready for.
func TestReadyForgetsShards(t *testing.T) {
	t.Parallel()
	a, b := redistest.NewServer(t, redistest.ServerOptions{}), redistest.NewServer(t, redistest.ServerOptions{})
	ring := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"a": a.Addr(), "b": b.Addr()}, MaxRetries: -1, DialerRetries: 1, ReadTimeout: 30 * time.Second,
	})
	t.Cleanup(func() { _ = ring.Close() })
	h := newHealth(t, ring, HealthOptions{Probe: "probe"})
	report := h.Check(t.Context())
	require.Equal(t, StatusOK, report.Status, "%+v", report)
	require.Len(t, report.Checks, 2)
	ring.SetAddrs(map[string]string{"a": a.Addr()})
	for range 2 {
		report = h.Check(t.Context())
		require.Equal(t, StatusOK, report.Status, "%+v", report)
		require.Len(t, report.Checks, 1)
	}
	assert.Len(t, h.probes, 1, "nothing is kept of what is gone")
	assert.Len(t, h.states, 1)
}

// TestReadyForgetsReplicas: to a client that reads from replicas, one that has left the cluster is nothing to be ready for.
func TestReadyForgetsReplicas(t *testing.T) {
	t.Parallel()
	c := redistest.NewCluster(t)
	ctx := t.Context()
	rdb := c.Client(func(o *redis.ClusterOptions) { o.RouteRandomly, o.DialerRetries, o.MaxRetries = true, 1, -1 })
	h := newHealth(t, rdb, HealthOptions{Probe: "probe"})
	redistest.Poll(t, "all nodes are asked", func() bool {
		report := h.Check(ctx)
		return len(report.Checks) == 6 && report.Status == StatusOK
	})
	gone := c.Nodes()[5]
	id := gone.Client().Do(ctx, "CLUSTER", "MYID").Val()
	gone.Kill()
	for _, n := range c.Nodes()[:5] {
		require.NoError(t, n.Client().Do(ctx, "CLUSTER", "FORGET", id).Err())
	}
	redistest.Poll(t, "ready without it", func() bool {
		rdb.ReloadState(ctx)
		report := h.Check(ctx)
		return len(report.Checks) == 5 && report.Status == StatusOK
	})
}

// TestReadyIsSharedInACluster: one look at the nodes, and one at which there are, serve all who ask within Share.
func TestReadyIsSharedInACluster(t *testing.T) {
	t.Parallel()
	c := redistest.SharedCluster(t)
	rdb := c.Client()
	h := newHealth(t, rdb, HealthOptions{Share: time.Hour, Probe: "probe"})
	require.Equal(t, StatusOK, h.Check(t.Context()).Status)
	hook := &trips{}
	rdb.AddHook(hook)
	rdb.OnNewNode(func(n *redis.Client) { n.AddHook(hook) })
	require.NoError(t, rdb.ForEachShard(t.Context(), func(_ context.Context, n *redis.Client) error { n.AddHook(hook); return nil }))
	hook.take()
	for range 5 {
		report := h.Check(t.Context())
		assert.Equal(t, StatusOK, report.Status)
		assert.Len(t, report.Checks, 3)
	}
	n, asked := hook.take()
	assert.Zero(t, n, asked)
}

// TestReadyByFailoverClusterClient: a client that spreads reads over the servers behind Sentinels is no cluster's, and its
// master is probed all the same.
func TestReadyByFailoverClusterClient(t *testing.T) {
	t.Parallel()
	sents := redistest.NewSentinels(t, 0)
	for _, random := range []bool{false, true} {
		rdb := redis.NewFailoverClusterClient(&redis.FailoverOptions{
			MasterName: redistest.MasterName, SentinelAddrs: sents.Addrs(), RouteRandomly: random, MaxRetries: -1,
		})
		t.Cleanup(func() { _ = rdb.Close() })
		h := newHealth(t, rdb, HealthOptions{Probe: "probe"})
		redistest.Poll(t, "ready", func() bool { return h.Check(t.Context()).Status == StatusOK })
		master := sents.Master()
		require.NoError(t, master.Client().ConfigSet(t.Context(), "min-replicas-to-write", "9").Err())
		for range 2 {
			report := h.Check(t.Context())
			assert.Equal(t, StatusUnavailable, report.Status)
			refused := 0
			for addr, c := range report.Checks { // go-redis leaves out the host of an address of this machine
				if strings.HasSuffix(master.Addr(), addr) && c.Reason == ReasonNoReplicas {
					refused++
				}
			}
			assert.Equal(t, 1, refused, "%+v", report)
		}
		require.NoError(t, master.Client().ConfigSet(t.Context(), "min-replicas-to-write", "0").Err())
	}
}

// TestReadyMethods: HEAD is answered as GET is, without the body; another method asks nobody.
func TestReadyMethods(t *testing.T) {
	s := redistest.StandaloneServer(t)
	rdb := s.Client()
	hook := &trips{}
	rdb.AddHook(hook)
	h := newHealth(t, rdb, HealthOptions{})
	for method, want := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405} {
		rec := httptest.NewRecorder()
		h.Ready().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, "/ready", nil))
		assert.Equal(t, want, rec.Code)
		n, _ := hook.take()
		if method == http.MethodPost {
			assert.Zero(t, n)
			assert.Equal(t, "GET, HEAD", rec.Header().Get("Allow"))
			continue
		}
		assert.Positive(t, n)
		assert.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
		assert.Equal(t, method == http.MethodGet, rec.Body.Len() > 0)
	}
}
