// Package bulk sets and reads many values by Larder's pipeline, by go-redis
// pipelines as they are written by hand, by the fastest that go-redis allows
// (commands in slabs), and by rueidis' DoMulti and MGET helper. All use chunks of
// 500 and two workers, and store with a time to live of an hour.
package bulk

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/pipeline"
)

// Chunk is how many commands go at once, and Workers how many chunks.
const (
	Chunk   = 500
	Workers = 2
)

// Store is one way to set and to read values.
type Store struct {
	Name string
	Set  func(ctx context.Context, keys []string, value string) error
	Get  func(ctx context.Context, keys []string) (map[string]string, error)
}

// Stores are all ways, on clients of the same server.
func Stores(rdb *redis.Client, rival rueidis.Client) ([]Store, error) {
	b, err := pipeline.New(rdb, pipeline.Options{Codec: codec.String, ChunkSize: Chunk, Workers: Workers})
	if err != nil {
		return nil, err
	}
	slabs := &sync.Pool{New: func() any { return new(slab) }}
	return []Store{
		{"larder", func(ctx context.Context, keys []string, value string) error {
			_, err := pipeline.Set(ctx, b, func(yield func(string, string) bool) {
				for _, key := range keys {
					if !yield(key, value) {
						return
					}
				}
			}, pipeline.SetOptions{TTL: time.Hour})
			return err
		}, func(ctx context.Context, keys []string) (map[string]string, error) {
			return pipeline.Get[string](ctx, b, keys...)
		}},
		{"go-redis", func(ctx context.Context, keys []string, value string) error {
			return chunks(keys, func(keys []string) error {
				pipe := rdb.Pipeline()
				for _, key := range keys {
					pipe.Set(ctx, key, value, time.Hour)
				}
				_, err := pipe.Exec(ctx)
				return err
			})
		}, func(ctx context.Context, keys []string) (map[string]string, error) {
			return gather(keys, func(keys []string, got func(key, value string)) error {
				pipe := rdb.Pipeline()
				cmds := make([]*redis.StringCmd, len(keys))
				for i, key := range keys {
					cmds[i] = pipe.Get(ctx, key)
				}
				_, err := pipe.Exec(ctx)
				for i, cmd := range cmds {
					got(keys[i], cmd.Val())
				}
				return err
			})
		}},
		{"go-redis slabs", func(ctx context.Context, keys []string, value string) error {
			return chunks(keys, func(keys []string) error {
				s := slabs.Get().(*slab) //nolint:forcetypeassert // see New
				defer slabs.Put(s)
				return s.set(ctx, rdb, keys, value)
			})
		}, nil},
		{"rueidis", func(ctx context.Context, keys []string, value string) error {
			return chunks(keys, func(keys []string) error {
				cmds := make(rueidis.Commands, len(keys))
				for i, key := range keys {
					cmds[i] = rival.B().Set().Key(key).Value(value).Px(time.Hour).Build()
				}
				for _, reply := range rival.DoMulti(ctx, cmds...) {
					if err := reply.Error(); err != nil {
						return err
					}
				}
				return nil
			})
		}, func(ctx context.Context, keys []string) (map[string]string, error) {
			return gather(keys, func(keys []string, got func(key, value string)) error {
				replies, err := rueidis.MGet(rival, ctx, keys)
				if err != nil {
					return err
				}
				for key, reply := range replies {
					value, err := reply.ToString()
					if err != nil {
						return err
					}
					got(key, value)
				}
				return nil
			})
		}},
	}, nil
}

// slab is the memory of the commands of a chunk.
type slab struct {
	keys, values [Chunk]string
	args         [Chunk * 5]any
	cmds         [Chunk]redis.StatusCmd
	refs         [Chunk]redis.Cmder
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
	_ = pipe.BatchProcess(ctx, s.refs[:len(keys)]...) // queues only
	_, err := pipe.Exec(ctx)
	return err
}

// chunks calls send with chunks of keys, by the workers.
func chunks(keys []string, send func(keys []string) error) error {
	work := make(chan []string)
	errs := make([]error, Workers)
	var wg sync.WaitGroup
	for i := range Workers {
		wg.Go(func() {
			for keys := range work {
				if err := send(keys); err != nil {
					errs[i] = fmt.Errorf("bulk: %w", err)
				}
			}
		})
	}
	for len(keys) > 0 {
		n := min(Chunk, len(keys))
		work <- keys[:n]
		keys = keys[n:]
	}
	close(work)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// gather reads chunks of keys, by the workers, into one map.
func gather(keys []string, get func(keys []string, got func(key, value string)) error) (map[string]string, error) {
	var mu sync.Mutex
	all := make(map[string]string, len(keys))
	err := chunks(keys, func(keys []string) error {
		part := make([][2]string, 0, len(keys))
		err := get(keys, func(key, value string) { part = append(part, [2]string{key, value}) })
		mu.Lock()
		defer mu.Unlock()
		for _, p := range part {
			all[p[0]] = p[1]
		}
		return err
	})
	return all, err
}
