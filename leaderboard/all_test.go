package leaderboard_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// fill gives a board n members, many of them with equal scores.
func fill(t *testing.T, b *leaderboard.Board, n int) {
	t.Helper()
	_, err := b.SubmitMany(t.Context(), func(yield func(string, float64) bool) {
		for i := range n {
			if !yield(fmt.Sprintf("m%06d", i), float64(i*7919%n/10)) {
				return
			}
		}
	})
	require.NoError(t, err)
}

func each(t *testing.T, b *leaderboard.Board, between func(i int)) []leaderboard.Entry {
	t.Helper()
	var all []leaderboard.Entry
	for e, err := range b.All(t.Context()) {
		require.NoError(t, err)
		all = append(all, e)
		if between != nil {
			between(len(all))
		}
	}
	return all
}

// TestAllWhileWriting: who stays as it is comes exactly once and in order, wherever the others go.
func TestAllWhileWriting(t *testing.T) {
	const n = 2300
	for _, shards := range shardCounts {
		for _, opts := range []leaderboard.Options{{}, {Order: leaderboard.LowestFirst, Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Modified}} {
			opts.Shards = shards
			opts.Namespace = fmt.Sprint(unique(t), shards, opts.Ties)
			ctx := t.Context()
			b := newBoard(t, redistest.Standalone(t), "all", opts)
			fill(t, b, n)
			moving := func(member string) bool { return member[len(member)-1] < '3' || !strings.HasPrefix(member, "m") }
			rnd := rand.New(rand.NewPCG(5, uint64(shards)))
			all := each(t, b, func(i int) {
				if i%3 != 0 {
					return
				}
				member := fmt.Sprintf("m%06d", rnd.IntN(n))
				switch {
				case !moving(member):
					require.NoError(t, second(b.Submit(ctx, fmt.Sprint("new", i), float64(rnd.IntN(n/10)))))
				case i%2 == 0:
					require.NoError(t, second(b.Remove(ctx, member)))
				default:
					require.NoError(t, second(b.Submit(ctx, member, float64(rnd.IntN(n/10)))))
				}
			})
			seen := map[string]int{}
			var stayed []leaderboard.Entry
			for _, e := range all {
				seen[e.Member]++
				if !moving(e.Member) {
					stayed = append(stayed, e)
				}
			}
			for i := range n {
				if member := fmt.Sprintf("m%06d", i); !moving(member) {
					require.Equal(t, 1, seen[member], member)
				}
			}
			assert.True(t, slices.IsSortedFunc(stayed, func(x, y leaderboard.Entry) int {
				if opts.Order == leaderboard.LowestFirst {
					return int(math.Copysign(1, x.Score-y.Score)) * min(1, int(math.Abs(x.Score-y.Score)))
				}
				return int(math.Copysign(1, y.Score-x.Score)) * min(1, int(math.Abs(x.Score-y.Score)))
			}))
		}
	}
}

// TestAllSurvivesItsPlace: the row at which the iteration stands may go, and all that has its score as well.
func TestAllSurvivesItsPlace(t *testing.T) {
	for _, shards := range shardCounts {
		for _, ties := range []leaderboard.Ties{leaderboard.ByMember, leaderboard.EarliestFirst} {
			b := newBoard(t, redistest.Standalone(t), fmt.Sprint(unique(t), shards, ties), leaderboard.Options{Shards: shards, Ties: ties})
			fill(t, b, 1700)
			want := names(each(t, b, nil))
			require.Len(t, want, 1700)
			var got []string
			for e, err := range b.All(t.Context()) {
				require.NoError(t, err)
				got = append(got, e.Member)
				if len(got)%500 == 0 {
					require.NoError(t, second(b.Remove(t.Context(), got[len(got)-3:]...)))
				}
			}
			assert.Equal(t, want, got)
		}
	}
}

// TestAllStopsEarly: who breaks off asks for no more, and can start anew; an error is the last thing that comes.
func TestAllStopsEarly(t *testing.T) {
	for _, shards := range shardCounts {
		rdb := redistest.StandaloneServer(t).Client()
		b := newBoard(t, rdb, fmt.Sprint(unique(t), shards), leaderboard.Options{Shards: shards})
		fill(t, b, 1200)
		each(t, b, nil)
		c := count(rdb)
		n := 0
		for _, err := range b.All(t.Context()) {
			require.NoError(t, err)
			if n++; n == 3 {
				break
			}
		}
		trips, commands := c.take()
		assert.Equal(t, 1, trips, "%v", commands)
		all := b.All(t.Context())
		for range 2 {
			n = 0
			for _, err := range all {
				require.NoError(t, err)
				n++
			}
			assert.Equal(t, 1200, n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n = 0
		var last error
		for _, err := range b.All(ctx) {
			n++
			if last = err; n == 10 {
				cancel()
			}
		}
		require.ErrorIs(t, last, context.Canceled)
		assert.LessOrEqual(t, n, 2*500+1, "what was read already, and the error")
	}
}

// TestBulkIsChunked: bulk writes of any length go in chunks, and are counted.
func TestBulkIsChunked(t *testing.T) {
	rdb := redistest.StandaloneServer(t).Client()
	c := count(rdb)
	for name, opts := range layouts {
		b := newBoard(t, rdb, unique(t)+name, opts)
		require.NoError(t, second(b.Submit(t.Context(), "first", -1)))
		require.NoError(t, second(b.SubmitMany(t.Context(), one("second", -2))))
		c.take()
		n, err := b.SubmitMany(t.Context(), func(yield func(string, float64) bool) {
			for i := range 2500 {
				if !yield(fmt.Sprint("m", i), float64(i)) {
					return
				}
			}
		})
		require.NoError(t, err)
		assert.EqualValues(t, 2500, n)
		trips, commands := c.take()
		assert.Equal(t, 3, trips, "%v", commands)
		if name == "plain" {
			assert.Equal(t, []string{"zadd", "zadd", "zadd"}, commands)
		}
		got, err := b.GetMany(t.Context(), "m0", "m2499", "nobody")
		require.NoError(t, err)
		if opts.Order == leaderboard.LowestFirst {
			assert.Equal(t, []int64{3, 2502, 0}, ranks(got))
		} else {
			assert.Equal(t, []int64{2500, 1, 0}, ranks(got))
		}
	}
}

// TestConcurrent: callers at once, through an AutoPipeliner as well: every increment counts once, every rank is one that
// was.
func TestConcurrent(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindStandalone, redistest.KindAutoPipeline, redistest.KindClusterAutoPipeline}, func(t *testing.T, e redistest.Env) {
		for _, shards := range shardCounts {
			b := newBoard(t, e.Client, fmt.Sprint("busy", shards), leaderboard.Options{Namespace: e.Namespace, Ties: leaderboard.EarliestFirst, Shards: shards})
			var wg sync.WaitGroup
			for caller := range 8 {
				wg.Go(func() {
					for i := range 40 {
						res, err := b.Increment(t.Context(), fmt.Sprint("m", (caller+i)%5), 1)
						if !assert.NoError(t, err) {
							return
						}
						assert.True(t, res.Rank >= 1 && res.Rank <= 6, res.Rank)
					}
				})
			}
			wg.Wait()
			for e, err := range b.All(t.Context()) {
				require.NoError(t, err)
				assert.EqualValues(t, 64, e.Score)
			}
		}
	})
}
