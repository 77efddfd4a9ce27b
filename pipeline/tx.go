package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// conflictRetries is how often a transaction is tried again at least, because of
// conflicts.
const conflictRetries = 16

// Tx is a transaction that is being prepared. It is used by the function that was
// given to [Batcher.Transact], while it runs, and by one goroutine.
type Tx struct {
	tx    *redis.Tx
	queue *queue
}

// Read reads on the connection that watches the keys, at once. What writes through
// it writes outside of the transaction.
func (tx *Tx) Read() redis.Cmdable { return tx.tx }

// Queue takes the commands of the transaction, whose replies are there when
// Transact has returned.
func (tx *Tx) Queue() redis.Pipeliner { return tx.queue }

// Transact runs an optimistic transaction: it watches keys, calls fn, which reads
// with Tx.Read and queues with Tx.Queue, and executes what was queued, all of it
// or nothing, if none of the keys has changed since. If one has, it does all this
// again after a pause that grows and is drawn at random, Options.Retries times
// and at least 16 times (once with Retries -1), so fn may run several times; then
// the error is [ErrConflict]. A transaction that queues nothing still verifies
// that what it has read did not change.
//
// An error of fn ends the transaction, with nothing written, and is returned. When
// the reply to the execution is lost, the error is an [ErrOutcomeUnknown], which
// is no conflict, and is not tried again. Redis undoes nothing: when a command
// of an executed transaction fails (a foreign type), the others stay applied; the
// error is a [*BatchError] whose report says which.
//
// Without keys, and with keys or queued commands of several slots on a cluster
// ([ErrCrossSlot], naming two), it is refused before anything is sent.
//
// Round trips: one to watch, those of fn, one to execute, one more to let go if fn
// fails. Through an AutoPipeliner it runs on a connection of its own.
func (b *Batcher) Transact(ctx context.Context, fn func(tx *Tx) error, keys ...string) error {
	switch {
	case b.ready() != nil:
		return b.ready()
	case fn == nil:
		return errNoFunc
	case len(keys) == 0:
		return errors.New("pipeline: transact: there are no keys to watch")
	case slices.Contains(keys, ""):
		return fmt.Errorf("pipeline: transact: %w", errEmptyKey)
	}
	if err := b.together(ctx, keys); err != nil {
		return fmt.Errorf("pipeline: transact: %w", err)
	}
	tries := 1 + max(b.opts.Retries, conflictRetries)
	if b.opts.Retries == 0 {
		tries = 1
	}
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("pipeline: transact: %w", err)
		}
		conflict, err := b.attempt(ctx, fn, keys, attempt, begun)
		if err != nil {
			if _, ok := errors.AsType[*BatchError](err); ok {
				return err
			}
			return fmt.Errorf("pipeline: transact: %w", err)
		}
		if !conflict {
			return nil
		}
		if attempt == tries {
			return fmt.Errorf("pipeline: transact: tried %d times: %w", attempt, ErrConflict)
		}
		if err := once.Sleep(ctx, conflictPause(attempt)); err != nil {
			return fmt.Errorf("pipeline: transact: %w: %w", ErrConflict, err)
		}
	}
}

// conflictPause is drawn at random below a bound that begins at 4 ms and doubles,
// to a second: transactions that are slow need long pauses to find room.
func conflictPause(attempt int) time.Duration {
	return rand.N(min(4*time.Millisecond<<min(attempt-1, 10), time.Second)) //nolint:gosec // not a secret
}

// attempt tries once. The function that is handed to go-redis never returns an
// error of the network: a ClusterClient would run it again.
func (b *Batcher) attempt(ctx context.Context, fn func(tx *Tx) error, keys []string, attempt int, begun time.Time) (conflict bool, err error) {
	var inner error
	ran := false
	err = b.rdb.Watch(ctx, func(rtx *redis.Tx) error {
		ran = true
		tx := &Tx{tx: rtx, queue: newQueue(b.rdb)}
		if inner = fn(tx); inner != nil {
			return errStop
		}
		cmds := tx.queue.Cmds()
		if inner = b.checkQueue(ctx, keys, cmds); inner != nil {
			return errStop
		}
		if len(cmds) == 0 {
			// go-redis sends no EXEC without a command, so the keys would not be
			// verified.
			cmds = []redis.Cmder{redis.NewIntCmd(ctx, "exists", keys[0])}
		}
		conflict, inner = commit(ctx, rtx, cmds, attempt, begun)
		if inner != nil || conflict {
			return errStop
		}
		return nil
	}, keys...)
	if ran {
		return conflict, inner
	}
	if once.Code(err) == "CROSSSLOT" {
		err = fmt.Errorf("%w: %w", ErrCrossSlot, err)
	}
	return false, err // WATCH failed: nothing was written
}

var errStop = errors.New("pipeline: stop")

// checkQueue refuses what cannot be executed together with keys.
func (b *Batcher) checkQueue(ctx context.Context, keys []string, cmds []redis.Cmder) error {
	all := keys[:1:1]
	for i, cmd := range cmds {
		if err := refused(cmd); err != nil {
			return fmt.Errorf("command %d: %w", i, err)
		}
		if err := once.Check(cmd); err != nil {
			return fmt.Errorf("command %d: %w", i, err)
		}
		all = append(all, keysOf(cmd)...)
	}
	return b.together(ctx, all)
}

// commit executes cmds on the connection that watches.
func commit(ctx context.Context, rtx *redis.Tx, cmds []redis.Cmder, attempt int, begun time.Time) (conflict bool, err error) {
	outcomes, err := once.ExecTx(ctx, rtx, cmds)
	if errors.Is(err, redis.TxFailedErr) {
		return true, nil
	}
	if clean(outcomes) {
		return false, nil
	}
	report := Report{Attempts: attempt, Elapsed: time.Since(begun)}
	for i, o := range outcomes {
		switch {
		case o != once.Applied:
			report.count(Failure{Index: i, Key: firstKey(cmds[i]), Outcome: Outcome(o), Err: cmds[i].Err()}, maxInt/2)
		case errors.Is(cmds[i].Err(), redis.Nil):
			report.Missing++
		default:
			report.Applied++
		}
	}
	e := &BatchError{Report: report, op: "transact"}
	if once.Code(err) == "CROSSSLOT" {
		e.cause = ErrCrossSlot
	}
	return false, e
}
