package main

import (
	"context"
	_ "embed" // for the season
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/examples/internal/demo"
	"github.com/larder-go/larder/leaderboard"
)

//go:embed season.csv
var seasonCSV string

// game is one result of the season.
type game struct {
	at     time.Time
	player string
	score  float64
}

// season reads the games that the repository has.
func season() ([]game, error) {
	var games []game
	for line := range strings.Lines(seasonCSV) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, ",")
		if len(fields) != 3 {
			return nil, fmt.Errorf("season.csv: %q", line)
		}
		at, err := time.Parse(time.RFC3339, fields[0])
		if err != nil {
			return nil, fmt.Errorf("season.csv: %w", err)
		}
		score, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return nil, fmt.Errorf("season.csv: %w", err)
		}
		games = append(games, game{at: at, player: fields[1], score: score})
	}
	return games, nil
}

// leaderboardFacts is what the chapter tells.
type leaderboardFacts struct {
	games, best     int64 // games, and how many of them were a player's best of the week
	weeks           []time.Time
	winners         []leaderboard.Entry // of each week
	top, middle     []leaderboard.Entry // of the last week, and around the player at its middle
	page            []leaderboard.Entry // of the last week, where equal scores share their rank
	total, merged   int64
	grandTop        []leaderboard.Entry // of the sums of the weekly bests
	percentile      float64             // of the player at the middle
	climb           leaderboard.Result
	all             []leaderboard.Result // of one game that reaches three boards
	shardTop        []leaderboard.Entry
	ofOne, ofShards []leaderboard.Entry // a page of the season's best on one shard and on four
}

// playSeason plays the season on boards in a namespace.
func playSeason(ctx context.Context, t *tour) (leaderboardFacts, error) {
	var f leaderboardFacts
	games, err := season()
	if err != nil {
		return f, err
	}
	f.games = int64(len(games))
	weekly := leaderboard.Options{Namespace: t.ns, Period: calendar.Weekly, Keep: -1, Policy: leaderboard.KeepBest, Ties: leaderboard.EarliestFirst}
	best := weekly
	best.Period = calendar.AllTime
	sharded := best
	sharded.Shards = 4
	shared := weekly
	shared.Ranking = leaderboard.Competition
	week, err := leaderboard.New(t.rdb, "arcade", weekly)
	if err != nil {
		return f, err
	}
	sharedWeek, err := leaderboard.New(t.rdb, "arcade", shared)
	if err != nil {
		return f, err
	}
	ever, err := leaderboard.New(t.rdb, "arcade-best", best)
	if err != nil {
		return f, err
	}
	large, err := leaderboard.New(t.rdb, "arcade-large", sharded)
	if err != nil {
		return f, err
	}
	grand, err := leaderboard.New(t.rdb, "arcade-season", leaderboard.Options{Namespace: t.ns, Ties: leaderboard.EarliestFirst})
	if err != nil {
		return f, err
	}

	entries := make([]leaderboard.Submission, len(games))
	for i, g := range games {
		entries[i] = leaderboard.Submission{Member: g.player, Score: g.score, At: g.at}
		if start := calendar.Weekly.Start(g.at, time.UTC); !slices.ContainsFunc(f.weeks, start.Equal) {
			f.weeks = append(f.weeks, start)
		}
	}
	if f.best, err = week.SubmitEntries(ctx, slices.Values(entries)); err != nil {
		return f, err
	}
	for _, b := range []*leaderboard.Board{ever, large} {
		if _, err = b.SubmitEntries(ctx, slices.Values(entries)); err != nil {
			return f, err
		}
	}
	for _, start := range f.weeks {
		first, err := week.At(start).Top(ctx, 1)
		if err != nil {
			return f, err
		}
		f.winners = append(f.winners, first...)
	}

	end := games[len(games)-1].at
	last := week.At(end)
	if f.top, err = last.Top(ctx, 5); err != nil {
		return f, err
	}
	if f.total, err = last.Len(ctx); err != nil {
		return f, err
	}
	middle, err := last.Range(ctx, f.total/2, f.total/2)
	if err != nil || len(middle) == 0 {
		return f, err
	}
	if f.middle, err = last.Around(ctx, middle[0].Member, 5); err != nil {
		return f, err
	}
	if f.percentile, err = last.Percentile(ctx, middle[0].Member); err != nil {
		return f, err
	}
	if f.page, err = sharedWeek.At(end).Page(ctx, 2, 8); err != nil {
		return f, err
	}

	// The season is the sum of everybody's best of each week.
	weeks := make([]*leaderboard.Board, len(f.weeks))
	for i, start := range f.weeks {
		weeks[i] = week.At(start)
	}
	if f.merged, err = leaderboard.Merge(ctx, grand, leaderboard.Sum, weeks...); err != nil {
		return f, err
	}
	if f.grandTop, err = grand.Top(ctx, 3); err != nil {
		return f, err
	}

	// The same games on four shards, which may lie on four nodes of a cluster.
	if f.shardTop, err = large.Top(ctx, 3); err != nil {
		return f, err
	}
	if f.ofOne, err = ever.Page(ctx, 5, 6); err != nil {
		return f, err
	}
	if f.ofShards, err = large.Page(ctx, 5, 6); err != nil {
		return f, err
	}

	// One more game, a minute before midnight, and what it changes.
	if f.climb, err = last.Submit(ctx, middle[0].Member, f.top[1].Score); err != nil {
		return f, err
	}
	f.all, err = leaderboard.SubmitAllAt(ctx, "newcomer", f.top[0].Score+50, end.Add(time.Minute), week, ever, large)
	return f, err
}

// leaderboard tells of a season of a game.
func (t *tour) leaderboard(ctx context.Context) error {
	f, err := playSeason(ctx, t)
	if err != nil {
		return err
	}
	t.say("A season of %d weeks: %d games, read from season.csv. %d of them improved on the player's best of the week.", len(f.weeks), f.games, f.best)
	t.printf("\nThe winners. Each week has a board of its own, and past boards stay:\n")
	for i, start := range f.weeks {
		t.printf("  %s  %-10s %6.0f\n", calendar.Weekly.Label(start, time.UTC), f.winners[i].Member, f.winners[i].Score)
	}
	t.rows("The last week. Of equal scores, the one reached first is ahead:", f.top)
	t.rows(fmt.Sprintf("Around a player in the middle of %d, who is ahead of %.1f %% of the others:", f.total, f.percentile), f.middle)
	t.rows("Page 2 of the same week, where equal scores share a rank:", f.page)
	t.printf("\n")
	t.say("One more game takes that player from rank %d to rank %d, and from %.0f to %.0f points; one round trip stores the score and tells all four.",
		f.climb.PreviousRank, f.climb.Rank, f.climb.PreviousScore, f.climb.Score)
	t.say("A newcomer's first game goes to three boards in one call: rank %d of the week, rank %d of the season's best scores, and rank %d of the same board in four shards.",
		f.all[0].Rank, f.all[1].Rank, f.all[2].Rank)
	t.rows(fmt.Sprintf("The season before that: each player's weekly bests added up, %d boards merged, %d players:", len(f.weeks), f.merged), f.grandTop)
	t.rows("The season's best scores, on a board of four shards:", f.shardTop)
	if slices.Equal(f.ofOne, f.ofShards) {
		t.printf("Page 5 of it is the same as page 5 of a board in one piece.\n")
	} else {
		t.printf("%s\n", t.paint.In(demo.Bad, "Page 5 of it differs from page 5 of a board in one piece."))
	}
	return nil
}

func (t *tour) rows(title string, entries []leaderboard.Entry) {
	t.printf("\n")
	t.say("%s", title)
	for _, e := range entries {
		t.printf("  %3d. %-10s %6.0f\n", e.Rank, e.Member, e.Score)
	}
}
