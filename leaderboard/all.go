package leaderboard

import (
	"context"
	"iter"
)

// allChunk is how many rows All reads at once.
const allChunk = 500

// All iterates over the whole board in the order of the ranks, with 500 rows in memory, one round trip for each 500, on
// shards one fan-out. It can be ranged over again, and then starts anew. It ends with the first error.
//
// It is no snapshot. A member whose row stays as it is throughout comes exactly once, wherever others go; one whose score
// (or tie time) changes meanwhile may come twice, or not at all. Ranks are those of the moment in which their rows were read.
func (b *Board) All(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s, err := b.current(ctx)
		if err != nil {
			yield(Entry{}, wrap(err, "all"))
			return
		}
		var last *row
		for {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, wrap(err, "all"))
				return
			}
			entries, end, more, err := b.next(ctx, s, last)
			if err != nil {
				yield(Entry{}, wrap(err, "all"))
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
			if !more {
				return
			}
			last = &end
		}
	}
}

// next reads what follows a row, or the beginning, and returns its last row, and whether there may be more.
func (b *Board) next(ctx context.Context, s *season, after *row) (entries []Entry, end row, more bool, err error) {
	args := []any{"range", 0, allChunk - 1}
	if after != nil {
		args = []any{"after", format(after.score), after.stored, allChunk}
	}
	if len(s.units) > 1 {
		return b.nextShards(ctx, s, args)
	}
	reply, err := b.read(ctx, &s.units[0], &b.scripts.window, args)
	if err != nil {
		return nil, end, false, err
	}
	w, err := parseWindow(reply)
	if err == nil {
		err = b.empty(ctx, s, w.total)
	}
	if err != nil || len(w.rows) == 0 {
		return nil, end, false, err
	}
	end = w.rows[len(w.rows)-1]
	return b.entries(w.rows, w.first, w.extra), end, len(w.rows) == allChunk, nil
}
