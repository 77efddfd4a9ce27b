package pipeline_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
)

func TestDo(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{ChunkSize: 3})
	_, err := m.Lpush("list", "x")
	require.NoError(t, err)
	var get, none, last *redis.StringCmd
	var wrong *redis.IntCmd
	report, err := b.Do(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "k", "1", 0)
		none = p.Get(ctx, "none")
		wrong = p.Incr(ctx, "list")
		get = p.Get(ctx, "k")
		p.Set(ctx, "bad", make(chan int), 0)
		p.BLPop(ctx, 0, "list")
		_ = p.Process(ctx, redis.NewCmd(ctx, "xreadgroup", "group", "block", "c", "streams", "s", ">"))
		_ = p.Process(ctx, redis.NewCmd(ctx, "xread", "block", 0, "streams", "s", "0"))
		last = p.Get(ctx, "k")
		_, err := p.Exec(ctx)
		require.ErrorIs(t, err, pipeline.ErrUnsupported)
		_, err = p.TxPipelined(ctx, func(redis.Pipeliner) error { return nil })
		require.ErrorIs(t, err, pipeline.ErrUnsupported)
		_, err = p.Pipelined(ctx, func(p redis.Pipeliner) error { p.Incr(ctx, "n"); return nil })
		require.NoError(t, err)
		p.Pipeline().Incr(ctx, "n")
		p.TxPipeline().Incr(ctx, "n")
		return nil
	})
	require.ErrorIs(t, err, pipeline.ErrUnsupported)
	require.Equal(t, 6, report.Applied)
	require.Equal(t, []int{1, 2, 3}, []int{report.Missing, report.Failed, report.NotSent})
	require.Equal(t, "1", get.Val())
	require.Equal(t, "1", last.Val())
	require.ErrorIs(t, none.Err(), redis.Nil)
	require.ErrorContains(t, wrong.Err(), "WRONGTYPE")
	require.Equal(t, "list", report.Failures[0].Key)
	n, err := m.Get("n")
	require.NoError(t, err)
	require.Equal(t, "3", n)

	stop := errors.New("stop")
	_, err = b.Do(ctx, func(p redis.Pipeliner) error { p.Incr(ctx, "n"); return stop })
	require.ErrorIs(t, err, stop)
	_, err = b.Do(ctx, nil)
	require.Error(t, err)
	n, _ = m.Get("n")
	require.Equal(t, "3", n)
}

func TestTransact(t *testing.T) {
	t.Parallel() // the pauses of a conflict that does not end
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{})
	require.NoError(t, m.Set("a", "100"))
	move := func(amount int64) error {
		return b.Transact(ctx, func(tx *pipeline.Tx) error {
			have, err := tx.Read().Get(ctx, "a").Int64()
			if err != nil {
				return err
			}
			if have < amount {
				return errPoor
			}
			tx.Queue().DecrBy(ctx, "a", amount)
			tx.Queue().IncrBy(ctx, "b", amount)
			return nil
		}, "a", "b")
	}
	require.NoError(t, move(70))
	require.ErrorIs(t, move(70), errPoor)
	a, _ := m.Get("a")
	bb, _ := m.Get("b")
	require.Equal(t, []string{"30", "70"}, []string{a, bb})

	// A conflict: the keys change each time.
	runs := 0
	disturb := func(queue bool) error {
		return b.Transact(ctx, func(tx *pipeline.Tx) error {
			runs++
			_ = m.Set("a", strconv.Itoa(runs))
			if queue {
				tx.Queue().Set(ctx, "b", "x", 0)
			}
			return nil
		}, "a")
	}
	require.ErrorIs(t, disturb(true), pipeline.ErrConflict)
	require.Equal(t, 17, runs)
	bb, _ = m.Get("b")
	require.Equal(t, "70", bb)
	once := batcher(t, rdb, pipeline.Options{Retries: -1})
	runs = 0
	require.ErrorIs(t, once.Transact(ctx, func(*pipeline.Tx) error { runs++; _ = m.Set("a", "y"+strconv.Itoa(runs)); return nil }, "a"), pipeline.ErrConflict)
	require.Equal(t, 1, runs)

	// Redis undoes nothing.
	_, err := m.Lpush("list", "x")
	require.NoError(t, err)
	err = b.Transact(ctx, func(tx *pipeline.Tx) error {
		tx.Queue().Incr(ctx, "n")
		tx.Queue().Incr(ctx, "list")
		tx.Queue().Get(ctx, "none")
		return nil
	}, "n")
	list := failures(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "list", list[0].Key)
	require.Equal(t, pipeline.Failed, list[0].Outcome)
	e, _ := errors.AsType[*pipeline.BatchError](err)
	require.Equal(t, []int{1, 1}, []int{e.Report.Applied, e.Report.Missing})
	// A context that ends between two tries.
	ended, cancel := context.WithCancel(ctx)
	err = b.Transact(ended, func(*pipeline.Tx) error {
		cancel()
		return nil
	}, "n")
	require.ErrorIs(t, err, context.Canceled)
}

var errPoor = errors.New("not enough")

func TestTransactRefuses(t *testing.T) {
	rdb, m := mini(t)
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{StrictSlots: true})
	nothing := func(*pipeline.Tx) error { return nil }
	require.ErrorContains(t, b.Transact(ctx, nothing), "no keys")
	require.Error(t, b.Transact(ctx, nothing, ""))
	require.Error(t, b.Transact(ctx, nil, "a"))
	err := b.Transact(ctx, nothing, "a", "b")
	require.ErrorIs(t, err, pipeline.ErrCrossSlot)
	for name, queue := range map[string]func(p redis.Pipeliner){
		"key":    func(p redis.Pipeliner) { p.Set(ctx, "other", 1, 0) },
		"mset":   func(p redis.Pipeliner) { p.MSet(ctx, "a", 1, "other", 2) },
		"script": func(p redis.Pipeliner) { p.Eval(ctx, "return 1", []string{"{a}", "other"}) },
		"union":  func(p redis.Pipeliner) { p.ZUnionStore(ctx, "{a}2", &redis.ZStore{Keys: []string{"{a}", "other"}}) },
		"bitop":  func(p redis.Pipeliner) { p.BitOpAnd(ctx, "{a}2", "other") },
		"rename": func(p redis.Pipeliner) { p.Rename(ctx, "{a}2", "other") },
		"stream": func(p redis.Pipeliner) {
			p.XRead(ctx, &redis.XReadArgs{Streams: []string{"{a}s", "other", "0", "0"}, Block: -1})
		},
	} {
		err := b.Transact(ctx, func(tx *pipeline.Tx) error { queue(tx.Queue()); return nil }, "a")
		require.ErrorIs(t, err, pipeline.ErrCrossSlot, name)
		require.ErrorContains(t, err, `"a"`)
		require.ErrorContains(t, err, `"other"`)
	}
	err = b.Transact(ctx, func(tx *pipeline.Tx) error { tx.Queue().BLPop(ctx, 0, "a"); return nil }, "a")
	require.ErrorIs(t, err, pipeline.ErrUnsupported)
	err = b.Transact(ctx, func(tx *pipeline.Tx) error { tx.Queue().Set(ctx, "a", make(chan int), 0); return nil }, "a")
	require.ErrorContains(t, err, "encoded")
	require.Empty(t, m.Keys())
}

// TestKeysOfCommands: the keys of queued commands are found where each command has them.
func TestKeysOfCommands(t *testing.T) {
	b := batcher(t, redistest.Standalone(t), pipeline.Options{StrictSlots: true})
	ctx := t.Context()
	tag := "{" + fresh(t) + "}"
	try := func(args ...any) error {
		return b.Transact(ctx, func(tx *pipeline.Tx) error {
			return tx.Queue().Process(ctx, redis.NewCmd(ctx, args...))
		}, tag)
	}
	for _, args := range [][]any{
		{"msetex", 2, tag + "a", "other:value", "other", "{other}"},
		{"sort", tag, "by", "nosort", "store", "other"},
		{"georadius", tag, 1, 1, 1, "km", "storedist", "other"},
		{"mset", tag, 1, "other", 1},
		{"zunionstore", tag, 1, "other"},
		{"bitop", "and", tag, "other"},
		{"eval", "return 1", 1, "other", tag},
		{"xread", "count", 1, "streams", tag, "other", 0, 0},
	} {
		err := try(args...)
		require.ErrorIs(t, err, pipeline.ErrCrossSlot, args)
		require.ErrorContains(t, err, `"other"`, args)
	}
	for _, args := range [][]any{
		{"msetex", 1, tag + "a", "other"}, // which this server may not know
		{"sort", tag, "by", "store", "get", "store", "store", tag + "b"},
		{"mset", tag, "other"},
		{"zunionstore", tag + "z", 1, tag + "b"},
		{"eval", "return 1", 1, tag, "other"},
	} {
		require.NotErrorIs(t, try(args...), pipeline.ErrCrossSlot, args)
	}
}

// TestUnsentCommandsSaySo: a command of a Do that was not sent has the reason as its error, and not nil, which would
// look like an answer.
func TestUnsentCommandsSaySo(t *testing.T) {
	r := newRig(t, "client", time.Minute)
	b := batcher(t, r.rdb, pipeline.Options{ChunkSize: 2})
	r.warm(t)
	prefix := fresh(t)
	do := func(ctx context.Context) (cmds []*redis.IntCmd, report pipeline.Report) {
		report, err := b.Do(ctx, func(p redis.Pipeliner) error {
			for i := range 5 {
				cmds = append(cmds, p.Incr(ctx, prefix+strconv.Itoa(i)))
			}
			return nil
		})
		require.Error(t, err)
		return cmds, report
	}
	r.fault(func(p *redistest.Proxy) { p.CutReplyAfter(4) }) // one of the first two is answered
	cmds, report := do(t.Context())
	r.heal()
	require.Equal(t, []int{1, 1, 3}, []int{report.Applied, report.Unknown, report.NotSent})
	require.NoError(t, cmds[0].Err())
	for i, cmd := range cmds[1:] {
		require.Error(t, cmd.Err(), i+1)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	cmds, report = do(ended)
	require.Equal(t, 5, report.NotSent)
	for i, cmd := range cmds {
		require.ErrorIs(t, cmd.Err(), context.Canceled, i)
	}
}
