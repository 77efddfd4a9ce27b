package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/warmup/snapshot"
)

// demonstrate goes through all commands on an embedded Redis and a temporary folder.
func demonstrate(ctx context.Context, out io.Writer) error {
	rdb, stop := lardertest.Start()
	defer stop()
	dir, err := os.MkdirTemp("", "backup")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for i := range 200 {
		user := fmt.Sprint("user:", i)
		if err := rdb.HSet(ctx, user, "name", fmt.Sprint("user number ", i), "visits", i).Err(); err != nil {
			return err
		}
		if err := rdb.Expire(ctx, user, time.Hour).Err(); err != nil {
			return err
		}
		if err := rdb.ZAdd(ctx, "scores", redis.Z{Member: user, Score: float64(i * 7 % 200)}).Err(); err != nil {
			return err
		}
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }

	say("1. Dump")
	if err := dump(ctx, out, rdb, dir, snapshot.Options{Compress: true}); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.lard"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("one file was expected, not %q: %w", files, err)
	}
	say("\n2. Verify, without a server")
	if err := verify(out, files[0]); err != nil {
		return err
	}
	say("\n3. The cache is lost, and restored")
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		return err
	}
	if err := restore(ctx, out, rdb, files[0], snapshot.RestoreOptions{}); err != nil {
		return err
	}
	say("\n4. Compare: somebody changed a key")
	if err := rdb.HIncrBy(ctx, "user:7", "visits", 1).Err(); err != nil {
		return err
	}
	// An embedded Redis tells how long a key still has, which is off by some milliseconds.
	if err := compare(ctx, out, rdb, files[0], time.Minute); !errors.Is(err, errDiffers) {
		return fmt.Errorf("the changed key was not noticed: %w", err)
	}
	say("\n5. A damaged file is refused before anything is written")
	data, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 1
	damaged := filepath.Join(dir, "damaged")
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		return err
	}
	if err := restore(ctx, out, rdb, damaged, snapshot.RestoreOptions{}); err != nil {
		say("%v", err)
	} else {
		return fmt.Errorf("%s was restored", damaged)
	}
	say("\n6. Four more dumps, of which the newest two stay")
	for range 4 {
		if err := dump(ctx, io.Discard, rdb, dir, snapshot.Options{Compress: true}); err != nil {
			return err
		}
	}
	removed, err := snapshot.Prune(dir, snapshot.Retention{Last: 2})
	say("%d files removed", len(removed))
	return err
}
