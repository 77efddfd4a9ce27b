package leaderboard_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// TestShardsAgreeWithOne: a large board of several shards answers as one of one shard does, at every depth, with even
// and with very uneven scores.
func TestShardsAgreeWithOne(t *testing.T) {
	const n = 4000
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	for name, score := range map[string]func(i int, rnd *rand.Rand) float64{
		"even":  func(i int, _ *rand.Rand) float64 { return float64(i) },
		"ties":  func(_ int, rnd *rand.Rand) float64 { return float64(rnd.IntN(20)) },
		"one":   func(int, *rand.Rand) float64 { return 7 },
		"steep": func(_ int, rnd *rand.Rand) float64 { return rnd.ExpFloat64() * rnd.ExpFloat64() * 1e9 },
	} {
		for _, ranking := range []leaderboard.Ranking{leaderboard.Ordinal, leaderboard.Competition, leaderboard.Modified} {
			for _, shards := range []int{2, 8} {
				rnd := rand.New(rand.NewPCG(uint64(shards), 5))
				opts := leaderboard.Options{
					Namespace: fmt.Sprint(unique(t), name, ranking, shards), Ranking: ranking,
					Order: leaderboard.Order(rnd.IntN(2)), Ties: leaderboard.Ties(rnd.IntN(2)),
				}
				one := newBoard(t, rdb, "one", opts)
				opts.Shards = shards
				many := newBoard(t, rdb, "many", opts)
				entries := make([]leaderboard.Submission, n)
				for i := range entries {
					entries[i] = leaderboard.Submission{Member: fmt.Sprint("m", i), Score: score(i, rnd), At: base.Add(time.Duration(rnd.IntN(100)) * time.Millisecond)}
				}
				for _, b := range []*leaderboard.Board{one, many} {
					got, err := b.SubmitEntries(ctx, slices.Values(entries))
					require.NoError(t, err)
					require.EqualValues(t, n, got)
				}
				same := func(what string, call func(b *leaderboard.Board) ([]leaderboard.Entry, error)) {
					t.Helper()
					want, err := call(one)
					require.NoError(t, err)
					got, err := call(many)
					require.NoError(t, err)
					require.Equal(t, want, got, "%s of %s", what, opts.Namespace)
				}
				for _, first := range []int64{1, 2, 990, 995, 1001, 1777, 2000, 3000, 3990, 3999, 4000, 4001, 9000} {
					for _, size := range []int64{1, 20, 2500} {
						same(fmt.Sprint("range ", first, size), func(b *leaderboard.Board) ([]leaderboard.Entry, error) { return b.Range(ctx, first, first+size-1) })
					}
				}
				for range 10 {
					member, at, size := fmt.Sprint("m", rnd.IntN(n)), score(rnd.IntN(n), rnd), rnd.IntN(60)
					same("around", func(b *leaderboard.Board) ([]leaderboard.Entry, error) { return b.Around(ctx, member, size) })
					same("around score", func(b *leaderboard.Board) ([]leaderboard.Entry, error) { return b.AroundScore(ctx, at, size) })
					same("by score", func(b *leaderboard.Board) ([]leaderboard.Entry, error) { return b.ByScore(ctx, at-1, at+1, size) })
					same("get", func(b *leaderboard.Board) ([]leaderboard.Entry, error) { return b.GetMany(ctx, member, "nobody") })
				}
				want, err := one.Trim(ctx, 1234)
				require.NoError(t, err)
				got, err := many.Trim(ctx, 1234)
				require.NoError(t, err)
				require.Equal(t, want, got)
				require.Equal(t, each(t, one, nil), each(t, many, nil))
			}
		}
	}
}

// TestShardTopsUneven: where one shard has all of the best, Top asks once more, and is right.
func TestShardTopsUneven(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	for _, ranking := range []leaderboard.Ranking{leaderboard.Ordinal, leaderboard.Competition, leaderboard.Modified} {
		opts := leaderboard.Options{Namespace: fmt.Sprint(unique(t), ranking), Ranking: ranking}
		one := newBoard(t, rdb, "one", opts)
		opts.Shards = 4
		many := newBoard(t, rdb, "many", opts)
		fill(t, many, 1200)
		fill(t, one, 1200)
		uneven, err := rdb.ZRange(ctx, opts.Namespace+":leaderboard:{many:1}:all:scores-of4", 0, -1).Result()
		require.NoError(t, err)
		for i, member := range uneven {
			for _, b := range []*leaderboard.Board{one, many} {
				require.NoError(t, second(b.Submit(ctx, member, float64(10_000+i/3))))
			}
		}
		for _, n := range []int{1, 2, 10, 41, 100, 200, 290, 500, 900} {
			want, err := one.Top(ctx, n)
			require.NoError(t, err)
			got, err := many.Top(ctx, n)
			require.NoError(t, err)
			require.Equal(t, want, got, n)
		}
	}
}

// TestShardRoundTrips: one fan-out, two where a member's own row must be known first; a deep page takes some.
func TestShardRoundTrips(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.StandaloneServer(t).Client()
	for _, ranking := range []leaderboard.Ranking{leaderboard.Ordinal, leaderboard.Competition, leaderboard.Modified} {
		b := newBoard(t, rdb, fmt.Sprint(unique(t), ranking), leaderboard.Options{Shards: 4, Ranking: ranking})
		fill(t, b, 3000)
		for _, op := range operations {
			if op.name != "clear" {
				require.NoError(t, second(b.Submit(ctx, "ann", 1)))
				require.NoError(t, op.call(ctx, b))
			}
		}
		require.NoError(t, second(b.Page(ctx, 40, 50)))
		fill(t, b, 3000)
		c := count(rdb)
		for _, op := range operations {
			require.NoError(t, second(b.Submit(ctx, "ann", 1)))
			c.take()
			want := 1
			switch op.name {
			case "clear":
				continue
			case "submit", "submit at", "increment", "increment at", "get", "get many", "percentile", "around":
				want = 2
			case "trim", "all":
				want = 10
			}
			require.NoError(t, op.call(ctx, b), op.name)
			trips, commands := c.take()
			if want == 10 || op.name == "get" { // one, where one server has all shards: TestShardsTogether
				assert.LessOrEqual(t, trips, want, op.name)
			} else {
				assert.Equal(t, want, trips, "%s: %v", op.name, commands)
			}
			fill(t, b, 3000)
		}
		c.take()
		require.NoError(t, second(b.Page(ctx, 40, 50)))
		trips, _ := c.take()
		assert.LessOrEqual(t, trips, 5)
		c.take()
		require.NoError(t, b.Clear(ctx))
		trips, _ = c.take()
		assert.LessOrEqual(t, trips, 3, "two, and its script whole the first time")
	}
}

// TestShardsTogether: where one server has all shards, one script asks them all; where one is missing, or a server says
// that they are on several, they are asked one by one.
func TestShardsTogether(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.StandaloneServer(t).Client()
	for _, opts := range []leaderboard.Options{{Ranking: leaderboard.Modified}, {Ties: leaderboard.EarliestFirst, Order: leaderboard.LowestFirst}} {
		opts.Shards = 4
		name := fmt.Sprint(unique(t), opts.Ties)
		fill(t, newBoard(t, rdb, name, opts), 500)
		b := newBoard(t, rdb, name, opts)
		require.NoError(t, second(b.Get(ctx, "m000001")))
		want, err := b.GetMany(ctx, "m000001", "m000002")
		require.NoError(t, err)
		require.NoError(t, second(b.Submit(ctx, "m000001", want[0].Score)))
		c := count(rdb)
		got, err := b.Get(ctx, "m000001")
		require.NoError(t, err)
		assert.Equal(t, want[0], got)
		require.ErrorIs(t, second(b.Get(ctx, "nobody")), leaderboard.ErrNotFound)
		trips, commands := c.take()
		assert.Equal(t, 2, trips)
		assert.Equal(t, []string{"evalsha", "evalsha"}, commands)
		res, err := b.Submit(ctx, "m000001", want[0].Score)
		require.NoError(t, err)
		assert.Equal(t, want[0].Rank, res.Rank)
		_, commands = c.take()
		assert.Len(t, commands, 2)
		// A shard goes.
		var gone []string
		for e, err := range b.All(ctx) {
			require.NoError(t, err)
			gone = append(gone, e.Member)
		}
		shard := fmt.Sprintf("leaderboard:{%s:2}:all:scores-of4", name)
		if opts.Ties == leaderboard.EarliestFirst {
			shard = fmt.Sprintf("leaderboard:{%s:2}:all:scores-earliest-lowest-of4", name)
		}
		require.EqualValues(t, 1, rdb.Del(ctx, shard).Val())
		rest := each(t, b, nil)
		require.Less(t, len(rest), len(gone))
		for i, e := range rest {
			if i%40 == 0 {
				got, err := b.Get(ctx, e.Member)
				require.NoError(t, err)
				assert.Equal(t, e, got)
			}
		}
	}
	redistest.On(t, []redistest.Kind{redistest.KindCluster, redistest.KindRing}, func(t *testing.T, e redistest.Env) {
		t.Helper()
		b := newBoard(t, e.Client, "apart", leaderboard.Options{Namespace: e.Namespace, Shards: 4})
		fill(t, b, 200)
		for i, row := range each(t, b, nil) {
			if i%20 == 0 {
				got, err := b.Get(t.Context(), row.Member)
				require.NoError(t, err)
				assert.Equal(t, row, got)
			}
		}
	})
}

// TestShardReadsWriteNothing: readers leave every key as it is, and no other behind.
func TestShardReadsWriteNothing(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		b := newBoard(t, e.Client, "reads", leaderboard.Options{Namespace: e.Namespace, Shards: 3, Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Modified})
		submit(t, b, map[string]float64{"ann": 1, "bob": 1, "carol": 2, "dan": 3})
		c := &counter{}
		e.Client.AddHook(c)
		before := dumpKeys(t, e)
		for _, op := range operations {
			if !op.write {
				require.NoError(t, op.call(t.Context(), b))
			}
		}
		assert.Equal(t, before, dumpKeys(t, e))
	})
}

// TestShardCapUnderConcurrency: callers at once may exceed the Cap for a moment; what stays are the best.
func TestShardCapUnderConcurrency(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindStandalone, redistest.KindClusterAutoPipeline}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		b := newBoard(t, e.Client, "cap", leaderboard.Options{Namespace: e.Namespace, Shards: 3, Cap: 10})
		var wg sync.WaitGroup
		for caller := range 6 {
			wg.Go(func() {
				for i := range 20 {
					res, err := b.Submit(ctx, fmt.Sprintf("m%d-%d", caller, i), float64(20*caller+i))
					if assert.NoError(t, err) && res.Rank == 0 {
						assert.False(t, res.Applied)
					}
				}
			})
		}
		wg.Wait()
		require.NoError(t, second(b.Submit(ctx, "last", -1)))
		n, err := b.Len(ctx)
		require.NoError(t, err)
		assert.LessOrEqual(t, n, int64(10))
		top, err := b.Top(ctx, 3)
		require.NoError(t, err)
		assert.Equal(t, []string{"m5-19", "m5-18", "m5-17"}, names(top))
		require.NoError(t, second(b.SubmitMany(ctx, func(yield func(string, float64) bool) {
			for i := range 100 {
				if !yield(fmt.Sprint("x", i), float64(1000+i)) {
					return
				}
			}
		})))
		all := each(t, b, nil)
		require.Len(t, all, 10)
		assert.Equal(t, 1099.0, all[0].Score)
		assert.Equal(t, 1090.0, all[9].Score)
	})
}

// TestShardCapLosesNoMore: where the last row, which the Cap is to remove, has gone by itself, nothing else goes.
func TestShardCapLosesNoMore(t *testing.T) {
	ctx := t.Context()
	for _, order := range []leaderboard.Order{leaderboard.HighestFirst, leaderboard.LowestFirst} {
		rdb := redistest.Standalone(t)
		watched := redistest.StandaloneServer(t).Client()
		opts := leaderboard.Options{Namespace: fmt.Sprint(unique(t), order), Shards: 2, Cap: 8, Order: order}
		b, direct := newBoard(t, watched, "cap", opts), newBoard(t, rdb, "cap", opts)
		sign := float64(1 - 2*int(order))
		for i := range 8 {
			require.NoError(t, second(b.Submit(ctx, fmt.Sprint("m", i), sign*float64(100-i))))
		}
		require.NoError(t, second(direct.Get(ctx, "m7")))
		pipelines := 0
		watched.AddHook(pipelineHook(func() { // the submit, the ranks, and then the cut
			if pipelines++; pipelines == 3 {
				require.EqualValues(t, 1, first(direct.Remove(ctx, "m7")))
			}
		}))
		require.NoError(t, second(b.Submit(ctx, "new", sign*1000)))
		require.GreaterOrEqual(t, pipelines, 3)
		assert.Len(t, each(t, direct, nil), 8)
	}
}

// TestShardSlideFails: a submit that was stored says so, also where the other shards could not be given their Keep again.
func TestShardSlideFails(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.StandaloneServer(t).Client()
	b := newBoard(t, rdb, unique(t), leaderboard.Options{Shards: 3, Keep: time.Hour})
	fill(t, b, 30)
	broken := errors.New("broken")
	rdb.AddHook(refuse{name: "pexpire", err: broken})
	res, err := b.Increment(ctx, "m000001", 5)
	require.ErrorIs(t, err, leaderboard.ErrRankUnknown)
	require.ErrorIs(t, err, broken)
	assert.True(t, res.Applied)
	assert.Equal(t, res.PreviousScore+5, res.Score)
}

// refuse is a hook that sends no command of that name.
type refuse struct {
	name string
	err  error
}

func (h refuse) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h refuse) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == h.name {
			return h.err
		}
		return next(ctx, cmd)
	}
}

func (h refuse) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == h.name {
			return h.err
		}
		return next(ctx, cmds)
	}
}

func first[T any](v T, _ error) T { return v }

// TestShardSeasons: going to and fro between seasons asks for nothing twice.
func TestShardSeasons(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.StandaloneServer(t).Client()
	b := newBoard(t, rdb, unique(t), leaderboard.Options{Shards: 3, Period: 3 /* Weekly */})
	seasons := []time.Time{base, base.AddDate(0, 0, 7), base.AddDate(0, 0, 14)}
	for _, at := range seasons {
		for _, member := range members {
			require.NoError(t, second(b.SubmitAt(ctx, member, 1, at)))
		}
		require.NoError(t, second(b.At(at).Top(ctx, 1)))
	}
	c := count(rdb)
	for range 3 {
		for _, at := range seasons {
			require.NoError(t, second(b.SubmitAt(ctx, "ann", 1, at)))
			require.NoError(t, second(b.At(at).Top(ctx, 1)))
		}
	}
	trips, _ := c.take()
	assert.Equal(t, 3*3*3, trips)
}

// TestShardForeignType: the error names the key and the shard, whichever of them it is.
func TestShardForeignType(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	b := newBoard(t, rdb, "foreign", leaderboard.Options{Namespace: unique(t), Shards: 3})
	for _, member := range members {
		require.NoError(t, second(b.Submit(ctx, member, 1)))
	}
	key := unique(t) + ":leaderboard:{foreign:2}:all:scores-of3"
	require.NoError(t, rdb.Del(ctx, key).Err())
	require.NoError(t, rdb.Set(ctx, key, "mine", 0).Err())
	for _, op := range operations {
		if op.name == "data" || op.name == "set data" || op.name == "clear" || strings.HasPrefix(op.name, "remove") || op.name == "submit many" || op.name == "submit entries" {
			continue
		}
		err := op.call(ctx, b)
		require.ErrorIs(t, err, leaderboard.ErrWrongType, op.name)
		assert.Contains(t, err.Error(), "shard 2", op.name)
		assert.Contains(t, err.Error(), key, op.name)
	}
	assert.Equal(t, "mine", rdb.Get(ctx, key).Val())
}

// TestShardMasterGone: with one of three masters dead or hanging, errors name its shards, and nothing wrong is returned: what
// needs only the others goes on.
func TestShardMasterGone(t *testing.T) {
	ctx := t.Context()
	cluster := redistest.NewCluster(t, "--cluster-node-timeout", "900000", "--cluster-replica-no-failover", "yes")
	impatient := func(o *redis.ClusterOptions) {
		o.MaxRedirects, o.MaxRetries = 1, -1
		o.DialerRetries = 1
		o.ReadTimeout, o.WriteTimeout = 30*time.Second, 30*time.Second
	}
	rdb := cluster.Client(impatient)
	opts := leaderboard.Options{Shards: 6, Ties: leaderboard.EarliestFirst}
	plain := newBoard(t, rdb, "gone", opts)
	ap, err := cluster.Client(impatient).AutoPipeline()
	require.NoError(t, err)
	boards := []*leaderboard.Board{plain, newBoard(t, ap, "gone", opts)}
	var entries []leaderboard.Submission
	for i := range 60 {
		entries = append(entries, leaderboard.Submission{Member: fmt.Sprint("m", i), Score: float64(i), At: base})
	}
	require.NoError(t, second(plain.SubmitEntries(ctx, slices.Values(entries))))
	require.NoError(t, second(boards[1].Get(ctx, "m1")))

	dead := cluster.MasterOf("leaderboard:{gone:0}:all:scores-of6")
	lost := map[int]bool{}
	for i := range 6 {
		lost[i] = cluster.MasterOf(fmt.Sprintf("leaderboard:{gone:%d}:all:scores-of6", i)) == dead
	}
	dead.Kill()
	for _, b := range boards {
		for _, op := range operations {
			switch op.name {
			case "top", "range", "page", "around score", "by score", "count", "len", "all", "trim":
				err := op.call(ctx, b)
				require.Error(t, err, op.name)
				named := false
				for i := range 6 {
					if strings.Contains(err.Error(), fmt.Sprintf("shard %d", i)) {
						named = true
						assert.Truef(t, lost[i], "%s: %v", op.name, err)
					}
				}
				assert.True(t, named, "%s: %v", op.name, err)
			}
		}
		for i := range 8 {
			member := fmt.Sprint("m", i)
			_, err := b.Get(ctx, member)
			require.Error(t, err)
			assert.Contains(t, err.Error(), "shard ")
			require.NotErrorIs(t, err, leaderboard.ErrNotFound)
			res, err := b.Submit(ctx, member, float64(i))
			require.Error(t, err)
			assert.Contains(t, err.Error(), "shard ")
			if res.Member != "" { // stored, where its own shard lives
				require.ErrorIs(t, err, leaderboard.ErrRankUnknown)
				assert.Zero(t, res.Rank)
				assert.Equal(t, float64(i), res.Score)
			}
		}
	}
	n, err := plain.RemoveByScore(ctx, 0, 100)
	require.Error(t, err, "what was removed is counted, and the shards that were not reached are named")
	assert.Positive(t, n)
	assert.Less(t, n, int64(60))
	assert.Contains(t, err.Error(), "shard ")
}

// TestShardOrder: All of a sharded board is in order, and complete.
func TestShardOrder(t *testing.T) {
	b := newBoard(t, redistest.Standalone(t), unique(t), leaderboard.Options{Shards: 5, Ranking: leaderboard.Competition})
	fill(t, b, 2600)
	all := each(t, b, nil)
	require.Len(t, all, 2600)
	assert.True(t, slices.IsSortedFunc(all, func(x, y leaderboard.Entry) int { return cmp.Compare(x.Rank, y.Rank) }))
}
