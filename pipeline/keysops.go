package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Delete deletes keys, each by a DEL of its own, in chunks. A key that was not
// there is Missing, as is the second mention of a key. A key whose deletion was
// not answered and that is gone at the next try is Applied.
//
// The error is nil if all keys are gone, and a [*BatchError] if not. One round
// trip a chunk of Options.ChunkSize keys; sent again up to Options.Retries times.
func (b *Batcher) Delete(ctx context.Context, keys ...string) (Report, error) {
	return b.each(ctx, "delete", keys, func(key string) redis.Cmder {
		return redis.NewIntCmd(ctx, "del", key)
	}, true)
}

// Expire gives keys the time to live ttl, a millisecond or more, counted by the
// server from when it runs the command. A key that is not there is Missing.
//
// The error is nil if all keys expire or are missing, and a [*BatchError] if not.
// One round trip a chunk of Options.ChunkSize keys; sent again up to
// Options.Retries times.
func (b *Batcher) Expire(ctx context.Context, ttl time.Duration, keys ...string) (Report, error) {
	if ttl < time.Millisecond {
		return Report{}, fmt.Errorf("pipeline: expire: the time to live is %v: it must be a millisecond or more", ttl)
	}
	ms := ttl.Milliseconds()
	return b.each(ctx, "expire", keys, func(key string) redis.Cmder {
		return redis.NewIntCmd(ctx, "pexpire", key, ms)
	}, false)
}

// each sends one command a key. gone says that 0 after a lost answer is the work
// of the lost try.
func (b *Batcher) each(ctx context.Context, op string, keys []string, command func(key string) redis.Cmder, gone bool) (Report, error) {
	if err := b.ready(); err != nil {
		return Report{}, err
	}
	if len(keys) == 0 {
		return Report{}, nil
	}
	r := b.newRun(ctx, op)
	r.again = true
	r.judge = func(cmd redis.Cmder, tried bool) verdict {
		if n, ok := cmd.(*redis.IntCmd); ok && n.Val() == 0 && (!gone || !tried) {
			return missing
		}
		return applied
	}
	defer r.crew.Wait()
	for i, key := range keys {
		if key == "" {
			r.refuse(i, key, errEmptyKey)
			continue
		}
		c := r.take(key, len(key)+overhead)
		c.index = append(c.index, i)
		c.keys = append(c.keys, key)
		c.cmds = append(c.cmds, command(key))
	}
	return r.finish()
}
