package leaderboard

import (
	"context"
	"fmt"
	"strconv"
)

// removeChunk is how many members one script removes.
const removeChunk = 1000

// Remove removes members with all that belongs to them, and returns how many were there. One round trip for each 1,000,
// O(M log N); on shards one fan-out. Like all writers that remove, it names the key of the data, too, and so may fail
// with [ErrMigrating] where a slot is moving.
func (b *Board) Remove(ctx context.Context, members ...string) (int64, error) {
	n, err := b.remove(ctx, members)
	return n, wrap(err, "remove")
}

func (b *Board) remove(ctx context.Context, members []string) (removed int64, err error) {
	if err := b.ready(ctx); err != nil {
		return 0, err
	}
	for i, member := range members {
		if err := checkMember(member); err != nil {
			return 0, fmt.Errorf("member %d: %w", i, err)
		}
	}
	if len(members) == 0 {
		return 0, nil
	}
	s, err := b.season(b.now())
	if err != nil {
		return 0, err
	}
	args := make([][]any, len(s.units))
	for _, member := range members {
		i := shardOf(member, len(args))
		args[i] = append(args[i], member)
	}
	var rows int64
	for more := true; more; {
		more = false
		part := make([][]any, len(args))
		for i := range args {
			n := min(len(args[i]), removeChunk)
			part[i], args[i] = args[i][:n:n], args[i][n:]
			more = more || len(args[i]) > 0
		}
		left, n, err := b.takeAway(ctx, s, &b.scripts.remove, part)
		removed += n
		rows += left + n
		if err != nil {
			return removed, err
		}
	}
	return removed, b.empty(ctx, s, rows)
}

// takeAway runs a script that answers with two numbers on the units that have arguments, and adds the answers up. What
// was done before an error is counted.
func (b *Board) takeAway(ctx context.Context, s *season, sc *script, args [][]any) (rows, removed int64, err error) {
	if len(s.units) > 1 {
		return b.takeAwayShards(ctx, s, sc, args)
	}
	reply, err := b.write(ctx, &s.units[0], sc, args[0])
	if err != nil {
		return 0, 0, err
	}
	return pair(reply)
}

// RemoveByScore removes the members with a score from lo to hi, both included, which may be infinite, and returns how
// many there were. One round trip, O(log N + M), in one step that holds the server up while it removes; on shards one
// fan-out.
func (b *Board) RemoveByScore(ctx context.Context, lo, hi float64) (int64, error) {
	n, err := b.removeByScore(ctx, lo, hi)
	return n, wrap(err, "remove by score %v to %v", lo, hi)
}

func (b *Board) removeByScore(ctx context.Context, lo, hi float64) (int64, error) {
	s, err := b.current(ctx)
	if err == nil {
		err = checkBounds(lo, hi)
	}
	if err != nil {
		return 0, err
	}
	return b.cutAll(ctx, s, []any{"score", format(lo), format(hi)})
}

func (b *Board) cutAll(ctx context.Context, s *season, arg []any) (int64, error) {
	args := make([][]any, len(s.units))
	for i := range args {
		args[i] = arg
	}
	rows, n, err := b.takeAway(ctx, s, &b.scripts.cut, args)
	if err != nil {
		return n, err
	}
	return n, b.empty(ctx, s, rows)
}

// Trim keeps the first keep members, removes the others with all that belongs to them, and returns how many it removed.
// One round trip, O(log N + M), in one step that holds the server up while it removes. On shards it finds the row behind
// the last one to keep, as [Board.Page] does, and then removes in one fan-out what is at or behind that row.
func (b *Board) Trim(ctx context.Context, keep int64) (int64, error) {
	n, err := b.trim(ctx, keep)
	return n, wrap(err, "trim to %d", keep)
}

func (b *Board) trim(ctx context.Context, keep int64) (int64, error) {
	s, err := b.current(ctx)
	if err == nil {
		err = checkSize("keep", keep)
	}
	if err != nil {
		return 0, err
	}
	if len(s.units) > 1 {
		return b.trimShards(ctx, s, keep)
	}
	return b.cutAll(ctx, s, []any{"place", strconv.FormatInt(keep, 10)})
}

// Clear removes the whole board of the period, its data and the record of its layout, so that it can be made anew with
// another one. A key that holds a foreign type stops it. One round trip, O(N) in the background of the server; on shards
// two.
func (b *Board) Clear(ctx context.Context) error {
	return wrap(b.clear(ctx), "clear")
}

func (b *Board) clear(ctx context.Context) error {
	s, err := b.current(ctx)
	if err != nil {
		return err
	}
	if len(s.units) > 1 {
		return b.clearShards(ctx, s)
	}
	layout := layoutOf(b.opts)
	reply, err := b.write(ctx, &s.units[0], &b.scripts.clear, []any{layout})
	if err == nil {
		err = foundOther(reply, layout)
	}
	if err != nil {
		return err
	}
	s.seen.Store(false)
	if reply != int64(0) {
		return nil
	}
	return b.checkLayout(ctx, s) // it may be there with another one
}
