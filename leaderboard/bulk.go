package leaderboard

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// How much one command of a bulk write carries.
const (
	chunkItems = 1000
	chunkBytes = 512 << 10
)

// SubmitMany submits all scores, in their order, and returns how many were applied. It is [Board.SubmitManyAt] with the
// clock of the board.
func (b *Board) SubmitMany(ctx context.Context, scores iter.Seq2[string, float64]) (int64, error) {
	if err := b.ready(ctx); err != nil {
		return 0, wrap(err, "submit many")
	}
	return b.SubmitManyAt(ctx, scores, b.now())
}

// SubmitManyAt submits all scores as of one moment, in their order, and returns how many were applied: a member that
// comes twice counts each time that its score changes. The sequence is read once and never held as a whole.
//
// It sends chunks of up to 1,000 scores, one round trip each, one after the other; each chunk is done as a whole or not
// at all. On shards a chunk is one fan-out. It stops at the first error, and has then done what it counted; where the
// error is [ErrOutcomeUnknown], perhaps the chunk after that, too. An argument that is refused ends it before its chunk
// is sent. Errors are those of [Board.SubmitAt].
func (b *Board) SubmitManyAt(ctx context.Context, scores iter.Seq2[string, float64], at time.Time) (int64, error) {
	if err := b.ready(ctx); err != nil {
		return 0, wrap(err, "submit many")
	}
	if scores == nil {
		return 0, wrap(fmt.Errorf("nil sequence: %w", ErrArgument), "submit many")
	}
	n, err := b.submitMany(ctx, func(yield func(Submission) bool) {
		for member, score := range scores {
			if !yield(Submission{Member: member, Score: score, At: at}) {
				return
			}
		}
	})
	return n, wrap(err, "submit many")
}

// SubmitEntries imports scores with the moments at which they were reached: each goes to the board of its period, and
// under EarliestFirst has its own tie time. A zero At is the clock of the board. Otherwise it is [Board.SubmitManyAt].
func (b *Board) SubmitEntries(ctx context.Context, entries iter.Seq[Submission]) (int64, error) {
	if err := b.ready(ctx); err != nil {
		return 0, wrap(err, "submit entries")
	}
	if entries == nil {
		return 0, wrap(fmt.Errorf("nil sequence: %w", ErrArgument), "submit entries")
	}
	n, err := b.submitMany(ctx, func(yield func(Submission) bool) {
		now := b.now()
		for e := range entries {
			if e.At.IsZero() {
				e.At = now
			}
			if !yield(e) {
				return
			}
		}
	})
	return n, wrap(err, "submit entries")
}

func (b *Board) submitMany(ctx context.Context, entries iter.Seq[Submission]) (applied int64, err error) {
	c := chunk{board: b}
	for e := range entries {
		if !c.fits(e) {
			n, err := c.send(ctx)
			if applied += n; err != nil {
				return applied, err
			}
		}
		if err := c.add(e); err != nil {
			return applied, fmt.Errorf("%q: %w", e.Member, err)
		}
	}
	n, err := c.send(ctx)
	return applied + n, err
}

// chunk gathers what is sent together: scores of one season.
type chunk struct {
	board  *Board
	season *season
	items  int
	bytes  int
	args   [][]any // of each unit; the first one is for create, the second one says whether a member comes twice
	last   time.Time
	prefix string
	seed   maphash.Seed
	table  []uint16 // of places in names, by hash, plus one
	names  []string
}

// again says whether the member was in the chunk before, and remembers it. miniredis takes only the last one of a member
// that a ZADD names twice, and so forgets a better score.
func (c *chunk) again(member string) bool {
	if c.table == nil {
		c.table, c.seed = make([]uint16, 4*1024), maphash.MakeSeed()
	}
	mask := uint64(len(c.table) - 1)
	for i := maphash.String(c.seed, member) & mask; ; i = (i + 1) & mask {
		switch k := c.table[i]; {
		case k == 0:
			c.names = append(c.names, member)
			c.table[i] = uint16(len(c.names)) //nolint:gosec // at most chunkItems
			return false
		case c.names[k-1] == member:
			return true
		}
	}
}

// fits says whether the entry may go with those that are there.
func (c *chunk) fits(e Submission) bool {
	return c.items == 0 || c.items < chunkItems && c.bytes+len(e.Member) < chunkBytes && c.season.contains(e.At)
}

func (c *chunk) add(e Submission) error {
	if err := checkMember(e.Member); err != nil {
		return err
	}
	if err := checkScore(e.Score); err != nil {
		return err
	}
	if c.items == 0 {
		s, err := c.board.writable(e.At)
		if err != nil {
			return err
		}
		c.season = s
		c.args = make([][]any, len(s.units))
	}
	c.items++
	c.bytes += len(e.Member) + 16
	i := shardOf(e.Member, len(c.args))
	if c.args[i] == nil {
		room := chunkItems/len(c.args)*3/2 + 8
		if c.board.opts.Ties == EarliestFirst {
			room = room * 3 / 2
		}
		c.args[i] = make([]any, 2, 2*room)
		c.args[i][1] = "0"
	}
	if c.again(e.Member) {
		c.args[i][1] = "1"
	}
	c.args[i] = append(c.args[i], format(e.Score), e.Member)
	if c.board.opts.Ties == EarliestFirst {
		if c.prefix == "" || !e.At.Equal(c.last) {
			c.last, c.prefix = e.At, c.board.prefix(e.At)
		}
		c.args[i] = append(c.args[i], c.prefix)
	}
	return nil
}

// send sends what is there, and empties the chunk. The arguments of a command are never used again: an AutoPipeliner may
// look at them late.
func (c *chunk) send(ctx context.Context) (int64, error) {
	if c.items == 0 {
		return 0, nil
	}
	s, args := c.season, c.args
	c.items, c.bytes, c.args = 0, 0, nil
	clear(c.table)
	c.names = c.names[:0]
	if len(args) > 1 {
		return c.board.sendShards(ctx, s, args)
	}
	return c.board.sendChunk(ctx, s, &s.units[0], args[0])
}

func (b *Board) sendChunk(ctx context.Context, s *season, u *unit, args []any) (int64, error) {
	if s.seen.Load() && s.expireAt == "0" && b.scripts.many.mask == partScores && args[1] == "0" {
		return b.add(ctx, u, args[2:])
	}
	reply, err := b.create(ctx, s, u, &b.scripts.many, args)
	return b.sent(s, reply, err)
}

func (b *Board) sent(s *season, reply any, err error) (int64, error) {
	if err == nil {
		err = isOther(reply)
	}
	if err != nil {
		return 0, err
	}
	s.seen.Store(true)
	return integer(reply)
}

// add is many.lua where a bare ZADD does: a board that is there, without an expiry, a Cap or companions.
func (b *Board) add(ctx context.Context, u *unit, pairs []any) (int64, error) {
	args := make([]any, 0, 4+len(pairs))
	args = append(args, "zadd", u.scores())
	switch {
	case b.opts.Policy == KeepLatest:
	case (b.opts.Policy == KeepBest) == (b.opts.Order == HighestFirst):
		args = append(args, "gt")
	default:
		args = append(args, "lt")
	}
	cmd := redis.NewIntCmd(ctx, append(append(args, "ch"), pairs...)...)
	if err := once.Process(ctx, b.rdb, cmd); err != nil {
		return 0, b.inShard(u, classify(ctx, b.rdb, []string{u.scores()}, err))
	}
	return cmd.Val(), nil
}
