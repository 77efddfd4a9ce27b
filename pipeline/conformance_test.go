package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
)

// TestEverywhere is the main path on every kind of server and client.
func TestEverywhere(t *testing.T) {
	type product struct {
		Name  string
		Price int
	}
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		b := batcher(t, e.Client, pipeline.Options{ChunkSize: 50})
		want := map[string]product{}
		keys := numbered(e.Namespace, 300)
		for i, key := range keys {
			want[key] = product{Name: strconv.Itoa(i), Price: i}
		}
		report, err := pipeline.Set(ctx, b, func(yield func(string, product) bool) {
			for _, key := range keys {
				if !yield(key, want[key]) {
					return
				}
			}
		}, pipeline.SetOptions{TTL: time.Hour, Jitter: 0.1})
		require.NoError(t, err)
		require.Equal(t, []int{300, 1}, []int{report.Applied, report.Attempts})
		require.Positive(t, report.Elapsed)
		got, err := pipeline.Get[product](ctx, b, append(keys, e.Namespace+"none")...)
		require.NoError(t, err)
		require.Equal(t, want, got)
		at := 0
		for item, err := range pipeline.GetSeq[product](ctx, b, slices.Values(keys)) {
			require.NoError(t, err)
			require.Equal(t, pipeline.Item[product]{Key: keys[at], Value: want[keys[at]], Found: true}, item)
			at++
		}
		require.Equal(t, 300, at)
		report, err = b.Expire(ctx, 2*time.Hour, keys...)
		require.NoError(t, err)
		require.Equal(t, 300, report.Applied)
		for _, key := range keys[:5] {
			require.Greater(t, e.Client.PTTL(ctx, key).Val(), 100*time.Minute)
		}
		report, err = b.Delete(ctx, append(keys, keys[0])...)
		require.NoError(t, err)
		require.Equal(t, []int{300, 1}, []int{report.Applied, report.Missing})

		tag := "{" + e.ID(e.Namespace) + "}"
		values, _, err := b.Increment(ctx, map[string]int64{tag + "a": 2, e.Namespace + "b": 3}, pipeline.CounterOptions{TTL: time.Hour})
		require.NoError(t, err)
		require.Equal(t, map[string]int64{tag + "a": 2, e.Namespace + "b": 3}, values)
		require.Positive(t, e.Client.PTTL(ctx, e.Namespace+"b").Val())
		if e.Kind == redistest.KindMigrating {
			// Both counters are absent on the slot's old master, so the script
			// follows the slot, as long as its token does.
			_, err = b.IncrementAtomic(ctx, map[string]int64{tag + "a": 1}, pipeline.CounterOptions{})
			require.NoError(t, err)
			return
		}
		values, err = b.IncrementAtomic(ctx, map[string]int64{tag + "a": 1, tag + "c": 1}, pipeline.CounterOptions{})
		require.NoError(t, err)
		require.Equal(t, map[string]int64{tag + "a": 3, tag + "c": 1}, values)
		require.NoError(t, e.Client.LPush(ctx, tag+"list", 1).Err())
		_, err = b.IncrementAtomic(ctx, map[string]int64{tag + "a": 1, tag + "fresh": 1, tag + "list": 1}, pipeline.CounterOptions{})
		require.ErrorContains(t, err, "list")
		require.ErrorContains(t, err, "WRONGTYPE")
		require.Equal(t, "3", e.Client.Get(ctx, tag+"a").Val())
		require.Zero(t, e.Client.Exists(ctx, tag+"fresh").Val())
		for range 2 {
			values, err = b.IncrementOnce(ctx, "order 1", map[string]int64{tag + "a": 7, tag + "c": 1}, pipeline.CounterOptions{TokenTTL: time.Hour})
			require.NoError(t, err)
			require.Equal(t, map[string]int64{tag + "a": 10, tag + "c": 2}, values)
		}
		var incr *redis.IntCmd
		report, err = b.Do(ctx, func(p redis.Pipeliner) error {
			incr = p.Incr(ctx, tag+"a")
			p.Get(ctx, e.Namespace+"none")
			p.Incr(ctx, tag+"list")
			return nil
		})
		require.Error(t, err)
		require.Equal(t, []int{1, 1, 1}, []int{report.Applied, report.Missing, report.Failed})
		require.EqualValues(t, 11, incr.Val())
		err = b.Transact(ctx, func(tx *pipeline.Tx) error {
			n, err := tx.Read().Get(ctx, tag+"a").Int()
			if err != nil {
				return err
			}
			tx.Queue().Set(ctx, tag+"copy", n, 0)
			return nil
		}, tag+"a")
		require.NoError(t, err)
		require.Equal(t, "11", e.Client.Get(ctx, tag+"copy").Val())
	})
}

// TestCrossSlot: what would be refused by a cluster, or would go to the wrong
// shard of a Ring, is refused before it is sent, and two keys are named.
func TestCrossSlot(t *testing.T) {
	redistest.On(t, []redistest.Kind{
		redistest.KindStandalone, redistest.KindAutoPipeline, redistest.KindCluster, redistest.KindClusterAutoPipeline, redistest.KindRing,
	}, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		b := batcher(t, e.Client, pipeline.Options{})
		deltas := map[string]int64{e.Namespace + "a": 1, e.Namespace + "b": 1}
		queue := func(tx *pipeline.Tx) error { tx.Queue().Incr(ctx, e.Namespace+"b"); return nil }
		_, atomic := b.IncrementAtomic(ctx, deltas, pipeline.CounterOptions{})
		_, token := b.IncrementOnce(ctx, "t", deltas, pipeline.CounterOptions{})
		watched := b.Transact(ctx, queue, e.Namespace+"a", e.Namespace+"b")
		queued := b.Transact(ctx, queue, e.Namespace+"a")
		for _, err := range []error{atomic, token, watched, queued} {
			if !e.Clustered() && e.Kind != redistest.KindRing {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, pipeline.ErrCrossSlot)
			require.ErrorContains(t, err, e.Namespace+"a")
			require.ErrorContains(t, err, e.Namespace+"b")
			require.Zero(t, e.Client.Exists(ctx, e.Namespace+"a").Val()+e.Client.Exists(ctx, e.Namespace+"b").Val())
		}
	})
}

// TestForeignTypes: MGET reads a foreign type as missing, GET refuses it.
func TestForeignTypes(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		b := batcher(t, e.Client, pipeline.Options{Codec: codec.String})
		list, text := e.Namespace+"list", e.Namespace+"text"
		require.NoError(t, e.Client.LPush(ctx, list, 1).Err())
		require.NoError(t, e.Client.Set(ctx, text, "x", 0).Err())
		got, err := pipeline.Get[string](ctx, b, list, text)
		require.Equal(t, map[string]string{text: "x"}, got)
		if !e.Clustered() && e.Kind != redistest.KindRing {
			require.NoError(t, err)
		} else {
			require.True(t, redis.HasErrorPrefix(failures(t, err)[0].Err, "WRONGTYPE"))
			require.Equal(t, pipeline.Failed, failures(t, err)[0].Outcome)
		}
		if e.Kind == redistest.KindCluster { // within one slot
			require.NoError(t, e.Client.LPush(ctx, "{"+text+"}list", 1).Err())
			got, err = pipeline.Get[string](ctx, b, "{"+text+"}list", text)
			require.NoError(t, err)
			require.Equal(t, map[string]string{text: "x"}, got)
		}
		// Every writer says so, and leaves the key as it was.
		_, report, err := b.Increment(ctx, map[string]int64{list: 1}, pipeline.CounterOptions{})
		require.Error(t, err)
		require.Equal(t, 1, report.Failed)
		require.EqualValues(t, 1, e.Client.LLen(ctx, list).Val())
	})
}

// TestOneNodeOfACluster: a client of one node finds out that there are others.
func TestOneNodeOfACluster(t *testing.T) {
	c := redistest.SharedCluster(t)
	ctx := t.Context()
	rdb := c.Masters()[0].Client()
	b := batcher(t, rdb, pipeline.Options{Retries: -1})
	var mine []string
	for _, key := range numbered(fresh(t), 60) {
		if c.MasterOf(key) == c.Masters()[0] {
			mine = append(mine, key)
		}
	}
	_, err := pipeline.Set(ctx, b, pairs(mine...), pipeline.SetOptions{})
	require.NoError(t, err)
	for range 2 {
		got, err := pipeline.Get[int](ctx, b, mine...)
		require.NoError(t, err)
		require.Len(t, got, len(mine))
	}
	report, err := pipeline.Set(ctx, b, pairs(numbered(fresh(t), 60)...), pipeline.SetOptions{})
	require.Error(t, err)
	require.Equal(t, 60, report.Applied+report.Failed) // MOVED, which nobody follows
	require.Zero(t, report.Unknown)
}

// TestDoOnACluster: a command that a ClusterClient takes into no batch does not
// keep the others back.
func TestDoOnACluster(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindCluster, redistest.KindClusterAutoPipeline}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		b := batcher(t, e.Client, pipeline.Options{})
		key := e.Namespace
		report, err := b.Do(ctx, func(p redis.Pipeliner) error {
			p.Incr(ctx, key)
			p.DBSize(ctx)
			p.MGet(ctx, key, key+"other")
			p.Incr(ctx, key)
			p.Keys(ctx, "*")
			p.Ping(ctx)
			return nil
		})
		require.Error(t, err) // the MGET
		require.Equal(t, "2", e.Client.Get(ctx, key).Val())
		require.Equal(t, 6, report.Applied+report.Failed+report.NotSent)
		require.Less(t, report.Failed+report.NotSent, 4)
	})
}

// TestRefusedBatch: a client that refuses a whole batch because of one command,
// as a ClusterClient may, is given the others.
func TestRefusedBatch(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	rdb.AddHook(refusing{"dbsize", "keys"})
	b := batcher(t, rdb, pipeline.Options{})
	report, err := b.Do(ctx, func(p redis.Pipeliner) error {
		p.Incr(ctx, "n")
		p.DBSize(ctx)
		p.Incr(ctx, "n")
		p.Keys(ctx, "*")
		p.DBSize(ctx)
		return nil
	})
	require.ErrorIs(t, err, pipeline.ErrUnsupported)
	require.Equal(t, []int{2, 3}, []int{report.Applied, report.NotSent})
	require.Equal(t, "DBSIZE cannot be in a batch on a cluster: pipeline: not supported here", report.Failures[0].Err.Error())
	n, err := m.Get("n")
	require.NoError(t, err)
	require.Equal(t, "2", n)
	report, err = b.Do(ctx, func(p redis.Pipeliner) error { p.DBSize(ctx); return nil })
	require.ErrorIs(t, err, pipeline.ErrUnsupported)
	require.Equal(t, 1, report.NotSent)
}

// refusing refuses batches with commands of these names, in the words of go-redis.
type refusing []string

func (refusing) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (refusing) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (r refusing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if slices.Contains(r, cmd.Name()) {
				err := fmt.Errorf("redis: cannot pipeline command %q with request policy ReqAllNodes", cmd.Name())
				for _, cmd := range cmds {
					if cmd.Err() == nil {
						cmd.SetErr(err)
					}
				}
				return err
			}
		}
		return next(ctx, cmds)
	}
}

// TestContention: 16 writers move money to and fro, and none is lost.
func TestContention(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		if e.Kind == redistest.KindMigrating {
			t.Skip("a connection that watches follows no ASK")
		}
		ctx := t.Context()
		b := batcher(t, e.Client, pipeline.Options{Retries: 1000})
		tag := "{" + e.Namespace + "}"
		require.NoError(t, e.Client.Set(ctx, tag+"a", 1000, 0).Err())
		var wg sync.WaitGroup
		errs := make(chan error, 16)
		for range 16 {
			wg.Go(func() {
				for range 3 {
					errs <- b.Transact(ctx, func(tx *pipeline.Tx) error {
						n, err := tx.Read().Get(ctx, tag+"a").Int()
						if err != nil {
							return err
						}
						m, err := tx.Read().Get(ctx, tag+"b").Int()
						if err != nil && !errors.Is(err, redis.Nil) {
							return err
						}
						tx.Queue().Set(ctx, tag+"a", n-7, 0)
						tx.Queue().Set(ctx, tag+"b", m+7, 0)
						return nil
					}, tag+"a", tag+"b")
				}
			})
		}
		go func() { wg.Wait(); close(errs) }()
		for err := range errs {
			require.NoError(t, err)
		}
		require.Equal(t, strconv.Itoa(1000-16*3*7), e.Client.Get(ctx, tag+"a").Val())
		require.Equal(t, strconv.Itoa(16*3*7), e.Client.Get(ctx, tag+"b").Val())
	})
}

// TestOutOfMemory: the server's refusal is Failed, item by item.
func TestOutOfMemory(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory", "1", "--maxmemory-policy", "noeviction"}})
	b := batcher(t, server.Client(), pipeline.Options{})
	report, err := pipeline.Set(t.Context(), b, pairs("a", "b"), pipeline.SetOptions{})
	require.True(t, redis.HasErrorPrefix(err, "OOM"), "%v", err)
	require.Equal(t, []int{2, 1}, []int{report.Failed, report.Attempts})
	require.NotErrorIs(t, err, pipeline.ErrOutcomeUnknown)
}
