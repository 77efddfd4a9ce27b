package profile_test

import (
	"context"
	"fmt"
	"sync"
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

// TestWaitsAsLongAsTheLease: a load in another process takes long, and nobody here loses patience before its lease ends.
func TestWaitsAsLongAsTheLease(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		l := numbers{took: time.Minute}
		there := closed(t, rdb, profile.Options[row]{Load: l.load, LoadTimeout: 2 * time.Minute})
		var reads commands
		var c counter
		here := closed(t, rdb, profile.Options[row]{Load: l.load, LoadTimeout: 2 * time.Minute, Hooks: c.hooks()})
		rdb.AddHook(&reads)
		var all sync.WaitGroup
		all.Go(func() { assert.EqualValues(t, 1, get(t, there, "x")) })
		time.Sleep(time.Second)
		reads.take()
		const callers = 50
		for range callers {
			all.Go(func() {
				got, err := here.Get(ctx, "x")
				assert.NoError(t, err)
				assert.EqualValues(t, 1, got.N)
			})
		}
		all.Go(func() {
			got, err := here.GetMany(ctx, "x")
			assert.NoError(t, err)
			assert.EqualValues(t, 1, got["x"].N)
		})
		left, leave := context.WithCancel(ctx)
		all.Go(func() {
			_, err := here.Get(left, "x")
			assert.ErrorIs(t, err, context.Canceled)
		})
		time.Sleep(time.Second)
		leave()
		all.Wait()
		assert.EqualValues(t, 1, l.n.Load(), "one load")
		// Every 50 ms: once for all who wait in Get, and once for the GetMany.
		assert.Less(t, reads.take(), 2*60*1000/25+10*callers, "the waiters of a process look together")
	})
}

// TestNobodyWaitsAlone: where all who wait for another process have left, nothing goes on looking.
func TestNobodyWaitsAlone(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		l := numbers{took: time.Hour}
		there := closed(t, rdb, profile.Options[row]{Load: l.load, LoadTimeout: 2 * time.Hour})
		here := closed(t, rdb, profile.Options[row]{Load: l.load, LoadTimeout: 2 * time.Hour})
		go func() { _, _ = there.Get(context.WithoutCancel(t.Context()), "x") }()
		time.Sleep(time.Second)
		var c commands
		rdb.AddHook(&c)
		var all sync.WaitGroup
		ctx, leave := context.WithCancel(t.Context())
		for range 10 {
			all.Go(func() {
				_, err := here.Get(ctx, "x")
				assert.ErrorIs(t, err, context.Canceled)
			})
		}
		time.Sleep(time.Second)
		leave()
		all.Wait()
		assert.Positive(t, c.take())
		time.Sleep(time.Minute)
		assert.LessOrEqual(t, c.take(), 1, "the one that was under way")
		time.Sleep(2 * time.Hour)
	})
}

// TestAnswerWithinTheDeadline: the loader has answered, and Redis hangs when it is to store that: a caller with a deadline gets
// the answer before it.
func TestAnswerWithinTheDeadline(t *testing.T) {
	for _, many := range []bool{false, true} {
		lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
			s, err := profile.New(rdb, profile.Options[row]{Load: func(context.Context, string) (row, error) {
				return row{N: 1}, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Delay: time.Hour})
			}})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
			defer cancel()
			var got row
			if many {
				var all map[string]row
				all, err = s.GetMany(ctx, "x")
				got = all["x"]
			} else {
				got, err = s.Get(ctx, "x")
			}
			require.NoError(t, err)
			assert.EqualValues(t, 1, got.N)
			require.NoError(t, ctx.Err(), "in time")
			require.NoError(t, lardertest.SetFaults(rdb))
			time.Sleep(3 * time.Hour)
		})
	}
}

// TestLeaseOfNobody: a lease is asked for, the server hangs, and takes it when it goes on, for a load that never began. Whoever
// asked knows that, and does not wait for its end.
func TestLeaseOfNobody(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	for name, mod := range map[string]func(*redis.Options){
		"default":  func(o *redis.Options) { o.ReadTimeout = 300 * time.Millisecond },
		"deadline": func(o *redis.Options) { o.ContextTimeoutEnabled = true },
	} {
		for _, many := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/many=%v", name, many), func(t *testing.T) {
				rdb := server.Client(mod)
				var c commands
				var n atomic.Int64
				s, err := profile.New(rdb, profile.Options[row]{
					Namespace: fmt.Sprint(name, many), RedisTimeout: 100 * time.Millisecond, LoadTimeout: time.Hour,
					Load: func(context.Context, string) (row, error) { return row{N: n.Add(1)}, nil },
				})
				require.NoError(t, err)
				ask := func(ctx context.Context) error {
					if many {
						_, err := s.GetMany(ctx, "x", "y")
						return err
					}
					_, err := s.Get(ctx, "x")
					return err
				}
				_, err = s.Get(t.Context(), "warm")
				require.NoError(t, err)
				var once sync.Once
				c.before = func(name string) {
					if name == "evalsha" {
						once.Do(server.Pause)
					}
				}
				c.beforePipe = c.before
				rdb.AddHook(&c)
				defer server.Resume()
				require.NoError(t, ask(t.Context()))
				loads := n.Load()
				assert.Positive(t, loads)
				redistest.Poll(t, "whoever asked has given up", func() bool { return c.asking.Load() == 0 })
				server.Resume()
				redistest.Poll(t, "Redis is back", func() bool { return rdb.Ping(t.Context()).Err() == nil })
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				redistest.Poll(t, "it is loaded and stored", func() bool {
					require.NoError(t, ask(ctx))
					_, err := s.Peek(ctx, "x")
					return err == nil
				})
			})
		}
	}
}

// TestHungLoaderWithoutRedis: a loader that minds no context hangs while Redis is down. Its own callers wait for it; those who
// come when a lease would be over load anew.
func TestHungLoaderWithoutRedis(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		var n atomic.Int64
		s, err := profile.New(rdb, profile.Options[row]{Load: func(context.Context, string) (row, error) {
			if n.Add(1) == 1 {
				time.Sleep(time.Hour)
			}
			return row{N: n.Load()}, nil
		}})
		require.NoError(t, err)
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Refused: true}))
		var first sync.WaitGroup
		first.Go(func() { get(t, s, "x") })
		time.Sleep(7 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got, err := s.Get(ctx, "x")
		require.NoError(t, err)
		assert.EqualValues(t, 2, got.N)
		many, err := s.GetMany(ctx, "x")
		require.NoError(t, err)
		assert.Len(t, many, 1)
		first.Wait()
		require.NoError(t, lardertest.SetFaults(rdb))
		time.Sleep(time.Hour)
	})
}
