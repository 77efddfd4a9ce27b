package profile

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// readAsync is a read through a deferred AutoPipeliner, whose answer can be waited for with a context: it needs no goroutine.
func (s *Store[T]) readAsync(ctx context.Context, key string, fields []*field) (hash, error) {
	if fields != nil {
		names := fieldNames(fields)
		args := make([]any, 0, 2+len(names))
		args = append(args, "hmget", key)
		for _, name := range names {
			args = append(args, name)
		}
		cmd := redis.NewSliceCmd(ctx, args...)
		cmd.SetFirstKeyPos(1)
		if err := s.submit(ctx, cmd); err != nil {
			return nil, err
		}
		return zip(names, cmd.Val())
	}
	cmd := newRaw(ctx, key)
	if err := s.submit(ctx, cmd); err != nil {
		return nil, err
	}
	if h, ok := parseRaw(cmd.Val(), nil); ok {
		return h, nil
	}
	return bounded(ctx, s, key, nil, func(ctx context.Context) (hash, error) {
		return ordinary(s.rdb.HGetAll(ctx, key).Result())
	})
}

// submit sends a command that may be left behind: then it is not looked at any more.
func (s *Store[T]) submit(ctx context.Context, cmd redis.Cmder) error {
	limited, cancel := context.WithTimeout(ctx, s.budget(ctx))
	defer cancel()
	err := s.async.Submit(ctx, cmd).WaitContext(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return errors.Join(errSlow, err)
	}
	return err
}
