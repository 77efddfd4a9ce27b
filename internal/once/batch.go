package once

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// errUnsent stands for the reason that go-redis did not give.
var errUnsent = errors.New("nothing was sent")

// Exec sends cmds as one pipeline, each of them once, and returns what became of
// each. Every command keeps its own reply and its own error: the server's when it
// Failed, the cause when it is Unknown or NotSent, nil or [redis.Nil] when it was
// Applied. Redirections are followed. A command that cannot be encoded is NotSent
// and the others go. Commands of [Script.Cmd] that are told NOSCRIPT are sent
// whole in a second pipeline, so behind the others. One round trip.
//
// Exec must not be given the same command twice.
func Exec(ctx context.Context, rdb redis.UniversalClient, cmds []redis.Cmder) []Outcome {
	var b Batch
	return b.Exec(ctx, rdb, cmds)
}

// Batch is the memory of [Exec], for callers that send many. The zero value is
// ready. It is not safe for concurrent use, and hooks must not keep its commands.
type Batch struct {
	wrappers []wrapper
	sent     []redis.Cmder
	index    []int32
	outcomes []Outcome
}

// Exec is [Exec] in the memory of the Batch. What it returns is valid until the
// next call.
func (b *Batch) Exec(ctx context.Context, rdb redis.UniversalClient, cmds []redis.Cmder) []Outcome {
	b.outcomes = resize(b.outcomes, len(cmds))
	if len(cmds) == 0 {
		return b.outcomes
	}
	if err := ctx.Err(); err != nil {
		for i, cmd := range cmds {
			cmd.SetErr(err)
			b.outcomes[i] = NotSent
		}
		return b.outcomes
	}
	b.wrappers = resize(b.wrappers, len(cmds))
	b.sent = b.sent[:0]
	b.index = b.index[:0]
	for i, cmd := range cmds {
		if err := Check(cmd); err != nil {
			cmd.SetErr(err)
			b.outcomes[i] = NotSent
			continue
		}
		w := &b.wrappers[i]
		*w = wrapper{Cmder: cmd}
		b.sent = append(b.sent, w)
		b.index = append(b.index, int32(i)) //nolint:gosec // a pipeline holds fewer commands
	}
	if len(b.sent) == 0 {
		return b.outcomes
	}
	pipe := rdb.Pipeline()
	_ = pipe.BatchProcess(ctx, b.sent...) // queues only
	_, err := pipe.Exec(ctx)
	b.settle(rdb, err)
	b.mend(ctx, rdb, cmds)
	clear(b.wrappers)
	clear(b.sent)
	return b.outcomes
}

// settle finds out what became of each command that was handed to go-redis. err
// is what the pipeline as a whole returned.
func (b *Batch) settle(rdb redis.UniversalClient, err error) {
	// least is the count of acknowledgements of a command that was not answered,
	// if the batch broke: then at least one was not.
	least := b.wrappers[b.index[0]].nils
	most := least
	broken, clean := false, true
	for _, i := range b.index {
		w := &b.wrappers[i]
		least, most = min(least, w.nils), max(most, w.nils)
		own := w.Err()
		broken = broken || w.unsent != nil || own != nil && !isReply(own)
		clean = clean && w.unsent == nil && own == nil
	}
	// An error that is nobody's: the greeting was refused (nothing was sent), or
	// a hook says so of a batch that went well.
	stray := err != nil && clean
	late := followsLate(rdb)
	for _, i := range b.index {
		w := &b.wrappers[i]
		cause := err
		if cause == nil {
			cause = errUnsent
		}
		switch own := w.Err(); {
		case w.unsent != nil:
			w.release()
			b.outcomes[i] = NotSent
		case w.calls == 0:
			w.Cmder.SetErr(cause)
			b.outcomes[i] = NotSent
		case own != nil:
			b.outcomes[i] = outcomeOf(own, late)
		case broken && w.nils <= least:
			w.Cmder.SetErr(cause)
			b.outcomes[i] = Unknown
		case stray && least == most && fullDuplex(rdb):
			// The call before the diversion, and no other: nothing was sent. A
			// second one is the acknowledgement.
			b.outcomes[i] = Applied
			if w.nils == 1 {
				w.Cmder.SetErr(cause)
				b.outcomes[i] = NotSent
				if !notSent(cause) && !isReply(cause) {
					b.outcomes[i] = Unknown
				}
			}
		default:
			b.outcomes[i] = Applied
		}
	}
}

// fullDuplex says whether rdb calls SetErr(nil) before it diverts a batch.
func fullDuplex(rdb redis.UniversalClient) bool {
	ap, ok := rdb.(*redis.AutoPipeliner)
	return ok && ap.Config().FullDuplex
}

// mend sends the scripts whole that the server did not know.
func (b *Batch) mend(ctx context.Context, rdb redis.UniversalClient, cmds []redis.Cmder) {
	var whole []redis.Cmder
	var index []int32
	for _, i := range b.index {
		if b.outcomes[i] != Failed || Code(cmds[i].Err()) != "NOSCRIPT" {
			continue
		}
		if s := scriptOf(cmds[i]); s != nil {
			whole = append(whole, s.eval(ctx, cmds[i]))
			index = append(index, i)
		}
	}
	if len(whole) == 0 {
		return
	}
	outcomes := Exec(ctx, rdb, whole)
	for k, i := range index {
		if cmd, ok := cmds[i].(*redis.Cmd); ok {
			cmd.SetVal(whole[k].(*redis.Cmd).Val())
		}
		cmds[i].SetErr(whole[k].Err())
		b.outcomes[i] = outcomes[k]
	}
}

// resize returns s with n zero values.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}
