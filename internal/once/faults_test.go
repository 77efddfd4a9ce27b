package once_test

import (
	"context"
	"errors"
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
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/once"
	"github.com/larder-go/larder/internal/redistest"
)

// rig is a client whose connections all go through proxies. A fault ends as soon
// as the client dials again, so whatever it sends a second time arrives.
type rig struct {
	name    string
	rdb     redis.UniversalClient
	proxies []*redistest.Proxy
	direct  redis.UniversalClient // looks at the servers, past the proxies
	armed   atomic.Bool
	single  bool // one server
}

// kinds are the kinds of clients.
var kinds = []string{
	"client", "client-resp2", "client-ctx", "auto", "auto-async", "duplex", "duplex-async", "failover",
	"failover-auto", "cluster", "cluster-auto", "cluster-async", "cluster-duplex", "ring",
}

// settings change the clients of a rig.
type settings struct {
	timeout        time.Duration
	user, password string
}

func newRig(t *testing.T, kind string, set settings) *rig {
	t.Helper()
	if set.timeout == 0 {
		set.timeout = time.Minute
	}
	r := &rig{name: kind}
	behind := map[string]*redistest.Proxy{}
	guard := func(addr string) {
		p := redistest.NewProxy(t, "tcp", addr)
		behind[addr] = p
		r.proxies = append(r.proxies, p)
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if r.armed.Swap(false) {
			r.heal()
		}
		if p := behind[addr]; p != nil {
			addr = p.Addr()
		}
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
	opts := &redis.Options{
		Dialer: dial, DialTimeout: time.Minute, ReadTimeout: set.timeout, WriteTimeout: time.Minute, PoolTimeout: time.Minute,
		Username: set.user, Password: set.password, DialerRetries: 1,
	}
	base, variant, _ := strings.Cut(kind, "-")
	// No room for the connection that the pool dials ahead while one is busy: its
	// greeting would take the bytes that a fault lets through. The full duplex
	// keeps a connection to itself.
	size := 1
	if base == "duplex" || variant == "duplex" {
		size = 2
	}
	opts.PoolSize = size
	switch base {
	case "client", "auto", "duplex", "failover":
		r.single = true
		var client *redis.Client
		if base == "failover" {
			s := sentinels(t)
			guard(s.Servers()[0].Addr())
			client = redis.NewFailoverClient(&redis.FailoverOptions{
				MasterName: redistest.MasterName, SentinelAddrs: s.Addrs(), Dialer: dial, DialTimeout: time.Minute,
				ReadTimeout: set.timeout, WriteTimeout: time.Minute, PoolTimeout: time.Minute,
				Username: set.user, Password: set.password, PoolSize: size,
			})
			r.direct = s.Servers()[0].Client()
		} else {
			server := redistest.StandaloneServer(t)
			guard(server.Addr())
			opts.Addr = server.Addr()
			if variant == "resp2" {
				opts.Protocol = 2
			}
			opts.ContextTimeoutEnabled = variant == "ctx"
			client = redis.NewClient(opts)
			r.direct = redistest.Standalone(t)
		}
		t.Cleanup(func() { _ = client.Close() })
		r.rdb = client
		switch {
		case base == "auto" && variant == "async":
			r.rdb = made(client.AsyncAutoPipeline())(t)
		case base == "auto" || variant == "auto":
			r.rdb = made(client.AutoPipeline())(t)
		case base == "duplex" && variant == "async":
			r.rdb = made(client.AsyncAutoPipelineWithOptions(&redis.AutoPipelineOptions{FullDuplex: true}))(t)
		case base == "duplex":
			r.rdb = made(client.AutoPipelineWithOptions(&redis.AutoPipelineOptions{FullDuplex: true}))(t)
		}
	case "cluster":
		c := redistest.SharedCluster(t)
		for _, n := range c.Masters() {
			guard(n.Addr())
		}
		client := c.Client(func(o *redis.ClusterOptions) {
			o.Dialer, o.ReadTimeout, o.ClusterStateReloadInterval = dial, set.timeout, time.Hour
			o.Username, o.Password, o.PoolSize = set.user, set.password, size
		})
		r.rdb, r.direct = client, c.Client()
		switch variant {
		case "auto":
			r.rdb = made(client.AutoPipeline())(t)
		case "async":
			r.rdb = made(client.AsyncAutoPipeline())(t)
		case "duplex":
			r.rdb = made(client.AutoPipelineWithOptions(&redis.AutoPipelineOptions{FullDuplex: true}))(t)
		}
	case "ring":
		a, b := redistest.StandaloneServer(t), redistest.NewServer(t, redistest.ServerOptions{})
		guard(a.Addr())
		guard(b.Addr())
		ring := func(dial func(context.Context, string, string) (net.Conn, error)) *redis.Ring {
			rdb := redis.NewRing(&redis.RingOptions{
				Addrs: map[string]string{"a": a.Addr(), "b": b.Addr()}, Dialer: dial, HeartbeatFrequency: time.Hour,
				DialTimeout: time.Minute, ReadTimeout: set.timeout, WriteTimeout: time.Minute, PoolTimeout: time.Minute,
				Username: set.user, Password: set.password, PoolSize: size,
			})
			t.Cleanup(func() { _ = rdb.Close() })
			return rdb
		}
		r.rdb = ring(dial)
		set.user, set.password = "", ""
		r.direct = ring(nil)
	}
	return r
}

// sentinels are the shared ones, which only the kind of a client gives out.
func sentinels(t *testing.T) (s *redistest.Sentinels) {
	t.Helper()
	redistest.On(t, []redistest.Kind{redistest.KindFailover}, func(_ *testing.T, e redistest.Env) { s = e.Sentinels })
	require.NotNil(t, s)
	return s
}

func made(ap *redis.AutoPipeliner, err error) func(t *testing.T) *redis.AutoPipeliner {
	return func(t *testing.T) *redis.AutoPipeliner {
		t.Helper()
		require.NoError(t, err)
		t.Cleanup(func() { _ = ap.Close() })
		return ap
	}
}

func (r *rig) heal() {
	for _, p := range r.proxies {
		p.Heal()
	}
}

// break breaks all proxies.
func (r *rig) fault(f func(p *redistest.Proxy)) {
	for _, p := range r.proxies {
		f(p)
	}
	r.armed.Store(true)
}

// warm makes the connections that a fault is to break.
func (r *rig) warm(t *testing.T, keys ...string) {
	t.Helper()
	cmds := make([]redis.Cmder, len(keys))
	for i, key := range keys {
		cmds[i] = redis.NewIntCmd(t.Context(), "exists", key)
		require.NoError(t, r.rdb.Process(t.Context(), cmds[i]))
		require.NoError(t, cmds[i].Err())
	}
	for i := range cmds {
		cmds[i] = redis.NewIntCmd(t.Context(), "exists", keys[i])
	}
	for _, o := range once.Exec(t.Context(), r.rdb, cmds) {
		require.Equal(t, once.Applied, o)
	}
}

// value is the number that a key holds, past the proxies.
func (r *rig) value(t *testing.T, key string) int {
	t.Helper()
	n, err := r.direct.Get(context.Background(), key).Int()
	if errors.Is(err, redis.Nil) {
		return 0
	}
	require.NoError(t, err)
	return n
}

func everywhere(t *testing.T, set settings, fn func(t *testing.T, r *rig)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			fn(t, newRig(t, kind, set))
		})
	}
}

func names(t *testing.T, n int) []string {
	t.Helper()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s:%d:%d", t.Name(), time.Now().UnixNano(), i)
	}
	return keys
}

func increments(ctx context.Context, keys []string) []redis.Cmder {
	cmds := make([]redis.Cmder, len(keys))
	for i, key := range keys {
		cmds[i] = redis.NewIntCmd(ctx, "incr", key)
	}
	return cmds
}

// check holds the outcomes against what the servers hold.
func (r *rig) check(t *testing.T, keys []string, cmds []redis.Cmder, outcomes []once.Outcome) (counts [4]int) {
	t.Helper()
	for i, key := range keys {
		n := r.value(t, key)
		counts[outcomes[i]]++
		switch outcomes[i] {
		case once.Applied:
			require.NoError(t, cmds[i].Err())
			require.Equal(t, 1, n, "%s said that it was applied", key)
		case once.NotSent:
			require.Error(t, cmds[i].Err())
			require.Zero(t, n, "%s said that it was not sent", key)
		case once.Unknown:
			require.Error(t, cmds[i].Err())
			require.LessOrEqual(t, n, 1, "%s was applied twice", key)
		default:
			t.Fatalf("%s: %v: %v", key, outcomes[i], cmds[i].Err())
		}
	}
	return counts
}

// TestLostReply: a command whose reply is cut off is applied at most once, and
// said to be unknown; a batch says it of each of its commands.
func TestLostReply(t *testing.T) {
	t.Parallel()
	everywhere(t, settings{}, func(t *testing.T, r *rig) {
		t.Helper()
		ctx := t.Context()
		keys := names(t, 12)
		r.warm(t, keys...)
		script := once.NewScript(`return redis.call('INCR', KEYS[1])`)
		warm := names(t, 12)
		for _, key := range warm { // the script is on every node
			_, err := script.Run(ctx, r.rdb, []string{key})
			require.NoError(t, err)
		}
		r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(0) })
		err := once.Process(ctx, r.rdb, redis.NewIntCmd(ctx, "incr", keys[0]))
		require.True(t, once.IsUnknown(err), "%v", err)
		r.heal()
		require.Equal(t, 1, r.value(t, keys[0]))

		r.warm(t, keys...)
		r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(0) })
		_, err = script.Run(ctx, r.rdb, keys[1:2])
		require.True(t, once.IsUnknown(err), "%v", err)
		r.heal()
		require.Equal(t, 1, r.value(t, keys[1]))

		r.warm(t, keys...)
		r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(0) })
		cmds := increments(ctx, keys[2:])
		outcomes := slices.Clone(once.Exec(ctx, r.rdb, cmds))
		r.heal()
		counts := r.check(t, keys[2:], cmds, outcomes)
		require.Positive(t, counts[once.Unknown])
		require.Zero(t, counts[once.NotSent])
		if r.single {
			require.Equal(t, 10, counts[once.Unknown])
		}
	})
}

// TestCutBatch cuts the replies, and the requests, of a batch at every few bytes.
func TestCutBatch(t *testing.T) {
	t.Parallel()
	everywhere(t, settings{}, func(t *testing.T, r *rig) {
		t.Helper()
		ctx := t.Context()
		for _, n := range []int64{1, 4, 7, 12, 25, 39} { // ":1\r\n" is 4 bytes
			keys := names(t, 10)
			r.warm(t, keys...)
			r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(n) })
			cmds := increments(ctx, keys)
			outcomes := slices.Clone(once.Exec(ctx, r.rdb, cmds))
			r.heal()
			counts := r.check(t, keys, cmds, outcomes)
			if r.single {
				require.Equal(t, int(n/4), counts[once.Applied])
				require.Equal(t, 10-int(n/4), counts[once.Unknown])
			}
		}
		for _, n := range []int64{0, 10, 200} {
			keys := names(t, 10)
			r.warm(t, keys...)
			r.fault(func(p *redistest.Proxy) { p.CutRequestAfter(n) })
			cmds := increments(ctx, keys)
			outcomes := slices.Clone(once.Exec(ctx, r.rdb, cmds))
			r.heal()
			r.check(t, keys, cmds, outcomes)
		}
	})
}

// TestHundredIncrements is the case of the contract: 100 increments, cut after 40
// replies, are 40 applied and 60 unknown, and each value is 1.
func TestHundredIncrements(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, kind, settings{})
			if !r.single {
				t.Skip("one server's business")
			}
			keys := names(t, 100)
			r.warm(t, keys[0])
			r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(160) })
			cmds := increments(t.Context(), keys)
			outcomes := slices.Clone(once.Exec(t.Context(), r.rdb, cmds))
			r.heal()
			require.Equal(t, [4]int{once.Applied: 40, once.Unknown: 60}, r.check(t, keys, cmds, outcomes))
			for _, key := range keys {
				require.Equal(t, 1, r.value(t, key))
			}
		})
	}
}

// TestSilence: the reply is swallowed and the connection stays, so that the read
// time-out strikes. All clients wait for theirs at the same time.
func TestSilence(t *testing.T) {
	ctx := t.Context()
	type trial struct {
		rig      *rig
		keys     []string
		cmds     []redis.Cmder
		outcomes []once.Outcome
	}
	trials := make([]trial, len(kinds))
	for i, kind := range kinds {
		r := newRig(t, kind, settings{timeout: 2 * time.Second})
		keys := names(t, 10)
		r.warm(t, keys...)
		trials[i] = trial{rig: r, keys: keys, cmds: increments(ctx, keys)}
	}
	var wg sync.WaitGroup
	for i := range trials {
		wg.Go(func() {
			x := &trials[i]
			x.rig.fault(func(p *redistest.Proxy) { p.DropReplyAfter(0) })
			x.outcomes = once.Exec(ctx, x.rig.rdb, x.cmds)
			x.rig.heal()
		})
	}
	wg.Wait()
	for _, x := range trials {
		require.Equal(t, [4]int{once.Unknown: 10}, x.rig.check(t, x.keys, x.cmds, x.outcomes), x.rig.name)
	}
}

// TestPlainCommandsRunTwice shows that the rig would find what this package is
// for: the same command, sent plainly, runs twice behind a nil error.
func TestPlainCommandsRunTwice(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"client", "auto", "cluster", "ring"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, kind, settings{})
			keys := names(t, 1)
			r.warm(t, keys...)
			r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(0) })
			require.NoError(t, r.rdb.Incr(t.Context(), keys[0]).Err())
			require.Equal(t, 2, r.value(t, keys[0]))
		})
	}
}

// TestWrongPassword: the greeting is refused, so nothing was sent.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	everywhere(t, settings{user: "nobody", password: "wrong"}, func(t *testing.T, r *rig) {
		t.Helper()
		ctx := t.Context()
		keys := names(t, 4)
		err := once.Process(ctx, r.rdb, redis.NewIntCmd(ctx, "incr", keys[0]))
		require.Error(t, err)
		require.False(t, once.IsUnknown(err), "%v", err)
		cmds := increments(ctx, keys)
		for i, o := range once.Exec(ctx, r.rdb, cmds) {
			require.Equal(t, once.NotSent, o, "%v", cmds[i].Err())
			require.Error(t, cmds[i].Err())
			require.Zero(t, r.value(t, keys[i]))
		}
	})
}

// TestRefusedConnections: no server is reached, so nothing was sent.
func TestRefusedConnections(t *testing.T) {
	gone := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", "127.0.0.1:1") // a privileged port that nobody serves
	}
	c := redistest.SharedCluster(t)
	var view []redis.ClusterSlot
	for i, m := range c.Masters() {
		view = append(view, redis.ClusterSlot{Start: i * 16384 / 3, End: (i+1)*16384/3 - 1, Nodes: []redis.ClusterNode{{Addr: m.Addr()}}})
	}
	slots := func(context.Context) ([]redis.ClusterSlot, error) { return view, nil }
	client := redis.NewClient(&redis.Options{Dialer: gone, DialerRetries: 1})
	auto, err := client.AutoPipeline()
	require.NoError(t, err)
	for name, rdb := range map[string]redis.UniversalClient{
		"client":  client,
		"auto":    auto,
		"cluster": redis.NewClusterClient(&redis.ClusterOptions{ClusterSlots: slots, Dialer: gone, DialerRetries: 1}),
		"ring":    redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "x:1"}, Dialer: gone, HeartbeatFrequency: time.Hour}),
	} {
		cmds := increments(t.Context(), names(t, 3))
		for i, o := range once.Exec(t.Context(), rdb, cmds) {
			require.Equal(t, once.NotSent, o, "%s: %v", name, cmds[i].Err())
		}
		err := once.Process(t.Context(), rdb, increments(t.Context(), names(t, 1))[0])
		require.Error(t, err)
		require.False(t, once.IsUnknown(err), "%s: %v", name, err)
	}
	_, _ = auto.Close(), client.Close()
}

// TestPausedServer: a server that stands still has the commands, and runs them
// once it goes on.
func TestPausedServer(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := server.Client(func(o *redis.Options) { o.ReadTimeout = 2 * time.Second; o.MaxRetries = 3 })
	ctx := t.Context()
	require.NoError(t, rdb.Set(ctx, "warm", 1, 0).Err())
	server.Pause()
	err := once.Process(ctx, rdb, redis.NewIntCmd(ctx, "incr", "n"))
	server.Resume()
	require.True(t, once.IsUnknown(err), "%v", err)
	redistest.Poll(t, "the command has run", func() bool { return rdb.Get(ctx, "n").Val() == "1" })
	require.Equal(t, "2", strconv.FormatInt(rdb.Incr(ctx, "n").Val(), 10))
}

// TestRedirections: MOVED and ASK are followed, and what is cut behind them is
// unknown.
func TestRedirections(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMigrating}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		client, ok := e.Client.(*redis.ClusterClient)
		require.True(t, ok)
		auto, err := client.AutoPipeline()
		require.NoError(t, err)
		defer func() { _ = auto.Close() }()
		for i, rdb := range []redis.UniversalClient{client, auto} {
			id := e.ID(fmt.Sprintf("%s-%d", e.Namespace, i))
			key := "{" + id + "}:n"
			cmd := redis.NewIntCmd(ctx, "incr", key)
			require.NoError(t, once.Process(ctx, rdb, cmd))
			require.EqualValues(t, 1, cmd.Val())
			cmds := increments(ctx, []string{key, key, "{" + id + "}:other", e.Namespace})
			require.Equal(t, []once.Outcome{once.Applied, once.Applied, once.Applied, once.Applied}, once.Exec(ctx, rdb, cmds))
			require.EqualValues(t, 3, number(t, cmds[1]))
			// A script of an existing and an absent key is told TRYAGAIN, and so
			// are not its neighbours.
			script := once.NewScript(`return redis.call('INCR', KEYS[1])`)
			cmds = []redis.Cmder{script.Cmd(ctx, []string{key, "{" + id + "}:absent"}), redis.NewIntCmd(ctx, "incr", e.Namespace)}
			outcomes := once.Exec(ctx, rdb, cmds)
			if outcomes[0] == once.Failed {
				require.Equal(t, "TRYAGAIN", once.Code(cmds[0].Err()))
			}
			require.Equal(t, once.Applied, outcomes[1])
			require.EqualValues(t, 2*(i+1), number(t, cmds[1]))
		}
	})

	// A client whose view of the cluster is wrong is told MOVED for every command.
	c := redistest.SharedCluster(t)
	masters := c.Masters()
	var view []redis.ClusterSlot
	for i := range masters {
		view = append(view, redis.ClusterSlot{
			Start: i * 16384 / 3, End: (i+1)*16384/3 - 1,
			Nodes: []redis.ClusterNode{{Addr: masters[(i+1)%3].Addr()}},
		})
	}
	behind := map[string]*redistest.Proxy{}
	for _, m := range masters {
		behind[m.Addr()] = redistest.NewProxy(t, "tcp", m.Addr())
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{
		ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) { return view, nil },
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			if p := behind[addr]; p != nil {
				addr = p.Addr()
			}
			return d.DialContext(ctx, network, addr)
		},
		ReadTimeout: time.Minute,
	})
	defer func() { _ = rdb.Close() }()
	direct := c.Client()
	keys := names(t, 12)
	for _, key := range keys {
		require.NoError(t, once.Process(t.Context(), rdb, redis.NewIntCmd(t.Context(), "incr", key)))
	}
	for _, o := range once.Exec(t.Context(), rdb, increments(t.Context(), keys)) {
		require.Equal(t, once.Applied, o)
	}
	// Cut behind the redirection: the first of the nodes answers MOVED, and the
	// second one is silenced.
	key := keys[0]
	owner := c.MasterOf(key)
	behind[owner.Addr()].CutReplyAfter(0)
	outcomes := once.Exec(t.Context(), rdb, increments(t.Context(), []string{key}))
	require.Equal(t, once.Unknown, outcomes[0])
	behind[owner.Addr()].Heal()
	n, err := direct.Get(t.Context(), key).Int()
	require.NoError(t, err)
	require.LessOrEqual(t, n, 3)
}

// TestTransaction: a transaction is sent once, and its end is known or unknown.
func TestTransaction(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"client", "failover", "cluster", "ring"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, kind, settings{})
			ctx := t.Context()
			for _, n := range []int64{0, 3, 5, 20, 30} { // +OK, +QUEUED, *1, :1
				key := names(t, 1)[0]
				r.warm(t, key)
				var outcomes []once.Outcome
				_ = r.rdb.Watch(ctx, func(tx *redis.Tx) error {
					r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(n) })
					outcomes, _ = once.ExecTx(ctx, tx, increments(ctx, []string{key}))
					return errors.New("done")
				}, key)
				r.heal()
				require.LessOrEqual(t, r.value(t, key), 1)
				if n < 20 {
					require.Equal(t, once.Unknown, outcomes[0])
				}
				if outcomes[0] == once.Applied {
					require.Equal(t, 1, r.value(t, key))
				}
			}
		})
	}
}

func TestExecTx(t *testing.T) {
	rdb := redistest.Standalone(t)
	ctx := t.Context()
	keys := names(t, 3)
	run := func(before func(), cmds ...redis.Cmder) (outcomes []once.Outcome, err error) {
		_ = rdb.Watch(ctx, func(tx *redis.Tx) error {
			before()
			outcomes, err = once.ExecTx(ctx, tx, cmds)
			return nil
		}, keys[0])
		return outcomes, err
	}
	nothing := func() {}
	outcomes, err := run(nothing, increments(ctx, keys)...)
	require.NoError(t, err)
	require.Equal(t, []once.Outcome{once.Applied, once.Applied, once.Applied}, outcomes)
	outcomes, err = run(func() { rdb.Incr(ctx, keys[0]) }, increments(ctx, keys[:1])...)
	require.ErrorIs(t, err, redis.TxFailedErr)
	require.Equal(t, []once.Outcome{once.Failed}, outcomes)
	// Refused before the execution: nothing is done.
	outcomes, err = run(nothing, increments(ctx, keys[:1])[0], redis.NewCmd(ctx, "nosuchcommand"))
	require.Equal(t, "EXECABORT", once.Code(err))
	require.Equal(t, []once.Outcome{once.Failed, once.Failed}, outcomes)
	require.Equal(t, "2", rdb.Get(ctx, keys[0]).Val())
	// Failed in the execution: the others stay.
	rdb.LPush(ctx, keys[2]+"list", 1)
	outcomes, err = run(nothing, increments(ctx, keys[:1])[0], redis.NewIntCmd(ctx, "incr", keys[2]+"list"))
	require.Equal(t, "WRONGTYPE", once.Code(err))
	require.Equal(t, []once.Outcome{once.Applied, once.Failed}, outcomes)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_ = rdb.Watch(ctx, func(tx *redis.Tx) error {
		outcomes, err = once.ExecTx(ended, tx, increments(ctx, keys[:1]))
		return nil
	}, keys[0])
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []once.Outcome{once.NotSent}, outcomes)
}

// TestReadEverywhere: scripts that read, one key and several.
func TestReadEverywhere(t *testing.T) {
	script := once.NewScript(`return redis.call('GET', KEYS[#KEYS])`)
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		id := e.ID(e.Namespace)
		key := "{" + id + "}:n"
		require.NoError(t, e.Client.Set(t.Context(), key, "x", 0).Err())
		for range 2 {
			v, err := script.Read(t.Context(), e.Client, []string{key})
			require.NoError(t, err)
			require.Equal(t, "x", v)
			v, err = script.Run(t.Context(), e.Client, []string{key})
			require.NoError(t, err)
			require.Equal(t, "x", v)
		}
		if e.Kind != redistest.KindMigrating {
			v, err := script.Read(t.Context(), e.Client, []string{"{" + id + "}:none", key})
			require.NoError(t, err)
			require.Equal(t, "x", v)
		}
	})
}

// TestLostRead: a lost reply of a script that reads is asked for again.
func TestLostRead(t *testing.T) {
	t.Parallel()
	script := once.NewScript(`return redis.call('GET', KEYS[1])`)
	for _, kind := range []string{"client", "auto", "cluster", "ring"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, kind, settings{})
			key := names(t, 1)[0]
			keys := []string{"{" + key + "}", "{" + key + "}2"}
			require.NoError(t, r.rdb.Set(t.Context(), keys[0], "x", 0).Err())
			for n := 1; n <= 2; n++ {
				_, err := script.Run(t.Context(), r.rdb, keys[:n])
				require.NoError(t, err)
				r.warm(t, keys...)
				r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(0) })
				v, err := script.Read(t.Context(), r.rdb, keys[:n])
				require.NoError(t, err)
				require.Equal(t, "x", v)
			}
		})
	}
}

// TestDeadNode: through the AutoPipeliner of a cluster, a write to a node that is dead is an error, though go-redis ends
// it without one.
func TestDeadNode(t *testing.T) {
	ctx := t.Context()
	cluster := redistest.NewCluster(t)
	client := cluster.Client(func(o *redis.ClusterOptions) {
		o.MaxRedirects, o.MaxRetries, o.DialerRetries = 1, -1, 1
	})
	ap, err := client.AutoPipeline()
	require.NoError(t, err)
	script := once.NewScript("return redis.call('INCR', KEYS[1])")
	_, err = script.Run(ctx, ap, []string{"n"})
	require.NoError(t, err)
	cluster.MasterOf("n").Kill()
	for range 3 {
		for _, rdb := range []redis.UniversalClient{ap, client} {
			_, err := script.Run(ctx, rdb, []string{"n"})
			require.Error(t, err)
			_, err = script.Read(ctx, rdb, []string{"n", "{n}2"})
			require.Error(t, err)
			require.Error(t, once.Process(ctx, rdb, redis.NewIntCmd(ctx, "incrby", "n", 0)))
		}
	}
}
