package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// fill writes n keys of every type that a server of any kind takes, with and without expiries, and returns their names.
func fill(t testing.TB, rdb redis.UniversalClient, prefix string, n int, seed uint64) []string {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	ctx := context.Background()
	pipe := rdb.Pipeline()
	names := make([]string, n)
	word := func() string {
		b := make([]byte, rng.IntN(12))
		for i := range b {
			b[i] = byte(rng.UintN(256))
		}
		return string(b)
	}
	for i := range names {
		name := fmt.Sprintf("%s%d:%s", prefix, i, word())
		names[i] = name
		switch i % 6 {
		case 0:
			pipe.Set(ctx, name, word(), 0)
		case 1:
			for range 1 + rng.IntN(20) {
				pipe.RPush(ctx, name, word())
			}
		case 2:
			for range 1 + rng.IntN(20) {
				pipe.SAdd(ctx, name, word())
			}
		case 3:
			for range 1 + rng.IntN(20) {
				pipe.ZAdd(ctx, name, redis.Z{Member: word(), Score: rng.NormFloat64() * 1e6})
			}
			pipe.ZAdd(ctx, name, redis.Z{Member: "third", Score: 1.0 / 3})
		case 4:
			for range 1 + rng.IntN(20) {
				pipe.HSet(ctx, name, "f"+word(), word())
			}
		case 5:
			pipe.Set(ctx, name, word(), time.Hour)
		}
		if rng.IntN(2) == 0 {
			pipe.PExpire(ctx, name, time.Hour+time.Duration(rng.IntN(1e6))*time.Millisecond)
		}
	}
	_, err := pipe.Exec(ctx)
	require.NoError(t, err)
	return names
}

// content reads keys in the plainest way there is: the oracle of what came back. On miniredis, whose expiries stand still
// while the clock goes on, only whether there is one is told.
func content(t testing.TB, rdb redis.UniversalClient, names []string) map[string]string {
	t.Helper()
	ctx := context.Background()
	all := map[string]string{}
	for _, name := range names {
		kind, err := rdb.Type(ctx, name).Result()
		require.NoError(t, err)
		var value any
		switch kind {
		case "none":
			continue
		case "string":
			value, err = rdb.Get(ctx, name).Result()
		case "list":
			value, err = rdb.LRange(ctx, name, 0, -1).Result()
		case "set":
			value, err = rdb.SMembersMap(ctx, name).Result()
		case "zset":
			value, err = rdb.ZRangeWithScores(ctx, name, 0, -1).Result()
		case "hash":
			value, err = rdb.HGetAll(ctx, name).Result()
		case "stream":
			value, err = rdb.XRange(ctx, name, "-", "+").Result()
		default:
			t.Fatalf("key %q has type %s", name, kind)
		}
		require.NoError(t, err)
		at, err := rdb.Do(ctx, "pexpiretime", name).Int64()
		require.NoError(t, err)
		if fake(rdb) {
			at = min(at, 1)
		}
		text := fmt.Sprint(value)
		if len(text) > 4096 {
			text = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
		}
		all[name] = fmt.Sprintf("%s %q expires %d", kind, text, at)
	}
	return all
}

func dumped(t testing.TB, rdb redis.UniversalClient, opts Options) ([]byte, Summary) {
	t.Helper()
	var file bytes.Buffer
	s, err := Dump(t.Context(), rdb, &file, opts)
	require.NoError(t, err)
	return file.Bytes(), s
}

func remove(t testing.TB, rdb redis.UniversalClient, names []string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, rdb.Unlink(context.Background(), name).Err())
	}
}

// fake says whether a client is one of miniredis, which has no CONFIG.
func fake(rdb redis.UniversalClient) bool {
	err := rdb.ConfigGet(context.Background(), "port").Err()
	return err != nil && unknown(err)
}
