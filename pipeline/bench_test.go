package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
)

// The benchmarks set and read benchItems values of 100 bytes in one operation, on
// a real server over its unix socket: by this package, by go-redis pipelines of
// 500 as one writes them by hand, and by the fastest that go-redis allows, commands
// in slabs. Two workers each. The side-by-side comparison with rueidis is in the
// module bench.
const benchItems = 10_000

func benchData() (keys []string, value string) {
	return numbered("bench", benchItems), strings.Repeat("v", 100)
}

func report(b *testing.B, items int) {
	b.Helper()
	b.ReportMetric(float64(items)*float64(b.N)/b.Elapsed().Seconds(), "items/s")
}

func BenchmarkSet(b *testing.B) {
	keys, value := benchData()
	ctx := context.Background()
	b.Run("larder", func(b *testing.B) {
		batch := batcher(b, redistest.Standalone(b), pipeline.Options{Codec: codec.String})
		b.ReportAllocs()
		for b.Loop() {
			_, err := pipeline.Set(ctx, batch, func(yield func(string, string) bool) {
				for _, key := range keys {
					if !yield(key, value) {
						return
					}
				}
			}, pipeline.SetOptions{TTL: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
		}
		report(b, benchItems)
	})
	b.Run("by-hand", func(b *testing.B) {
		rdb := redistest.Standalone(b)
		b.ReportAllocs()
		for b.Loop() {
			chunks(b, keys, func(keys []string) error {
				pipe := rdb.Pipeline()
				for _, key := range keys {
					pipe.Set(ctx, key, value, time.Hour)
				}
				_, err := pipe.Exec(ctx)
				return err
			})
		}
		report(b, benchItems)
	})
	b.Run("slabs-by-hand", func(b *testing.B) {
		rdb := redistest.Standalone(b)
		free := sync.Pool{New: func() any { return new(slab) }}
		b.ReportAllocs()
		for b.Loop() {
			chunks(b, keys, func(keys []string) error {
				s := free.Get().(*slab) //nolint:errcheck,forcetypeassert // see New
				defer free.Put(s)
				return s.set(ctx, rdb, keys, value)
			})
		}
		report(b, benchItems)
	})
}

// slab is the fastest way that go-redis allows.
type slab struct {
	keys, values [500]string
	args         [500 * 5]any
	cmds         [500]redis.StatusCmd
	refs         [500]redis.Cmder
}

func (s *slab) set(ctx context.Context, rdb *redis.Client, keys []string, value string) error {
	var name, px, ttl any = "set", "px", "3600000"
	for i, key := range keys {
		s.keys[i] = key
		s.values[i] = string([]byte(value)) // what encoding costs everybody
		args := s.args[5*i : 5*i+5 : 5*i+5]
		args[0], args[1], args[2], args[3], args[4] = name, &s.keys[i], &s.values[i], px, ttl
		s.cmds[i] = *redis.NewStatusCmd(ctx, args...)
		s.refs[i] = &s.cmds[i]
	}
	pipe := rdb.Pipeline()
	_ = pipe.BatchProcess(ctx, s.refs[:len(keys)]...)
	_, err := pipe.Exec(ctx)
	return err
}

// chunks calls send with chunks of 500 keys, by two workers.
func chunks(b *testing.B, keys []string, send func(keys []string) error) {
	b.Helper()
	work := make(chan []string)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for keys := range work {
				if err := send(keys); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := 0; i < len(keys); i += 500 {
		work <- keys[i:min(i+500, len(keys))]
	}
	close(work)
	wg.Wait()
}

func BenchmarkGet(b *testing.B) {
	keys, value := benchData()
	ctx := context.Background()
	rdb := redistest.Standalone(b)
	chunks(b, keys, func(keys []string) error { return new(slab).set(ctx, rdb, keys, value) })
	b.Run("larder", func(b *testing.B) {
		batch := batcher(b, rdb, pipeline.Options{Codec: codec.String})
		b.ReportAllocs()
		for b.Loop() {
			got, err := pipeline.Get[string](ctx, batch, keys...)
			if err != nil || len(got) != benchItems {
				b.Fatal(len(got), err)
			}
		}
		report(b, benchItems)
	})
	b.Run("by-hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var mu sync.Mutex
			got := make(map[string]string, len(keys))
			chunks(b, keys, func(keys []string) error {
				pipe := rdb.Pipeline()
				cmds := make([]*redis.StringCmd, len(keys))
				for i, key := range keys {
					cmds[i] = pipe.Get(ctx, key)
				}
				_, err := pipe.Exec(ctx)
				mu.Lock()
				defer mu.Unlock()
				for i, cmd := range cmds {
					got[keys[i]] = cmd.Val()
				}
				return err
			})
		}
		report(b, benchItems)
	})
}

func BenchmarkIncrement(b *testing.B) {
	for _, ttl := range []time.Duration{0, time.Hour} {
		b.Run(fmt.Sprintf("ttl=%v", ttl), func(b *testing.B) {
			batch := batcher(b, redistest.Standalone(b), pipeline.Options{})
			deltas := each(numbered("counter", 1000), 1)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := batch.Increment(context.Background(), deltas, pipeline.CounterOptions{TTL: ttl}); err != nil {
					b.Fatal(err)
				}
			}
			report(b, 1000)
		})
	}
}

func BenchmarkTransact(b *testing.B) {
	batch := batcher(b, redistest.Standalone(b), pipeline.Options{})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		err := batch.Transact(ctx, func(tx *pipeline.Tx) error {
			tx.Queue().Incr(ctx, "{bench}a")
			return nil
		}, "{bench}a")
		if err != nil {
			b.Fatal(err)
		}
	}
}
