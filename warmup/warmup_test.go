package warmup_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/pipeline"
	"github.com/larder-go/larder/warmup"
)

func TestMain(m *testing.M) {
	if os.Getenv(childJob) != "" {
		child()
		return
	}
	os.Exit(redistest.Main(m))
}

func warmer(t testing.TB, rdb redis.UniversalClient, opts warmup.Options) *warmup.Warmer {
	t.Helper()
	w, err := warmup.New(rdb, opts)
	require.NoError(t, err)
	return w
}

// keysOf are n keys, prefix and number.
func keysOf(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%05d", prefix, i)
	}
	return keys
}

// itemsOf are items of these keys whose value is the key, reversed in case.
func itemsOf(keys []string) []warmup.Item {
	items := make([]warmup.Item, len(keys))
	for i, key := range keys {
		items[i] = warmup.Item{Key: key, Value: "v" + key}
	}
	return items
}

func seqOf(items []warmup.Item) iter.Seq2[warmup.Item, error] {
	return func(yield func(warmup.Item, error) bool) {
		for _, it := range items {
			if !yield(it, nil) {
				return
			}
		}
	}
}

// stored reads strings, in the order of the keys; "" for those that are not there.
func stored(t testing.TB, rdb redis.UniversalClient, keys []string) []string {
	t.Helper()
	b, err := pipeline.New(rdb, pipeline.Options{Codec: codec.String})
	require.NoError(t, err)
	got, err := pipeline.Get[string](t.Context(), b, keys...)
	require.NoError(t, err)
	all := make([]string, len(keys))
	for i, key := range keys {
		all[i] = got[key]
	}
	return all
}

func values(keys []string) []string {
	all := make([]string, len(keys))
	for i, key := range keys {
		all[i] = "v" + key
	}
	return all
}

// requireGone says that nothing was stored.
func requireEmpty(t testing.TB, rdb redis.UniversalClient) {
	t.Helper()
	n, err := rdb.DBSize(t.Context()).Result()
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestSources(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		n, opts := 1200, warmup.Options{Codec: codec.String} // three chunks
		if !e.Real() {
			n, opts.Rate, opts.Burst = 100, 1e6, 40
		}
		prefix := e.Namespace + ":{" + e.ID("s") + "}:"
		if e.Kind == redistest.KindCluster || e.Kind == redistest.KindRing {
			prefix = e.Namespace + ":" // over all nodes
		}
		for name, source := range map[string]func(keys []string) warmup.Source{
			"map": func(keys []string) warmup.Source {
				m := map[string]any{}
				for _, key := range keys {
					m[key] = "v" + key
				}
				return warmup.FromMap(m)
			},
			"slice": func(keys []string) warmup.Source { return warmup.FromSlice(itemsOf(keys)) },
			"seq":   func(keys []string) warmup.Source { return warmup.FromSeq("s", int64(n), seqOf(itemsOf(keys))) },
			"func": func(keys []string) warmup.Source {
				return warmup.FromFunc(slices.Values(keys), func(_ context.Context, id string) (any, error) { return "v" + id, nil })
			},
		} {
			keys := keysOf(prefix+name+":", n)
			report, err := warmer(t, e.Client, opts).Run(t.Context(), source(keys))
			require.NoError(t, err, name)
			assert.Equal(t, n, report.Stored, name)
			assert.Zero(t, report.Skipped+report.Failed+report.Resumed, name)
			assert.Empty(t, report.Errors, name)
			assert.Equal(t, int64(n*(2*len(keys[0])+1)), report.Bytes, name)
			assert.Equal(t, values(keys), stored(t, e.Client, keys), name)
			ttl, err := e.Client.PTTL(t.Context(), keys[n-1]).Result()
			require.NoError(t, err)
			assert.Greater(t, ttl, 50*time.Minute, name)
			assert.LessOrEqual(t, ttl, 66*time.Minute, name)

			// Again, where all is there.
			again := opts
			again.Mode = warmup.FillMissing
			report, err = warmer(t, e.Client, again).Run(t.Context(), source(keys))
			require.NoError(t, err, name)
			assert.Equal(t, []int{0, n}, []int{report.Stored, report.Skipped}, name)
		}
	})
}

// TestDefaultCodec: what is warmed is read by the pattern packages' default codec.
func TestDefaultCodec(t *testing.T) {
	type product struct {
		Name  string
		Price int
	}
	rdb := lardertest.New(t)
	_, err := warmer(t, rdb, warmup.Options{}).Run(t.Context(), warmup.FromMap(map[string]any{"a": product{"A", 1}, "b": &product{"B", 2}}))
	require.NoError(t, err)
	b, err := pipeline.New(rdb, pipeline.Options{})
	require.NoError(t, err)
	got, err := pipeline.Get[product](t.Context(), b, "a", "b")
	require.NoError(t, err)
	assert.Equal(t, map[string]product{"a": {"A", 1}, "b": {"B", 2}}, got)
}

func TestTTLs(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone, redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		p := e.Namespace + ":"
		ctx := t.Context()
		items := []warmup.Item{
			{Key: p + "default", Value: 1},
			{Key: p + "own", Value: 1, TTL: 10 * time.Hour},
			{Key: p + "ever", Value: 1, TTL: -1},
			{Key: p + "short", Value: 1, TTL: time.Microsecond},
			{Key: p + "below", Value: 1, TTL: -2},
		}
		report, err := warmer(t, e.Client, warmup.Options{TTL: 5 * time.Hour, Jitter: -1}).Run(ctx, warmup.FromSlice(items))
		require.NoError(t, err)
		assert.Equal(t, []int{3, 2}, []int{report.Stored, report.Failed})
		for key, want := range map[string]time.Duration{"default": 5 * time.Hour, "own": 10 * time.Hour} {
			ttl := e.Client.PTTL(ctx, p+key).Val()
			assert.Greater(t, ttl, want-time.Hour, key)
			assert.LessOrEqual(t, ttl, want, key)
		}
		assert.Equal(t, time.Duration(-1), e.Client.PTTL(ctx, p+"ever").Val())
		assert.Equal(t, time.Duration(-2), e.Client.PTTL(ctx, p+"short").Val())

		_, err = warmer(t, e.Client, warmup.Options{TTL: -1}).Run(ctx, warmup.FromSlice(items[:2]))
		require.NoError(t, err)
		assert.Equal(t, time.Duration(-1), e.Client.PTTL(ctx, p+"default").Val())
		assert.Positive(t, e.Client.PTTL(ctx, p+"own").Val())
	})
}

// TestJitter: an item's own time is spread, too, and evenly.
func TestJitter(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		items := itemsOf(keysOf("k", 400))
		for i := range items[:200] {
			items[i].TTL = 100 * time.Second
		}
		_, err := warmer(t, rdb, warmup.Options{TTL: 1000 * time.Second, Jitter: 0.5}).Run(t.Context(), warmup.FromSlice(items))
		require.NoError(t, err)
		for half, ttl := range map[int]time.Duration{0: 100 * time.Second, 200: 1000 * time.Second} {
			low, high := 0, 0
			for _, it := range items[half : half+200] {
				got := rdb.PTTL(t.Context(), it.Key).Val()
				assert.GreaterOrEqual(t, got, ttl/2)
				assert.Less(t, got, ttl*3/2)
				if got < ttl {
					low++
				} else {
					high++
				}
			}
			// 200 fair coins all within 40 and 160: wrong once in 10^17 runs.
			assert.Greater(t, low, 40)
			assert.Greater(t, high, 40)
		}
	})
}

func TestBadItems(t *testing.T) {
	rdb := lardertest.New(t)
	var null *int
	cause := errors.New("the row is broken")
	items := []warmup.Item{
		{Key: "ok1", Value: "x"},
		{Key: "", Value: "x"},
		{Key: "nothing"},
		{Key: "nil pointer", Value: null},
		{Key: "unencodable", Value: make(chan int)},
		{Key: "panics", Load: func(context.Context) (any, error) { panic("oh") }},
		{Key: "exits", Load: func(context.Context) (any, error) { runtime.Goexit(); return "", nil }},
		{Key: "fails", Load: func(context.Context) (any, error) { return nil, cause }},
		{Key: "loads nil", Load: func(context.Context) (any, error) { return nil, nil }},
		{Key: "loads nil pointer", Load: func(context.Context) (any, error) { return null, nil }},
		{Key: "not there", Load: func(context.Context) (any, error) { return nil, fmt.Errorf("row: %w", warmup.ErrNotFound) }},
		{Key: "ok2", Load: func(context.Context) (any, error) { return "y", nil }},
	}
	for _, dry := range []bool{true, false} {
		for _, workers := range []int{1, 4} {
			report, err := warmer(t, rdb, warmup.Options{Codec: codec.String, Workers: workers, DryRun: dry}).Run(t.Context(), warmup.FromSlice(items))
			require.NoError(t, err)
			assert.Equal(t, []int{2, 1, 9}, []int{report.Stored, report.Skipped, report.Failed})
			require.Len(t, report.Errors, 9)
			texts := map[string]string{}
			for _, err := range report.Errors {
				it, ok := errors.AsType[*warmup.ItemError](err)
				require.True(t, ok)
				texts[it.Key] = err.Error()
			}
			assert.Contains(t, texts[""], "empty")
			assert.Contains(t, texts["nothing"], "nil")
			assert.Contains(t, texts["nil pointer"], "nil")
			assert.Contains(t, texts["unencodable"], "codec")
			assert.Contains(t, texts["panics"], "oh")
			assert.Contains(t, texts["exits"], "goroutine")
			assert.Contains(t, texts["loads nil"], "ErrNotFound")
			require.ErrorIs(t, errors.Join(report.Errors...), cause)
			if dry {
				requireEmpty(t, rdb)
			}
		}
	}
	assert.Equal(t, []string{"x", "y"}, stored(t, rdb, []string{"ok1", "ok2"}))
	assert.EqualValues(t, 2, rdb.DBSize(t.Context()).Val())
}

// TestDuplicatesInOrder: the last of a key wins, whatever is on its way at the same time.
func TestDuplicatesInOrder(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindStandalone, redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		const n, keys = 6000, 7
		w := warmer(t, e.Client, warmup.Options{Codec: codec.String, Workers: 8, Rate: 1e6, Burst: 20}) // chunks of 20
		report, err := w.Run(t.Context(), warmup.FromSeq("d", -1, func(yield func(warmup.Item, error) bool) {
			for i := range n {
				it := warmup.Item{Key: e.Namespace + strconv.Itoa(i%keys), Value: i}
				if i%3 == 0 { // by way of a loader
					it.Value, it.Load = nil, func(context.Context) (any, error) { return i, nil }
				}
				if !yield(it, nil) {
					return
				}
			}
		}))
		require.NoError(t, err)
		assert.Equal(t, n, report.Stored)
		for i := n - keys; i < n; i++ {
			assert.Equal(t, strconv.Itoa(i), e.Client.Get(t.Context(), e.Namespace+strconv.Itoa(i%keys)).Val())
		}
	})
}

func TestPriorities(t *testing.T) {
	const n = 4200
	random := rand.New(rand.NewPCG(8, 1))
	items := itemsOf(keysOf("k", n))
	m := map[string]any{}
	var loaded []string
	for i := range items {
		key := items[i].Key
		items[i].Priority = random.IntN(5) - 2
		items[i].Value, items[i].Load = nil, func(context.Context) (any, error) {
			loaded = append(loaded, key)
			return key, nil
		}
		m[key] = items[i]
	}
	// order runs a source with one worker, and returns the keys in the order in which they were loaded.
	order := func(t *testing.T, source warmup.Source) []string {
		t.Helper()
		loaded = nil
		loaded = nil
		_, err := warmer(t, lardertest.New(t), warmup.Options{Workers: -1, DryRun: true}).Run(t.Context(), source)
		require.NoError(t, err)
		return slices.Clone(loaded)
	}
	sorted := func(items []warmup.Item) []string {
		items = slices.Clone(items)
		slices.SortStableFunc(items, func(a, b warmup.Item) int { return b.Priority - a.Priority })
		keys := make([]string, len(items))
		for i := range items {
			keys[i] = items[i].Key
		}
		return keys
	}
	assert.Equal(t, sorted(items), order(t, warmup.FromSlice(items)))
	assert.Equal(t, sorted(items), order(t, warmup.FromMap(m)), "items are in the order of their keys here")
	assert.Equal(t, append(sorted(items[:4096]), sorted(items[4096:])...), order(t, warmup.FromSeq("s", -1, seqOf(items))))
	few := map[string]any{}
	for i := range items {
		items[i].Priority = 7
		if i < 200 {
			few[items[i].Key] = items[i]
		}
	}
	loaded = nil
	_, err := warmer(t, lardertest.New(t), warmup.Options{Workers: -1, Checkpoint: filepath.Join(t.TempDir(), "checkpoint")}).Run(t.Context(), warmup.FromMap(few))
	require.NoError(t, err)
	assert.Equal(t, sorted(items[:200]), loaded, "a map has an order when it can be resumed")
	assert.Equal(t, sorted(items), order(t, warmup.FromSeq("s", -1, seqOf(items))))
}

// TestLoadersAreConcurrent: as many as Workers, never more, also within one small chunk.
func TestLoadersAreConcurrent(t *testing.T) {
	for _, n := range []int{6, 3000} {
		const workers = 6
		var now, most atomic.Int32
		all := make(chan struct{})
		var once sync.Once
		load := func(_ context.Context, id string) (any, error) {
			running := now.Add(1)
			defer now.Add(-1)
			for {
				m := most.Load()
				if running <= m || most.CompareAndSwap(m, running) {
					break
				}
			}
			if running == workers {
				once.Do(func() { close(all) })
			}
			<-all // hangs if there are never so many at once
			return id, nil
		}
		report, err := warmer(t, lardertest.New(t), warmup.Options{Workers: workers, DryRun: true}).Run(t.Context(), warmup.FromFunc(slices.Values(keysOf("k", n)), load))
		require.NoError(t, err)
		assert.Equal(t, n, report.Stored)
		assert.EqualValues(t, workers, most.Load())
	}
}

func TestDryRun(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		random := rand.New(rand.NewPCG(8, 2))
		prefix := e.Namespace + ":{" + e.ID("s") + "}:"
		var items []warmup.Item
		n, opts := 1500, warmup.Options{}
		if !e.Real() {
			n, opts.Rate, opts.Burst = 200, 1e6, 50
		}
		for i := range n { // some keys twice, within a chunk and in different ones
			it := warmup.Item{Key: prefix + strconv.Itoa(random.IntN(n*3/5)), Value: i}
			if i%5 == 0 {
				it.Value, it.Load = nil, func(context.Context) (any, error) { return i, nil }
			}
			items = append(items, it)
		}
		there := map[string]any{}
		for i := range n / 8 {
			there[prefix+strconv.Itoa(i*5)] = "there"
		}
		_, err := warmer(t, e.Client, warmup.Options{}).Run(t.Context(), warmup.FromMap(there))
		require.NoError(t, err)
		for _, mode := range []warmup.Mode{warmup.FillMissing, warmup.Overwrite} {
			opts.Mode, opts.DryRun, opts.Checkpoint = mode, true, filepath.Join(t.TempDir(), "none")
			rehearsed, err := warmer(t, e.Client, opts).Run(t.Context(), warmup.FromSlice(items))
			require.NoError(t, err)
			assert.NoFileExists(t, opts.Checkpoint)
			if mode == warmup.FillMissing {
				for i := range 50 {
					if i%5 != 0 {
						require.Zero(t, e.Client.Exists(t.Context(), prefix+strconv.Itoa(i)).Val())
					}
				}
			}
			opts.DryRun = false
			report, err := warmer(t, e.Client, opts).Run(t.Context(), warmup.FromSlice(items))
			require.NoError(t, err)
			assert.Equal(t, len(items), report.Stored+report.Skipped)
			assert.Equal(t, []int{report.Stored, report.Skipped, report.Failed}, []int{rehearsed.Stored, rehearsed.Skipped, rehearsed.Failed})
		}
	})
}

// TestFillMissingDoesNotLoad: what is there is not loaded.
func TestFillMissingDoesNotLoad(t *testing.T) {
	rdb := lardertest.New(t)
	keys := keysOf("k", 1000)
	_, err := warmer(t, rdb, warmup.Options{Codec: codec.String}).Run(t.Context(), warmup.FromSlice(itemsOf(keys[:600])))
	require.NoError(t, err)
	var loads atomic.Int32
	report, err := warmer(t, rdb, warmup.Options{Codec: codec.String, Mode: warmup.FillMissing}).Run(t.Context(),
		warmup.FromFunc(slices.Values(keys), func(_ context.Context, id string) (any, error) {
			loads.Add(1)
			return "v" + id, nil
		}))
	require.NoError(t, err)
	assert.EqualValues(t, 400, loads.Load())
	assert.Equal(t, []int{400, 600}, []int{report.Stored, report.Skipped})
	assert.Equal(t, values(keys), stored(t, rdb, keys))
}

// TestModel runs random items against a map as the oracle.
func TestModel(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		const seed = 20
		random := rand.New(rand.NewPCG(seed, 8))
		rounds, size := 12, 700
		if !e.Real() {
			rounds, size = 4, 100
		}
		prefix := e.Namespace + ":{" + e.ID("m") + "}:"
		model := map[string]string{}
		for round := range rounds {
			opts := warmup.Options{Codec: codec.String, Workers: 1 + random.IntN(5), MaxErrors: -1, MaxErrorRatio: -1}
			if random.IntN(2) == 0 {
				opts.Mode = warmup.FillMissing
			}
			if random.IntN(2) == 0 {
				opts.Rate, opts.Burst = 1e6, 1+random.IntN(100)
			}
			var items []warmup.Item
			var want [3]int
			for i := range random.IntN(size) {
				key, value := prefix+strconv.Itoa(random.IntN(size)), fmt.Sprintf("%d/%d", round, i)
				it := warmup.Item{Key: key, Value: value}
				_, there := model[key]
				there = there && opts.Mode == warmup.FillMissing
				switch random.IntN(10) {
				case 0: // of a key that never is there, or it would be skipped
					it.Key, it.Value = prefix+"fails", nil
					it.Load = func(context.Context) (any, error) { return nil, errors.New("no") }
					want[2]++
				case 1:
					it.Value = struct{}{}
					want[2]++
				case 2:
					it.Value, it.Load = nil, func(context.Context) (any, error) { return value, nil }
					fallthrough
				default:
					if there {
						want[1]++
					} else {
						model[key] = value
						want[0]++
					}
				}
				items = append(items, it)
			}
			report, err := warmer(t, e.Client, opts).Run(t.Context(), warmup.FromSlice(items))
			require.NoError(t, err)
			require.Equal(t, want, [3]int{report.Stored, report.Skipped, report.Failed}, "seed %d, round %d", seed, round)
			keys := make([]string, size)
			values := make([]string, size)
			for i := range keys {
				keys[i] = prefix + strconv.Itoa(i)
				values[i] = model[keys[i]]
			}
			require.Equal(t, values, stored(t, e.Client, keys), "seed %d, round %d", seed, round)
		}
	})
}

func TestOptions(t *testing.T) {
	rdb := lardertest.New(t)
	for field, opts := range map[string]warmup.Options{
		"TTL is -2":         {TTL: -2},
		"TTL is 1µs":        {TTL: time.Microsecond},
		"Jitter is -2":      {Jitter: -2},
		"Jitter is 1":       {Jitter: 1},
		"Jitter is NaN":     {Jitter: math.NaN()},
		"Workers is -2":     {Workers: -2},
		"Rate is -2":        {Rate: -2},
		"Rate is NaN":       {Rate: math.NaN()},
		"Rate is +Inf":      {Rate: math.Inf(1)},
		"Burst":             {Burst: -1},
		"BytesPerSecond":    {BytesPerSecond: -2},
		"Mode is 2":         {Mode: 2},
		"Mode is -1":        {Mode: -1},
		"MaxErrors is -2":   {MaxErrors: -2},
		"MaxErrorRatio is ": {MaxErrorRatio: 1.5},
		"SlowDown":          {SlowDown: -2},
	} {
		_, err := warmup.New(rdb, opts)
		require.ErrorContains(t, err, "Options."+field)
	}
	_, err := warmup.New(nil, warmup.Options{})
	require.ErrorContains(t, err, "nil")
	_, err = warmup.New((*redis.Client)(nil), warmup.Options{})
	require.ErrorContains(t, err, "nil")

	off := warmup.Options{TTL: -1, Jitter: -1, Workers: -1, Rate: -1, BytesPerSecond: -1, MaxErrors: -1, MaxErrorRatio: -1, SlowDown: -1}
	w := warmer(t, rdb, off)
	for name, source := range map[string]warmup.Source{
		"zero":      {},
		"seq":       warmup.FromSeq("s", 1, nil),
		"func":      warmup.FromFunc(nil, func(context.Context, string) (any, error) { return 1, nil }),
		"load":      warmup.FromFunc(slices.Values([]string{"a"}), nil),
		"redis":     warmup.FromRedis(nil, ""),
		"nil redis": warmup.FromRedis((*redis.ClusterClient)(nil), ""),
	} {
		_, err := w.Run(t.Context(), source)
		require.ErrorContains(t, err, "Source", name)
	}
	for _, source := range []warmup.Source{warmup.FromMap(nil), warmup.FromSlice(nil), warmup.FromSeq("", 0, seqOf(nil))} {
		report, err := w.Run(t.Context(), source)
		require.NoError(t, err)
		report.Elapsed = 0
		assert.Equal(t, warmup.Report{}, report)
	}
	_, err = new(warmup.Warmer).Run(t.Context(), warmup.FromMap(nil))
	require.ErrorContains(t, err, "New")
	_, err = (*warmup.Warmer)(nil).Run(t.Context(), warmup.FromMap(nil))
	require.ErrorContains(t, err, "New")
	requireEmpty(t, rdb)
}
