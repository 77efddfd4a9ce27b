package pipeline_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/pipeline"
)

func TestCounterInput(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{StrictSlots: true})
	for _, opts := range []pipeline.CounterOptions{{TTL: -1}, {TTL: time.Microsecond}, {TokenTTL: -1}, {TokenTTL: 1}} {
		_, _, err := b.Increment(ctx, map[string]int64{"a": 1}, opts)
		require.Error(t, err)
		_, err = b.IncrementAtomic(ctx, map[string]int64{"a": 1}, opts)
		require.Error(t, err)
		_, err = b.IncrementOnce(ctx, "t", map[string]int64{"a": 1}, opts)
		require.Error(t, err)
	}
	for _, deltas := range []map[string]int64{{"": 1}, {"a": math.MinInt64}, {"a": 1, "b": 1}} {
		_, err := b.IncrementAtomic(ctx, deltas, pipeline.CounterOptions{})
		require.Error(t, err)
		_, err = b.IncrementOnce(ctx, "t", deltas, pipeline.CounterOptions{})
		require.Error(t, err)
	}
	_, err := b.IncrementOnce(ctx, "", map[string]int64{"a": 1}, pipeline.CounterOptions{})
	require.ErrorContains(t, err, "token")
	_, err = b.IncrementAtomic(ctx, map[string]int64{"a": 1, "b": 1}, pipeline.CounterOptions{})
	require.ErrorIs(t, err, pipeline.ErrCrossSlot)
	require.ErrorContains(t, err, `"a"`)
	require.ErrorContains(t, err, `"b"`)
	require.Empty(t, m.Keys())

	values, report, err := b.Increment(ctx, map[string]int64{"": 1, "a": math.MinInt64, "b": 2}, pipeline.CounterOptions{})
	require.Equal(t, map[string]int64{"b": 2}, values)
	require.Equal(t, 2, report.NotSent)
	require.Equal(t, -1, failures(t, err)[0].Index)
}

func TestCounters(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{ChunkSize: 7})
	deltas := map[string]int64{}
	for i := range 100 {
		deltas[fmt.Sprintf("n%d", i)] = int64(i)
	}
	for round := range int64(2) {
		values, report, err := b.Increment(ctx, deltas, pipeline.CounterOptions{TTL: time.Hour})
		require.NoError(t, err)
		require.Equal(t, 100, report.Applied)
		require.Equal(t, 1, report.Attempts)
		for key, delta := range deltas {
			require.Equal(t, delta*(round+1), values[key])
			require.Equal(t, time.Hour, m.TTL(key))
		}
		require.NoError(t, rdb.ScriptFlush(ctx).Err())
	}
	// An existing counter keeps its end, and exact values beyond 2^53.
	require.NoError(t, rdb.Set(ctx, "old", int64(math.MaxInt64-10), 0).Err())
	values, _, err := b.Increment(ctx, map[string]int64{"old": 9, "n1": 1}, pipeline.CounterOptions{TTL: time.Minute})
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"old": math.MaxInt64 - 1, "n1": 3}, values)
	require.Zero(t, m.TTL("old"))
	require.Equal(t, time.Hour, m.TTL("n1"))

	_, err = m.Lpush("list", "x")
	require.NoError(t, err)
	require.NoError(t, rdb.Set(ctx, "text", "x", 0).Err())
	for _, ttl := range []time.Duration{0, time.Hour} {
		values, report, err := b.Increment(ctx, map[string]int64{"list": 1, "text": 1, "good": 1}, pipeline.CounterOptions{TTL: ttl})
		require.Error(t, err)
		require.Len(t, values, 1)
		require.Equal(t, []int{1, 2}, []int{report.Applied, report.Failed})
		require.True(t, redis.HasErrorPrefix(failures(t, err)[0].Err, "WRONGTYPE") || ttl > 0)
	}
}

func TestAllOrNone(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{})
	values, err := b.IncrementAtomic(ctx, map[string]int64{"a": 5, "b": -3, "c": 0}, pipeline.CounterOptions{TTL: time.Hour})
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": 5, "b": -3, "c": 0}, values)
	require.Equal(t, time.Hour, m.TTL("c"))
	_, err = m.Lpush("list", "x")
	require.NoError(t, err)
	before := m.Dump()
	_, err = b.IncrementAtomic(ctx, map[string]int64{"a": 5, "b": 1, "fresh": 9, "list": 1}, pipeline.CounterOptions{TTL: time.Minute})
	require.ErrorContains(t, err, "list")
	require.ErrorContains(t, err, "WRONGTYPE")
	require.Equal(t, before, m.Dump())
	require.False(t, m.Exists("fresh"))
	require.Equal(t, time.Hour, m.TTL("a"))
	values, err = b.IncrementAtomic(ctx, map[string]int64{"a": math.MaxInt64 - 5}, pipeline.CounterOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": math.MaxInt64}, values)
}

func TestToken(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{Namespace: "app"})
	deltas := map[string]int64{"a": 5, "b": -3}
	opts := pipeline.CounterOptions{TTL: time.Hour}
	for range 3 {
		values, err := b.IncrementOnce(ctx, "order 7, {x}", deltas, opts)
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"a": 5, "b": -3}, values)
	}
	require.Equal(t, 24*time.Hour, m.TTL("app:pipeline:{a}:once:order 7, {x}"))
	require.Equal(t, time.Hour, m.TTL("a"))
	values, err := b.IncrementOnce(ctx, "order 8", deltas, opts)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": 10, "b": -6}, values)
	_, err = b.IncrementOnce(ctx, "order 8", map[string]int64{"a": 5, "b": -4}, opts)
	require.ErrorContains(t, err, "other counters")
	// Nothing is remembered of a failure.
	_, err = m.Lpush("list", "x")
	require.NoError(t, err)
	failing := map[string]int64{"a": 1, "list": 1}
	_, err = b.IncrementOnce(ctx, "order 9", failing, opts)
	require.ErrorContains(t, err, "list")
	m.Del("list")
	values, err = b.IncrementOnce(ctx, "order 9", failing, opts)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": 11, "list": 1}, values)
	_, err = m.Lpush("pipeline:{odd}:once:t", "x")
	require.NoError(t, err)
	_, err = batcher(t, rdb, pipeline.Options{}).IncrementOnce(ctx, "t", map[string]int64{"odd": 1}, opts)
	require.ErrorContains(t, err, "once:t")
	require.False(t, m.Exists("odd"))
	// Keys whose hashed part cannot stand between braces.
	for _, key := range []string{"a}b", "{}x", "{}", "a{b", "x{tag}y"} {
		values, err = b.IncrementOnce(ctx, "t", map[string]int64{key: 2}, opts)
		require.NoError(t, err)
		require.Equal(t, map[string]int64{key: 2}, values)
	}
}
