package profile_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/profile"
)

// deferred makes an AutoPipeliner that does not wait.
func deferred(t *testing.T, rdb interface {
	AsyncAutoPipeline() (*redis.AutoPipeliner, error)
}) *redis.AutoPipeliner {
	t.Helper()
	auto, err := rdb.AsyncAutoPipeline()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, auto.Close()) })
	return auto
}

// TestDeferred: a deferred AutoPipeliner is as good a client as any.
func TestDeferred(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone, redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		rdb, ok := e.Client.(interface {
			AsyncAutoPipeline() (*redis.AutoPipeliner, error)
		})
		require.True(t, ok)
		var c counter
		s := closed(t, deferred(t, rdb), profile.Options[user]{Namespace: e.Namespace, Hooks: c.hooks(), Load: func(_ context.Context, id string) (user, error) {
			return user{Name: id, Age: 1, Tags: []string{"a"}}, nil
		}})
		for i := range 40 { // several nodes
			id := strconv.Itoa(i)
			for range 2 {
				got, err := s.Get(ctx, id)
				require.NoError(t, err)
				require.Equal(t, user{Name: id, Age: 1, Tags: []string{"a"}}, got)
			}
			got, err := s.GetFields(ctx, id, "age")
			require.NoError(t, err)
			require.Equal(t, user{Age: 1}, got)
			n, err := s.Increment(ctx, id, "age", 1)
			require.NoError(t, err)
			require.EqualValues(t, 2, n)
			require.NoError(t, s.Invalidate(ctx, id))
			_, err = s.Peek(ctx, id)
			require.ErrorIs(t, err, profile.ErrNotCached)
		}
		assert.EqualValues(t, 40, c.loads.Load())
		require.NoError(t, e.Client.Set(ctx, s.Key("foreign"), "x", time.Minute).Err())
		_, err := s.Get(ctx, "foreign")
		require.ErrorIs(t, err, profile.ErrWrongType)
		_, err = s.GetFields(ctx, "foreign", "age")
		require.ErrorIs(t, err, profile.ErrWrongType)
	})
}

// TestDeferredHangs: what a deferred AutoPipeliner was asked is left where Redis hangs, at once by who leaves.
func TestDeferredHangs(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	s, err := profile.New(deferred(t, server.Client()), profile.Options[row]{
		RedisTimeout: 250 * time.Millisecond, Load: func(context.Context, string) (row, error) { return row{N: 1}, nil },
	})
	require.NoError(t, err)
	require.EqualValues(t, 1, get(t, s, "x"))
	server.Pause()
	t.Cleanup(server.Resume)
	patient := newStore(t, deferred(t, server.Client()), profile.Options[row]{})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := patient.Get(ctx, "x")
		left <- err
	}()
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	redistest.Poll(t, "the breaker opens", func() bool { get(t, s, "x"); return s.Open("x") })
	server.Resume()
	redistest.Poll(t, "Redis is back", func() bool { get(t, s, "x"); return !s.Open("x") })
}
