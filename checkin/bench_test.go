package checkin

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

const benchUsers = 1000

// fillYears stores years of check-ins of many users.
func fillYears(b *testing.B, rdb *redis.Client, tr *Tracker, newest, years int) {
	b.Helper()
	year := strings.Repeat("\xee", 46)
	for u := range benchUsers {
		pipe := rdb.Pipeline()
		for _, key := range tr.yearKeys(strconv.Itoa(u), newest, newest-years+1) {
			pipe.Set(b.Context(), key, year, time.Hour)
		}
		_, err := pipe.Exec(b.Context())
		require.NoError(b, err)
	}
}

// checkByHand is what is written again in many code bases: SETBIT, EXPIREAT, MGET of the same years, in a pipeline.
func checkByHand(ctx context.Context, rdb redis.UniversalClient, keys []string, bit int64, until time.Time) error {
	pipe := rdb.Pipeline()
	pipe.SetBit(ctx, keys[0], bit, 1)
	pipe.ExpireAt(ctx, keys[0], until)
	pipe.MGet(ctx, keys...)
	_, err := pipe.Exec(ctx)
	return err
}

// served returns the processor time that a server has used.
func served(b *testing.B, rdb *redis.Client) time.Duration {
	b.Helper()
	info, err := rdb.Info(b.Context(), "cpu").Result()
	require.NoError(b, err)
	total := time.Duration(0)
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		d, err := time.ParseDuration(strings.TrimPrefix(line(info, name), ":") + "s")
		require.NoError(b, err)
		total += d
	}
	return total
}

// BenchmarkCheckIn compares with the commands by hand, from one caller and from 64, with users who have all years that
// are kept, and with such who have one. It reports the processor time of the server, which a busy machine distorts least.
func BenchmarkCheckIn(b *testing.B) {
	rdb := redistest.StandaloneServer(b).Client(func(o *redis.Options) { o.PoolSize = 64 })
	auto, err := rdb.AutoPipeline()
	require.NoError(b, err)
	defer func() { _ = auto.Close() }()
	now := noon("2095-06-02")
	for _, keep := range []struct {
		name  string
		opts  Options
		years int
	}{
		{"keep=default/years=11", Options{Namespace: "bench11"}, 11},
		{"keep=default/years=1", Options{Namespace: "bench1"}, 1},
		{"keep=3y/years=4", Options{Namespace: "bench4", Keep: 1000 * 24 * time.Hour}, 4},
	} {
		tr := newTracker(b, rdb, keep.opts)
		fillYears(b, rdb, tr, 2095, keep.years)
		keys := make([][]string, benchUsers)
		w, err := tr.window(now)
		require.NoError(b, err)
		for u := range keys {
			keys[u] = tr.yearKeys(strconv.Itoa(u), 2095, w.oldest)
		}
		until, _ := tr.expiry(2095)
		bit := int64(now.YearDay() - 1)
		byAuto := newTracker(b, auto, keep.opts)
		forms := []struct {
			name string
			call func(u int) error
		}{
			{"larder", func(u int) error { _, err := tr.CheckInAt(b.Context(), strconv.Itoa(u), now); return err }},
			{"hand", func(u int) error { return checkByHand(b.Context(), rdb, keys[u], bit, until) }},
			{"larder-autopipeline", func(u int) error { _, err := byAuto.CheckInAt(b.Context(), strconv.Itoa(u), now); return err }},
		}
		for _, callers := range []int{1, 64} {
			for _, form := range forms {
				b.Run(fmt.Sprintf("%s/callers=%d/%s", keep.name, callers, form.name), func(b *testing.B) {
					b.ReportAllocs()
					before := served(b, rdb)
					var next atomic.Int64
					var failure atomic.Value
					var wg sync.WaitGroup
					for range callers {
						wg.Go(func() {
							for {
								u := next.Add(1)
								if u > int64(b.N) {
									return
								}
								if err := form.call(int(u % benchUsers)); err != nil {
									failure.Store(err)
									return
								}
							}
						})
					}
					wg.Wait()
					if err := failure.Load(); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64((served(b, rdb)-before).Nanoseconds())/float64(b.N), "server-ns/op")
				})
			}
		}
	}
}

// BenchmarkStats compares three years with the usual loop of a BITFIELD a month.
func BenchmarkStats(b *testing.B) {
	rdb := redistest.Standalone(b)
	tr := newTracker(b, rdb, Options{Namespace: "bench", Keep: 700 * 24 * time.Hour})
	fillYears(b, rdb, tr, 2095, 3)
	now := noon("2095-12-30")
	b.Run("larder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, err := tr.StatsAt(b.Context(), "7", now)
			if err != nil || s.Total == 0 {
				b.Fatal(s, err)
			}
		}
	})
	b.Run("bitfields", func(b *testing.B) {
		b.ReportAllocs()
		key := "bench:checkin:{7}"
		for m := range 36 {
			require.NoError(b, rdb.Set(b.Context(), fmt.Sprint(key, m), "\xee\xee\xee\xee", time.Hour).Err())
		}
		for b.Loop() {
			total := 0
			for m := range 36 {
				v, err := rdb.BitField(b.Context(), fmt.Sprint(key, m), "GET", "u31", "0").Result()
				if err != nil {
					b.Fatal(err)
				}
				for days := v[0]; days != 0; days &= days - 1 {
					total++
				}
			}
			if total == 0 {
				b.Fatal("nothing")
			}
		}
	})
}

// BenchmarkRetention is one cohort of a million ids over 30 days. It reports what was read, and the longest command.
func BenchmarkRetention(b *testing.B) {
	rdb := redistest.NewServer(b, redistest.ServerOptions{}).Client(func(o *redis.Options) { o.ReadTimeout = time.Minute })
	a := newActivity(b, rdb, ActivityOptions{})
	first := day("2095-01-01")
	const segments = 1_000_000/segmentSize + 1
	bitmap := make([]byte, segmentBytes)
	state := uint64(1)
	for d := range 31 {
		pipe := rdb.Pipeline()
		index := make([]byte, 2)
		for s := range segments {
			for i := 0; i < len(bitmap); i += 8 {
				state = state*6364136223846793005 + 1442695040888963407
				binary.LittleEndian.PutUint64(bitmap[i:], state^state>>29)
			}
			part := bitmap
			if s == segments-1 {
				part = bitmap[:(1_000_000-(segments-1)*segmentSize)/8]
			}
			pipe.Set(b.Context(), a.segmentKey(uint32(s), first.Add(d)), string(part), time.Hour)
			index[s/8] |= 0x80 >> (s % 8)
		}
		pipe.Set(b.Context(), a.indexKey(first.Add(d)), index, time.Hour)
		_, err := pipe.Exec(b.Context())
		require.NoError(b, err)
	}
	after := make([]int, 30)
	for i := range after {
		after[i] = i + 1
	}
	require.NoError(b, rdb.ConfigSet(b.Context(), "slowlog-log-slower-than", "0").Err())
	require.NoError(b, rdb.Do(b.Context(), "slowlog", "reset").Err())
	require.NoError(b, rdb.ConfigSet(b.Context(), "slowlog-max-len", "100000").Err())
	sent := func() int64 {
		var n int64
		_, err := fmt.Sscanf(line(rdb.Info(b.Context(), "stats").Val(), "total_net_output_bytes"), ":%d", &n)
		require.NoError(b, err)
		return n
	}
	before := sent()
	n := 0
	for b.Loop() {
		n++
		if _, err := a.Retention(b.Context(), first, after...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(sent()-before)/float64(n)/1e6, "MB/op")
	logs, err := rdb.SlowLogGet(b.Context(), -1).Result()
	require.NoError(b, err)
	var gets []time.Duration
	for _, l := range logs {
		if strings.EqualFold(l.Args[0], "get") {
			gets = append(gets, l.Duration)
		}
	}
	slices.Sort(gets)
	// On a busy machine the longest is one that had to wait for a processor.
	b.ReportMetric(float64(gets[len(gets)*999/1000].Microseconds()), "us-p99.9")
	b.ReportMetric(float64(gets[len(gets)-1].Microseconds()), "us-longest")
}

// BenchmarkMark is one mark after the other, and 64 at once.
func BenchmarkMark(b *testing.B) {
	rdb := redistest.Standalone(b)
	a := newActivity(b, rdb, ActivityOptions{Namespace: "bench-mark"})
	now := noon("2095-06-02")
	b.ReportAllocs()
	id := uint32(0)
	for b.Loop() {
		id++
		if err := a.MarkAt(b.Context(), id%benchUsers, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHeatMap draws a year.
func BenchmarkHeatMap(b *testing.B) {
	c := habit("2026-01-01", "2026-12-31", 3)
	b.ReportAllocs()
	for b.Loop() {
		var s strings.Builder
		if err := c.SVG(&s); err != nil {
			b.Fatal(err)
		}
	}
}
