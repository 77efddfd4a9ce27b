package checkin

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// Forget erases a user: every year from 1900 to 2199, whatever Keep says. It is nothing to forget a user who is not
// there. If a key holds another type, nothing is deleted: [ErrWrongType]. One round trip, one script, about 0.1 ms of the
// server; sent once.
//
// A check-in that is under way may be stored after Forget has returned: stop the user's requests first.
func (t *Tracker) Forget(ctx context.Context, user string) error {
	if err := t.check(user); err != nil {
		return failed("forget", user, err)
	}
	keys := t.yearKeys(user, lastYear, firstYear)
	_, err := forgetScript.Run(ctx, t.rdb, keys)
	if once.Code(err) == "TRYAGAIN" && !once.IsUnknown(err) {
		err = t.forgetEach(ctx, keys)
	}
	if err != nil {
		return failed("forget", user, err)
	}
	return nil
}

// forgetEach forgets years one by one, where the slot is on the move and has keys on both nodes.
func (t *Tracker) forgetEach(ctx context.Context, keys []string) error {
	if _, err := gets(ctx, t.rdb, keys); err != nil {
		return err // a foreign type, before anything is deleted
	}
	cmds := make([]redis.Cmder, len(keys))
	for i, key := range keys {
		cmds[i] = forgetScript.Cmd(ctx, []string{key})
	}
	for i, outcome := range once.Exec(ctx, t.rdb, cmds) {
		switch err := cmds[i].Err(); outcome {
		case once.Applied:
		case once.Unknown:
			return &once.UnknownError{Err: err}
		default:
			return err
		}
	}
	return nil
}
