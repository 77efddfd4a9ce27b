package leaderboard

import (
	"context"
	"sync/atomic"

	"github.com/larder-go/larder/internal/once"
)

// apart remembers that the shards of a board do not lie on one server.
type apart struct {
	always atomic.Bool  // a server said so
	skip   atomic.Int64 // a shard was not there, which may change: how many calls not to try
}

// skipped is how many calls after one that found a shard missing do not try again.
const skipped = 100

// together asks all shards by one script. It returns false where they are not on one server, or one is empty: then they are
// to be asked one by one. A script can tell, which a client cannot: it may be a proxy of several servers.
func (b *Board) together(ctx context.Context, s *season, own *unit, member string, places ...place) (any, bool) {
	if b.apart.always.Load() || b.apart.skip.Load() > 0 && b.apart.skip.Add(-1) >= 0 {
		return nil, false
	}
	keys := s.scores
	if b.opts.Ties == EarliestFirst {
		keys = append(keys, own.names[1])
	}
	args := make([]any, 3, 3+2*len(places))
	args[0], args[1], args[2] = len(s.units), own.shard+1, member
	for _, p := range places {
		args = append(args, format(p.score), p.stored)
	}
	reply, err := b.scripts.together.once().Read(ctx, b.rdb, keys, args...)
	switch {
	case err != nil: // asked one by one, they say which shard it is
		if once.Code(err) == "CROSSSLOT" {
			b.apart.always.Store(true)
		}
		return nil, false
	case reply == "apart":
		b.apart.skip.Store(skipped)
		return nil, false
	default:
		return reply, true
	}
}

// getTogether is the fast path of Get on shards.
func (b *Board) getTogether(ctx context.Context, s *season, member string) (Entry, bool) {
	reply, ok := b.together(ctx, s, s.unit(member), member)
	if !ok {
		return Entry{}, false
	}
	e, _, err := b.parseOne(member, reply)
	if err != nil {
		return e, false
	}
	if !s.seen.Load() {
		s.seen.Store(true)
	}
	return e, true
}

// rankTogether adds to each of two places at most, of one shard, what is ahead of it in the others, if one script can tell.
func (b *Board) rankTogether(ctx context.Context, s *season, own *unit, places []place) bool {
	reply, ok := b.together(ctx, s, own, "", places...)
	if !ok {
		return false
	}
	counts, err := list(reply, len(places))
	if err != nil {
		return false
	}
	var ahead [2]int64 // before and after a write
	for i := range places {
		if ahead[i], err = integer(counts[i]); err != nil {
			return false
		}
	}
	for i := range places {
		places[i].ahead += ahead[i]
	}
	return true
}
