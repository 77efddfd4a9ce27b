package leaderboard

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// mergeChunk is how many rows are read at once, of each shard.
const mergeChunk = 10000

// building is how long the new keys of a merge that was broken off stay.
const building = time.Hour

// Merge makes one board of several: into has each member of any of them, with the sum, the highest or the lowest of its
// scores, and returns how many there are. What into held before is replaced, at once at the end (on shards, shard by
// shard), and can be read until then; its expiry is that of its own options. into may be one of the sources.
//
// All boards need the same Order; otherwise they may differ in everything: Ties, Ranking, Shards, slots, clients, periods
// ([Board.At]). Cap keeps the best of the merged scores. Under EarliestFirst a summed score was reached at the latest of
// its tie times, the highest or lowest at that of the source which has it (the earliest, if several do); a source without
// tie times counts as of the clock of into. Data of into stays for the members that stay.
//
// It reads all sources, one after the other, holds the result in memory (about 100 bytes a member) and writes it in
// chunks: O(N) round trips of 10,000 rows and 1,000 rows, so that no command keeps the server long. It is no snapshot of
// sources that are being written. A sum beyond any number is [ErrScore]. An error before the end leaves into as it was;
// of shards, the error names those that failed.
func Merge(ctx context.Context, into *Board, how Aggregate, from ...*Board) (int64, error) {
	n, err := merge(ctx, into, how, from, false)
	return n, wrap(err, "merge into %q", into.Name())
}

// Intersect is [Merge] with the members that all sources have.
func Intersect(ctx context.Context, into *Board, how Aggregate, from ...*Board) (int64, error) {
	n, err := merge(ctx, into, how, from, true)
	return n, wrap(err, "intersect into %q", into.Name())
}

// merged is a member's row in the making.
type merged struct {
	score float64
	tie   int64 // milliseconds
	in    int32 // how many sources have it
}

func merge(ctx context.Context, into *Board, how Aggregate, from []*Board, all bool) (int64, error) {
	if err := into.ready(ctx); err != nil {
		return 0, err
	}
	if how < Sum || how > Min {
		return 0, fmt.Errorf("aggregate %d does not exist: %w", how, ErrArgument)
	}
	if len(from) == 0 {
		return 0, fmt.Errorf("no source: %w", ErrArgument)
	}
	for i, b := range from {
		if err := b.ready(ctx); err != nil {
			return 0, fmt.Errorf("source %d: %w", i+1, err)
		}
		if b.opts.Order != into.opts.Order {
			return 0, fmt.Errorf("source %d, %q, has another Order: %w", i+1, b.name, ErrArgument)
		}
	}
	at := into.now()
	s, err := into.writable(at)
	if err != nil {
		return 0, err
	}
	rows, err := collect(ctx, from, how, at.UnixMilli(), all)
	if err != nil {
		return 0, err
	}
	for member, m := range rows {
		if all && int(m.in) != len(from) {
			delete(rows, member)
		} else if math.IsInf(m.score, 0) {
			return 0, fmt.Errorf("the sum of %q is beyond any number: %w", member, ErrScore)
		}
	}
	return into.replace(ctx, s, into.best(rows))
}

// part is what was read of a source at once.
type part struct {
	source int
	rows   []row
}

// collect reads all sources, one after the other, and makes one row of those of each member. While it adds rows up the
// next ones are on their way.
func collect(ctx context.Context, from []*Board, how Aggregate, now int64, all bool) (map[string]*merged, error) {
	parts := make(chan part, 1)
	var err error
	go func() {
		defer close(parts)
		for i, b := range from {
			if readErr := b.readAll(ctx, func(rows []row) { parts <- part{i, rows} }); readErr != nil {
				err = fmt.Errorf("source %d, %q: %w", i+1, b.name, readErr)
				return
			}
		}
	}()
	into := map[string]*merged{}
	var spare []merged
	for p := range parts { // until the reader has ended
		b, source := from[p.source], int32(p.source) //nolint:gosec // as many as were given
		for _, r := range p.rows {
			member, tie := r.stored, now
			if b.opts.Ties == EarliestFirst && len(r.stored) >= tieBytes {
				member, tie = r.stored[tieBytes:], b.tieTime(r.stored[:tieBytes]).UnixMilli()
			}
			m := into[member]
			switch {
			case m == nil && all && source > 0:
				continue
			case m == nil:
				if len(spare) == cap(spare) {
					spare = make([]merged, 0, 512)
				}
				spare = append(spare, merged{score: r.score, tie: tie, in: source + 1})
				into[member] = &spare[len(spare)-1]
				continue
			case m.in > source: // it came twice, since it moved meanwhile
				continue
			case !all:
				m.in = source
			case m.in < source: // another source does not have it
				continue
			}
			m.in++
			switch {
			case how == Sum:
				m.score += r.score
				m.tie = max(m.tie, tie)
			case r.score == m.score:
				m.tie = min(m.tie, tie)
			case (r.score > m.score) == (how == Max):
				m.score, m.tie = r.score, tie
			}
		}
	}
	return into, err
}

// readAll hands all rows of a board on, as they come.
func (b *Board) readAll(ctx context.Context, each func([]row)) error {
	s, err := b.season(b.now())
	if err != nil {
		return err
	}
	var total int64
	for i := range s.units {
		n, err := b.scan(ctx, &s.units[i], each)
		if err != nil {
			return err
		}
		total += n
	}
	return b.empty(ctx, s, total)
}

// scan reads all rows of a unit in order. Each chunk begins with the row that the last one ended with, so that a row which
// stays is not missed; where that row is not there any more, a script finds its place.
func (b *Board) scan(ctx context.Context, u *unit, each func([]row)) (int64, error) {
	var total int64
	var last row
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		rows, err := b.rowsFrom(ctx, u, max(0, total-1))
		if err != nil {
			return total, err
		}
		switch {
		case total == 0:
		case len(rows) > 0 && rows[0] == last:
			rows = rows[1:]
		default:
			reply, err := b.read(ctx, u, &b.scripts.rows, []any{"after", format(last.score), last.stored, mergeChunk})
			if err != nil {
				return total, err
			}
			w, err := parseWindow(reply)
			if err != nil {
				return total, err
			}
			rows = w.rows
			total = max(1, w.first)
		}
		if len(rows) == 0 {
			return total, nil
		}
		each(rows)
		total += int64(len(rows))
		last = rows[len(rows)-1]
	}
}

// rowsFrom reads a chunk of a unit from a 0-based position on.
func (b *Board) rowsFrom(ctx context.Context, u *unit, at int64) ([]row, error) {
	var cmd *redis.ZSliceCmd
	if b.opts.Order == HighestFirst {
		cmd = b.rdb.ZRevRangeWithScores(ctx, u.scores(), at, at+mergeChunk)
	} else {
		cmd = b.rdb.ZRangeWithScores(ctx, u.scores(), at, at+mergeChunk)
	}
	found, err := cmd.Result()
	if err != nil {
		return nil, b.inShard(u, classify(ctx, b.rdb, u.keys(partScores), err))
	}
	return rowsOfZ(found)
}

func rowsOfZ(found []redis.Z) ([]row, error) {
	rows := make([]row, len(found))
	for i, z := range found {
		stored, ok := z.Member.(string)
		if !ok {
			return nil, errReply
		}
		rows[i] = row{score: z.Score, stored: stored}
	}
	return rows, nil
}

// best is the result as rows, as many as the Cap leaves.
func (b *Board) best(rows map[string]*merged) []Submission {
	list := make([]Submission, 0, len(rows))
	for member, m := range rows {
		list = append(list, Submission{Member: member, Score: m.score + 0, At: time.UnixMilli(m.tie)})
	}
	if b.opts.Cap == 0 || int64(len(list)) <= b.opts.Cap {
		return list
	}
	slices.SortFunc(list, func(x, y Submission) int {
		c := cmp.Compare(x.Score, y.Score)
		if b.opts.Order == HighestFirst {
			c = -c
		}
		if c == 0 && b.opts.Ties == EarliestFirst {
			c = x.At.Compare(y.At)
		}
		if c == 0 {
			if c = strings.Compare(x.Member, y.Member); b.opts.Order == HighestFirst {
				c = -c
			}
		}
		return c
	})
	return list[:b.opts.Cap]
}

// replace builds the new board beside the one that is there, and puts it in its place.
func (b *Board) replace(ctx context.Context, s *season, list []Submission) (int64, error) {
	token := rand.Text()
	news := make([]unit, len(s.units))
	counts := make([]int64, len(s.units))
	for i, u := range s.units {
		news[i] = u
		for k := range u.names[:3] {
			news[i].names[k] = u.names[k] + ":" + token
		}
	}
	err := b.build(ctx, news, counts, list)
	if err == nil {
		err = b.claim(ctx, s)
	}
	if err != nil {
		b.dropNew(ctx, news)
		return 0, err
	}
	asks := make([]*ask, len(s.units))
	for i := range s.units {
		u := s.units[i]
		asks[i] = &ask{unit: &u, script: &b.scripts.swap, args: []any{s.expireAt, itoa(counts[i])}}
		asks[i].also = news[i].keys(b.scripts.build.mask)
	}
	err = b.fan(ctx, asks, true)
	var n int64
	for _, a := range asks {
		if a.err != nil {
			continue
		}
		if a.reply == "lost" {
			err = errors.Join(err, b.inShard(a.unit, errors.New("what was built has been evicted")))
			continue
		}
		m, sentErr := b.sent(s, a.reply, nil)
		n += m
		err = errors.Join(err, b.inShard(a.unit, sentErr))
	}
	if err != nil {
		if !errors.Is(err, ErrOutcomeUnknown) {
			b.dropNew(ctx, news)
		}
		return 0, err
	}
	return n, b.slideOthers(ctx, s, nil)
}

// build writes the new keys in chunks, several on their way at once, while the next ones are made.
func (b *Board) build(ctx context.Context, news []unit, counts []int64, list []Submission) error {
	const together = 4
	var asks []*ask
	var out sender
	flush := func() bool {
		sending := asks
		asks = nil
		return len(sending) == 0 || out.send(func() (int64, error) { return 0, b.fan(ctx, sending, true) })
	}
	open := map[int]*ask{}
	bytes := map[int]int{}
	for _, e := range list {
		i := shardOf(e.Member, len(news))
		a := open[i]
		if a == nil {
			a = &ask{unit: &news[i], script: &b.scripts.build, args: make([]any, 1, 1+3*chunkItems)}
			a.args[0] = building.Milliseconds()
			open[i], bytes[i] = a, 0
		}
		a.args = append(a.args, format(e.Score), e.Member)
		if b.opts.Ties == EarliestFirst {
			a.args = append(a.args, b.prefix(e.At))
		}
		bytes[i] += len(e.Member) + 16
		counts[i]++
		if counts[i]%chunkItems == 0 || bytes[i] >= chunkBytes {
			asks = append(asks, a)
			delete(open, i)
			if len(asks) == together && !flush() {
				break
			}
		}
	}
	asks = slices.AppendSeq(asks, maps.Values(open))
	flush()
	_, err := out.finish()
	return err
}

// dropNew removes what was built, if it can; otherwise it expires.
func (b *Board) dropNew(ctx context.Context, news []unit) {
	ctx = context.WithoutCancel(ctx)
	var cmds []redis.Cmder
	for i := range news {
		for _, key := range news[i].keys(b.scripts.build.mask) {
			cmds = append(cmds, redis.NewIntCmd(ctx, "unlink", key))
		}
	}
	_ = once.Exec(ctx, b.rdb, cmds) // they expire anyway
}
