package leaderboard

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"math"
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
// at all. On shards a chunk is one fan-out. While a chunk is on its way the next ones, two at most, are read from the
// sequence, which goes on in the caller's goroutine. It stops at the first error, and has then done what it counted; where the
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
	var out sender
	defer func() { // also where the sequence panics
		n, sendErr := out.finish()
		if applied += n; sendErr != nil {
			err = sendErr // it came before any other
		}
	}()
	for e := range entries {
		if !c.fits(e) && !out.send(c.take(ctx)) {
			return 0, nil // see the deferred function
		}
		if err := c.add(e); err != nil {
			return 0, fmt.Errorf("%q: %w", e.Member, err)
		}
	}
	if c.items == 0 {
		return 0, nil
	}
	last := c.take(ctx)
	if !out.started() {
		return last()
	}
	out.send(last)
	return 0, nil
}

// sender sends one chunk after the other, in a goroutine of its own, while the next ones are gathered. The zero sender is
// ready; who uses it must finish it.
type sender struct {
	chunks  chan func() (int64, error)
	done    chan struct{}
	applied int64
	err     error
}

func (s *sender) started() bool { return s.chunks != nil }

// send hands a chunk over. It returns false where one before it failed: then no more are sent.
func (s *sender) send(chunk func() (int64, error)) bool {
	if s.chunks == nil {
		// One waits here, so that the server need not wait for the gathering goroutine to wake up.
		s.chunks, s.done = make(chan func() (int64, error), 1), make(chan struct{})
		go func() {
			defer close(s.done)
			for chunk := range s.chunks {
				n, err := chunk()
				if s.applied += n; err != nil {
					s.err = err
					return
				}
			}
		}()
	}
	select {
	case s.chunks <- chunk:
		return true
	case <-s.done:
		return false
	}
}

// finish waits for all chunks, and returns how much they did, and the first error.
func (s *sender) finish() (int64, error) {
	if s.chunks == nil {
		return 0, nil
	}
	close(s.chunks)
	<-s.done
	return s.applied, s.err
}

// chunk gathers what is sent together: scores of one season.
type chunk struct {
	board  *Board
	season *season
	items  int
	bytes  int
	args   [][]any // of each unit, the head first
	rows   []bulkRow
	last   time.Time
	prefix any
	seed   maphash.Seed
	table  []uint16 // of places in rows, by hash, plus one
}

// bulkRow is a row whose member and score are arguments by their addresses, which costs no allocation for each.
type bulkRow struct {
	member string
	score  float64
	whole  int64 // the score, if it is a whole number, which is written faster
}

// arg is the score as an argument. Very large and very small ones are text: go-redis writes no exponents.
func (r *bulkRow) arg() any {
	switch a := math.Abs(r.score); {
	case a < 1e15 && r.score == float64(r.whole):
		return &r.whole
	case a < 1e15 && a > 1e-4:
		return &r.score
	default:
		return format(r.score)
	}
}

// The head of a unit's arguments has room for those of many.lua, or for those of ZADD.
const (
	headMode  = 2 // for create
	headAgain = 3 // whether a member comes twice
	head      = 4
)

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
			c.table[i] = uint16(len(c.rows) + 1) //nolint:gosec // at most chunkItems
			return false
		case c.rows[k-1].member == member:
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
	args := c.args[i]
	if args == nil {
		room := max(16, cap(c.rows)) / len(c.args) * 5 / 4 // as much as the last chunk had
		if c.board.opts.Ties == EarliestFirst {
			room = room * 3 / 2
		}
		args = make([]any, head, head+2*room)
		args[headAgain] = "0"
	}
	if c.again(e.Member) {
		args[headAgain] = "1"
	}
	c.rows = append(c.rows, bulkRow{member: e.Member, score: e.Score, whole: int64(e.Score)})
	r := &c.rows[len(c.rows)-1]
	args = append(args, r.arg(), &r.member)
	if c.board.opts.Ties == EarliestFirst {
		if c.prefix == nil || !e.At.Equal(c.last) {
			c.last, c.prefix = e.At, c.board.prefix(e.At)
		}
		args = append(args, c.prefix)
	}
	c.args[i] = args
	return nil
}

// take empties the chunk, and returns how what was there is sent. The arguments of a command are never used again: an
// AutoPipeliner may look at them late.
func (c *chunk) take(ctx context.Context) func() (int64, error) {
	b, s, args := c.board, c.season, c.args
	c.items, c.bytes, c.args = 0, 0, nil
	c.rows = make([]bulkRow, 0, cap(c.rows))
	clear(c.table)
	return func() (int64, error) {
		if len(args) > 1 {
			return b.sendShards(ctx, s, args)
		}
		return b.sendChunk(ctx, s, &s.units[0], args[0])
	}
}

func (b *Board) sendChunk(ctx context.Context, s *season, u *unit, args []any) (int64, error) {
	if s.seen.Load() && s.expireAt == "0" && b.scripts.many.mask == partScores && args[headAgain] == "0" {
		return b.add(ctx, u, args)
	}
	reply, err := b.create(ctx, s, u, &b.scripts.many, args[headMode:])
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
func (b *Board) add(ctx context.Context, u *unit, args []any) (int64, error) {
	args[head-1] = "ch"
	switch {
	case b.opts.Policy == KeepLatest:
		args = args[head-3:]
	case (b.opts.Policy == KeepBest) == (b.opts.Order == HighestFirst):
		args[head-2] = "gt"
	default:
		args[head-2] = "lt"
	}
	args[0], args[1] = "zadd", u.scores()
	cmd := redis.NewIntCmd(ctx, args...)
	if err := once.Process(ctx, b.rdb, cmd); err != nil {
		return 0, b.inShard(u, classify(ctx, b.rdb, []string{u.scores()}, err))
	}
	return cmd.Val(), nil
}
