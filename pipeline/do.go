package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// Do sends the commands that fn queues, any mix of them, in chunks. Each command
// keeps its own reply and its own error, and the report says what became of each:
// a command that is answered with nil is Missing, an error of one never hides
// that of another. Nothing is sent twice, so a lost reply is Unknown.
//
// Commands go in the order in which they were queued, one chunk after the other;
// on a cluster this holds for the commands of one node, and the nodes are served
// at the same time. Behind a chunk that was cut nothing more is sent to its node.
// A command that cannot be encoded, or that has no place in a batch (it blocks,
// subscribes, or changes its connection: [ErrUnsupported]), is not sent, and the
// others go.
//
// When fn returns an error nothing is sent, and Do returns it. Do nothing with the
// replies before Do has returned. One round trip a chunk.
func (b *Batcher) Do(ctx context.Context, fn func(p redis.Pipeliner) error) (Report, error) {
	if err := b.ready(); err != nil {
		return Report{}, err
	}
	if fn == nil {
		return Report{}, errNoFunc
	}
	q := newQueue(b.rdb)
	if err := fn(q); err != nil {
		return Report{}, fmt.Errorf("pipeline: do: %w", err)
	}
	cmds := q.Cmds()
	if len(cmds) == 0 {
		return Report{}, nil
	}
	r := b.newRun(ctx, "do")
	r.ordered = true
	r.judge = func(cmd redis.Cmder, _ bool) verdict {
		if errors.Is(cmd.Err(), redis.Nil) {
			return missing
		}
		return applied
	}
	defer r.crew.Wait()
	for i, cmd := range cmds {
		key := firstKey(cmd)
		err := refused(cmd)
		if err == nil {
			err = once.Check(cmd)
		}
		if err != nil {
			cmd.SetErr(err)
			r.refuse(i, key, err)
			continue
		}
		c := r.take(key, size(cmd))
		c.index = append(c.index, i)
		c.keys = append(c.keys, key)
		c.cmds = append(c.cmds, cmd)
	}
	return r.finish()
}

var errNoFunc = errors.New("pipeline: the function is nil")

// size returns about how many bytes a command has on the wire.
func size(cmd redis.Cmder) int {
	n := 16
	for _, arg := range cmd.Args() {
		n += 16
		switch v := arg.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		case *string:
			if v != nil {
				n += len(*v)
			}
		}
	}
	return n
}
