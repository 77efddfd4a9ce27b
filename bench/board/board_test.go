// Package board compares a submit to a leaderboard with the same script by rueidis.
package board

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

const (
	callers = 64
	members = 10_000
	calls   = 6_400 // of each way in a round
)

// spy notes the arguments of the last script.
type spy struct{ args []any }

func (s *spy) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *spy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			s.args = cmd.Args()
		}
		return next(ctx, cmd)
	}
}

func (s *spy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ways are the two: by Larder through an AutoPipeliner, and by rueidis, which pipelines by itself, with the script and the
// key that Larder sent.
func ways(tb testing.TB) (larder, rival func(ctx context.Context, member string, score float64) error, servers []*redis.Client) {
	tb.Helper()
	server := redistest.NewServer(tb, redistest.ServerOptions{})
	rdb, plain := server.Client(server.TCP), server.Client(server.TCP)
	ap, err := rdb.AutoPipeline()
	if err != nil {
		tb.Fatal(err)
	}
	board, err := leaderboard.New(ap, "board", leaderboard.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := board.SubmitMany(tb.Context(), func(yield func(string, float64) bool) {
		for i := range members {
			if !yield(member(i), float64(i)) {
				return
			}
		}
	}); err != nil {
		tb.Fatal(err)
	}
	seen := &spy{}
	plain.AddHook(seen)
	same, err := leaderboard.New(plain, "board", leaderboard.Options{})
	if err == nil {
		_, err = same.Submit(tb.Context(), member(0), 0)
	}
	if err != nil {
		tb.Fatal(err)
	}
	if len(seen.args) != 7 { // evalsha, hash, 1, key, mode, member, score
		tb.Fatalf("submit has another form now: %v", seen.args)
	}
	hash, key := fmt.Sprint(seen.args[1]), fmt.Sprint(seen.args[3])
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	larder = func(ctx context.Context, member string, score float64) error {
		_, err := board.Submit(ctx, member, score)
		return err
	}
	rival = func(ctx context.Context, member string, score float64) error {
		cmd := client.B().Evalsha().Sha1(hash).Numkeys(1).Key(key).Arg("", member, fmt.Sprint(score)).Build()
		text, err := client.Do(ctx, cmd).ToString()
		if err == nil && strings.Count(text, " ") != 2 {
			err = fmt.Errorf("another answer: %q", text)
		}
		return err
	}
	return larder, rival, []*redis.Client{plain}
}

func member(i int) string { return fmt.Sprintf("member:%08d", i) }

// TestWays: both do the same.
func TestWays(t *testing.T) {
	larder, rival, servers := ways(t)
	for i, way := range []func(context.Context, string, float64) error{larder, rival} {
		if err := way(t.Context(), member(7), 1e6+float64(i)); err != nil {
			t.Fatal(err)
		}
		found, err := servers[0].ZRevRangeWithScores(t.Context(), "leaderboard:{board}:all:scores", 0, 0).Result()
		if err != nil || len(found) != 1 || found[0] != (redis.Z{Score: 1e6 + float64(i), Member: member(7)}) {
			t.Fatal(i, found, err)
		}
	}
}

// BenchmarkSubmit runs both in turn, from 64 goroutines, over TCP, and reports the nanoseconds of a submit in the median
// round, and the median of how many times as long rueidis takes.
func BenchmarkSubmit(b *testing.B) {
	larder, rival, _ := ways(b)
	all := []func(context.Context, string, float64) error{larder, rival}
	times := make([][]float64, len(all))
	round := uint64(0)
	for b.Loop() {
		round++
		for k := range all {
			i := (k + int(round)) % len(all) //nolint:gosec // small
			begun := time.Now()
			if err := submits(all[i], round); err != nil {
				b.Fatal(i, err)
			}
			times[i] = append(times[i], float64(time.Since(begun).Nanoseconds())/calls)
		}
	}
	ratios := make([]float64, len(times[0]))
	for i := range ratios {
		ratios[i] = times[1][i] / times[0][i]
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	b.ReportMetric(median(times[0]), "larder")
	b.ReportMetric(median(times[1]), "rueidis")
	b.ReportMetric(median(ratios), "rueidis/larder")
}

func submits(submit func(context.Context, string, float64) error, seed uint64) error {
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(c)))
			for range calls / callers {
				if err := submit(context.Background(), member(rnd.IntN(members)), float64(rnd.IntN(10*members))); err != nil {
					errs[c] = err
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
