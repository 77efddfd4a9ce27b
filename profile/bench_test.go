package profile_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/profile"
)

// wide is what the benchmarks read: ten fields, which HGETALL and Scan can read by hand.
type wide struct {
	Name    string        `redis:"name"`
	Email   string        `redis:"email"`
	City    string        `redis:"city"`
	Age     int           `redis:"age"`
	Visits  int64         `redis:"visits"`
	Score   float64       `redis:"score"`
	Active  bool          `redis:"active"`
	Created time.Time     `redis:"created"`
	Spent   time.Duration `redis:"spent"`
	Note    string        `redis:"note"`
}

func benchValue() wide {
	return wide{
		Name: "Ada Lovelace", Email: "ada@example.com", City: "London", Age: 36, Visits: 12345, Score: 0.75, Active: true,
		Created: time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC), Spent: time.Minute, Note: "the first",
	}
}

func benchStore(b *testing.B, mod func(*redis.Options)) (*redis.Client, *profile.Store[wide], string) {
	b.Helper()
	rdb := redistest.StandaloneServer(b).Client(func(o *redis.Options) {
		o.PoolSize = 64
		mod(o)
	})
	s, err := profile.New(rdb, profile.Options[wide]{Namespace: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	values := map[string]wide{}
	for i := range 100 {
		values[strconv.Itoa(i)] = benchValue()
	}
	if err := s.SetMany(b.Context(), values); err != nil {
		b.Fatal(err)
	}
	by := "bench:byhand:{x}"
	if err := rdb.HSet(b.Context(), by, benchValue()).Err(); err != nil {
		b.Fatal(err)
	}
	return rdb, s, by
}

func deadlines(o *redis.Options) { o.ContextTimeoutEnabled = true }

func byHand(ctx context.Context, rdb redis.Cmdable, key string) (w wide, err error) {
	err = rdb.HGetAll(ctx, key).Scan(&w)
	return w, err
}

// BenchmarkHit is a Get of what is cached, in turns with HGETALL and Scan by hand: the median of each, and how many times as
// long a Get takes.
func BenchmarkHit(b *testing.B) {
	for name, mod := range map[string]func(*redis.Options){"deadlines=true": deadlines, "deadlines=false": func(*redis.Options) {}} {
		b.Run(name, func(b *testing.B) {
			rdb, s, by := benchStore(b, mod)
			var hand, larder []time.Duration
			for b.Loop() {
				begun := time.Now()
				if _, err := byHand(b.Context(), rdb, by); err != nil {
					b.Fatal(err)
				}
				between := time.Now()
				if _, err := s.Get(b.Context(), "1"); err != nil {
					b.Fatal(err)
				}
				hand, larder = append(hand, between.Sub(begun)), append(larder, time.Since(between))
			}
			slices.Sort(hand)
			slices.Sort(larder)
			h, l := hand[len(hand)/2], larder[len(larder)/2]
			b.ReportMetric(float64(h.Nanoseconds()), "hand-ns")
			b.ReportMetric(float64(l.Nanoseconds()), "larder-ns")
			b.ReportMetric(float64(l)/float64(h), "ratio")
		})
	}
}

// BenchmarkGetMany is a GetMany of 100, beside a pipeline of HGETALLs and Scan by hand.
func BenchmarkGetMany(b *testing.B) {
	rdb, s, _ := benchStore(b, deadlines)
	ids := make([]string, 100)
	keys := make([]string, 100)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
		keys[i] = fmt.Sprintf("bench:byhand:{%d}", i)
		if err := rdb.HSet(b.Context(), keys[i], benchValue()).Err(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("how=byhand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			cmds := make([]*redis.MapStringStringCmd, len(keys))
			_, err := rdb.Pipelined(b.Context(), func(p redis.Pipeliner) error {
				for i, key := range keys {
					cmds[i] = p.HGetAll(b.Context(), key)
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			out := make(map[string]wide, len(keys))
			for i, cmd := range cmds {
				var w wide
				if err := cmd.Scan(&w); err != nil {
					b.Fatal(err)
				}
				out[ids[i]] = w
			}
		}
	})
	b.Run("how=larder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.GetMany(b.Context(), ids...); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAutoPipeline is 64 callers: plain HGETALLs by hand, Get, and Get through the two kinds of AutoPipeliner.
func BenchmarkAutoPipeline(b *testing.B) {
	for network, mod := range map[string]func(*redis.Options){
		"unix": deadlines, "tcp": func(o *redis.Options) { deadlines(o); redistest.StandaloneServer(b).TCP(o) },
	} {
		rdb, s, by := benchStore(b, mod)
		auto, err := rdb.AutoPipeline()
		if err != nil {
			b.Fatal(err)
		}
		through, err := profile.New(auto, profile.Options[wide]{Namespace: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		async, err := rdb.AsyncAutoPipeline()
		if err != nil {
			b.Fatal(err)
		}
		deferred, err := profile.New(async, profile.Options[wide]{Namespace: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		for name, do := range map[string]func() error{
			"byhand":         func() error { _, err := byHand(b.Context(), rdb, by); return err },
			"larder":         func() error { _, err := s.Get(b.Context(), "1"); return err },
			"larderauto":     func() error { _, err := through.Get(b.Context(), "1"); return err },
			"larderdeferred": func() error { _, err := deferred.Get(b.Context(), "1"); return err },
		} {
			b.Run("net="+network+"/how="+name, func(b *testing.B) {
				b.SetParallelism(32) // times GOMAXPROCS
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := do(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
		_ = auto.Close()
		_ = async.Close()
	}
}

// BenchmarkClientSideCache is a hit that client-side caching answers.
func BenchmarkClientSideCache(b *testing.B) {
	_, s, _ := benchStore(b, func(o *redis.Options) {
		deadlines(o)
		o.Protocol = 3
		o.ClientSideCacheConfig = &redis.ClientSideCacheConfig{MaxEntries: 1000}
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Get(b.Context(), "1"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSet is a Set, beside HSET and EXPIRE by hand in one transaction.
func BenchmarkSet(b *testing.B) {
	rdb, s, by := benchStore(b, deadlines)
	b.Run("how=byhand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := rdb.TxPipelined(b.Context(), func(p redis.Pipeliner) error {
				p.Del(b.Context(), by)
				p.HSet(b.Context(), by, benchValue())
				p.Expire(b.Context(), by, time.Hour)
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("how=larder", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Set(b.Context(), "1", benchValue()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
