package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
)

// model is the oracle: what the server must hold.
type model struct {
	t      *testing.T
	b      *pipeline.Batcher
	rdb    redis.UniversalClient
	rng    *rand.Rand
	keys   []string
	values map[string]int
	ends   map[string]bool // keys with a time to live
	tokens map[string]map[string]int64
	moving bool // several keys may be told TRYAGAIN
	step   int
}

// TestModel runs random operations against a map, on every kind of server.
func TestModel(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		rounds := 120
		switch e.Kind {
		case redistest.KindMiniredis:
			rounds = 60
		case redistest.KindMigrating: // go-redis pauses before it follows a redirection
			rounds = 40
		}
		runModel(t, e.Client, e.Namespace, e.ID(e.Namespace), rounds, e.Kind == redistest.KindMigrating)
	})
	redistest.On(t, []redistest.Kind{redistest.KindStandalone, redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		t.Run("RESP2", func(t *testing.T) {
			rdb := redis.UniversalClient(redistest.StandaloneServer(t).Client(func(o *redis.Options) { o.Protocol = 2 }))
			if e.Clustered() {
				rdb = e.Cluster.Client(func(o *redis.ClusterOptions) { o.Protocol = 2 })
			}
			runModel(t, rdb, e.Namespace+"2", e.Namespace+"2", 60, false)
		})
	})
}

func runModel(t *testing.T, rdb redis.UniversalClient, namespace, id string, rounds int, moving bool) {
	t.Helper()
	const seed = 7
	m := &model{
		t: t, rdb: rdb, rng: rand.New(rand.NewPCG(seed, 1)), moving: moving,
		values: map[string]int{}, ends: map[string]bool{}, tokens: map[string]map[string]int64{},
		b: batcher(t, rdb, pipeline.Options{Codec: codec.String, ChunkSize: 4, Workers: 3, Retries: 1}),
	}
	for i := range 15 {
		m.keys = append(m.keys, fmt.Sprintf("{%s}:%d", id, i), fmt.Sprintf("%s:%d", namespace, i))
	}
	for range rounds {
		m.step++
		[]func(context.Context){m.set, m.set, m.remove, m.expire, m.increment, m.atomic, m.token, m.do, m.transact}[m.rng.IntN(9)](t.Context())
		m.look(t.Context())
	}
}

// pick returns some keys, of one slot or of any, once each or with repetitions.
func (m *model) pick(together bool) []string {
	var keys []string
	for range 1 + m.rng.IntN(12) {
		i := m.rng.IntN(len(m.keys))
		if together {
			i &^= 1
		}
		keys = append(keys, m.keys[i])
	}
	return keys
}

func (m *model) set(ctx context.Context) {
	keys := m.pick(false)
	opts := pipeline.SetOptions{Mode: pipeline.Mode(m.rng.IntN(3))}
	switch m.rng.IntN(3) {
	case 0:
		opts.TTL = time.Hour
	case 1:
		opts.KeepTTL = true
	}
	first := m.rng.IntN(1000)
	stored, skipped := 0, 0
	for i, key := range keys {
		_, exists := m.values[key]
		if opts.Mode == pipeline.IfAbsent && exists || opts.Mode == pipeline.IfPresent && !exists {
			skipped++
			continue
		}
		stored++
		m.values[key] = first + i
		m.ends[key] = opts.TTL > 0 || opts.KeepTTL && m.ends[key]
	}
	report, err := pipeline.Set(ctx, m.b, func(yield func(string, int) bool) {
		for i, key := range keys {
			if !yield(key, first+i) {
				return
			}
		}
	}, opts)
	require.NoError(m.t, err)
	require.Equal(m.t, []int{stored, skipped}, []int{report.Applied, report.Skipped}, "step %d", m.step)
}

func (m *model) remove(ctx context.Context) {
	keys := m.pick(false)
	removed := 0
	for _, key := range keys {
		if _, ok := m.values[key]; ok {
			removed++
			delete(m.values, key)
			delete(m.ends, key)
		}
	}
	report, err := m.b.Delete(ctx, keys...)
	require.NoError(m.t, err)
	require.Equal(m.t, []int{removed, len(keys) - removed}, []int{report.Applied, report.Missing}, "step %d", m.step)
}

func (m *model) expire(ctx context.Context) {
	keys := m.pick(false)
	there := 0
	for _, key := range keys {
		if _, ok := m.values[key]; ok {
			there++
			m.ends[key] = true
		}
	}
	report, err := m.b.Expire(ctx, time.Hour, keys...)
	require.NoError(m.t, err)
	require.Equal(m.t, []int{there, len(keys) - there}, []int{report.Applied, report.Missing}, "step %d", m.step)
}

// add returns deltas, and applies them to the model.
func (m *model) deltas(together bool) map[string]int64 {
	deltas := map[string]int64{}
	for _, key := range m.pick(together) {
		deltas[key] = m.rng.Int64N(100) - 50
	}
	return deltas
}

func (m *model) add(deltas map[string]int64, ttl time.Duration) map[string]int64 {
	values := map[string]int64{}
	for key, delta := range deltas {
		_, exists := m.values[key]
		m.ends[key] = m.ends[key] || !exists && ttl > 0
		m.values[key] += int(delta)
		values[key] = int64(m.values[key])
	}
	return values
}

func (m *model) increment(ctx context.Context) {
	opts := pipeline.CounterOptions{TTL: time.Duration(m.rng.IntN(2)) * time.Hour}
	deltas := m.deltas(false)
	values, report, err := m.b.Increment(ctx, deltas, opts)
	require.NoError(m.t, err)
	require.Equal(m.t, len(deltas), report.Applied)
	require.Equal(m.t, m.add(deltas, opts.TTL), values, "step %d", m.step)
}

func (m *model) atomic(ctx context.Context) {
	opts := pipeline.CounterOptions{TTL: time.Duration(m.rng.IntN(2)) * time.Hour}
	deltas := m.deltas(true)
	values, err := m.b.IncrementAtomic(ctx, deltas, opts)
	if m.moving && redis.HasErrorPrefix(err, "TRYAGAIN") {
		return // nothing was done, as look finds
	}
	require.NoError(m.t, err)
	require.Equal(m.t, m.add(deltas, opts.TTL), values, "step %d", m.step)
}

func (m *model) token(ctx context.Context) {
	deltas := m.deltas(true)
	token := strconv.Itoa(m.step)
	var first map[string]int64
	for range 2 {
		values, err := m.b.IncrementOnce(ctx, token, deltas, pipeline.CounterOptions{})
		if m.moving && redis.HasErrorPrefix(err, "TRYAGAIN") {
			return
		}
		require.NoError(m.t, err)
		if first == nil {
			first = m.add(deltas, 0)
		}
		require.Equal(m.t, first, values, "step %d", m.step)
	}
}

func (m *model) do(ctx context.Context) {
	keys := m.pick(false)
	missing := 0
	var gets []*redis.StringCmd
	var want []string
	report, err := m.b.Do(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			if i%2 == 0 {
				p.IncrBy(ctx, key, int64(i))
				m.add(map[string]int64{key: int64(i)}, 0)
				continue
			}
			gets = append(gets, p.Get(ctx, key))
			if n, ok := m.values[key]; ok {
				want = append(want, strconv.Itoa(n))
			} else {
				missing++
				want = append(want, "")
			}
		}
		return nil
	})
	require.NoError(m.t, err)
	require.Equal(m.t, missing, report.Missing)
	for i, get := range gets {
		require.Equal(m.t, want[i], get.Val(), "step %d", m.step)
	}
}

func (m *model) transact(ctx context.Context) {
	if m.moving {
		return // a connection that watches follows no ASK
	}
	keys := m.pick(true)
	a, b := keys[0], keys[len(keys)-1]
	err := m.b.Transact(ctx, func(tx *pipeline.Tx) error {
		n, err := tx.Read().Get(ctx, a).Int()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		tx.Queue().Set(ctx, b, n+1, 0)
		return nil
	}, keys...)
	require.NoError(m.t, err)
	m.values[b] = m.values[a] + 1
	m.ends[b] = false
}

// look compares everything, by each of the readers.
func (m *model) look(ctx context.Context) {
	got, err := pipeline.Get[int](ctx, m.b, m.keys...)
	require.NoError(m.t, err)
	require.Equal(m.t, m.values, got, "step %d", m.step)
	if m.step%10 > 0 {
		return
	}
	var order []string
	for item, err := range pipeline.GetSeq[int](ctx, m.b, slices.Values(m.keys)) {
		require.NoError(m.t, err)
		n, ok := m.values[item.Key]
		require.Equal(m.t, ok, item.Found)
		require.Equal(m.t, n, item.Value)
		order = append(order, item.Key)
	}
	require.Equal(m.t, m.keys, order)
	for key := range m.values {
		ttl, err := m.rdb.PTTL(ctx, key).Result()
		require.NoError(m.t, err)
		require.Equal(m.t, m.ends[key], ttl > 0, "step %d: %s", m.step, key)
	}
}
