package snapshot_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/warmup/snapshot"
)

// A cache is written to a file, and brought back.
func Example() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	rdb.HSet(ctx, "app:user:1", "name", "Ann")
	rdb.ZAdd(ctx, "app:scores", redis.Z{Score: 42, Member: "ann"})

	dir, _ := os.MkdirTemp("", "backup")
	defer func() { _ = os.RemoveAll(dir) }()
	path, summary, err := snapshot.DumpFile(ctx, rdb, dir, snapshot.Options{Match: "app:*"})
	fmt.Println(summary.Keys, "keys", err)

	rdb.FlushAll(ctx)
	f, _ := os.Open(path)
	defer func() { _ = f.Close() }()
	summary, err = snapshot.Restore(ctx, rdb, f, snapshot.RestoreOptions{})
	fmt.Println(summary.Keys, "keys", err)
	fmt.Println(rdb.HGet(ctx, "app:user:1", "name").Val())
	// Output:
	// 2 keys <nil>
	// 2 keys <nil>
	// Ann
}

func ExampleDump() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	rdb.Set(ctx, "a", "1", time.Hour)
	rdb.RPush(ctx, "b", "x", "y")

	var file bytes.Buffer
	summary, err := snapshot.Dump(ctx, rdb, &file, snapshot.Options{Types: []string{"list"}, Compress: true})
	fmt.Println(summary.Keys, summary.Skipped, err)
	// Output: 1 0 <nil>
}

func ExampleVerify() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	rdb.Set(ctx, "a", "1", 0)
	var file bytes.Buffer
	if _, err := snapshot.Dump(ctx, rdb, &file, snapshot.Options{}); err != nil {
		panic(err)
	}

	summary, err := snapshot.Verify(bytes.NewReader(file.Bytes()))
	fmt.Println(summary.Keys, err)
	_, err = snapshot.Verify(bytes.NewReader(file.Bytes()[:file.Len()-1]))
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// snapshot: verify: snapshot: file is damaged or cut off: a frame ends early
}

func ExampleRestore() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	rdb.Set(ctx, "a", "old", 0)
	var file bytes.Buffer
	if _, err := snapshot.Dump(ctx, rdb, &file, snapshot.Options{}); err != nil {
		panic(err)
	}
	rdb.Set(ctx, "a", "new", 0)

	summary, err := snapshot.Restore(ctx, rdb, bytes.NewReader(file.Bytes()), snapshot.RestoreOptions{})
	fmt.Println(summary.Keys, summary.Skipped, err, rdb.Get(ctx, "a").Val())
	summary, err = snapshot.Restore(ctx, rdb, bytes.NewReader(file.Bytes()), snapshot.RestoreOptions{Mode: snapshot.Replace})
	fmt.Println(summary.Keys, summary.Skipped, err, rdb.Get(ctx, "a").Val())
	// Output:
	// 0 1 <nil> new
	// 1 0 <nil> old
}

func ExampleCompare() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	rdb.MSet(ctx, "a", "1", "b", "2")
	var file bytes.Buffer
	if _, err := snapshot.Dump(ctx, rdb, &file, snapshot.Options{}); err != nil {
		panic(err)
	}
	rdb.Del(ctx, "a")
	rdb.MSet(ctx, "b", "3", "c", "4")

	diff, err := snapshot.Compare(ctx, rdb, &file)
	fmt.Println(diff.Missing, diff.Different, diff.Extra, err)
	// Output: [a] [b] [c] <nil>
}

func ExamplePrune() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()
	rdb.Set(ctx, "a", "1", 0)
	dir, _ := os.MkdirTemp("", "backup")
	defer func() { _ = os.RemoveAll(dir) }()
	for range 5 {
		if _, _, err := snapshot.DumpFile(ctx, rdb, dir, snapshot.Options{}); err != nil {
			panic(err)
		}
	}

	removed, err := snapshot.Prune(dir, snapshot.Retention{Last: 2})
	fmt.Println(len(removed), err)
	// Output: 3 <nil>
}

func ExampleSchedule() {
	ctx, cancel := context.WithCancel(context.Background())
	rdb, stop := lardertest.Start()
	defer stop()
	rdb.Set(ctx, "a", "1", 0)
	dir, _ := os.MkdirTemp("", "backup")
	defer func() { _ = os.RemoveAll(dir) }()
	schedule := snapshot.Schedule{
		Every:   6 * time.Hour,
		Dir:     dir,
		Keep:    snapshot.Retention{Last: 4, Daily: 7, Weekly: 4},
		OnError: func(err error) { fmt.Println(err) },
	}
	time.AfterFunc(time.Second, cancel) // a service would run it until it ends itself
	fmt.Println(schedule.Run(ctx, rdb))
	files, _ := os.ReadDir(dir)
	fmt.Println(len(files), "file")
	// Output:
	// <nil>
	// 1 file
}
