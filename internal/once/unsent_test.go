package once_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/once"
	"github.com/larder-go/larder/internal/redistest"
)

// hook is a hook of a client, made of what goes round a command and a pipeline.
type hook struct {
	process  func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error
	pipeline func(ctx context.Context, cmds []redis.Cmder, next redis.ProcessPipelineHook) error
}

func (hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return h.process(ctx, cmd, next) }
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return h.pipeline(ctx, cmds, next) }
}

// ends sends a command, a batch and a slab, and returns what became of the batch and the slab, the errors that the
// commands hold, and that of the single one.
func ends(t *testing.T, rdb redis.UniversalClient) (batch, slab once.Outcome, errs []error, process error) {
	t.Helper()
	ctx, keys := t.Context(), names(t, 4)
	cmd := redis.NewIntCmd(ctx, "incr", keys[0])
	process = once.Process(ctx, rdb, cmd)
	cmds := increments(ctx, keys[1:3])
	outcomes := once.Exec(ctx, rdb, cmds)
	require.Equal(t, outcomes[0], outcomes[1])
	status := make([]once.Status, 1)
	status[0].Init(ctx, []any{"set", keys[3], 1})
	var b once.Batch
	slab = once.Applied
	if o := b.ExecStatus(ctx, rdb, status); o != nil {
		slab = o[0]
	}
	return outcomes[0], slab, []error{cmd.Err(), cmds[0].Err(), cmds[1].Err(), status[0].Err()}, process
}

var errNo = errors.New("no")

type closedLimiter struct{}

func (closedLimiter) Allow() error       { return errNo }
func (closedLimiter) ReportResult(error) {}

// TestNothingWritten: a command that was never written was not sent, whatever the error: of a limiter, a dialer, a hook,
// a pool, a context that ended meanwhile.
func TestNothingWritten(t *testing.T) {
	server := redistest.StandaloneServer(t)
	no := func(context.Context, string, string) (net.Conn, error) { return nil, errNo }
	refuse := hook{
		process:  func(context.Context, redis.Cmder, redis.ProcessHook) error { return errNo },
		pipeline: func(context.Context, []redis.Cmder, redis.ProcessPipelineHook) error { return errNo },
	}
	end := hook{
		process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return next(ctx, cmd)
		},
		pipeline: func(ctx context.Context, cmds []redis.Cmder, next redis.ProcessPipelineHook) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return next(ctx, cmds)
		},
	}
	hooked := func(h redis.Hook) redis.UniversalClient {
		rdb := server.Client()
		rdb.AddHook(h)
		return rdb
	}
	ring := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"a": "x:1"}, Dialer: no, DialerRetries: 1, HeartbeatFrequency: time.Hour,
	})
	defer func() { _ = ring.Close() }()
	for name, c := range map[string]struct {
		rdb  redis.UniversalClient
		want error
	}{
		"limiter": {server.Client(func(o *redis.Options) { o.Limiter = closedLimiter{} }), errNo},
		"dialer":  {server.Client(func(o *redis.Options) { o.Dialer, o.DialerRetries = no, 1 }), errNo},
		"hook":    {hooked(refuse), errNo},
		"ended":   {hooked(end), context.Canceled},
		"ring":    {ring, errNo},
	} {
		t.Run(name, func(t *testing.T) {
			batch, slab, errs, process := ends(t, c.rdb)
			require.ErrorIs(t, process, c.want)
			require.False(t, once.IsUnknown(process), "%v", process)
			require.Equal(t, once.NotSent, batch)
			require.Equal(t, once.NotSent, slab)
			for _, err := range errs {
				require.ErrorIs(t, err, c.want)
			}
		})
	}
}

// TestTransactionNotWritten: a transaction of which no command was written was not sent.
func TestTransactionNotWritten(t *testing.T) {
	server := redistest.StandaloneServer(t)
	rdb := server.Client()
	rdb.AddHook(hook{
		process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error { return next(ctx, cmd) },
		pipeline: func(ctx context.Context, cmds []redis.Cmder, next redis.ProcessPipelineHook) error {
			if cmds[0].Name() != "multi" { // the greeting of a connection
				return next(ctx, cmds)
			}
			_ = cmds[1].Args() // as hooks do that show the first commands
			return errNo
		},
	})
	keys := names(t, 2)
	require.NoError(t, rdb.Watch(t.Context(), func(tx *redis.Tx) error {
		cmds := increments(t.Context(), keys)
		outcomes, err := once.ExecTx(t.Context(), tx, cmds)
		require.ErrorIs(t, err, errNo)
		require.Equal(t, []once.Outcome{once.NotSent, once.NotSent}, outcomes)
		require.ErrorIs(t, cmds[0].Err(), errNo)
		return nil
	}, keys[0]))
}

// TestRingWithoutShards: a Ring whose shards are all marked as down ends a pipeline without an error, if the commands
// keep theirs to themselves.
func TestRingWithoutShards(t *testing.T) {
	no := func(context.Context, string, string) (net.Conn, error) { return nil, errNo }
	ring := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"a": "x:1"}, Dialer: no, DialerRetries: 1, HeartbeatFrequency: time.Millisecond,
	})
	defer func() { _ = ring.Close() }()
	redistest.Poll(t, "the shard is down", func() bool { return ring.Len() == 0 })
	batch, slab, errs, process := ends(t, ring)
	require.Error(t, process)
	require.False(t, once.IsUnknown(process), "%v", process)
	require.Equal(t, once.NotSent, batch)
	require.Equal(t, once.NotSent, slab)
	for _, err := range errs {
		require.ErrorContains(t, err, "all ring shards are down")
	}
}

// TestHookHidesErrors: what a hook returns for a pipeline says nothing of its commands.
func TestHookHidesErrors(t *testing.T) {
	proxy := redistest.NewProxy(t, "tcp", redistest.StandaloneServer(t).Addr())
	rdb := redis.NewClient(&redis.Options{Addr: proxy.Addr(), PoolSize: 1, MaxRetries: -1})
	defer func() { _ = rdb.Close() }()
	rdb.AddHook(hook{
		process: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error { return next(ctx, cmd) },
		pipeline: func(ctx context.Context, cmds []redis.Cmder, next redis.ProcessPipelineHook) error {
			_ = next(ctx, cmds)
			return nil
		},
	})
	require.NoError(t, rdb.Ping(t.Context()).Err())
	proxy.CutReplyAfter(0)
	keys := names(t, 3)
	cmds := increments(t.Context(), keys)
	require.Equal(t, []once.Outcome{once.Unknown, once.Unknown, once.Unknown}, once.Exec(t.Context(), rdb, cmds))
	require.Error(t, cmds[0].Err())
	proxy.Heal()
	require.NoError(t, rdb.Ping(t.Context()).Err())
	proxy.CutReplyAfter(0)
	slab := make([]once.Status, 1)
	slab[0].Init(t.Context(), []any{"set", keys[0], 1})
	var b once.Batch
	require.Equal(t, []once.Outcome{once.Unknown}, b.ExecStatus(t.Context(), rdb, slab))
	proxy.Heal()
	require.NoError(t, rdb.Watch(t.Context(), func(tx *redis.Tx) error {
		require.NoError(t, redistest.Standalone(t).Set(t.Context(), keys[1], 7, 0).Err())
		outcomes, err := once.ExecTx(t.Context(), tx, increments(t.Context(), keys[1:]))
		require.ErrorIs(t, err, redis.TxFailedErr)
		require.Equal(t, []once.Outcome{once.Failed, once.Failed}, outcomes)
		return nil
	}, keys[1]))
}

// TestHookServes: a batch that a hook answers itself, such as that of a cache or a fake, went well.
func TestHookServes(t *testing.T) {
	rdb := redistest.StandaloneServer(t).Client()
	rdb.AddHook(hook{
		process: func(context.Context, redis.Cmder, redis.ProcessHook) error { return nil },
		pipeline: func(_ context.Context, cmds []redis.Cmder, _ redis.ProcessPipelineHook) error {
			return nil
		},
	})
	batch, slab, errs, process := ends(t, rdb)
	require.NoError(t, process)
	require.Equal(t, once.Applied, batch)
	require.Equal(t, once.Applied, slab)
	require.NoError(t, errors.Join(errs...))
}

// TestQueueFull: an AutoPipeliner that has too many commands waiting refuses the next.
func TestQueueFull(t *testing.T) {
	key := names(t, 1)[0]
	ap, err := redistest.StandaloneServer(t).Client().AutoPipelineWithOptions(&redis.AutoPipelineOptions{MaxQueuedCommands: 1})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		for {
			err := ap.BLPop(context.Background(), 0, key).Err()
			if !errors.Is(err, redis.ErrAutoPipelineQueueFull) { // a PING was quicker
				done <- err
				return
			}
		}
	}()
	redistest.Poll(t, "the queue is full", func() bool {
		return errors.Is(ap.Ping(t.Context()).Err(), redis.ErrAutoPipelineQueueFull)
	})
	err = once.Process(t.Context(), ap, redis.NewIntCmd(t.Context(), "incr", key+"n"))
	require.ErrorIs(t, err, redis.ErrAutoPipelineQueueFull)
	require.False(t, once.IsUnknown(err), "%v", err)
	require.NoError(t, redistest.Standalone(t).RPush(t.Context(), key, 1).Err())
	require.NoError(t, <-done)
	require.NoError(t, ap.Close())
}

// TestReadEnds: a read of several keys that is asked for again ends with its context, and says so beside the reason.
func TestReadEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	rdb := redistest.StandaloneServer(t).Client()
	rdb.AddHook(hook{process: func(context.Context, redis.Cmder, redis.ProcessHook) error {
		if tries++; tries == 2 {
			cancel()
		}
		return errNo
	}})
	_, err := once.NewScript("return 1").Read(ctx, rdb, []string{"a", "b"})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errNo)
	require.Equal(t, 2, tries)
}
