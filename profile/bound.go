package profile

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

func random() float64 { return rand.Float64() }

// mindsDeadlines says whether the client itself gives up when a context's deadline has passed.
func mindsDeadlines(rdb redis.UniversalClient) bool {
	switch c := rdb.(type) {
	case *redis.Client:
		return c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		return c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		return c.Options().ContextTimeoutEnabled
	default: // an AutoPipeliner does not mind contexts, and of others nothing is known
		return false
	}
}

// errSlow says that Redis did not answer in its time.
var errSlow = errors.New("redis did not answer in time")

// budget is for how long a read waits for Redis: no longer than half of the caller's time, so that the loader gets the other.
func (s *Store[T]) budget(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(s.opts.RedisTimeout, time.Until(deadline)/2)
	}
	return s.opts.RedisTimeout
}

// bounded calls fn, which asks Redis, and waits for as long as the budget of Redis says, or for half of what is left of the
// caller's time, so that the loader gets the other half. A client without ContextTimeoutEnabled cannot be hurried: the call
// is left to a goroutine of its own then, which ends when the client gives up; what came of it is told to the breaker of the
// key, and to late.
func bounded[T, R any](ctx context.Context, s *Store[T], key string, late func(R, error), fn func(context.Context) (R, error)) (R, error) {
	var zero R
	budget := s.budget(ctx)
	if s.direct {
		limited, cancel := context.WithTimeout(ctx, budget)
		defer cancel()
		r, err := fn(limited)
		if err != nil && limited.Err() != nil && ctx.Err() == nil {
			return zero, errors.Join(errSlow, err)
		}
		return r, err
	}
	type result struct {
		value R
		err   error
	}
	const delivered, abandoned = 1, 2
	var state atomic.Int32
	done := make(chan result, 1)
	go func() {
		deepen()
		r, err := fn(context.WithoutCancel(ctx))
		switch {
		case state.CompareAndSwap(0, delivered):
			done <- result{r, err}
		default:
			if !isDown(err) {
				s.breaker(key).succeed()
			}
			if late != nil {
				late(r, err)
			}
		}
	}()
	timer := time.NewTimer(budget)
	defer timer.Stop()
	var err error
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = errSlow
	}
	if !state.CompareAndSwap(0, abandoned) {
		r := <-done // it came at the last moment
		return r.value, r.err
	}
	return zero, err
}

// deepen lets the stack of a new goroutine grow to what a call of go-redis takes while there is nothing on it to be moved:
// growing on the way down took a sixth of the time of the call.
//
//go:noinline
func deepen() {
	var room [6 << 10]byte
	keep(&room)
}

//go:noinline
func keep(*[6 << 10]byte) {}
