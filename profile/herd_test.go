package profile_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/profile"
)

// herd has n callers ask for one cold id, by three Stores as if in three processes, and lets the load end when all have
// missed. It returns the number of loads.
func herd(t *testing.T, e redistest.Env, n int) int64 {
	t.Helper()
	var c counter
	goOn := make(chan struct{})
	var stores [3]*profile.Store[user]
	for i := range stores {
		stores[i] = closed(t, e.Client, profile.Options[user]{
			Namespace: e.Namespace, Hooks: c.hooks(), LoadTimeout: 10 * time.Minute,
			Load: func(context.Context, string) (user, error) {
				<-goOn
				return user{Name: "loaded", Tags: []string{"a"}}, nil
			},
		})
	}
	id := e.ID("cold")
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		wg.Go(func() {
			s := stores[0]
			if n < 1000 {
				s = stores[i%len(stores)]
			}
			var got user
			var err error
			switch i % 4 {
			case 0:
				var many map[string]user
				many, err = s.GetMany(t.Context(), id)
				got = many[id]
			case 1:
				got, err = s.GetFields(t.Context(), id, "name", "tags")
			default:
				got, err = s.Get(t.Context(), id)
			}
			if err == nil && (got.Name != "loaded" || len(got.Tags) != 1 || got.Tags[0] != "a") {
				err = fmt.Errorf("got %v", got)
			}
			if err == nil {
				got.Tags[0] = "mine" // nobody else minds
			}
			errs <- err
		})
	}
	redistest.Poll(t, "all have missed", func() bool { return c.misses.Load() == int64(n) })
	close(goOn)
	wg.Wait()
	for range n {
		require.NoError(t, <-errs)
	}
	for _, s := range stores {
		redistest.Poll(t, "all loads end", func() bool { return s.Flights() == 0 })
	}
	return c.loads.Load()
}

// TestHerd: one load for a cold id, across goroutines, Get, GetFields, GetMany, and Stores that know nothing of each other.
func TestHerd(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		n := 60
		if !e.Real() {
			n = 12
		}
		assert.EqualValues(t, 1, herd(t, e, n))
	})
}

// TestTenThousand: ten thousand callers, one load, no goroutine left.
func TestTenThousand(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindStandalone}, func(t *testing.T, e redistest.Env) {
		before := runtime.NumGoroutine()
		assert.EqualValues(t, 1, herd(t, e, 10_000))
		redistest.Poll(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	})
}

// TestTwoProcesses: another process is loading; this one waits for it, and calls no loader.
func TestTwoProcesses(t *testing.T) {
	server := redistest.StandaloneServer(t)
	rdb := redistest.Standalone(t)
	var c counter
	space := "TestTwoProcesses-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	s := closed(t, rdb, profile.Options[user]{
		Namespace: space, Hooks: c.hooks(), LoadTimeout: time.Minute,
		Load: func(context.Context, string) (user, error) { return user{Name: "parent"}, nil },
	})
	p := startChild(t, server.Socket(), space, time.Minute)
	require.Equal(t, "loading\n", p.line(t))
	done := make(chan error, 2)
	go func() {
		got, err := s.Get(t.Context(), "id")
		if err == nil && got.Name != "child" {
			err = fmt.Errorf("got %q", got.Name)
		}
		done <- err
	}()
	go func() {
		got, err := s.GetMany(t.Context(), "id", "other")
		if err == nil && (got["id"].Name != "child" || got["other"].Name != "parent") {
			err = fmt.Errorf("got %v", got)
		}
		done <- err
	}()
	redistest.Poll(t, "both wait", func() bool { return c.misses.Load() == 3 })
	p.tell(t)
	require.Equal(t, "got child <nil>\n", p.line(t))
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	assert.EqualValues(t, 1, c.loads.Load(), "only the other id was loaded here")
}

// TestHolderKilled: the process that holds the lease is killed. Its lease runs out, and exactly one of those who wait loads.
func TestHolderKilled(t *testing.T) {
	server := redistest.StandaloneServer(t)
	rdb := redistest.Standalone(t)
	var c counter
	space := "TestHolderKilled-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	s := closed(t, rdb, profile.Options[user]{
		Namespace: space, Hooks: c.hooks(), LoadTimeout: time.Minute,
		Load: func(context.Context, string) (user, error) { return user{Name: "parent"}, nil },
	})
	p := startChild(t, server.Socket(), space, time.Second) // a lease of two seconds
	require.Equal(t, "loading\n", p.line(t))
	require.NoError(t, p.cmd.Process.Kill())
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			got, err := s.Get(t.Context(), "id")
			assert.NoError(t, err)
			assert.Equal(t, "parent", got.Name)
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, c.loads.Load())
}

// TestCancelledCallers: a caller who leaves, the first one too, leaves at once, and the load goes on for the others.
func TestCancelledCallers(t *testing.T) {
	rdb := lardertest.New(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	type key struct{}
	var c counter
	s := closed(t, rdb, profile.Options[user]{
		Hooks: c.hooks(), LoadTimeout: time.Minute,
		Load: func(ctx context.Context, _ string) (user, error) {
			close(began)
			<-goOn
			if ctx.Err() != nil || ctx.Value(key{}) != "kept" {
				return user{}, errors.New("the context of the load is its caller's")
			}
			return user{Name: "loaded"}, nil
		},
	})
	leader, leave := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	left := make(chan error, 1)
	go func() {
		_, err := s.Get(leader, "x")
		left <- err
	}()
	<-began
	waiter, leaveToo := context.WithCancel(t.Context())
	leftToo := make(chan error, 1)
	go func() {
		_, err := s.GetMany(waiter, "x")
		leftToo <- err
	}()
	stays := make(chan error, 1)
	go func() {
		got, err := s.Get(t.Context(), "x")
		if err == nil && got.Name != "loaded" {
			err = fmt.Errorf("got %v", got)
		}
		stays <- err
	}()
	redistest.Poll(t, "all have missed", func() bool { return c.misses.Load() == 3 })
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	leaveToo()
	require.ErrorIs(t, <-leftToo, context.Canceled)
	close(goOn)
	require.NoError(t, <-stays)
	assert.EqualValues(t, 1, c.loads.Load())
}

// TestAllCallersLeave: the load goes on without them, and is stored.
func TestAllCallersLeave(t *testing.T) {
	rdb := lardertest.New(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	s := closed(t, rdb, profile.Options[user]{
		LoadTimeout: time.Minute,
		Load: func(context.Context, string) (user, error) {
			close(began)
			<-goOn
			return user{Name: "loaded"}, nil
		},
	})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := s.Get(ctx, "x")
		left <- err
	}()
	<-began
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	close(goOn)
	redistest.Poll(t, "the load ends", func() bool { return s.Flights() == 0 })
	got, err := s.Peek(t.Context(), "x")
	require.NoError(t, err)
	assert.Equal(t, "loaded", got.Name)
}

// TestLoaderDies: a panic, an error and the end of its goroutine reach all who wait, and the lease is given back at once.
func TestLoaderDies(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		die   func() error
		check func(t *testing.T, err error)
	}{
		"error": {func() error { return broken }, func(t *testing.T, err error) { t.Helper(); assert.ErrorIs(t, err, broken) }},
		"panic": {func() error { panic(broken) }, func(t *testing.T, err error) {
			t.Helper()
			p, ok := errors.AsType[*profile.PanicError](err)
			require.True(t, ok)
			assert.ErrorIs(t, err, broken)
			assert.Contains(t, string(p.Stack), "herd_test.go")
			assert.NotContains(t, err.Error(), "herd_test.go")
		}},
		"goexit": {func() error { runtime.Goexit(); return nil }, func(t *testing.T, err error) { t.Helper(); assert.ErrorIs(t, err, profile.ErrGoexit) }},
	} {
		for _, many := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/many=%v", name, many), func(t *testing.T) {
				rdb := lardertest.New(t)
				var count counter
				var dies atomic.Bool
				dies.Store(true)
				goOn := make(chan struct{})
				opts := profile.Options[user]{Hooks: count.hooks(), LoadTimeout: time.Minute}
				if many {
					opts.LoadMany = func(context.Context, []string) (map[string]user, error) {
						<-goOn
						if dies.Load() {
							return nil, c.die()
						}
						return map[string]user{"x": {}, "y": {}}, nil
					}
				} else {
					opts.Load = func(context.Context, string) (user, error) {
						<-goOn
						if dies.Load() {
							return user{}, c.die()
						}
						return user{}, nil
					}
				}
				s := closed(t, rdb, opts)
				errs := make(chan error, 4)
				for range 2 {
					go func() {
						_, err := s.Get(t.Context(), "x")
						errs <- err
					}()
					go func() {
						_, err := s.GetMany(t.Context(), "x", "y")
						errs <- err
					}()
				}
				redistest.Poll(t, "all have missed", func() bool { return count.misses.Load() == 6 })
				close(goOn)
				for range 4 {
					c.check(t, <-errs)
				}
				redistest.Poll(t, "the loads end", func() bool { return s.Flights() == 0 })
				n, err := rdb.Exists(t.Context(), s.Key("x"), s.Key("y")).Result()
				require.NoError(t, err)
				assert.Zero(t, n, "the leases are given back")
				dies.Store(false)
				_, err = s.Get(t.Context(), "x")
				require.NoError(t, err)
			})
		}
	}
}

// TestManyAndOneLoad: GetMany makes one call for all misses, joins what is being loaded, and without LoadMany calls Load.
func TestManyAndOneLoad(t *testing.T) {
	ctx := t.Context()
	t.Run("one call", func(t *testing.T) {
		var calls [][]string
		s := closed(t, redistest.Standalone(t), profile.Options[user]{
			Namespace: "TestManyAndOneLoad-" + strconv.FormatInt(time.Now().UnixNano(), 36),
			LoadMany: func(_ context.Context, ids []string) (map[string]user, error) {
				calls = append(calls, append([]string(nil), ids...))
				found := map[string]user{}
				for _, id := range ids {
					if id[0] != 'n' {
						found[id] = user{Name: id}
					}
				}
				return found, nil
			},
		})
		var ids []string
		for i := range 1200 { // more than one pipeline
			ids = append(ids, fmt.Sprint("id", i), fmt.Sprint("none", i))
		}
		for range 2 {
			got, err := s.GetMany(ctx, ids...)
			require.NoError(t, err)
			assert.Len(t, got, len(ids)/2)
		}
		require.Len(t, calls, 1)
		assert.Len(t, calls[0], len(ids))
		got, err := s.Get(ctx, "single")
		require.NoError(t, err)
		assert.Equal(t, "single", got.Name)
		assert.Equal(t, []string{"single"}, calls[1], "LoadMany stands in for Load")
	})
	t.Run("each", func(t *testing.T) {
		broken := errors.New("broken")
		s := closed(t, lardertest.New(t), profile.Options[user]{
			Load: func(_ context.Context, id string) (user, error) {
				switch id {
				case "none":
					return user{}, profile.ErrNotFound
				case "bad":
					return user{}, broken
				case "panics":
					panic("oh")
				}
				return user{Name: id}, nil
			},
		})
		got, err := s.GetMany(ctx, "a", "none", "bad", "panics", "b", "a")
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, `"bad"`)
		require.ErrorContains(t, err, `"panics"`)
		many, ok := errors.AsType[*profile.ManyError](err)
		require.True(t, ok)
		assert.Len(t, many.Errs, 2)
		assert.Equal(t, map[string]user{"a": {Name: "a"}, "b": {Name: "b"}}, got)
	})
	t.Run("some", func(t *testing.T) {
		broken := errors.New("broken")
		s := closed(t, lardertest.New(t), profile.Options[user]{
			LoadMany: func(context.Context, []string) (map[string]user, error) {
				return map[string]user{"a": {Name: "a"}}, broken
			},
		})
		got, err := s.GetMany(ctx, "a", "b")
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, `"b"`)
		assert.Equal(t, map[string]user{"a": {Name: "a"}}, got)
	})
	t.Run("shared", func(t *testing.T) {
		var c counter
		began, goOn := make(chan struct{}), make(chan struct{})
		s := closed(t, lardertest.New(t), profile.Options[user]{
			Hooks: c.hooks(), LoadTimeout: time.Minute,
			Load: func(_ context.Context, id string) (user, error) {
				if id == "x" {
					close(began)
					<-goOn
				}
				return user{Name: id}, nil
			},
		})
		done := make(chan error, 2)
		go func() {
			_, err := s.Get(ctx, "x")
			done <- err
		}()
		<-began
		go func() {
			got, err := s.GetMany(ctx, "x", "y")
			if err == nil && len(got) != 2 {
				err = fmt.Errorf("got %v", got)
			}
			done <- err
		}()
		redistest.Poll(t, "both have missed", func() bool { return c.misses.Load() == 3 })
		close(goOn)
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		assert.EqualValues(t, 2, c.loads.Load())
	})
}

// TestLoadedCannotBeStored: what the codec refuses is a typed error, the lease is given back, nothing is overwritten.
func TestLoadedCannotBeStored(t *testing.T) {
	type node struct{ Next *node }
	type ring struct{ Node *node }
	endless := &node{}
	endless.Next = endless
	rdb := lardertest.New(t)
	s := closed(t, rdb, profile.Options[ring]{Load: func(context.Context, string) (ring, error) { return ring{endless}, nil }})
	_, err := s.Get(t.Context(), "x")
	require.ErrorContains(t, err, `field "node"`)
	require.Error(t, s.Set(t.Context(), "x", ring{endless}))
	err = s.SetMany(t.Context(), map[string]ring{"x": {endless}, "y": {}})
	require.ErrorContains(t, err, `"x"`)
	n, err := rdb.Exists(t.Context(), s.Key("x")).Result()
	require.NoError(t, err)
	assert.Zero(t, n)
	_, err = s.Peek(t.Context(), "y")
	require.NoError(t, err)
}
