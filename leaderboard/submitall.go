package leaderboard

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// SubmitAllError says at which boards [SubmitAll] failed. It matches what any of them failed with.
type SubmitAllError struct {
	// Errs has the error of each board, in the order of the call; nil where the score was submitted.
	Errs []error
}

// Error lists the boards that failed.
func (e *SubmitAllError) Error() string {
	var texts []string
	for i, err := range e.Errs {
		if err != nil {
			texts = append(texts, fmt.Sprintf("board %d of %d: %v", i+1, len(e.Errs), err))
		}
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the errors of the boards that failed.
func (e *SubmitAllError) Unwrap() []error {
	var errs []error
	for _, err := range e.Errs {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// SubmitAll submits one score to several boards at once: those of the day, the week, the month and of all time, for instance.
// Each goes by its own clock ([Board.At]). It is otherwise [SubmitAllAt].
func SubmitAll(ctx context.Context, member string, score float64, boards ...*Board) ([]Result, error) {
	return submitAll(ctx, member, score, func(b *Board) time.Time { return b.now() }, boards)
}

// SubmitAllAt submits one score to several boards as of one moment, and returns the result of each, in the order of the
// boards. The boards may differ in everything. One pipeline for each client, which a cluster client sends to its nodes in
// parallel; boards that are new, or have several shards, need more after that, as with [Board.SubmitAt].
//
// It is not one step: each board takes the score or not. If some do not, the error is a [*SubmitAllError] that says
// which, and the results of the others hold. An argument that is refused, a nil board included, is refused for all of them,
// and nothing is sent.
func SubmitAllAt(ctx context.Context, member string, score float64, at time.Time, boards ...*Board) ([]Result, error) {
	return submitAll(ctx, member, score, func(*Board) time.Time { return at }, boards)
}

func submitAll(ctx context.Context, member string, score float64, clock func(*Board) time.Time, boards []*Board) ([]Result, error) {
	err := ctx.Err()
	if err == nil {
		err = checkMember(member)
	}
	if err == nil {
		err = checkScore(score)
	}
	for i, b := range boards {
		if readyErr := b.ready(ctx); err == nil && readyErr != nil {
			err = fmt.Errorf("board %d of %d: %w", i+1, len(boards), readyErr)
		}
	}
	if err != nil {
		return nil, wrap(err, "submit all %q", member)
	}
	results, errs := make([]Result, len(boards)), make([]error, len(boards))
	writes := make([]*oneWrite, len(boards))
	byClient := map[any][]int{}
	var clients []any
	for i, b := range boards {
		if writes[i], errs[i] = b.newWrite(member, score, clock(b), false); errs[i] != nil {
			continue
		}
		client := any(b.rdb)
		if !reflect.ValueOf(client).Comparable() { // a wrapper by value: its boards cannot be told to have the same one
			client = b.core
		}
		if byClient[client] == nil {
			clients = append(clients, client)
		}
		byClient[client] = append(byClient[client], i)
	}
	for _, client := range clients {
		indexes := byClient[client]
		rdb := boards[indexes[0]].rdb
		cmds := make([]redis.Cmder, len(indexes))
		for k, i := range indexes {
			w := writes[i]
			cmds[k] = w.script.once().Cmd(ctx, w.unit.keys(w.script.mask), w.args...)
		}
		for k, outcome := range once.Exec(ctx, rdb, cmds) {
			i := indexes[k]
			results[i], errs[i] = boards[i].settle(ctx, writes[i], cmds[k], outcome)
		}
	}
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("%q: %w", boards[i].name, err)
		}
	}
	if errors.Join(errs...) != nil {
		return results, wrap(&SubmitAllError{Errs: errs}, "submit all %q", member)
	}
	return results, nil
}

// settle finishes one board's part of SubmitAll.
func (b *Board) settle(ctx context.Context, w *oneWrite, cmd redis.Cmder, outcome once.Outcome) (Result, error) {
	if outcome != once.Applied {
		err := cmd.Err()
		if outcome == once.Unknown {
			err = &once.UnknownError{Err: err}
		}
		return Result{}, b.inShard(w.unit, classify(ctx, b.rdb, w.unit.keys(w.script.mask), err))
	}
	c, ok := cmd.(*redis.Cmd)
	if !ok {
		return Result{}, errReply
	}
	reply := c.Val()
	if reply == absent {
		var err error
		w.args = append([]any(nil), w.args...) // those of the command are its own
		if reply, err = b.recreate(ctx, w.season, w.unit, w.script, w.args); err != nil {
			return Result{}, err
		}
	}
	return b.finish(ctx, w, reply)
}
