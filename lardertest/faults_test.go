package lardertest_test

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/lardertest"
)

const oom = "OOM command not allowed when used memory > 'maxmemory'."

// once returns a client of the same Redis that sends nothing twice.
func once(t *testing.T, rdb *redis.Client) *redis.Client {
	t.Helper()
	opts := *rdb.Options()
	opts.MaxRetries = -1
	c := redis.NewClient(&opts)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestFaultError(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	ctx := t.Context()
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"set", "PFADD"}, Error: oom, Skip: 1, Times: 2}))
	require.NoError(t, rdb.Set(ctx, "a", 1, 0).Err(), "skipped")
	require.EqualError(t, rdb.Set(ctx, "b", 1, 0).Err(), oom)
	require.NoError(t, rdb.Get(ctx, "a").Err(), "not struck")
	require.EqualError(t, rdb.PFAdd(ctx, "c", 1).Err(), oom)
	require.NoError(t, rdb.Set(ctx, "d", 1, 0).Err(), "struck twice, and well again")
	assert.Equal(t, int64(2), rdb.DBSize(ctx).Val())

	// Until it is taken back; and scripts are left alone.
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"SET"}, Error: oom}))
	for range 3 {
		require.EqualError(t, rdb.Set(ctx, "e", 1, 0).Err(), oom)
	}
	require.NoError(t, rdb.Eval(ctx, "return redis.call('SET', KEYS[1], 1)", []string{"e"}).Err())
	require.NoError(t, lardertest.SetFaults(rdb))
	require.NoError(t, rdb.Set(ctx, "f", 1, 0).Err())

	// The first that fits.
	require.NoError(t, lardertest.SetFaults(rdb,
		lardertest.Fault{Commands: []string{"GET"}, Error: "READONLY first", Times: 1},
		lardertest.Fault{Error: "BUSY second", Commands: []string{"GET"}}))
	require.ErrorContains(t, once(t, rdb).Get(ctx, "a").Err(), "first")
	require.ErrorContains(t, once(t, rdb).Get(ctx, "a").Err(), "second")
}

// TestFaultInTransaction: a command that is refused while it is queued spoils the EXEC, and a refused EXEC ends it.
func TestFaultInTransaction(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	ctx := t.Context()
	conn := rdb.Conn()
	defer func() { assert.NoError(t, conn.Close()) }()
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"SET"}, Error: oom}, lardertest.Fault{Commands: []string{"EXEC"}, Error: oom, Skip: 1}))
	require.NoError(t, conn.Do(ctx, "MULTI").Err())
	require.NoError(t, conn.Do(ctx, "INCR", "n").Err())
	require.EqualError(t, conn.Do(ctx, "SET", "a", 1).Err(), oom)
	require.ErrorContains(t, conn.Do(ctx, "EXEC").Err(), "EXECABORT")
	require.NoError(t, conn.Do(ctx, "MULTI").Err())
	require.NoError(t, conn.Do(ctx, "INCR", "n").Err())
	require.EqualError(t, conn.Do(ctx, "EXEC").Err(), oom)
	assert.Equal(t, "PONG", conn.Ping(ctx).Val(), "not queued")
	assert.Zero(t, rdb.Exists(ctx, "a", "n").Val())
}

// TestFaultLost: the command is executed, once or as often as the client sends it, and nobody is told.
func TestFaultLost(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	ctx := t.Context()
	single := once(t, rdb)
	for _, first := range []bool{true, false} { // as the first command of a connection, and as a later one
		if !first {
			require.NoError(t, single.Ping(ctx).Err())
		}
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"INCR", "PFADD"}, Lost: true, Times: 2}))
		require.ErrorIs(t, single.Incr(ctx, "n").Err(), io.EOF)
		require.ErrorIs(t, single.PFAdd(ctx, "h", "a").Err(), io.EOF)
	}
	assert.Equal(t, "2", rdb.Get(ctx, "n").Val())
	assert.Equal(t, int64(1), rdb.PFCount(ctx, "h").Val())

	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"INCR"}, Lost: true}))
	require.Error(t, rdb.Incr(ctx, "m").Err())
	assert.Equal(t, "4", rdb.Get(ctx, "m").Val(), "go-redis sends it four times")

	// A whole transaction.
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"EXEC"}, Lost: true, Times: 1}))
	_, err := single.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "a", 1, 0)
		p.PFAdd(ctx, "b", 1)
		return nil
	})
	require.Error(t, err)
	assert.Equal(t, int64(2), rdb.Exists(ctx, "a", "b").Val())
}

// TestFaultRefused: the command is not executed, and neither is what stands behind it in the pipeline.
func TestFaultRefused(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	ctx := t.Context()
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"INCR"}, Refused: true, Skip: 1, Times: 1}))
	_, err := once(t, rdb).Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Incr(ctx, "first")
		p.Incr(ctx, "second")
		p.Set(ctx, "third", 1, 0)
		return nil
	})
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, int64(1), rdb.Exists(ctx, "first", "second", "third").Val())

	// A retry finds all well again.
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"INCR"}, Refused: true, Times: 1}))
	require.NoError(t, rdb.Incr(ctx, "n").Err())
	assert.Equal(t, "1", rdb.Get(ctx, "n").Val())
}

// TestFaultDelay: a slow server and one that hangs, in no time.
func TestFaultDelay(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		require.NoError(t, rdb.Ping(ctx).Err())
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"GET"}, Delay: time.Second}))
		start := time.Now()
		require.ErrorIs(t, rdb.Get(ctx, "k").Err(), redis.Nil)
		assert.Equal(t, time.Second, time.Since(start))

		opts := *rdb.Options()
		opts.ReadTimeout, opts.MaxRetries = 3*time.Second, -1
		impatient := redis.NewClient(&opts)
		t.Cleanup(func() { require.NoError(t, impatient.Close()) })
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"INCR"}, Delay: time.Minute, Times: 1}))
		start = time.Now()
		err := impatient.Incr(ctx, "n").Err()
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.Zero(t, rdb.Exists(ctx, "n").Val())
		time.Sleep(time.Minute)
		assert.Equal(t, "1", rdb.Get(ctx, "n").Val(), "a server that hung executes what it has read")

		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"INCR"}, Delay: 30 * time.Second, Error: oom}))
		start = time.Now()
		require.EqualError(t, rdb.Incr(ctx, "n").Err(), oom)
		assert.Equal(t, 30*time.Second, time.Since(start))
	})
}

// TestFaultEndsWithItsClient: a command that hangs does not keep the Redis from ending.
func TestFaultEndsWithItsClient(t *testing.T) {
	t.Parallel()
	rdb, stop := lardertest.Start()
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"GET"}, Delay: 1000 * time.Hour}))
	done := make(chan error)
	go func() { done <- rdb.Get(context.WithoutCancel(t.Context()), "k").Err() }()
	stop()
	require.Error(t, <-done)
}

func TestFaultsRefused(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	for _, bad := range []lardertest.Fault{
		{Skip: -1},
		{Times: -1},
		{Delay: -1},
		{Error: "ERR x", Lost: true},
		{Error: "ERR x", Refused: true},
		{Lost: true, Refused: true},
		{Error: "ERR\r\n+OK"},
	} {
		require.ErrorContains(t, lardertest.SetFaults(rdb, lardertest.Fault{}, bad), "lardertest: set faults: fault 1: ")
	}
	require.EqualError(t, lardertest.SetFaults(nil), "lardertest: set faults: the client is nil")
	require.ErrorContains(t, rdb.Do(t.Context(), "LARDERTEST.FAULTS", "{").Err(), "lardertest")
	require.NoError(t, rdb.Ping(t.Context()).Err())
}
