package profile_test

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/profile"
)

// The names and signatures of the contract: this file compiles, or the contract is broken.
var (
	_ = profile.Options[user]{
		Namespace: "", TTL: time.Duration(0), Jitter: float64(0), Sliding: false,
		Load:        func(context.Context, string) (user, error) { return user{}, nil },
		LoadMany:    func(context.Context, []string) (map[string]user, error) { return nil, nil },
		LoadTimeout: time.Duration(0), NegativeTTL: time.Duration(0), RefreshAhead: float64(0), StaleOnError: time.Duration(0),
		RedisTimeout: time.Duration(0), OnRedisError: profile.FailOpen, Codec: codec.Msgpack, SchemaVersion: int(0), ReadYourWrites: false,
		Hooks: profile.Hooks{
			Hit: func(string) {}, Miss: func(string) {}, Negative: func(string) {}, Stale: func(string, error) {}, LeaseLost: func(string) {},
			Load: func(string, time.Duration, error) {}, Refresh: func(string) {}, Error: func(string, string, error) {},
		},
	}
	_ profile.Policy = profile.FailClosed
	_                = []error{
		profile.ErrNotFound, profile.ErrNotCached, profile.ErrConflict, profile.ErrWrongType, profile.ErrOutcomeUnknown,
		profile.ErrOverflow, profile.ErrUnknownField, profile.ErrUnavailable, profile.ErrCorrupt, profile.ErrGoexit,
		&profile.PanicError{}, &profile.ManyError{},
	}
	_ func(redis.UniversalClient, profile.Options[user]) (*profile.Store[user], error) = profile.New[user]

	_ interface {
		Get(ctx context.Context, id string) (user, error)
		GetMany(ctx context.Context, ids ...string) (map[string]user, error)
		Peek(ctx context.Context, id string) (user, error)
		GetFields(ctx context.Context, id string, fields ...string) (user, error)
		Set(ctx context.Context, id string, v user) error
		SetMany(ctx context.Context, values map[string]user) error
		Update(ctx context.Context, id string, fields map[string]any) (bool, error)
		Increment(ctx context.Context, id, field string, delta int64) (int64, error)
		Modify(ctx context.Context, id string, fn func(*user) error) (user, error)
		Invalidate(ctx context.Context, ids ...string) error
		Touch(ctx context.Context, id string) (bool, error)
		TTL(ctx context.Context, id string) (time.Duration, error)
	} = (*profile.Store[user])(nil)
)
