package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/pipeline"
)

// mini returns a client of a miniredis of the test's own.
func mini(t testing.TB) (*redis.Client, *miniredis.Miniredis) {
	t.Helper()
	m := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), ReadTimeout: time.Minute, DialerRetries: 1, MaxRetries: -1})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb, m
}

func batcher(t testing.TB, rdb redis.UniversalClient, opts pipeline.Options) *pipeline.Batcher {
	t.Helper()
	b, err := pipeline.New(rdb, opts)
	require.NoError(t, err)
	return b
}

// pairs is a sequence of the given keys, each with its position as value.
func pairs(keys ...string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for i, key := range keys {
			if !yield(key, i) {
				return
			}
		}
	}
}

func numbered(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%06d", prefix, i)
	}
	return keys
}

func failures(t testing.TB, err error) []pipeline.Failure {
	t.Helper()
	e, ok := errors.AsType[*pipeline.BatchError](err)
	require.True(t, ok, "%v", err)
	return e.Report.Failures
}

func TestOptions(t *testing.T) {
	rdb, _ := mini(t)
	_, err := pipeline.New(nil, pipeline.Options{})
	require.ErrorContains(t, err, "nil")
	_, err = pipeline.New((*redis.Client)(nil), pipeline.Options{})
	require.ErrorContains(t, err, "nil")
	for name, opts := range map[string]pipeline.Options{
		"ChunkSize":  {ChunkSize: -2},
		"ChunkBytes": {ChunkBytes: -2},
		"Workers":    {Workers: -2},
		"Retries":    {Retries: -2},
		"Namespace":  {Namespace: "a{b"},
	} {
		_, err := pipeline.New(rdb, opts)
		require.ErrorContains(t, err, name)
	}
	off := batcher(t, rdb, pipeline.Options{ChunkSize: -1, ChunkBytes: -1, Workers: -1, Retries: -1})
	keys := numbered("k", 1200)
	report, err := pipeline.Set(t.Context(), off, pairs(keys...), pipeline.SetOptions{})
	require.NoError(t, err)
	require.Equal(t, 1200, report.Applied)
	got, err := pipeline.Get[int](t.Context(), off, keys...)
	require.NoError(t, err)
	require.Len(t, got, 1200)

	var none *pipeline.Batcher
	for _, b := range []*pipeline.Batcher{none, {}} {
		ctx := t.Context()
		_, err = pipeline.Set(ctx, b, pairs("a"), pipeline.SetOptions{})
		require.Error(t, err)
		_, err = pipeline.Get[int](ctx, b, "a")
		require.Error(t, err)
		for _, err := range pipeline.GetSeq[int](ctx, b, slices.Values(keys)) {
			require.Error(t, err)
		}
		_, err = b.Delete(ctx, "a")
		require.Error(t, err)
		_, err = b.Expire(ctx, time.Second, "a")
		require.Error(t, err)
		_, _, err = b.Increment(ctx, map[string]int64{"a": 1}, pipeline.CounterOptions{})
		require.Error(t, err)
		_, err = b.IncrementAtomic(ctx, map[string]int64{"a": 1}, pipeline.CounterOptions{})
		require.Error(t, err)
		_, err = b.IncrementOnce(ctx, "t", map[string]int64{"a": 1}, pipeline.CounterOptions{})
		require.Error(t, err)
		_, err = b.Do(ctx, func(redis.Pipeliner) error { return nil })
		require.Error(t, err)
		require.Error(t, b.Transact(ctx, func(*pipeline.Tx) error { return nil }, "a"))
	}
}

func TestSetOptions(t *testing.T) {
	rdb, m := mini(t)
	b := batcher(t, rdb, pipeline.Options{})
	for name, opts := range map[string]pipeline.SetOptions{
		"TTL is -5s":   {TTL: -5 * time.Second},
		"TTL is 1µs":   {TTL: time.Microsecond},
		"KeepTTL":      {TTL: time.Second, KeepTTL: true},
		"excludes TTL": {TTLs: func(int, string) time.Duration { return 0 }, KeepTTL: true},
		"TTLs":         {TTL: time.Second, TTLs: func(int, string) time.Duration { return 0 }},
		"Jitter":       {Jitter: 1},
		"Jitter is N":  {Jitter: math.NaN()},
		"Jitter is -":  {Jitter: -0.5},
		"Mode":         {Mode: 7},
	} {
		_, err := pipeline.Set(t.Context(), b, pairs("a"), opts)
		require.ErrorContains(t, err, name)
	}
	require.Empty(t, m.Keys())
}

func TestTimesToLive(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{})
	_, err := pipeline.Set(ctx, b, pairs("a", "b"), pipeline.SetOptions{TTL: 1500 * time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, 1500*time.Millisecond, m.TTL("a"))
	_, err = pipeline.Set(ctx, b, pairs("a"), pipeline.SetOptions{KeepTTL: true})
	require.NoError(t, err)
	require.Equal(t, 1500*time.Millisecond, m.TTL("a"))
	_, err = pipeline.Set(ctx, b, pairs("a"), pipeline.SetOptions{Jitter: -1})
	require.NoError(t, err)
	require.Zero(t, m.TTL("a"))

	keys := numbered("j", 200)
	_, err = pipeline.Set(ctx, b, pairs(keys...), pipeline.SetOptions{TTL: 1000 * time.Second, Jitter: 0.2})
	require.NoError(t, err)
	seen := map[time.Duration]bool{}
	for _, key := range keys {
		require.GreaterOrEqual(t, m.TTL(key), 800*time.Second)
		require.LessOrEqual(t, m.TTL(key), 1200*time.Second)
		seen[m.TTL(key)] = true
	}
	require.Greater(t, len(seen), 100)

	report, err := pipeline.Set(ctx, b, pairs("x", "y", "z", "w"), pipeline.SetOptions{TTLs: func(i int, key string) time.Duration {
		require.Equal(t, "xyzw"[i:i+1], key)
		return []time.Duration{time.Hour, 0, -1, time.Microsecond}[i]
	}})
	require.Equal(t, 2, report.Applied)
	require.Equal(t, []int{2, 3}, []int{failures(t, err)[0].Index, failures(t, err)[1].Index})
	require.Equal(t, time.Hour, m.TTL("x"))
	require.Zero(t, m.TTL("y"))
	require.False(t, m.Exists("z"))

	report, err = b.Expire(ctx, time.Minute, "x", "none")
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{report.Applied, report.Missing})
	require.Equal(t, time.Minute, m.TTL("x"))
	_, err = b.Expire(ctx, 0, "x")
	require.ErrorContains(t, err, "millisecond")
	_, err = b.Expire(ctx, 500*time.Microsecond, "x")
	require.ErrorContains(t, err, "millisecond")
}

func TestModes(t *testing.T) {
	rdb, _ := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{})
	report, err := pipeline.Set(ctx, b, pairs("a", "b", "a"), pipeline.SetOptions{Mode: pipeline.IfAbsent})
	require.NoError(t, err)
	require.Equal(t, []int{2, 1}, []int{report.Applied, report.Skipped})
	report, err = pipeline.Set(ctx, b, pairs("c", "b"), pipeline.SetOptions{Mode: pipeline.IfPresent, TTL: time.Hour})
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{report.Applied, report.Skipped})
	got, err := pipeline.Get[int](ctx, b, "a", "b", "c")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a": 0, "b": 1}, got)
}

// TestBadItems: each item's own error, and the others go.
func TestBadItems(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{Codec: codec.String})
	report, err := pipeline.Set(ctx, b, func(yield func(string, any) bool) {
		_ = yield("a", "1") && yield("bad", struct{}{}) && yield("", "2") && yield("b", 3)
	}, pipeline.SetOptions{})
	require.Equal(t, []int{2, 2}, []int{report.Applied, report.NotSent})
	list := failures(t, err)
	require.Equal(t, []int{1, 2}, []int{list[0].Index, list[1].Index})
	require.Equal(t, pipeline.NotSent, list[0].Outcome)
	_, ok := errors.AsType[*codec.Error](list[0].Err)
	require.True(t, ok)
	require.Equal(t, []string{"a", "b"}, m.Keys())

	for range 2 {
		report, err = b.Delete(ctx, "a", "", "a")
		require.Equal(t, 1, report.NotSent)
		require.Equal(t, 2, report.Applied+report.Missing)
		require.Len(t, failures(t, err), 1)
	}
	_, err = pipeline.Set(ctx, batcher(t, rdb, pipeline.Options{Codec: panicking{}}), pairs("p"), pipeline.SetOptions{})
	require.ErrorContains(t, err, "panic")

	_, err = m.Lpush("list", "x")
	require.NoError(t, err)
	got, err := pipeline.Get[string](ctx, b, "b", "list", "")
	require.Equal(t, map[string]string{"b": "3"}, got)
	require.Len(t, failures(t, err), 1)
	require.NoError(t, rdb.Set(ctx, "b", "x", 0).Err())
	numbers, err := pipeline.Get[int](ctx, b, "b", "none")
	require.Empty(t, numbers)
	_, ok = errors.AsType[*codec.Error](err)
	require.True(t, ok)
	require.Equal(t, pipeline.Failed, failures(t, err)[0].Outcome)
}

type panicking struct{}

func (panicking) Name() string                { return "panicking" }
func (panicking) Marshal(any) ([]byte, error) { panic("no") }
func (panicking) Unmarshal([]byte, any) error { panic("no") }

// TestFailuresAreBounded: a Set keeps the first 1,000.
func TestFailuresAreBounded(t *testing.T) {
	rdb, _ := mini(t)
	b := batcher(t, rdb, pipeline.Options{})
	report, err := pipeline.Set(t.Context(), b, pairs(make([]string, 5000)...), pipeline.SetOptions{})
	require.Equal(t, 5000, report.NotSent)
	require.True(t, report.Truncated)
	require.Len(t, report.Failures, 1000)
	require.Equal(t, 999, report.Failures[999].Index)
	require.Zero(t, report.Attempts)
	require.LessOrEqual(t, len(err.Error()), 4<<10)
	all, err := b.Delete(t.Context(), make([]string, 1500)...)
	require.Error(t, err)
	require.False(t, all.Truncated)
	require.Len(t, all.Failures, 1500)
}

// TestEmpty: no input, no round trip.
func TestEmpty(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{})
	m.Close()
	report, err := pipeline.Set(ctx, b, pairs(), pipeline.SetOptions{})
	require.NoError(t, err)
	report.Elapsed = 0
	require.Equal(t, pipeline.Report{}, report)
	_, err = pipeline.Set[int](ctx, b, nil, pipeline.SetOptions{})
	require.NoError(t, err)
	got, err := pipeline.Get[int](ctx, b)
	require.NoError(t, err)
	require.Empty(t, got)
	for range pipeline.GetSeq[int](ctx, b, nil) { //nolint:errcheck // it yields nothing
		t.Fatal("no key was given")
	}
	_, err = b.Delete(ctx)
	require.NoError(t, err)
	_, err = b.Expire(ctx, time.Hour)
	require.NoError(t, err)
	values, _, err := b.Increment(ctx, nil, pipeline.CounterOptions{})
	require.NoError(t, err)
	require.Empty(t, values)
	_, err = b.IncrementAtomic(ctx, nil, pipeline.CounterOptions{})
	require.NoError(t, err)
	_, err = b.IncrementOnce(ctx, "t", nil, pipeline.CounterOptions{})
	require.NoError(t, err)
	_, err = b.Do(ctx, func(redis.Pipeliner) error { return nil })
	require.NoError(t, err)
}

// TestContext: what was cancelled is not sent, and said.
func TestContext(t *testing.T) {
	rdb, m := mini(t)
	b := batcher(t, rdb, pipeline.Options{ChunkSize: 10, Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	report, err := pipeline.Set(ctx, b, func(yield func(string, int) bool) {
		for i, key := range numbered("k", 1000) {
			if i == 500 {
				cancel()
			}
			if !yield(key, i) {
				return
			}
		}
	}, pipeline.SetOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, len(m.Keys()), report.Applied)
	require.Less(t, report.Applied+report.NotSent, 600)
	require.Zero(t, report.Unknown)

	_, err = pipeline.Get[int](ctx, b, "a", "b")
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, failures(t, err), 2)
	n := 0
	for item, err := range pipeline.GetSeq[int](ctx, b, slices.Values([]string{"a"})) {
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, item.Key)
		n++
	}
	require.Equal(t, 1, n)
	report, err = b.Delete(ctx, "k000001", "k000002")
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, report.NotSent)
	_, _, err = b.Increment(ctx, map[string]int64{"n": 1}, pipeline.CounterOptions{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = b.IncrementAtomic(ctx, map[string]int64{"n": 1}, pipeline.CounterOptions{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = b.IncrementOnce(ctx, "t", map[string]int64{"n": 1}, pipeline.CounterOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, b.Transact(ctx, func(*pipeline.Tx) error { return nil }, "n"), context.Canceled)
	_, err = b.Do(ctx, func(p redis.Pipeliner) error { p.Incr(ctx, "n"); return nil })
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, m.Exists("n"))
}

// TestServerGone: nothing is sent, and each item says so.
func TestServerGone(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{Retries: 1})
	m.Close()
	report, err := pipeline.Set(ctx, b, pairs("a", "b"), pipeline.SetOptions{})
	require.Error(t, err)
	require.Equal(t, 2, report.NotSent)
	require.Equal(t, 2, report.Attempts)
	report, err = pipeline.Set(ctx, b, pairs("a", "b"), pipeline.SetOptions{Mode: pipeline.IfAbsent})
	require.Error(t, err)
	require.Equal(t, 1, report.Attempts)
	_, report, err = b.Increment(ctx, map[string]int64{"n": 1}, pipeline.CounterOptions{TTL: time.Hour})
	require.Error(t, err)
	require.Equal(t, pipeline.NotSent, report.Failures[0].Outcome)
	require.NotErrorIs(t, err, pipeline.ErrOutcomeUnknown)
	_, err = b.IncrementAtomic(ctx, map[string]int64{"n": 1}, pipeline.CounterOptions{})
	require.Error(t, err)
	require.NotErrorIs(t, err, pipeline.ErrOutcomeUnknown)
	_, err = pipeline.Get[int](ctx, b, "a")
	require.Equal(t, pipeline.NotSent, failures(t, err)[0].Outcome)
}

// TestOrder: of items with the same key the last one wins, across chunks.
func TestOrder(t *testing.T) {
	rdb, _ := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{ChunkSize: 3, Workers: 8})
	var keys []string
	for i := range 600 {
		keys = append(keys, fmt.Sprintf("k%d", i%7))
	}
	report, err := pipeline.Set(ctx, b, pairs(keys...), pipeline.SetOptions{})
	require.NoError(t, err)
	require.Equal(t, 600, report.Applied)
	got, err := pipeline.Get[int](ctx, b, keys...)
	require.NoError(t, err)
	for i := range 7 {
		require.Equal(t, 599-(599-i)%7, got[fmt.Sprintf("k%d", i)])
	}
}

// TestRoundTrips: chunks are what the options say.
func TestRoundTrips(t *testing.T) {
	rdb, _ := mini(t)
	ctx := t.Context()
	var sizes []int
	rdb.AddHook(hook{pipeline: func(cmds []redis.Cmder) { sizes = append(sizes, len(cmds)) }})
	b := batcher(t, rdb, pipeline.Options{Workers: 1})
	_, err := pipeline.Set(ctx, b, pairs(numbered("k", 1200)...), pipeline.SetOptions{})
	require.NoError(t, err)
	require.Equal(t, []int{500, 500, 200}, sizes)
	sizes = nil
	b = batcher(t, rdb, pipeline.Options{Workers: 1, ChunkBytes: 4096, Codec: codec.String})
	big := strings.Repeat("x", 1000)
	_, err = pipeline.Set(ctx, b, func(yield func(string, string) bool) {
		for i := range 7 {
			if !yield(strconv.Itoa(i), big) {
				return
			}
		}
		yield("huge", strings.Repeat("y", 9000))
		yield("small", "z")
	}, pipeline.SetOptions{})
	require.NoError(t, err)
	require.Equal(t, []int{3, 3, 1, 1, 1}, sizes)
	sizes = nil
	// Reads begin with 64 keys and adapt to the replies.
	b = batcher(t, rdb, pipeline.Options{Workers: 1})
	_, err = pipeline.Get[int](ctx, b, numbered("k", 1200)...)
	require.NoError(t, err)
	require.Equal(t, 64+64+500+500+72, 1200)
	require.Len(t, sizes, 5)
}

type hook struct {
	pipeline func(cmds []redis.Cmder)
	process  func(cmd redis.Cmder)
}

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if h.process != nil {
			h.process(cmd)
		}
		return next(ctx, cmd)
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if h.pipeline != nil && cmds[0].Name() != "hello" && cmds[0].Name() != "client" {
			h.pipeline(cmds)
		}
		return next(ctx, cmds)
	}
}

func TestGetSeq(t *testing.T) {
	rdb, _ := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{Codec: codec.String, Workers: 3})
	keys := numbered("k", 1000)
	_, err := pipeline.Set(ctx, b, pairs(keys...), pipeline.SetOptions{})
	require.NoError(t, err)
	require.NoError(t, rdb.Set(ctx, "k000500", "not a number", 0).Err())
	asked := append(slices.Clone(keys), "none", "", "k000007", "k000007")
	at, bad := 0, 0
	seq := pipeline.GetSeq[int](ctx, b, slices.Values(asked))
	for item, err := range seq {
		require.Equal(t, asked[at], item.Key)
		switch item.Key {
		case "k000500", "":
			require.Error(t, err)
			require.False(t, item.Found)
			bad++
		case "none":
			require.NoError(t, err)
			require.False(t, item.Found)
		default:
			require.NoError(t, err)
			require.True(t, item.Found)
			require.Equal(t, at%1002%1000%1000, item.Value+map[bool]int{true: at%1002 - 7}[at >= 1002])
		}
		at++
	}
	require.Equal(t, len(asked), at)
	require.Equal(t, 2, bad)
	for _, err := range seq {
		require.ErrorContains(t, err, "once")
	}
	n := 0
	for _, err := range pipeline.GetSeq[int](ctx, b, slices.Values(keys)) {
		require.NoError(t, err)
		if n++; n == 10 {
			break
		}
	}
	require.Equal(t, 10, n)
}

// TestNoGoroutineOutlives: neither a sequence that is left early nor a context that
// ends leaves one behind.
func TestNoGoroutineOutlives(t *testing.T) {
	rdb, _ := mini(t)
	b := batcher(t, rdb, pipeline.Options{ChunkSize: 10})
	ctx, cancel := context.WithCancel(t.Context())
	keys := numbered("k", 500)
	_, err := pipeline.Set(ctx, b, pairs(keys...), pipeline.SetOptions{})
	require.NoError(t, err)
	before := goleak.IgnoreCurrent()
	for item, err := range pipeline.GetSeq[int](ctx, b, slices.Values(keys)) {
		require.NoError(t, err)
		if item.Value == 3 {
			break
		}
	}
	require.Panics(t, func() {
		_, _ = pipeline.Set(ctx, b, func(yield func(string, int) bool) {
			for _, key := range keys {
				yield(key, 1)
			}
			panic("the sequence breaks")
		}, pipeline.SetOptions{})
	})
	cancel()
	_, err = pipeline.Set(ctx, b, pairs(keys...), pipeline.SetOptions{})
	require.Error(t, err)
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/alicebob/miniredis/v2/server.(*Server).servePeer"))
}

func TestBatchError(t *testing.T) {
	cause := errors.New("x")
	e := &pipeline.BatchError{Report: pipeline.Report{Failed: 1, Failures: []pipeline.Failure{{Index: 3, Key: "k", Outcome: pipeline.Failed, Err: cause}}}}
	require.ErrorIs(t, e, cause)
	require.Contains(t, e.Error(), `"k" failed: x`)
	require.NotErrorIs(t, e, pipeline.ErrOutcomeUnknown)
	require.Equal(t, "Outcome(9)", pipeline.Outcome(9).String())
	for o, text := range map[pipeline.Outcome]string{pipeline.Unknown: "unknown", pipeline.NotSent: "not sent", pipeline.Failed: "failed", pipeline.Applied: "applied"} {
		require.Equal(t, text, o.String())
	}
	long := pipeline.Report{Failed: 100}
	for range 100 {
		long.Failures = append(long.Failures, pipeline.Failure{Key: strings.Repeat("k", 5000), Err: errors.New(strings.Repeat("é", 5000))})
	}
	require.LessOrEqual(t, len((&pipeline.BatchError{Report: long}).Error()), 4<<10)
}

func TestMaps(t *testing.T) {
	rdb, _ := mini(t)
	ctx := t.Context()
	type user struct{ Name string }
	b := batcher(t, rdb, pipeline.Options{})
	users := map[string]user{"u:1": {"Ada"}, "u:2": {"Bob"}}
	report, err := pipeline.Set(ctx, b, maps.All(users), pipeline.SetOptions{TTL: time.Hour})
	require.NoError(t, err)
	require.Equal(t, 2, report.Applied)
	require.Equal(t, 1, report.Attempts)
	got, err := pipeline.Get[user](ctx, b, "u:1", "u:2", "u:3")
	require.NoError(t, err)
	require.Equal(t, users, got)
}
