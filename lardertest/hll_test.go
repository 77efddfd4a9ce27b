package lardertest_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/hll"
	"github.com/larder-go/larder/lardertest"
)

// TestHyperLogLog: the numbers and types of a real server, on Redis's clock.
func TestHyperLogLog(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		assert.Equal(t, int64(1), rdb.PFAdd(ctx, "mon", "a", "b", "c").Val())
		assert.Equal(t, int64(0), rdb.PFAdd(ctx, "mon", "a").Val())
		assert.Equal(t, int64(1), rdb.PFAdd(ctx, "tue", "c", "d").Val())
		assert.Equal(t, int64(4), rdb.PFCount(ctx, "mon", "tue").Val(), "miniredis would say 5")
		assert.Equal(t, int64(0), rdb.PFCount(ctx, "none").Val())
		assert.Equal(t, "OK", rdb.PFMerge(ctx, "both", "mon", "tue", "none").Val())
		assert.Equal(t, int64(4), rdb.PFCount(ctx, "both").Val())
		assert.Equal(t, int64(1), rdb.PFAdd(ctx, "empty").Val(), "without an element it makes a key")
		assert.Equal(t, "string", rdb.Type(ctx, "mon").Val())
		raw, err := rdb.Get(ctx, "mon").Bytes()
		require.NoError(t, err)
		assert.Equal(t, int64(len(raw)), rdb.StrLen(ctx, "mon").Val())
		s, err := hll.Decode(raw)
		require.NoError(t, err)
		assert.Equal(t, int64(3), s.Count())
		require.NoError(t, rdb.Set(ctx, "copy", raw, 0).Err())
		assert.Equal(t, int64(3), rdb.PFCount(ctx, "copy").Val())

		require.ErrorContains(t, rdb.Do(ctx, "PFADD").Err(), "wrong number of arguments for 'pfadd' command")
		require.NoError(t, rdb.Set(ctx, "text", "text", 0).Err())
		require.NoError(t, rdb.RPush(ctx, "list", "x").Err())
		for _, err := range []error{
			rdb.PFAdd(ctx, "text", "a").Err(), rdb.PFCount(ctx, "text").Err(), rdb.PFCount(ctx, "mon", "text").Err(),
			rdb.PFMerge(ctx, "text", "mon").Err(), rdb.PFMerge(ctx, "mon", "text").Err(),
		} {
			require.EqualError(t, err, "WRONGTYPE Key is not a valid HyperLogLog string value.")
		}
		require.EqualError(t, rdb.PFAdd(ctx, "list", "a").Err(), "WRONGTYPE Operation against a key holding the wrong kind of value")
		assert.Equal(t, "text", rdb.Get(ctx, "text").Val())

		// Expiries are kept by what adds and merges.
		require.NoError(t, rdb.Expire(ctx, "mon", time.Hour).Err())
		time.Sleep(time.Minute)
		require.NoError(t, rdb.PFAdd(ctx, "mon", "z").Err())
		require.NoError(t, rdb.PFMerge(ctx, "mon", "tue").Err())
		require.NoError(t, rdb.PFCount(ctx, "mon").Err())
		assert.Equal(t, 59*time.Minute, rdb.PTTL(ctx, "mon").Val())
		time.Sleep(59 * time.Minute)
		assert.Zero(t, rdb.PFCount(ctx, "mon").Val())
	})
}

// TestHyperLogLogInTransactions: queued, watched, called by scripts.
func TestHyperLogLogInTransactions(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		cmds, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.PFAdd(ctx, "h", "a", "b")
			p.PFCount(ctx, "h")
			p.Expire(ctx, "h", time.Hour)
			p.PFMerge(ctx, "g", "h")
			p.PFAdd(ctx, "g", "c")
			p.PFCount(ctx, "g", "h")
			return nil
		})
		require.NoError(t, err)
		last, ok := cmds[5].(*redis.IntCmd)
		require.True(t, ok)
		assert.Equal(t, int64(3), last.Val())

		// A refused one does not keep the others from running.
		require.NoError(t, rdb.Set(ctx, "text", "text", 0).Err())
		cmds, err = rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.PFAdd(ctx, "text", "a")
			p.PFAdd(ctx, "h", "x")
			return nil
		})
		require.EqualError(t, err, "WRONGTYPE Key is not a valid HyperLogLog string value.")
		require.NoError(t, cmds[1].Err())
		assert.Equal(t, int64(3), rdb.PFCount(ctx, "h").Val())

		// WATCH sees a change, and not the lack of one.
		for element, want := range map[string]error{"new": redis.TxFailedErr, "a": nil} {
			err := rdb.Watch(ctx, func(tx *redis.Tx) error {
				if err := rdb.PFAdd(ctx, "h", element).Err(); err != nil {
					return err
				}
				_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
					p.Set(ctx, "seen", element, 0)
					return nil
				})
				return err
			}, "h")
			require.ErrorIs(t, err, want, element)
		}

		// Nothing of a transaction that is given up.
		require.NoError(t, rdb.Do(ctx, "PFCOUNT", "h").Err())
		conn := rdb.Conn()
		require.NoError(t, conn.Do(ctx, "MULTI").Err())
		require.NoError(t, conn.Do(ctx, "PFADD", "never", "a").Err())
		require.NoError(t, conn.Do(ctx, "DISCARD").Err())
		require.NoError(t, conn.Close())
		assert.Zero(t, rdb.Exists(ctx, "never").Val())

		script := redis.NewScript(`
			redis.call('PFADD', KEYS[1], unpack(ARGV))
			redis.call('PEXPIRE', KEYS[1], 1000)
			return {redis.call('PFCOUNT', KEYS[1], KEYS[2]), #redis.call('GET', KEYS[1])}`)
		values, err := script.Run(ctx, rdb, []string{"s", "h"}, "a", "s").Int64Slice()
		require.NoError(t, err)
		assert.Equal(t, int64(5), values[0])
		assert.Equal(t, rdb.StrLen(ctx, "s").Val(), values[1])
		require.ErrorContains(t, rdb.Eval(ctx, "return redis.call('PFADD', KEYS[1], 'a')", []string{"text"}).Err(), "not a valid HyperLogLog")
		count, err := rdb.EvalRO(ctx, "return redis.call('PFCOUNT', KEYS[1])", []string{"h"}).Int()
		require.NoError(t, err)
		assert.Equal(t, 4, count)
		require.Error(t, rdb.Do(ctx, "LARDERTEST.CALL", "PFADD", "1:k1:a").Err(), "for scripts of ours only")
	})
}

// TestHyperLogLogConcurrently: nothing comes between reading and writing, by commands, transactions and scripts.
func TestHyperLogLogConcurrently(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	ctx := t.Context()
	var want hll.Sketch
	var wg sync.WaitGroup
	for worker := range 8 {
		for n := range 30 {
			want.Add(fmt.Sprint(worker, " ", n))
		}
		wg.Go(func() {
			for n := range 30 {
				element := fmt.Sprint(worker, " ", n)
				switch n % 3 {
				case 0:
					assert.NoError(t, rdb.PFAdd(ctx, "h", element).Err())
				case 1:
					_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
						p.PFAdd(ctx, "one", element)
						p.PFMerge(ctx, "h", "one")
						p.Del(ctx, "one")
						return nil
					})
					assert.NoError(t, err)
				default:
					assert.NoError(t, rdb.Eval(ctx, "return redis.call('PFADD', KEYS[1], ARGV[1])", []string{"h"}, element).Err())
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, want.Count(), rdb.PFCount(ctx, "h").Val())
}

// TestHyperLogLogOfMany: one command with more elements than Lua could unpack.
func TestHyperLogLogOfMany(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	elements := make([]any, 20000)
	var want hll.Sketch
	for n := range elements {
		text := strconv.Itoa(n)
		elements[n] = text
		want.Add(text)
	}
	require.NoError(t, rdb.PFAdd(t.Context(), "h", elements...).Err())
	assert.Equal(t, want.Count(), rdb.PFCount(t.Context(), "h").Val())
	assert.Equal(t, int64(hll.Size), rdb.StrLen(t.Context(), "h").Val())
}
