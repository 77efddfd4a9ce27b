package leaderboard

import (
	"context"
	"fmt"
	"math"

	"github.com/redis/go-redis/v9"
)

// row is a row as it is stored.
type row struct {
	score  float64
	stored string
}

// window is what window.lua answers.
type window struct {
	rows   []row
	total  int64 // rows of the unit
	first  int64 // 0-based position of the first row
	extra  int64 // what the first or the last row's rank needs
	at     int64 // the place that was asked for
	absent bool  // no such member
}

// Top returns the first n rows, fewer where there are fewer. One round trip, O(log N + n); on shards one fan-out,
// or a second one where a shard has far more than its part of them.
func (b *Board) Top(ctx context.Context, n int) ([]Entry, error) {
	s, err := b.current(ctx)
	if err == nil {
		err = checkSize("n", int64(n))
	}
	var entries []Entry
	if err == nil {
		entries, err = b.rangeOf(ctx, s, 0, int64(n)-1)
	}
	return entries, wrap(err, "top %d", n)
}

// Range returns the rows from position first to position last, both included, from 1. It is clamped to the board, and
// empty where last is before first. Positions count rows, whatever the Ranking. One round trip, O(log N + rows); on
// shards see [Board.Page].
func (b *Board) Range(ctx context.Context, first, last int64) ([]Entry, error) {
	s, err := b.current(ctx)
	var entries []Entry
	if err == nil {
		entries, err = b.rangeOf(ctx, s, max(first, 1)-1, max(last, 0)-1)
	}
	return entries, wrap(err, "range %d to %d", first, last)
}

// Page returns the rows of a page, from 1. A page below 1 is page 1, one past the end is empty. One round trip, O(log N
// + size). On shards one fan-out that reads all rows up to the page from each shard where these are few (1,000), else
// some fan-outs of samples that close in on the page: about four for a million members.
func (b *Board) Page(ctx context.Context, page, size int) ([]Entry, error) {
	s, err := b.current(ctx)
	if err == nil {
		err = checkSize("size", int64(size))
	}
	entries := []Entry{}
	page = max(page, 1)
	if err == nil && size > 0 && int64(page-1) <= (math.MaxInt64-int64(size))/int64(size) {
		first := int64(page-1) * int64(size)
		entries, err = b.rangeOf(ctx, s, first, first+int64(size)-1)
	}
	return entries, wrap(err, "page %d of %d", page, size)
}

func checkSize(name string, n int64) error {
	if n < 0 {
		return fmt.Errorf("%s %d is negative: %w", name, n, ErrArgument)
	}
	return nil
}

// farthest is beyond every position, and a number that Lua can count with.
const farthest = 1 << 52

// rangeOf reads the rows at 0-based positions.
func (b *Board) rangeOf(ctx context.Context, s *season, first, last int64) ([]Entry, error) {
	first, last = min(first, farthest), min(last, farthest)
	if last < first {
		return []Entry{}, nil
	}
	if len(s.units) > 1 {
		return b.rangeShards(ctx, s, first, last)
	}
	if b.opts.Ranking == Ordinal || first == 0 && b.opts.Ranking != Modified {
		return b.rangeByCommand(ctx, s, first, last)
	}
	return b.windowOf(ctx, s, "range", first, last)
}

// rangeByCommand reads rows whose ranks follow from their positions.
func (b *Board) rangeByCommand(ctx context.Context, s *season, first, last int64) ([]Entry, error) {
	u := &s.units[0]
	var cmd *redis.ZSliceCmd
	if b.opts.Order == HighestFirst {
		cmd = b.rdb.ZRevRangeWithScores(ctx, u.scores(), first, last)
	} else {
		cmd = b.rdb.ZRangeWithScores(ctx, u.scores(), first, last)
	}
	found, err := cmd.Result()
	if err != nil {
		return nil, classify(ctx, b.rdb, u.keys(partScores), err)
	}
	if err := b.empty(ctx, s, int64(len(found))); err != nil {
		return nil, err
	}
	entries := make([]Entry, len(found))
	for i, z := range found {
		stored, ok := z.Member.(string)
		if !ok {
			return nil, errReply
		}
		entries[i] = Entry{Member: b.member(stored), Score: z.Score, Rank: first + int64(i) + 1}
		if i > 0 && b.opts.Ranking != Ordinal && entries[i-1].Score == z.Score {
			entries[i].Rank = entries[i-1].Rank
		} else if i > 0 && b.opts.Ranking == Dense {
			entries[i].Rank = entries[i-1].Rank + 1
		}
	}
	return entries, nil
}

// windowOf reads a window of a board of one unit.
func (b *Board) windowOf(ctx context.Context, s *season, args ...any) ([]Entry, error) {
	reply, err := b.read(ctx, &s.units[0], &b.scripts.window, args)
	if err != nil {
		return nil, err
	}
	w, err := parseWindow(reply)
	if err != nil {
		return nil, err
	}
	if err := b.empty(ctx, s, w.total); err != nil {
		return nil, err
	}
	if w.absent || w.total == 0 && args[0] == "member" {
		return nil, ErrNotFound
	}
	return b.entries(w.rows, w.first, w.extra), nil
}

func parseWindow(reply any) (window, error) {
	var w window
	if reply == "missing" {
		w.absent = true
		w.total = 1
		return w, nil
	}
	l, err := list(reply, 5)
	if err != nil {
		return w, err
	}
	flat, err := list(l[3], 0)
	if err != nil {
		return w, err
	}
	for i, n := range map[int]*int64{0: &w.total, 1: &w.first, 2: &w.extra, 4: &w.at} {
		if *n, err = integer(l[i]); err != nil {
			return w, err
		}
	}
	w.rows, err = parseRows(flat)
	return w, err
}

// parseRows reads names and scores that follow each other.
func parseRows(flat []any) ([]row, error) {
	if len(flat)%2 != 0 {
		return nil, errReply
	}
	rows := make([]row, len(flat)/2)
	for i := range rows {
		stored, ok := flat[2*i].(string)
		if !ok {
			return nil, errReply
		}
		score, err := number(flat[2*i+1])
		if err != nil {
			return nil, err
		}
		rows[i] = row{score: score, stored: stored}
	}
	return rows, nil
}

// entries gives rows that follow each other their ranks. first is the 0-based position of the first one. extra counts,
// under Competition and Dense, what is strictly better than the first row (distinct scores, under Dense), and under
// Modified what is no worse than the last one.
func (b *Board) entries(rows []row, first, extra int64) []Entry {
	entries := make([]Entry, len(rows))
	for i, r := range rows {
		e := Entry{Member: b.member(r.stored), Score: r.score, Rank: first + int64(i) + 1}
		tied := i > 0 && rows[i-1].score == r.score
		switch b.opts.Ranking {
		case Competition:
			if tied {
				e.Rank = entries[i-1].Rank
			} else if i == 0 {
				e.Rank = extra + 1
			}
		case Dense:
			switch {
			case tied:
				e.Rank = entries[i-1].Rank
			case i > 0:
				e.Rank = entries[i-1].Rank + 1
			default:
				e.Rank = extra + 1
			}
		case Modified, Ordinal:
		}
		entries[i] = e
	}
	if b.opts.Ranking == Modified {
		rank := extra
		for i := len(entries) - 1; i >= 0; i-- {
			if i+1 < len(entries) && entries[i+1].Score != entries[i].Score {
				rank = first + int64(i) + 1
			}
			entries[i].Rank = rank
		}
	}
	return entries
}

// Around returns a window of size rows with the member in its middle: equal halves where size is odd, one more row above
// where it is even. At either end it is filled from the other side, so it always has min(size, Len) rows. [ErrNotFound]
// for an absent member. One round trip, O(log N + size); on shards two fan-outs, O(size) of each shard.
func (b *Board) Around(ctx context.Context, member string, size int) ([]Entry, error) {
	s, err := b.current(ctx)
	if err == nil {
		err = checkMember(member)
	}
	if err == nil {
		err = checkSize("size", int64(size))
	}
	var entries []Entry
	switch {
	case err != nil:
	case len(s.units) > 1:
		entries, err = b.aroundShards(ctx, s, member, min(int64(size), farthest))
	default:
		entries, err = b.windowOf(ctx, s, "member", member, min(int64(size), farthest))
	}
	return entries, wrap(err, "around %q", member)
}

// AroundScore returns a window of size rows around the place that a score would take, which is before all rows with that
// score, as if it were there in their first place. It is filled at the ends as in [Board.Around]; an empty board has an
// empty one. One round trip, O(log N + size); on shards one fan-out.
func (b *Board) AroundScore(ctx context.Context, score float64, size int) ([]Entry, error) {
	s, err := b.current(ctx)
	if err == nil {
		err = checkScore(score)
	}
	if err == nil {
		err = checkSize("size", int64(size))
	}
	var entries []Entry
	switch {
	case err != nil:
	case len(s.units) > 1:
		entries, err = b.aroundScoreShards(ctx, s, score, min(int64(size), farthest))
	default:
		entries, err = b.windowOf(ctx, s, "score", format(score), min(int64(size), farthest))
	}
	return entries, wrap(err, "around score %v", score)
}

// ByScore returns the rows with a score from lo to hi, both included, best first, at most limit of them; 0 is all. Both
// bounds may be infinite. One round trip, O(log N + rows); on shards one fan-out.
func (b *Board) ByScore(ctx context.Context, lo, hi float64, limit int) ([]Entry, error) {
	s, err := b.current(ctx)
	if err == nil {
		err = checkBounds(lo, hi)
	}
	if err == nil {
		err = checkSize("limit", int64(limit))
	}
	best, worst := format(hi), format(lo)
	if err == nil && b.opts.Order == LowestFirst {
		best, worst = worst, best
	}
	if limit == 0 {
		limit = -1
	}
	var entries []Entry
	switch {
	case err != nil:
	case lo > hi:
		entries = []Entry{}
	case len(s.units) > 1:
		entries, err = b.byScoreShards(ctx, s, best, worst, limit)
	default:
		entries, err = b.windowOf(ctx, s, "byscore", best, worst, limit)
	}
	return entries, wrap(err, "by score %v to %v", lo, hi)
}
