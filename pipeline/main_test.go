package pipeline_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // it tells of every connection that a test breaks
	os.Exit(redistest.Main(m))
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// rig is a client whose connections all go through proxies. A fault ends as soon
// as the client dials again, so whatever it sends a second time arrives.
type rig struct {
	kind    string
	rdb     redis.UniversalClient
	proxies []*redistest.Proxy
	direct  redis.UniversalClient // looks at the servers, past the proxies
	armed   atomic.Bool
	onDial  func() // what the client meets when it dials again; default: no fault
}

var rigs = []string{"client", "auto", "duplex", "failover", "cluster", "cluster-auto", "ring"}

func newRig(t testing.TB, kind string, timeout time.Duration) *rig {
	t.Helper()
	r := &rig{kind: kind}
	r.onDial = r.heal
	behind := map[string]*redistest.Proxy{}
	guard := func(addrs ...string) {
		for _, addr := range addrs {
			p := redistest.NewProxy(t, "tcp", addr)
			behind[addr] = p
			r.proxies = append(r.proxies, p)
		}
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if r.armed.Swap(false) {
			r.onDial()
		}
		if p := behind[addr]; p != nil {
			addr = p.Addr()
		}
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
	// Two connections at most, which are there before the fault: one that is
	// dialled ahead would end it.
	var client *redis.Client
	switch kind {
	case "cluster", "cluster-auto":
		c := redistest.SharedCluster(t)
		for _, n := range c.Masters() {
			guard(n.Addr())
		}
		cc := c.Client(func(o *redis.ClusterOptions) {
			o.Dialer, o.ReadTimeout, o.ClusterStateReloadInterval, o.PoolSize = dial, timeout, time.Hour, 1
		})
		r.rdb, r.direct = cc, c.Client()
		if kind == "cluster-auto" {
			auto, err := cc.AutoPipeline()
			require.NoError(t, err)
			t.Cleanup(func() { _ = auto.Close() })
			r.rdb = auto
		}
		return r
	case "ring":
		a, b := redistest.StandaloneServer(t), redistest.NewServer(t, redistest.ServerOptions{})
		guard(a.Addr(), b.Addr())
		ring := func(dial func(context.Context, string, string) (net.Conn, error)) *redis.Ring {
			rdb := redis.NewRing(&redis.RingOptions{
				Addrs: map[string]string{"a": a.Addr(), "b": b.Addr()}, Dialer: dial, HeartbeatFrequency: time.Hour, PoolSize: 1,
				ReadTimeout: timeout, WriteTimeout: time.Minute, PoolTimeout: time.Minute,
			})
			t.Cleanup(func() { _ = rdb.Close() })
			return rdb
		}
		r.rdb, r.direct = ring(dial), ring(nil)
		return r
	case "failover":
		s := sentinels(t)
		guard(s.Servers()[0].Addr())
		client = s.Client(func(o *redis.FailoverOptions) { o.Dialer, o.ReadTimeout, o.PoolSize = dial, timeout, 1 })
		r.direct = s.Servers()[0].Client()
	default:
		server := redistest.StandaloneServer(t)
		guard(server.Addr())
		client = redis.NewClient(&redis.Options{
			Addr: server.Addr(), Dialer: dial, PoolSize: 1 + len(kind)/6, DialerRetries: 1, // 2 for duplex
			ReadTimeout: timeout, WriteTimeout: time.Minute, PoolTimeout: time.Minute,
		})
		t.Cleanup(func() { _ = client.Close() })
		r.direct = redistest.Standalone(t)
	}
	r.rdb = client
	var opts *redis.AutoPipelineOptions
	switch kind {
	case "duplex":
		opts = &redis.AutoPipelineOptions{FullDuplex: true}
		fallthrough
	case "auto":
		auto, err := client.AutoPipelineWithOptions(opts)
		require.NoError(t, err)
		t.Cleanup(func() { _ = auto.Close() })
		r.rdb = auto
	}
	return r
}

// sentinels are the shared ones, which only the kind of a client gives out.
func sentinels(t testing.TB) (s *redistest.Sentinels) {
	t.Helper()
	tt, ok := t.(*testing.T)
	require.True(t, ok)
	redistest.On(tt, []redistest.Kind{redistest.KindFailover}, func(_ *testing.T, e redistest.Env) { s = e.Sentinels })
	require.NotNil(t, s)
	return s
}

func (r *rig) heal() {
	for _, p := range r.proxies {
		p.Heal()
	}
}

// fault breaks all proxies until the client dials again.
func (r *rig) fault(f func(p *redistest.Proxy)) {
	for _, p := range r.proxies {
		f(p)
	}
	r.armed.Store(true)
}

// warm makes the connections that a fault is to break, one to each server.
func (r *rig) warm(t testing.TB) {
	t.Helper()
	for i := range 12 {
		require.NoError(t, r.rdb.Exists(context.Background(), fmt.Sprint("warm", i)).Err())
	}
	// The way of batches that are sent once, which may be another connection.
	_, err := batcher(t, r.rdb, pipeline.Options{}).Do(context.Background(), func(p redis.Pipeliner) error {
		for i := range 12 {
			p.Exists(context.Background(), fmt.Sprint("warm", i))
		}
		return nil
	})
	require.NoError(t, err)
}

// fresh is a prefix for keys that nobody else has.
func fresh(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("%s-%x", t.Name(), serial.Add(1)<<32|time.Now().UnixNano()&0xffffffff)
}

var serial atomic.Int64
