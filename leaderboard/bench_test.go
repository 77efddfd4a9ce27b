package leaderboard_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// The benchmarks run on a real server, with 10,000 members, and with a million if LARDER_BENCH_LARGE is set. Each
// compares the board with what somebody would write by hand, in the same run:
//
//	go test ./leaderboard -run '^$' -bench 'Submit$' -benchtime 100x

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

// twoBatches is an AutoPipeliner with two batches on their way, of half the callers each: one is made up while the
// server works on the other. By default there is one, and client and server take turns.
func twoBatches(b *testing.B, rdb *redis.Client) redis.UniversalClient {
	b.Helper()
	opts := *rdb.Options()
	own := redis.NewClient(&opts) // a client has one AutoPipeliner
	b.Cleanup(func() { _ = own.Close() })
	ap, err := own.AutoPipelineWithOptions(&redis.AutoPipelineOptions{MaxBatchSize: callers / 2, MaxConcurrentBatches: 2, Unordered: true})
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

const rounds = 6_400 // calls of each way in a round

func BenchmarkSubmit(b *testing.B) {
	overUnixAndTCP(b, func(b *testing.B, rdb *redis.Client, n int) {
		b.Helper()
		opts := leaderboard.Options{Period: calendar.Yearly, Keep: -1}
		merged, two, alone := benchBoard(b, autoPipeline(b, rdb), opts, n), benchBoard(b, twoBatches(b, rdb), opts, n), benchBoard(b, rdb, opts, n)
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
			calls("two-batches", rounds, n, by(two)), calls("client", rounds, n, by(alone)))
	})
}

// BenchmarkNodes submits to a board of eight shards on three masters of a cluster, and on one server, beside a board of
// one shard. The processor time of the busiest server bounds how many submits a second there can be.
func BenchmarkNodes(b *testing.B) {
	const n = 10_000
	cluster, server := redistest.SharedCluster(b), redistest.StandaloneServer(b)
	one := server.Client(server.TCP)
	merged, err := cluster.Client().AutoPipeline()
	if err != nil {
		b.Fatal(err)
	}
	servers := []*redis.Client{one}
	for _, m := range cluster.Masters() {
		servers = append(servers, m.Client())
	}
	by := func(name string, rdb redis.UniversalClient, shards int) way {
		board, err := leaderboard.New(rdb, "nodes"+name, leaderboard.Options{Namespace: "bench", Shards: shards})
		if err != nil {
			b.Fatal(err)
		}
		return calls(name, rounds, n, func(ctx context.Context, member string, score float64) error {
			_, err := board.Submit(ctx, member, score)
			return err
		})
	}
	sideBySide(b, servers, rounds, by("three-nodes", merged, 8), by("one-node", autoPipeline(b, one), 8), by("one-shard", autoPipeline(b, one), 1))
}

func BenchmarkGet(b *testing.B) {
	overUnixAndTCP(b, func(b *testing.B, rdb *redis.Client, n int) {
		b.Helper()
		merged := autoPipeline(b, rdb)
		by := func(shards int) func(ctx context.Context, member string, _ float64) error {
			board := benchBoard(b, merged, leaderboard.Options{Shards: shards}, n)
			return func(ctx context.Context, member string, _ float64) error {
				_, err := board.Get(ctx, member)
				return err
			}
		}
		key := fmt.Sprintf("bench:leaderboard:{%d-1-0}:all:scores", n)
		sideBySide(b, []*redis.Client{rdb}, rounds, calls("one", rounds, n, by(1)), calls("shards", rounds, n, by(8)),
			calls("zrevrank", rounds, n, func(ctx context.Context, member string, _ float64) error {
				return rdb.ZRevRank(ctx, key, member).Err()
			}),
			calls("zrevrank-autopipeline", rounds, n, func(ctx context.Context, member string, _ float64) error {
				return merged.ZRevRank(ctx, key, member).Err() // what the client alone allows
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
	overUnixAndTCP(b, func(b *testing.B, rdb *redis.Client, n int) {
		b.Helper()
		names := make([]string, n)
		for i := range names {
			names[i] = benchMember(i)
		}
		round := 0
		scores := func() iter.Seq2[string, float64] {
			round++
			return func(yield func(string, float64) bool) {
				for i, name := range names {
					if !yield(name, float64((i*7919+round)%n)) {
						return
					}
				}
			}
		}
		by := func(name string, opts leaderboard.Options) way {
			board := benchBoard(b, rdb, opts, n)
			return way{name, func() error {
				_, err := board.SubmitMany(b.Context(), scores())
				return err
			}}
		}
		sideBySide(b, []*redis.Client{rdb}, n,
			by("board", leaderboard.Options{Shards: 1}),
			way{"zadd-by-hand", func() error {
				chunk := make([]redis.Z, 0, 1000)
				for name, score := range scores() {
					if chunk = append(chunk, redis.Z{Score: score, Member: name}); len(chunk) == 1000 {
						if err := rdb.ZAdd(b.Context(), "bench:by-hand", chunk...).Err(); err != nil {
							return err
						}
						chunk = chunk[:0]
					}
				}
				return nil
			}},
			by("expiring", leaderboard.Options{Period: calendar.Yearly, Shards: 1}),
			by("shards", leaderboard.Options{Shards: 8}))
	})
}

// BenchmarkMerge rolls seven days up to a week, all in one slot.
func BenchmarkMerge(b *testing.B) {
	n := 2_000
	if os.Getenv("LARDER_BENCH_LARGE") != "" {
		n = 100_000
	}
	server := redistest.StandaloneServer(b)
	for name, rdb := range map[string]*redis.Client{"unix": server.Client(), "tcp": server.Client(server.TCP)} {
		opts := leaderboard.Options{Namespace: "bench", Period: calendar.Daily, Keep: -1}
		days, err := leaderboard.New(rdb, "merge", opts)
		if err != nil {
			b.Fatal(err)
		}
		opts.Period = calendar.Weekly
		week, err := leaderboard.New(rdb, "merge", opts)
		if err != nil {
			b.Fatal(err)
		}
		monday := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
		var boards []*leaderboard.Board
		var keys []string
		for i := range 7 {
			day := monday.AddDate(0, 0, i)
			board := days.At(day)
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
			boards = append(boards, board)
			keys = append(keys, "bench:leaderboard:{merge}:"+day.Format(time.DateOnly)+":scores")
		}
		b.Run(fmt.Sprintf("members=%d/%s", n, name), func(b *testing.B) {
			sideBySide(b, []*redis.Client{rdb}, 7*n,
				way{"zunionstore", func() error {
					return rdb.ZUnionStore(b.Context(), "bench:union", &redis.ZStore{Keys: keys}).Err()
				}},
				way{"merge", func() error {
					_, err := leaderboard.Merge(b.Context(), week.At(monday), leaderboard.Sum, boards...)
					return err
				}})
		})
	}
}
