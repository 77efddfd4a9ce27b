package lardertest_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/larder-go/larder/lardertest"
)

// TestNothingIsLeft: what Start starts ends with stop. (It is not parallel, so that no other test is at work.)
func TestNothingIsLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	rdb, stop := lardertest.Start()
	require.NoError(t, rdb.Ping(t.Context()).Err())
	stop()
	require.Eventually(t, func() bool { return goleak.Find(before) == nil }, time.Minute, 10*time.Millisecond)
}

// TestOneClock: a sleep moves the expiry of keys and of hash fields, TIME, and time.Now together.
func TestOneClock(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		start := time.Now()
		assert.Equal(t, "2000-01-01T00:00:00Z", start.UTC().Format(time.RFC3339))
		require.NoError(t, rdb.Set(t.Context(), "k", "v", time.Hour).Err())
		time.Sleep(time.Hour - time.Millisecond)
		assert.Equal(t, "v", rdb.Get(t.Context(), "k").Val())
		assert.Equal(t, time.Millisecond, rdb.PTTL(t.Context(), "k").Val())
		time.Sleep(time.Millisecond)
		require.ErrorIs(t, rdb.Get(t.Context(), "k").Err(), redis.Nil)

		// Days and years, and what is given as an absolute moment.
		at := start.AddDate(3, 0, 0)
		require.NoError(t, rdb.Set(t.Context(), "k", "v", 0).Err())
		require.NoError(t, rdb.PExpireAt(t.Context(), "k", at).Err())
		time.Sleep(time.Until(at) - time.Second)
		assert.Equal(t, time.Second, rdb.PTTL(t.Context(), "k").Val())
		time.Sleep(time.Second)
		assert.Zero(t, rdb.Exists(t.Context(), "k").Val())
		assert.True(t, rdb.Time(t.Context()).Val().Equal(time.Now()))
	})
}

// TestEmpty: each client has a Redis of its own, and one bubble after the other works in one process.
func TestEmpty(t *testing.T) {
	for range 3 {
		lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
			assert.Zero(t, rdb.DBSize(t.Context()).Val())
			require.NoError(t, rdb.Set(t.Context(), "k", "v", 0).Err())
		})
	}
	a, b := lardertest.New(t), lardertest.New(t)
	require.NoError(t, a.Set(t.Context(), "k", "v", 0).Err())
	assert.Equal(t, int64(1), a.DBSize(t.Context()).Val())
	assert.Zero(t, b.DBSize(t.Context()).Val())
}

// TestParallel: bubbles of parallel tests wait for each other.
func TestParallel(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
				time.Sleep(time.Hour)
				require.NoError(t, rdb.Ping(t.Context()).Err())
			})
		})
	}
}

// TestLongPipeline: no pipeline is too long, whatever its replies are.
func TestLongPipeline(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		value := strings.Repeat("x", 100)
		cmds, err := rdb.Pipelined(t.Context(), func(p redis.Pipeliner) error {
			for n := range 10000 {
				p.Set(t.Context(), strconv.Itoa(n%100), value, 0)
				p.Get(t.Context(), strconv.Itoa(n%100))
			}
			return nil
		})
		require.NoError(t, err)
		assert.Len(t, cmds, 20000)
	})
}

// TestManyAtOnce: goroutines and every kind of AutoPipeliner, in one bubble after the other, and outside after them.
func TestManyAtOnce(t *testing.T) {
	for range 2 {
		lardertest.Run(t, manyAtOnce)
		manyAtOnce(t, lardertest.New(t))
	}
}

func manyAtOnce(t *testing.T, rdb *redis.Client) {
	t.Helper()
	clients := []redis.UniversalClient{rdb}
	for _, make := range []func(*redis.Client) (*redis.AutoPipeliner, error){
		func(c *redis.Client) (*redis.AutoPipeliner, error) { return c.AutoPipeline() },
		func(c *redis.Client) (*redis.AutoPipeliner, error) { return c.AsyncAutoPipeline() },
		func(c *redis.Client) (*redis.AutoPipeliner, error) {
			return c.AutoPipelineWithOptions(&redis.AutoPipelineOptions{FullDuplex: true})
		},
	} {
		opts := *rdb.Options() // an AutoPipeliner is its client's
		opts.PoolSize, opts.PoolTimeout = 2, time.Hour
		c := redis.NewClient(&opts)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		auto, err := make(c)
		require.NoError(t, err)
		clients = append(clients, c, auto)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 5 {
				for n, c := range clients {
					_, err := c.Incr(t.Context(), strconv.Itoa(n)).Result()
					assert.NoError(t, err)
				}
			}
		})
	}
	wg.Wait()
	for n := range clients {
		assert.Equal(t, "100", rdb.Get(t.Context(), strconv.Itoa(n)).Val())
	}
}

// TestClusterClient: a ClusterClient takes the Redis for a cluster of one node.
func TestClusterClient(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		addr := rdb.Options().Addr
		cluster := redis.NewClusterClient(&redis.ClusterOptions{
			Dialer:   rdb.Options().Dialer,
			PoolSize: rdb.Options().PoolSize,
			ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) {
				return []redis.ClusterSlot{{Start: 0, End: 16383, Nodes: []redis.ClusterNode{{Addr: addr}}}}, nil
			},
		})
		t.Cleanup(func() {
			require.NoError(t, cluster.Close())
			time.Sleep(time.Second) // its last goroutine sleeps, too
		})
		require.NoError(t, cluster.Set(t.Context(), "k", "v", time.Hour).Err())
		assert.Equal(t, "v", rdb.Get(t.Context(), "k").Val())
		require.NoError(t, cluster.PFAdd(t.Context(), "{h}1", "a", "b").Err())
		require.NoError(t, cluster.PFAdd(t.Context(), "{h}2", "b", "c").Err())
		assert.Equal(t, int64(3), cluster.PFCount(t.Context(), "{h}1", "{h}2").Val())
	})
}

// TestBlocking: what waits on a server waits on the bubble's clock.
func TestBlocking(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		start := time.Now()
		require.ErrorIs(t, rdb.BLPop(t.Context(), 30*time.Second, "list").Err(), redis.Nil)
		assert.Equal(t, 30*time.Second, time.Since(start))

		sub := rdb.Subscribe(t.Context(), "news")
		t.Cleanup(func() { require.NoError(t, sub.Close()) })
		_, err := sub.Receive(t.Context())
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Hour)
			assert.NoError(t, rdb.Publish(t.Context(), "news", "late").Err())
		})
		message, err := sub.ReceiveMessage(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "late", message.Payload)
		assert.Equal(t, time.Hour+30*time.Second, time.Since(start))
		wg.Wait()
	})
}

// TestOtherOptions: a client with other options reaches the same Redis.
func TestOtherOptions(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		opts := *rdb.Options()
		opts.Protocol, opts.DB = 2, 3
		other := redis.NewClient(&opts)
		t.Cleanup(func() { require.NoError(t, other.Close()) })
		require.NoError(t, other.Set(t.Context(), "k", "v", 0).Err())
		require.NoError(t, other.PFAdd(t.Context(), "h", "a").Err())
		assert.Zero(t, rdb.DBSize(t.Context()).Val())
		assert.Equal(t, int64(2), other.DBSize(t.Context()).Val())
		assert.Equal(t, int64(1), other.PFCount(t.Context(), "h", "none").Val())
	})
}

// TestStop: a client that was stopped says so, and may be stopped again.
func TestStop(t *testing.T) {
	t.Parallel()
	rdb, stop := lardertest.Start()
	opts := *rdb.Options()
	opts.MaxRetries = -1
	other := redis.NewClient(&opts)
	defer func() { assert.NoError(t, other.Close()) }()
	require.NoError(t, rdb.Ping(t.Context()).Err())
	require.NoError(t, other.Ping(t.Context()).Err())
	stop()
	stop()
	require.ErrorIs(t, rdb.Ping(t.Context()).Err(), redis.ErrClosed)
	require.Error(t, other.Ping(t.Context()).Err())
}

// TestContext: a context that ends on the bubble's clock ends a call.
func TestContext(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		time.Sleep(2 * time.Minute)
		err := rdb.Ping(ctx).Err()
		require.Error(t, err)
		assert.True(t, errors.Is(err, context.DeadlineExceeded))
	})
}
