package leaderboard_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/leaderboard"
)

func Example() {
	ctx := context.Background()
	rdb, stop := lardertest.Start() // in your service: the client that you have
	defer stop()

	board, err := leaderboard.New(rdb, "arena", leaderboard.Options{Policy: leaderboard.KeepBest})
	if err != nil {
		fmt.Println(err)
		return
	}
	for member, score := range map[string]float64{"ann": 4200, "bob": 3900, "carol": 5100} {
		if _, err := board.Submit(ctx, member, score); err != nil {
			fmt.Println(err)
			return
		}
	}
	result, err := board.Submit(ctx, "bob", 4500)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("bob climbs from %d to %d\n", result.PreviousRank, result.Rank)
	top, err := board.Top(ctx, 2)
	fmt.Println(top, err)
	// Output:
	// bob climbs from 3 to 2
	// [{carol 5100 1} {bob 4500 2}] <nil>
}

func ExampleNew() {
	rdb, stop := lardertest.Start()
	defer stop()
	_, err := leaderboard.New(rdb, "arena", leaderboard.Options{Keep: -time.Hour})
	fmt.Println(err, errors.Is(err, leaderboard.ErrArgument))
	// Output:
	// leaderboard: new board "arena": option Keep -1h0m0s is negative and not -1: leaderboard: invalid argument true
}

func ExampleBoard_At() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	board, err := leaderboard.New(rdb, "arena", leaderboard.Options{Period: calendar.Weekly, Keep: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	monday := time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	_, err = board.SubmitAt(ctx, "ann", 10, monday.AddDate(0, 0, -1))
	fmt.Println(err)
	_, err = board.SubmitAt(ctx, "bob", 7, monday)
	fmt.Println(err)

	this, err := board.At(monday).Top(ctx, 3)
	fmt.Println("this week:", this, err)
	last, err := board.At(monday.AddDate(0, 0, -7)).Top(ctx, 3)
	fmt.Println("last week:", last, err)
	// Output:
	// <nil>
	// <nil>
	// this week: [{bob 7 1}] <nil>
	// last week: [{ann 10 1}] <nil>
}

func ExampleBoard_Around() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	board, err := leaderboard.New(rdb, "laps", leaderboard.Options{Order: leaderboard.LowestFirst, Ranking: leaderboard.Competition})
	if err != nil {
		fmt.Println(err)
		return
	}
	times := map[string]float64{"ann": 61.2, "bob": 59.8, "carol": 61.2, "dan": 60.5, "eve": 64}
	if _, err := board.SubmitMany(ctx, maps.All(times)); err != nil {
		fmt.Println(err)
		return
	}
	around, err := board.Around(ctx, "carol", 3)
	fmt.Println(around, err)
	percentile, err := board.Percentile(ctx, "bob")
	fmt.Println(percentile, err)
	// Output:
	// [{ann 61.2 3} {carol 61.2 3} {eve 64 5}] <nil>
	// 100 <nil>
}

func ExampleBoard_SubmitEntries() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	board, err := leaderboard.New(rdb, "quiz", leaderboard.Options{Ties: leaderboard.EarliestFirst})
	if err != nil {
		fmt.Println(err)
		return
	}
	noon := time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	n, err := board.SubmitEntries(ctx, slices.Values([]leaderboard.Submission{
		{Member: "late", Score: 8, At: noon.Add(time.Minute)},
		{Member: "early", Score: 8, At: noon},
	}))
	fmt.Println(n, err)
	for entry, err := range board.All(ctx) {
		fmt.Println(entry.Rank, entry.Member, err)
	}
	// Output:
	// 2 <nil>
	// 1 early <nil>
	// 2 late <nil>
}

func ExampleBoard_SetData() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	board, err := leaderboard.New(rdb, "arena", leaderboard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(errors.Is(board.SetData(ctx, "user:17", []byte("Ann")), leaderboard.ErrNotFound))
	if _, err := board.Submit(ctx, "user:17", 3); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(board.SetData(ctx, "user:17", []byte("Ann")))
	data, err := board.Data(ctx, "user:17", "user:18")
	fmt.Printf("%q %v\n", data, err)
	// Output:
	// true
	// <nil>
	// map["user:17":"Ann"] <nil>
}

func ExampleBoard_Increment() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	board, err := leaderboard.New(rdb, "sales", leaderboard.Options{Period: calendar.Monthly})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, sale := range []struct {
		member string
		amount float64
	}{{"ann", 120}, {"bob", 80}, {"bob", 60.5}} {
		result, err := board.Increment(ctx, sale.member, sale.amount)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(result.Member, result.Score, "was", result.PreviousRank, "is", result.Rank)
	}
	// Output:
	// ann 120 was 0 is 1
	// bob 80 was 0 is 2
	// bob 140.5 was 2 is 1
}

func ExampleRanking() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	for name, ranking := range map[string]leaderboard.Ranking{
		"ordinal": leaderboard.Ordinal, "competition": leaderboard.Competition, "modified": leaderboard.Modified, "dense": leaderboard.Dense,
	} {
		board, err := leaderboard.New(rdb, name, leaderboard.Options{Ranking: ranking})
		if err != nil {
			fmt.Println(err)
			return
		}
		points := map[string]float64{"ann": 9, "bob": 7, "carol": 7, "dan": 4}
		if _, err := board.SubmitMany(ctx, maps.All(points)); err != nil {
			fmt.Println(err)
			return
		}
		rows, err := board.Page(ctx, 1, 10)
		fmt.Println(name, rows, err)
	}
	// Unordered output:
	// ordinal [{ann 9 1} {carol 7 2} {bob 7 3} {dan 4 4}] <nil>
	// competition [{ann 9 1} {carol 7 2} {bob 7 2} {dan 4 4}] <nil>
	// modified [{ann 9 1} {carol 7 3} {bob 7 3} {dan 4 4}] <nil>
	// dense [{ann 9 1} {carol 7 2} {bob 7 2} {dan 4 3}] <nil>
}

func ExampleSubmitAll() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	var boards []*leaderboard.Board
	for _, period := range []calendar.Period{calendar.Daily, calendar.Weekly, calendar.AllTime} {
		board, err := leaderboard.New(rdb, "arena", leaderboard.Options{Period: period, Policy: leaderboard.KeepBest})
		if err != nil {
			fmt.Println(err)
			return
		}
		boards = append(boards, board)
	}
	results, err := leaderboard.SubmitAll(ctx, "ann", 4200, boards...)
	if partly := new(leaderboard.SubmitAllError); errors.As(err, &partly) {
		fmt.Println(partly.Errs) // of each board, nil where it took the score
	} else if err != nil {
		fmt.Println(err) // nothing was sent
	}
	for _, result := range results {
		fmt.Println(result.Applied, result.Rank)
	}
	// Output:
	// true 1
	// true 1
	// true 1
}

func ExampleMerge() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	week, err := leaderboard.New(rdb, "arena", leaderboard.Options{Period: calendar.Weekly, Keep: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	season, err := leaderboard.New(rdb, "season", leaderboard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	monday := time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC)
	var weeks []*leaderboard.Board
	for i, score := range []float64{10, 7, 12} {
		at := monday.AddDate(0, 0, -7*i)
		if _, err := week.SubmitAt(ctx, "ann", score, at); err != nil {
			fmt.Println(err)
			return
		}
		weeks = append(weeks, week.At(at))
	}
	n, err := leaderboard.Merge(ctx, season, leaderboard.Sum, weeks...)
	fmt.Println(n, err)
	top, err := season.Top(ctx, 3)
	fmt.Println(top, err)
	// Output:
	// 1 <nil>
	// [{ann 29 1}] <nil>
}
