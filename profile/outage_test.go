package profile_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/profile"
)

// ours are the commands that a Store sends, all but the greeting.
var ours = []string{"hgetall", "hmget", "evalsha", "eval"}

// kinds of trouble.
var troubles = map[string]lardertest.Fault{
	"refused": {Commands: ours, Refused: true},
	"hangs":   {Commands: ours, Delay: time.Hour},
	"loading": {Commands: ours, Error: "LOADING Redis is loading the dataset in memory"},
}

// TestOutage: with Redis down, a caller gets the loader's answer within its deadline; after the first failures none waits
// for Redis at all; each error that was swallowed is seen; when Redis is back it is noticed within a second, on a clock that
// does not mind how busy the machine is.
func TestOutage(t *testing.T) {
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
				const took = 5 * time.Millisecond
				l := numbers{took: took}
				var c counter
				s, err := profile.New(rdb, profile.Options[row]{Load: l.load, Hooks: c.hooks()})
				require.NoError(t, err)
				require.EqualValues(t, 1, get(t, s, "x"))
				require.EqualValues(t, 1, get(t, s, "x"))
				require.NoError(t, lardertest.SetFaults(rdb, trouble))
				for i := range 3 {
					ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
					r, err := s.Get(ctx, "x")
					cancel()
					require.NoError(t, err)
					require.EqualValues(t, i+2, r.N)
				}
				require.True(t, s.Open("x"))
				for range 100 {
					began := time.Now()
					get(t, s, "x")
					assert.LessOrEqual(t, time.Since(began), took+10*time.Millisecond, "the loader's time, and no more")
					many, err := s.GetMany(t.Context(), "x", "y")
					require.NoError(t, err)
					require.Len(t, many, 2)
				}
				assert.Len(t, c.errors("read"), 3+100+200)
				assert.ErrorIs(t, c.errors("read")[3], profile.ErrUnavailable)
				require.NoError(t, lardertest.SetFaults(rdb))
				back := time.Now()
				for hits := c.hits.Load(); c.hits.Load() == hits; {
					get(t, s, "x")
					if !assert.LessOrEqual(t, time.Since(back), time.Second) {
						break
					}
				}
				assert.False(t, s.Open("x"))
				time.Sleep(3 * time.Hour) // those that hang end when their client gives up
			})
		})
	}
}

// TestFailClosed: the error of Redis is returned, its cause kept, and the breaker spares the wait here, too.
func TestFailClosed(t *testing.T) {
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
				ctx := t.Context()
				var l numbers
				s, err := profile.New(rdb, profile.Options[row]{Load: l.load, OnRedisError: profile.FailClosed})
				require.NoError(t, err)
				plain, err := profile.New(rdb, profile.Options[row]{})
				require.NoError(t, err)
				require.NoError(t, lardertest.SetFaults(rdb, trouble))
				for range 5 {
					for _, s := range []*profile.Store[row]{s, plain} {
						began := time.Now()
						_, err := s.Get(ctx, "x")
						require.Error(t, err)
						assert.NotErrorIs(t, err, profile.ErrNotCached)
						assert.LessOrEqual(t, time.Since(began), 1100*time.Millisecond)
						_, err = s.GetMany(ctx, "x")
						require.ErrorContains(t, err, `"x"`)
						_, err = s.Peek(ctx, "x")
						require.Error(t, err)
						_, err = s.Modify(ctx, "x", func(*row) error { return nil })
						require.Error(t, err)
					}
				}
				_, err = s.Get(ctx, "x")
				require.ErrorIs(t, err, profile.ErrUnavailable)
				if trouble.Error != "" {
					require.ErrorContains(t, err, "LOADING")
				}
				assert.Zero(t, l.n.Load())
				require.NoError(t, lardertest.SetFaults(rdb))
				time.Sleep(3 * time.Hour)
			})
		})
	}
}

// TestInvalidateIsNeverSkipped: reads have given Redis up, and Invalidate asks it nonetheless; its success is what they wait for.
func TestInvalidateIsNeverSkipped(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		var l numbers
		s, err := profile.New(rdb, profile.Options[row]{Load: l.load})
		require.NoError(t, err)
		require.EqualValues(t, 1, get(t, s, "x"))
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"hgetall"}, Error: "LOADING"}))
		for range 4 {
			get(t, s, "x")
		}
		require.True(t, s.Open("x"))
		require.NoError(t, s.Invalidate(ctx, "x"))
		n, err := rdb.Exists(ctx, s.Key("x")).Result()
		require.NoError(t, err)
		assert.Zero(t, n)
		assert.False(t, s.Open("x"))
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Refused: true}))
		require.Error(t, s.Invalidate(ctx, "x"), "which may live on")
		require.Error(t, s.Invalidate(ctx, "x", "y"))
		require.NoError(t, lardertest.SetFaults(rdb))
	})
}

// TestLeaseRefused: where reads work and writes do not (out of memory, a replica), the loader is asked, and nothing stored.
func TestLeaseRefused(t *testing.T) {
	for _, code := range []string{"OOM command not allowed", "READONLY You can't write against a read only replica.", "NOPERM no"} {
		lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
			var l numbers
			var c counter
			s, err := profile.New(rdb, profile.Options[row]{Load: l.load, Hooks: c.hooks()})
			require.NoError(t, err)
			get(t, s, "warm")
			require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"evalsha"}, Error: code}))
			for i := range 5 {
				assert.EqualValues(t, i+2, get(t, s, "x"))
			}
			assert.Len(t, c.errors("lease"), 5)
			assert.False(t, s.Open("x"), "it answers")
			_, err = s.Increment(t.Context(), "warm", "n", 1)
			require.ErrorContains(t, err, strings.Fields(code)[0], "what the server said")
			require.NoError(t, lardertest.SetFaults(rdb))
		})
	}
}

// TestStoreFails: the loader has answered, and Redis is gone: its callers get the answer.
func TestStoreFails(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		var c counter
		var s *profile.Store[row]
		s, err := profile.New(rdb, profile.Options[row]{Hooks: c.hooks(), Load: func(context.Context, string) (row, error) {
			return row{N: 1}, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Delay: time.Hour})
		}})
		require.NoError(t, err)
		began := time.Now()
		assert.EqualValues(t, 1, get(t, s, "x"))
		assert.LessOrEqual(t, time.Since(began), 1100*time.Millisecond)
		assert.Len(t, c.errors("fill"), 1)
		require.NoError(t, lardertest.SetFaults(rdb))
		time.Sleep(3 * time.Hour)
	})
}

// TestLateLease: the answer to a reader who asked for a lease comes when it has gone to the loader. The lease is given back,
// so that the next reader need not wait for its end.
func TestLateLease(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		var l numbers
		s, err := profile.New(rdb, profile.Options[row]{Load: l.load, LoadTimeout: time.Hour})
		require.NoError(t, err)
		get(t, s, "warm")
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"evalsha"}, Delay: 30 * time.Second, Times: 1}))
		assert.EqualValues(t, 2, get(t, s, "x"))
		time.Sleep(time.Minute)
		n, err := rdb.Exists(t.Context(), s.Key("x")).Result()
		require.NoError(t, err)
		assert.Zero(t, n)
		began := time.Now()
		assert.EqualValues(t, 3, get(t, s, "x"))
		assert.Zero(t, time.Since(began))
	})
}

// TestImpatientCallers: callers whose deadlines are short say nothing about Redis.
func TestImpatientCallers(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		l := numbers{took: time.Second}
		s, err := profile.New(rdb, profile.Options[row]{Load: l.load})
		require.NoError(t, err)
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Delay: 50 * time.Millisecond}))
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			_, err := s.Get(ctx, "x")
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		assert.False(t, s.Open("x"))
		require.NoError(t, lardertest.SetFaults(rdb))
		time.Sleep(time.Hour)
	})
}

// TestHerdWithoutRedis: with Redis down, one load in each process for all who want the object.
func TestHerdWithoutRedis(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		l := numbers{took: time.Second}
		s, err := profile.New(rdb, profile.Options[row]{Load: l.load})
		require.NoError(t, err)
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Refused: true}))
		for range 4 {
			get(t, s, "x")
		}
		loads := l.n.Load()
		errs := make(chan error, 100)
		for range 100 {
			go func() {
				_, err := s.Get(ctx, "x")
				errs <- err
			}()
		}
		time.Sleep(500 * time.Millisecond)
		require.Error(t, s.Invalidate(ctx, "x"))
		later := make(chan error, 1)
		go func() { // it begins after a write of this process, acknowledged or not
			r, err := s.Get(ctx, "x")
			if err == nil && r.N != loads+2 {
				err = fmt.Errorf("it joined load %d", r.N)
			}
			later <- err
		}()
		for range 100 {
			require.NoError(t, <-errs)
		}
		require.NoError(t, <-later)
		assert.Equal(t, loads+2, l.n.Load())
		require.NoError(t, lardertest.SetFaults(rdb))
		time.Sleep(time.Hour)
	})
}

// TestRealOutage: a real server is stopped, hung, killed and started again under readers of each kind of client.
func TestRealOutage(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	for name, mod := range map[string]func(*redis.Options){
		"default":  func(o *redis.Options) {},
		"deadline": func(o *redis.Options) { o.ContextTimeoutEnabled = true },
	} {
		t.Run(name, func(t *testing.T) {
			rdb := server.Client(mod)
			var n atomic.Int64
			var c counter
			s, err := profile.New(rdb, profile.Options[row]{Namespace: name, RedisTimeout: 250 * time.Millisecond, Hooks: c.hooks(), Load: func(context.Context, string) (row, error) { return row{N: n.Add(1)}, nil }})
			require.NoError(t, err)
			for what, trouble := range map[string]struct{ breaks, mends func() }{
				"hung":   {server.Pause, server.Resume},
				"killed": {server.Kill, func() { server.Restart(t) }},
			} {
				redistest.Poll(t, "a hit", func() bool { get(t, s, "x"); return c.hits.Load() > 0 })
				trouble.breaks()
				redistest.Poll(t, "the breaker opens when it is "+what, func() bool { get(t, s, "x"); return s.Open("x") })
				assert.NotEmpty(t, c.errors("read"))
				hits := c.hits.Load()
				for range 100 {
					get(t, s, "x")
				}
				assert.Equal(t, hits, c.hits.Load())
				trouble.mends()
				redistest.Poll(t, "hits again after it was "+what, func() bool { get(t, s, "x"); return c.hits.Load() > hits })
				c.hits.Store(0)
			}
		})
	}
}

// TestOneNodeDown: on a cluster, a master that is down costs its own objects only.
func TestOneNodeDown(t *testing.T) {
	cluster := redistest.NewCluster(t)
	rdb := cluster.Client(func(o *redis.ClusterOptions) { o.ContextTimeoutEnabled = true })
	var n atomic.Int64
	var c counter
	s, err := profile.New(rdb, profile.Options[row]{Hooks: c.hooks(), Load: func(context.Context, string) (row, error) { return row{N: n.Add(1)}, nil }})
	require.NoError(t, err)
	assert.Equal(t, 64, s.Breakers())
	dead := cluster.Masters()[0]
	var down, up string
	for i := 0; down == "" || up == ""; i++ {
		if id := strconv.Itoa(i); cluster.MasterOf(s.Key(id)) == dead {
			down = id
		} else {
			up = id
		}
	}
	redistest.Poll(t, "hits", func() bool {
		get(t, s, up)
		get(t, s, down)
		return c.hits.Load() > 1
	})
	dead.Pause()
	defer dead.Resume()
	redistest.Poll(t, "its breaker opens", func() bool { get(t, s, down); return s.Open(down) })
	redistest.Poll(t, "the other node's is closed", func() bool { get(t, s, up); return !s.Open(up) })
	redistest.Poll(t, "the other objects are hits", func() bool {
		hits := c.hits.Load()
		many, err := s.GetMany(t.Context(), up, down)
		return err == nil && len(many) == 2 && c.hits.Load() == hits+1
	})
	for _, tag := range []string{"", "a", "user1000", "123456789"} {
		assert.Equal(t, redistest.Slot(tag), profile.Slot(tag), tag)
	}
}

// TestErrorTexts: errors name the package, the operation and the id.
func TestErrorTexts(t *testing.T) {
	s := newStore(t, lardertest.New(t), profile.Options[row]{})
	_, err := s.Get(t.Context(), "x")
	assert.EqualError(t, err, `profile: get "x": profile: not cached`)
	many := &profile.ManyError{Op: "get", Errs: map[string]error{"b": errors.New("two"), "a": context.Canceled}}
	assert.EqualError(t, many, `profile: get: 2 failed; "a": context canceled; "b": two`)
	assert.ErrorIs(t, many, context.Canceled)
	for i := range 100 {
		many.Errs[fmt.Sprint("id", i)] = errors.New("x")
	}
	assert.Contains(t, many.Error(), "and 94 more")
}
