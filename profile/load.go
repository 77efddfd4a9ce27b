package profile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// start loads what the flights are for, in a goroutine of its own: its callers may leave, the load goes on.
func (s *Store[T]) start(ctx context.Context, all []*flight) {
	go s.run(context.WithoutCancel(ctx), all)
}

// loaded is what a loader gave for one id.
type loaded[T any] struct {
	value T
	err   error
}

func (s *Store[T]) run(ctx context.Context, all []*flight) {
	for _, f := range all {
		f.err = ErrGoexit // until it is known better: hooks and types bring code of their own
	}
	defer func() {
		s.flights.forget(all...)
		for _, f := range all {
			close(f.done)
		}
	}()
	limited, cancel := context.WithTimeout(ctx, s.opts.LoadTimeout)
	defer cancel()
	began := time.Now()
	results := s.call(limited, all)
	took := time.Since(began)
	cost := max(took.Microseconds(), 1)
	s.lastCost.Store(cost)

	now := time.Now()
	var fills []fill
	for _, f := range all {
		id, token := f.key.id, f.key.token
		r := results[id]
		s.opts.Hooks.load(id, took, r.err)
		var e entry
		err := r.err
		switch {
		case err == nil:
			if e, err = s.encode(&r.value, now, cost); err == nil {
				f.hash, f.meta = e.hash(), e.meta
			}
		case errors.Is(err, ErrNotFound):
			if s.opts.NegativeTTL > 0 {
				e = s.absence(now, cost)
			}
		}
		f.err = err
		if token == "" {
			continue
		}
		one := fill{flight: f, key: s.key(id), entry: e}
		if err != nil && !errors.Is(err, ErrNotFound) {
			one.release = true
		}
		fills = append(fills, one)
	}
	for _, f := range all {
		close(f.loaded)
	}
	s.store(ctx, fills, now)
}

// call asks the loaders. One object is asked for with Load, several with LoadMany.
func (s *Store[T]) call(ctx context.Context, all []*flight) map[string]loaded[T] {
	results := make(map[string]loaded[T], len(all))
	switch {
	case s.opts.LoadMany != nil && (len(all) > 1 || s.opts.Load == nil):
		ids := make([]string, len(all))
		for i, f := range all {
			ids[i] = f.key.id
		}
		var found map[string]T
		err := s.guard(func() (err error) {
			got, err := s.opts.LoadMany(ctx, ids)
			found = maps.Clone(got) // the loader may keep it
			return err
		})
		for _, f := range all {
			id := f.key.id
			v, ok := found[id]
			switch {
			case ok:
				results[id] = loaded[T]{value: v}
			case err != nil:
				results[id] = loaded[T]{err: err}
			default:
				results[id] = loaded[T]{err: ErrNotFound}
			}
		}
	case len(all) == 1:
		id := all[0].key.id
		results[id] = s.callOne(ctx, id)
	default:
		const workers = 8
		var mu sync.Mutex
		var wg sync.WaitGroup
		turns := make(chan struct{}, workers)
		for _, f := range all {
			turns <- struct{}{}
			wg.Go(func() {
				defer func() { <-turns }()
				r := s.callOne(ctx, f.key.id)
				mu.Lock()
				defer mu.Unlock()
				results[f.key.id] = r
			})
		}
		wg.Wait()
	}
	return results
}

func (s *Store[T]) callOne(ctx context.Context, id string) (r loaded[T]) {
	r.err = s.guard(func() (err error) {
		r.value, err = s.opts.Load(ctx, id)
		return err
	})
	return r
}

// guard calls a loader in a goroutine of its own, which it may end or break.
func (s *Store[T]) guard(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		err := ErrGoexit
		defer func() {
			if p := recover(); p != nil {
				err = &PanicError{Value: p, Stack: debug.Stack()}
			}
			done <- err
		}()
		err = fn()
	}()
	return <-done
}

// hash is the entry as a reader finds it.
func (e *entry) hash() hash {
	h := make(hash, 0, len(e.pairs)/2)
	for i := 0; i+1 < len(e.pairs); i += 2 {
		name, _ := e.pairs[i].(string)
		text, _ := e.pairs[i+1].(string)
		h = append(h, pair{name, text})
	}
	return h
}

// fill is what a load wants to store under its lease, or the lease that it gives back.
type fill struct {
	flight  *flight
	key     string
	entry   entry
	release bool
}

func (f *fill) args(now time.Time) []any {
	metaText := ""
	if f.entry.meta.kind != 0 {
		metaText = f.entry.meta.String()
	}
	args := make([]any, 0, 4+len(f.entry.pairs))
	args = append(args, f.flight.key.token, strconv.FormatInt(milli(now), 10), strconv.FormatInt(f.entry.expire, 10), metaText)
	return append(args, f.entry.pairs...)
}

func (f *fill) cmd(ctx context.Context, now time.Time) redis.Cmder {
	if f.release {
		return releaseScript.Cmd(ctx, []string{f.key}, f.flight.key.token)
	}
	return fillScript.Cmd(ctx, []string{f.key}, f.args(now)...)
}

// store sends the fills, all in one round trip.
func (s *Store[T]) store(ctx context.Context, fills []fill, now time.Time) {
	var calls batchCalls
	asked := fills[:0:0]
	for _, f := range fills {
		if err := s.allowBatch(ctx, &calls, f.flight.key.id, f.key); err != nil {
			s.notStored(&f, err)
			continue
		}
		asked = append(asked, f)
	}
	if len(asked) == 0 {
		return
	}
	began := time.Now()
	if len(asked) == 1 {
		f := &asked[0]
		reply, err := bounded(ctx, s, asked[0].key, nil, func(ctx context.Context) (any, error) {
			if f.release {
				return releaseScript.Run(ctx, s.rdb, []string{f.key}, f.flight.key.token)
			}
			return fillScript.Run(ctx, s.rdb, []string{f.key}, f.args(now)...)
		})
		s.observe(ctx, f.key, began, err)
		s.settle(f, reply, err)
		return
	}
	defer s.observeBatch(ctx, &calls, began)
	cmds, err := bounded(ctx, s, asked[0].key, nil, func(ctx context.Context) ([]redis.Cmder, error) {
		cmds := make([]redis.Cmder, len(asked))
		for i := range asked {
			cmds[i] = asked[i].cmd(ctx, now)
		}
		once.Exec(ctx, s.rdb, cmds)
		return cmds, nil
	})
	for i := range asked {
		own, reply := err, any(nil)
		if err == nil {
			own = cmds[i].Err()
			if cmd, ok := cmds[i].(*redis.Cmd); ok {
				reply = cmd.Val()
			}
		}
		s.note(&calls, asked[i].key, own)
		s.settle(&asked[i], reply, own)
	}
}

// settle says what became of a fill.
func (s *Store[T]) settle(f *fill, reply any, err error) {
	s.wrote(f.key)
	if err != nil {
		s.notStored(f, err)
		return
	}
	if n, ok := reply.(int64); !f.release && (!ok || n != 1) {
		f.flight.lost = true
		s.opts.Hooks.leaseLost(f.flight.key.id)
	}
}

func (s *Store[T]) notStored(f *fill, err error) {
	op := "fill"
	if f.release {
		op = "release"
	}
	f.flight.lost = true
	s.opts.Hooks.error(op, f.flight.key.id, fmt.Errorf("%s: %w", f.key, s.replied(err)))
}
