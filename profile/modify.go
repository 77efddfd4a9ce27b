package profile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/larder-go/larder/internal/once"
)

// modifyTries is how often Modify begins anew before it gives up.
const modifyTries = 32

// modifyLoads is how often it loads an object that others invalidate.
const modifyLoads = 3

// Modify reads the object, lets fn change it, and stores it if nobody else has written in between, else begins anew: fn may
// run several times, each time on a value of its own, and must not have other effects. It returns what was stored. The time
// to live stays. An object that is not cached is loaded first; without a loader it is [ErrNotCached], and an absent
// one is [ErrNotFound]. An error of fn is returned as it is wrapped, and nothing is changed. Too many others at work are
// [ErrConflict].
//
// It changes the cache only. Whoever is loading the object will not store what it loads. Two round trips, and those of a
// load; two more, after a pause, for each time that others were faster.
func (s *Store[T]) Modify(ctx context.Context, id string, fn func(*T) error) (T, error) {
	v, err := s.modify(ctx, id, fn)
	if err != nil {
		var zero T
		return zero, wrap("modify", id, err)
	}
	return v, nil
}

func (s *Store[T]) modify(ctx context.Context, id string, fn func(*T) error) (T, error) {
	var zero T
	if err := check(ctx, id); err != nil {
		return zero, err
	}
	if fn == nil {
		return zero, errors.New("the function is nil")
	}
	loads := 0
	pause := time.Millisecond
	for range modifyTries {
		h, m, err := s.current(ctx, id, &loads)
		if err != nil {
			return zero, err
		}
		v, err := s.decode(h, m, nil)
		if err != nil {
			return zero, err
		}
		if err := fn(&v); err != nil {
			return zero, err
		}
		pairs, nils, err := s.encodeFields(&v)
		if err != nil {
			return zero, err
		}
		if err := ctx.Err(); err != nil {
			return zero, err
		}
		outcome, err := s.change(ctx, id, m.version, pairs, nils)
		if err != nil {
			return zero, err
		}
		switch outcome {
		case "done":
			return v, nil
		case "absent":
			return zero, ErrNotFound
		}
		if err := once.Sleep(ctx, rand.N(pause)); err != nil { //nolint:gosec // no secret: it keeps the writers apart
			return zero, err
		}
		pause = min(2*pause, 32*time.Millisecond)
	}
	return zero, ErrConflict
}

// current returns what is cached, loading it first if need be.
func (s *Store[T]) current(ctx context.Context, id string, loads *int) (hash, meta, error) {
	key := s.key(id)
	waits := newWaits()
	for {
		h, err := s.read(ctx, id, key, nil, false)
		if err != nil {
			return nil, meta{}, err
		}
		j := s.judge(h)
		if done, h, m, err := s.usable(id, &j); done {
			return h, m, err
		}
		switch {
		case !s.loads && j.err != nil:
			return nil, meta{}, fmt.Errorf("%w: %w", ErrNotCached, j.err)
		case !s.loads:
			return nil, meta{}, ErrNotCached
		case *loads == modifyLoads:
			return nil, meta{}, fmt.Errorf("%w: what was loaded was not there any more, %d times", ErrConflict, modifyLoads)
		}
		f, standing, err := s.join(ctx, id, key, &j, &waits)
		switch {
		case err != nil:
			return nil, meta{}, err
		case standing == changed:
			if done, h, m, err := s.usable(id, &j); done {
				return h, m, err
			}
		case standing == waiting:
			if err := s.awaitHolder(ctx, key, &j, &waits); err != nil {
				return nil, meta{}, err
			}
		default:
			if err := f.wait(ctx); err != nil {
				return nil, meta{}, err
			}
			if f.void {
				continue
			}
			*loads++
			if f.err != nil {
				return nil, meta{}, f.err
			}
			if !f.lost { // otherwise others may have written it, so it is looked for once more
				return f.hash, f.meta, nil
			}
		}
	}
}

// usable says whether a hash can be modified, or that there is none to modify.
func (s *Store[T]) usable(id string, j *judged[T]) (done bool, h hash, m meta, err error) {
	switch j.verdict {
	case value:
		if _, err := s.decode(j.hash, j.meta, nil); err != nil {
			j.verdict, j.err = corrupt, err
			s.opts.Hooks.error("decode", id, err)
			return false, nil, meta{}, nil
		}
		return true, j.hash, j.meta, nil
	case absent:
		return true, nil, meta{}, ErrNotFound
	}
	return false, nil, meta{}, nil
}
