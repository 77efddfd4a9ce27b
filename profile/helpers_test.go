package profile_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/profile"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
		return
	}
	os.Exit(redistest.Main(m))
}

// user is what most tests store.
type user struct {
	Name   string
	Age    int
	Visits int64
	Email  *string
	Tags   []string
}

// make a Store whose reads wait for a minute before they take Redis for dead: a busy machine is no outage.
func newStore[T any](tb testing.TB, rdb redis.UniversalClient, opts profile.Options[T]) *profile.Store[T] {
	tb.Helper()
	opts.RedisTimeout = time.Minute
	s, err := profile.New(rdb, opts)
	require.NoError(tb, err)
	return s
}

// closed is newStore for tests that count loads: it never goes past Redis.
func closed[T any](tb testing.TB, rdb redis.UniversalClient, opts profile.Options[T]) *profile.Store[T] {
	tb.Helper()
	opts.OnRedisError = profile.FailClosed
	return newStore(tb, rdb, opts)
}

// counter counts what hooks see.
type counter struct {
	hits, misses, negatives, stales, loads, refreshes, lost atomic.Int64

	mu   sync.Mutex
	errs map[string][]error
}

func (c *counter) hooks() profile.Hooks {
	return profile.Hooks{
		Hit:       func(string) { c.hits.Add(1) },
		Miss:      func(string) { c.misses.Add(1) },
		Negative:  func(string) { c.negatives.Add(1) },
		Stale:     func(string, error) { c.stales.Add(1) },
		Load:      func(string, time.Duration, error) { c.loads.Add(1) },
		Refresh:   func(string) { c.refreshes.Add(1) },
		LeaseLost: func(string) { c.lost.Add(1) },
		Error: func(op, id string, err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.errs == nil {
				c.errs = map[string][]error{}
			}
			c.errs[op] = append(c.errs[op], fmt.Errorf("%s: %w", id, err))
		},
	}
}

func (c *counter) errors(op string) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]error(nil), c.errs[op]...)
}

// commands counts what a client sends, and can be told to do something before or after a command.
type commands struct {
	mu     sync.Mutex
	trips  int
	names  []string
	before func(name string)
	after  func(name string)

	beforePipe func(name string) // of the first command of a pipeline
	asking     atomic.Int64      // how many calls are under way
}

func (c *commands) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.asking.Add(1)
		defer c.asking.Add(-1)
		before, after := c.note(cmd.Name())
		if before != nil {
			before(cmd.Name())
		}
		err := next(ctx, cmd)
		if after != nil {
			after(cmd.Name())
		}
		return err
	}
}

func (c *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.asking.Add(1)
		defer c.asking.Add(-1)
		var names []string
		for _, cmd := range cmds {
			names = append(names, cmd.Name())
		}
		if len(names) > 0 && names[0] != "hello" && names[0] != "client" {
			c.note(names...)
			if c.beforePipe != nil {
				c.beforePipe(names[0])
			}
		}
		return next(ctx, cmds)
	}
}

func (c *commands) note(names ...string) (before, after func(string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if names[0] != "hello" && names[0] != "client" {
		c.trips++
		c.names = append(c.names, names...)
	}
	return c.before, c.after
}

// take returns the round trips since it was last called.
func (c *commands) take() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.trips
	c.trips, c.names = 0, nil
	return n
}

// expires checks that a key, if it is there, has an expiry.
func expires(t *testing.T, rdb redis.UniversalClient, key string) {
	t.Helper()
	d, err := rdb.PTTL(t.Context(), key).Result()
	require.NoError(t, err)
	assert.NotEqualf(t, time.Duration(-1), d, "%s has no expiry", key)
}

// commandCalls finds how often a command ran in INFO commandstats.
func commandCalls(info, name string) int64 {
	_, rest, ok := strings.Cut(info, "cmdstat_"+name+":calls=")
	if !ok {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ",")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// deafCache keeps what HGETALL and HMGET returned first, for ever, as a client-side cache does that no invalidation reaches.
type deafCache struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (d *deafCache) DialHook(next redis.DialHook) redis.DialHook { return next }

func (d *deafCache) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (d *deafCache) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		all, ok := cmd.(*redis.RawCmd)
		if !ok || cmd.Name() != "hgetall" {
			return next(ctx, cmd)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		key := fmt.Sprint(cmd.Args()[1])
		if kept, ok := d.kept[key]; ok {
			all.SetVal(kept)
			return nil
		}
		err := next(ctx, cmd)
		if err == nil {
			d.kept[key] = all.Val()
		}
		return err
	}
}
