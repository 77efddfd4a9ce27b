package leaderboard

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// getChunk is how many members one script looks up.
const getChunk = 5000

// noRank remembers that the server does not know ZRANK WITHSCORE (Redis below 7.2).
type noRank struct{ atomic.Bool }

// Get returns the row of a member, or [ErrNotFound]. One round trip, O(log N); on shards two fan-outs. Where the whole
// board is empty and this Board has not seen it otherwise, one more, to see that it has no other layout ([ErrLayout]);
// the same holds for every reader.
func (b *Board) Get(ctx context.Context, member string) (Entry, error) {
	err := b.ready(ctx)
	if err == nil {
		err = checkMember(member)
	}
	var e Entry
	if err == nil {
		e, err = b.get(ctx, member)
	}
	if err != nil { // looked at here, since even unused arguments are allocated
		return e, wrap(err, "get %q", member)
	}
	return e, nil
}

func (b *Board) get(ctx context.Context, member string) (Entry, error) {
	s, err := b.season(b.now())
	if err != nil {
		return Entry{}, err
	}
	if b.opts.Ties == ByMember && b.opts.Ranking == Ordinal && b.opts.Shards == 1 && !b.noRank.Load() {
		e, ok, err := b.getByCommand(ctx, s, member)
		if ok {
			return e, err
		}
	}
	if b.opts.Shards == 1 {
		return b.getByScript(ctx, s, member)
	}
	entries, err := b.getShards(ctx, s, []string{member})
	if err != nil {
		return Entry{}, err
	}
	if entries[0].Rank == 0 {
		return Entry{}, ErrNotFound
	}
	return entries[0], nil
}

// getByScript reads one row of a board of one unit.
func (b *Board) getByScript(ctx context.Context, s *season, member string) (Entry, error) {
	reply, err := b.read(ctx, &s.units[0], &b.scripts.one, []any{member})
	if err != nil {
		return Entry{}, err
	}
	e, rows, err := b.parseOne(member, reply)
	if err == nil {
		err = b.empty(ctx, s, rows)
	}
	if err == nil && e.Rank == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, err
	}
	return e, nil
}

// parseOne reads what one.lua answers, and together.lua of a member: an absent one has Rank 0. rows is 0 where the board
// is empty.
func (b *Board) parseOne(member string, reply any) (e Entry, rows int64, err error) {
	e.Member = member
	text, ok := reply.(string)
	if !ok {
		rows, err = integer(reply)
		return e, rows, err
	}
	ahead, score, ok := strings.Cut(text, " ")
	n, err := strconv.ParseInt(ahead, 10, 64)
	if err == nil {
		e.Score, err = strconv.ParseFloat(score, 64)
	}
	if !ok || err != nil {
		return e, 0, errReply
	}
	e.Rank = b.rank(n)
	return e, 1, nil
}

// getByCommand asks a plain board of a server that knows ZRANK WITHSCORE. It returns false where the server does not.
func (b *Board) getByCommand(ctx context.Context, s *season, member string) (Entry, bool, error) {
	u := &s.units[0]
	name := "zrevrank"
	if b.opts.Order == LowestFirst {
		name = "zrank"
	}
	cmd := redis.NewCmd(ctx, name, u.scores(), member, "withscore")
	err := b.rdb.Process(ctx, cmd)
	if own := cmd.Err(); err == nil {
		err = own
	}
	switch {
	case errors.Is(err, redis.Nil):
		if err := b.empty(ctx, s, 0); err != nil {
			return Entry{}, true, err
		}
		return Entry{}, true, ErrNotFound
	case once.Code(err) == "ERR" && (strings.Contains(err.Error(), "wrong number of arguments") || strings.Contains(err.Error(), "syntax error")):
		b.noRank.Store(true)
		return Entry{}, false, nil
	case err != nil:
		return Entry{}, true, classify(ctx, b.rdb, u.keys(partScores), err)
	}
	l, err := list(cmd.Val(), 2)
	if err != nil {
		return Entry{}, true, err
	}
	e := Entry{Member: member}
	if e.Rank, err = integer(l[0]); err != nil {
		return Entry{}, true, err
	}
	e.Rank++
	if e.Score, err = number(l[1]); err != nil {
		return Entry{}, true, err
	}
	return e, true, b.empty(ctx, s, 1)
}

// GetMany returns the rows of members in the order asked for; an absent member has Rank 0 and Score 0. One round trip
// for each 5,000 members, O(M log N), of one moment; on shards two fan-outs.
func (b *Board) GetMany(ctx context.Context, members ...string) ([]Entry, error) {
	entries, err := b.getAll(ctx, members)
	return entries, wrap(err, "get many")
}

func (b *Board) getAll(ctx context.Context, members []string) ([]Entry, error) {
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	for i, member := range members {
		if err := checkMember(member); err != nil {
			return nil, fmt.Errorf("member %d: %w", i, err)
		}
	}
	if len(members) == 0 {
		return []Entry{}, nil
	}
	s, err := b.season(b.now())
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(members))
	for len(members) > 0 {
		n := min(len(members), getChunk)
		part, err := b.getMany(ctx, s, members[:n])
		if err != nil {
			return nil, err
		}
		entries = append(entries, part...)
		members = members[n:]
	}
	return entries, nil
}

func (b *Board) getMany(ctx context.Context, s *season, members []string) ([]Entry, error) {
	if b.opts.Shards > 1 {
		return b.getShards(ctx, s, members)
	}
	places, rows, err := b.places(ctx, &s.units[0], members)
	if err == nil {
		err = b.empty(ctx, s, rows)
	}
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(members))
	for i, p := range places {
		entries[i].Member = members[i]
		if p.stored != "" {
			entries[i].Score, entries[i].Rank = p.score, b.rank(p.ahead)
		}
	}
	return entries, nil
}

// places looks members up in one unit. An absent member has no stored name.
func (b *Board) places(ctx context.Context, u *unit, members []string) (places []place, rows int64, err error) {
	args := make([]any, len(members))
	for i, member := range members {
		args[i] = member
	}
	reply, err := b.read(ctx, u, &b.scripts.get, args)
	if err != nil {
		return nil, 0, err
	}
	return b.parsePlaces(reply, members)
}

func (b *Board) parsePlaces(reply any, members []string) (places []place, rows int64, err error) {
	step := 2
	if b.opts.Ties == EarliestFirst {
		step = 3
	}
	l, err := list(reply, 1+step*len(members))
	if err != nil {
		return nil, 0, err
	}
	if rows, err = integer(l[0]); err != nil {
		return nil, 0, err
	}
	places = make([]place, len(members))
	for i, member := range members {
		row := l[1+step*i:]
		if row[0] == "" {
			continue
		}
		p := place{stored: member}
		if step == 3 {
			prefix, ok := row[2].(string)
			if !ok {
				return nil, 0, errReply
			}
			p.stored = prefix + member
		}
		if p.score, err = number(row[0]); err != nil {
			return nil, 0, err
		}
		if p.ahead, err = integer(row[1]); err != nil {
			return nil, 0, err
		}
		places[i] = p
	}
	return places, rows, nil
}

// Len returns how many members the board has. One round trip, O(1).
func (b *Board) Len(ctx context.Context) (int64, error) {
	n, err := b.count(ctx, math.Inf(-1), math.Inf(1))
	return n, wrap(err, "len")
}

// Count returns how many members have a score from lo to hi, both included; both may be infinite. One round trip,
// O(log N).
func (b *Board) Count(ctx context.Context, lo, hi float64) (int64, error) {
	n, err := b.count(ctx, lo, hi)
	return n, wrap(err, "count %v to %v", lo, hi)
}

func (b *Board) count(ctx context.Context, lo, hi float64) (int64, error) {
	s, err := b.current(ctx)
	if err == nil {
		err = checkBounds(lo, hi)
	}
	if err != nil {
		return 0, err
	}
	command := func(u *unit) redis.Cmder {
		if math.IsInf(lo, -1) && math.IsInf(hi, 1) {
			return redis.NewIntCmd(ctx, "zcard", u.scores())
		}
		return redis.NewIntCmd(ctx, "zcount", u.scores(), format(lo), format(hi))
	}
	var n int64
	err = b.commands(ctx, s, command, func(_ *unit, cmd redis.Cmder) error {
		if c, ok := cmd.(*redis.IntCmd); ok {
			n += c.Val()
			return nil
		}
		return errReply
	})
	if err != nil {
		return 0, err
	}
	return n, b.empty(ctx, s, n)
}

// commands sends a plain read to every unit.
func (b *Board) commands(ctx context.Context, s *season, command func(*unit) redis.Cmder, each func(*unit, redis.Cmder) error) error {
	if len(s.units) > 1 {
		return b.commandsShards(ctx, s, command, each)
	}
	u := &s.units[0]
	cmd := command(u)
	err := b.rdb.Process(ctx, cmd)
	if own := cmd.Err(); err == nil {
		err = own
	}
	if err != nil {
		return classify(ctx, b.rdb, u.keys(partScores|partData), err)
	}
	return each(u, cmd)
}

// current is ready, and the season of the board's clock.
func (b *Board) current(ctx context.Context) (*season, error) {
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	return b.season(b.now())
}

func checkBounds(lo, hi float64) error {
	if math.IsNaN(lo) || math.IsNaN(hi) {
		return fmt.Errorf("a bound is NaN: %w", ErrScore)
	}
	return nil
}

// Percentile returns which part of the other members has a strictly worse score, from 0 to 100, so that equal scores
// get equal percentiles. The only member is at 100. [ErrNotFound] for an absent one. One round trip, O(log N); on shards
// two fan-outs.
func (b *Board) Percentile(ctx context.Context, member string) (float64, error) {
	p, err := b.percentile(ctx, member)
	return p, wrap(err, "percentile of %q", member)
}

func (b *Board) percentile(ctx context.Context, member string) (float64, error) {
	s, err := b.current(ctx)
	if err == nil {
		err = checkMember(member)
	}
	if err != nil {
		return 0, err
	}
	if len(s.units) > 1 {
		return b.percentileShards(ctx, s, member)
	}
	reply, err := b.read(ctx, &s.units[0], &b.scripts.percentile, []any{"member", member})
	if err != nil {
		return 0, err
	}
	l, err := list(reply, 3)
	if err != nil {
		return 0, err
	}
	rows, worse, err := pair(reply)
	if err == nil {
		err = b.empty(ctx, s, rows)
	}
	if err != nil {
		return 0, err
	}
	if l[2] == "" {
		return 0, ErrNotFound
	}
	return percentile(rows, worse), nil
}

func percentile(rows, worse int64) float64 {
	if rows <= 1 {
		return 100
	}
	return 100 * float64(worse) / float64(rows-1)
}
