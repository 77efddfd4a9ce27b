package checkin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// behindProxy is a client of the shared server whose connections a proxy can break.
func behindProxy(t *testing.T) (*redis.Client, *redistest.Proxy) {
	t.Helper()
	p := redistest.NewProxy(t, "tcp", redistest.StandaloneServer(t).Addr())
	rdb := redis.NewClient(&redis.Options{
		Addr: p.Addr(), Protocol: 2, DisableIdentity: true, MaxRetries: 3, PoolSize: 1,
		DialTimeout: 30 * time.Second, ReadTimeout: 60 * time.Second, WriteTimeout: 60 * time.Second, PoolTimeout: 60 * time.Second,
	})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb, p
}

// TestUnknownOutcome: a change whose answer is lost is not sent again, and says that nothing is known.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	direct := redistest.Standalone(t)
	now := noon("2095-06-02")
	for i, change := range []func(tr *Tracker, u string) (Result, error){
		func(tr *Tracker, u string) (Result, error) { return tr.CheckInAt(ctx, u, now) },
		func(tr *Tracker, u string) (Result, error) { return tr.BackfillAt(ctx, u, day("2095-06-02"), now) },
		func(tr *Tracker, u string) (Result, error) { return tr.UndoAt(ctx, u, day("2095-06-01"), now) },
		func(tr *Tracker, u string) (Result, error) { return Result{}, tr.Forget(ctx, u) },
	} {
		opts := Options{Namespace: "TestUnknownOutcome", Backfill: 1}
		user := fmt.Sprint("u", i)
		safe := newTracker(t, direct, opts)
		_, err := safe.CheckInAt(ctx, user, noon("2095-06-01"))
		require.NoError(t, err)
		_, err = safe.StatsAt(ctx, user, now)
		require.NoError(t, err)
		require.NoError(t, safe.Forget(ctx, "nobody")) // the server knows all scripts
		rdb, p := behindProxy(t)
		require.NoError(t, rdb.Ping(ctx).Err())
		p.CutReplyAfter(0) // executed, and never answered
		tr := newTracker(t, rdb, opts)
		r, err := change(tr, user)
		require.ErrorIs(t, err, ErrOutcomeUnknown)
		require.Zero(t, r)
		p.Heal()

		s, err := tr.StatsAt(ctx, user, now)
		require.NoError(t, err)
		want := []int{2, 2, 0, 0}[i]
		assert.Equal(t, want, s.Total, "it had run, once")
		if i < 2 {
			r, err = change(tr, user)
			require.NoError(t, err)
			assert.False(t, r.New)
		}
		require.NoError(t, safe.Forget(ctx, user))
	}
}

// TestReadsAreRepeated: a read whose answer is lost is asked for again.
func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	safe := newTracker(t, redistest.Standalone(t), Options{Namespace: "TestReadsAreRepeated"})
	_, err := safe.CheckInAt(ctx, "u", noon("2095-06-01"))
	require.NoError(t, err)
	for i, read := range []func(tr *Tracker) (int, error){
		func(tr *Tracker) (int, error) {
			s, err := tr.StatsAt(ctx, "u", noon("2095-06-01"))
			return s.Total, err
		},
		func(tr *Tracker) (int, error) {
			c, err := tr.MonthAt(ctx, "u", 2095, 6, noon("2095-06-01"))
			return c.Count, err
		},
	} {
		rdb, p := behindProxy(t)
		require.NoError(t, rdb.Ping(ctx).Err())
		p.CutReplyAfter(0)
		var once sync.Once
		rdb.AddHook(onDial(func() { once.Do(p.Heal) })) // the next connection is a good one
		n, err := read(newTracker(t, rdb, Options{Namespace: "TestReadsAreRepeated"}))
		require.NoError(t, err, "%d", i)
		assert.Equal(t, 1, n)
	}
	require.NoError(t, safe.Forget(ctx, "u"))
}

// onDial is told of each new connection.
type onDial func()

func (fn onDial) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		fn()
		return next(ctx, network, addr)
	}
}
func (onDial) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (onDial) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// TestServerGone: an error that says so, not one that leaves the outcome open.
func TestServerGone(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = rdb.Close() }()
	tr := newTracker(t, rdb, Options{})
	_, err := tr.CheckInAt(t.Context(), "u", noon("2095-06-01"))
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	assert.NotErrorIs(t, err, ErrOutcomeUnknown)
	_, err = tr.StatsAt(t.Context(), "u", noon("2095-06-01"))
	require.ErrorAs(t, err, &op)
	assert.ErrorContains(t, err, `checkin: stats of "u": `)
}

// TestScriptsAreForgotten: a server that lost its scripts gets them again.
func TestScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	tr := newTracker(t, rdb, Options{})
	a, err := NewActivity(rdb, ActivityOptions{})
	require.NoError(t, err)
	for range 2 {
		_, err := tr.CheckInAt(ctx, "u", noon("2095-06-01"))
		require.NoError(t, err)
		require.NoError(t, rdb.ScriptFlush(ctx).Err())
		st, err := tr.StatsAt(ctx, "u", noon("2095-06-01"))
		require.NoError(t, err)
		assert.Equal(t, 1, st.Total)
		require.NoError(t, rdb.ScriptFlush(ctx).Err())
		require.NoError(t, a.MarkAt(ctx, 5, noon("2095-06-01")))
		require.NoError(t, rdb.ScriptFlush(ctx).Err())
		require.NoError(t, tr.Forget(ctx, "u"))
		require.NoError(t, rdb.ScriptFlush(ctx).Err())
	}
}

// TestServersClock: a year, or a day, that is over by the clock of the server is not said to be stored.
func TestServersClock(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	tr := newTracker(t, rdb, Options{Namespace: "TestServersClock", Keep: 24 * time.Hour})
	_, err := tr.CheckInAt(ctx, "u", noon("2001-06-01"))
	require.ErrorIs(t, err, ErrTooOld)
	a, err := NewActivity(rdb, ActivityOptions{Namespace: "TestServersClock", Keep: 24 * time.Hour})
	require.NoError(t, err)
	require.ErrorIs(t, a.MarkAt(ctx, 5, noon("2001-06-01")), ErrTooOld)
	keys, err := rdb.Keys(ctx, "TestServersClock:*").Result()
	require.NoError(t, err)
	assert.Empty(t, keys)
}

// TestNeighboursAreLeftAlone: on a slot that is on the move, what others send in the batches of an AutoPipeliner is not
// sent again because of a TRYAGAIN of ours.
func TestNeighboursAreLeftAlone(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := redistest.NewCluster(t)
	client := c.Client()
	auto, err := client.AutoPipeline()
	require.NoError(t, err)
	defer func() { _ = auto.Close() }()
	tr := newTracker(t, auto, Options{Backfill: 1})
	now := noon("2095-06-02")
	_, err = tr.CheckInAt(ctx, "u", now) // one year is there, the others are not
	require.NoError(t, err)
	require.NoError(t, auto.Set(ctx, "counter{u}", 0, 0).Err())
	from := c.MasterOf("checkin:{u}:2095")
	to := c.Masters()[0]
	if to == from {
		to = c.Masters()[1]
	}
	require.NoError(t, c.Migrate(ctx, redistest.Slot("{u}"), from, to))
	_, err = readScript.Run(ctx, client, tr.yearKeys("u", 2095, 2085))
	require.ErrorContains(t, err, "TRYAGAIN", "or there is nothing to be seen here")

	const rounds, callers = 40, 24
	for range rounds {
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				var err error
				switch i % 6 {
				case 0:
					err = auto.Incr(ctx, "counter{u}").Err()
				case 1:
					_, err = tr.CheckInAt(ctx, "u", now)
				case 2:
					_, err = tr.RangeAt(ctx, "u", day("2090-01-01"), day("2095-06-02"), now)
				default:
					_, err = tr.StatsAt(ctx, "u", now)
				}
				assert.NoError(t, err)
			})
		}
		wg.Wait()
	}
	n, err := auto.Get(ctx, "counter{u}").Int()
	require.NoError(t, err)
	assert.Equal(t, rounds*callers/6, n)
	require.NoError(t, tr.Forget(ctx, "u"))
	s, err := tr.StatsAt(ctx, "u", now)
	require.NoError(t, err)
	assert.Zero(t, s)
}

// TestWrapped: the cause of an error is in its chain, and redis.Nil never.
func TestWrapped(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := failed("check in", "u", cause)
	assert.ErrorIs(t, err, cause)
	assert.Equal(t, `checkin: check in "u": cause`, err.Error())
	assert.Equal(t, "checkin: mark 7: cause", failed("mark", uint32(7), cause).Error())
}
