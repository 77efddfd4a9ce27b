package leaderboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// ask is one script for one shard, and what came of it.
type ask struct {
	unit   *unit
	script *script
	args   []any
	also   []string // keys behind those of the script
	reply  any
	err    error
}

// keys are those that the ask names.
func (a *ask) keys() []string { return slices.Concat(a.unit.keys(a.script.mask), a.also) }

// askAll makes one ask of the same script for each shard.
func askAll(s *season, sc *script, args ...any) []*ask {
	asks := make([]*ask, len(s.units))
	for i := range asks {
		asks[i] = &ask{unit: &s.units[i], script: sc, args: args}
	}
	return asks
}

// fan sends all asks at once, and returns when all are answered: one pipeline, which a cluster client sends to its nodes
// in parallel, or through an AutoPipeliner one command each, which it merges with those of other callers. The errors are
// those of all asks, each with the name of its shard. Reads whose answer was lost are asked for again; writes are not.
func (b *Board) fan(ctx context.Context, asks []*ask, write bool) error {
	call := b.readKeys
	if write {
		call = b.writeKeys
	}
	if _, ok := b.rdb.(*redis.AutoPipeliner); ok || len(asks) == 1 {
		var wg sync.WaitGroup
		for _, a := range asks[min(1, len(asks)):] {
			wg.Go(func() { a.reply, a.err = call(ctx, a.unit, a.keys(), a.script, a.args) })
		}
		if len(asks) > 0 {
			asks[0].reply, asks[0].err = call(ctx, asks[0].unit, asks[0].keys(), asks[0].script, asks[0].args)
		}
		wg.Wait()
		return joined(asks)
	}
	cmds := make([]redis.Cmder, len(asks))
	for i, a := range asks {
		cmds[i] = a.script.once().Cmd(ctx, a.keys(), a.args...)
	}
	for i, outcome := range once.Exec(ctx, b.rdb, cmds) {
		a, err := asks[i], cmds[i].Err()
		switch {
		case outcome == once.Applied:
			if cmd, ok := cmds[i].(*redis.Cmd); ok && err == nil {
				a.reply = cmd.Val()
			}
			continue
		case outcome == once.Unknown && write:
			err = &once.UnknownError{Err: err}
		case outcome != once.Failed && !write && ctx.Err() == nil:
			a.reply, a.err = b.readKeys(ctx, a.unit, a.keys(), a.script, a.args)
			continue
		}
		a.err = b.inShard(a.unit, classify(ctx, b.rdb, a.keys(), err))
	}
	return joined(asks)
}

func joined(asks []*ask) error {
	var errs []error
	for _, a := range asks {
		if a.err != nil {
			errs = append(errs, a.err)
		}
	}
	return errors.Join(errs...)
}

// commandsShards sends a plain read to every shard for which command makes one.
func (b *Board) commandsShards(ctx context.Context, s *season, command func(*unit) redis.Cmder, each func(*unit, redis.Cmder) error) error {
	var units []*unit
	var cmds []redis.Cmder
	for i := range s.units {
		if cmd := command(&s.units[i]); cmd != nil {
			units, cmds = append(units, &s.units[i]), append(cmds, cmd)
		}
	}
	again := func(i int) error {
		err := b.rdb.Process(ctx, cmds[i])
		if own := cmds[i].Err(); err == nil {
			err = own
		}
		return err
	}
	errs := make([]error, len(cmds))
	if _, ok := b.rdb.(*redis.AutoPipeliner); ok {
		var wg sync.WaitGroup
		for i := range cmds {
			wg.Go(func() { errs[i] = again(i) })
		}
		wg.Wait()
	} else {
		for i, outcome := range once.Exec(ctx, b.rdb, cmds) {
			if errs[i] = cmds[i].Err(); outcome != once.Applied && outcome != once.Failed && ctx.Err() == nil {
				cmds[i] = command(units[i])
				errs[i] = again(i)
			}
		}
	}
	for i, err := range errs {
		if err == nil {
			err = each(units[i], cmds[i])
		} else {
			err = classify(ctx, b.rdb, units[i].keys(partScores|partData), err)
		}
		errs[i] = b.inShard(units[i], err)
	}
	return errors.Join(errs...)
}

// tail is what a shard tells beside its counts, if its last row was asked for.
type tail struct {
	rows int64
	last row // the last row, if there is one
}

// askAhead asks a shard how much of it is ahead of each of the places.
func (b *Board) askAhead(u *unit, last bool, places []place) *ask {
	args := make([]any, 1, 1+2*len(places))
	args[0] = "0"
	if last {
		args[0] = "1"
	}
	for _, p := range places {
		args = append(args, format(p.score), p.stored)
	}
	return &ask{unit: u, script: &b.scripts.ahead, args: args}
}

// parseAhead reads its answer.
func parseAhead(a *ask) (t tail, counts []int64, err error) {
	n, head := (len(a.args)-1)/2, 0
	if a.args[0] == "1" {
		head = 3
	}
	l, err := list(a.reply, head+n)
	if err != nil {
		return t, nil, err
	}
	if head > 0 {
		if t.rows, err = integer(l[0]); err != nil {
			return t, nil, err
		}
		name, ok := l[1].(string)
		if !ok {
			return t, nil, errReply
		}
		if t.last.stored = name; name != "" {
			if t.last.score, err = number(l[2]); err != nil {
				return t, nil, err
			}
		}
	}
	counts = make([]int64, n)
	for i := range counts {
		if counts[i], err = integer(l[head+i]); err != nil {
			return t, nil, err
		}
	}
	return t, counts, nil
}

// getShards looks members up: in their own shards first, and then in all others what is ahead of them.
func (b *Board) getShards(ctx context.Context, s *season, members []string) ([]Entry, error) {
	if len(members) == 1 {
		if e, ok := b.getTogether(ctx, s, members[0]); ok {
			return []Entry{e}, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	entries := make([]Entry, len(members))
	places := make([]place, len(members))
	own := make([][]int, len(s.units)) // indexes of members
	for i, member := range members {
		entries[i].Member = member
		k := shardOf(member, len(own))
		own[k] = append(own[k], i)
	}
	var asks []*ask
	for k, indexes := range own {
		if len(indexes) > 0 {
			args := make([]any, len(indexes))
			for i, index := range indexes {
				args[i] = members[index]
			}
			asks = append(asks, &ask{unit: &s.units[k], script: &b.scripts.get, args: args})
		}
	}
	if err := b.fan(ctx, asks, false); err != nil {
		return nil, err
	}
	var rows int64
	for _, a := range asks {
		indexes := own[a.unit.shard]
		names := make([]string, len(indexes))
		for i, index := range indexes {
			names[i] = members[index]
		}
		found, n, err := b.parsePlaces(a.reply, names)
		if err != nil {
			return nil, err
		}
		rows += n
		for i, index := range indexes {
			places[index] = found[i]
		}
	}
	if err := b.empty(ctx, s, rows); err != nil {
		return nil, err
	}
	if err := b.rankShards(ctx, s, places); err != nil {
		return nil, err
	}
	for i, p := range places {
		if p.stored != "" {
			entries[i].Score, entries[i].Rank = p.score, b.rank(p.ahead)
		}
	}
	return entries, nil
}

// rankShards adds to each place what is ahead of it in the shards that are not its own.
func (b *Board) rankShards(ctx context.Context, s *season, places []place) error {
	var asks []*ask
	var of [][]int
	for k := range s.units {
		var others []place
		var indexes []int
		for i, p := range places {
			if p.stored != "" && shardOf(b.member(p.stored), len(s.units)) != k {
				others, indexes = append(others, p), append(indexes, i)
			}
		}
		if len(others) > 0 {
			asks, of = append(asks, b.askAhead(&s.units[k], false, others)), append(of, indexes)
		}
	}
	if err := b.fan(ctx, asks, false); err != nil {
		return err
	}
	for i, a := range asks {
		_, counts, err := parseAhead(a)
		if err != nil {
			return err
		}
		for j, index := range of[i] {
			places[index].ahead += counts[j]
		}
	}
	return nil
}

// finishShards completes the answer to a write to one shard: what is ahead in the others, what the Cap evicts, and
// the expiry that slides.
func (b *Board) finishShards(ctx context.Context, w *oneWrite, got written, result Result) (Result, error) {
	// Whatever fails from here on, the score is stored, and the caller must know.
	unknown := func(err error) (Result, error) {
		result.Rank, result.PreviousRank = 0, 0
		return result, fmt.Errorf("%w: %w", ErrRankUnknown, err)
	}
	places := make([]place, 0, 2)
	places = append(places, got.after)
	if got.existed && got.before != got.after {
		places = append(places, got.before)
	}
	if b.opts.Cap == 0 && b.rankTogether(ctx, w.season, w.unit, places) {
		result.Rank = b.rank(places[0].ahead)
		if got.existed {
			result.PreviousRank = b.rank(places[len(places)-1].ahead)
		}
		if err := b.slideOthers(ctx, w.season, w.unit); err != nil {
			return unknown(err)
		}
		return result, nil
	}
	asks := make([]*ask, 0, len(w.season.units))
	for k := range w.season.units {
		if u := &w.season.units[k]; u != w.unit || b.opts.Cap > 0 {
			asks = append(asks, b.askAhead(u, b.opts.Cap > 0, places))
		}
	}
	if err := b.fan(ctx, asks, false); err != nil {
		return unknown(err)
	}
	tails := make([]tail, len(w.season.units))
	for _, a := range asks {
		t, counts, err := parseAhead(a)
		if err != nil {
			return unknown(err)
		}
		tails[a.unit.shard] = t
		if a.unit != w.unit {
			for i, n := range counts {
				places[i].ahead += n
			}
		}
	}
	result.Rank = b.rank(places[0].ahead)
	if got.existed {
		result.PreviousRank = b.rank(places[len(places)-1].ahead)
	}
	if b.opts.Cap > 0 {
		cut, err := b.capShards(ctx, w.season, tails)
		if err != nil {
			return unknown(err)
		}
		if cut != nil && !b.isAhead(row{got.after.score, got.after.stored}, *cut) {
			result.Applied, result.Score, result.Rank = false, 0, 0
		} else if cut != nil && b.opts.Ranking == Modified {
			result.Rank = min(result.Rank, b.opts.Cap) // without those of its score that went
		}
	}
	if err := b.slideOthers(ctx, w.season, w.unit); err != nil {
		return unknown(err)
	}
	return result, nil
}

// isAhead says whether a row ranks before another.
func (b *Board) isAhead(x, y row) bool {
	high := b.opts.Order == HighestFirst
	if x.score != y.score {
		return x.score > y.score == high
	}
	if x.stored == y.stored {
		return false
	}
	return x.stored > y.stored == high
}

// capShards removes what is beyond the Cap of the whole board. It returns the row from which on rows were removed, or nil.
func (b *Board) capShards(ctx context.Context, s *season, tails []tail) (*row, error) {
	var rows int64
	var last *tail
	shard := 0
	for i, t := range tails {
		rows += t.rows
		if t.rows > 0 && t.last.stored != "" && (last == nil || b.isAhead(last.last, t.last)) {
			last, shard = &tails[i], i
		}
	}
	switch {
	case rows <= b.opts.Cap || last == nil:
		return nil, nil
	case rows == b.opts.Cap+1: // as a rule: the last one goes
		cut := last.last
		return &cut, b.fan(ctx, []*ask{b.askCut(&s.units[shard], cut)}, true)
	}
	cut, found, err := b.rowAt(ctx, s, b.opts.Cap)
	if err != nil || !found {
		return nil, err
	}
	_, err = b.cutShards(ctx, s, cut)
	return &cut, err
}

func (b *Board) askCut(u *unit, from row) *ask {
	return &ask{unit: u, script: &b.scripts.cut, args: []any{"row", format(from.score), from.stored}}
}

// cutShards removes a row and all behind it from every shard.
func (b *Board) cutShards(ctx context.Context, s *season, from row) (int64, error) {
	asks := make([]*ask, len(s.units))
	for i := range asks {
		asks[i] = b.askCut(&s.units[i], from)
	}
	_, n, err := b.sum(ctx, asks)
	return n, err
}

// sum sends writes that answer with two numbers, and adds up those that were answered.
func (b *Board) sum(ctx context.Context, asks []*ask) (rows, removed int64, err error) {
	err = b.fan(ctx, asks, true)
	for _, a := range asks {
		if a.err == nil {
			n, m, parseErr := pair(a.reply)
			rows += n
			removed += m
			err = errors.Join(err, parseErr)
		}
	}
	return rows, removed, err
}

// takeAwayShards runs a script that removes on the shards that have arguments.
func (b *Board) takeAwayShards(ctx context.Context, s *season, sc *script, args [][]any) (rows, removed int64, err error) {
	var asks []*ask
	for i := range s.units {
		if len(args[i]) > 0 {
			asks = append(asks, &ask{unit: &s.units[i], script: sc, args: args[i]})
		}
	}
	rows, removed, err = b.sum(ctx, asks)
	if err == nil && (rows > 0 || s.seen.Load()) { // also where only other shards have rows
		err = b.slideOthers(ctx, s, nil)
	}
	return rows, removed, err
}

func (b *Board) trimShards(ctx context.Context, s *season, keep int64) (int64, error) {
	var n int64
	if keep == 0 {
		return b.cutAll(ctx, s, []any{"place", "0"})
	}
	cut, found, err := b.rowAt(ctx, s, keep)
	if err == nil && found {
		n, err = b.cutShards(ctx, s, cut)
	}
	if err == nil && s.seen.Load() {
		err = b.slideOthers(ctx, s, nil)
	}
	return n, err
}

// clearShards removes all shards, and then the record, so that a board of which something is left keeps its layout.
func (b *Board) clearShards(ctx context.Context, s *season) error {
	layout := layoutOf(b.opts)
	asks := askAll(s, &b.scripts.clear, layout)
	if err := b.fan(ctx, asks, true); err != nil {
		return err
	}
	there := slices.ContainsFunc(asks, func(a *ask) bool { return a.reply != int64(0) })
	keys := []string{s.layout}
	reply, err := unclaimScript.Run(ctx, b.rdb, keys, layout)
	if err != nil {
		return classify(ctx, b.rdb, keys, err)
	}
	s.seen.Store(false)
	if err := foundOther(reply, layout); err != nil || there {
		return err
	}
	return b.checkLayout(ctx, s)
}

// slideOthers gives the keys of the other shards, and the record of the layout, their Keep again.
func (b *Board) slideOthers(ctx context.Context, s *season, own *unit) error {
	if !b.opts.slides() || len(s.units) == 1 {
		return nil
	}
	keep := milliseconds(b.opts.Keep)
	cmds := []redis.Cmder{redis.NewBoolCmd(ctx, "pexpire", s.layout, keep)}
	units := []*unit{nil}
	mask := b.scripts.remove.mask
	for i := range s.units {
		u := &s.units[i]
		if u == own {
			continue
		}
		for _, key := range u.keys(mask) {
			cmds, units = append(cmds, redis.NewBoolCmd(ctx, "pexpire", key, keep)), append(units, u)
		}
	}
	var errs []error
	for i, outcome := range once.Exec(ctx, b.rdb, cmds) {
		err := cmds[i].Err()
		if outcome == once.Unknown || outcome == once.NotSent { // the same again does no harm
			err = b.rdb.Process(ctx, redis.NewBoolCmd(ctx, cmds[i].Args()...))
		}
		if err != nil && units[i] != nil {
			err = b.inShard(units[i], err)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("done, but not all keys were given their expiry again: %w", err)
	}
	return nil
}

// sendShards submits a chunk whose arguments are sorted by shard.
func (b *Board) sendShards(ctx context.Context, s *season, args [][]any) (int64, error) {
	var asks []*ask
	for i := range args {
		if args[i] != nil {
			args[i][headMode] = ""
			asks = append(asks, &ask{unit: &s.units[i], script: &b.scripts.many, args: args[i][headMode:]})
		}
	}
	err := b.fan(ctx, asks, true)
	var anew []*ask
	var applied int64
	tally := func(asks []*ask) {
		for _, a := range asks {
			if a.err != nil {
				continue
			}
			if a.reply == absent {
				args := append([]any(nil), a.args...) // an AutoPipeliner may still look at the old ones
				args[0] = s.expireAt
				anew = append(anew, &ask{unit: a.unit, script: a.script, args: args})
				continue
			}
			n, sentErr := b.sent(s, a.reply, nil)
			applied += n
			err = errors.Join(err, b.inShard(a.unit, sentErr))
		}
	}
	tally(asks)
	if len(anew) > 0 {
		if claimErr := b.claim(ctx, s); claimErr != nil {
			return applied, errors.Join(err, claimErr)
		}
		again := anew
		anew = nil
		err = errors.Join(err, b.fan(ctx, again, true))
		tally(again)
	}
	if err != nil {
		return applied, err
	}
	if b.opts.Cap > 0 {
		tails := make([]tail, len(s.units))
		asks := askAll(s, &b.scripts.ahead, "1")
		if err := b.fan(ctx, asks, false); err != nil {
			return applied, err
		}
		for i, a := range asks {
			if tails[i], _, err = parseAhead(a); err != nil {
				return applied, err
			}
		}
		if _, err := b.capShards(ctx, s, tails); err != nil {
			return applied, err
		}
	}
	return applied, b.slideOthers(ctx, s, nil)
}

// percentileShards asks the member's own shard first, and the others what is worse than its score.
func (b *Board) percentileShards(ctx context.Context, s *season, member string) (float64, error) {
	own := s.unit(member)
	reply, err := b.read(ctx, own, &b.scripts.percentile, []any{"member", member})
	if err != nil {
		return 0, err
	}
	rows, worse, err := pair(reply)
	if err != nil {
		return 0, err
	}
	l, err := list(reply, 3)
	if err != nil {
		return 0, err
	}
	if err := b.empty(ctx, s, rows); err != nil {
		return 0, err
	}
	if l[2] == "" {
		return 0, ErrNotFound
	}
	var asks []*ask
	for i := range s.units {
		if u := &s.units[i]; u != own {
			asks = append(asks, &ask{unit: u, script: &b.scripts.percentile, args: []any{"score", l[2]}})
		}
	}
	if err := b.fan(ctx, asks, false); err != nil {
		return 0, err
	}
	for _, a := range asks {
		n, m, err := pair(a.reply)
		if err != nil {
			return 0, err
		}
		rows, worse = rows+n, worse+m
	}
	return percentile(rows, worse), nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
