package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

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

// TestWatch: each sample is drawn, in a pipe as plain text, until the program is interrupted.
func TestWatch(t *testing.T) {
	srv := redistest.NewServer(t, redistest.ServerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	out := &locked{}
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-interval", "20ms", "-addr", srv.Addr()}, out) }()
	redistest.Poll(t, "three samples", func() bool { return strings.Count(out.text(), ", 1 node,") >= 3 })
	cancel()
	require.NoError(t, <-done)
	assert.Contains(t, out.text(), srv.Addr())
	assert.Contains(t, out.text(), "no alerts")
	assert.NotContains(t, out.text(), "\x1b")
}

var at = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func sampleScreen() (monitor.Snapshot, []monitor.Alert, []monitor.Event) {
	up := monitor.Node{Addr: "10.0.0.1:6379", Role: "master"}
	up.Memory = monitor.Memory{Used: monitor.Known[int64](3 << 30), Max: monitor.Known[int64](4 << 30)}
	up.Latency.RoundTrip = monitor.Known(250 * time.Microsecond)
	up.Commands = monitor.Known([]monitor.Command{{Name: "get", P99: monitor.Known(time.Millisecond)}, {Name: "keys", P99: monitor.Known(time.Second)}})
	up.Rates.Commands = monitor.Known(12345.0)
	return monitor.Snapshot{At: at, Nodes: []monitor.Node{up, {Addr: "10.0.0.2:6379", Err: errors.New("connection refused\x1b[2J")}}},
		[]monitor.Alert{
			{Rule: "HighLatency", Node: "10.0.0.1:6379", Severity: monitor.Warning, State: monitor.Pending, Message: "slow", Since: at.Add(-5 * time.Second)},
			{Rule: "KeysEvicted", Node: "10.0.0.1:6379", Severity: monitor.Warning, State: monitor.Firing, Message: "evicted", Since: at.Add(-50 * time.Hour)},
			{Rule: "ServerDown", Node: "10.0.0.2:6379", Severity: monitor.Critical, State: monitor.Firing, Message: "no answer", Since: at.Add(-90 * time.Second)},
		},
		[]monitor.Event{{Kind: monitor.EventNodeLost, At: at.Add(-time.Minute), Node: "10.0.0.2:6379", Detail: "connection refused"}}
}

// TestScreen: what is not known is a dash, a node that is down says why, the worst alerts come first, and what a server tells
// does not move the cursor.
func TestScreen(t *testing.T) {
	snapshot, alerts, events := sampleScreen()
	assert.Equal(t, `12:00:00, 2 nodes, 1 down, 2 alerts firing, 1 pending

NODE           ROLE    MEMORY   USED  OPS/S  HITS  CLIENTS   PING  KEYS  CPU  IN/S  OUT/S  SLOWEST (P99)
10.0.0.1:6379  master    3.0G  75.0%  12.3k     -        -  250µs     -    -     -      -  keys 1.0s
10.0.0.2:6379  down    connection refused [2J

FIRING   critical  ServerDown on 10.0.0.2:6379 for 1m30s: no answer
FIRING   warning   KeysEvicted on 10.0.0.1:6379 for 2d2h: evicted
PENDING  warning   HighLatency on 10.0.0.1:6379 for 5s: slow

11:59:00  node lost on 10.0.0.2:6379: connection refused
`, screen{}.draw(snapshot, alerts, events))
	assert.Contains(t, screen{}.draw(monitor.Snapshot{At: at, Nodes: []monitor.Node{{Addr: "a"}}}, nil, nil), "1 node, no alerts")
	color := screen{color: true}.draw(snapshot, alerts, events)
	assert.Contains(t, color, "\x1b[31mFIRING   critical")
	assert.Contains(t, color, "\x1b[33mFIRING   warning")
}

// TestScreenFits: no line is wider than the terminal, and there are no more lines than it has; columns go from the right,
// and of the nodes those that are down stay.
func TestScreenFits(t *testing.T) {
	snapshot, alerts, events := sampleScreen()
	for i := range 200 {
		snapshot.Nodes = append([]monitor.Node{{Addr: fmt.Sprintf("10.0.1.%d:6379", i), Role: "replica"}}, snapshot.Nodes...)
	}
	for width := 10; width < 200; width += 21 {
		for height := 1; height < 60; height += 8 {
			lines := strings.Split(strings.TrimSuffix(screen{width: width, height: height}.draw(snapshot, alerts, events), "\n"), "\n")
			require.LessOrEqual(t, len(lines), height)
			for _, line := range lines {
				require.LessOrEqual(t, utf8.RuneCountInString(line), width, line)
			}
		}
	}
	got := screen{width: 80, height: 24}.draw(snapshot, alerts, events)
	assert.Contains(t, got, "nodes more")
	assert.Contains(t, got, "10.0.0.2:6379    down")
	assert.Contains(t, got, "FIRING   critical  ServerDown")
	assert.Contains(t, got, "MEMORY")
	assert.NotContains(t, got, "SLOWEST")
	assert.Contains(t, screen{width: 60}.draw(snapshot, alerts, events), `
FIRING   critical  ServerDown on 10.0.0.2:6379 for 1m30s
         no answer
`)
}

// TestTerminal: a terminal gets a screen of its own and gives it back; NO_COLOR and TERM=dumb are kept to.
func TestTerminal(t *testing.T) {
	var b bytes.Buffer
	plain := newTerminal(&b)
	plain.open()
	plain.draw("a\nb\n")
	plain.close()
	assert.Equal(t, "a\nb\n\n", b.String())
	assert.False(t, plain.color)

	device, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = device.Close() })
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	term := newTerminal(device)
	if term.file == nil {
		t.Skip("no character device")
	}
	assert.True(t, term.color)
	t.Setenv("COLUMNS", "99")
	width, _ := term.size()
	assert.Equal(t, 99, width)
	t.Setenv("COLUMNS", "")
	width, _ = term.size()
	assert.Equal(t, 80, width)
	b.Reset()
	term.out = &b
	term.open()
	term.draw("a\nb\n")
	term.close()
	assert.Equal(t, "\x1b[?1049h\x1b[?25l\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J\x1b[?25h\x1b[?1049la\nb\n", b.String())
	t.Setenv("NO_COLOR", "1")
	assert.False(t, newTerminal(device).color)
	t.Setenv("TERM", "dumb")
	assert.Nil(t, newTerminal(device).file)
}

func TestFormats(t *testing.T) {
	for v, want := range map[float64]string{0: "0\u00b5s", 0.00025: "250\u00b5s", 0.0123: "12.3ms", 2.5: "2.5s", 75: "1m15s", 7261: "2h1m", math.Inf(1): "down"} {
		assert.Equal(t, want, seconds(v))
	}
	for v, want := range map[float64]string{0: "0", 999: "999", 1234: "1.2k", 5e6: "5.0M", 1e18: "1000000.0T"} {
		assert.Equal(t, want, short(v))
	}
	assert.Equal(t, "1.5G", binary(1.5*(1<<30)))
	events := &recentEvents{}
	for i := range 10 {
		events.add(monitor.Event{Detail: strconv.Itoa(i)})
	}
	require.Len(t, events.list(), recentLength)
	assert.Equal(t, "9", events.list()[0].Detail)
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
