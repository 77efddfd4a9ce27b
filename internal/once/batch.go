package once

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// errHidden stands for an error that a hook kept to itself.
var errHidden = errors.New("a hook of the client hid the error")

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
	queue    []redis.Cmder // what is handed to go-redis
	sent     []sending
	outcomes []Outcome
}

// sending is a command on its way.
type sending struct {
	tracked
	index int
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
			if t, ok := cmd.(tracked); ok {
				t.set(err)
			}
			b.outcomes[i] = NotSent
		}
		return b.outcomes
	}
	b.prepare(cmds)
	if len(b.queue) == 0 {
		return b.outcomes
	}
	if err := b.send(ctx, rdb); err == nil && !followsLate(rdb) && b.acknowledged() {
		for _, s := range b.sent {
			b.outcomes[s.index] = Applied
		}
	} else {
		b.settle(rdb, err)
		b.mend(ctx, rdb, cmds)
	}
	clear(b.wrappers)
	clear(b.queue)
	clear(b.sent)
	return b.outcomes
}

// ExecStatus is like [Batch.Exec] for a slab of commands, in fewer steps. It
// returns nil if every command was answered with its status, and with nothing
// else: not with nil either.
func (b *Batch) ExecStatus(ctx context.Context, rdb redis.UniversalClient, slab []Status) []Outcome {
	b.queue = b.queue[:0]
	for i := range slab {
		b.queue = append(b.queue, &slab[i])
	}
	if len(slab) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return b.Exec(ctx, rdb, b.queue)
	}
	err := b.send(ctx, rdb)
	if err == nil && !followsLate(rdb) && acknowledged(slab) {
		return nil
	}
	b.outcomes = resize(b.outcomes, len(slab))
	b.sent = b.sent[:0]
	for i := range slab {
		b.sent = append(b.sent, sending{tracked: &slab[i], index: i})
	}
	b.settle(rdb, err)
	clear(b.sent)
	return b.outcomes
}

// send sends the queue as one pipeline.
func (b *Batch) send(ctx context.Context, rdb redis.UniversalClient) error {
	pipe := rdb.Pipeline()
	_ = pipe.BatchProcess(ctx, b.queue...) // queues only
	_, err := pipe.Exec(ctx)
	return err //nolint:wrapcheck // settle looks at it
}

// acknowledged says whether every command was answered without an error. That the
// pipeline as a whole returned none does not tell: a hook may keep it back, and a
// Ring without shards returns the first error of the commands, which keep those to
// themselves that say that nothing was sent.
func (b *Batch) acknowledged() bool {
	for _, s := range b.sent {
		if !s.state().acknowledged() {
			return false
		}
	}
	return true
}

func acknowledged(slab []Status) bool {
	for i := range slab {
		if !slab[i].acknowledged() {
			return false
		}
	}
	return true
}

// prepare wraps what can be sent.
func (b *Batch) prepare(cmds []redis.Cmder) {
	b.queue, b.sent = b.queue[:0], b.sent[:0]
	if cap(b.queue) < len(cmds) {
		b.queue = make([]redis.Cmder, 0, len(cmds))
		b.sent = make([]sending, 0, len(cmds))
	}
	wrapped := 0
	for i, cmd := range cmds {
		t, ok := cmd.(tracked)
		if !ok {
			if err := Check(cmd); err != nil {
				cmd.SetErr(err)
				b.outcomes[i] = NotSent
				continue
			}
			if wrapped == 0 {
				b.wrappers = resize(b.wrappers, len(cmds))
			}
			w := &b.wrappers[wrapped]
			w.Cmder = cmd
			wrapped++
			t = w
		}
		b.queue = append(b.queue, t)
		b.sent = append(b.sent, sending{tracked: t, index: i})
	}
}

// settle finds out what became of each command that was handed to go-redis. err
// is what the pipeline as a whole returned.
func (b *Batch) settle(rdb redis.UniversalClient, err error) {
	// least is the count of acknowledgements of a command that was not answered,
	// if the batch broke: then at least one was not.
	least := b.sent[0].state().nils
	most := least
	broken, clean := false, true
	for _, s := range b.sent {
		m, own := s.state(), s.Err()
		least, most = min(least, m.nils), max(most, m.nils)
		broken = broken || m.unsent != nil || own != nil && !isReply(own)
		clean = clean && m.unsent == nil && own == nil
	}
	late := followsLate(rdb)
	// An error that is nobody's: the greeting was refused (nothing was sent), or
	// a hook says so of a batch that went well.
	stray := err != nil && clean && least == most && fullDuplex(rdb)
	cause := err
	if cause == nil {
		cause = errHidden
	}
	for _, s := range b.sent {
		m := s.state()
		switch own := s.Err(); {
		case m.unsent != nil:
			s.set(m.unsent)
			b.outcomes[s.index] = NotSent
		case m.calls == 0 && err == nil && s.Err() == nil:
			b.outcomes[s.index] = Applied // by a hook that answers itself
		case m.calls == 0:
			s.set(cause)
			b.outcomes[s.index] = NotSent
		case broken && m.nils > least && (own == nil || !isReply(own)):
			// Answered. go-redis stamps the error that broke the batch on every
			// command that has none.
			s.set(nil)
			b.outcomes[s.index] = Applied
		case own != nil:
			b.outcomes[s.index] = m.outcomeOf(own, late)
		case broken:
			s.set(cause)
			b.outcomes[s.index] = Unknown
			if !m.wrote {
				b.outcomes[s.index] = NotSent
			}
		case stray && m.nils == 1:
			// The call before the diversion, and no other: nothing was sent, or
			// nothing is known.
			s.set(cause)
			b.outcomes[s.index] = Unknown
			if notSent(cause) || isReply(cause) {
				b.outcomes[s.index] = NotSent
			}
		default:
			b.outcomes[s.index] = Applied
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
	var whole []*redis.Cmd
	var queue []redis.Cmder
	var index []int
	for _, s := range b.sent {
		if b.outcomes[s.index] != Failed || Code(s.Err()) != "NOSCRIPT" {
			continue
		}
		if script := scriptOf(s); script != nil {
			cmd := script.eval(ctx, s)
			whole, queue = append(whole, cmd), append(queue, cmd)
			index = append(index, s.index)
		}
	}
	if len(whole) == 0 {
		return
	}
	outcomes := Exec(ctx, rdb, queue)
	for k, i := range index {
		if cmd, ok := cmds[i].(*redis.Cmd); ok {
			cmd.SetVal(whole[k].Val())
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
