package warmup_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/larder-go/larder/internal/redistest"
)

// noneLeft waits for the goroutines that a test began.
func noneLeft(t *testing.T, before goleak.Option) {
	t.Helper()
	redistest.Poll(t, "no goroutine is left", func() bool { return goleak.Find(before) == nil })
}

// hook looks at the pipelines and commands of a client.
type hook struct {
	before func(cmds []redis.Cmder)
	after  func(cmds []redis.Cmder)
	any    func(cmds []redis.Cmder)
}

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return next
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if h.any != nil {
			h.any(cmds)
		}
		ours := cmds[0].Name() == "set" // and not the greeting of a connection
		if ours && h.before != nil {
			h.before(cmds)
		}
		err := next(ctx, cmds)
		if ours && h.after != nil {
			h.after(cmds)
		}
		return err
	}
}
