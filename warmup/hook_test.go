package warmup_test

import (
	"context"

	"github.com/redis/go-redis/v9"
)

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
