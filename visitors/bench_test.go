package visitors

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/hll"
	"github.com/larder-go/larder/internal/redistest"
)

// callers64 runs the loop in 64 goroutines.
func callers64(b *testing.B, fn func(i int64) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if err := fn(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkTrack counts visitors from 64 callers: by hand, with PFADD and EXPIRE on a plain client, and through an
// AutoPipeliner, on one busy page and on a hundred.
func BenchmarkTrack(b *testing.B) {
	for _, pages := range []int64{1, 100} {
		b.Run(fmt.Sprintf("pages=%d/by=hand", pages), func(b *testing.B) {
			rdb := redistest.Standalone(b)
			ctx := context.Background()
			callers64(b, func(i int64) error {
				key := "hand:" + strconv.FormatInt(i%pages, 10)
				if err := rdb.PFAdd(ctx, key, "visitor:"+strconv.FormatInt(i*7919%100_000, 10)).Err(); err != nil {
					return err
				}
				return rdb.Expire(ctx, key, 100*day).Err()
			})
		})
		for _, plain := range []bool{false, true} {
			name := map[bool]string{true: "plain", false: "autopipeline"}[plain]
			b.Run(fmt.Sprintf("pages=%d/by=larder/client=%s", pages, name), func(b *testing.B) {
				var rdb redis.UniversalClient = redistest.Standalone(b)
				if !plain {
					ap, err := redistest.Standalone(b).AutoPipeline()
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(func() { _ = ap.Close() })
					rdb = ap
				}
				c := counterAt(b, rdb, then, Options{Namespace: b.Name()})
				ctx := context.Background()
				callers64(b, func(i int64) error {
					return c.Track(ctx, strconv.FormatInt(i%pages, 10), "visitor:"+strconv.FormatInt(i*7919%100_000, 10))
				})
			})
		}
	}
}

// crowd returns the names of n visitors.
func crowd(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "visitor:" + strconv.Itoa(i)
	}
	return names
}

// BenchmarkTrackMany counts a thousand visitors of a page that has twenty thousand: in one call, and one by one.
func BenchmarkTrackMany(b *testing.B) {
	ctx := context.Background()
	names := crowd(1000)
	c := counterAt(b, redistest.Standalone(b), then, Options{Namespace: b.Name()})
	if err := c.Track(ctx, "crowd", crowd(20_000)...); err != nil {
		b.Fatal(err)
	}
	b.Run("calls=1", func(b *testing.B) {
		for b.Loop() {
			if err := c.Track(ctx, "crowd", names...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("calls=1000", func(b *testing.B) {
		for b.Loop() {
			for _, name := range names {
				if err := c.Track(ctx, "crowd", name); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// dense stores sketches of many visitors at keys.
func dense(b *testing.B, rdb *redis.Client, keys []string) {
	b.Helper()
	for k, key := range keys {
		var s hll.Sketch
		for i := range 20_000 {
			s.Add(strconv.Itoa(i*(k+1)) + ":" + strconv.Itoa(k%7))
		}
		if err := rdb.Set(b.Context(), key, string(s.Encode()), time.Hour).Err(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBetween counts a closed quarter: its months, as the planner has it, and PFCOUNT of its 91 days.
func BenchmarkBetween(b *testing.B) {
	ctx := context.Background()
	rdb := redistest.Standalone(b)
	opts := Options{Namespace: b.Name(), Buckets: []calendar.Period{daily, monthly}, Keep: keepAll(daily, monthly)}
	c := counterAt(b, rdb, then, opts)
	from, to := instant("2090-01-01 00:00", time.UTC), instant("2090-04-01 00:00", time.UTC)
	var days []string
	for at := range daily.All(from, to, time.UTC) {
		days = append(days, c.prefix("home")+daily.Label(at, time.UTC))
	}
	dense(b, rdb, days)
	for at := range monthly.All(from, to, time.UTC) {
		var month []string
		for _, key := range days {
			if strings.Contains(key, monthly.Label(at, time.UTC)) {
				month = append(month, key)
			}
		}
		if err := rdb.PFMerge(ctx, c.prefix("home")+monthly.Label(at, time.UTC), month...).Err(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("by=larder", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Between(ctx, "home", from, to); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by=PFCOUNT", func(b *testing.B) {
		for b.Loop() {
			if err := rdb.PFCount(ctx, days...).Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMerge counts thirty dense sketches: here, as Union and Overlap do, and by PFCOUNT. server-us/op is for how
// long the server was busy with it.
func BenchmarkMerge(b *testing.B) {
	ctx := context.Background()
	rdb := redistest.NewServer(b, redistest.ServerOptions{}).Client()
	c := counterAt(b, rdb, then, Options{})
	var keys []string
	for i := range 30 {
		keys = append(keys, c.prefix("home")+strconv.Itoa(i))
	}
	dense(b, rdb, keys)
	for _, by := range []struct {
		name, command string
		count         func() (int64, error)
	}{
		{"larder", "get", func() (int64, error) { return c.merge(ctx, keys) }},
		{"PFCOUNT", "pfcount", func() (int64, error) { return rdb.PFCount(ctx, keys...).Result() }},
	} {
		b.Run("by="+by.name, func(b *testing.B) {
			before := busy(b, rdb, by.command)
			for b.Loop() {
				if _, err := by.count(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((busy(b, rdb, by.command)-before)/float64(b.N), "server-us/op")
		})
	}
}

// busy returns for how many microseconds a server ran a command so far.
func busy(b *testing.B, rdb *redis.Client, command string) float64 {
	b.Helper()
	info, err := rdb.Info(b.Context(), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(info, "cmdstat_"+command+":")
	_, after, _ = strings.Cut(after, "usec=")
	usec, _, _ := strings.Cut(after, ",")
	n, err := strconv.ParseFloat(usec, 64)
	if err != nil {
		return 0 // it never ran
	}
	return n
}
