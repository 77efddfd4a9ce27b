package once

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// ExecTx executes cmds as a transaction on the connection of tx, once, and returns
// what became of each, and the error of the transaction as a whole:
// [redis.TxFailedErr] if a watched key had changed, so that nothing was done.
//
// A lost reply to EXEC leaves all Unknown. When a command was refused before the
// execution, all are Failed and nothing was done; when one fails in the execution,
// it alone is Failed. The commands must have been checked (see [Check]).
func ExecTx(ctx context.Context, tx *redis.Tx, cmds []redis.Cmder) ([]Outcome, error) {
	outcomes := make([]Outcome, len(cmds))
	if err := ctx.Err(); err != nil {
		for i, cmd := range cmds {
			cmd.SetErr(err)
			outcomes[i] = NotSent
		}
		return outcomes, err
	}
	wrappers := make([]wrapper, len(cmds))
	pipe := tx.TxPipeline()
	for i, cmd := range cmds {
		wrappers[i].Cmder = cmd
		_ = pipe.Process(ctx, &wrappers[i]) // queues only
	}
	_, err := pipe.Exec(ctx)
	for i := 0; err == nil && i < len(cmds); i++ {
		if own := cmds[i].Err(); !errors.Is(own, redis.Nil) {
			err = own // that a hook has kept back
		}
	}
	// EXEC goes behind the last command, so nothing can run if that was not written.
	wrote := len(cmds) == 0 || wrappers[len(cmds)-1].wrote
	for i, cmd := range cmds {
		w := &wrappers[i]
		own := cmd.Err()
		switch {
		case w.unsent != nil:
			cmd.SetErr(w.unsent)
			outcomes[i] = NotSent
		case w.nils > 0 && (own == nil || !isReply(own)):
			cmd.SetErr(nil) // answered, see settle
			outcomes[i] = Applied
		case own == nil && err == nil:
			outcomes[i] = Applied
		case own == nil:
			// Refused as a whole, with an error that is at another command or at
			// none.
			cmd.SetErr(err)
			outcomes[i] = outcomeOf(err, false)
			if outcomes[i] == Applied {
				outcomes[i] = Unknown
			}
		case errors.Is(own, redis.Nil):
			outcomes[i] = Applied
		default:
			outcomes[i] = outcomeOf(own, false)
		}
		if outcomes[i] == Unknown && !wrote {
			outcomes[i] = NotSent
		}
	}
	return outcomes, err
}
