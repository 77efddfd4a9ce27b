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
