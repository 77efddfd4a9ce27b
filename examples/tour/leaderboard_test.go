package main

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// naiveBoard is the best game of each player among those that count, in order.
func naiveBoard(games []game, counts func(game) bool) []game {
	best := map[string]game{}
	for _, g := range games {
		if old, ok := best[g.player]; counts(g) && (!ok || g.score > old.score) {
			best[g.player] = g
		}
	}
	return naiveOrder(best)
}

func naiveOrder(best map[string]game) []game {
	rows := make([]game, 0, len(best))
	for _, g := range best {
		rows = append(rows, g)
	}
	slices.SortFunc(rows, func(x, y game) int {
		return cmp.Or(cmp.Compare(y.score, x.score), x.at.Compare(y.at), strings.Compare(y.player, x.player))
	})
	return rows
}

func naiveEntries(rows []game, first, n int) []leaderboard.Entry {
	var entries []leaderboard.Entry
	for i := first; i < min(first+n, len(rows)); i++ {
		entries = append(entries, leaderboard.Entry{Member: rows[i].player, Score: rows[i].score, Rank: int64(i + 1)})
	}
	return entries
}

// TestLeaderboardFactsAgreeWithANaiveProgram compares what the chapter tells with a program that sorts, on the embedded
// Redis and on real ones, a cluster among them.
func TestLeaderboardFactsAgreeWithANaiveProgram(t *testing.T) {
	games, err := season()
	require.NoError(t, err)
	require.Greater(t, len(games), 1000)
	end := games[len(games)-1].at
	week := func(at time.Time) []game {
		start := calendar.Weekly.Start(at, time.UTC)
		return naiveBoard(games, func(g game) bool { return calendar.Weekly.Start(g.at, time.UTC).Equal(start) })
	}
	last, ever := week(end), naiveBoard(games, func(game) bool { return true })
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone, redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		t.Helper()
		f, err := playSeason(t.Context(), &tour{rdb: e.Client, ns: e.Namespace})
		require.NoError(t, err)
		assert.EqualValues(t, len(games), f.games)
		sums, applied := map[string]game{}, int64(0)
		for i, start := range f.weeks {
			rows := week(start)
			assert.Equal(t, naiveEntries(rows, 0, 1)[0], f.winners[i])
			for _, g := range rows {
				sum, ok := sums[g.player]
				sums[g.player] = game{at: g.at, player: g.player, score: sum.score + g.score}
				if ok && sum.at.After(g.at) {
					sums[g.player] = game{at: sum.at, player: g.player, score: sum.score + g.score}
				}
			}
			best := map[string]float64{}
			for _, g := range games {
				if old, ok := best[g.player]; calendar.Weekly.Start(g.at, time.UTC).Equal(start) && (!ok || g.score > old) {
					best[g.player] = g.score
					applied++
				}
			}
		}
		assert.Equal(t, applied, f.best)
		assert.Equal(t, naiveEntries(last, 0, 5), f.top)
		assert.EqualValues(t, len(last), f.total)
		middle := len(last)/2 - 1
		assert.Equal(t, naiveEntries(last, middle-2, 5), f.middle)
		worse := 0
		for _, g := range last {
			if g.score < last[middle].score {
				worse++
			}
		}
		assert.InDelta(t, 100*float64(worse)/float64(len(last)-1), f.percentile, 1e-9)
		page := naiveEntries(last, 8, 8)
		for i := range page {
			page[i].Rank = int64(slices.IndexFunc(last, func(g game) bool { return g.score == page[i].Score }) + 1)
		}
		assert.Equal(t, page, f.page)
		assert.EqualValues(t, len(sums), f.merged)
		assert.Equal(t, naiveEntries(naiveOrder(sums), 0, 3), f.grandTop)
		assert.Equal(t, naiveEntries(ever, 0, 3), f.shardTop)
		assert.Equal(t, naiveEntries(ever, 24, 6), f.ofOne)
		assert.Equal(t, f.ofOne, f.ofShards)
		assert.EqualValues(t, middle+1, f.climb.PreviousRank)
		assert.EqualValues(t, 3, f.climb.Rank)
		assert.EqualValues(t, 1, f.all[0].Rank)
		assert.Equal(t, f.all[1], f.all[2])
	})
}
