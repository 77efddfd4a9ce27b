package lardertest

import (
	"context"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// bubbles lets one bubble run at a time: go-redis keeps timers and channels in package-level pools, and one that comes
// out of another bubble ends the process.
var bubbles sync.Mutex

// Run runs fn in a testing/synctest bubble, on an empty Redis of its own that lives in this process. Inside, time
// stands still until every goroutine waits, and then jumps: [time.Sleep] takes no time, lets keys expire, and moves the
// time.Now of the code under test, all by one clock. It begins at midnight UTC on 2000-01-01.
//
// Everything that fn starts has to end before fn returns, or in a Cleanup of the t that it is given: close
// AutoPipeliners, stop Run loops. Run closes the client itself.
//
// Bubbles run one at a time: those of parallel tests wait for each other. Nothing inside may use a socket, or a client
// that was made outside. Tests that call Run should not be parallel: while a bubble exists, a parallel test outside it
// that waits for a connection from an exhausted pool, or works in full duplex, can end the process.
func Run(t *testing.T, fn func(t *testing.T, rdb *redis.Client)) {
	t.Helper()
	bubbles.Lock()
	defer bubbles.Unlock()
	emptyPools()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) {
		rdb, stop := Start()
		t.Cleanup(stop) // the first to be registered is the last to run
		fn(t, rdb)
	})
}

// emptyPools takes from go-redis what was made in another bubble, or in none: an item of a pool survives one collection,
// not two.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// New returns a client of an empty Redis of its own, in this process and on the machine's clock. Both end with the
// test. Time passes as it does on a server: use [Run] where a test has to wait for something.
func New(tb testing.TB) *redis.Client {
	tb.Helper()
	rdb, stop := Start()
	tb.Cleanup(stop)
	return rdb
}

// Start is [New] for Examples and programs, which have no test to end with: stop closes the client and ends the server.
// It may be called more than once.
func Start() (rdb *redis.Client, stop func()) {
	s := newFake()
	rdb = redis.NewClient(&redis.Options{
		// A name would be looked up, which no bubble survives. Nobody ever dials this: the Dialer does not.
		Addr:   "127.0.0.1:0",
		Dialer: func(context.Context, string, string) (net.Conn, error) { return s.dial() },
		// Without a wait for a connection: that takes a timer from a pool that bubbles share.
		PoolSize: 4096,
		// In a bubble only a hung command takes this long; outside, a slow machine must not look like a dead server.
		ReadTimeout:              time.Minute,
		WriteTimeout:             time.Minute,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	var once sync.Once
	return rdb, func() {
		once.Do(func() {
			_ = rdb.Close() // there is nothing to be done about a connection that was broken already
			s.close()
		})
	}
}

func newFake() *fake {
	f := &fake{m: miniredis.NewMiniRedis(), started: time.Now(), closed: make(chan struct{})}
	f.m.ClockTTL(true)
	// Dial starts the server that listens to nobody. Its net.Pipe has no buffer: a client that writes a long pipeline
	// before it reads would wait for a server that waits for the client.
	conn, err := f.m.Dial()
	if err == nil {
		_ = conn.Close()
	}
	f.srv = f.m.Server()
	f.srv.SetPreHook(f.hook)
	return f
}
