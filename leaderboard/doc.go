// Package leaderboard ranks members by score and answers, in one round trip, what everybody asks of a ranking: where do I
// stand, who is around me, who is on top, and where did this score put me.
//
// Use it wherever members have one number each and their order matters: games, contests, sales, activity. A board may
// be one of a series (this week's, last week's), and may be spread over a cluster if one node is too small for it. Do
// not use it for scores that need more than a float64 (an integer beyond 2^53 is stored as the nearest one that it can
// hold), for ranks over several fields, or as the only copy of what must not be lost: Redis may lose its last writes in
// a failover.
//
//	board, err := leaderboard.New(rdb, "arena", leaderboard.Options{Period: calendar.Weekly, Ties: leaderboard.EarliestFirst})
//	if err != nil {
//		return err
//	}
//	result, err := board.Submit(ctx, "ann", 4200) // one round trip
//	if err != nil {
//		return err
//	}
//	fmt.Println("from", result.PreviousRank, "to", result.Rank)
//	around, err := board.Around(ctx, "ann", 5) // two above, ann, two below
//	if err != nil {
//		return err
//	}
//	for _, row := range around {
//		fmt.Println(row.Rank, row.Member, row.Score)
//	}
//	winners, err := board.At(time.Now().AddDate(0, 0, -7)).Top(ctx, 3) // of last week
//	if err != nil {
//		return err
//	}
//	fmt.Println(winners)
//
// # Order, ties, ranks
//
// The [Order] says whether high or low scores are good, the [Policy] which of a member's scores counts, [Ties] who is
// ahead among equal scores, and the [Ranking] which ranks these get. All readers agree under every combination. Scores
// are stored and returned exactly. NaN and infinities are refused; -0 is 0.
//
// [EarliestFirst] keeps the time in milliseconds beside the score, never within it. It is the time of the call, or the
// one given to [Board.SubmitAt] and [Board.SubmitEntries]; order of arrival does not matter. An equal score with an earlier
// time moves the tie time back.
//
// Cap keeps the best N members and forgets the others at once, their best scores and sums included. So a newcomer
// cannot climb into a full board by small increments, and a KeepBest board may take a worse score of a member that it
// has forgotten. Where that matters, leave Cap at 0 and call [Board.Trim] on a schedule.
//
// # Shards
//
// A board of several shards spreads its members, by a stable hash, over as many slots of a cluster, so that it can be
// larger than one node. Ranks are exact: a member's rank is its place in its own shard plus the number of
// members ahead of it in all others. Every operation is one fan-out to all shards at once, or two where a member's own
// row must be known first (Submit, Increment, Get, GetMany, Around, Percentile); a write takes one more with a Cap, and one with
// a Keep that slides. Where one server has all shards, Get and the ranks of a Submit are one script. Pages beyond place
// 1,000 are found by samples of all shards, in a few fan-outs.
//
// Shards are for size, and for bulk writes, which need no ranks. They do not make submits faster: each asks all shards
// for the rank, so 8 shards take about 5 times the processor time of one on one server, and about 18 times in all on
// three masters of a cluster, of which the busiest has 8 times as much to do as one server with one shard.
//
// The answers of the shards are not of one moment: while others write, a rank may be off by what was written in
// between, and a Cap may be exceeded for as long. A write is done in the member's own shard; if another shard cannot be
// asked for the rank afterwards, the error is [ErrRankUnknown]. Errors name the shard, and no result is ever counted
// without it. Dense cannot be sharded. The number of shards of an existing board cannot be changed: [Merge] it into
// another one.
//
// # Keys
//
// Every key of a board starts with [namespace:]leaderboard:{name}:label:, where label is that of its period, so a board
// lies in one slot of a cluster. A board with the default layout has one sorted set, scores, and a hash, data, once
// [Board.SetData] is used. EarliestFirst adds the hash times; Dense adds the sorted set distinct; both, and shards, have their
// layout in the names of their keys, and a string, layout, that records it. The percent sign and braces of a name are
// encoded; nothing else is.
//
// A board is made by its first write, which claims the layout: two round trips more than usual. A Board with another
// layout than the existing one gets [ErrLayout], when it reads too. [Board.Clear] frees the name. Two first writes of a
// default and another layout within one moment can both succeed, and so can a SubmitMany through a default Board that
// has seen its season, after others cleared it and made another layout.
//
// # Time
//
// Periods begin and end by Options.Location, never by the machine's zone. The keys of a period expire at its end plus
// Keep: they get that absolute moment when they are made, and it is never extended. Writing to a period that is past it
// is [ErrRetention]. With [calendar.AllTime], Keep counts from the last call of a writer, whether it changed something
// or not. [Board.At] stops the clock of a board, for reading past seasons and for importing.
//
// # Errors
//
// Errors name the operation and its argument, and match the sentinels of this package with errors.Is. Arguments and the
// context are checked before anything is sent. No write is ever sent twice: where no answer comes, the error matches
// [ErrOutcomeUnknown] and the cause, and the caller decides. (Submitting the same score again is harmless; the same
// increment is not.) How long a call waits is bounded by the client's own time-outs, and by the context if
// ContextTimeoutEnabled is set.
//
// Scripts do not roll back, so a user of Redis needs all commands that they call: +@sortedset +@hash +get +set +strlen +del
// +unlink +exists +type +rename +persist +pexpire +pexpireat +eval +evalsha +@connection. Where one is denied, a write may end
// in the middle, but leaves no key without its expiry.
//
// # Cluster
//
// Works with [redis.Client], failover clients, [redis.ClusterClient], [redis.Ring] and the [redis.AutoPipeliner] of any
// of them. Every operation on a board of one shard is one command or one script on one slot. While a slot is moving to
// another node, scripts that name several keys, some of which have moved already, are refused with [ErrMigrating];
// submits to and reads from a board with the default layout go on, unless a Cap or the Keep of AllTime makes a submit
// name its data, too. A [redis.Ring] sends the keys of a server that is down to another one, where they are not: then a
// board looks empty there, or lacks a shard. A volatile eviction policy may evict keys of a board one by one: use
// noeviction.
package leaderboard
