package warmup_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
	"github.com/larder-go/larder/warmup"
)

// sending is a pipeline that was sent.
type sending struct {
	at    time.Time
	count int
	bytes int
}

// watch notes the SETs that a client sends.
func watch(rdb *redis.Client) func() []sending {
	var mu sync.Mutex
	var all []sending
	rdb.AddHook(hook{before: func(cmds []redis.Cmder) {
		s := sending{at: time.Now(), count: len(cmds)}
		for _, cmd := range cmds {
			for _, arg := range cmd.Args()[1:3] {
				if text, ok := arg.(*string); ok {
					s.bytes += len(*text)
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, s)
	}})
	return func() []sending {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// requireRate holds every window of what was sent against a rate.
func requireRate(t *testing.T, sent []sending, rate, burst float64, size func(sending) int) {
	t.Helper()
	for i := range sent {
		total := 0
		for _, s := range sent[i:] {
			total += size(s)
			window := s.at.Sub(sent[i].at).Seconds()
			require.LessOrEqual(t, float64(total), rate*window+burst+1e-6, "from %d, in %vs", i, window)
		}
	}
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		rate        float64
		burst, want int // want: the burst that counts
	}{{100, 10, 10}, {100, 0, 10}, {5, 0, 1}, {1000, 40, 40}, {0.5, 1, 1}} {
		lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
			sent := watch(rdb)
			const n = 200
			begun := time.Now()
			report, err := warmer(t, rdb, warmup.Options{Rate: c.rate, Burst: c.burst, Workers: 3}).Run(t.Context(), warmup.FromSlice(itemsOf(keysOf("k", n))))
			require.NoError(t, err)
			require.Equal(t, n, report.Stored)
			requireRate(t, sent(), c.rate, float64(c.want), func(s sending) int { return s.count })
			// No faster than the rate, and no slower: the clock stands still but for it.
			want := float64(n-c.want) / c.rate
			assert.InEpsilon(t, want, time.Since(begun).Seconds(), 1e-3)
			assert.Equal(t, time.Since(begun), report.Elapsed)
		})
	}
}

// TestRateIsShared: two runs at the same time keep to one rate.
func TestRateIsShared(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		sent := watch(rdb)
		w := warmer(t, rdb, warmup.Options{Rate: 100, Burst: 10})
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				_, err := w.Run(t.Context(), warmup.FromSlice(itemsOf(keysOf(fmt.Sprintf("%d:", i), 60))))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		requireRate(t, sent(), 100, 10, func(s sending) int { return s.count })
	})
}

func TestBytesPerSecond(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		sent := watch(rdb)
		items := itemsOf(keysOf("k", 60))
		total := 0
		for i := range items {
			size := 194
			if i%20 == 7 {
				size = 4994 // larger than the burst
			}
			items[i].Value = strings.Repeat("x", size)
			total += size + 6
		}
		begun := time.Now()
		report, err := warmer(t, rdb, warmup.Options{Codec: codec.String, BytesPerSecond: 10_000}).Run(t.Context(), warmup.FromSlice(items))
		require.NoError(t, err)
		assert.EqualValues(t, total, report.Bytes)
		requireRate(t, sent(), 10_000, 1000+5000, func(s sending) int { return s.bytes })
		assert.InEpsilon(t, float64(total-1000)/10_000, time.Since(begun).Seconds(), 1e-3)
	})
}

// TestRateStops: who waits for the rate is stopped by the context, at once and not before.
func TestRateStops(t *testing.T) {
	for _, opts := range []warmup.Options{{Rate: 0.001, Burst: 1}, {BytesPerSecond: 1}} {
		lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
			begun := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			report, err := warmer(t, rdb, opts).Run(ctx, warmup.FromSlice(itemsOf(keysOf("k", 100))))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, warmup.ErrAborted)
			assert.Less(t, report.Stored, 2)
			assert.Zero(t, report.Failed)
			assert.Equal(t, 5*time.Second, time.Since(begun))
		})
	}
}

func TestSlowDown(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"PING"}, Delay: 200 * time.Millisecond, Times: 4}))
		sent := watch(rdb)
		begun := time.Now()
		report, err := warmer(t, rdb, warmup.Options{SlowDown: 50 * time.Millisecond, Workers: 3}).Run(t.Context(), warmup.FromSlice(itemsOf(keysOf("k", 1200))))
		require.NoError(t, err)
		assert.Equal(t, 1200, report.Stored)
		// Four slow PINGs, with the pauses between them.
		want := 4*200*time.Millisecond + (10+20+40+80)*time.Millisecond
		assert.Equal(t, want, sent()[0].at.Sub(begun), "nothing is sent while the server is slow")
	})
	// A server that becomes slow is noticed, also in the midst of a run.
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"PING"}, Delay: time.Minute, Skip: 2, Times: 1}))
		opts := *rdb.Options()
		opts.ReadTimeout = time.Hour
		patient := redis.NewClient(&opts)
		defer func() { _ = patient.Close() }()
		sent := watch(patient)
		_, err := warmer(t, patient, warmup.Options{SlowDown: time.Second, Rate: 10, Burst: 1, Workers: 2}).Run(t.Context(), warmup.FromSlice(itemsOf(keysOf("k", 20))))
		require.NoError(t, err)
		longest := time.Duration(0)
		for i, s := range sent()[1:] {
			longest = max(longest, s.at.Sub(sent()[i].at))
		}
		assert.Greater(t, longest, 59*time.Second)
	})
	// A PING that is refused holds up nobody: the SET will tell.
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"PING"}, Error: "NOPERM no"}))
		report, err := warmer(t, rdb, warmup.Options{SlowDown: time.Nanosecond}).Run(t.Context(), warmup.FromSlice(itemsOf(keysOf("k", 10))))
		require.NoError(t, err)
		assert.Equal(t, 10, report.Stored)
	})
	// A server that stays slow holds the run up until its context ends.
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"PING"}, Delay: time.Second}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		report, err := warmer(t, rdb, warmup.Options{SlowDown: time.Millisecond}).Run(ctx, warmup.FromSlice(itemsOf(keysOf("k", 2000))))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, report.Stored+report.Failed)
	})
}

// TestSlowDownEverywhere: all nodes are asked, on every client.
func TestSlowDownEverywhere(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		w := warmer(t, e.Client, warmup.Options{SlowDown: time.Hour})
		report, err := w.Run(t.Context(), warmup.FromSlice(itemsOf(keysOf(e.Namespace, 20))))
		require.NoError(t, err)
		assert.Equal(t, 20, report.Stored)
	})
}

// failing is a source whose every nth item fails, the first of them first.
func failing(n, every int, cause error) warmup.Source {
	items := itemsOf(keysOf("k", n))
	for i := range items {
		if i%every == 0 {
			items[i].Value, items[i].Load = nil, func(context.Context) (any, error) { return nil, cause }
		}
	}
	return warmup.FromSlice(items)
}

func TestStopRules(t *testing.T) {
	cause := errors.New("the database is gone")
	for name, c := range map[string]struct {
		opts       warmup.Options
		n, every   int
		stops      bool
		failed     int
		doneAtMost int // with one worker
	}{
		"max":                   {warmup.Options{MaxErrors: 7}, 600, 1, true, 7, 7},
		"max, others well":      {warmup.Options{MaxErrors: 7}, 600, 10, true, 7, 7},
		"first":                 {warmup.Options{MaxErrors: 1}, 600, 1, true, 1, 1},
		"default":               {warmup.Options{}, 5000, 20, true, 100, 2000},
		"just below":            {warmup.Options{}, 990, 10, false, 99, 990},
		"default ratio":         {warmup.Options{MaxErrors: -1}, 5000, 10, true, 100, 1000},
		"below default ratio":   {warmup.Options{MaxErrors: -1}, 5000, 11, false, 455, 5000},
		"ratio":                 {warmup.Options{MaxErrors: -1, MaxErrorRatio: 0.5}, 5000, 2, true, 500, 1000},
		"below ratio":           {warmup.Options{MaxErrors: -1, MaxErrorRatio: 0.5}, 5000, 3, false, 1667, 5000},
		"ratio of few":          {warmup.Options{MaxErrors: -1, MaxErrorRatio: 0.01}, 999, 1, false, 999, 999},
		"a given ratio of few":  {warmup.Options{MaxErrors: 500, MaxErrorRatio: 0.01}, 990, 2, false, 495, 990},
		"neither":               {warmup.Options{MaxErrors: -1, MaxErrorRatio: -1}, 3000, 1, false, 3000, 3000},
		"no ratio":              {warmup.Options{MaxErrorRatio: -1}, 3000, 30, true, 100, 3000},
		"ratio of one, failing": {warmup.Options{MaxErrors: -1, MaxErrorRatio: 1}, 3000, 1, true, 1000, 1000},
	} {
		for _, workers := range []int{-1, 4} {
			c.opts.Workers, c.opts.DryRun = workers, true
			report, err := warmer(t, lardertest.New(t), c.opts).Run(t.Context(), failing(c.n, c.every, cause))
			if !c.stops {
				require.NoError(t, err, name)
				assert.Equal(t, c.n, report.Stored+report.Failed, name)
				assert.Equal(t, c.failed, report.Failed, name)
				continue
			}
			require.ErrorIs(t, err, warmup.ErrAborted, name)
			require.ErrorIs(t, err, cause, name)
			if workers == -1 {
				assert.Equal(t, c.failed, report.Failed, name)
				assert.LessOrEqual(t, report.Stored+report.Failed, c.doneAtMost, name)
			}
			if c.opts.MaxErrors >= 0 { // exactly, however many work
				assert.Equal(t, c.failed, report.Failed, name)
			}
		}
	}
}

// TestOutOfMemory: a server without memory ends the run at once, whatever the rules are.
func TestOutOfMemory(t *testing.T) {
	rules := warmup.Options{MaxErrors: -1, MaxErrorRatio: -1}
	rdb := lardertest.New(t)
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"SET"}, Skip: 30, Error: "OOM command not allowed when used memory > 'maxmemory'."}))
	rules.Rate, rules.Burst, rules.Workers = 1e6, 20, -1
	report, err := warmer(t, rdb, rules).Run(t.Context(), warmup.FromSlice(itemsOf(keysOf("k", 3000))))
	require.ErrorIs(t, err, warmup.ErrAborted)
	require.ErrorContains(t, err, "out of memory")
	assert.Equal(t, 30, report.Stored)
	assert.LessOrEqual(t, report.Failed, 10)

	s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory", "4mb", "--maxmemory-policy", "noeviction"}})
	n := 0
	report, err = warmer(t, s.Client(), warmup.Options{Codec: codec.String, MaxErrors: -1, MaxErrorRatio: -1}).Run(t.Context(),
		warmup.FromSeq("large", -1, func(yield func(warmup.Item, error) bool) {
			for ; n < 1e6 && yield(warmup.Item{Key: strconv.Itoa(n), Value: strings.Repeat("x", 1000)}, nil); n++ {
			}
		}))
	require.ErrorIs(t, err, warmup.ErrAborted)
	_, ok := errors.AsType[redis.Error](err)
	assert.True(t, ok)
	assert.Less(t, n, 50_000)
	assert.EqualValues(t, report.Stored, s.Client().DBSize(t.Context()).Val())
}

func TestErrorsAreBounded(t *testing.T) {
	report, err := warmer(t, lardertest.New(t), warmup.Options{DryRun: true, MaxErrors: -1, MaxErrorRatio: -1}).Run(t.Context(), failing(5000, 1, errors.New("no")))
	require.NoError(t, err)
	assert.Equal(t, 5000, report.Failed)
	assert.Len(t, report.Errors, 100)
	assert.Less(t, len((&warmup.ItemError{Key: strings.Repeat("k", 1e6), Err: errors.New("no")}).Error()), 1000)
}

// TestRefusals: what a server refuses is counted and told by item.
func TestRefusals(t *testing.T) {
	rdb := lardertest.New(t)
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"SET"}, Skip: 10, Times: 5, Error: "NOPERM this key is not yours"}))
	var told atomic.Int32
	report, err := warmer(t, rdb, warmup.Options{Progress: func(p warmup.Progress) { told.Store(int32(p.Errors)) }}).Run(t.Context(), warmup.FromSlice(itemsOf(keysOf("k", 40))))
	require.NoError(t, err)
	assert.Equal(t, []int{35, 5}, []int{report.Stored, report.Failed})
	assert.EqualValues(t, 35*(6+8), report.Bytes)
	assert.EqualValues(t, 5, told.Load())
	it, ok := errors.AsType[*warmup.ItemError](report.Errors[0])
	require.True(t, ok)
	assert.Equal(t, "k00010", it.Key)
	assert.Contains(t, it.Error(), "NOPERM")
}
