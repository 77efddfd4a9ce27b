package visitors

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/hll"
	"github.com/larder-go/larder/internal/once"
)

const (
	// mostCounted is how many keys one PFCOUNT may have: dense ones take the server 27 us each.
	mostCounted = 500
	// batch is how many commands go with one round trip. A dense sketch has 12 KiB.
	batch = 500
)

// count returns the union of sketches of one slot, in one round trip.
func (c *Counter) count(ctx context.Context, keys []string) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(keys) > mostCounted {
		return c.merge(ctx, keys)
	}
	var n int64
	var err error
	if len(keys) == 1 {
		n, err = c.rdb.PFCount(ctx, keys[0]).Result()
	} else {
		// Sent once: where a slot is being moved, go-redis would send all the neighbours in an AutoPipeliner's batch
		// again.
		cmd := pfcount(ctx, keys)
		err = once.Process(ctx, c.rdb, cmd)
		n = cmd.Val()
	}
	if elsewise(err) {
		return c.merge(ctx, keys)
	}
	return n, err
}

func pfcount(ctx context.Context, keys []string) *redis.IntCmd {
	args := make([]any, 0, 1+len(keys))
	args = append(args, "pfcount")
	for _, key := range keys {
		args = append(args, key)
	}
	return redis.NewIntCmd(ctx, args...)
}

// elsewise says whether what failed by PFCOUNT can be had by GET: the slot is being moved, the user or the server may
// not count, or the answer was lost.
func elsewise(err error) bool {
	if once.IsUnknown(err) {
		return true
	}
	switch once.Code(err) {
	case "TRYAGAIN", "NOPERM", "READONLY", "CROSSSLOT":
		return true
	default:
		return false
	}
}

// counts returns the unions of many sets of sketches of one slot, in one round trip a batch.
func (c *Counter) counts(ctx context.Context, sets [][]string) ([]int64, error) {
	counts := make([]int64, 0, len(sets))
	for len(counts) < len(sets) {
		part := sets[len(counts):]
		// A batch ends before its keys are too many.
		n, keys := 0, 0
		for n < len(part) && n < batch && (n == 0 || keys+len(part[n]) <= mostCounted) {
			keys += len(part[n])
			n++
		}
		some, err := c.countBatch(ctx, part[:n])
		if err != nil {
			return nil, err
		}
		counts = append(counts, some...)
	}
	return counts, nil
}

func (c *Counter) countBatch(ctx context.Context, sets [][]string) ([]int64, error) {
	if len(sets) == 1 {
		n, err := c.count(ctx, sets[0])
		return []int64{n}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cmds := make([]*redis.IntCmd, len(sets))
	_, failure := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, keys := range sets {
			cmds[i] = pfcount(ctx, keys)
			_ = p.Process(ctx, cmds[i])
		}
		return nil
	})
	counts := make([]int64, len(sets))
	for i, cmd := range cmds {
		err := cmd.Err()
		if elsewise(err) {
			return c.mergeSets(ctx, sets)
		}
		if err != nil {
			return nil, err
		}
		counts[i] = cmd.Val()
	}
	return counts, failure
}

// mergeSets does what counts does, by GET.
func (c *Counter) mergeSets(ctx context.Context, sets [][]string) ([]int64, error) {
	counts := make([]int64, len(sets))
	var keys []string
	var of []int // the set of each key
	for i, set := range sets {
		for _, key := range set {
			keys = append(keys, key)
			of = append(of, i)
		}
	}
	unions := map[int]*hll.Union{}
	err := c.sketches(ctx, len(keys), func(k int) string { return keys[k] }, func(k int, sketch []byte) error {
		i := of[k]
		if unions[i] == nil {
			unions[i] = new(hll.Union)
		}
		if err := unions[i].Add(sketch); err != nil {
			return err
		}
		if k+1 == len(keys) || of[k+1] != i { // the last of its set: 16 KiB that are done with
			counts[i] = unions[i].Count()
			delete(unions, i)
		}
		return nil
	})
	for i, u := range unions { // sets whose last keys are absent
		counts[i] = u.Count()
	}
	return counts, err
}

// merge returns the union of sketches of any slots, as PFCOUNT would count them if they were of one.
func (c *Counter) merge(ctx context.Context, keys []string) (int64, error) {
	return c.union(ctx, len(keys), func(i int) string { return keys[i] })
}

// union is merge for n keys that are made when they are needed: pages times buckets may be many.
func (c *Counter) union(ctx context.Context, n int, key func(i int) string) (int64, error) {
	var u hll.Union
	if err := c.sketches(ctx, n, key, func(_ int, sketch []byte) error { return u.Add(sketch) }); err != nil {
		return 0, err
	}
	return u.Count(), nil
}

// sketches gets those of n keys that are there, in order, in one round trip a batch. One GET a key, since MGET passes
// over foreign types, and takes keys of one slot only.
func (c *Counter) sketches(ctx context.Context, n int, key func(i int) string, each func(i int, sketch []byte) error) error {
	for first := 0; first < n; first += batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		cmds := make([]*redis.StringCmd, min(batch, n-first))
		_, failure := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range cmds {
				cmds[i] = p.Get(ctx, key(first+i))
			}
			return nil
		})
		for i, cmd := range cmds {
			sketch, err := cmd.Bytes()
			switch {
			case errors.Is(err, redis.Nil):
				continue
			case err != nil:
				return err
			}
			if err := each(first+i, sketch); err != nil {
				return fmt.Errorf("%.200q: %w", key(first+i), err)
			}
			cmd.SetVal("") // a batch has megabytes
		}
		if failure != nil && !errors.Is(failure, redis.Nil) {
			return failure
		}
	}
	return nil
}
