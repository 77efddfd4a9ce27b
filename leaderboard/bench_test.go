package leaderboard_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// The benchmarks run on a real server over its unix socket, with 10,000 members, and with a million if LARDER_BENCH_LARGE
// is set. Each compares the board with what somebody would write by hand, in the same run.

func benchSizes() []int {
	if os.Getenv("LARDER_BENCH_LARGE") != "" {
		return []int{10_000, 1_000_000}
	}
	return []int{10_000}
}

// large remembers which boards are filled: a benchmark's function is called several times.
var filled = map[string]bool{}

func benchBoard(b *testing.B, rdb redis.UniversalClient, opts leaderboard.Options, n int) *leaderboard.Board {
	b.Helper()
	opts.Namespace = "bench"
	name := fmt.Sprintf("%d-%d-%d", n, opts.Shards, opts.Period)
	board, err := leaderboard.New(rdb, name, opts)
	if err != nil {
		b.Fatal(err)
	}
	if !filled[name] {
		rnd := rand.New(rand.NewPCG(1, uint64(n)))
		_, err := board.SubmitMany(b.Context(), func(yield func(string, float64) bool) {
			for i := range n {
				if !yield(benchMember(i), float64(rnd.IntN(10*n))) {
					return
				}
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		filled[name] = true
	}
	return board
}

func benchMember(i int) string { return fmt.Sprintf("member:%08d", i) }

func autoPipeline(b *testing.B, rdb *redis.Client) redis.UniversalClient {
	b.Helper()
	ap, err := rdb.AutoPipeline()
	if err != nil {
		b.Fatal(err)
	}
	return ap
}

// overUnixAndTCP runs a benchmark over both: a plain call costs more over TCP, which is what most users have.
func overUnixAndTCP(b *testing.B, fn func(b *testing.B, rdb *redis.Client, n int)) {
	b.Helper()
	server := redistest.StandaloneServer(b)
	for _, n := range benchSizes() {
		for name, rdb := range map[string]*redis.Client{"unix": server.Client(), "tcp": server.Client(server.TCP)} {
			b.Run(fmt.Sprintf("members=%d/%s", n, name), func(b *testing.B) { fn(b, rdb, n) })
		}
	}
}

const rounds = 64_000 // calls of each way in a round

func BenchmarkSubmit(b *testing.B) {
	overUnixAndTCP(b, func(b *testing.B, rdb *redis.Client, n int) {
		opts := leaderboard.Options{Period: calendar.Yearly, Keep: -1}
		merged, alone := benchBoard(b, autoPipeline(b, rdb), opts, n), benchBoard(b, rdb, opts, n)
		benchBoard(b, rdb, leaderboard.Options{}, n)
		key := fmt.Sprintf("bench:leaderboard:{%d-0-0}:all:scores", n)
		by := func(board *leaderboard.Board) func(context.Context, string, float64) error {
			return func(ctx context.Context, member string, score float64) error {
				_, err := board.Submit(ctx, member, score)
				return err
			}
		}
		sideBySide(b, []*redis.Client{rdb}, rounds, calls("autopipeline", rounds, n, by(merged)),
			calls("multi-by-hand", rounds, n, func(ctx context.Context, member string, score float64) error {
				_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
					p.ZAdd(ctx, key, redis.Z{Score: score, Member: member})
					p.Expire(ctx, key, time.Hour)
					p.ZRevRank(ctx, key, member)
					p.ZScore(ctx, key, member)
					return nil
				})
				return err
			}),
			calls("client", rounds, n, by(alone)))
	})
}

func BenchmarkGet(b *testing.B) {
	overUnixAndTCP(b, func(b *testing.B, rdb *redis.Client, n int) {
		by := func(shards int) func(ctx context.Context, member string, _ float64) error {
			board := benchBoard(b, autoPipeline(b, rdb), leaderboard.Options{Shards: shards}, n)
			return func(ctx context.Context, member string, _ float64) error {
				_, err := board.Get(ctx, member)
				return err
			}
		}
		key := fmt.Sprintf("bench:leaderboard:{%d-1-0}:all:scores", n)
		sideBySide(b, []*redis.Client{rdb}, rounds, calls("one", rounds, n, by(1)), calls("shards", rounds, n, by(8)),
			calls("zrevrank", rounds, n, func(ctx context.Context, member string, _ float64) error {
				return rdb.ZRevRank(ctx, key, member).Err()
			}))
	})
}

func BenchmarkTop(b *testing.B) {
	rdb := redistest.Standalone(b)
	for _, n := range benchSizes() {
		for _, shards := range []int{1, 8} {
			board := benchBoard(b, rdb, leaderboard.Options{Shards: shards}, n)
			b.Run(fmt.Sprintf("members=%d/shards=%d", n, shards), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := board.Top(b.Context(), 100); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		key := fmt.Sprintf("bench:leaderboard:{%d-1-0}:all:scores", n)
		b.Run(fmt.Sprintf("members=%d/plain-zrevrange", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := rdb.ZRevRangeWithScores(b.Context(), key, 0, 99).Err(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDeepPage(b *testing.B) {
	rdb := redistest.Standalone(b)
	for _, n := range benchSizes() {
		for _, shards := range []int{1, 8} {
			board := benchBoard(b, rdb, leaderboard.Options{Shards: shards}, n)
			b.Run(fmt.Sprintf("members=%d/shards=%d", n, shards), func(b *testing.B) {
				for b.Loop() {
					if _, err := board.Range(b.Context(), int64(n/2), int64(n/2+49)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkSubmitMany(b *testing.B) {
	rdb := redistest.Standalone(b)
	const n = 10_000
	benchBoard(b, rdb, leaderboard.Options{Shards: 1}, n)
	names := make([]string, n)
	for i := range names {
		names[i] = benchMember(i)
	}
	scores := func(round int) func(yield func(string, float64) bool) {
		return func(yield func(string, float64) bool) {
			for i, name := range names {
				if !yield(name, float64((i*7919+round)%n)) {
					return
				}
			}
		}
	}
	for name, opts := range map[string]leaderboard.Options{"board": {Shards: 1}, "expiring": {Period: calendar.Yearly, Keep: -1, Shards: 1}, "shards=8": {Shards: 8}} {
		if name == "expiring" {
			opts.Keep = 0
		}
		board := benchBoard(b, rdb, opts, n)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			round := 0
			for b.Loop() {
				round++
				if _, err := board.SubmitMany(b.Context(), scores(round)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/score")
		})
	}
	b.Run("zadd-by-hand", func(b *testing.B) {
		b.ReportAllocs()
		round := 0
		for b.Loop() {
			round++
			chunk := make([]redis.Z, 0, 1000)
			for name, score := range scores(round) {
				if chunk = append(chunk, redis.Z{Score: score, Member: name}); len(chunk) == 1000 {
					if err := rdb.ZAdd(b.Context(), "bench:by-hand", chunk...).Err(); err != nil {
						b.Fatal(err)
					}
					chunk = chunk[:0]
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/score")
	})
}

func BenchmarkMerge(b *testing.B) {
	rdb := redistest.Standalone(b)
	n := 2_000
	if os.Getenv("LARDER_BENCH_LARGE") != "" {
		n = 100_000
	}
	var boards []*leaderboard.Board
	var keys []string
	for i := range 7 {
		board, err := leaderboard.New(rdb, fmt.Sprintf("week{%d", i), leaderboard.Options{Namespace: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(1, uint64(i)))
		if _, err := board.SubmitMany(b.Context(), func(yield func(string, float64) bool) {
			for k := range n {
				if !yield(benchMember(k+i*n/10), float64(rnd.IntN(10*n))) {
					return
				}
			}
		}); err != nil {
			b.Fatal(err)
		}
		boards, keys = append(boards, board), append(keys, fmt.Sprintf("bench:leaderboard:{week%%7B%d}:all:scores", i))
	}
	into, err := leaderboard.New(rdb, "merged", leaderboard.Options{Namespace: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Run(fmt.Sprintf("members=%d/merge", n), func(b *testing.B) {
		for b.Loop() {
			if _, err := leaderboard.Merge(b.Context(), into, leaderboard.Sum, boards...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(fmt.Sprintf("members=%d/zunionstore", n), func(b *testing.B) {
		for b.Loop() {
			if err := rdb.ZUnionStore(b.Context(), "bench:union", &redis.ZStore{Keys: keys}).Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
