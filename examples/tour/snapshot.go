package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/warmup/snapshot"
)

// snapshot loses a cache, and brings it back from a file.
func (t *tour) snapshot(ctx context.Context) error {
	prefix := t.ns + ":snap:"
	const sessions = 150
	for i := range sessions {
		key := fmt.Sprintf("%ssession:%d", prefix, i)
		if err := t.rdb.HSet(ctx, key, "user", i, "page", fmt.Sprint("/page/", i%7)).Err(); err != nil {
			return err
		}
		if err := t.rdb.Expire(ctx, key, time.Hour).Err(); err != nil {
			return err
		}
	}
	for i := range 100 {
		if err := t.rdb.ZAdd(ctx, prefix+"scores", redis.Z{Member: fmt.Sprint("player ", i), Score: float64(i*i%97) / 4}).Err(); err != nil {
			return err
		}
	}
	var file bytes.Buffer
	dumped, err := snapshot.Dump(ctx, t.rdb, &file, snapshot.Options{Match: prefix + "*", Compress: true})
	if err != nil {
		return err
	}
	t.say("A snapshot of %d keys takes %d bytes, compressed from %d.", dumped.Keys, file.Len(), dumped.Bytes)

	damaged := bytes.Clone(file.Bytes())
	damaged[len(damaged)/3] ^= 1
	if _, err := snapshot.Restore(ctx, t.rdb, bytes.NewReader(damaged), snapshot.RestoreOptions{}); err == nil {
		return errors.New("a damaged snapshot was restored")
	}
	t.say("With one bit flipped it is refused, before anything is written.")
	t.printf("\n")

	for i := range sessions / 3 {
		if err := t.rdb.Del(ctx, fmt.Sprintf("%ssession:%d", prefix, 3*i)).Err(); err != nil {
			return err
		}
	}
	if err := t.rdb.ZIncrBy(ctx, prefix+"scores", 1000, "player 7").Err(); err != nil {
		return err
	}
	// An embedded Redis counts the time that a key still has, and is off by the time that this takes.
	slack := snapshot.CompareOptions{Slack: time.Minute}
	diff, err := snapshot.CompareWith(ctx, t.rdb, bytes.NewReader(file.Bytes()), slack)
	if err != nil {
		return err
	}
	t.say("A careless hand deletes a third of the sessions and changes a score. Compared with the snapshot, the server has %d keys missing, %d different and %d extra.",
		len(diff.Missing), len(diff.Different), len(diff.Extra))

	restored, err := snapshot.Restore(ctx, t.rdb, bytes.NewReader(file.Bytes()), snapshot.RestoreOptions{})
	if err != nil {
		return err
	}
	t.say("Restore brings back what is missing: %d keys, %d left alone.", restored.Keys, restored.Skipped)
	if _, err := snapshot.Restore(ctx, t.rdb, bytes.NewReader(file.Bytes()), snapshot.RestoreOptions{Mode: snapshot.Replace}); err != nil {
		return err
	}
	diff, err = snapshot.CompareWith(ctx, t.rdb, bytes.NewReader(file.Bytes()), slack)
	if err != nil {
		return err
	}
	if !diff.Empty() {
		return fmt.Errorf("after a restore with Replace: %d keys missing, %d different, %d extra", len(diff.Missing), len(diff.Different), len(diff.Extra))
	}
	t.say("With Replace it writes over the changed one as well, and nothing differs any more.")
	return nil
}
