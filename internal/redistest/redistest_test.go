package redistest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if os.Getenv("REDISTEST_CHILD") != "" {
		child()
	}
	os.Exit(Main(m))
}

// TestEach: every kind stores and finds.
func TestEach(t *testing.T) {
	seen := map[Kind]bool{}
	Each(t, func(t *testing.T, e Env) {
		seen[e.Kind] = true
		key := e.Namespace + ":{" + e.ID("ann") + "}"
		require.NoError(t, e.Client.Set(t.Context(), key, "v", time.Minute).Err())
		got, err := e.Client.Get(t.Context(), key).Result()
		require.NoError(t, err)
		assert.Equal(t, "v", got)
		assert.Equal(t, e.Kind != KindMiniredis, e.Real())
		assert.Equal(t, e.Real(), len(e.Masters()) > 0)
		var keys int64
		for _, m := range e.Masters() {
			n, err := m.DBSize(t.Context()).Result()
			require.NoError(t, err)
			keys += n
		}
		if e.Real() && e.Kind != KindMigrating { // there the key went to the slot's new place, on one of them too
			assert.Positive(t, keys)
		}
	})
	assert.Len(t, seen, len(Kinds()))
}

// TestMigrating: what is on the source stays there, what is not goes to the target, and both at once is TRYAGAIN.
func TestMigrating(t *testing.T) {
	On(t, []Kind{KindMigrating}, func(t *testing.T, e Env) {
		ctx := t.Context()
		source, target := e.Cluster.Masters()[0].Client(), e.Cluster.Masters()[1].Client()
		id := e.ID("ann")
		assert.Equal(t, MigratingSlot, Slot("x:{"+id+"}:y"))
		key := e.Namespace + ":{" + id + "}"
		err := source.Set(ctx, key, "v", 0).Err()
		require.ErrorContains(t, err, "ASK 42")
		require.NoError(t, e.Client.Set(ctx, key, "v", 0).Err())
		n, err := target.ClusterCountKeysInSlot(ctx, MigratingSlot).Result()
		require.NoError(t, err)
		assert.Positive(t, n)
	})
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := NewServer(t, ServerOptions{Args: []string{"--maxmemory", "5mb"}, Users: []string{"reader on >secret ~* +@read +ping"}})
	ctx := t.Context()
	client := s.Client()
	require.NoError(t, client.Set(ctx, "k", "v", 0).Err())
	conf, err := client.ConfigGet(ctx, "maxmemory").Result()
	require.NoError(t, err)
	assert.Equal(t, "5242880", conf["maxmemory"])
	reader := s.Client(func(o *redis.Options) { o.Username, o.Password = "reader", "secret" })
	require.NoError(t, reader.Get(ctx, "k").Err())
	require.ErrorContains(t, reader.Set(ctx, "k", "w", 0).Err(), "NOPERM")
	tcp := s.Client(s.TCP)
	require.NoError(t, tcp.Get(ctx, "k").Err())

	impatient := s.Client(func(o *redis.Options) { o.ReadTimeout, o.MaxRetries, o.DialerRetries = 3*time.Second, -1, 1 })
	require.NoError(t, impatient.Ping(ctx).Err())
	s.Pause()
	var timeout net.Error
	require.ErrorAs(t, impatient.Get(ctx, "k").Err(), &timeout)
	s.Resume()
	require.NoError(t, client.Get(ctx, "k").Err(), "it went on where it was")

	s.Kill()
	require.Error(t, impatient.Get(ctx, "k").Err())
	addr := s.Addr()
	s.Restart(t)
	assert.Equal(t, addr, s.Addr())
	require.ErrorIs(t, client.Get(ctx, "k").Err(), redis.Nil)
	s.Stop()
	require.Error(t, impatient.Get(ctx, "k").Err())
}

func TestTLS(t *testing.T) {
	s := NewServer(t, ServerOptions{TLS: true})
	require.NoError(t, s.Client(s.TCP).Ping(t.Context()).Err())
	anonymous := s.Client(s.TCP, func(o *redis.Options) {
		o.TLSConfig = o.TLSConfig.Clone()
		o.TLSConfig.Certificates = nil
	})
	require.Error(t, anonymous.Ping(t.Context()).Err(), "a client needs a certificate")
}

// TestReplicaOfTLS: a replica reaches its master by TLS, whether it listens with TLS itself or not.
func TestReplicaOfTLS(t *testing.T) {
	master := NewServer(t, ServerOptions{TLS: true})
	require.NoError(t, master.Client().Set(t.Context(), "k", "v", 0).Err())
	for _, opts := range []ServerOptions{{}, {TLS: true}} {
		replica := NewReplica(t, master, opts)
		tcp := replica.Client(replica.TCP)
		Poll(t, "the replica has the key", func() bool { return tcp.Get(t.Context(), "k").Val() == "v" })
	}
}

func TestReplica(t *testing.T) {
	master := NewServer(t, ServerOptions{})
	replica := NewReplica(t, master, ServerOptions{})
	require.NoError(t, master.Client().Set(t.Context(), "k", "v", 0).Err())
	Poll(t, "the replica has the key", func() bool { return replica.Client().Get(t.Context(), "k").Val() == "v" })
	require.ErrorContains(t, replica.Client().Set(t.Context(), "k", "w", 0).Err(), "READONLY")
}

func TestSentinelsPromote(t *testing.T) {
	t.Parallel()
	s := NewSentinels(t, 0)
	client := s.Client()
	ctx := t.Context()
	require.NoError(t, client.Set(ctx, "k", "v", 0).Err())
	n, err := client.Wait(ctx, 2, 0).Result()
	require.NoError(t, err)
	require.Equal(t, int64(2), n)
	old := s.Master()
	old.Kill()
	// Two Sentinels that answer nothing are not waited for.
	s.Sentinels()[0].Kill()
	s.Sentinels()[1].Pause()
	s.Steady(t)
	master := s.Promote(t)
	assert.NotEqual(t, old, master)
	assert.Equal(t, master, s.Master())
	s.Steady(t)
	s.Sentinels()[0].Restart(t)
	s.Sentinels()[1].Resume()
	s.Steady(t)
	Poll(t, "the client finds the new master", func() bool { return client.Get(ctx, "k").Val() == "v" })
	for _, one := range s.Sentinels() {
		one.Kill()
	}
	assert.True(t, fails(t, func(tb testing.TB) { tb.Helper(); s.Promote(tb) }), "there is nobody to ask")
}

func TestClusterPromote(t *testing.T) {
	t.Parallel()
	c := NewCluster(t)
	client := c.Client()
	ctx := t.Context()
	require.NoError(t, client.Set(ctx, "k", "v", 0).Err())
	old := c.MasterOf("k")
	n, err := old.Client().DBSize(ctx).Result()
	require.NoError(t, err)
	require.Equal(t, int64(1), n)
	replica := c.Nodes()[3+indexOf(c.Masters(), old)]
	Poll(t, "the replica has the key", func() bool { return replica.Client().DBSize(ctx).Val() == 1 })
	old.Kill()
	assert.Equal(t, replica, c.Promote(t, old))
	Poll(t, "the client finds the new master", func() bool { return client.Get(ctx, "k").Val() == "v" })

	old.Restart(t)
	Poll(t, "its peers find the restarted node, which follows the new master", func() bool { return linkUp(ctx, old) })

	from, to := c.Masters()[(indexOf(c.Masters(), old)+1)%3], c.Masters()[(indexOf(c.Masters(), old)+2)%3]
	slot := (indexOf(c.Masters(), from)*slots + clusterMasters - 1) / clusterMasters
	require.NoError(t, c.Migrate(ctx, slot, from, to))
	key := idInSlot("x", slot)
	require.NoError(t, client.Set(ctx, key, "v", 0).Err())
	paused := c.Nodes()[3+indexOf(c.Masters(), from)]
	paused.Pause()
	require.NoError(t, c.FinishMigration(ctx, slot, from, to))
	id, err := to.Client().Do(ctx, "cluster", "myid").Text()
	require.NoError(t, err)
	for _, n := range c.Nodes() {
		if n != paused {
			owner, err := slotOwner(ctx, n, slot)
			require.NoError(t, err)
			assert.Equal(t, id, owner)
		}
	}
	paused.Resume()

	// Promoting while the old master lives, there and back.
	assert.Equal(t, replicaOf(c, from), c.Promote(t, from))
	assert.True(t, linkUp(ctx, from))
	assert.Equal(t, from, c.Promote(t, replicaOf(c, from)))
	assert.True(t, linkUp(ctx, replicaOf(c, from)))
	for _, stranger := range []*Server{nil, {process: &process{}}} {
		assert.True(t, fails(t, func(tb testing.TB) { tb.Helper(); c.Promote(tb, stranger) }))
	}
}

func replicaOf(c *Cluster, master *Server) *Server { return c.Nodes()[3+indexOf(c.Masters(), master)] }

func indexOf(all []*Server, s *Server) int {
	for i, one := range all {
		if one == s {
			return i
		}
	}
	return -1
}

// TestProxyCutsReplies: the server has executed what it was sent, and the client gets exactly so many bytes.
func TestProxyCutsReplies(t *testing.T) {
	rdb := Standalone(t)
	ctx := t.Context()
	reply := "$5\r\nhello\r\n"
	key := "proxy-cuts-replies"
	for n := range len(reply) {
		require.NoError(t, rdb.Del(ctx, key).Err())
		p := NewProxy(t, "unix", StandaloneServer(t).Socket())
		conn := dial(t, p)
		p.CutReplyAfter(int64(n))
		_, err := io.WriteString(conn, "SET "+key+" hello\r\nGET "+key+"\r\n")
		require.NoError(t, err)
		got, err := io.ReadAll(conn)
		if err != nil {
			var reset net.Error
			require.ErrorAs(t, err, &reset)
		}
		assert.Equal(t, ("+OK\r\n" + reply)[:n], string(got))
		Poll(t, "the server executed it", func() bool { return rdb.Get(ctx, key).Val() == "hello" })
	}
}

func TestProxyCutsRequests(t *testing.T) {
	rdb := Standalone(t)
	ctx := t.Context()
	key := "proxy-cuts-requests"
	p := NewProxy(t, "unix", StandaloneServer(t).Socket())
	first := "SET " + key + " 1\r\n"
	p.CutRequestAfter(int64(len(first) + 4))
	conn := dial(t, p)
	_, err := io.WriteString(conn, first+"SET "+key+" 2\r\n")
	require.NoError(t, err)
	_, _ = io.ReadAll(conn)
	Poll(t, "the first command arrived", func() bool { return rdb.Exists(ctx, key).Val() == 1 })
	assert.Equal(t, "1", rdb.Get(ctx, key).Val())
	request, _ := p.Bytes()
	assert.Equal(t, int64(2*len(first)), request)
	p.Heal()
	_, err = io.WriteString(dial(t, p), "SET "+key+" 3\r\n")
	require.NoError(t, err)
	Poll(t, "a healed proxy lets all pass", func() bool { return rdb.Get(ctx, key).Val() == "3" })
	assert.Equal(t, 2, p.Connections())
}

func TestProxyDropsHalvesAndRefuses(t *testing.T) {
	p := NewProxy(t, "unix", StandaloneServer(t).Socket())
	p.DropReplyAfter(0)
	conn := dial(t, p)
	_, err := io.WriteString(conn, "PING\r\n")
	require.NoError(t, err)
	Poll(t, "the server answered", func() bool {
		_, reply := p.Bytes()
		return reply == int64(len("+PONG\r\n"))
	})
	p.Heal()
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err, "its connection has lost its place")

	p.HalfCloseAfter(3)
	conn = dial(t, p)
	_, err = io.WriteString(conn, "PING\r\n")
	require.NoError(t, err)
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, "+PO", string(got))
	_, err = io.WriteString(conn, "PING\r\n")
	require.NoError(t, err, "the other direction is open")
	p.Heal()

	p.Refuse()
	_, err = dial(t, p).Read(make([]byte, 1))
	require.Error(t, err)
}

// TestProxyDropsRequests: what is swallowed never reaches the server, and the connection stays.
func TestProxyDropsRequests(t *testing.T) {
	p := NewProxy(t, "unix", StandaloneServer(t).Socket())
	p.DropRequestAfter(4)
	conn := dial(t, p)
	_, err := io.WriteString(conn, "PING\r\n")
	require.NoError(t, err)
	Poll(t, "the proxy got the request", func() bool {
		request, _ := p.Bytes()
		return request == int64(len("PING\r\n"))
	})
	p.DropRequestAfter(1 << 20)
	_, err = io.WriteString(conn, "\r\n") // the end of a line that has lost its own
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "+PONG\r\n", line)
}

// TestProxyDelays: an answer that is held back has been given, and does not hold up the end of the test.
func TestProxyDelays(t *testing.T) {
	p := NewProxy(t, "unix", StandaloneServer(t).Socket())
	p.Delay(time.Hour)
	conn := dial(t, p)
	_, err := io.WriteString(conn, "PING\r\n")
	require.NoError(t, err)
	Poll(t, "the server answered", func() bool {
		_, reply := p.Bytes()
		return reply == int64(len("+PONG\r\n"))
	})
	require.NoError(t, conn.SetReadDeadline(time.Now()))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", p.Addr())
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(PollFor)))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestNoServer runs this test binary without a redis-server: a skip with one line, or a failure where one is required.
func TestNoServer(t *testing.T) {
	for _, required := range []bool{false, true} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTLS$", "-test.v")
		cmd.Env = append(os.Environ(), "REDIS_SERVER=/nowhere/redis-server", "LARDER_REQUIRE_REDIS=")
		if required {
			cmd.Env = append(cmd.Env, "LARDER_REQUIRE_REDIS=1")
		}
		out, err := cmd.CombinedOutput()
		if required {
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			assert.Contains(t, string(out), "no redis-server, and LARDER_REQUIRE_REDIS is 1")
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(out), "redistest: skipped"))
		assert.Contains(t, string(out), "--- SKIP: TestTLS")
	}
}

// child is a test process that is killed while its server runs.
func child() {
	bin, err := binary()
	if err != nil {
		os.Exit(3)
	}
	s, err := plain(bin)
	if err != nil {
		os.Exit(4)
	}
	_, _ = io.WriteString(os.Stdout, s.Socket()+"\n")
	select {}
}

func TestPollSucceedsLate(t *testing.T) {
	n := 0
	Poll(t, "the third time", func() bool { n++; return n == 3 })
	assert.Equal(t, 3, n)
}

var errTest = errors.New("test")

func TestSharedFailsOnce(t *testing.T) {
	Binary(t)
	var have *Server
	tries := 0
	failing := func(string) (*Server, error) { tries++; return nil, errTest }
	for range 2 {
		assert.True(t, fails(t, func(tb testing.TB) { tb.Helper(); once(tb, "failing", &have, failing, func(*Server) {}) }))
	}
	assert.Equal(t, 1, tries, "what cannot be started is not tried for each test")
}

// fails says whether fn fails its test.
func fails(t *testing.T, fn func(tb testing.TB)) bool {
	t.Helper()
	rec := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(rec)
	}()
	<-done
	return rec.failed
}

// recorder notes a failure in the place of the test.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Fatalf(string, ...any) {
	r.failed = true
	runtime.Goexit()
}
