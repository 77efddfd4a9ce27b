package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

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
			keys := rdb.Scan(ctx, 0, "", 1000).Iterator()
			for keys.Next(ctx) {
				value, err := rdb.Dump(ctx, keys.Val()).Result()
				require.NoError(b, err)
				require.NoError(b, rdb.PTTL(ctx, keys.Val()).Err())
				_, _ = io.WriteString(io.Discard, value)
			}
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
			for range benchKeys / 10 {
				pipe := rdb.Pipeline()
				for range 10 {
					pipe.RestoreReplace(ctx, "key:1", 0, payload)
				}
				_, err := pipe.Exec(ctx)
				require.NoError(b, err)
			}
		}
	})
	b.Run("one-by-one", func(b *testing.B) {
		for b.Loop() {
			for range benchKeys {
				require.NoError(b, rdb.RestoreReplace(ctx, "key:1", 0, payload).Err())
			}
		}
	})
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
