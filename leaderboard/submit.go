package leaderboard

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"
)

// Submit sets the score of a member, as the Policy allows, and returns where the member stands now and stood before.
// It is [Board.SubmitAt] with the clock of the board, which is time.Now unless [Board.At] stopped it.
func (b *Board) Submit(ctx context.Context, member string, score float64) (Result, error) {
	if err := b.ready(ctx); err != nil {
		return Result{}, wrap(err, "submit %q", member)
	}
	return b.submit(ctx, "submit", member, score, b.now(), false)
}

// SubmitAt is [Board.Submit] at a moment: it decides the period, and under EarliestFirst it is when the member reached
// the score. An equal score is not Applied and keeps the tie time, unless at is earlier: then the tie time moves back.
//
// One round trip, O(log N); two more for the first write to a board. On shards two fan-outs, and with Cap one or two
// more. Errors: [ErrArgument] for an empty member and the zero time, [ErrScore] for NaN and infinities, [ErrRetention], [ErrLayout],
// [ErrOutcomeUnknown]. A score that the Cap evicts at once is not Applied, and has Rank 0.
func (b *Board) SubmitAt(ctx context.Context, member string, score float64, at time.Time) (Result, error) {
	if err := b.ready(ctx); err != nil {
		return Result{}, wrap(err, "submit %q", member)
	}
	return b.submit(ctx, "submit", member, score, at, false)
}

// Increment adds delta to the score of a member, which starts at 0; by 0 it creates an absent member and changes
// nothing for a present one. It needs KeepLatest ([ErrPolicy]). It is [Board.IncrementAt] with the clock of the board.
func (b *Board) Increment(ctx context.Context, member string, delta float64) (Result, error) {
	if err := b.ready(ctx); err != nil {
		return Result{}, wrap(err, "increment %q", member)
	}
	return b.submit(ctx, "increment", member, delta, b.now(), true)
}

// IncrementAt is [Board.Increment] at a moment, which decides the period and, where the score changes, the tie time.
// Costs and errors are those of [Board.SubmitAt]; a sum beyond the largest float64 is refused ([ErrScore]).
func (b *Board) IncrementAt(ctx context.Context, member string, delta float64, at time.Time) (Result, error) {
	if err := b.ready(ctx); err != nil {
		return Result{}, wrap(err, "increment %q", member)
	}
	return b.submit(ctx, "increment", member, delta, at, true)
}

func (b *Board) submit(ctx context.Context, op, member string, score float64, at time.Time, increment bool) (Result, error) {
	w, err := b.newWrite(member, score, at, increment)
	if err != nil {
		return Result{}, wrap(err, "%s %q", op, member)
	}
	reply, err := b.create(ctx, w.season, w.unit, w.script, w.args)
	if err != nil {
		return Result{}, wrap(err, "%s %q", op, member)
	}
	result, err := b.finish(ctx, w, reply)
	if err != nil { // looked at here, since even unused arguments are allocated
		return result, wrap(err, "%s %q", op, member)
	}
	return result, nil
}

// oneWrite is a submit or an increment that is about to be sent.
type oneWrite struct {
	member string
	score  float64 // or the increment
	season *season
	unit   *unit
	script *script
	args   []any
}

func (b *Board) newWrite(member string, score float64, at time.Time, increment bool) (*oneWrite, error) {
	if err := checkMember(member); err != nil {
		return nil, err
	}
	if err := checkScore(score); err != nil {
		return nil, err
	}
	w := &oneWrite{member: member, score: score + 0, script: &b.scripts.submit} // -0 is 0
	if increment {
		if b.opts.Policy != KeepLatest {
			return nil, ErrPolicy
		}
		w.script = &b.scripts.increment
	}
	var err error
	if w.season, err = b.writable(at); err != nil {
		return nil, err
	}
	w.unit = w.season.unit(member)
	w.args = make([]any, 3, 4)
	w.args[0], w.args[1], w.args[2] = "", member, format(score)
	if b.opts.Ties == EarliestFirst {
		w.args = append(w.args, b.prefix(at))
	}
	return w, nil
}

// written is what submit.lua answers, and plain.lua.
type written struct {
	applied, existed bool
	before, after    place
	evicted          bool
}

// place is where a row stands: its key in the order of the board, and how many rows of its shard are ahead of it, in
// the sense of the Ranking.
type place struct {
	score  float64
	stored string
	ahead  int64
}

// finish reads the reply to a write, and asks what else the ranks need.
func (b *Board) finish(ctx context.Context, w *oneWrite, reply any) (Result, error) {
	parse := parseWritten
	if b.scripts.plain {
		parse = b.parsePlain
	}
	got, err := parse(w, reply)
	if err != nil {
		return Result{}, err
	}
	if !w.season.seen.Load() {
		w.season.seen.Store(true)
	}
	result := Result{Entry: Entry{Member: w.member}, Applied: got.applied, Existed: got.existed}
	if got.existed {
		result.PreviousScore = got.before.score
	}
	if !got.evicted {
		result.Score = got.after.score
	}
	if b.opts.Shards > 1 {
		return b.finishShards(ctx, w, got, result)
	}
	if got.existed {
		result.PreviousRank = b.rank(got.before.ahead)
	}
	if !got.evicted {
		result.Rank = b.rank(got.after.ahead)
	}
	return result, nil
}

// rank makes a rank of the rows that are ahead: under Modified those with the same score are counted already.
func (b *Board) rank(ahead int64) int64 {
	if b.opts.Ranking == Modified {
		return ahead
	}
	return ahead + 1
}

func parseWritten(w *oneWrite, reply any) (written, error) {
	var got written
	if err := isOther(reply); err != nil {
		return got, err
	}
	l, err := list(reply, 7)
	if err != nil {
		return got, err
	}
	applied, err := integer(l[0])
	if err != nil {
		return got, err
	}
	got.applied = applied == 1
	if old, ok := l[1].(string); !ok || old != "" {
		got.existed = true
		if got.before.score, err = number(l[1]); err != nil {
			return got, err
		}
	}
	if got.before.ahead, err = integer(l[2]); err != nil {
		return got, err
	}
	if got.after.score, err = number(l[3]); err != nil {
		return got, err
	}
	if got.after.ahead, err = integer(l[4]); err != nil {
		return got, err
	}
	got.evicted = got.after.ahead < 0
	before, ok := l[5].(string)
	after, ok2 := l[6].(string)
	if !ok || !ok2 {
		return got, errReply
	}
	got.before.stored, got.after.stored = before+w.member, after+w.member
	return got, nil
}

// parsePlain reads what plain.lua answers.
func (b *Board) parsePlain(w *oneWrite, reply any) (written, error) {
	got := written{applied: true, before: place{stored: w.member}, after: place{stored: w.member, score: w.score}}
	if ahead, ok := reply.(int64); ok { // a new member
		got.after.ahead = ahead
		return got, nil
	}
	text, ok := reply.(string)
	before, text, ok2 := strings.Cut(text, " ")
	now, text, ok3 := strings.Cut(text, " ")
	switch {
	case !ok:
		return got, errReply
	case !ok2 || !ok3:
		return got, cmp.Or(isOther(reply), errReply)
	}
	old, sum, increment := strings.Cut(text, " ")
	got.existed = true
	var errs [4]error
	got.before.ahead, errs[0] = strconv.ParseInt(before, 10, 64)
	got.after.ahead, errs[1] = strconv.ParseInt(now, 10, 64)
	got.before.score, errs[2] = strconv.ParseFloat(old, 64)
	if increment {
		got.after.score, errs[3] = strconv.ParseFloat(sum, 64)
	}
	if errs != [4]error{} {
		return got, errReply
	}
	if got.applied = b.replaces(got.before.score, got.after.score); !got.applied {
		got.after.score = got.before.score
	}
	return got, nil
}

// replaces says whether a score takes the place of another one, by the Policy.
func (b *Board) replaces(old, score float64) bool {
	switch {
	case old == score:
		return false
	case b.opts.Policy == KeepLatest:
		return true
	default:
		return (score > old) == ((b.opts.Policy == KeepBest) == (b.opts.Order == HighestFirst))
	}
}
