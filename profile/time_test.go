package profile_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/profile"
)

// numbers is a loader that counts: each load of an id gives the next number, after as long as it is told.
type numbers struct {
	n    atomic.Int64
	took time.Duration
	err  atomic.Pointer[error]
}

func (l *numbers) load(context.Context, string) (row, error) {
	time.Sleep(l.took) // on the bubble's clock
	if err := l.err.Load(); err != nil {
		return row{}, *err
	}
	return row{N: l.n.Add(1)}, nil
}

func (l *numbers) fail(err error) {
	if err == nil {
		l.err.Store(nil)
		return
	}
	l.err.Store(&err)
}

func get(t *testing.T, s *profile.Store[row], id string) int64 {
	t.Helper()
	r, err := s.Get(t.Context(), id)
	require.NoError(t, err)
	return r.N
}

// TestTTL: an object lives for its TTL, to the millisecond, and what keeps the TTL keeps it.
func TestTTL(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		var l numbers
		for _, ttl := range []time.Duration{time.Millisecond, 500 * time.Millisecond, time.Hour, 400 * 24 * time.Hour} {
			id := ttl.String()
			s := closed(t, rdb, profile.Options[row]{TTL: ttl, Jitter: -1, Load: l.load})
			first := get(t, s, id)
			if ttl > time.Millisecond {
				time.Sleep(ttl - time.Millisecond)
				assert.Equal(t, first, get(t, s, id))
				_, err := s.Increment(ctx, id, "n", 0)
				require.NoError(t, err)
				_, err = s.Update(ctx, id, map[string]any{"note": "x"})
				require.NoError(t, err)
				_, err = s.Modify(ctx, id, func(*row) error { return nil })
				require.NoError(t, err)
				left, err := s.TTL(ctx, id)
				require.NoError(t, err)
				assert.Equal(t, time.Millisecond, left)
			}
			time.Sleep(2 * time.Millisecond)
			_, err := s.Peek(ctx, id)
			require.ErrorIs(t, err, profile.ErrNotCached)
			assert.Equal(t, first+1, get(t, s, id))
			if ttl > time.Millisecond {
				time.Sleep(ttl / 2)
				done, err := s.Touch(ctx, id)
				require.NoError(t, err)
				require.True(t, done)
				left, err := s.TTL(ctx, id)
				require.NoError(t, err)
				assert.Equal(t, ttl, left)
			}
		}
	})
}

// TestJitter: times to live are spread over the whole of their range, and not beyond.
func TestJitter(t *testing.T) {
	assert.Equal(t, 90*time.Second, profile.SpreadBy(100*time.Second, 0.1, 0))
	assert.Equal(t, 100*time.Second, profile.SpreadBy(100*time.Second, 0.1, 0.5))
	assert.Equal(t, 110*time.Second, profile.SpreadBy(100*time.Second, 0.1, 1))
	assert.Equal(t, 100*time.Second, profile.SpreadBy(100*time.Second, 0, 1))
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		s := closed(t, rdb, profile.Options[row]{TTL: 100 * time.Second, Jitter: 0.5})
		seen := map[time.Duration]bool{}
		for i := range 50 {
			id := strconv.Itoa(i)
			require.NoError(t, s.Set(t.Context(), id, row{}))
			left, err := s.TTL(t.Context(), id)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, left, 50*time.Second-time.Millisecond)
			assert.LessOrEqual(t, left, 150*time.Second)
			seen[left] = true
		}
		assert.Greater(t, len(seen), 1)
	})
}

// TestNegative: absence is cached for NegativeTTL, or not at all, and is a value of its own.
func TestNegative(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		for _, stale := range []time.Duration{0, time.Hour} {
			var l numbers
			l.fail(fmt.Errorf("no such row: %w", profile.ErrNotFound))
			var c counter
			s := closed(t, rdb, profile.Options[row]{Namespace: fmt.Sprint(stale), NegativeTTL: time.Minute, Jitter: -1, StaleOnError: stale, Load: l.load, Hooks: c.hooks()})
			for range 2 {
				_, err := s.Get(ctx, "x")
				require.ErrorIs(t, err, profile.ErrNotFound)
			}
			all, err := s.GetMany(ctx, "x", "y")
			require.NoError(t, err)
			assert.Empty(t, all)
			assert.EqualValues(t, 2, c.loads.Load())
			time.Sleep(time.Minute)
			l.fail(nil)
			assert.EqualValues(t, 1, get(t, s, "x"))
			l.fail(profile.ErrNotFound)
			require.NoError(t, s.Invalidate(ctx, "x"))
			_, err = s.Get(ctx, "x")
			require.ErrorIs(t, err, profile.ErrNotFound)
			require.NoError(t, s.Set(ctx, "x", row{}))
			assert.Zero(t, get(t, s, "x"), "a value that is all zero is a hit")
		}
	})
}

// TestNegativeOff: with -1 every read of what is absent asks the loader, and nothing is kept, not what was there before either.
func TestNegativeOff(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		var l numbers
		var c counter
		s := closed(t, rdb, profile.Options[row]{NegativeTTL: -1, TTL: time.Minute, Jitter: -1, StaleOnError: time.Hour, Load: l.load, Hooks: c.hooks()})
		require.EqualValues(t, 1, get(t, s, "x"))
		time.Sleep(time.Minute)
		l.fail(profile.ErrNotFound)
		for range 2 {
			_, err := s.Get(ctx, "x")
			require.ErrorIs(t, err, profile.ErrNotFound)
		}
		assert.EqualValues(t, 3, c.loads.Load())
		n, err := rdb.Exists(ctx, s.Key("x")).Result()
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}

// TestStaleOnError: an expired value is served while the loader fails, for so long and no longer.
func TestStaleOnError(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		down := errors.New("database down")
		var l numbers
		var c counter
		s := closed(t, rdb, profile.Options[row]{TTL: time.Minute, Jitter: -1, StaleOnError: time.Hour, Load: l.load, Hooks: c.hooks()})
		require.EqualValues(t, 1, get(t, s, "x"))
		left, err := s.TTL(ctx, "x")
		require.NoError(t, err)
		assert.Equal(t, time.Minute, left, "the logical expiry, not the key's")
		l.fail(down)
		time.Sleep(time.Minute)

		// It has expired, for everybody but readers whose loader fails.
		_, err = s.Peek(ctx, "x")
		require.ErrorIs(t, err, profile.ErrNotCached)
		_, err = s.TTL(ctx, "x")
		require.ErrorIs(t, err, profile.ErrNotCached)
		done, err := s.Touch(ctx, "x")
		require.NoError(t, err)
		require.False(t, done)
		for range 3 {
			assert.EqualValues(t, 1, get(t, s, "x"))
		}
		many, err := s.GetMany(ctx, "x")
		require.NoError(t, err)
		assert.EqualValues(t, 1, many["x"].N)
		part, err := s.GetFields(ctx, "x", "n")
		require.NoError(t, err)
		assert.EqualValues(t, 1, part.N)
		assert.EqualValues(t, 5, c.stales.Load())
		assert.EqualValues(t, 6, c.loads.Load(), "each of them asked")

		l.fail(nil)
		assert.EqualValues(t, 2, get(t, s, "x"))
		l.fail(down)
		time.Sleep(time.Minute + time.Hour)
		_, err = s.Get(ctx, "x")
		require.ErrorIs(t, err, down, "too old")

		// That the object is gone beats what is left of it.
		l.fail(nil)
		require.EqualValues(t, 3, get(t, s, "x"))
		time.Sleep(time.Minute)
		l.fail(profile.ErrNotFound)
		_, err = s.Get(ctx, "x")
		require.ErrorIs(t, err, profile.ErrNotFound)
	})
}

// TestStaleNotAfterWrites: what was invalidated, or changed otherwise since, is never served stale.
func TestStaleNotAfterWrites(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		down := errors.New("database down")
		for _, name := range []string{"invalidate", "update", "increment"} {
			for _, expired := range []bool{false, true} {
				id := fmt.Sprint(name, expired)
				var l numbers
				s := closed(t, rdb, profile.Options[row]{TTL: time.Minute, Jitter: -1, StaleOnError: time.Hour, Load: l.load})
				require.EqualValues(t, 1, get(t, s, id))
				if expired {
					time.Sleep(time.Minute)
				}
				require.NoError(t, writes[name](ctx, s, id, 2))
				l.fail(down)
				if !expired {
					time.Sleep(time.Minute)
				}
				r, err := s.Get(ctx, id)
				if !expired && name != "invalidate" {
					require.NoError(t, err, id)
					assert.EqualValues(t, 2, r.N, id)
					continue
				}
				require.ErrorIs(t, err, down, id)
			}
		}
	})
}

// TestSliding: each hit renews the time to live, up to ten times TTL after the load.
func TestSliding(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		for _, stale := range []time.Duration{0, time.Hour} {
			ctx := t.Context()
			var l numbers
			s := closed(t, rdb, profile.Options[row]{Namespace: fmt.Sprint(stale), TTL: time.Minute, Jitter: -1, Sliding: true, StaleOnError: stale, Load: l.load})
			require.EqualValues(t, 1, get(t, s, "x"))
			began := time.Now()
			reads := []func() int64{
				func() int64 { return get(t, s, "x") },
				func() int64 {
					r, err := s.GetFields(ctx, "x", "n")
					require.NoError(t, err)
					return r.N
				},
				func() int64 {
					many, err := s.GetMany(ctx, "x")
					require.NoError(t, err)
					return many["x"].N
				},
			}
			for i := 0; time.Since(began) < 10*time.Minute-50*time.Second; i++ {
				time.Sleep(50 * time.Second)
				require.EqualValuesf(t, 1, reads[i%3](), "after %v", time.Since(began))
			}
			_, err := s.Peek(ctx, "x")
			require.NoError(t, err)
			left, err := s.TTL(ctx, "x")
			require.NoError(t, err)
			assert.Equal(t, 10*time.Minute-time.Since(began), left, "not beyond ten times TTL")
			time.Sleep(left)
			assert.EqualValues(t, 2, get(t, s, "x"))
			time.Sleep(time.Minute)
			assert.EqualValues(t, 3, get(t, s, "x"))
			time.Sleep(59 * time.Second)
			_, err = s.Peek(ctx, "x")
			require.NoError(t, err)
			time.Sleep(time.Second)
			assert.EqualValues(t, 4, get(t, s, "x"), "Peek renews nothing")
		}
	})
}

// TestReadsDoNotWrite: without Sliding, reads change neither the hash nor its expiry.
func TestReadsDoNotWrite(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		s := closed(t, rdb, profile.Options[row]{})
		require.NoError(t, s.Set(ctx, "x", row{N: 1}))
		before := rdb.HGetAll(ctx, s.Key("x")).Val()
		ttl := rdb.PTTL(ctx, s.Key("x")).Val()
		_, _ = s.Get(ctx, "x")
		_, _ = s.Peek(ctx, "x")
		_, _ = s.GetFields(ctx, "x", "n")
		_, _ = s.GetMany(ctx, "x", "y")
		_, _ = s.TTL(ctx, "x")
		assert.Equal(t, before, rdb.HGetAll(ctx, s.Key("x")).Val())
		assert.Equal(t, ttl, rdb.PTTL(ctx, s.Key("x")).Val())
		assert.Zero(t, rdb.Exists(ctx, s.Key("y")).Val())
	})
}

// TestRefreshAheadRule is XFetch's rule.
func TestRefreshAheadRule(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	const cost = time.Second
	assert.True(t, profile.Due(now, now, cost, 1, 1), "what has expired is due")
	assert.False(t, profile.Due(now, now.Add(time.Second), cost, 1, 1))
	assert.True(t, profile.Due(now, now.Add(time.Second), cost, 1, 0.3))   // -ln 0.3 = 1.2
	assert.False(t, profile.Due(now, now.Add(time.Second), cost, 1, 0.4))  // 0.92
	assert.True(t, profile.Due(now, now.Add(time.Second), cost, 2, 0.4))   // beta counts
	assert.True(t, profile.Due(now, now.Add(time.Second), 2*cost, 1, 0.4)) // and cost
	assert.True(t, profile.Due(now, now.Add(100*time.Hour), cost, 1, 0))
}

// TestRefreshAhead: a hit loads anew in the background, once; its caller gets the value that is there and does not wait.
func TestRefreshAhead(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		l := numbers{took: time.Second}
		var c counter
		s := closed(t, rdb, profile.Options[row]{TTL: time.Minute, Jitter: -1, RefreshAhead: 1e300, Load: l.load, Hooks: c.hooks()})
		require.EqualValues(t, 1, get(t, s, "x"))
		began := time.Now()
		for range 3 {
			require.EqualValues(t, 1, get(t, s, "x"))
		}
		_, err := s.GetMany(ctx, "x")
		require.NoError(t, err)
		_, err = s.GetFields(ctx, "x", "n")
		require.NoError(t, err)
		assert.Zero(t, time.Since(began), "nobody waited")
		time.Sleep(2 * time.Second)
		assert.EqualValues(t, 2, c.loads.Load(), "once")
		assert.EqualValues(t, 1, c.refreshes.Load())
		r, err := s.Peek(ctx, "x")
		require.NoError(t, err)
		assert.EqualValues(t, 2, r.N)

		// A refresh that fails leaves the value as it is, and is seen.
		l.fail(errors.New("down"))
		require.EqualValues(t, 2, get(t, s, "x"))
		time.Sleep(2 * time.Second)
		assert.Len(t, c.errors("refresh"), 1)
		r, err = s.Peek(ctx, "x")
		require.NoError(t, err)
		assert.EqualValues(t, 2, r.N)
		n, err := rdb.HExists(ctx, s.Key("x"), "@lease").Result()
		require.NoError(t, err)
		assert.False(t, n, "and no lease")

		// That the object is gone by now is stored.
		l.fail(profile.ErrNotFound)
		require.EqualValues(t, 2, get(t, s, "x"))
		time.Sleep(2 * time.Second)
		_, err = s.Peek(ctx, "x")
		require.ErrorIs(t, err, profile.ErrNotFound)

		// Without a lease, the loader is not asked.
		require.NoError(t, s.Set(ctx, "y", row{N: 9}))
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"evalsha"}, Error: "OOM command not allowed"}))
		loads := c.loads.Load()
		require.EqualValues(t, 9, get(t, s, "y"))
		time.Sleep(2 * time.Second)
		assert.Equal(t, loads, c.loads.Load())
		require.NoError(t, lardertest.SetFaults(rdb))
	})
}

// TestRefreshAheadSeldom: a load that is quick compared with what is left is not repeated.
func TestRefreshAheadSeldom(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		l := numbers{took: time.Millisecond}
		s := closed(t, rdb, profile.Options[row]{TTL: time.Hour, Jitter: -1, RefreshAhead: 1, Load: l.load})
		for range 100 { // -ln of a chance that is never 0 is below 40: a millisecond times 40
			require.EqualValues(t, 1, get(t, s, "x"))
		}
	})
}

// TestSchemaVersion: hashes of another version are misses, absent for Update, and never served stale.
func TestSchemaVersion(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		var l numbers
		l.n.Store(10)
		one := closed(t, rdb, profile.Options[row]{StaleOnError: time.Hour, Load: l.load})
		two := closed(t, rdb, profile.Options[row]{StaleOnError: time.Hour, SchemaVersion: 2, Load: l.load})
		require.NoError(t, one.Set(ctx, "x", row{N: 1}))
		_, err := two.Peek(ctx, "x")
		require.ErrorIs(t, err, profile.ErrNotCached)
		_, err = two.TTL(ctx, "x")
		require.ErrorIs(t, err, profile.ErrNotCached)
		done, err := two.Touch(ctx, "x")
		require.NoError(t, err)
		require.False(t, done)
		down := errors.New("down")
		l.fail(down)
		_, err = two.Get(ctx, "x")
		require.ErrorIs(t, err, down)
		l.fail(nil)
		require.EqualValues(t, 1, get(t, one, "x"))
		require.EqualValues(t, 11, get(t, two, "x"))
		require.EqualValues(t, 12, get(t, one, "x"), "and back")
		done, err = two.Update(ctx, "x", map[string]any{"n": 5})
		require.NoError(t, err)
		require.False(t, done)
		_, err = two.Increment(ctx, "x", "n", 1)
		require.ErrorIs(t, err, profile.ErrNotCached)
		_, err = one.Peek(ctx, "x")
		require.ErrorIs(t, err, profile.ErrNotCached, "older than the change")
	})
}

// TestLoadOutlivesItsLease: a load that is slower than its lease serves its own caller and stores nothing, whether its lease
// stood alone or beside an old value; another caller loads meanwhile, when the lease is over and not before.
func TestLoadOutlivesItsLease(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		for _, beside := range []bool{false, true} {
			id := strconv.FormatBool(beside)
			var loads atomic.Int64
			var c counter
			opts := profile.Options[row]{
				TTL: 10 * time.Hour, Jitter: -1, LoadTimeout: 5 * time.Second, Hooks: c.hooks(),
				Load: func(context.Context, string) (row, error) {
					n := loads.Add(1)
					if n == 1 {
						time.Sleep(time.Hour) // whatever its context says
					}
					return row{N: n}, nil
				},
			}
			slow, other := closed(t, rdb, opts), closed(t, rdb, opts)
			if beside {
				require.NoError(t, slow.Set(ctx, id, row{N: 77}))
				require.NoError(t, rdb.HSet(ctx, slow.Key(id), "n", "corrupt").Err())
			}
			first := make(chan int64, 1)
			go func() {
				r, _ := slow.Get(ctx, id)
				first <- r.N
			}()
			time.Sleep(time.Second)
			began := time.Now()
			assert.EqualValues(t, 2, get(t, other, id))
			assert.InDelta(t, 5*time.Second, time.Since(began), float64(200*time.Millisecond), "a lease lasts a second longer than a load may take")
			assert.EqualValues(t, 1, <-first)
			time.Sleep(time.Minute)
			assert.EqualValues(t, 1, c.lost.Load())
			assert.EqualValues(t, 2, get(t, slow, id))
		}
	})
}

// TestLeaseFromAWrongClock: beside an old value, a lease whose deadline is further ahead than a lease is long is dead; alone,
// the expiry of its key decides.
func TestLeaseFromAWrongClock(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		var l numbers
		s := closed(t, rdb, profile.Options[row]{StaleOnError: time.Hour, Load: l.load})
		key := s.Key("x")
		ahead := time.Now().Add(time.Hour).UnixMilli()
		require.NoError(t, rdb.HSet(ctx, key, "@meta", "1 v 0 t 1 2 3 note", "n", "7", "bumps", "0", "@lease", fmt.Sprint("other ", ahead)).Err())
		require.NoError(t, rdb.PExpire(ctx, key, time.Hour).Err())
		began := time.Now()
		assert.EqualValues(t, 1, get(t, s, "x"))
		assert.Zero(t, time.Since(began))

		for _, deadline := range []int64{ahead, 1} {
			require.NoError(t, rdb.Del(ctx, key).Err())
			require.NoError(t, rdb.HSet(ctx, key, "@lease", fmt.Sprint("other ", deadline)).Err())
			require.NoError(t, rdb.PExpire(ctx, key, 3*time.Second).Err())
			began = time.Now()
			get(t, s, "x")
			assert.InDelta(t, 3*time.Second, time.Since(began), float64(200*time.Millisecond))
		}
	})
}
