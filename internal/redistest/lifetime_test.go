package redistest

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestClientsEndWithTheTest: all clients that an Env gives serve the test's cleanups, and are closed after them.
func TestClientsEndWithTheTest(t *testing.T) {
	ctx := t.Context() // the subtests' own ends before their cleanups
	Each(t, func(t *testing.T, outer Env) {
		var all []redis.UniversalClient
		var e Env
		kind := outer.Kind
		t.Run("test", func(t *testing.T) {
			if kind == KindStandalone {
				all = append(all, Standalone(t), StandaloneServer(t).Client())
			}
			if kind == KindCluster {
				all = append(all, SharedCluster(t).Client())
			}
			e = env(t, kind)
			t.Cleanup(func() {
				for _, client := range all {
					assert.NoError(t, client.Ping(ctx).Err())
				}
			})
			all = append(all, e.Client)
			for i, m := range e.Masters() {
				assert.Same(t, m, e.Masters()[i])
				all = append(all, m)
			}
			if e.Cluster != nil {
				all = append(all, e.Cluster.Client(), e.Cluster.Nodes()[5].Client())
			}
			if e.Sentinels != nil {
				all = append(all, e.Sentinels.Client(), e.Sentinels.Servers()[1].Client())
			}
		})
		for i, client := range all {
			assert.Error(t, client.Ping(t.Context()).Err(), "client %d", i)
		}
		// A test may hand on what it got: that is closed with the shared servers.
		if e.Cluster != nil {
			assert.NoError(t, e.Cluster.Client().Ping(t.Context()).Err())
		}
		if e.Sentinels != nil {
			assert.NoError(t, e.Sentinels.Client().Ping(t.Context()).Err())
			assert.NoError(t, e.Sentinels.Servers()[0].Client().Ping(t.Context()).Err())
		}
	})
}

// TestBadUser: a user that Redis refuses is an error at once, of one process, which is ended.
func TestBadUser(t *testing.T) {
	bin := Binary(t)
	p := &process{opts: ServerOptions{Users: []string{"reader on +nosuchcommand"}}}
	s, err := newServerOf(bin, p)
	require.ErrorContains(t, err, "reader on +nosuchcommand")
	assert.Nil(t, s)
	assert.False(t, p.alive())
	assert.NoDirExists(t, p.dir)

	_, err = newServer(bin, ServerOptions{Args: []string{"--nosuchargument", "1"}}, false)
	require.ErrorContains(t, err, "nosuchargument")
	assert.NotErrorIs(t, err, errPortTaken)
}

// TestRestartWaitsForItsPort, which somebody has meanwhile.
func TestRestartWaitsForItsPort(t *testing.T) {
	s := NewServer(t, ServerOptions{})
	bin := Binary(t)
	s.Kill()
	var listen net.ListenConfig
	taken, err := listen.Listen(t.Context(), "tcp", s.Addr())
	require.NoError(t, err)
	first := s.Pid()
	restarted := make(chan error, 1)
	go func() { restarted <- s.restart(bin) }()
	seen := map[int]bool{first: true}
	Poll(t, "it tried often", func() bool { seen[s.Pid()] = true; return len(seen) > attempts+2 })
	require.NoError(t, taken.Close())
	require.NoError(t, <-restarted)
	require.NoError(t, s.Client().Ping(t.Context()).Err())
}

// TestBusPort: a restarted node is where its peers look for it.
func TestBusPort(t *testing.T) {
	s, err := newServer(Binary(t), ServerOptions{}, true)
	require.NoError(t, err)
	t.Cleanup(s.close)
	port := func() string {
		return s.Client().ConfigGet(t.Context(), "cluster-port").Val()["cluster-port"]
	}
	before := port()
	require.NotEmpty(t, before)
	s.Restart(t)
	assert.Equal(t, before, port())
}

// TestPauseFailsLoudly where there is nothing to pause.
func TestPauseFailsLoudly(t *testing.T) {
	s := NewServer(t, ServerOptions{})
	s.Pause()
	s.Stop() // as if it had not been paused
	assert.False(t, s.alive())
	assert.Panics(t, s.Pause)
	s.Restart(t)
	require.NoError(t, s.Client().Ping(t.Context()).Err())
}

// TestSweepLeavesAlone what no lock says is of a dead process.
func TestSweepLeavesAlone(t *testing.T) {
	root := t.TempDir()
	names := strings.Fields("larder-rt-young larder-rt-living larder-rt-dead another")
	for _, name := range names {
		require.NoError(t, os.MkdirAll(filepath.Join(root, name, "1"), 0o700))
	}
	living, err := newLock(filepath.Join(root, "larder-rt-living", lockName))
	require.NoError(t, err)
	if living == nil {
		t.Skip("there are no locks on this system, and nothing is swept")
	}
	defer func() { _ = living.Close() }()
	dead, err := newLock(filepath.Join(root, "larder-rt-dead", lockName))
	require.NoError(t, err)
	require.NoError(t, dead.Close())
	require.NoError(t, os.WriteFile(filepath.Join(root, "larder-rt-file"), nil, 0o600))
	sweep(root)
	for _, name := range names {
		_, err := os.Stat(filepath.Join(root, name, "1"))
		assert.Equal(t, name == "larder-rt-dead", os.IsNotExist(err), name)
	}
	assert.FileExists(t, filepath.Join(root, "larder-rt-file"))
}

// TestLeakOptions: with them, goleak sees no goroutine of a server that was started after it looked first.
func TestLeakOptions(t *testing.T) {
	before := goleak.IgnoreCurrent()
	NewServer(t, ServerOptions{})
	require.Error(t, goleak.Find(before))
	require.NoError(t, goleak.Find(append(LeakOptions(), before)...))
}
