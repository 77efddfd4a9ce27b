package leaderboard_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// numbered are n scores; before each, at is told how many there were.
func numbered(n int, at func(i int)) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for i := range n {
			at(i)
			if !yield(fmt.Sprint("m", i), float64(i)) {
				return
			}
		}
	}
}

// failing refuses every command from a number on, unsent.
type failing struct{ left atomic.Int64 }

func (f *failing) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f *failing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if f.left.Add(-1) < 0 {
			cmd.SetErr(redis.ErrPoolTimeout)
			return redis.ErrPoolTimeout
		}
		return next(ctx, cmd)
	}
}

func (f *failing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// TestBulkEnds: chunks are sent while the next ones are gathered. However it ends, what was counted is what was done,
// nothing is sent behind an error, and no goroutine stays.
func TestBulkEnds(t *testing.T) {
	server := redistest.StandaloneServer(t)
	for name, test := range map[string]struct {
		done, wants int64 // rows and what is returned, where that is sure
		run         func(ctx context.Context, cancel func(), b *leaderboard.Board, f *failing) (int64, error)
		want        error
	}{
		"a chunk fails": {1000, 1000, func(ctx context.Context, _ func(), b *leaderboard.Board, f *failing) (int64, error) {
			f.left.Store(1)
			return b.SubmitMany(ctx, numbered(10_000, func(int) {}))
		}, redis.ErrPoolTimeout},
		"the last chunk fails": {3000, 3000, func(ctx context.Context, _ func(), b *leaderboard.Board, f *failing) (int64, error) {
			f.left.Store(3)
			return b.SubmitMany(ctx, numbered(3500, func(int) {}))
		}, redis.ErrPoolTimeout},
		"an argument is refused": {2000, 2000, func(ctx context.Context, _ func(), b *leaderboard.Board, _ *failing) (int64, error) {
			return b.SubmitMany(ctx, func(yield func(string, float64) bool) {
				for member, score := range numbered(2500, func(int) {}) {
					if !yield(member, score) {
						return
					}
				}
				assert.False(t, yield("nobody", math.NaN()))
			})
		}, leaderboard.ErrScore},
		"the context ends": {-1, -1, func(ctx context.Context, cancel func(), b *leaderboard.Board, _ *failing) (int64, error) {
			return b.SubmitMany(ctx, numbered(10_000, func(i int) {
				if i == 2500 {
					cancel()
				}
			}))
		}, context.Canceled},
		"the sequence panics": {2000, 0, func(ctx context.Context, _ func(), b *leaderboard.Board, _ *failing) (n int64, err error) {
			defer func() { err, _ = recover().(error) }()
			return b.SubmitMany(ctx, numbered(10_000, func(i int) {
				if i == 2500 {
					panic(errPanic)
				}
			}))
		}, errPanic},
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			rdb := server.Client()
			b := newBoard(t, rdb, unique(t), leaderboard.Options{})
			require.NoError(t, second(b.Submit(t.Context(), "first", -1)))
			f := &failing{}
			f.left.Store(math.MaxInt32)
			rdb.AddHook(f)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n, err := test.run(ctx, cancel, b, f)
			require.ErrorIs(t, err, test.want)
			f.left.Store(math.MaxInt32)
			rows, err := b.Len(t.Context())
			require.NoError(t, err)
			if test.done < 0 {
				assert.Equal(t, n, rows-1)
			} else {
				assert.Equal(t, []int64{test.done, test.wants}, []int64{rows - 1, n})
			}
			require.NoError(t, rdb.Close())
			goleak.VerifyNone(t, before)
		})
	}
}

var errPanic = errors.New("the sequence panics")

// TestBulkScores: bulk writes keep scores exactly, whichever way they are written.
func TestBulkScores(t *testing.T) {
	scores := map[string]float64{}
	for _, score := range []float64{
		0, 1, 0.1, 1e-4, 1.0001e-4, 1e-5, 1e15, 1e15 - 1, math.Nextafter(1e15, 0), 1e15 + 2, 1 << 53, 1<<53 + 2, 1 << 62, 1 << 63, 1e19, 1e20, 1e21, 1e300,
		math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi, 1.0 / 3,
	} {
		scores[fmt.Sprint("up", score)], scores[fmt.Sprint("down", score)] = score, -score
	}
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		for name, opts := range layouts {
			opts.Namespace = e.Namespace
			b := newBoard(t, e.Client, unique(t)+name, opts)
			require.NoError(t, second(b.Submit(t.Context(), "first", 7)))
			require.NoError(t, second(b.SubmitMany(t.Context(), maps.All(scores))))
			for member, want := range scores {
				got, err := b.Get(t.Context(), member)
				require.NoError(t, err)
				assert.Equal(t, math.Float64bits(want+0), math.Float64bits(got.Score), "%s %s", name, member)
			}
		}
	})
}
