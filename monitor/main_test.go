package monitor

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// patient are options that a busy machine does not break: a node that lives is never taken for one that hangs.
func patient(opts Options) Options {
	if opts.Timeout == 0 {
		opts.Timeout = 60 * time.Second
	}
	return opts
}

func newMonitor(tb testing.TB, rdb redis.UniversalClient, opts Options) *Monitor {
	tb.Helper()
	m, err := New(rdb, patient(opts))
	require.NoError(tb, err)
	return m
}

// trips is a hook that counts round trips and notes what was asked.
type trips struct {
	mu    sync.Mutex
	n     int
	asked []string
}

func (h *trips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// note leaves out what opens a connection.
func (h *trips) note(cmds ...redis.Cmder) {
	if name := cmds[0].Name(); name == "hello" || name == "client" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	for _, cmd := range cmds {
		h.asked = append(h.asked, strings.ToLower(cmd.String()))
	}
}

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.note(cmd)
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.note(cmds...)
		return next(ctx, cmds)
	}
}

// take returns what was counted since the last call.
func (h *trips) take() (n int, asked string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, asked = h.n, strings.Join(h.asked, "\n")
	h.n, h.asked = 0, nil
	return n, asked
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o755))
}

func remove(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(dir))
}
