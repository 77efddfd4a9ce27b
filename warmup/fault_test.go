package warmup_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/warmup"
)

// TestCut: connections that are cut, at any byte, cost nothing: what was not acknowledged is sent again.
func TestCut(t *testing.T) {
	ctx := t.Context()
	s := redistest.StandaloneServer(t)
	rdb := redistest.Standalone(t)
	p := redistest.NewProxy(t, "tcp", s.Addr())
	const seed = 5
	random := rand.New(rand.NewPCG(seed, 8))
	for round := range 24 {
		p.Heal()
		prefix := "cut" + time.Now().Format(".000000000") + ":"
		client := redis.NewClient(&redis.Options{Addr: p.Addr(), MaxRetries: -1, DialerRetries: 1})
		require.NoError(t, client.Ping(ctx).Err())
		var sends atomic.Int32
		client.AddHook(hook{before: func([]redis.Cmder) {
			if sends.Add(1) == 8 { // of 6 chunks: some were cut by now
				p.Heal()
			}
		}})
		opts := warmup.Options{Codec: codec.String, Workers: 2, Rate: 1e9, Burst: 50}
		if round%2 == 1 {
			opts.Mode = warmup.FillMissing
		}
		at := random.Int64N(1000)
		if round%4 < 2 {
			p.CutReplyAfter(at)
		} else {
			p.CutRequestAfter(10 * at)
		}
		keys := keysOf(prefix, 300)
		report, err := warmer(t, client, opts).Run(ctx, warmup.FromSlice(itemsOf(keys)))
		require.NoError(t, err, "seed %d, round %d", seed, round)
		assert.Zero(t, report.Failed)
		assert.Equal(t, 300, report.Stored+report.Skipped)
		if opts.Mode == warmup.Overwrite {
			assert.Zero(t, report.Skipped)
		}
		require.Equal(t, values(keys), stored(t, rdb, keys))
		require.Positive(t, rdb.PTTL(ctx, keys[299]).Val())
		_ = client.Close()
	}
}

// TestServerDies: a server that dies stops the run; once it is back, the run goes on.
func TestServerDies(t *testing.T) {
	ctx := t.Context()
	s := redistest.NewServer(t, redistest.ServerOptions{})
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: s.Socket(), MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = client.Close() }()
	var sends atomic.Int32
	client.AddHook(hook{before: func([]redis.Cmder) {
		if sends.Add(1) == 3 {
			s.Kill()
		}
	}})
	path := filepath.Join(t.TempDir(), "checkpoint")
	for _, mode := range []warmup.Mode{warmup.Overwrite, warmup.FillMissing} {
		keys := keysOf(fmt.Sprint(mode, ":"), 5000) // the last mode's are still there
		sends.Store(0)
		w := warmer(t, client, warmup.Options{Codec: codec.String, Checkpoint: path, Workers: 2, Mode: mode})
		first, err := w.Run(ctx, warmup.FromSlice(itemsOf(keys)))
		require.ErrorIs(t, err, warmup.ErrAborted)
		assert.Equal(t, 100, first.Failed)
		assert.LessOrEqual(t, first.Stored, 2000)
		s.Restart(t)
		second, err := w.Run(ctx, warmup.FromSlice(itemsOf(keys)))
		require.NoError(t, err)
		assert.LessOrEqual(t, second.Resumed, first.Stored)
		assert.Equal(t, []int{5000, 0}, []int{second.Stored, second.Failed})
		held, err := s.Client().DBSize(ctx).Result() // the pool of the other client still has connections to the dead
		require.NoError(t, err)
		assert.EqualValues(t, 5000-second.Resumed, held, "what the server lost is not known here")
	}
}

// TestCancelled: a run ends when its context does, at every stage, and leaves nothing behind.
func TestCancelled(t *testing.T) {
	defer noneLeft(t, goleak.IgnoreCurrent())
	rdb, stop := lardertest.Start()
	defer stop()
	for name, source := range map[string]func(ctx context.Context, cancel func()) warmup.Source{
		"while it loads": func(_ context.Context, cancel func()) warmup.Source {
			return warmup.FromFunc(slices.Values(keysOf("k", 10_000)), func(ctx context.Context, _ string) (any, error) {
				cancel()
				<-ctx.Done() // a loader is told
				return nil, ctx.Err()
			})
		},
		"while it gathers": func(_ context.Context, cancel func()) warmup.Source {
			return warmup.FromSeq("s", -1, func(yield func(warmup.Item, error) bool) {
				for i, it := range itemsOf(keysOf("k", 10_000)) {
					if i == 5000 {
						cancel()
					}
					if !yield(it, nil) {
						return
					}
				}
			})
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		report, err := warmer(t, rdb, warmup.Options{}).Run(ctx, source(ctx, cancel))
		require.ErrorIs(t, err, context.Canceled, name)
		require.NotErrorIs(t, err, warmup.ErrAborted, name)
		assert.Zero(t, report.Failed, name)
		assert.Less(t, report.Stored, 10_000, name)
	}
}

func TestProgress(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		var all []warmup.Progress
		var now atomic.Int32
		cause := context.Canceled
		items := itemsOf(keysOf("k", 300))
		items[7].Value, items[7].Load = nil, func(context.Context) (any, error) { return nil, cause }
		report, err := warmer(t, rdb, warmup.Options{Codec: codec.String, Rate: 10, Burst: 10, Workers: 3, Progress: func(p warmup.Progress) {
			assert.EqualValues(t, 1, now.Add(1), "one at a time")
			all = append(all, p)
			now.Add(-1)
		}}).Run(t.Context(), warmup.FromSlice(items))
		require.NoError(t, err)
		assert.Greater(t, len(all), 10)
		for i, p := range all {
			assert.EqualValues(t, 300, p.Total)
			assert.Equal(t, i == len(all)-1, p.Last)
			if i == 0 {
				continue
			}
			assert.GreaterOrEqual(t, p.Done, all[i-1].Done)
			assert.GreaterOrEqual(t, p.Bytes, all[i-1].Bytes)
			if i > 10 && !p.Last { // 10 a second
				assert.InEpsilon(t, 10, p.Rate, 0.2)
				assert.InDelta(t, float64(300-p.Done)/10, p.ETA.Seconds(), 5)
			}
		}
		last := all[len(all)-1]
		assert.EqualValues(t, 300, last.Done)
		assert.Equal(t, 1, last.Errors)
		assert.Equal(t, report.Bytes, last.Bytes)
		assert.Zero(t, last.ETA)

		// Without a total there is no ETA.
		_, err = warmer(t, rdb, warmup.Options{Progress: func(p warmup.Progress) { last = p }}).Run(t.Context(), warmup.FromSeq("s", -1, seqOf(items[10:20])))
		require.NoError(t, err)
		assert.EqualValues(t, -1, last.Total)
		assert.EqualValues(t, -1, last.ETA)
	})
}

// TestProgressIsSlow: who listens slowly, or panics, does not hold up the run, and hears the end.
func TestProgressIsSlow(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	var calls []warmup.Progress
	keys := keysOf("k", 4000)
	w := warmer(t, lardertest.New(t), warmup.Options{DryRun: true, Workers: -1, Progress: func(p warmup.Progress) {
		calls = append(calls, p)
		if len(calls) == 1 {
			<-release // closed when the last item is loaded
			panic("oh")
		}
	}})
	report, err := w.Run(t.Context(), warmup.FromFunc(slices.Values(keys), func(_ context.Context, id string) (any, error) {
		if id == keys[len(keys)-1] {
			once.Do(func() { close(release) })
		}
		return id, nil
	}))
	require.NoError(t, err)
	assert.Equal(t, 4000, report.Stored)
	require.NotEmpty(t, calls)
	assert.EqualValues(t, 4000, calls[len(calls)-1].Done)
	assert.True(t, calls[len(calls)-1].Last)
}

// heap is the memory in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestConstantMemory: a million items take no more memory than the first tenth of them.
func TestConstantMemory(t *testing.T) {
	n := 1_000_000
	if raceEnabled || testing.Short() {
		n = 50_000
	}
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	var early, late int64
	value := make([]byte, 50)
	report, err := warmer(t, rdb, warmup.Options{Checkpoint: filepath.Join(t.TempDir(), "checkpoint")}).Run(t.Context(),
		warmup.FromSeq("million", int64(n), func(yield func(warmup.Item, error) bool) {
			for i := range n {
				switch i {
				case n / 10:
					early = heap()
				case n - 1:
					late = heap()
				}
				it := warmup.Item{Key: keyOf(i % 200_000), Value: value}
				if i%10 == 0 {
					it.Value, it.Load = nil, func(context.Context) (any, error) { return value, nil }
				}
				if !yield(it, nil) {
					return
				}
			}
		}))
	require.NoError(t, err)
	assert.Equal(t, n, report.Stored)
	assert.Less(t, late-early, int64(8<<20))
	t.Logf("%d items in %v, %d KiB in use early, %d late", n, report.Elapsed, early>>10, late>>10)
}

func keyOf(i int) string {
	const digits = "0123456789"
	key := []byte("million:000000")
	for at := len(key) - 1; i > 0; at-- {
		key[at] = digits[i%10]
		i /= 10
	}
	return string(key)
}

// TestLargeValues: of loaded values that are large, few are loaded at once.
func TestLargeValues(t *testing.T) {
	const size = 256 << 10
	var now, most atomic.Int64 // loaded, and not yet sent
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	rdb.AddHook(hook{after: func(cmds []redis.Cmder) { now.Add(-int64(len(cmds))) }})
	report, err := warmer(t, rdb, warmup.Options{Codec: codec.String, Workers: 2}).Run(t.Context(),
		warmup.FromFunc(slices.Values(keysOf("k", 600)), func(context.Context, string) (any, error) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n) // races by one or two, which do not matter
			}
			return make([]byte, size), nil
		}))
	require.NoError(t, err)
	assert.Equal(t, 600, report.Stored)
	assert.LessOrEqual(t, most.Load(), int64(140), "the first blocks of 64, and then what fits")
}
