package profile_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/profile"
)

// object is one of the model database, on which one round is played. Its writers write one after the other; each commits,
// tells the cache, and then counts as acknowledged.
type object struct {
	turn    sync.Mutex
	n       atomic.Int64 // what the database holds
	acked   atomic.Int64 // of which the cache was told
	loads   atomic.Int64
	read    chan struct{} // closed when the first load has read the database
	written chan struct{} // closed when all writes are acknowledged
}

type soak struct{ objects sync.Map }

// load reads the database. Chance is not relied on: the first load of each object holds what it read until every write is
// acknowledged, and every third one after that until one more is.
func (s *soak) load(_ context.Context, id string) (row, error) {
	found, ok := s.objects.Load(id)
	if !ok {
		return row{}, errors.New("no such object")
	}
	o, ok := found.(*object)
	if !ok {
		return row{}, errors.New("no object")
	}
	acked := o.acked.Load()
	n := o.n.Load()
	switch k := o.loads.Add(1); {
	case k == 1:
		close(o.read)
		<-o.written
	case k%3 == 0:
		for o.acked.Load() == acked {
			select {
			case <-o.written:
				return row{N: n}, nil
			case <-time.After(time.Millisecond):
			}
		}
	}
	return row{N: n}, nil
}

// cacher is what the soak needs of a cache.
type cacher interface {
	Get(ctx context.Context, id string) (row, error)
	Peek(ctx context.Context, id string) (row, error)
}

// round plays one object through: fillers read it all the time, writers change it, invalidators forget it. It says whether
// anybody got a value older than what was acknowledged before it asked, and whether such a value is left in the cache.
func (s *soak) round(ctx context.Context, id string, fillers []cacher, writers []func(ctx context.Context, id string, n int64) error, invalidate func(ctx context.Context, id string) error) (stale bool, err error) {
	o := &object{read: make(chan struct{}), written: make(chan struct{})}
	o.n.Store(1)
	o.acked.Store(1)
	s.objects.Store(id, o)
	defer s.objects.Delete(id)
	var (
		wg, writing sync.WaitGroup
		old         atomic.Bool
		mu          sync.Mutex
		errs        []error
	)
	note := func(err error) {
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		}
	}
	for _, c := range fillers {
		wg.Go(func() {
			for range 4 {
				acked := o.acked.Load()
				r, err := c.Get(ctx, id)
				note(err)
				if err == nil && r.N < acked {
					old.Store(true)
				}
			}
		})
	}
	for _, write := range writers {
		writing.Go(func() {
			<-o.read
			for range 2 {
				o.turn.Lock()
				n := o.n.Add(1)
				note(write(ctx, id, n))
				o.acked.Store(n)
				o.turn.Unlock()
			}
		})
	}
	writing.Go(func() {
		<-o.read
		for range 2 {
			note(invalidate(ctx, id))
		}
	})
	writing.Wait()
	close(o.written)
	wg.Wait()
	r, err := fillers[0].Peek(ctx, id)
	if err == nil && r.N != o.n.Load() {
		old.Store(true)
	}
	if err != nil && !errors.Is(err, profile.ErrNotCached) {
		note(err)
	}
	return old.Load(), errors.Join(errs...)
}

// play plays rounds, several at a time, and counts the stale ones.
func play(t *testing.T, rounds int, round func(i int) (bool, error)) int {
	t.Helper()
	const players = 8
	var next, stale atomic.Int64
	errs := make(chan error, players)
	for range players {
		go func() {
			for {
				i := next.Add(1)
				if i > int64(rounds) {
					errs <- nil
					return
				}
				old, err := round(int(i))
				if err != nil {
					errs <- fmt.Errorf("round %d: %w", i, err)
					return
				}
				if old {
					stale.Add(1)
				}
			}
		}()
	}
	for range players {
		require.NoError(t, <-errs)
	}
	return int(stale.Load())
}

// TestSoak: fillers, updaters and invalidators against a model database, with two Stores as if in two processes. Nobody ever
// gets, and nothing ever keeps, what is older than an acknowledged write.
func TestSoak(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		rounds := 25
		switch e.Kind {
		case redistest.KindStandalone, redistest.KindCluster:
			rounds = 500
		case redistest.KindMiniredis:
			rounds = 5
		}
		var s soak
		var c counter
		opts := profile.Options[row]{Namespace: e.Namespace, Load: s.load, LoadTimeout: time.Minute, Hooks: c.hooks()}
		one := closed(t, e.Client, opts)
		opts.RefreshAhead = 1e300 // every hit loads anew: fills race with writes all the time
		two := closed(t, e.Client, opts)
		var writers []func(ctx context.Context, id string, n int64) error
		for i, name := range []string{"set", "update", "", "", "invalidate"} {
			store := []*profile.Store[row]{one, two}[i%2]
			writers = append(writers, func(ctx context.Context, id string, n int64) error { return writes[name](ctx, store, id, n) })
		}
		// It has no loader: a Modify that waited for a load that waits for all writers would wait for ever.
		three := closed(t, e.Client, profile.Options[row]{Namespace: e.Namespace})
		writers[3] = func(ctx context.Context, id string, n int64) error {
			_, err := three.Modify(ctx, id, func(r *row) error { r.N = n; return nil })
			if errors.Is(err, profile.ErrNotCached) || errors.Is(err, profile.ErrConflict) {
				return three.Invalidate(ctx, id)
			}
			return err
		}
		// Increment of what the database counts as well would count twice what a load sees between the commit and the
		// Increment, whatever the cache does. It adds to a field of the cache's own, and destroys leases all the same.
		writers[2] = func(ctx context.Context, id string, n int64) error {
			if err := writes["update"](ctx, one, id, n); err != nil {
				return err
			}
			_, err := one.Increment(ctx, id, "bumps", 1)
			if errors.Is(err, profile.ErrNotCached) {
				return nil
			}
			return err
		}
		stale := play(t, rounds, func(i int) (bool, error) {
			return s.round(t.Context(), e.ID(fmt.Sprint("object", i)), []cacher{one, two, one, two}, writers,
				func(ctx context.Context, id string) error { return two.Invalidate(ctx, id) })
		})
		redistest.Poll(t, "all loads end", func() bool { return one.Flights()+two.Flights() == 0 })
		assert.Zero(t, stale)
		assert.Positive(t, c.lost.Load(), "loads were overtaken")
		assert.Positive(t, c.hits.Load(), "and others stored")
		t.Logf("%d rounds: 0 stale, %d loads, %d of them overtaken, %d hits", rounds, c.loads.Load(), c.lost.Load(), c.hits.Load())
	})
}

// TestSoakSeesTheFault: the plain pattern fails the same soak, in every round: the first load ends behind all writes.
func TestSoakSeesTheFault(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindStandalone, redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		const rounds = 50
		var s soak
		p := &plain{rdb: e.Client, key: func(id string) string { return e.Namespace + ":plain:{" + id + "}" }, load: s.load}
		invalidate := func(ctx context.Context, id string) error { return p.Invalidate(ctx, id) }
		writers := []func(ctx context.Context, id string, n int64) error{
			func(ctx context.Context, id string, _ int64) error { return p.Invalidate(ctx, id) },
		}
		stale := play(t, rounds, func(i int) (bool, error) {
			return s.round(t.Context(), fmt.Sprint("object", i), []cacher{p}, writers, invalidate)
		})
		assert.Equal(t, rounds, stale)
		t.Logf("%d of %d rounds are stale", stale, rounds)
	})
}
