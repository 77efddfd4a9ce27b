package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/monitor"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

func decode(t *testing.T, text []byte) sample {
	t.Helper()
	var s sample
	require.NoError(t, json.Unmarshal(text, &s), string(text))
	return s
}

// TestOnce: one sample as JSON, with rates, and an alert for what is wrong.
func TestOnce(t *testing.T) {
	srv := redistest.NewServer(t, redistest.ServerOptions{})
	require.NoError(t, srv.Client().ConfigSet(t.Context(), "maxmemory", "1000000").Err()) // about what an empty server takes
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-once", "-interval", "20ms", "-addr", srv.Addr()}, &out))
	s := decode(t, out.Bytes())
	require.Len(t, s.Snapshot.Nodes, 1)
	n := s.Snapshot.Nodes[0]
	assert.Equal(t, srv.Addr(), n.Addr)
	assert.Equal(t, "master", n.Role)
	assert.Positive(t, n.Rates.Over)
	assert.Positive(t, n.Memory.Used.Or(0))
	require.Len(t, s.Alerts, 1)
	assert.Equal(t, "HighMemoryUsage", s.Alerts[0].Rule)
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-once", "-interval", "20ms", "-addr", "redis://" + srv.Addr() + "/0"}, &out))
	srv.Kill()
	out.Reset()
	require.Error(t, run(t.Context(), []string{"-once", "-interval", "20ms", "-addr", srv.Addr()}, &out))
	s = decode(t, out.Bytes())
	require.Error(t, s.Snapshot.Nodes[0].Err)
	assert.Equal(t, "ServerDown", s.Alerts[0].Rule)
}

func TestCluster(t *testing.T) {
	c := redistest.SharedCluster(t)
	var out bytes.Buffer
	addrs := c.Nodes()[0].Addr() + ", " + c.Nodes()[1].Addr()
	require.NoError(t, run(t.Context(), []string{"-once", "-interval", "20ms", "-addr", addrs}, &out))
	assert.Len(t, decode(t, out.Bytes()).Snapshot.Nodes, 6)
}

// locked is a buffer that a running program writes to.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestWatch: the screen is drawn anew with each sample, until the program is interrupted.
func TestWatch(t *testing.T) {
	srv := redistest.NewServer(t, redistest.ServerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	out := &locked{}
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-interval", "20ms", "-addr", srv.Addr()}, out) }()
	redistest.Poll(t, "three screens", func() bool { return strings.Count(out.text(), ", 1 node\n") >= 3 })
	cancel()
	require.NoError(t, <-done)
	assert.Contains(t, out.text(), srv.Addr())
	assert.Contains(t, out.text(), "No alerts.")
	assert.NotContains(t, out.text(), "\x1b", "this is no terminal")
}

// TestScreen: what is not known is a dash, and a node that is down says why.
func TestScreen(t *testing.T) {
	at := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	up := monitor.Node{Addr: "10.0.0.1:6379", Role: "master"}
	up.Memory = monitor.Memory{Used: monitor.Known[int64](3 << 20), Max: monitor.Known[int64](4 << 20)}
	up.Latency.RoundTrip = monitor.Known(250 * time.Microsecond)
	up.Commands = monitor.Known([]monitor.Command{{Name: "get", P99: monitor.Known(time.Millisecond)}, {Name: "keys", P99: monitor.Known(time.Second)}})
	got := screen(monitor.Snapshot{At: at, Nodes: []monitor.Node{up, {Addr: "10.0.0.2:6379", Err: errors.New("connection refused")}}},
		[]monitor.Alert{{Rule: "ServerDown", Node: "10.0.0.2:6379", Severity: monitor.Critical, State: monitor.Firing, Message: "no answer", Since: at}}, false, 0)
	assert.Equal(t, `12:00:00, 2 nodes

NODE           ROLE    MEMORY  USED   OPS/S  HITS  CLIENTS  KEYS  PING   SLOWEST COMMAND
10.0.0.1:6379  master  3.0M    75.0%  -      -     -        -     250µs  keys p99 1s
10.0.0.2:6379  down    connection refused

FIRING   critical ServerDown on 10.0.0.2:6379: no answer, since 12:00:00
`, got)
	narrow := screen(monitor.Snapshot{At: at, Nodes: []monitor.Node{up}}, nil, true, 20)
	assert.Contains(t, narrow, "\n\x1b[1;36mNODE           ROLE \x1b[0m\n10.0.0.1:6379  maste\n")
	assert.Contains(t, narrow, "No alerts.")
}

func TestArguments(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, &out))
	assert.Contains(t, out.String(), "-once")
	require.Error(t, run(t.Context(), []string{"-unknown"}, &out))
	require.ErrorContains(t, run(t.Context(), []string{"-addr", "a:1,,b:2"}, &out), "-addr")
	err := run(t.Context(), []string{"-addr", "http://:geheim@host"}, &out)
	require.ErrorContains(t, err, "-addr")
	assert.NotContains(t, err.Error(), "geheim")
	require.ErrorContains(t, run(t.Context(), []string{"-interval", "-1s"}, &out), "Interval")
}
