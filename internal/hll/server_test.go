package hll_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/hll"
	"github.com/larder-go/larder/internal/redistest"
)

// pair is a key of a server and the sketch that has to be the same.
type pair struct {
	key string
	*hll.Sketch
}

func key(t *testing.T, i int) string {
	t.Helper()
	return fmt.Sprintf("hll:{%s}:%d", t.Name(), i)
}

// check compares the bytes of all pairs with what the server holds, and counts with what PFCOUNT answers: of each
// alone, and of all together.
func check(t *testing.T, rdb *redis.Client, pairs []pair) {
	t.Helper()
	ctx := t.Context()
	var keys []string
	gets := make([]*redis.StringCmd, len(pairs))
	counts := make([]*redis.IntCmd, len(pairs))
	var together *redis.IntCmd
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, pr := range pairs {
			keys = append(keys, pr.key)
			gets[i] = p.Get(ctx, pr.key)
		}
		together = p.PFCount(ctx, keys...)
		for i, pr := range pairs {
			counts[i] = p.PFCount(ctx, pr.key)
		}
		return nil
	})
	require.NoError(t, err)
	var u hll.Union
	for i, pr := range pairs {
		require.Equal(t, []byte(gets[i].Val()), pr.Encode(), "the bytes of %s", pr.key)
		require.Equal(t, counts[i].Val(), pr.Refresh(), "the count of %s", pr.key)
		require.NoError(t, u.Add([]byte(gets[i].Val())))
	}
	// PFCOUNT of one key believes its cached count, which is the same number.
	require.Equal(t, together.Val(), u.Count(), "the count of %d keys", len(pairs))
}

// TestEqualsPFCOUNT drives a real server and sketches in step: growing in small and large steps, merged with each
// other, sparse and dense, and compares every byte, every reply of PFADD and every count.
func TestEqualsPFCOUNT(t *testing.T) {
	rdb := redistest.Standalone(t)
	states := 0
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 14))
		var pairs []pair
		for i := range 4 {
			pairs = append(pairs, pair{key(t, int(seed)*10+i), new(hll.Sketch)})
			require.NoError(t, rdb.Del(t.Context(), pairs[i].key).Err())
			require.NoError(t, rdb.Do(t.Context(), "PFADD", pairs[i].key).Err())
		}
		// Seeds with a small step stay sparse, those with a large one become dense; sixteen is where the most turn.
		step := []int{2, 16, 60, 300, 3000}[seed%5]
		for range 22 {
			to := pairs[rng.IntN(len(pairs))]
			if rng.IntN(5) == 0 {
				from := pairs[rng.IntN(len(pairs))]
				require.NoError(t, rdb.PFMerge(t.Context(), to.key, from.key).Err())
				to.Merge(from.Sketch)
			} else {
				var elements []any
				var want int64
				for range 1 + rng.IntN(step) {
					e := strconv.Itoa(rng.IntN(100 * step))
					if rng.IntN(3) == 0 {
						e = string(rune(rng.IntN(0x2000))) + e + e + "\x00\xff"
					}
					elements = append(elements, e)
					if to.Add(e) {
						want = 1
					}
				}
				got, err := rdb.PFAdd(t.Context(), to.key, elements...).Result()
				require.NoError(t, err)
				require.Equal(t, want, got, "the reply of PFADD, seed %d", seed)
			}
			check(t, rdb, pairs)
			states += len(pairs) + 1
		}
	}
	assert.Greater(t, states, 2500)
}

// TestServerReadsEncode stores sketches that were made here in a server, up to counts that no test could add one by
// one, and lets the server count and merge them.
func TestServerReadsEncode(t *testing.T) {
	rdb := redistest.Standalone(t)
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 15))
		var pairs []pair
		for i := range 8 {
			s := new(hll.Sketch)
			// Registers as many elements would leave them: the largest of about 2^lift each.
			lift := rng.IntN(40)
			hll.RaiseAtRandom(s, rng, lift)
			pairs = append(pairs, pair{key(t, i), s})
			require.NoError(t, rdb.Set(t.Context(), pairs[i].key, s.Encode(), 0).Err())
		}
		check(t, rdb, pairs)
		keys := []string{pairs[0].key}
		for _, p := range pairs[1 : 2+rng.IntN(6)] {
			pairs[0].Merge(p.Sketch)
			keys = append(keys, p.key)
		}
		require.NoError(t, rdb.PFMerge(t.Context(), keys[0], keys[1:]...).Err())
		check(t, rdb, pairs)
	}
}

// TestServerRefusesToo holds that what is refused here as no sketch, or as a corrupt one, is refused by a server in the
// same words, apart from registers beyond the largest, which a server does not look for.
func TestServerRefusesToo(t *testing.T) {
	rdb := redistest.Standalone(t)
	ctx := context.WithoutCancel(t.Context())
	sound := new(hll.Sketch)
	for i := range 200 {
		sound.Add(strconv.Itoa(i))
	}
	b := sound.Encode()
	for name, c := range map[string]struct {
		b    string
		want error
		says string
	}{
		"text":           {"some text that is no sketch", hll.ErrNotSketch, "WRONGTYPE"},
		"short":          {string(b[:10]), hll.ErrNotSketch, "WRONGTYPE"},
		"other encoding": {string(b[:4]) + "\x02" + string(b[5:]), hll.ErrNotSketch, "WRONGTYPE"},
		"dense, cut":     {string(b[:4]) + "\x00" + string(b[5:]), hll.ErrNotSketch, "WRONGTYPE"},
		"sparse, cut":    {string(b[:len(b)-40]), hll.ErrCorrupt, "INVALIDOBJ"},
		"sparse, more":   {string(b) + "\x00", hll.ErrCorrupt, "INVALIDOBJ"},
	} {
		k := key(t, 1)
		require.NoError(t, rdb.Set(ctx, k, c.b, 0).Err())
		require.ErrorContains(t, rdb.PFCount(ctx, k, key(t, 2)).Err(), c.says, name)
		_, err := hll.Decode([]byte(c.b))
		require.ErrorIs(t, err, c.want, name)
	}
}
