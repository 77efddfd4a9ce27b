package monitor

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// BenchmarkCollect beside the INFO everything that it cannot do without, in turns: the ratio of the medians, and the processor
// time of this process and of the server. A busy server has 16 databases, 100 clients and the statistics of 120 commands.
func BenchmarkCollect(b *testing.B) {
	ctx := context.Background()
	for _, busy := range []bool{false, true} {
		s := redistest.NewServer(b, redistest.ServerOptions{})
		if busy {
			makeBusy(b, s)
		}
		for _, network := range []string{"unix", "tcp"} {
			b.Run(fmt.Sprintf("busy=%v/%s", busy, network), func(b *testing.B) {
				usual := func(o *redis.Options) { o.ReadTimeout = 3 * time.Second } // as go-redis has it by default
				rdb := s.Client(usual)
				if network == "tcp" {
					rdb = s.Client(s.TCP, usual)
				}
				m, err := New(rdb, Options{})
				require.NoError(b, err)
				var walls [2][]time.Duration
				var mine, theirs [2]time.Duration
				ask := [2]func() error{
					func() error { return rdb.Info(ctx, "everything").Err() },
					func() error { _, err := m.Collect(ctx); return err },
				}
				for _, one := range ask {
					for range 50 {
						require.NoError(b, one())
					}
				}
				const each = 20 // processor time of another process comes in ticks
				b.ReportAllocs()
				for b.Loop() {
					for i, one := range ask {
						before, server := processorTime(b, os.Getpid()), processorTime(b, s.Pid())
						for range each {
							start := time.Now()
							if err := one(); err != nil {
								b.Fatal(err)
							}
							walls[i] = append(walls[i], time.Since(start))
						}
						mine[i] += processorTime(b, os.Getpid()) - before
						theirs[i] += processorTime(b, s.Pid()) - server
					}
				}
				var median [2]float64
				for i := range walls {
					slices.Sort(walls[i])
					median[i] = float64(walls[i][len(walls[i])/2].Nanoseconds()) / 1000
				}
				perCall := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(len(walls[0])) }
				b.ReportMetric(median[1]/median[0], "ratio")
				b.ReportMetric(median[0], "us/info")
				b.ReportMetric(median[1], "us/collect")
				b.ReportMetric(perCall(mine[0]), "us-cpu/info")
				b.ReportMetric(perCall(mine[1]), "us-cpu/collect")
				b.ReportMetric(perCall(theirs[0]), "us-server/info")
				b.ReportMetric(perCall(theirs[1]), "us-server/collect")
			})
		}
	}
}

func makeBusy(b *testing.B, s *redistest.Server) {
	b.Helper()
	ctx := context.Background()
	for db := range 16 {
		rdb := s.Client(func(o *redis.Options) { o.DB = db })
		pipe := rdb.Pipeline()
		for i := range 1000 {
			pipe.Set(ctx, fmt.Sprint("key:", i), i, time.Hour)
		}
		_, err := pipe.Exec(ctx)
		require.NoError(b, err)
	}
	many := s.Client(func(o *redis.Options) { o.PoolSize, o.MinIdleConns = 100, 100 })
	names, err := many.Do(ctx, "COMMAND", "LIST").StringSlice()
	require.NoError(b, err)
	known := 0
	for _, name := range names { // without arguments most are refused, and counted
		switch name {
		case "shutdown", "sync", "psync", "monitor", "subscribe", "psubscribe", "ssubscribe", "replconf", "quit", "exec", "multi", "reset", "failover", "debug", "auth", "hello", "client", "select":
			continue
		}
		if known++; known <= 120 {
			_ = many.Do(ctx, name).Err()
		}
	}
	for range 20 { // a slow log as long as a sample asks for
		_ = many.Do(ctx, "CONFIG", "SET", "slowlog-log-slower-than", "0").Err()
	}
	require.NoError(b, many.Do(ctx, "CONFIG", "SET", "slowlog-log-slower-than", "10000").Err())
}

// processorTime is what a process has had, in nanoseconds where Linux tells them.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0
	}
	total := int64(0)
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		if parts := strings.Fields(string(text)); len(parts) > 0 {
			ns, _ := strconv.ParseInt(parts[0], 10, 64)
			total += ns
		}
	}
	return time.Duration(total)
}

// BenchmarkRules evaluates rules on nodes with an hour of samples: the default ones on one node, and a hundred, of all
// metrics, on ten, of which one rule in ten fires.
func BenchmarkRules(b *testing.B) {
	raw := infoText(b)
	hundred := make([]Rule, 0, 100)
	names := slices.Sorted(maps.Keys(metrics))
	for i := range 100 {
		r := Rule{Name: fmt.Sprint("rule", i), Metric: names[i%len(names)], Threshold: 0.5}
		switch {
		case !metrics[r.Metric].share:
			r.Threshold = 1e12
		case r.Metric == MetricUp || r.Metric == MetricClusterState || r.Metric == MetricSentinelQuorum:
			r.Op = Below
		}
		if i%10 == 0 {
			r.Metric, r.Op, r.Threshold = MetricMemoryUsed, Above, 1
		}
		hundred = append(hundred, r)
	}
	for _, c := range []struct {
		name  string
		rules []Rule
		nodes int
	}{{"rules=default/nodes=1", nil, 1}, {"rules=100/nodes=10", hundred, 10}} {
		b.Run(c.name, func(b *testing.B) {
			rules, err := completeRules(c.rules, defaultInterval, defaultHistory)
			require.NoError(b, err)
			e := newEngine(rules, defaultHistory)
			s := &Snapshot{At: start}
			for i := range c.nodes {
				n := Node{Addr: fmt.Sprint("node", i)}
				n.fill(readInfo(raw), nil)
				n.Latency.RoundTrip = Known(time.Millisecond)
				s.Nodes = append(s.Nodes, n)
			}
			next := func() {
				s.At = s.At.Add(defaultInterval)
				for i := range s.Nodes {
					n := &s.Nodes[i]
					n.At = s.At
					n.Stats.Commands.v += 100
					n.Stats.Hits.v += 50
				}
				e.step(s)
			}
			for range defaultHistory {
				next()
			}
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
		})
	}
}

func BenchmarkParseInfo(b *testing.B) {
	raw := infoText(b)
	b.ReportAllocs()
	for b.Loop() {
		n := Node{Addr: "a"}
		n.fill(readInfo(raw), nil)
	}
}

// BenchmarkBigKeys over 100,000 keys and a hash of a million fields, beside redis-cli --memkeys on the same server.
func BenchmarkBigKeys(b *testing.B) {
	s := redistest.NewServer(b, redistest.ServerOptions{Args: []string{"--slowlog-log-slower-than", "0", "--slowlog-max-len", "5000"}})
	ctx := context.Background()
	rdb := s.Client(s.TCP)
	fill := func(n int, queue func(p redis.Pipeliner, i int)) {
		for i := 0; i < n; i += 1000 {
			p := rdb.Pipeline()
			for j := range 1000 {
				queue(p, i+j)
			}
			_, err := p.Exec(ctx)
			require.NoError(b, err)
		}
	}
	fill(100_000, func(p redis.Pipeliner, i int) { p.Set(ctx, fmt.Sprintf("key:%d", i), strings.Repeat("x", 20+i%50), 0) })
	b.Run("keys=1e5/redis-cli", func(b *testing.B) {
		cli, err := exec.LookPath("redis-cli")
		if err != nil {
			b.Skip("no redis-cli")
		}
		host, port, _ := strings.Cut(s.Addr(), ":")
		for b.Loop() {
			require.NoError(b, exec.CommandContext(ctx, cli, "-h", host, "-p", port, "--memkeys").Run())
		}
	})
	b.Run("keys=1e5/bigkeys", func(b *testing.B) {
		for b.Loop() {
			report, err := BigKeys(ctx, rdb, BigKeysOptions{})
			require.NoError(b, err)
			require.Equal(b, int64(100_000), report.Scanned)
		}
	})
	fill(1_000_000, func(p redis.Pipeliner, i int) { p.HSet(ctx, "huge", fmt.Sprint("field", i), "value") })
	b.Run("hash=1e6/slowest", func(b *testing.B) {
		require.NoError(b, rdb.Do(ctx, "SLOWLOG", "RESET").Err())
		worst := time.Duration(0)
		for b.Loop() {
			_, err := BigKeys(ctx, rdb, BigKeysOptions{Match: "huge*"})
			require.NoError(b, err)
			logs, err := rdb.SlowLogGet(ctx, 5000).Result()
			require.NoError(b, err)
			for _, l := range logs {
				if name := strings.ToLower(l.Args[0]); name == "scan" || name == "memory" || name == "object" || name == "hlen" || name == "pttl" || name == "type" {
					worst = max(worst, l.Duration)
				}
			}
			require.NoError(b, rdb.Do(ctx, "SLOWLOG", "RESET").Err())
		}
		b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms/command")
	})
}
