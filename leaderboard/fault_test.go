package leaderboard_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// behindProxy is a board of a server of the test's own, seen through a proxy, and the same one seen directly.
func behindProxy(t *testing.T, opts leaderboard.Options, mod ...func(*redis.Options)) (p *redistest.Proxy, through, direct *leaderboard.Board) {
	t.Helper()
	server := redistest.StandaloneServer(t)
	p = redistest.NewProxy(t, "unix", server.Socket())
	name := unique(t)
	return p, newBoard(t, dial(t, p, mod...), name, opts), newBoard(t, redistest.Standalone(t), name, opts)
}

func score(t *testing.T, b *leaderboard.Board, member string) float64 {
	t.Helper()
	e, err := b.Get(t.Context(), member)
	require.NoError(t, err)
	return e.Score
}

// TestLostReplies: a write whose reply is lost has run once and is not sent again, whatever the client's retries; the
// error says that the outcome is unknown. A read is asked for again.
func TestLostReplies(t *testing.T) {
	for _, opts := range []leaderboard.Options{{}, {Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Dense}} {
		t.Run(strconv.Itoa(int(opts.Ties)), func(t *testing.T) {
			ctx := t.Context()
			p, through, direct := behindProxy(t, opts)
			require.NoError(t, second(direct.Submit(ctx, "ann", 0)))
			for i := range 5 {
				require.NoError(t, second(through.Increment(ctx, "bob", 1))) // the connection is there, the script too
				require.NoError(t, second(through.SubmitMany(ctx, one("carol", float64(i)))))
				p.CutReplyAfter(0)
				err := second(through.Increment(ctx, "ann", 1))
				require.ErrorIs(t, err, leaderboard.ErrOutcomeUnknown)
				assert.Contains(t, err.Error(), `leaderboard: increment "ann"`)
				p.Heal()
				assert.Equal(t, float64(i+1), score(t, direct, "ann"))

				require.NoError(t, second(through.Len(ctx)))
				p.CutReplyAfter(0)
				n, err := through.SubmitMany(ctx, one("dan", float64(i)))
				require.ErrorIs(t, err, leaderboard.ErrOutcomeUnknown)
				assert.Zero(t, n)
				p.Heal()
				assert.Equal(t, float64(i), score(t, direct, "dan"))
			}
			for _, op := range operations {
				if op.write {
					require.NoError(t, second(direct.Submit(ctx, "ann", 1)))
					require.NoError(t, second(through.Len(ctx)))
					p.CutReplyAfter(0)
					err := op.call(ctx, through)
					p.Heal()
					require.ErrorIs(t, err, leaderboard.ErrOutcomeUnknown, op.name)
				}
			}
		})
	}
}

// TestLostReads: a read that was cut is asked for again by the client.
func TestLostReads(t *testing.T) {
	ctx := t.Context()
	p, through, direct := behindProxy(t, leaderboard.Options{Ties: leaderboard.EarliestFirst})
	submit(t, direct, map[string]float64{"ann": 1, "bob": 2})
	for _, op := range operations {
		if !op.write {
			require.NoError(t, op.call(ctx, through), op.name)
			p.CloseConnections()
			require.NoError(t, op.call(ctx, through), op.name)
		}
	}
}

// TestPausedServer: a write to a server that hangs has an unknown outcome when the client's patience ends; it runs once
// when the server goes on.
func TestPausedServer(t *testing.T) {
	ctx := t.Context()
	server := redistest.NewServer(t, redistest.ServerOptions{})
	b := newBoard(t, server.Client(func(o *redis.Options) {
		o.ReadTimeout = 300 * time.Millisecond
		o.MaxRetries = 3
	}), "paused", leaderboard.Options{})
	patient := newBoard(t, server.Client(), "paused", leaderboard.Options{})
	require.NoError(t, second(patient.Increment(ctx, "ann", 1)))
	// A busy machine may need more than the impatient client's time for its first connection.
	redistest.Poll(t, "a connection of the impatient client", func() bool { return second(b.Get(ctx, "ann")) == nil })
	server.Pause()
	err := second(b.Increment(ctx, "ann", 1))
	server.Resume()
	require.ErrorIs(t, err, leaderboard.ErrOutcomeUnknown)
	redistest.Poll(t, "the increment that was sent", func() bool { return score(t, patient, "ann") == 2 })
	require.NoError(t, second(patient.Increment(ctx, "ann", 1)))
	assert.EqualValues(t, 3, score(t, patient, "ann"))
}

// TestServerGone: a server that died between two calls is an error that names the operation, of nothing sent; when it is
// back, scripts that it has forgotten are no trouble.
func TestServerGone(t *testing.T) {
	ctx := t.Context()
	server := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := server.Client(func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 })
	b := newBoard(t, rdb, "gone", leaderboard.Options{Ties: leaderboard.EarliestFirst})
	for _, op := range operations {
		if op.name == "clear" || op.name == "remove" {
			continue
		}
		require.NoError(t, second(b.Submit(ctx, "ann", 1)))
		require.NoError(t, op.call(ctx, b), op.name)
	}
	server.Kill()
	redistest.Poll(t, "connections that are known to be dead", func() bool {
		return errors.As(rdb.Ping(ctx).Err(), new(interface{ Timeout() bool }))
	})
	for _, op := range operations {
		err := op.call(ctx, b)
		require.Error(t, err, op.name)
		require.NotErrorIs(t, err, leaderboard.ErrOutcomeUnknown, op.name)
		assert.Contains(t, err.Error(), "leaderboard: ", op.name)
	}
	server.Restart(t)
	redistest.Poll(t, "the server again", func() bool { return rdb.Ping(ctx).Err() == nil })
	res, err := b.Submit(ctx, "ann", 7)
	require.NoError(t, err)
	assert.False(t, res.Existed)
	assert.EqualValues(t, 7, score(t, b, "ann"))
}

// TestScriptsForgotten: SCRIPT FLUSH between any two calls is survived by all of them.
func TestScriptsForgotten(t *testing.T) {
	ctx := t.Context()
	server := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := server.Client()
	b := newBoard(t, rdb, "forgotten", leaderboard.Options{Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Competition})
	for _, op := range operations {
		require.NoError(t, second(b.Submit(ctx, "ann", 1)))
		require.NoError(t, rdb.ScriptFlush(ctx).Err())
		require.NoError(t, op.call(ctx, b), op.name)
	}
}

// TestFailover: when the master dies and a replica takes its place, what was replicated is there, and the board works on.
func TestFailover(t *testing.T) {
	ctx := t.Context()
	sentinels := redistest.NewSentinels(t, 0)
	rdb := sentinels.Client()
	opts := leaderboard.Options{Ties: leaderboard.EarliestFirst, Period: calendar.Weekly, Ranking: leaderboard.Dense}
	b := newBoard(t, rdb, "failover", opts).At(base)
	submit(t, b, map[string]float64{"ann": 0.1, "bob": 2, "carol": 2})
	require.NoError(t, second(b.Increment(ctx, "ann", 0.2)))
	before, err := b.Top(ctx, 10)
	require.NoError(t, err)
	sentinels.Steady(t)
	redistest.Poll(t, "both replicas in step", func() bool { return rdb.Wait(ctx, 2, time.Minute).Val() == 2 })
	sentinels.Master().Kill()
	sentinels.Promote(t)
	redistest.Poll(t, "the new master", func() bool { return second(b.Len(ctx)) == nil })
	after, err := b.Top(ctx, 10)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	redistest.Poll(t, "a write", func() bool { return second(b.Submit(ctx, "dan", 5)) == nil })
	res, err := b.Increment(ctx, "ann", 1)
	require.NoError(t, err)
	assert.Equal(t, 0.1+0.2+1, res.Score)
	assert.EqualValues(t, 3, res.Rank)
}

// TestRefused: what a server refuses comes as its error, and nothing is stored.
func TestRefused(t *testing.T) {
	ctx := t.Context()
	server := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := server.Client()
	b := newBoard(t, rdb, "refused", leaderboard.Options{})
	ties := newBoard(t, rdb, "refused too", leaderboard.Options{Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Dense})
	for _, b := range []*leaderboard.Board{b, ties} {
		submit(t, b, map[string]float64{"ann": 1, "bob": 2})
	}
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory", "1").Err())
	refused := []error{second(ties.Submit(ctx, "new", 1)), second(ties.SubmitMany(ctx, one("new", 1)))}
	for _, op := range operations {
		switch op.name {
		case "submit", "increment", "submit many", "set data":
			refused = append(refused, op.call(ctx, b))
		}
	}
	for _, err := range refused {
		require.Error(t, err)
		require.NotErrorIs(t, err, leaderboard.ErrOutcomeUnknown)
		assert.Contains(t, err.Error(), "OOM")
	}
	// What moves a row is refused as a whole, too.
	require.ErrorContains(t, second(ties.Submit(ctx, "ann", 3)), "OOM")
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory", "0").Err())
	got, err := ties.Get(ctx, "ann")
	require.NoError(t, err)
	assert.Equal(t, leaderboard.Entry{Member: "ann", Score: 1, Rank: 2}, got)
	assert.EqualValues(t, 1, score(t, b, "ann"))
	n, err := ties.Len(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, 2, n)
}

// TestWithoutRank: a server that does not know ZRANK WITHSCORE is asked once, and by a script from then on.
func TestWithoutRank(t *testing.T) {
	ctx := t.Context()
	server := redistest.StandaloneServer(t)
	rdb := server.Client()
	c := count(rdb)
	b := newBoard(t, rdb, unique(t), leaderboard.Options{})
	require.NoError(t, second(b.Submit(ctx, "ann", 1)))
	known := rdb.Do(ctx, "zrank", "nobody", "ann", "withscore").Err() == redis.Nil //nolint:errorlint // the very value
	for i := range 3 {
		c.take()
		assert.EqualValues(t, 1, score(t, b, "ann"))
		trips, commands := c.take()
		if known {
			assert.Equal(t, []string{"zrevrank"}, commands)
		} else if i > 0 {
			assert.Equal(t, 1, trips)
			assert.Equal(t, []string{"evalsha"}, commands)
		}
	}
}

// TestRoundTrips: every operation on a board that is there is one round trip.
func TestRoundTrips(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		c := &counter{}
		e.Client.AddHook(c)
		for name, opts := range layouts {
			opts.Namespace = e.Namespace
			b := newBoard(t, e.Client, name, opts)
			require.NoError(t, second(b.Submit(ctx, "ann", 1)))
			trips, commands := c.take()
			assert.LessOrEqual(t, trips, 5, "%v: the first write, each script whole once", commands)
			submit(t, b, map[string]float64{"bob": 2, "carol": 2})
			for _, op := range operations { // so that all scripts are known
				require.NoError(t, second(b.Submit(ctx, "ann", 1)))
				require.NoError(t, op.call(ctx, b), op.name)
			}
			for _, op := range operations {
				require.NoError(t, second(b.Submit(ctx, "ann", 1)))
				c.take()
				require.NoError(t, op.call(ctx, b), op.name)
				trips, commands := c.take()
				assert.Equal(t, 1, trips, "%s of %s: %v", op.name, name, commands)
			}
			// After Clear the next write makes the board anew.
			require.NoError(t, b.Clear(ctx))
			c.take()
			require.NoError(t, second(b.Submit(ctx, "ann", 1)))
			trips, commands = c.take()
			assert.Equal(t, 3, trips, "%v", commands)
			// Reading an empty board takes one more while this Board has not seen it.
			unseen := newBoard(t, e.Client, "unseen "+name, opts)
			require.NoError(t, second(unseen.Top(ctx, 3)))
			c.take()
			require.NoError(t, second(unseen.Top(ctx, 3)))
			trips, _ = c.take()
			assert.Equal(t, 2, trips)
		}
	})
}

// TestOneKey: a board with the default layout names one key alone when it submits and reads.
func TestOneKey(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.StandaloneServer(t).Client()
	var keys []string
	rdb.AddHook(keyHook(func(cmd redis.Cmder) {
		if cmd.Name() == "evalsha" || cmd.Name() == "eval" {
			args := cmd.Args()
			n, _ := args[2].(int)
			for _, key := range args[3 : 3+n] {
				keys = append(keys, fmt.Sprint(key))
			}
		}
	}))
	b := newBoard(t, rdb, unique(t), leaderboard.Options{Period: calendar.Daily, Policy: leaderboard.KeepBest})
	for _, op := range operations {
		switch op.name {
		case "remove", "remove by score", "trim", "clear", "set data", "increment", "increment at":
		default:
			_ = op.call(ctx, b)
		}
	}
	require.NotEmpty(t, keys)
	for _, key := range keys {
		assert.Equal(t, keys[0], key)
	}
}

type keyHook func(redis.Cmder)

func (h keyHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h keyHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h(cmd)
		return next(ctx, cmd)
	}
}

func (h keyHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
