package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

const benchKeys = 100_000

func populated(b *testing.B) *redis.Client {
	b.Helper()
	rdb := redistest.NewServer(b, redistest.ServerOptions{}).Client()
	require.NoError(b, rdb.Do(b.Context(), "debug", "populate", benchKeys, "key", 100).Err())
	return rdb
}

// dumpChunks is the usual dump by SCAN: for each chunk of keys a pipeline of DUMP and PTTL.
func dumpChunks(ctx context.Context, rdb *redis.Client, w io.Writer, size int64) (n int, err error) {
	var cursor uint64
	for {
		var keys []string
		if keys, cursor, err = rdb.Scan(ctx, cursor, "", size).Result(); err != nil {
			return n, err
		}
		pipe := rdb.Pipeline()
		var dumps []*redis.StringCmd
		for _, k := range keys {
			dumps = append(dumps, pipe.Dump(ctx, k))
			pipe.PTTL(ctx, k)
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return n, err
		}
		for _, d := range dumps {
			if _, err := io.WriteString(w, d.Val()); err != nil {
				return n, err
			}
			n++
		}
		if cursor == 0 {
			return n, nil
		}
	}
}

// dumpOneByOne asks for each key by itself.
func dumpOneByOne(ctx context.Context, rdb *redis.Client, w io.Writer) error {
	keys := rdb.Scan(ctx, 0, "", 1000).Iterator()
	for keys.Next(ctx) {
		value, err := rdb.Dump(ctx, keys.Val()).Result()
		if err != nil {
			return err
		}
		if err := rdb.PTTL(ctx, keys.Val()).Err(); err != nil {
			return err
		}
		if _, err := io.WriteString(w, value); err != nil {
			return err
		}
	}
	return keys.Err()
}

// restoreChunks restores all keys, some in each pipeline, or one by one.
func restoreChunks(ctx context.Context, rdb *redis.Client, payload string, size int) error {
	for i := 0; i < benchKeys; i += size {
		pipe := rdb.Pipeline()
		for n := range size {
			pipe.RestoreReplace(ctx, "key:"+strconv.Itoa(i+n), 0, payload)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkDump: 100,000 small keys, beside the usual ways.
func BenchmarkDump(b *testing.B) {
	rdb := populated(b)
	ctx := b.Context()
	b.Run("larder", func(b *testing.B) {
		for b.Loop() {
			s, err := Dump(ctx, rdb, io.Discard, Options{})
			require.NoError(b, err)
			require.Equal(b, int64(benchKeys), s.Keys)
		}
	})
	b.Run("chunks=10", func(b *testing.B) {
		for b.Loop() {
			_, err := dumpChunks(ctx, rdb, io.Discard, 10)
			require.NoError(b, err)
		}
	})
	b.Run("one-by-one", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, dumpOneByOne(ctx, rdb, io.Discard))
		}
	})
}

// BenchmarkRestore: 100,000 small keys, beside RESTORE in chunks and one by one.
func BenchmarkRestore(b *testing.B) {
	rdb := populated(b)
	ctx := b.Context()
	var file bytes.Buffer
	_, err := Dump(ctx, rdb, &file, Options{})
	require.NoError(b, err)
	payload, err := rdb.Dump(ctx, "key:1").Result()
	require.NoError(b, err)
	b.Run("larder", func(b *testing.B) {
		for b.Loop() {
			s, err := Restore(ctx, rdb, bytes.NewReader(file.Bytes()), RestoreOptions{Mode: Replace})
			require.NoError(b, err)
			require.Equal(b, int64(benchKeys), s.Keys)
		}
	})
	b.Run("chunks=10", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, restoreChunks(ctx, rdb, payload, 10))
		}
	})
	b.Run("one-by-one", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, restoreChunks(ctx, rdb, payload, 1))
		}
	})
}

// BenchmarkSideBySide takes turns, so that what else the machine does is shared, and reports how many times as long the
// usual ways take as Dump and Restore do: the best turn of each.
func BenchmarkSideBySide(b *testing.B) {
	rdb := populated(b)
	ctx := b.Context()
	var file bytes.Buffer
	require.NoError(b, run1(Dump(ctx, rdb, &file, Options{})))
	payload, err := rdb.Dump(ctx, "key:1").Result()
	require.NoError(b, err)
	ways := []struct {
		name string
		run  func() error
	}{
		{"dump", func() error { return run1(Dump(ctx, rdb, io.Discard, Options{})) }},
		{"dump-10", func() error { _, err := dumpChunks(ctx, rdb, io.Discard, 10); return err }},
		{"dump-1", func() error { return dumpOneByOne(ctx, rdb, io.Discard) }},
		{"restore", func() error {
			return run1(Restore(ctx, rdb, bytes.NewReader(file.Bytes()), RestoreOptions{Mode: Replace}))
		}},
		{"restore-10", func() error { return restoreChunks(ctx, rdb, payload, 10) }},
		{"restore-1", func() error { return restoreChunks(ctx, rdb, payload, 1) }},
	}
	best := map[string]time.Duration{}
	for b.Loop() {
		for _, way := range ways {
			start := time.Now()
			require.NoError(b, way.run())
			if took := time.Since(start); best[way.name] == 0 || took < best[way.name] {
				best[way.name] = took
			}
		}
	}
	for _, what := range []string{"dump", "restore"} {
		b.ReportMetric(best[what].Seconds()*1000, what+"-ms")
		for _, size := range []string{"10", "1"} {
			b.ReportMetric(float64(best[what+"-"+size])/float64(best[what]), what+"-vs-"+size)
		}
	}
}

// BenchmarkVerify: from memory.
func BenchmarkVerify(b *testing.B) {
	rdb := populated(b)
	var file bytes.Buffer
	_, err := Dump(b.Context(), rdb, &file, Options{})
	require.NoError(b, err)
	b.SetBytes(int64(file.Len()))
	for b.Loop() {
		_, err := Verify(bytes.NewReader(file.Bytes()))
		require.NoError(b, err)
	}
}
