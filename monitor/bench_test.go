package monitor

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// BenchmarkCollect beside the INFO everything that it cannot do without.
func BenchmarkCollect(b *testing.B) {
	rdb := redistest.Standalone(b)
	ctx := context.Background()
	b.Run("raw=info-everything", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := rdb.Info(ctx, "everything").Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("collect", func(b *testing.B) {
		m, err := New(rdb, Options{})
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Collect(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRules evaluates the default rules on a node with an hour of samples.
func BenchmarkRules(b *testing.B) {
	raw := readInfo(b)
	rules, err := completeRules(nil, defaultInterval, defaultHistory)
	require.NoError(b, err)
	e := newEngine(rules, defaultHistory)
	n := Node{Addr: "a"}
	n.fill(raw, parseInfo(raw), nil)
	at := start
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(defaultInterval)
		n.At = at
		e.step(&Snapshot{At: at, Nodes: []Node{n}})
	}
}

func BenchmarkParseInfo(b *testing.B) {
	raw := readInfo(b)
	b.ReportAllocs()
	for b.Loop() {
		n := Node{Addr: "a"}
		n.fill(raw, parseInfo(raw), nil)
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
