package warmup_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/warmup"
)

// loads counts the loads of each key, and does something at one of them.
type loads struct {
	mu    sync.Mutex
	all   int
	count map[string]int
	at    int
	do    func() error
}

func (l *loads) load(_ context.Context, id string) (any, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == nil {
		l.count = map[string]int{}
	}
	l.all++
	if l.do != nil && l.all == l.at {
		if err := l.do(); err != nil {
			return nil, err
		}
	}
	l.count[id]++
	return "v" + id, nil
}

// sources are all that can be resumed, of the same keys, by a loader.
func sources(keys []string, load func(context.Context, string) (any, error)) map[string]warmup.Source {
	items := make([]warmup.Item, len(keys))
	m := map[string]any{}
	for i, key := range keys {
		items[i] = warmup.Item{Key: key, Priority: i % 3, Load: func(ctx context.Context) (any, error) { return load(ctx, key) }}
		m[key] = items[i]
	}
	return map[string]warmup.Source{
		"map":   warmup.FromMap(m),
		"slice": warmup.FromSlice(items),
		"seq":   warmup.FromSeq("s", int64(len(keys)), seqOf(items)),
		"func":  warmup.FromFunc(slices.Values(keys), load),
	}
}

// TestStoppedRunGoesOn: a run that was cancelled, or stopped by its rules, goes on where it was.
func TestStoppedRunGoesOn(t *testing.T) {
	const n, workers, chunk = 600, 3, 20
	keys := keysOf("k", n)
	for _, name := range slices.Sorted(maps.Keys(sources(keys, nil))) {
		for _, how := range []string{"cancelled", "aborted"} {
			rdb := lardertest.New(t)
			l := &loads{at: 250}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			l.do = func() error {
				if how == "aborted" {
					return errors.New("no")
				}
				cancel()
				return nil
			}
			path := filepath.Join(t.TempDir(), "checkpoint")
			w := warmer(t, rdb, warmup.Options{
				Codec: codec.String, Workers: workers, Rate: 1e9, Burst: chunk, MaxErrors: 1, Checkpoint: path,
			})
			first, err := w.Run(ctx, sources(keys, l.load)[name])
			require.Error(t, err)
			assert.Equal(t, how == "cancelled", errors.Is(err, context.Canceled))
			assert.Equal(t, how == "aborted", errors.Is(err, warmup.ErrAborted))
			assert.Less(t, first.Stored, n)
			l.do = nil
			second, err := w.Run(t.Context(), sources(keys, l.load)[name])
			require.NoError(t, err)
			assert.Positive(t, second.Resumed)
			assert.LessOrEqual(t, second.Resumed, first.Stored)
			assert.Equal(t, []int{n, 0, 0}, []int{second.Stored, second.Skipped, second.Failed})
			assert.EqualValues(t, n*(6+7), second.Bytes)
			again := 0
			for _, key := range keys {
				again += l.count[key] - 1
			}
			assert.LessOrEqual(t, again, workers*chunk)
			assert.NoFileExists(t, path)
			assert.Equal(t, values(keys), stored(t, rdb, keys))
		}
	}
}

// TestResume says exactly what a second run does.
func TestResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	keys := keysOf("k", 1200)
	source := func(bad int, seen *[]string) warmup.Source {
		return warmup.FromFunc(slices.Values(keys), func(_ context.Context, id string) (any, error) {
			*seen = append(*seen, id)
			switch {
			case id == keys[10]:
				return nil, warmup.ErrNotFound
			case id == keys[20], bad >= 0 && id == keys[bad]:
				return nil, errors.New("no")
			}
			return "v" + id, nil
		})
	}
	rdb := lardertest.New(t)
	w := warmer(t, rdb, warmup.Options{Codec: codec.String, Workers: -1, MaxErrors: 2, Checkpoint: path})
	var seen []string
	first, err := w.Run(t.Context(), source(700, &seen))
	require.ErrorIs(t, err, warmup.ErrAborted)
	assert.Equal(t, keys[:701], seen)
	assert.Equal(t, 2, first.Failed)
	seen = nil
	second, err := w.Run(t.Context(), source(-1, &seen))
	require.NoError(t, err)
	assert.Equal(t, keys[500:], seen, "the first chunk was done, the second one was not")
	assert.Equal(t, []int{1198, 1, 1, 500}, []int{second.Stored, second.Skipped, second.Failed, second.Resumed})
	assert.Empty(t, second.Errors, "those are of this run")
	assert.NoFileExists(t, path)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Empty(t, entries)

	// With the checkpoint gone, the next run begins anew.
	seen = nil
	third, err := w.Run(t.Context(), source(-1, &seen))
	require.NoError(t, err)
	assert.Len(t, seen, 1200)
	assert.Zero(t, third.Resumed)
}

// broken makes a checkpoint of a run that was stopped after its first chunk of 500 items, from keys.
func broken(t *testing.T, path string, items iter.Seq2[warmup.Item, error]) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	i := 0
	_, err := warmer(t, lardertest.New(t), warmup.Options{Workers: -1, Checkpoint: path}).Run(ctx, warmup.FromSeq("s", -1, func(yield func(warmup.Item, error) bool) {
		for it, err := range items {
			if i == 800 {
				it.Value, it.Load = nil, func(context.Context) (any, error) {
					cancel()
					return nil, ctx.Err()
				}
			}
			i++
			if !yield(it, err) {
				return
			}
		}
	}))
	require.ErrorIs(t, err, context.Canceled)
	require.FileExists(t, path)
}

func TestCheckpointOfAnotherJob(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	items := itemsOf(keysOf("k", 1000))
	broken(t, path, seqOf(items))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	others := slices.Clone(items)
	others[3].Key = "another"
	swapped := slices.Clone(items)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	for name, c := range map[string]struct {
		source warmup.Source
		want   string
	}{
		"name":   {warmup.FromSeq("other", -1, seqOf(items)), `"seq:other"`},
		"kind":   {warmup.FromSlice(items), `"slice"`},
		"keys":   {warmup.FromSeq("s", -1, seqOf(others)), "others"},
		"order":  {warmup.FromSeq("s", -1, seqOf(swapped)), "order"},
		"fewer":  {warmup.FromSeq("s", -1, seqOf(items[:400])), "500 items were done, and the source has 400"},
		"none":   {warmup.FromSeq("s", -1, seqOf(nil)), "the source has 0"},
		"redis":  {warmup.FromRedis(lardertest.New(t), ""), "FromRedis"},
		"longer": {warmup.FromSeq("s", 2, seqOf(append(slices.Clone(others), items...))), "remove it"},
	} {
		rdb := lardertest.New(t)
		report, err := warmer(t, rdb, warmup.Options{Checkpoint: path}).Run(t.Context(), c.source)
		require.ErrorIs(t, err, warmup.ErrCheckpoint, name)
		require.ErrorContains(t, err, c.want, name)
		if name != "redis" {
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, "remove it")
		}
		assert.Zero(t, report.Failed, name)
		requireEmpty(t, rdb)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(before, after), name)
	}
	// More items at the end are the same job.
	report, err := warmer(t, lardertest.New(t), warmup.Options{Checkpoint: path}).Run(t.Context(), warmup.FromSeq("s", -1, seqOf(append(items, itemsOf(keysOf("more", 10))...))))
	require.NoError(t, err)
	assert.Equal(t, 500, report.Resumed)
	assert.Equal(t, 1010, report.Stored)
}

func TestDamagedCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	items := itemsOf(keysOf("k", 1000))
	broken(t, path, seqOf(items))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	rdb := lardertest.New(t)
	w := warmer(t, rdb, warmup.Options{Checkpoint: path})
	refuse := func(data []byte, want string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, data, 0o600))
		_, err := w.Run(t.Context(), warmup.FromSeq("s", -1, func(func(warmup.Item, error) bool) { t.Error("the source was read") }))
		require.ErrorIs(t, err, warmup.ErrCheckpoint)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, after), "it is left as it was")
	}
	for i := range good {
		damaged := bytes.Clone(good)
		damaged[i] ^= 0x01
		refuse(damaged, "remove it")
		refuse(good[:i], "damaged")
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	_, err = w.Run(t.Context(), warmup.FromSeq("s", -1, seqOf(items)))
	require.ErrorIs(t, err, warmup.ErrCheckpoint)
	requireEmpty(t, rdb)
}

// TestCheckpointCannotBeWritten: that is found before the first item is taken, and, should it happen later, ends the run.
func TestCheckpointCannotBeWritten(t *testing.T) {
	rdb := lardertest.New(t)
	dir := filepath.Join(t.TempDir(), "folder")
	w := warmer(t, rdb, warmup.Options{Checkpoint: filepath.Join(dir, "checkpoint"), Workers: 3})
	_, err := w.Run(t.Context(), warmup.FromSeq("s", -1, func(func(warmup.Item, error) bool) { t.Error("the source was read") }))
	require.ErrorIs(t, err, warmup.ErrCheckpoint)
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, os.Mkdir(dir, 0o700))
	l := &loads{at: 700, do: func() error { return os.RemoveAll(dir) }}
	report, err := w.Run(t.Context(), warmup.FromFunc(slices.Values(keysOf("k", 20_000)), l.load))
	require.ErrorIs(t, err, warmup.ErrCheckpoint)
	require.NotErrorIs(t, err, warmup.ErrAborted)
	assert.Less(t, report.Stored, 20_000)
	assert.Zero(t, report.Failed)
}

// TestOneCheckpointOneRun: two runs of a warmer at the same time do not share it.
func TestOneCheckpointOneRun(t *testing.T) {
	w := warmer(t, lardertest.New(t), warmup.Options{Checkpoint: filepath.Join(t.TempDir(), "checkpoint")})
	_, err := w.Run(t.Context(), warmup.FromFunc(slices.Values([]string{"a"}), func(ctx context.Context, _ string) (any, error) {
		_, err := w.Run(ctx, warmup.FromMap(nil))
		return "v", err
	}))
	require.NoError(t, err)
	report, err := w.Run(t.Context(), warmup.FromFunc(slices.Values([]string{"a"}), func(ctx context.Context, _ string) (any, error) {
		_, err := w.Run(ctx, warmup.FromMap(nil))
		return "v", err
	}))
	require.NoError(t, err)
	require.Len(t, report.Errors, 1)
	require.ErrorIs(t, report.Errors[0], warmup.ErrCheckpoint)
}

// TestCancelledAtTheEnd: a context that ends while the last items are loaded cuts the run; one that ends when the last
// were stored does not.
func TestCancelledAtTheEnd(t *testing.T) {
	defer noneLeft(t, goleak.IgnoreCurrent())
	const n = 120
	keys := keysOf("k", n)
	path := filepath.Join(t.TempDir(), "checkpoint")
	opts := warmup.Options{Codec: codec.String, Rate: 1e9, Burst: 50, Workers: 2, Checkpoint: path}
	for _, at := range []int{n - 1, n} {
		rdb, stop := lardertest.Start()
		ctx, cancel := context.WithCancel(t.Context())
		l := &loads{at: at, do: func() error { cancel(); return nil }}
		report, err := warmer(t, rdb, opts).Run(ctx, warmup.FromFunc(slices.Values(keys), l.load))
		require.ErrorIs(t, err, context.Canceled)
		assert.Less(t, report.Stored, n)
		assert.Zero(t, report.Failed)
		report, err = warmer(t, rdb, opts).Run(t.Context(), warmup.FromFunc(slices.Values(keys), l.load))
		require.NoError(t, err)
		assert.Equal(t, n, report.Stored)
		stop()
	}

	rdb, stop := lardertest.Start()
	defer stop()
	ctx, cancel := context.WithCancelCause(t.Context())
	sent := 0
	rdb.AddHook(hook{after: func(cmds []redis.Cmder) {
		if sent += len(cmds); sent == n {
			cancel(nil)
		}
	}})
	opts.Workers = -1
	report, err := warmer(t, rdb, opts).Run(ctx, warmup.FromSlice(itemsOf(keys)))
	require.NoError(t, err)
	assert.Equal(t, n, report.Stored)
	assert.NoFileExists(t, path)

	// A context that ended before: nothing happens, and its cause is told.
	cause := errors.New("the shop is closed")
	ctx, cancel = context.WithCancelCause(t.Context())
	cancel(cause)
	_, err = warmer(t, rdb, opts).Run(ctx, warmup.FromSlice(itemsOf(keysOf("x", 10))))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	assert.Empty(t, rdb.Keys(t.Context(), "x*").Val())
}

// TestSequenceEndsWithContext: a sequence that looks at the context itself, and ends for it, has not ended.
func TestSequenceEndsWithContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := warmer(t, lardertest.New(t), warmup.Options{Checkpoint: path}).Run(ctx, warmup.FromSeq("s", -1, func(yield func(warmup.Item, error) bool) {
		if yield(warmup.Item{Key: "a", Value: 1}, nil) {
			cancel()
		}
	}))
	require.ErrorIs(t, err, context.Canceled)
	assert.FileExists(t, path)
}

// TestSequenceFails: an error with a key is an item's, one without is the sequence's if it is its last word.
func TestSequenceFails(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone}, func(t *testing.T, e redistest.Env) {
		cause, small := errors.New("the connection is lost"), errors.New("a bad row")
		path := filepath.Join(t.TempDir(), "checkpoint")
		w := warmer(t, e.Client, warmup.Options{Codec: codec.String, Checkpoint: path, Rate: 1e9, Burst: 20})
		keys := keysOf(e.Namespace, 100)
		rows := func(bad bool) iter.Seq2[warmup.Item, error] {
			return func(yield func(warmup.Item, error) bool) {
				for i, it := range itemsOf(keys) {
					var err error
					switch {
					case i == 70 && bad:
						yield(warmup.Item{}, cause)
						return
					case i == 10:
						err = small
					case i == 20:
						it, err = warmup.Item{}, small
					}
					if !yield(it, err) {
						return
					}
				}
			}
		}
		first, err := w.Run(t.Context(), warmup.FromSeq("rows", 100, rows(true)))
		require.ErrorIs(t, err, warmup.ErrSource)
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, warmup.ErrAborted)
		assert.Equal(t, []int{68, 2}, []int{first.Stored, first.Failed}, "what came before is stored")
		require.ErrorIs(t, first.Errors[0], small)
		second, err := w.Run(t.Context(), warmup.FromSeq("rows", 100, rows(false)))
		require.NoError(t, err)
		assert.Equal(t, []int{98, 2, 70}, []int{second.Stored, second.Failed, second.Resumed})
	})
}

// TestSequencePanics: the panic is the caller's, and nothing goes on behind it.
func TestSequencePanics(t *testing.T) {
	defer noneLeft(t, goleak.IgnoreCurrent())
	rdb, stop := lardertest.Start()
	defer stop()
	last := 0
	w := warmer(t, rdb, warmup.Options{Progress: func(p warmup.Progress) {
		if p.Last {
			last++
		}
	}})
	assert.PanicsWithValue(t, "oh", func() {
		_, _ = w.Run(t.Context(), warmup.FromFunc(func(yield func(string) bool) {
			for _, key := range keysOf("k", 1000) {
				yield(key)
			}
			panic("oh")
		}, func(_ context.Context, id string) (any, error) { return id, nil }))
	})
	assert.Equal(t, 1, last)
}
