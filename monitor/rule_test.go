package monitor

import (
	"math"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// offline returns a client that is never asked.
func offline(t testing.TB) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// TestDefaultRules: the names and thresholds of the contract.
func TestDefaultRules(t *testing.T) {
	type row struct {
		metric    Metric
		op        Op
		threshold float64
		severity  Severity
	}
	want := map[string]row{
		"HighMemoryUsage":       {MetricMemoryUsage, Above, 0.85, Warning},
		"HighClientConnections": {MetricConnectedClients, Above, 1000, Warning},
		"ClientsNearLimit":      {MetricClientUsage, Above, 0.9, Critical},
		"BlockedClients":        {MetricBlockedClients, Above, 10, Critical},
		"RejectedConnections":   {MetricRejectedConnections, Above, 5, Critical},
		"KeysEvicted":           {MetricEvictedKeys, Above, 100, Warning},
		"LowHitRatio":           {MetricHitRatio, Below, 0.8, Warning},
		"HighLatency":           {MetricLatency, Above, 0.010, Warning},
		"ServerDown":            {MetricUp, Below, 1, Critical},
		"ReplicationBroken":     {MetricReplicationLag, Above, 30, Critical},
		"PersistenceFailed":     {MetricPersistenceFailed, Above, 0, Critical},
		"HighFragmentation":     {MetricFragmentation, Above, 1.5, Warning},
		"ClusterDown":           {MetricClusterState, Below, 1, Critical},
		"SentinelQuorumLost":    {MetricSentinelQuorum, Below, 1, Critical},
	}
	rules := DefaultRules()
	require.Len(t, rules, len(want))
	for _, r := range rules {
		assert.Equal(t, want[r.Name], row{r.Metric, r.Op, r.Threshold, r.Severity}, r.Name)
		assert.NotEmpty(t, r.Summary, r.Name)
		switch r.Name {
		case "LowHitRatio":
			assert.Positive(t, r.MinSamples)
		case "HighFragmentation":
			assert.Equal(t, int64(100<<20), r.MinSamples)
		}
	}
	rules[0].Name = "changed"
	assert.NotEqual(t, "changed", DefaultRules()[0].Name)
}

// TestLongInterval: the default rules fit any Interval and History, and HighLatency can fire in all of them.
func TestLongInterval(t *testing.T) {
	rdb := offline(t)
	for _, interval := range []time.Duration{time.Millisecond, time.Second, 15 * time.Second, 29 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		for _, history := range []int{2, 3, 9, 240} {
			m, err := New(rdb, Options{Interval: interval, History: history})
			require.NoError(t, err, "%v %d", interval, history)
			for _, r := range m.Rules() {
				if r.Metric != MetricLatency {
					continue
				}
				var samples []sample
				at := time.Unix(1e9, 0)
				for range history + 1 {
					samples = append(samples, sample{at: at, ping: Known(time.Second)})
					at = at.Add(interval)
				}
				v, ok := r.figure(&Node{}, samples)
				assert.True(t, ok, "%v %d: %+v", interval, history, r)
				assert.InDelta(t, 1, v, 0)
			}
		}
	}
}

func TestRulesRefused(t *testing.T) {
	rdb := offline(t)
	fine := Rule{Name: "r", Metric: MetricMemoryUsage, Threshold: 0.5}
	_, err := New(rdb, Options{Rules: []Rule{fine}})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*Rule)
		want   string
	}{
		"no name":               {func(r *Rule) { r.Name = "" }, "Name"},
		"metric":                {func(r *Rule) { r.Metric = "speed" }, "Metric"},
		"severity":              {func(r *Rule) { r.Severity = "bad" }, "Severity"},
		"op":                    {func(r *Rule) { r.Op = ">" }, "Op"},
		"nan":                   {func(r *Rule) { r.Threshold = math.NaN() }, "Threshold"},
		"inf":                   {func(r *Rule) { r.Threshold = math.Inf(1) }, "Threshold"},
		"percent for share":     {func(r *Rule) { r.Threshold = 85 }, "Threshold"},
		"negative hysteresis":   {func(r *Rule) { r.Hysteresis = -1 }, "Hysteresis"},
		"nan hysteresis":        {func(r *Rule) { r.Hysteresis = math.NaN() }, "Hysteresis"},
		"never resolves":        {func(r *Rule) { r.Hysteresis = 0.6 }, "Hysteresis"},
		"never resolves below":  {func(r *Rule) { r.Metric, r.Op, r.Hysteresis = MetricHitRatio, Below, 0.6 }, "Hysteresis"},
		"never above":           {func(r *Rule) { r.Metric, r.Threshold = MetricUp, 1 }, "Threshold"},
		"never below":           {func(r *Rule) { r.Op, r.Threshold = Below, 0 }, "Threshold"},
		"for":                   {func(r *Rule) { r.For = -1 }, "For"},
		"keep firing":           {func(r *Rule) { r.KeepFiring = -time.Second }, "KeepFiring"},
		"repeat":                {func(r *Rule) { r.Repeat = -2 }, "Repeat"},
		"min samples":           {func(r *Rule) { r.MinSamples = -1 }, "MinSamples"},
		"samples of a gauge":    {func(r *Rule) { r.MinSamples = 1 }, "MinSamples"},
		"window of a gauge":     {func(r *Rule) { r.Window = time.Minute }, "Window"},
		"negative window":       {func(r *Rule) { r.Metric, r.Window = MetricHitRatio, -1 }, "Window"},
		"window beyond history": {func(r *Rule) { r.Metric, r.Window = MetricHitRatio, 25*time.Hour }, "Window"},
		"too few pings":         {func(r *Rule) { r.Metric, r.Window, r.MinSamples = MetricLatency, time.Minute, 6 }, "MinSamples"},
	} {
		t.Run(name, func(t *testing.T) {
			r := fine
			c.change(&r)
			_, err := New(rdb, Options{Rules: []Rule{r}})
			require.ErrorContains(t, err, "monitor: Options.Rules: rule \""+r.Name+"\": "+c.want+":")
		})
	}
	_, err = New(rdb, Options{Rules: []Rule{fine, fine}})
	require.ErrorContains(t, err, `two rules are named "r"`)
	m, err := New(rdb, Options{Rules: []Rule{}})
	require.NoError(t, err)
	assert.Empty(t, m.Rules(), "an empty list is no rules")
}

func TestNewRefuses(t *testing.T) {
	rdb := offline(t)
	auto, err := rdb.AutoPipeline()
	require.NoError(t, err)
	for name, c := range map[string]struct {
		rdb  redis.UniversalClient
		opts Options
		want string
	}{
		"nil":           {nil, Options{}, "nil"},
		"typed nil":     {(*redis.Client)(nil), Options{}, "*redis.Client is nil"},
		"nil cluster":   {(*redis.ClusterClient)(nil), Options{}, "*redis.ClusterClient is nil"},
		"nil ring":      {(*redis.Ring)(nil), Options{}, "*redis.Ring is nil"},
		"autopipeliner": {auto, Options{}, "*redis.AutoPipeliner"},
		"interval":      {rdb, Options{Interval: -1}, "Options.Interval"},
		"long interval": {rdb, Options{Interval: 25 * time.Hour}, "Options.Interval"},
		"history":       {rdb, Options{History: 1}, "Options.History"},
		"timeout":       {rdb, Options{Timeout: -1}, "Options.Timeout"},
		"notifier":      {rdb, Options{Notifiers: []Notifier{nil}}, "Options.Notifiers[0]"},
		"nil func":      {rdb, Options{Notifiers: []Notifier{NotifierFunc(nil)}}, "Options.Notifiers[0]"},
		"nil logger":    {rdb, Options{Notifiers: []Notifier{Log(nil)}}, "Options.Notifiers[0]"},
		"sentinel":      {rdb, Options{Sentinels: []*redis.SentinelClient{nil}}, "Options.Sentinels[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.rdb, c.opts)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "monitor: ")
		})
	}
	m, err := New(rdb, Options{})
	require.NoError(t, err)
	assert.Equal(t, 15*time.Second, m.Interval())
	_, known := m.Last()
	assert.False(t, known)
	assert.Empty(t, m.Alerts())
	assert.Empty(t, m.History())
	m.Subscribe(nil)()
}

// TestExpr: every metric and default rule has its form for Prometheus.
func TestExpr(t *testing.T) {
	for m := range metrics {
		assert.NotEmpty(t, m.PromQL(time.Minute), m)
		assert.NotContains(t, m.PromQL(time.Minute), "%!", m)
	}
	assert.Empty(t, Metric("speed").PromQL(0))
	for name, want := range map[string]string{
		"KeysEvicted":       "(rate(redis_evicted_keys_total[1m]) * 60) > 100",
		"ServerDown":        "(redis_up) < 1",
		"HighFragmentation": "(redis_mem_fragmentation_ratio) > 1.5 and (redis_memory_used_rss_bytes - redis_memory_used_bytes) >= 104857600",
		"HighMemoryUsage":   "(redis_memory_used_bytes / (redis_memory_max_bytes > 0 or redis_total_system_memory_bytes)) > 0.85",
		"LowHitRatio": "(increase(redis_keyspace_hits_total[5m]) / (increase(redis_keyspace_hits_total[5m]) + increase(redis_keyspace_misses_total[5m]) > 0)) < 0.8" +
			" and (increase(redis_keyspace_hits_total[5m]) + increase(redis_keyspace_misses_total[5m])) >= 1000",
	} {
		for _, r := range DefaultRules() {
			if r.Name == name {
				assert.Equal(t, want, r.Expr())
			}
		}
	}
	for d, want := range map[time.Duration]string{
		0: "1s", time.Second: "1s", 90 * time.Second: "1m30s", time.Minute: "1m", 10 * time.Minute: "10m", time.Hour: "1h",
		10 * time.Hour: "10h", 90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s", 1500 * time.Millisecond: "1s",
	} {
		assert.Equal(t, want, promDuration(d))
	}
}

// TestFigures: each metric from the figures that it is made of, and absent where they are.
func TestFigures(t *testing.T) {
	for _, c := range []struct {
		name   string
		metric Metric
		node   Node
		want   float64
		known  bool
	}{
		{"up", MetricUp, Node{}, 1, true},
		{"down", MetricUp, Node{Err: errGarbage}, 0, true},
		{"of maxmemory", MetricMemoryUsage, Node{Memory: Memory{Used: Known[int64](80), Max: Known[int64](100), System: Known[int64](1000)}}, 0.8, true},
		{"of the machine", MetricMemoryUsage, Node{Memory: Memory{Used: Known[int64](80), Max: Known[int64](0), System: Known[int64](1000)}}, 0.08, true},
		{"limit unknown", MetricMemoryUsage, Node{Memory: Memory{Used: Known[int64](80), System: Known[int64](1000)}}, 0, false},
		{"no limit", MetricMaxMemoryUsage, Node{Memory: Memory{Used: Known[int64](80), Max: Known[int64](0)}}, 0, false},
		{"clients", MetricClientUsage, Node{Clients: Clients{Connected: Known[int64](9), Max: Known[int64](10)}}, 0.9, true},
		{"idle", MetricHitRatio, Node{}, 0, false},
		{"link down", MetricReplicationLag, Node{Replication: Replication{LinkUp: Known(false)}}, math.Inf(1), true},
		{"link up", MetricReplicationLag, Node{Replication: Replication{LinkUp: Known(true), LastIO: Known(3 * time.Second)}}, 3, true},
		{"master", MetricReplicationLag, Node{Role: "master"}, 0, false},
		{"replicas", MetricReplicas, Node{Role: "master", Replication: Replication{Connected: Known[int64](2)}}, 2, true},
		{"of a replica", MetricReplicas, Node{Role: "replica", Replication: Replication{Connected: Known[int64](0)}}, 0, false},
		{"saves", MetricPersistenceFailed, Node{Persistence: Persistence{LastSaveOK: Known(false), LastWriteOK: Known(true), LastRewriteOK: Known(false)}}, 2, true},
		{"saves unknown", MetricPersistenceFailed, Node{}, 0, false},
		{"cluster", MetricClusterState, Node{Cluster: Cluster{State: Known("fail")}}, 0, true},
		{"no cluster", MetricClusterState, Node{}, 0, false},
		{"keys", MetricKeys, Node{Keyspace: Known([]Database{{Keys: Known[int64](2)}, {DB: 1, Keys: Known[int64](3)}})}, 5, true},
		{"no keys", MetricKeys, Node{Keyspace: Known[[]Database](nil)}, 0, true},
		{"keys unknown", MetricKeys, Node{}, 0, false},
		{"quorum", MetricSentinelQuorum, Node{Sentinel: Sentinel{Masters: Known([]SentinelMaster{{Quorum: Known(true)}, {Quorum: Known(false)}})}}, 0, true},
		{"quorum there", MetricSentinelQuorum, Node{Sentinel: Sentinel{Masters: Known([]SentinelMaster{{Quorum: Known(true)}, {}})}}, 1, true},
		{"quorum unknown", MetricSentinelQuorum, Node{Sentinel: Sentinel{Masters: Known([]SentinelMaster{{}})}}, 0, false},
		{"evicted", MetricEvictedKeys, Node{Rates: Rates{Evicted: Known(2.0)}}, 120, true},
		{"unknown metric", Metric("speed"), Node{}, 0, false},
	} {
		v, ok := c.node.Figure(c.metric)
		assert.Equal(t, c.known, ok, c.name)
		assert.InDelta(t, c.want, v, 1e-9, c.name)
	}
}

// TestMemoryMessage: the text says what the share is of.
func TestMemoryMessage(t *testing.T) {
	r := DefaultRules()[0].completed()
	n := Node{Memory: Memory{Used: Known[int64](90), Max: Known[int64](100)}}
	assert.Equal(t, "memory is running out: used memory of maxmemory 90 %, above 85 %", r.message(&n, 0.9))
	n.Memory.Max = Known[int64](0)
	assert.Equal(t, "memory is running out: used memory of the machine's memory (maxmemory is not set) 90 %, above 85 %", r.message(&n, 0.9))
	assert.Equal(t, "used memory of the machine's memory (maxmemory is not set) 50 %, no longer above 85 %", r.message(&n, 0.5))
	assert.Equal(t, "1.5 GiB", humanBytes(3<<29))
	assert.Equal(t, "12 B", humanBytes(12))
}

// TestFragmentationFloor: a fresh server wastes more than it uses, which is no alert; one whose loss went below the floor
// is well again.
func TestFragmentationFloor(t *testing.T) {
	var rule Rule
	for _, r := range DefaultRules() {
		if r.Name == "HighFragmentation" {
			rule = r.completed()
		}
	}
	node := func(ratio float64, lost int64) *Node {
		return &Node{Memory: Memory{Fragmentation: Known(ratio), FragmentationBytes: Known(lost)}}
	}
	v, ok := rule.figure(node(12.7, 11<<20), nil)
	assert.True(t, ok)
	assert.True(t, rule.well(v))
	v, _ = rule.figure(node(2, 200<<20), nil)
	assert.True(t, rule.holds(v))
	_, ok = rule.figure(&Node{}, nil)
	assert.False(t, ok)
}

// TestLongestHistory: the longest Interval and History together are more time than a Duration holds.
func TestLongestHistory(t *testing.T) {
	m, err := New(offline(t), Options{Interval: longestInterval, History: longestHistory})
	require.NoError(t, err)
	for _, r := range m.Rules() {
		assert.GreaterOrEqual(t, r.Window, time.Duration(0), r.Name)
	}
}
