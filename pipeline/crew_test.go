package pipeline_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
)

// trap is a hook that does something else than to send batches with one command, while it is set.
type trap struct {
	command string
	spring  func()
}

func (*trap) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*trap) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *trap) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if h.spring != nil && cmds[0].Name() == h.command {
			h.spring()
		}
		return next(ctx, cmds)
	}
}

// calls are calls that send chunks by goroutines of their own.
func calls(ctx context.Context, b *pipeline.Batcher) map[string]func() {
	keys := numbered("crew", 20)
	return map[string]func(){
		"set":  func() { _, _ = pipeline.Set(ctx, b, pairs(keys...), pipeline.SetOptions{}) },
		"mget": func() { _, _ = pipeline.Get[int](ctx, b, keys...) },
		"get": func() {
			for _, err := range pipeline.GetSeq[int](ctx, b, slices.Values(keys)) {
				_ = err // it is the panics that count
			}
		},
		"del":    func() { _, _ = b.Delete(ctx, keys...) },
		"incrby": func() { _, _, _ = b.Increment(ctx, maps.Collect(pairsOf(keys)), pipeline.CounterOptions{}) },
	}
}

func pairsOf(keys []string) func(yield func(string, int64) bool) {
	return func(yield func(string, int64) bool) {
		for _, key := range keys {
			if !yield("n"+key, 1) {
				return
			}
		}
	}
}

func recovered(call func()) (value any) {
	defer func() { value = recover() }()
	call()
	return nil
}

// TestPanicsAreTheCallers: a panic in a hook of the client, in a goroutine of the batch, is one of the call, which can
// be recovered from; and a hook that ends its goroutine ends the caller's. Nothing is left behind.
func TestPanicsAreTheCallers(t *testing.T) {
	rdb := redistest.StandaloneServer(t).Client()
	h := &trap{}
	rdb.AddHook(h)
	require.NoError(t, rdb.Ping(t.Context()).Err())
	before := goleak.IgnoreCurrent()
	cause := errors.New("of a hook")
	b := batcher(t, rdb, pipeline.Options{ChunkSize: 2})
	for name, call := range calls(t.Context(), b) {
		h.command = map[string]string{"get": "mget"}[name]
		if h.command == "" {
			h.command = name
		}
		for _, what := range []any{"text of a hook", cause} {
			h.spring = func() { panic(what) }
			err, ok := recovered(call).(error)
			require.True(t, ok, name)
			require.ErrorContains(t, err, "of a hook", name)
			require.ErrorContains(t, err, "crew_test.go", name) // where it was
			if what == any(cause) {
				require.ErrorIs(t, err, cause)
			}
		}
		h.spring = runtime.Goexit
		returned, done := false, make(chan struct{})
		go func() {
			defer close(done)
			call()
			returned = true
		}()
		<-done
		require.False(t, returned, name)
		h.spring = nil
		call()
	}
	goleak.VerifyNone(t, before)
}
