package leaderboard_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// TestSubmitAll: one score reaches boards that differ in everything, and each answers as it would alone.
func TestSubmitAll(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		all := []leaderboard.Options{
			{}, {Period: calendar.Weekly, Policy: leaderboard.KeepBest}, {Order: leaderboard.LowestFirst, Ranking: leaderboard.Competition},
		}
		if e.Kind != redistest.KindMigrating { // boards with several keys cannot be made there
			all = append(all, leaderboard.Options{Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Dense, Period: calendar.Daily}, leaderboard.Options{Cap: 3}, leaderboard.Options{Shards: 3})
		}
		var boards []*leaderboard.Board
		var models []*model
		for i, opts := range all {
			opts.Namespace = e.Namespace
			boards = append(boards, newBoard(t, e.Client, e.ID(fmt.Sprint("board", i)), opts))
			models = append(models, newModel(opts))
		}
		rnd := rand.New(rand.NewPCG(3, 3))
		for range 12 {
			member, score := members[rnd.IntN(6)], scores[rnd.IntN(8)]
			got, err := leaderboard.SubmitAllAt(ctx, member, score, base, boards...)
			require.NoError(t, err)
			for i, m := range models {
				require.Equal(t, m.season(base).submit(member, score, base), got[i], i)
			}
		}
		got, err := leaderboard.SubmitAll(ctx, "now", 1, boards[0].At(base), boards[0])
		require.NoError(t, err)
		assert.True(t, got[0].Applied)
		assert.False(t, got[1].Applied)
	})
}

// byValue is a client that cannot be compared.
type byValue struct {
	redis.UniversalClient
	_ []string
}

// TestSubmitAllOddClient: a client of any kind will do.
func TestSubmitAllOddClient(t *testing.T) {
	rdb := redistest.Standalone(t)
	one := newBoard(t, byValue{UniversalClient: rdb}, unique(t)+"1", leaderboard.Options{})
	two := newBoard(t, byValue{UniversalClient: rdb}, unique(t)+"2", leaderboard.Options{})
	got, err := leaderboard.SubmitAll(t.Context(), "ann", 1, one, two, one)
	require.NoError(t, err)
	assert.Equal(t, []bool{false, false, true}, []bool{got[0].Existed, got[1].Existed, got[2].Existed})
}

// TestSubmitAllRoundTrips: boards of one client are one pipeline.
func TestSubmitAllRoundTrips(t *testing.T) {
	ctx := t.Context()
	server := redistest.StandaloneServer(t)
	one, two := server.Client(), server.Client()
	var boards []*leaderboard.Board
	for i, rdb := range []*redis.Client{one, two, one, two, one} {
		boards = append(boards, newBoard(t, rdb, fmt.Sprint(unique(t), i), leaderboard.Options{Ties: leaderboard.Ties(i % 2)}))
	}
	_, err := leaderboard.SubmitAll(ctx, "ann", 1, boards...)
	require.NoError(t, err)
	first, second := count(one), count(two)
	_, err = leaderboard.SubmitAll(ctx, "ann", 2, boards...)
	require.NoError(t, err)
	trips, commands := first.take()
	assert.Equal(t, 1, trips)
	assert.Len(t, commands, 3)
	trips, commands = second.take()
	assert.Equal(t, 1, trips)
	assert.Len(t, commands, 2)
	none, err := leaderboard.SubmitAll(ctx, "ann", 2)
	require.NoError(t, err)
	assert.Empty(t, none)
}

// TestSubmitAllPartly: the boards that fail are named, with their errors, and the results of the others hold.
func TestSubmitAllPartly(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	ns := unique(t)
	good := newBoard(t, rdb, "good", leaderboard.Options{Namespace: ns})
	past := newBoard(t, rdb, "past", leaderboard.Options{Namespace: ns, Period: calendar.Daily}).At(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	foreign := newBoard(t, rdb, "foreign", leaderboard.Options{Namespace: ns})
	require.NoError(t, rdb.Set(ctx, ns+":leaderboard:{foreign}:all:scores", "mine", 0).Err())
	gone := redistest.NewServer(t, redistest.ServerOptions{})
	dead := newBoard(t, gone.Client(func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 }), "dead", leaderboard.Options{})
	gone.Kill()
	got, err := leaderboard.SubmitAll(ctx, "ann", 4, past, good, foreign, dead, good)
	require.ErrorIs(t, err, leaderboard.ErrRetention)
	require.ErrorIs(t, err, leaderboard.ErrWrongType)
	var partly *leaderboard.SubmitAllError
	require.ErrorAs(t, err, &partly)
	require.Len(t, partly.Errs, 5)
	require.ErrorIs(t, partly.Errs[0], leaderboard.ErrRetention)
	require.NoError(t, partly.Errs[1])
	require.ErrorIs(t, partly.Errs[2], leaderboard.ErrWrongType)
	require.Error(t, partly.Errs[3])
	require.NoError(t, partly.Errs[4])
	for _, name := range []string{"past", "foreign", "dead", "board 1 of 5", "board 4 of 5"} {
		assert.Contains(t, err.Error(), name)
	}
	assert.True(t, got[1].Applied)
	assert.True(t, got[4].Existed)
	assert.Equal(t, "mine", rdb.Get(ctx, ns+":leaderboard:{foreign}:all:scores").Val())
	// Arguments are refused for all.
	for _, boards := range [][]*leaderboard.Board{{good, nil}, {good, {}}} {
		require.ErrorIs(t, second(leaderboard.SubmitAll(ctx, "bob", 1, boards...)), leaderboard.ErrArgument)
	}
	require.ErrorIs(t, second(leaderboard.SubmitAll(ctx, "", 1, good)), leaderboard.ErrArgument)
	require.ErrorIs(t, second(leaderboard.SubmitAll(ctx, "bob", math.NaN(), good)), leaderboard.ErrScore)
	require.ErrorIs(t, second(good.Get(ctx, "bob")), leaderboard.ErrNotFound)
}

// TestSubmitAllLost: a pipeline that is cut leaves what was not answered unknown, and nothing is sent twice.
func TestSubmitAllLost(t *testing.T) {
	ctx := t.Context()
	p, _, _ := behindProxy(t, leaderboard.Options{})
	rdb := dial(t, p)
	var boards []*leaderboard.Board
	for i := range 4 {
		boards = append(boards, newBoard(t, rdb, fmt.Sprint(unique(t), i), leaderboard.Options{}))
	}
	require.NoError(t, second(leaderboard.SubmitAll(ctx, "ann", 1, boards...)))
	_, from := p.Bytes()
	require.NoError(t, second(leaderboard.SubmitAll(ctx, "ann", 2, boards...)))
	_, to := p.Bytes()
	p.CutReplyAfter((to - from) / 2)
	got, err := leaderboard.SubmitAll(ctx, "ann", 3, boards...)
	p.Heal()
	require.ErrorIs(t, err, leaderboard.ErrOutcomeUnknown)
	var partly *leaderboard.SubmitAllError
	require.ErrorAs(t, err, &partly)
	require.ErrorIs(t, partly.Errs[3], leaderboard.ErrOutcomeUnknown)
	for i, b := range boards {
		if partly.Errs[i] == nil {
			assert.Equal(t, 3.0, got[i].Score)
		} else {
			require.ErrorIs(t, partly.Errs[i], leaderboard.ErrOutcomeUnknown)
		}
		assert.Equal(t, 3.0, score(t, b, "ann"))
	}
}

// mergeModel is Merge by a naive program.
func mergeModel(into *modelSeason, how leaderboard.Aggregate, now time.Time, all bool, from ...*modelSeason) {
	type sum struct {
		score float64
		tie   int64
		in    int
	}
	sums := map[string]*sum{}
	for _, s := range from {
		for member, r := range s.rows {
			tie := now.UnixMilli()
			if s.opts.Ties == leaderboard.EarliestFirst {
				tie = r.tie
			}
			m := sums[member]
			switch {
			case m == nil:
				sums[member] = &sum{r.score, tie, 1}
				continue
			case how == leaderboard.Sum:
				m.score, m.tie = m.score+r.score, max(m.tie, tie)
			case m.score == r.score:
				m.tie = min(m.tie, tie)
			case (r.score > m.score) == (how == leaderboard.Max):
				m.score, m.tie = r.score, tie
			}
			m.in++
		}
	}
	old := into.rows
	into.rows = map[string]*modelRow{}
	for member, m := range sums {
		if all && m.in < len(from) {
			continue
		}
		into.rows[member] = &modelRow{member: member, score: m.score, tie: m.tie}
		if old[member] != nil {
			into.rows[member].data = old[member].data
		}
	}
	into.cap()
}

// TestMerge: unions and intersections of boards of all kinds into boards of all kinds, beside a naive program.
func TestMerge(t *testing.T) {
	redistest.On(t, []redistest.Kind{
		redistest.KindMiniredis, redistest.KindStandalone, redistest.KindAutoPipeline, redistest.KindCluster, redistest.KindClusterAutoPipeline, redistest.KindRing,
	}, func(t *testing.T, e redistest.Env) {
		t.Helper()
		rounds := 40
		if e.Kind == redistest.KindMiniredis {
			rounds = 10
		}
		kinds := []leaderboard.Options{
			{},
			{Ties: leaderboard.EarliestFirst},
			{Ranking: leaderboard.Dense},
			{Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Dense, Period: calendar.Weekly},
			{Shards: 3, Ties: leaderboard.EarliestFirst},
			{Shards: 2},
			{Cap: 5, Ties: leaderboard.EarliestFirst},
			{Cap: 4, Shards: 3},
			{Keep: 100 * time.Hour},
		}
		for order := range 2 {
			rnd := rand.New(rand.NewPCG(uint64(order), 11))
			var duels []*duel
			for i, opts := range kinds {
				opts.Order = leaderboard.Order(order)
				d := newDuel(t, e, fmt.Sprint("merge", order, i), opts, uint64(i))
				d.board = d.board.At(base)
				duels = append(duels, d)
			}
			for round := range rounds {
				for range 4 {
					d := duels[rnd.IntN(len(duels))]
					member, score := members[rnd.IntN(12)], scores[rnd.IntN(12)]
					at := base.Add(time.Duration(rnd.IntN(4)) * time.Millisecond)
					got, err := d.board.SubmitAt(t.Context(), member, score, at)
					d.require("submit", d.model.season(base).submit(member, score, at), got, err)
					if got.Rank > 0 && rnd.IntN(3) == 0 {
						require.NoError(t, d.board.SetData(t.Context(), member, []byte(member)))
						d.model.season(base).rows[member].data = []byte(member)
					}
				}
				into := duels[rnd.IntN(len(duels))]
				var from []*leaderboard.Board
				var fromModels []*modelSeason
				for _, i := range rnd.Perm(len(duels))[:1+rnd.IntN(3)] {
					from, fromModels = append(from, duels[i].board), append(fromModels, duels[i].model.season(base))
				}
				how, all := leaderboard.Aggregate(rnd.IntN(3)), rnd.IntN(3) == 0
				mergeModel(into.model.season(base), how, base, all, fromModels...)
				call := leaderboard.Merge
				if all {
					call = leaderboard.Intersect
				}
				n, err := call(t.Context(), into.board, how, from...)
				into.require(fmt.Sprint("merge ", round), int64(len(into.model.season(base).rows)), n, err)
				for which := range readers {
					into.read(which, base)
				}
				_, err = into.board.Submit(t.Context(), "after", 1) // the board goes on
				require.NoError(t, err)
				into.model.season(base).submit("after", 1, base)
				into.read(10, base)
			}
		}
		if e.Kind == redistest.KindStandalone {
			for _, key := range keysOf(t, e.Client, e.Namespace) {
				assert.NotRegexp(t, `:[A-Z2-7]{26}$`, key, "nothing of what was built is left over")
			}
		}
	})
}

// TestMergeExpiry: the target has the expiry of its own options, whatever the sources' and its own was.
func TestMergeExpiry(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	for name, opts := range layouts {
		for _, shards := range shardCounts {
			if shards > 1 && opts.Ranking == leaderboard.Dense {
				continue
			}
			ns := fmt.Sprint(unique(t), name, shards)
			from := newBoard(t, rdb, "from", leaderboard.Options{Namespace: ns + "from", Keep: 1000 * time.Hour, Order: opts.Order})
			submit(t, from, map[string]float64{"ann": 1, "bob": 2, "carol": 3, "dan": 4, "eve": 5, "frank": 6})
			for keep, check := range map[time.Duration]func(key string){
				-1: func(key string) { assert.EqualValues(t, -1, rdb.PExpireTime(ctx, key).Val(), key) },
				0: func(key string) {
					assert.Equal(t, time.Date(2101, 3, 18, 0, 0, 0, 0, time.UTC).UnixMilli(), rdb.PExpireTime(ctx, key).Val().Milliseconds(), key)
				},
			} {
				opts.Namespace, opts.Period, opts.Keep, opts.Shards = ns+strconv.Itoa(int(keep)), calendar.Daily, keep, shards
				into := newBoard(t, rdb, "into", opts).At(base)
				for range 2 {
					n, err := leaderboard.Merge(ctx, into, leaderboard.Sum, from)
					require.NoError(t, err)
					assert.EqualValues(t, 6, n)
					for _, key := range keysOf(t, rdb, opts.Namespace) {
						check(key)
					}
				}
			}
			opts.Namespace, opts.Period, opts.Keep = ns+"slides", calendar.AllTime, 7*time.Hour
			_, err := leaderboard.Merge(ctx, newBoard(t, rdb, "into", opts), leaderboard.Sum, from)
			require.NoError(t, err)
			for _, key := range keysOf(t, rdb, opts.Namespace) {
				assert.Greater(t, rdb.PTTL(ctx, key).Val(), 6*time.Hour, key)
			}
		}
	}
}

// TestMergeRefuses: what cannot be merged is refused by name, nothing is written, no record of a layout left behind.
func TestMergeRefuses(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		ns := e.Namespace
		high := newBoard(t, e.Client, "high", leaderboard.Options{Namespace: ns})
		low := newBoard(t, e.Client, "low", leaderboard.Options{Namespace: ns, Order: leaderboard.LowestFirst})
		big := newBoard(t, e.Client, "big", leaderboard.Options{Namespace: ns})
		other := newBoard(t, e.Client, "high", leaderboard.Options{Namespace: ns, Shards: 3})
		submit(t, high, map[string]float64{"ann": 1, "huge": math.MaxFloat64})
		submit(t, low, map[string]float64{"ann": 1})
		submit(t, big, map[string]float64{"huge": math.MaxFloat64})
		before := dumpKeys(t, e)
		into := newBoard(t, e.Client, "into", leaderboard.Options{Namespace: ns, Shards: 3, Ties: leaderboard.EarliestFirst})
		for name, c := range map[string]struct {
			err  error
			text string
			want error
		}{
			"orders":     {second(leaderboard.Merge(ctx, into, leaderboard.Sum, high, low)), `"low"`, leaderboard.ErrArgument},
			"how":        {second(leaderboard.Merge(ctx, into, 3, high)), "aggregate", leaderboard.ErrArgument},
			"none":       {second(leaderboard.Merge(ctx, into, leaderboard.Sum)), "no source", leaderboard.ErrArgument},
			"nil":        {second(leaderboard.Intersect(ctx, into, leaderboard.Sum, high, nil)), "source 2", leaderboard.ErrArgument},
			"nil target": {second(leaderboard.Merge(ctx, nil, leaderboard.Sum, high)), "", leaderboard.ErrArgument},
			"overflow":   {second(leaderboard.Merge(ctx, into, leaderboard.Sum, high, big)), `"huge"`, leaderboard.ErrScore},
			"layout":     {second(leaderboard.Merge(ctx, into, leaderboard.Sum, high, other)), "source 2", leaderboard.ErrLayout},
			"target":     {second(leaderboard.Merge(ctx, other, leaderboard.Sum, high)), `"high"`, leaderboard.ErrLayout},
			"past": {
				second(leaderboard.Merge(ctx, newBoard(t, e.Client, "p", leaderboard.Options{Period: calendar.Daily}).At(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)),
					leaderboard.Sum, high)), "", leaderboard.ErrRetention,
			},
		} {
			require.ErrorIs(t, c.err, c.want, name)
			assert.Contains(t, c.err.Error(), c.text, name)
		}
		assert.Equal(t, before, dumpKeys(t, e))
		n, err := leaderboard.Merge(ctx, into, leaderboard.Max, high, big)
		require.NoError(t, err)
		assert.EqualValues(t, 2, n)
		// Foreign types are left as they are, and so is the rest.
		key := ns + ":leaderboard:{into:1}:all:data-earliest-of3"
		require.NoError(t, e.Client.Set(ctx, key, "mine", 0).Err())
		err = second(leaderboard.Merge(ctx, into, leaderboard.Max, big))
		require.ErrorIs(t, err, leaderboard.ErrWrongType)
		assert.Contains(t, err.Error(), "shard 1")
		assert.Equal(t, "mine", e.Client.Get(ctx, key).Val())
	})
}

// TestMergeIsReadable: until the end readers see the board that was, and what is built has an expiry from its first row.
func TestMergeIsReadable(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.StandaloneServer(t).Client()
	for _, opts := range []leaderboard.Options{{}, {Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Dense}} {
		opts.Namespace = unique(t) + fmt.Sprint(opts.Ties)
		from := newBoard(t, rdb, "from", leaderboard.Options{Namespace: opts.Namespace + "from"})
		fill(t, from, 3500)
		watched := redistest.StandaloneServer(t).Client()
		into := newBoard(t, watched, "into", opts)
		submit(t, into, map[string]float64{"old": 1})
		looks, over := 0, false
		watched.AddHook(pipelineHook(func() {
			if over {
				return
			}
			looks++
			top, err := newBoard(t, rdb, "into", opts).Top(ctx, 5)
			assert.NoError(t, err)
			assert.Equal(t, []string{"old"}, names(top))
			for _, key := range keysOf(t, rdb, opts.Namespace) {
				if strings.Count(key, ":") == 5 {
					assert.Greater(t, rdb.PTTL(ctx, key).Val(), time.Minute, key)
				}
			}
		}))
		n, err := leaderboard.Merge(ctx, into, leaderboard.Sum, from)
		over = true
		require.NoError(t, err)
		assert.EqualValues(t, 3500, n)
		assert.Positive(t, looks)
		got, err := into.Len(ctx)
		require.NoError(t, err)
		assert.EqualValues(t, 3500, got)
	}
}

// TestMergeBroken: a merge that is cut at any place leaves the target as it was, or as it shall be; what was built
// expires.
func TestMergeBroken(t *testing.T) {
	ctx := t.Context()
	p, through, direct := behindProxy(t, leaderboard.Options{Ties: leaderboard.EarliestFirst}, func(o *redis.Options) { o.MaxRetries = -1 })
	rdb := redistest.Standalone(t)
	from := newBoard(t, rdb, unique(t)+"from", leaderboard.Options{})
	fill(t, from, 50)
	warm := newBoard(t, dial(t, p), unique(t)+"warm", leaderboard.Options{Ties: leaderboard.EarliestFirst})
	require.NoError(t, second(leaderboard.Merge(ctx, warm, leaderboard.Sum, from)))
	require.NoError(t, second(direct.Submit(ctx, "old", 1)))
	require.NoError(t, second(leaderboard.Merge(ctx, through, leaderboard.Sum, from)))
	before, _ := p.Bytes()
	require.NoError(t, second(leaderboard.Merge(ctx, through, leaderboard.Sum, from)))
	after, _ := p.Bytes()
	total := after - before
	kept := 0
	for cut := int64(0); cut < total; cut += max(1, total/40) {
		require.NoError(t, direct.Clear(ctx))
		require.NoError(t, second(direct.Submit(ctx, "old", 1)))
		require.NoError(t, second(through.Len(ctx)))
		p.CutRequestAfter(cut)
		_, err := leaderboard.Merge(ctx, through, leaderboard.Sum, from)
		p.Heal()
		require.Error(t, err)
		n, err := direct.Len(ctx)
		require.NoError(t, err)
		require.Contains(t, []int64{1, 50}, n, "neither the old nor the new board")
		if n == 1 {
			kept++
		}
	}
	assert.Positive(t, kept)
	for _, key := range rdb.Keys(ctx, "leaderboard:{"+unique(t)+"}:*").Val() {
		if strings.Count(key, ":") == 4 {
			assert.Positive(t, rdb.PTTL(ctx, key).Val(), key)
		}
	}
}

// TestMergeEvicted: where a part of what was built has been evicted before it was put in place, the target stays as it was.
func TestMergeEvicted(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	for _, part := range []string{"scores", "times", "distinct"} {
		watched := redistest.StandaloneServer(t).Client()
		opts := leaderboard.Options{Namespace: unique(t) + part, Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Dense}
		into, from := newBoard(t, watched, "into", opts), newBoard(t, rdb, "from", opts)
		submit(t, into, map[string]float64{"old": 1})
		submit(t, from, map[string]float64{"ann": 1, "bob": 2})
		before, err := newBoard(t, rdb, "into", opts).Top(ctx, 5)
		require.NoError(t, err)
		evicted := int64(0)
		watched.AddHook(pipelineHook(func() {
			for _, key := range keysOf(t, rdb, opts.Namespace) {
				if strings.Count(key, ":") == 5 && strings.Contains(key, ":"+part) {
					evicted += rdb.Del(ctx, key).Val()
				}
			}
		}))
		require.ErrorContains(t, second(leaderboard.Merge(ctx, into, leaderboard.Sum, from)), "evicted", part)
		require.Positive(t, evicted)
		after, err := newBoard(t, rdb, "into", opts).Top(ctx, 5)
		require.NoError(t, err)
		assert.Equal(t, before, after)
		assert.Len(t, keysOf(t, rdb, opts.Namespace), 8, "nothing of what was built is left over")
	}
}

// TestDataOfMany: data of any number of members.
func TestDataOfMany(t *testing.T) {
	ctx := t.Context()
	for _, shards := range shardCounts {
		b := newBoard(t, redistest.Standalone(t), fmt.Sprint(unique(t), shards), leaderboard.Options{Shards: shards})
		fill(t, b, 6000)
		var asked []string
		for i := range 6000 {
			asked = append(asked, fmt.Sprintf("m%06d", i))
		}
		for _, i := range []int{0, 4999, 5000, 5999} {
			require.NoError(t, b.SetData(ctx, asked[i], []byte(asked[i])))
		}
		data, err := b.Data(ctx, asked...)
		require.NoError(t, err)
		require.Len(t, data, 4)
		assert.Equal(t, []byte("m005999"), data["m005999"])
		data, err = b.Data(ctx)
		require.NoError(t, err)
		assert.Empty(t, data)
		got, err := b.GetMany(ctx, asked...)
		require.NoError(t, err)
		assert.Len(t, got, 6000)
		assert.False(t, slices.Contains(ranks(got), 0))
		// The largest that is taken.
		require.NoError(t, b.SetData(ctx, "m000001", make([]byte, leaderboard.MaxData)))
		require.ErrorIs(t, b.SetData(ctx, "m000001", make([]byte, leaderboard.MaxData+1)), leaderboard.ErrDataSize)
	}
}

// TestMergeWhileWriting: who stays in a large source that is being written is merged once, wherever the others go.
func TestMergeWhileWriting(t *testing.T) {
	const n = 25_000
	ctx := t.Context()
	for _, order := range []leaderboard.Order{leaderboard.HighestFirst, leaderboard.LowestFirst} {
		server := redistest.StandaloneServer(t)
		writer, reader := server.Client(), server.Client()
		name := fmt.Sprint(unique(t), order)
		source := newBoard(t, writer, name, leaderboard.Options{Order: order})
		fill(t, source, n)
		all, err := source.Top(ctx, n)
		require.NoError(t, err)
		next := 0
		reader.AddHook(pipelineHook(func() { // before each chunk some that were read go, and some come back further on
			if next+500 > n {
				return
			}
			require.NoError(t, second(source.Remove(ctx, names(all[next:next+300])...)))
			next += 5000
		}))
		into := newBoard(t, reader, name+"into", leaderboard.Options{Order: order})
		require.NoError(t, second(leaderboard.Merge(ctx, into, leaderboard.Sum, newBoard(t, reader, name, leaderboard.Options{Order: order}))))
		next = n
		got, err := into.GetMany(ctx, names(all)...)
		require.NoError(t, err)
		for i, e := range got {
			if i%5000 >= 300 {
				require.Equal(t, all[i].Score, e.Score, e.Member)
				require.Positive(t, e.Rank)
			}
		}
	}
}
