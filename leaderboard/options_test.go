package leaderboard_test

import (
	"context"
	"iter"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// TestOptions: what cannot be is refused by New, with the name of the field; nothing is sent.
func TestOptions(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:0"}) // nothing listens
	for field, opts := range map[string]leaderboard.Options{
		"Namespace": {Namespace: "a{b"},
		"Order":     {Order: 2},
		"Policy":    {Policy: -1},
		"Ties":      {Ties: 2},
		"Ranking":   {Ranking: 4},
		"Period":    {Period: calendar.Period(99)},
		"Keep":      {Keep: -2},
		"Cap":       {Cap: -1},
		"Shards":    {Shards: -1},
	} {
		_, err := leaderboard.New(rdb, "x", opts)
		require.ErrorIs(t, err, leaderboard.ErrArgument, field)
		assert.Contains(t, err.Error(), field)
	}
	_, err := leaderboard.New(rdb, "x", leaderboard.Options{Shards: 2, Ranking: leaderboard.Dense})
	require.ErrorIs(t, err, leaderboard.ErrArgument)
	assert.Contains(t, err.Error(), "Dense")
	_, err = leaderboard.New(rdb, "x", leaderboard.Options{Shards: leaderboard.MaxShards + 1})
	require.ErrorIs(t, err, leaderboard.ErrArgument)
	_, err = leaderboard.New(rdb, "", leaderboard.Options{})
	require.ErrorIs(t, err, leaderboard.ErrArgument)
	_, err = leaderboard.New(nil, "x", leaderboard.Options{})
	require.ErrorIs(t, err, leaderboard.ErrArgument)
	_, err = leaderboard.New((*redis.Client)(nil), "x", leaderboard.Options{})
	require.ErrorIs(t, err, leaderboard.ErrArgument)
	_, err = leaderboard.New(rdb, "x", leaderboard.Options{Keep: -1, Period: calendar.Weekly})
	require.NoError(t, err)
}

// TestZeroBoard: a Board that New did not make refuses everything, and does not panic.
func TestZeroBoard(t *testing.T) {
	for _, b := range []*leaderboard.Board{nil, {}} {
		for _, op := range operations {
			require.ErrorIs(t, op.call(t.Context(), b), leaderboard.ErrArgument, op.name)
		}
		assert.Empty(t, b.Name())
		assert.Equal(t, b, b.At(base))
	}
}

// TestContext: a context that has ended is an error of every operation, and nothing is sent.
func TestContext(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		b := newBoard(t, e.Client, "context", leaderboard.Options{Namespace: e.Namespace})
		_, err := b.Submit(t.Context(), "ann", 1)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := dumpKeys(t, e)
		for _, op := range operations {
			require.ErrorIs(t, op.call(ctx, b), context.Canceled, op.name)
		}
		assert.Equal(t, before, dumpKeys(t, e))
	})
}

// dumpKeys is everything in the namespace of a test, as text.
func dumpKeys(t *testing.T, e redistest.Env) map[string]any {
	t.Helper()
	dump := map[string]any{}
	for _, key := range keysOf(t, e.Client, e.Namespace) {
		var v any
		var err error
		switch kind := e.Client.Type(t.Context(), key).Val(); kind {
		case "zset":
			v, err = e.Client.ZRangeWithScores(t.Context(), key, 0, -1).Result()
		case "hash":
			v, err = e.Client.HGetAll(t.Context(), key).Result()
		default:
			v, err = e.Client.Get(t.Context(), key).Result()
		}
		require.NoError(t, err)
		dump[key] = v
	}
	return dump
}

// TestBadInput: what cannot be stored is refused with the operation and the argument, before anything is sent.
func TestBadInput(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		b := newBoard(t, e.Client, "bad", leaderboard.Options{Namespace: e.Namespace})
		submit(t, b, map[string]float64{"ann": 1, "bob": 2})
		before := dumpKeys(t, e)
		for _, score := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			for name, err := range map[string]error{
				"submit":       second(b.Submit(ctx, "ann", score)),
				"increment":    second(b.Increment(ctx, "ann", score)),
				"submit many":  second(b.SubmitMany(ctx, one("ann", score))),
				"around score": second(b.AroundScore(ctx, score, 3)),
			} {
				require.ErrorIs(t, err, leaderboard.ErrScore, name)
				assert.Contains(t, err.Error(), "leaderboard: "+name)
			}
		}
		require.ErrorIs(t, second(b.Count(ctx, math.NaN(), 1)), leaderboard.ErrScore)
		require.ErrorIs(t, second(b.ByScore(ctx, 0, math.NaN(), 1)), leaderboard.ErrScore)
		require.ErrorIs(t, second(b.RemoveByScore(ctx, math.NaN(), 0)), leaderboard.ErrScore)
		for name, err := range map[string]error{
			"empty submit": second(b.Submit(ctx, "", 1)), "empty increment": second(b.Increment(ctx, "", 1)),
			"empty get": second(b.Get(ctx, "")), "empty get many": second(b.GetMany(ctx, "ann", "")),
			"empty around": second(b.Around(ctx, "", 1)), "empty percentile": second(b.Percentile(ctx, "")),
			"empty remove": second(b.Remove(ctx, "ann", "")), "empty data": b.SetData(ctx, "", nil), "empty datas": second(b.Data(ctx, "")),
			"empty many": second(b.SubmitMany(ctx, one("", 1))), "nil many": second(b.SubmitMany(ctx, nil)), "nil entries": second(b.SubmitEntries(ctx, nil)),
			"top": second(b.Top(ctx, -1)), "page": second(b.Page(ctx, 1, -1)), "around": second(b.Around(ctx, "ann", -1)),
			"around score": second(b.AroundScore(ctx, 1, -1)), "by score": second(b.ByScore(ctx, 0, 1, -1)), "trim": second(b.Trim(ctx, -1)),
			"zero time": second(b.SubmitAt(ctx, "ann", 1, time.Time{})), "zero times": second(b.SubmitManyAt(ctx, one("ann", 1), time.Time{})),
			"zero clock": second(b.At(time.Time{}).Top(ctx, 1)),
			"year":       second(b.SubmitAt(ctx, "ann", 1, time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC))),
		} {
			require.ErrorIs(t, err, leaderboard.ErrArgument, name)
			assert.Contains(t, err.Error(), "leaderboard: ", name)
		}
		require.ErrorIs(t, b.SetData(ctx, "ann", make([]byte, leaderboard.MaxData+1)), leaderboard.ErrDataSize)
		// An item that is refused ends a bulk write before its chunk is sent.
		n, err := b.SubmitMany(ctx, func(yield func(string, float64) bool) {
			_ = yield("new", 1) && yield("bad", math.NaN())
		})
		require.ErrorIs(t, err, leaderboard.ErrScore)
		assert.Contains(t, err.Error(), `"bad"`)
		assert.Zero(t, n)
		assert.Equal(t, before, dumpKeys(t, e))
	})
}

func one(member string, score float64) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) { yield(member, score) }
}

// TestPolicy: increments need KeepLatest, and a sum beyond any number is refused; nothing is stored.
func TestPolicy(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		for i, policy := range []leaderboard.Policy{leaderboard.KeepBest, leaderboard.KeepWorst} {
			b := newBoard(t, e.Client, string(rune('a'+i)), leaderboard.Options{Namespace: e.Namespace, Policy: policy})
			require.ErrorIs(t, second(b.Increment(ctx, "ann", 1)), leaderboard.ErrPolicy)
		}
		assert.Empty(t, dumpKeys(t, e))
		b := newBoard(t, e.Client, "sum", leaderboard.Options{Namespace: e.Namespace})
		require.NoError(t, second(b.Submit(ctx, "ann", -math.MaxFloat64)))
		require.ErrorIs(t, second(b.Increment(ctx, "ann", -math.MaxFloat64)), leaderboard.ErrScore)
		entry, err := b.Get(ctx, "ann")
		require.NoError(t, err)
		assert.Equal(t, -math.MaxFloat64, entry.Score)
	})
}

// TestExtremes: sizes and positions at the ends of their types are no trap.
func TestExtremes(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		for _, shards := range shardCounts {
			ctx := t.Context()
			b := newBoard(t, e.Client, "extremes", leaderboard.Options{Namespace: e.Namespace, Shards: shards, Ranking: leaderboard.Ranking(shards % 3)})
			require.NoError(t, second(b.SubmitMany(ctx, maps.All(map[string]float64{"a": 1, "b": 2, "c": 3}))))
			all := []string{"c", "b", "a"}
			for _, check := range []struct {
				name string
				want []string
				call func() ([]leaderboard.Entry, error)
			}{
				{"top", all, func() ([]leaderboard.Entry, error) { return b.Top(ctx, math.MaxInt32) }},
				{"top 0", []string{}, func() ([]leaderboard.Entry, error) { return b.Top(ctx, 0) }},
				{"range", all, func() ([]leaderboard.Entry, error) { return b.Range(ctx, math.MinInt64, math.MaxInt64) }},
				{"range past", []string{}, func() ([]leaderboard.Entry, error) { return b.Range(ctx, math.MaxInt64-1, math.MaxInt64) }},
				{"range inverted", []string{}, func() ([]leaderboard.Entry, error) { return b.Range(ctx, 2, 1) }},
				{"range below", []string{}, func() ([]leaderboard.Entry, error) { return b.Range(ctx, -5, -1) }},
				{"range to the least", []string{}, func() ([]leaderboard.Entry, error) { return b.Range(ctx, 1, math.MinInt64) }},
				{"range -1", []string{}, func() ([]leaderboard.Entry, error) { return b.Range(ctx, 1, -1) }},
				{"page", []string{"b"}, func() ([]leaderboard.Entry, error) { return b.Page(ctx, 2, 1) }},
				{"page 0", all, func() ([]leaderboard.Entry, error) { return b.Page(ctx, 0, 10) }},
				{"page far", []string{}, func() ([]leaderboard.Entry, error) { return b.Page(ctx, math.MaxInt32, math.MaxInt32) }},
				{"page farthest", []string{}, func() ([]leaderboard.Entry, error) { return b.Page(ctx, math.MaxInt, math.MaxInt) }},
				{"page huge", all, func() ([]leaderboard.Entry, error) { return b.Page(ctx, 1, math.MaxInt32) }},
				{"page of nothing", []string{}, func() ([]leaderboard.Entry, error) { return b.Page(ctx, 1, 0) }},
				{"around", all, func() ([]leaderboard.Entry, error) { return b.Around(ctx, "b", math.MaxInt32) }},
				{"around everything", all, func() ([]leaderboard.Entry, error) { return b.Around(ctx, "b", math.MaxInt) }},
				{"around any score", all, func() ([]leaderboard.Entry, error) { return b.AroundScore(ctx, 2, math.MaxInt) }},
				{"top of all", all, func() ([]leaderboard.Entry, error) { return b.Top(ctx, math.MaxInt) }},
				{"range behind", []string{"a"}, func() ([]leaderboard.Entry, error) { return b.Range(ctx, 3, math.MaxInt64) }},
				{"around nothing", []string{}, func() ([]leaderboard.Entry, error) { return b.Around(ctx, "b", 0) }},
				{"around score", all, func() ([]leaderboard.Entry, error) { return b.AroundScore(ctx, 2, math.MaxInt32) }},
				{"by score", all, func() ([]leaderboard.Entry, error) { return b.ByScore(ctx, math.Inf(-1), math.Inf(1), math.MaxInt32) }},
				{"by score, largest limit", all, func() ([]leaderboard.Entry, error) { return b.ByScore(ctx, 1, 3, math.MaxInt) }},
				{"by score, other infinities", []string{}, func() ([]leaderboard.Entry, error) { return b.ByScore(ctx, math.Inf(1), math.Inf(1), 0) }},
				{"by score inverted", []string{}, func() ([]leaderboard.Entry, error) { return b.ByScore(ctx, 3, 1, 0) }},
			} {
				got, err := check.call()
				require.NoError(t, err, check.name)
				assert.Equal(t, check.want, names(got), check.name)
			}
			n, err := b.Trim(ctx, math.MaxInt64)
			require.NoError(t, err)
			assert.Zero(t, n)
			n, err = b.RemoveByScore(ctx, math.Inf(-1), math.Inf(1))
			require.NoError(t, err)
			assert.EqualValues(t, 3, n)
		}
	})
}

// TestEmptyBoard: an empty board has empty results and no error, but for a member that is asked for by name.
func TestEmptyBoard(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		for _, shards := range shardCounts {
			b := newBoard(t, e.Client, "empty", leaderboard.Options{Namespace: e.Namespace, Shards: shards, Ties: leaderboard.EarliestFirst})
			for _, op := range operations {
				err := op.call(t.Context(), b)
				if slices.Contains([]string{"get", "around", "percentile", "set data"}, op.name) {
					require.ErrorIs(t, err, leaderboard.ErrNotFound, op.name)
				} else {
					require.NoError(t, err, op.name)
				}
				require.NoError(t, b.Clear(t.Context()))
			}
		}
		assert.Empty(t, dumpKeys(t, e))
	})
}
