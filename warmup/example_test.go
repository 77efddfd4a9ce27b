package warmup_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/warmup"
)

// Warming from a database: the ids of what is asked for most, and a function that loads one.
func ExampleFromFunc() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	names := map[string]string{"product:1": "jam", "product:2": "pickles"}
	load := func(_ context.Context, id string) (any, error) {
		if name, ok := names[id]; ok {
			return name, nil
		}
		return nil, warmup.ErrNotFound
	}

	w, err := warmup.New(rdb, warmup.Options{Codec: codec.String, TTL: 6 * time.Hour, Rate: 5000})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := slices.Values([]string{"product:1", "product:2", "product:3"})
	report, err := w.Run(ctx, warmup.FromFunc(ids, load))
	fmt.Println(report.Stored, "stored,", report.Skipped, "skipped,", report.Failed, "failed", err)
	fmt.Println(rdb.Get(ctx, "product:2").Val())
	// Output:
	// 2 stored, 1 skipped, 0 failed <nil>
	// pickles
}

func ExampleWarmer_Run() {
	rdb, stop := lardertest.Start()
	defer stop()
	w, err := warmup.New(rdb, warmup.Options{Mode: warmup.FillMissing})
	if err != nil {
		fmt.Println(err)
		return
	}
	prices := map[string]any{"price:jam": 450, "price:pickles": 380}
	for range 2 { // the second time all is there
		report, err := w.Run(context.Background(), warmup.FromMap(prices))
		fmt.Println(report.Stored, "stored,", report.Skipped, "skipped", err)
	}
	// Output:
	// 2 stored, 0 skipped <nil>
	// 0 stored, 2 skipped <nil>
}

// The most important items come first, and have times to live of their own.
func ExampleFromSlice() {
	rdb, stop := lardertest.Start()
	defer stop()
	w, err := warmup.New(rdb, warmup.Options{Jitter: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = w.Run(context.Background(), warmup.FromSlice([]warmup.Item{
		{Key: "page:imprint", Value: "<html>", TTL: 24 * time.Hour},
		{Key: "page:home", Value: "<html>", Priority: 1},
		{Key: "page:logo", Value: "<svg>", TTL: -1},
	}))
	ctx := context.Background()
	fmt.Println(rdb.TTL(ctx, "page:imprint").Val().Round(time.Hour), rdb.TTL(ctx, "page:home").Val().Round(time.Hour), rdb.TTL(ctx, "page:logo").Val(), err)
	// Output: 24h0m0s 1h0m0s -1ns <nil>
}

func ExampleFromMap() {
	rdb, stop := lardertest.Start()
	defer stop()
	w, err := warmup.New(rdb, warmup.Options{DryRun: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := w.Run(context.Background(), warmup.FromMap(map[string]any{
		"a": 1,
		"b": warmup.Item{Value: 2, TTL: time.Minute},
		"c": nil,
	}))
	fmt.Println(report.Stored, "would be stored,", report.Failed, "failed:", report.Errors, err)
	fmt.Println(rdb.DBSize(context.Background()).Val(), "keys")
	// Output:
	// 2 would be stored, 1 failed: [warmup: "c": the value is nil, and there is no Load] <nil>
	// 0 keys
}

// A run that fails midway goes on from its checkpoint.
func ExampleFromSeq() {
	rdb, stop := lardertest.Start()
	defer stop()
	dir, err := os.MkdirTemp("", "warmup")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w, err := warmup.New(rdb, warmup.Options{Checkpoint: filepath.Join(dir, "checkpoint")})
	if err != nil {
		fmt.Println(err)
		return
	}
	rows := func(broken bool) warmup.Source {
		return warmup.FromSeq("users by id", 3, func(yield func(warmup.Item, error) bool) {
			for id := range 3 {
				if broken && id == 2 {
					yield(warmup.Item{}, errors.New("the connection is lost"))
					return
				}
				if !yield(warmup.Item{Key: fmt.Sprintf("user:%d", id), Value: id}, nil) {
					return
				}
			}
		})
	}
	report, err := w.Run(context.Background(), rows(true))
	fmt.Println(report.Stored, "stored:", err)
	report, err = w.Run(context.Background(), rows(false))
	fmt.Println(report.Stored, "stored,", report.Resumed, "of them before:", err)
	// Output:
	// 2 stored: warmup: the source failed: the connection is lost
	// 3 stored, 2 of them before: <nil>
}

// Moving the strings of one Redis to another, with what is left of their times.
func ExampleFromRedis() {
	old, stopOld := lardertest.Start()
	defer stopOld()
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	old.Set(ctx, "session:1", "ann", 30*time.Minute)
	old.Set(ctx, "session:2", "bob", 0)
	old.SAdd(ctx, "session:all", 1, 2)

	w, err := warmup.New(rdb, warmup.Options{Rate: 10_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := w.Run(ctx, warmup.FromRedis(old, "session:*"))
	fmt.Println(report.Stored, "stored,", report.Skipped, "skipped", err)
	fmt.Println(rdb.TTL(ctx, "session:1").Val().Round(time.Minute), rdb.TTL(ctx, "session:2").Val())
	// Output:
	// 2 stored, 1 skipped <nil>
	// 30m0s -1ns
}

// Errors are told by item; the others are stored.
func ExampleItemError() {
	rdb, stop := lardertest.Start()
	defer stop()
	w, err := warmup.New(rdb, warmup.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := w.Run(context.Background(), warmup.FromSlice([]warmup.Item{
		{Key: "good", Value: 1},
		{Key: "bad", Value: func() {}},
		{Key: "slow", Load: func(context.Context) (any, error) { return nil, errors.New("no answer") }},
	}))
	fmt.Println(report.Stored, report.Failed, err)
	keys := map[string]bool{}
	for _, err := range report.Errors {
		if it, ok := errors.AsType[*warmup.ItemError](err); ok {
			keys[it.Key] = true
		}
	}
	fmt.Println(slices.Sorted(maps.Keys(keys)))
	// Output:
	// 1 2 <nil>
	// [bad slow]
}
