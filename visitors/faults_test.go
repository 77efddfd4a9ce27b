package visitors

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/once"
	"github.com/larder-go/larder/internal/redistest"
)

// fill tracks a few hundred visitors of two pages over the last days, and returns what was told.
func fill(t *testing.T, c *Counter, pages ...string) oracle {
	t.Helper()
	var o oracle
	for i, page := range pages {
		for d := range 5 {
			at := then.Add(-time.Duration(d) * day)
			var names []string
			for v := range 60 {
				names = append(names, fmt.Sprintf("v%d", v*(i+1)+d*20))
				o = append(o, visitOf{page, names[v], at})
			}
			require.NoError(t, c.TrackAt(t.Context(), page, at, names...))
		}
	}
	return o
}

// ask compares every kind of question with what was told.
func ask(t *testing.T, c *Counter, o oracle, a, b string) {
	t.Helper()
	ctx := t.Context()
	from, to := instant("2090-06-12 00:00", time.UTC), instant("2090-06-16 00:00", time.UTC)
	n, err := c.Between(ctx, a, from, to)
	require.NoError(t, err)
	require.Equal(t, o.count(from, to, a), n)
	n, err = c.Today(ctx, a)
	require.NoError(t, err)
	require.Equal(t, o.count(then.Add(-time.Hour), to, a), n)
	n, err = c.Union(ctx, []string{a, b}, from, to)
	require.NoError(t, err)
	require.Equal(t, o.count(from, to, a, b), n)
	e, err := c.Overlap(ctx, a, b, from, to)
	require.NoError(t, err)
	require.Equal(t, overlap(o.count(from, to, a), o.count(from, to, b), o.count(from, to, a, b)), e)
	points, err := c.Series(ctx, a, daily, from, to)
	require.NoError(t, err)
	require.Len(t, points, 4)
	for _, p := range points {
		require.Equal(t, o.count(p.Start, p.Start.Add(day), a), p.Count)
	}
	points, err = c.Series(ctx, a, weekly, instant("2090-06-05 00:00", time.UTC), instant("2090-06-19 00:00", time.UTC))
	require.NoError(t, err)
	require.Len(t, points, 2)
	require.Equal(t, o.count(points[0].Start, points[1].Start, a), points[0].Count)
}

// TestReplica: a read-only replica answers every question with the numbers of its master, and refuses to track.
func TestReplica(t *testing.T) {
	master := redistest.NewServer(t, redistest.ServerOptions{})
	replica := redistest.NewReplica(t, master, redistest.ServerOptions{})
	c := counterAt(t, master.Client(), then, Options{Buckets: []calendar.Period{hourly, daily}, Keep: keepAll(hourly)})
	o := fill(t, c, "home", "prices")
	copied := replica.Client()
	redistest.Poll(t, "the replica to have what its master has", func() bool {
		return copied.DBSize(t.Context()).Val() == master.Client().DBSize(t.Context()).Val()
	})
	for range 2 {
		ask(t, counterAt(t, copied, then, Options{Buckets: []calendar.Period{hourly, daily}, Keep: keepAll(hourly)}), o, "home", "prices")
	}
	err := counterAt(t, copied, then, Options{}).Track(t.Context(), "home", "ann")
	assert.Equal(t, "READONLY", once.Code(err), "%v", err)
	err = counterAt(t, copied, then, Options{}).Track(t.Context(), "home", crowd(many)...)
	assert.Equal(t, "READONLY", once.Code(err), "%v", err)
}

// TestReadsWriteNothing: a user who may only GET gets every answer; and after every question by a user who may do all,
// the keys are the same, and so are their contents and expiries, but for the count that Redis keeps in a sketch.
func TestReadsWriteNothing(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	admin := server.Client()
	ctx := t.Context()
	opts := Options{Buckets: []calendar.Period{daily, monthly}}
	c := counterAt(t, admin, then, opts)
	o := fill(t, c, "home", "prices")

	state := func() map[string]string {
		all := map[string]string{}
		for _, key := range admin.Keys(ctx, "*").Val() {
			b, err := admin.Get(ctx, key).Bytes()
			require.NoError(t, err)
			clear(b[8:16]) // the count that Redis keeps
			all[key] = fmt.Sprint(string(b), admin.Do(ctx, "pexpiretime", key).Val())
		}
		return all
	}
	before := state()
	require.Len(t, before, 12)
	ask(t, c, o, "home", "prices")
	for name, call := range everyCall(c, "nobody") {
		if !strings.HasPrefix(name, "Track") && !strings.HasPrefix(name, "LastHours") {
			require.NoError(t, call(ctx), name)
		}
	}
	assert.Equal(t, before, state())

	require.NoError(t, admin.Do(ctx, "acl", "setuser", "reader", "on", ">secret", "~*", "-@all", "+get", "+hello", "+client").Err())
	reader := server.Client(func(o *redis.Options) { o.Username, o.Password = "reader", "secret" })
	ask(t, counterAt(t, reader, then, opts), o, "home", "prices")
	err := counterAt(t, reader, then, opts).Track(ctx, "home", "ann")
	assert.Equal(t, "NOPERM", once.Code(err), "%v", err)
	assert.Equal(t, before, state())
}

// TestNeverWithoutExpiry: while pages are tracked and forgotten at the same time, no key is ever seen without its
// expiry.
func TestNeverWithoutExpiry(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	c := counterAt(t, rdb, then, fineBuckets)
	var wg sync.WaitGroup
	var stop atomic.Bool
	for i := range 4 {
		wg.Go(func() {
			for n := range 250 {
				assert.NoError(t, c.Track(ctx, "home", strconv.Itoa(n*4+i)))
			}
			stop.Store(true)
		})
	}
	wg.Go(func() {
		for !stop.Load() {
			assert.NoError(t, c.Forget(ctx, "home"))
		}
	})
	looks := 0
	for ; !stop.Load() || looks == 0; looks++ {
		bad, err := rdb.Eval(ctx, `
			local bad = {}
			for _, key in ipairs(redis.call('KEYS', '*')) do
				if redis.call('PTTL', key) < 0 then bad[#bad + 1] = key end
			end
			return bad`, nil).StringSlice()
		require.NoError(t, err)
		require.Empty(t, bad)
	}
	wg.Wait()
}

// TestNearlyExpired: by a server's clock that is ahead, a bucket may be gone already. Then it is not there, and no key
// without an expiry is.
func TestNearlyExpired(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	longAgo := instant("2001-06-15 12:30", time.UTC)
	c := counterAt(t, rdb, longAgo, fineBuckets)
	require.NoError(t, c.Track(t.Context(), "home", "ann"))
	assert.Empty(t, rdb.Keys(t.Context(), "*").Val())
}

// TestLostReplies: a connection that breaks after the server has done its work, at any byte of the reply, is asked
// again, and nobody is counted twice or lost.
func TestLostReplies(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	proxy := redistest.NewProxy(t, "unix", server.Socket())
	ctx := t.Context()
	for name, opts := range map[string]Options{"one bucket": {}, "three buckets": fineBuckets} {
		opts.Namespace = name
		direct := counterAt(t, server.Client(), then, opts)
		require.NoError(t, direct.Track(ctx, "home", "somebody")) // the script is known
		o := oracle{{"home", "somebody", then}}
		rdb := redis.NewClient(&redis.Options{
			PoolSize: 1, ReadTimeout: time.Minute,
			// What is dialled after a connection broke is sound: exactly one reply is lost.
			Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
				proxy.Heal()
				return new(net.Dialer).DialContext(ctx, "tcp", proxy.Addr())
			},
		})
		t.Cleanup(func() { _ = rdb.Close() })
		c := counterAt(t, rdb, then, opts)
		require.NoError(t, rdb.Ping(ctx).Err())
		proxy.CutReplyAfter(0)
		require.NoError(t, c.Track(ctx, "crowd", crowd(many)...))
		n, err := direct.Today(ctx, "crowd")
		require.NoError(t, err)
		require.InDelta(t, many, n, many/20)
		for i := range 4 { // ":1\r\n"
			require.NoError(t, rdb.Ping(ctx).Err())
			before := proxy.Connections()
			proxy.CutReplyAfter(int64(i))
			who := fmt.Sprintf("%s %d", name, i)
			o = append(o, visitOf{"home", who, then})
			require.NoError(t, c.Track(ctx, "home", who), "%s, cut after %d bytes", name, i)
			require.Equal(t, before+1, proxy.Connections(), "a reply was lost")
			n, err := direct.Today(ctx, "home")
			require.NoError(t, err)
			require.Equal(t, o.count(then, then.Add(1), "home"), n)

			// A question whose answer is lost is asked again, too.
			proxy.CutReplyAfter(int64(i))
			n, err = c.LastDays(ctx, "home", 2)
			require.NoError(t, err)
			require.Equal(t, o.count(then, then.Add(1), "home"), n)
			require.Equal(t, before+2, proxy.Connections())
		}
		proxy.Heal()
	}
}

// leaveMigrating begins to move the slot of a page to another master of a cluster of its own, with the keys that are
// named, and leaves it so: those keys are on the new node, the others on the old one.
func leaveMigrating(t *testing.T, cluster *redistest.Cluster, c *Counter, page string, moved ...string) {
	t.Helper()
	ctx := t.Context()
	src := cluster.MasterOf(c.prefix(page) + "x")
	i := slices.IndexFunc(cluster.Masters(), func(m *redistest.Server) bool { return m != src })
	dst := cluster.Masters()[i]
	require.NoError(t, cluster.Migrate(ctx, redistest.Slot(c.prefix(page)+"x"), src, dst))
	host, port, err := net.SplitHostPort(dst.Addr())
	require.NoError(t, err)
	args := []any{"migrate", host, port, "", 0, 60_000, "keys"}
	for _, label := range moved {
		args = append(args, c.prefix(page)+label)
	}
	require.NoError(t, src.Client().Do(ctx, args...).Err())
	require.EqualValues(t, len(moved), dst.Client().Do(ctx, "cluster", "countkeysinslot", redistest.Slot(c.prefix(page)+"x")).Val())
}

// TestMigrating: in a slot of which some keys have moved and some have not, all works, in single steps where it has to.
func TestMigrating(t *testing.T) {
	cluster := redistest.NewCluster(t)
	t.Run("all answers", func(t *testing.T) {
		ctx := t.Context()
		c := counterAt(t, cluster.Client(), then, Options{Buckets: []calendar.Period{hourly, daily}, Keep: map[calendar.Period]time.Duration{hourly: 20 * day}})
		o := fill(t, c, "home", "prices")
		leaveMigrating(t, cluster, c, "home", "2090-06-15", "2090-06-13", "2090-06-14T12:00Z")
		ask(t, c, o, "home", "prices")
		ask(t, c, o, "prices", "home")

		// Two keys of one visit, here and there; both there; and one that is new.
		for _, at := range []time.Time{then, then.Add(-day), then.Add(-2 * day), then.Add(-3 * day), then.Add(-9 * day)} {
			require.NoError(t, c.TrackAt(ctx, "home", at, "somebody new", "and another"))
			o = append(o, visitOf{"home", "somebody new", at}, visitOf{"home", "and another", at})
		}
		days := counterAt(t, cluster.Client(), then, Options{})
		for _, at := range []time.Time{then, then.Add(-day), then.Add(-2 * day), then.Add(-10 * day)} {
			require.NoError(t, days.TrackAt(ctx, "home", at, crowd(many)...))
			for _, who := range crowd(many) {
				o = append(o, visitOf{"home", who, at})
			}
		}
		n, err := days.LastDays(ctx, "home", 11)
		require.NoError(t, err)
		require.Equal(t, o.count(then.Add(-11*day), then.Add(1), "home"), n)

		require.NoError(t, c.Forget(ctx, "home"))
		for _, node := range cluster.Masters() {
			assert.Empty(t, node.Client().Keys(ctx, "visitors:{home}:*").Val())
		}
	})

	// What travels in the same batches of an AutoPipeliner as questions and visits of such a slot is not sent twice
	// because of them.
	t.Run("neighbours are left alone", func(t *testing.T) {
		ctx := t.Context()
		ap, err := cluster.Client().AutoPipeline()
		require.NoError(t, err)
		t.Cleanup(func() { _ = ap.Close() })
		c := counterAt(t, ap, then, Options{Buckets: []calendar.Period{daily, monthly}})
		const page, counter = "neighbours", "counter:{neighbours}"
		for d := range 3 {
			require.NoError(t, c.TrackAt(ctx, page, then.Add(-time.Duration(d)*day), "ann"))
		}
		require.NoError(t, ap.Set(ctx, counter, 0, 0).Err())
		leaveMigrating(t, cluster, c, page, "2090-06-14")
		var wg sync.WaitGroup
		var want atomic.Int64
		for i := range 8 {
			wg.Go(func() {
				for n := range 24 {
					switch (i + n) % 4 {
					case 0:
						_, err := c.LastDays(ctx, page, 3)
						assert.NoError(t, err)
					case 1:
						assert.NoError(t, c.TrackAt(ctx, page, then.Add(-day), strconv.Itoa(n)))
					case 2:
						_, err := c.Series(ctx, page, weekly, instant("2090-06-05 00:00", time.UTC), instant("2090-06-19 00:00", time.UTC))
						assert.NoError(t, err)
					default:
						if assert.NoError(t, ap.Incr(ctx, counter).Err()) {
							want.Add(1)
						}
					}
				}
			})
		}
		wg.Wait()
		got, err := ap.Get(ctx, counter).Int64()
		require.NoError(t, err)
		assert.Equal(t, want.Load(), got)
	})
}

// TestAsync: an AutoPipeliner that works in the background is waited for.
func TestAsync(t *testing.T) {
	ap, err := redistest.Standalone(t).AsyncAutoPipeline()
	require.NoError(t, err)
	t.Cleanup(func() { _ = ap.Close() })
	opts := Options{Namespace: "async", Buckets: fineBuckets.Buckets}
	c := counterAt(t, ap, then, opts)
	o := fill(t, c, "home", "prices")
	ask(t, c, o, "home", "prices")
	require.NoError(t, c.Track(t.Context(), "x", crowd(600)...))
	one := counterAt(t, ap, then, Options{Namespace: "async"})
	require.NoError(t, one.Track(t.Context(), "x", crowd(600)...))
	n, err := c.Today(t.Context(), "x")
	require.NoError(t, err)
	require.InDelta(t, 600, n, 20)
	require.NoError(t, ap.Set(t.Context(), c.prefix("bad")+"2090-06-15", "text", 0).Err())
	_, err = c.Today(t.Context(), "bad")
	require.ErrorIs(t, err, ErrWrongType)
	_, err = c.LastDays(t.Context(), "bad", 2)
	require.ErrorIs(t, err, ErrWrongType)
	require.ErrorIs(t, one.Track(t.Context(), "bad", crowd(600)...), ErrWrongType)
	require.ErrorIs(t, one.Track(t.Context(), "bad", "a"), ErrWrongType)
	require.ErrorIs(t, c.Track(t.Context(), "bad", "a"), ErrWrongType)
	require.NoError(t, c.Forget(t.Context(), "x"))
	n, err = c.Today(t.Context(), "x")
	require.NoError(t, err)
	require.Zero(t, n)
}

// panicking is a hook that panics with one command, once, when all have come that wait for it.
type panicking struct {
	wait func()
	once sync.Once
}

func (*panicking) DialHook(next redis.DialHook) redis.DialHook { return next }
func (*panicking) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *panicking) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			h.once.Do(func() {
				h.wait()
				panic("of a hook")
			})
		}
		return next(ctx, cmd)
	}
}

// TestPanic: a hook of the client that panics does so in the call that it belongs to; those who waited for that call,
// and those who come later, are served.
func TestPanic(t *testing.T) {
	rdb := redistest.StandaloneServer(t).Client()
	c := counterAt(t, rdb, then, Options{Namespace: t.Name() + strconv.FormatInt(time.Now().UnixNano(), 10)})
	var wg sync.WaitGroup
	rdb.AddHook(&panicking{wait: func() {
		wg.Go(func() { assert.NoError(t, c.Track(t.Context(), "home", "b")) })
		redistest.Poll(t, "somebody waits", func() bool {
			c.lines.mu.Lock()
			defer c.lines.mu.Unlock()
			for _, p := range c.lines.m {
				return p != nil
			}
			return false
		})
	}})
	require.PanicsWithValue(t, "of a hook", func() { _ = c.Track(t.Context(), "home", "a") })
	wg.Wait()
	require.NoError(t, c.Track(t.Context(), "home", "c"))
	n, err := c.Today(t.Context(), "home")
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	require.Empty(t, c.lines.m)
}
