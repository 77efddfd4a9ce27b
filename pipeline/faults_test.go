package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
)

// operations are what is cut: each runs on keys that are new, or hold "old", and
// says how the servers look when it was done.
var operations = []struct {
	name   string
	before string // what the keys hold before
	after  string // what a key holds when its item was applied
	run    func(ctx context.Context, b *pipeline.Batcher, keys []string) (pipeline.Report, error)
}{
	{"set", "old", "1", func(ctx context.Context, b *pipeline.Batcher, keys []string) (pipeline.Report, error) {
		return pipeline.Set(ctx, b, func(yield func(string, int) bool) {
			for _, key := range keys {
				if !yield(key, 1) {
					return
				}
			}
		}, pipeline.SetOptions{TTL: time.Hour})
	}},
	{"set if absent", "", "1", func(ctx context.Context, b *pipeline.Batcher, keys []string) (pipeline.Report, error) {
		return pipeline.Set(ctx, b, func(yield func(string, int) bool) {
			for _, key := range keys {
				if !yield(key, 1) {
					return
				}
			}
		}, pipeline.SetOptions{Mode: pipeline.IfAbsent})
	}},
	{"increment", "", "1", func(ctx context.Context, b *pipeline.Batcher, keys []string) (pipeline.Report, error) {
		_, report, err := b.Increment(ctx, each(keys, 1), pipeline.CounterOptions{})
		return report, err
	}},
	{"increment with an end", "", "1", func(ctx context.Context, b *pipeline.Batcher, keys []string) (pipeline.Report, error) {
		_, report, err := b.Increment(ctx, each(keys, 1), pipeline.CounterOptions{TTL: time.Hour})
		return report, err
	}},
	{"do", "1", "11", func(ctx context.Context, b *pipeline.Batcher, keys []string) (pipeline.Report, error) {
		return b.Do(ctx, func(p redis.Pipeliner) error {
			for _, key := range keys {
				p.Append(ctx, key, "1")
			}
			return nil
		})
	}},
	{"delete", "old", "", func(ctx context.Context, b *pipeline.Batcher, keys []string) (pipeline.Report, error) {
		return b.Delete(ctx, keys...)
	}},
}

func each(keys []string, delta int64) map[string]int64 {
	deltas := map[string]int64{}
	for _, key := range keys {
		deltas[key] = delta
	}
	return deltas
}

// trial runs an operation behind a fault and holds its report against the servers.
func (r *rig) trial(t testing.TB, op int, retries int, fault func(p *redistest.Proxy)) pipeline.Report {
	t.Helper()
	ctx := context.Background()
	o := operations[op]
	b := batcher(t, r.rdb, pipeline.Options{Codec: codec.String, ChunkSize: 5, Workers: 1, Retries: retries})
	prefix := fresh(t)
	keys := make([]string, 12)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s:%02d", prefix, i)
		if o.before != "" {
			require.NoError(t, r.direct.Set(ctx, keys[i], o.before, 0).Err())
		}
	}
	r.warm(t)
	r.fault(fault)
	report, err := o.run(ctx, b, keys)
	r.armed.Store(false)
	r.heal()
	require.Equal(t, len(keys), report.Applied+report.Unknown+report.NotSent, "%s: %+v", o.name, report)
	require.Equal(t, report.Applied == len(keys), err == nil)
	require.Equal(t, report.Unknown > 0, errors.Is(err, pipeline.ErrOutcomeUnknown))
	outcomes := map[string]pipeline.Outcome{}
	for _, f := range report.Failures {
		outcomes[f.Key] = f.Outcome
	}
	for _, key := range keys {
		value, err := r.direct.Get(ctx, key).Result()
		if !errors.Is(err, redis.Nil) {
			require.NoError(t, err)
		}
		outcome, failed := outcomes[key]
		switch {
		case !failed:
			require.Equal(t, o.after, value, "%s: %s said that it was applied", o.name, key)
		case outcome == pipeline.NotSent:
			require.Equal(t, o.before, value, "%s: %s said that it was not sent", o.name, key)
		default:
			require.Contains(t, []string{o.before, o.after}, value, "%s: %s was applied twice", o.name, key)
		}
	}
	return report
}

// TestOutcomesAtEveryCut cuts the replies at every byte, and the requests at some:
// the report equals what the servers hold, or says Unknown.
func TestOutcomesAtEveryCut(t *testing.T) {
	for _, kind := range rigs {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, kind, time.Minute)
			step := int64(7)
			if kind == "client" {
				step = 1
			}
			for op, o := range operations {
				for n := int64(0); n < 26; n += step { // the first chunk, and a byte
					r.trial(t, op, -1, func(p *redistest.Proxy) { p.CutReplyAfter(n) })
				}
				for n := int64(0); n < 400; n += 60 * step {
					r.trial(t, op, -1, func(p *redistest.Proxy) { p.CutRequestAfter(n) })
				}
				// With retries, what may run twice is applied in the end.
				report := r.trial(t, op, 5, func(p *redistest.Proxy) { p.CutReplyAfter(13) })
				if o.name == "set" || o.name == "delete" {
					require.Equal(t, 12, report.Applied, "%+v", report)
				}
			}
		})
	}
}

// FuzzCut cuts at any position, on any client, any operation.
func FuzzCut(f *testing.F) {
	kinds := []string{"client", "auto", "duplex", "cluster", "cluster-auto", "ring"}
	made := map[string]*rig{}
	for _, kind := range kinds {
		made[kind] = newRig(f, kind, time.Minute)
	}
	for i := range 8 {
		f.Add(uint16(i*17), uint8(i), uint8(i*5), i%2 == 0, i%3 == 0)
	}
	f.Fuzz(func(t *testing.T, at uint16, kind, op uint8, request, again bool) {
		name := kinds[int(kind)%len(kinds)]
		retries := -1
		if again {
			retries = 2
		}
		made[name].trial(t, int(op)%len(operations), retries, func(p *redistest.Proxy) {
			if request {
				p.CutRequestAfter(int64(at % 2000))
			} else {
				p.CutReplyAfter(int64(at % 200))
			}
		})
	})
}

// TestHundredIncrements is the case of the contract.
func TestHundredIncrements(t *testing.T) {
	for _, kind := range []string{"client", "auto", "duplex", "failover"} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, kind, time.Minute)
			b := batcher(t, r.rdb, pipeline.Options{})
			keys := numbered(fresh(t), 100)
			r.warm(t)
			r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(160) }) // ":1\r\n" is 4 bytes
			values, report, err := b.Increment(t.Context(), each(keys, 1), pipeline.CounterOptions{})
			require.ErrorIs(t, err, pipeline.ErrOutcomeUnknown)
			require.Equal(t, []int{40, 60, 1}, []int{report.Applied, report.Unknown, report.Attempts})
			require.Len(t, values, 40)
			require.Len(t, report.Failures, 60)
			for _, key := range keys {
				require.Equal(t, "1", r.direct.Get(t.Context(), key).Val())
			}
		})
	}
}

// TestIdempotentIsSentAgain: a lost reply is asked for again where that does no
// harm, and nowhere else.
func TestIdempotentIsSentAgain(t *testing.T) {
	for _, kind := range rigs {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, kind, time.Minute)
			ctx := t.Context()
			b := batcher(t, r.rdb, pipeline.Options{})
			tag := "{" + fresh(t) + "}"
			keys := numbered(tag, 20)
			lose := func() {
				r.warm(t)
				r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(2) })
			}
			lose()
			report, err := pipeline.Set(ctx, b, pairs(keys...), pipeline.SetOptions{})
			require.NoError(t, err)
			require.Equal(t, []int{20, 2}, []int{report.Applied, report.Attempts})
			lose()
			got, err := pipeline.Get[int](ctx, b, keys...)
			require.NoError(t, err)
			require.Len(t, got, 20)
			lose()
			report, err = b.Expire(ctx, time.Hour, keys...)
			require.NoError(t, err)
			require.Equal(t, []int{20, 2}, []int{report.Applied, report.Attempts})
			lose()
			report, err = b.Delete(ctx, append(keys, tag+"none")...)
			require.NoError(t, err)
			require.Equal(t, 21, report.Applied+report.Missing)
			lose()
			report, err = pipeline.Set(ctx, b, pairs(keys...), pipeline.SetOptions{Mode: pipeline.IfAbsent})
			require.ErrorIs(t, err, pipeline.ErrOutcomeUnknown)
			require.Equal(t, []int{20, 1}, []int{report.Unknown, report.Attempts})

			deltas := map[string]int64{tag + "a": 3, tag + "b": -4}
			lose()
			values, err := b.IncrementOnce(ctx, "token", deltas, pipeline.CounterOptions{})
			require.NoError(t, err)
			require.Equal(t, deltas, values)
			values, err = b.IncrementOnce(ctx, "token", deltas, pipeline.CounterOptions{})
			require.NoError(t, err)
			require.Equal(t, deltas, values)

			_, err = b.IncrementAtomic(ctx, deltas, pipeline.CounterOptions{})
			require.NoError(t, err)
			lose()
			_, err = b.IncrementAtomic(ctx, deltas, pipeline.CounterOptions{})
			require.ErrorIs(t, err, pipeline.ErrOutcomeUnknown)
			r.heal()
			require.Equal(t, "9", r.direct.Get(ctx, tag+"a").Val())
		})
	}
}

// TestUnknownStaysUnknown: what may have run is not called unsent because a later
// try found no server.
func TestUnknownStaysUnknown(t *testing.T) {
	for _, kind := range []string{"client", "auto", "duplex", "cluster", "ring"} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, kind, time.Minute)
			ctx := t.Context()
			b := batcher(t, r.rdb, pipeline.Options{Retries: 1})
			tag := "{" + fresh(t) + "}"
			r.onDial = func() {
				for _, p := range r.proxies {
					p.Refuse()
				}
			}
			lose := func() {
				r.armed.Store(false)
				r.heal()
				r.warm(t)
				r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(0) })
			}
			_, err := b.IncrementOnce(ctx, "warm", map[string]int64{tag: 1}, pipeline.CounterOptions{})
			require.NoError(t, err)
			lose()
			report, err := pipeline.Set(ctx, b, pairs(tag+"k"), pipeline.SetOptions{})
			require.ErrorIs(t, err, pipeline.ErrOutcomeUnknown)
			require.Equal(t, []int{1, 2}, []int{report.Unknown, report.Attempts})
			lose()
			_, err = b.IncrementOnce(ctx, "t", map[string]int64{tag: 1}, pipeline.CounterOptions{})
			require.ErrorIs(t, err, pipeline.ErrOutcomeUnknown)
			lose()
			_, err = pipeline.Get[int](ctx, b, tag+"k")
			require.Equal(t, pipeline.Unknown, failures(t, err)[0].Outcome)
			r.heal()
			require.Equal(t, "2", r.direct.Get(ctx, tag).Val())
		})
	}
}

// TestCountersUnderFaults adds to the same counters over and over behind faults:
// what was acknowledged is there, and at most what is unknown beside it.
func TestCountersUnderFaults(t *testing.T) {
	for _, kind := range []string{"client", "duplex", "cluster", "cluster-auto"} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, kind, time.Minute)
			b := batcher(t, r.rdb, pipeline.Options{ChunkSize: 7, Workers: 1})
			rng := rand.New(rand.NewPCG(5, 5))
			keys := numbered(fresh(t), 20)
			acknowledged, unknown := map[string]int{}, map[string]int{}
			for round := range 12 {
				r.warm(t)
				n := rng.Int64N(120)
				r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(n) })
				ttl := time.Duration(round%2) * time.Hour
				values, report, _ := b.Increment(t.Context(), each(keys, 1), pipeline.CounterOptions{TTL: ttl})
				r.armed.Store(false)
				r.heal()
				for key := range values {
					acknowledged[key]++
				}
				for _, f := range report.Failures {
					if f.Outcome == pipeline.Unknown {
						unknown[f.Key]++
					}
				}
			}
			for _, key := range keys {
				n, err := r.direct.Get(t.Context(), key).Int()
				require.True(t, err == nil || errors.Is(err, redis.Nil))
				require.GreaterOrEqual(t, n, acknowledged[key])
				require.LessOrEqual(t, n, acknowledged[key]+unknown[key])
			}
		})
	}
}

// TestStalledServer: a server that stands still runs what it has once it goes on.
func TestStalledServer(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := server.Client(func(o *redis.Options) { o.ReadTimeout, o.MaxRetries = 2*time.Second, 3 })
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{Retries: -1})
	keys := numbered("n", 50)
	require.NoError(t, rdb.Ping(ctx).Err())
	server.Pause()
	values, report, err := b.Increment(ctx, each(keys, 1), pipeline.CounterOptions{})
	server.Resume()
	require.ErrorIs(t, err, pipeline.ErrOutcomeUnknown)
	require.Empty(t, values)
	require.Equal(t, 50, report.Unknown)
	redistest.Poll(t, "the counters have been added to", func() bool { return rdb.Exists(ctx, keys...).Val() == 50 })
	for _, key := range keys {
		require.Equal(t, "1", rdb.Get(ctx, key).Val())
	}
}

// TestTransactUnderFaults cuts the execution at every few bytes.
func TestTransactUnderFaults(t *testing.T) {
	for _, kind := range []string{"client", "auto", "duplex", "failover", "cluster", "cluster-auto", "ring"} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, kind, time.Minute)
			ctx := t.Context()
			b := batcher(t, r.rdb, pipeline.Options{})
			for _, n := range []int64{0, 3, 6, 15, 24, 29, 34, 200} { // +OK, 2 x +QUEUED, *2, 2 x :1
				tag := "{" + fresh(t) + "}"
				r.warm(t)
				runs := 0
				err := b.Transact(ctx, func(tx *pipeline.Tx) error {
					runs++
					if err := tx.Read().Get(ctx, tag).Err(); !errors.Is(err, redis.Nil) {
						return err
					}
					tx.Queue().Incr(ctx, tag+"a")
					tx.Queue().Incr(ctx, tag+"b")
					r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(n) })
					return nil
				}, tag)
				r.armed.Store(false)
				r.heal()
				require.Equal(t, 1, runs, "an unknown outcome is not tried again")
				got := []string{r.direct.Get(ctx, tag+"a").Val(), r.direct.Get(ctx, tag+"b").Val()}
				require.Equal(t, got[0], got[1], "all or nothing")
				require.NotEqual(t, "2", got[0])
				if err == nil {
					require.Equal(t, []string{"1", "1"}, got)
					continue
				}
				require.ErrorIs(t, err, pipeline.ErrOutcomeUnknown)
				require.NotErrorIs(t, err, pipeline.ErrConflict)
				_, ok := errors.AsType[*pipeline.BatchError](err)
				require.True(t, ok)
			}
		})
	}
}

// TestLostWatch: a connection that broke while fn ran watches nothing any more, so
// nothing is executed.
func TestLostWatch(t *testing.T) {
	for _, kind := range []string{"client", "auto", "failover", "cluster", "ring"} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, kind, time.Minute)
			ctx := t.Context()
			b := batcher(t, r.rdb, pipeline.Options{Retries: -1})
			tag := "{" + fresh(t) + "}"
			for _, read := range []bool{true, false} {
				err := b.Transact(ctx, func(tx *pipeline.Tx) error {
					for _, p := range r.proxies {
						p.CloseConnections()
					}
					if read {
						_ = tx.Read().Get(ctx, tag).Err() // fn may overlook its error
					}
					r.direct.Incr(ctx, tag)
					tx.Queue().Set(ctx, tag+"written", 1, 0)
					return nil
				}, tag)
				require.Error(t, err)
				require.Zero(t, r.direct.Exists(ctx, tag+"written").Val())
			}
		})
	}
}

// TestBrokenCluster goes through a cluster of its own: a slot that moves while it
// is written to, then a master that dies in the middle of a batch.
func TestBrokenCluster(t *testing.T) {
	c := redistest.NewCluster(t, "--cluster-require-full-coverage", "no")
	ctx := t.Context()
	t.Run("slot moves", func(t *testing.T) { slotMoves(ctx, t, c) })
	t.Run("node killed", func(t *testing.T) { nodeKilled(ctx, t, c) })
}

func slotMoves(ctx context.Context, t *testing.T, c *redistest.Cluster) {
	t.Helper()
	rdb := c.Client()
	b := batcher(t, rdb, pipeline.Options{Codec: codec.String, ChunkSize: 10})
	tag := "moving"
	slot := redistest.Slot(tag)
	from := c.MasterOf(tag)
	to := c.Masters()[(slices.Index(c.Masters(), from)+1)%3]
	counters, items := numbered("{"+tag+"}n", 30), numbered("{"+tag+"}k", 30)
	acknowledged, unknown := map[string]int{}, map[string]int{}
	last := map[string][]int{} // what a key may hold
	write := func(round int) {
		values, report, _ := b.Increment(ctx, each(counters, 1), pipeline.CounterOptions{})
		for key := range values {
			acknowledged[key]++
		}
		for _, f := range report.Failures {
			if f.Outcome == pipeline.Unknown {
				unknown[f.Key]++
			}
		}
		written, _ := pipeline.Set(ctx, b, func(yield func(string, int) bool) {
			for _, key := range items {
				if !yield(key, round) {
					return
				}
			}
		}, pipeline.SetOptions{})
		failed := map[string]pipeline.Outcome{}
		for _, f := range written.Failures {
			failed[f.Key] = f.Outcome
		}
		for _, key := range items {
			switch outcome, ok := failed[key]; {
			case !ok:
				last[key] = []int{round}
			case outcome == pipeline.Unknown:
				last[key] = append(last[key], round)
			}
		}
	}
	var masters []*redis.Client
	for _, m := range c.Masters() {
		masters = append(masters, m.Client())
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for round := 0; ; round++ {
			write(round)
			select {
			case <-done:
				write(round + 1)
				return
			default:
			}
		}
	})
	for range 4 {
		require.NoError(t, c.Migrate(ctx, slot, from, to))
		require.NoError(t, c.FinishMigration(ctx, slot, from, to))
		// A node that has not heard of the last move would win the slot back with
		// an older claim.
		redistest.Poll(t, "the masters agree on who has what", func() bool { return agree(ctx, masters) })
		from, to = to, from
	}
	close(done)
	wg.Wait()
	// The slot is at rest: a reader that comes while it moves may be answered by a
	// node that has not got the key yet.
	for _, key := range counters {
		n, err := rdb.Get(ctx, key).Int()
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, acknowledged[key])
		require.LessOrEqual(t, n, acknowledged[key]+unknown[key])
	}
	got, err := pipeline.Get[int](ctx, b, items...)
	require.NoError(t, err)
	for _, key := range items {
		require.Contains(t, last[key], got[key])
	}
}

// agree says whether all masters see the same owners, of the same age.
func agree(ctx context.Context, masters []*redis.Client) bool {
	views := map[string]bool{}
	for _, m := range masters {
		var view []string
		for line := range strings.Lines(m.ClusterNodes(ctx).Val()) {
			if f := strings.Fields(line); len(f) > 8 && strings.Contains(f[2], "master") {
				view = append(view, fmt.Sprint(f[0], f[6], f[8:]))
			}
		}
		slices.Sort(view)
		views[strings.Join(view, "|")] = true
	}
	return len(views) == 1
}

func nodeKilled(ctx context.Context, t *testing.T, c *redistest.Cluster) {
	t.Helper()
	rdb := c.Client(func(o *redis.ClusterOptions) { o.ClusterStateReloadInterval, o.DialerRetries = time.Hour, 1 })
	b := batcher(t, rdb, pipeline.Options{Codec: codec.String, ChunkSize: 20, Retries: -1})
	victim := c.Masters()[2]
	keys := numbered("k", 900)
	onVictim := func(key string) bool { return c.MasterOf(key) == victim }
	_, err := pipeline.Set(ctx, b, pairs(keys...), pipeline.SetOptions{})
	require.NoError(t, err)
	report, err := pipeline.Set(ctx, b, func(yield func(string, int) bool) {
		for i, key := range keys {
			if i == len(keys)/2 {
				victim.Kill()
			}
			if !yield(key, -i) {
				return
			}
		}
	}, pipeline.SetOptions{})
	require.Error(t, err)
	require.Equal(t, len(keys), report.Applied+report.NotSent+report.Unknown)
	for _, f := range report.Failures {
		require.True(t, onVictim(f.Key), "%s lives elsewhere: %v", f.Key, f.Err)
	}
	counters := numbered("n", 300)
	values, report, err := b.Increment(ctx, each(counters, 1), pipeline.CounterOptions{})
	require.Error(t, err)
	require.Equal(t, len(counters), report.Applied+report.NotSent+report.Unknown)
	living := 0
	for i, key := range keys {
		if onVictim(key) {
			continue
		}
		n, err := rdb.Get(ctx, key).Int()
		require.NoError(t, err)
		require.Equal(t, -i, n)
	}
	for _, key := range counters {
		if onVictim(key) {
			require.NotContains(t, values, key)
			continue
		}
		living++
		require.EqualValues(t, 1, values[key])
		require.Equal(t, "1", rdb.Get(ctx, key).Val())
	}
	require.Equal(t, living, report.Applied)
	got, err := pipeline.Get[int](ctx, b, counters...)
	require.Error(t, err)
	require.Len(t, got, living)
}
