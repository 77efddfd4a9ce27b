package redistest

import (
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/lardertest"
)

// Kind is a kind of server and client.
type Kind string

// The kinds of servers and clients that [Each] goes through.
const (
	KindMiniredis           Kind = "miniredis"
	KindStandalone          Kind = "standalone"
	KindAutoPipeline        Kind = "autopipeline"
	KindFailover            Kind = "failover"
	KindCluster             Kind = "cluster"
	KindClusterAutoPipeline Kind = "cluster-autopipeline"
	KindMigrating           Kind = "migrating" // a cluster on which [MigratingSlot] is left migrating
	KindRing                Kind = "ring"      // of two servers
)

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{
		KindMiniredis, KindStandalone, KindAutoPipeline, KindFailover, KindCluster, KindClusterAutoPipeline, KindMigrating, KindRing,
	}
}

// Env is what a test case runs on. Every client that comes from it, or from its Cluster and Sentinels, is closed when the test has
// ended, after the cleanups that the test registered.
type Env struct {
	Kind      Kind
	Client    redis.UniversalClient
	Namespace string // of this test alone
	Cluster   *Cluster
	Sentinels *Sentinels
	masters   *masters
}

// masters are the servers of an [Env] and, once asked for, a client of each.
type masters struct {
	servers []*Server
	clients func() []*redis.Client
}

func mastersOf(servers ...*Server) *masters {
	return &masters{servers: servers, clients: sync.OnceValue(func() []*redis.Client {
		var all []*redis.Client
		for _, s := range servers {
			all = append(all, s.Client())
		}
		return all
	})}
}

// ID returns an id that may stand in the hash tag of a key: base itself, or, where a slot is migrating, one in that slot. The
// same base gives the same id.
func (e Env) ID(base string) string {
	if e.Kind == KindMigrating {
		return idInSlot(base, MigratingSlot)
	}
	return base
}

// Real says whether there is a real redis-server.
func (e Env) Real() bool { return e.Kind != KindMiniredis }

// Clustered says whether keys have slots that matter.
func (e Env) Clustered() bool { return e.Cluster != nil }

// Masters are plain clients of each master, without retries of redirections; none on miniredis. They are the same ones at each call.
func (e Env) Masters() []*redis.Client {
	if e.masters == nil {
		return nil
	}
	return slices.Clone(e.masters.clients())
}

// Each runs a test on every kind of server and client, one after the other, as subtests.
func Each(t *testing.T, fn func(t *testing.T, e Env)) {
	t.Helper()
	On(t, Kinds(), fn)
}

// On runs a test on some kinds of server and client, one after the other, as subtests.
func On(t *testing.T, kinds []Kind, fn func(t *testing.T, e Env)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			e := env(t, kind)
			e.Namespace = namespace(t)
			fn(t, e)
		})
	}
}

// namespace is short, of this test alone, and free of what keys give a meaning to.
func namespace(t *testing.T) string {
	t.Helper()
	name := t.Name()
	if i := strings.IndexByte(name, '/'); i > 0 {
		name = name[:i]
	}
	return fmt.Sprintf("%s-%08x-%x", name, crc32.ChecksumIEEE([]byte(t.Name())), time.Now().UnixNano()&0xfffffff)
}

// shared are the servers of this process.
var shared struct {
	mu      sync.Mutex
	failed  map[string]error
	alone   *Server
	ring    *Server
	sents   *Sentinels
	cluster *Cluster
	moving  *Cluster
	closers []func()
}

// Main runs the tests of a package, and stops the servers that they shared.
func Main(m *testing.M) int {
	redis.SetLogger(silent{}) // servers that are killed are no news here
	code := m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for _, done := range slices.Backward(shared.closers) {
		done()
	}
	shared.closers = nil
	return code
}

// silent keeps go-redis's own log out of the tests' output.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// once makes a shared topology, or fails the test with what its first try failed with.
func once[T any](tb testing.TB, name string, have **T, make func(bin string) (*T, error), done func(*T)) *T {
	tb.Helper()
	bin := Binary(tb)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if *have != nil {
		return *have
	}
	if err := shared.failed[name]; err != nil {
		tb.Fatalf("redistest: %s: %v", name, err)
	}
	made, err := make(bin)
	if err != nil {
		if shared.failed == nil {
			shared.failed = map[string]error{}
		}
		shared.failed[name] = err
		tb.Fatalf("redistest: %s: %v", name, err)
	}
	*have = made
	shared.closers = append(shared.closers, func() { done(made) })
	return made
}

func plain(bin string) (*Server, error) { return newServer(bin, ServerOptions{}, false) }

func alone(tb testing.TB) *Server {
	tb.Helper()
	return once(tb, "standalone", &shared.alone, plain, (*Server).close)
}

func cluster(tb testing.TB) *Cluster {
	tb.Helper()
	return once(tb, "cluster", &shared.cluster, func(bin string) (*Cluster, error) { return newCluster(bin, nil) }, (*Cluster).close)
}

// Standalone returns a client of the shared standalone server, on its unix socket.
func Standalone(tb testing.TB) *redis.Client {
	tb.Helper()
	s := alone(tb)
	o := s.options()
	o.MaxRetries, o.DialerRetries = 0, 0
	client := redis.NewClient(o)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// StandaloneServer returns the shared standalone server, which nobody may break.
func StandaloneServer(tb testing.TB) *Server {
	tb.Helper()
	return alone(tb).handle(tb)
}

// SharedCluster returns the shared cluster, which nobody may break.
func SharedCluster(tb testing.TB) *Cluster {
	tb.Helper()
	return cluster(tb).handle(tb)
}

func env(t *testing.T, kind Kind) Env {
	t.Helper()
	e := Env{Kind: kind}
	switch kind {
	case KindMiniredis:
		e.Client = lardertest.New(t)
	case KindStandalone, KindAutoPipeline:
		e.masters = mastersOf(alone(t).handle(t))
		client := Standalone(t)
		e.Client = client
		if kind == KindAutoPipeline {
			e.Client = autoPipeline(t, client)
		}
	case KindFailover:
		s := once(t, "failover", &shared.sents, func(bin string) (*Sentinels, error) { return newSentinels(bin, 0) }, (*Sentinels).close).handle(t)
		e.Sentinels, e.masters = s, mastersOf(s.servers[0])
		e.Client = s.Client()
	case KindCluster, KindClusterAutoPipeline:
		c := cluster(t).handle(t)
		e.Cluster, e.masters = c, mastersOf(c.Masters()...)
		client := c.Client()
		e.Client = client
		if kind == KindClusterAutoPipeline {
			e.Client = autoPipeline(t, client)
		}
	case KindMigrating:
		c := once(t, "migrating", &shared.moving, migrating, (*Cluster).close).handle(t)
		e.Cluster, e.masters = c, mastersOf(c.Masters()...)
		e.Client = c.Client()
	case KindRing:
		first, second := alone(t), once(t, "ring", &shared.ring, plain, (*Server).close)
		e.masters = mastersOf(first.handle(t), second.handle(t))
		client := redis.NewRing(&redis.RingOptions{
			Addrs:       map[string]string{"a": first.Addr(), "b": second.Addr()},
			DialTimeout: 20 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, PoolTimeout: 60 * time.Second,
		})
		t.Cleanup(func() { _ = client.Close() })
		e.Client = client
	default:
		t.Fatalf("redistest: there is no kind %q", kind)
	}
	if err := e.Client.Ping(context.Background()).Err(); err != nil {
		t.Fatalf("redistest: %s: %v", kind, err)
	}
	return e
}

// autoPipeline returns the client's AutoPipeliner, which ends with the client.
func autoPipeline(t *testing.T, client interface {
	AutoPipeline() (*redis.AutoPipeliner, error)
},
) *redis.AutoPipeliner {
	t.Helper()
	auto, err := client.AutoPipeline()
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(func() { _ = auto.Close() })
	return auto
}
