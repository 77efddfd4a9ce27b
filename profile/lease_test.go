package profile_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/profile"
)

// row is what the model database holds: n grows with each write.
type row struct {
	N     int64
	Bumps int64
	Note  *string
}

// writes are the ways to tell the cache that an object has become n, of which the one before was n-1.
var writes = map[string]func(ctx context.Context, s *profile.Store[row], id string, n int64) error{
	"invalidate": func(ctx context.Context, s *profile.Store[row], id string, _ int64) error {
		return s.Invalidate(ctx, id)
	},
	"invalidate two": func(ctx context.Context, s *profile.Store[row], id string, _ int64) error {
		return s.Invalidate(ctx, id, id)
	},
	"set": func(ctx context.Context, s *profile.Store[row], id string, n int64) error {
		return s.Set(ctx, id, row{N: n})
	},
	"set many": func(ctx context.Context, s *profile.Store[row], id string, n int64) error {
		return s.SetMany(ctx, map[string]row{id: {N: n}})
	},
	"update": func(ctx context.Context, s *profile.Store[row], id string, n int64) error {
		_, err := s.Update(ctx, id, map[string]any{"n": n})
		return err
	},
	"increment": func(ctx context.Context, s *profile.Store[row], id string, _ int64) error {
		_, err := s.Increment(ctx, id, "n", 1)
		if errors.Is(err, profile.ErrNotCached) {
			return nil
		}
		return err
	},
	"modify": func(ctx context.Context, s *profile.Store[row], id string, n int64) error {
		// Where nothing is cached, Modify has nothing to change, and the load that is under way is not its own.
		switch _, err := s.Peek(ctx, id); {
		case errors.Is(err, profile.ErrNotCached):
			return s.Invalidate(ctx, id)
		case err != nil:
			return err
		}
		_, err := s.Modify(ctx, id, func(r *row) error { r.N = n; return nil })
		return err
	},
}

// TestFillsNeverOutliveWrites: a load begins, the object changes, the load ends: whatever the write was, what was loaded is
// not stored, where nothing was cached, where a value is refreshed, and where one that expired is replaced.
func TestFillsNeverOutliveWrites(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		for name, write := range writes {
			for _, before := range []string{"nothing", "refreshed", "expired", "many"} {
				t.Run(name+"/"+before, func(t *testing.T) {
					ctx := t.Context()
					id := e.ID(name + before)
					began, goOn := make(chan struct{}), make(chan struct{})
					var c counter
					opts := profile.Options[row]{
						Namespace: e.Namespace, Hooks: c.hooks(), LoadTimeout: time.Minute,
						Load: func(context.Context, string) (row, error) {
							close(began)
							<-goOn
							return row{N: 1}, nil
						},
					}
					switch before {
					case "refreshed":
						opts.RefreshAhead = 1e300 // always
					case "expired":
						opts.StaleOnError = time.Hour
					}
					reader := closed(t, e.Client, opts)
					writer := newStore(t, e.Client, profile.Options[row]{Namespace: e.Namespace}) // as if of another process
					switch before {
					case "refreshed":
						require.NoError(t, reader.Set(ctx, id, row{N: 1}))
					case "expired":
						require.NoError(t, e.Client.HSet(ctx, reader.Key(id), "n", "1", "bumps", "0", "@meta", "1 v 0 t0 1 2 3 note").Err())
						require.NoError(t, e.Client.PExpire(ctx, reader.Key(id), time.Hour).Err())
					}
					done := make(chan error, 1)
					go func() {
						var err error
						if before == "many" {
							_, err = reader.GetMany(ctx, id)
						} else {
							_, err = reader.Get(ctx, id)
						}
						done <- err
					}()
					<-began
					require.NoError(t, write(ctx, writer, id, 2))
					close(goOn)
					require.NoError(t, <-done)
					redistest.Poll(t, "the load ends", func() bool { return reader.Flights() == 0 })
					assert.EqualValues(t, 1, c.lost.Load())
					got, err := writer.Peek(ctx, id)
					if errors.Is(err, profile.ErrNotCached) {
						return
					}
					require.NoError(t, err)
					assert.EqualValues(t, 2, got.N)
				})
			}
		}
	})
}

// TestGetAfterWriteJoinsNothingOld: a Get that begins after an Invalidate waits for no load that began before it.
func TestGetAfterWriteJoinsNothingOld(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		var database, loads atomic.Int64
		database.Store(1)
		began, goOn := make(chan struct{}), make(chan struct{})
		s := closed(t, e.Client, profile.Options[row]{
			Namespace: e.Namespace, LoadTimeout: time.Minute,
			Load: func(context.Context, string) (row, error) {
				n := database.Load()
				if loads.Add(1) == 1 {
					close(began)
					<-goOn
				}
				return row{N: n}, nil
			},
		})
		id := e.ID("x")
		old := make(chan error, 1)
		go func() {
			_, err := s.Get(ctx, id)
			old <- err
		}()
		<-began
		database.Store(2)
		require.NoError(t, s.Invalidate(ctx, id))
		got, err := s.Get(ctx, id)
		require.NoError(t, err)
		assert.EqualValues(t, 2, got.N)
		close(goOn)
		require.NoError(t, <-old)
		many, err := s.GetMany(ctx, id)
		require.NoError(t, err)
		assert.EqualValues(t, 2, many[id].N)
		assert.EqualValues(t, 2, loads.Load())
	})
}

// tokens records the lease scripts that a client sends.
type tokens struct {
	mu   sync.Mutex
	sent [][]any
}

func (k *tokens) DialHook(next redis.DialHook) redis.DialHook { return next }

func (k *tokens) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		k.note(cmd)
		return next(ctx, cmd)
	}
}

func (k *tokens) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			k.note(cmd)
		}
		return next(ctx, cmds)
	}
}

func (k *tokens) note(cmd redis.Cmder) {
	args := cmd.Args()
	// Of all scripts, the one that takes leases alone has seven arguments behind one key.
	if len(args) == 11 && (args[0] == "evalsha" || args[0] == "eval") {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.sent = append(k.sent, append([]any(nil), args...))
	}
}

// TestLateCopyOfALease: the answer of the script that takes a lease is lost, and a copy of it comes late, behind an
// Invalidate. Nothing is loaded under a token whose fate is not known, so what was loaded before the Invalidate is not stored.
func TestLateCopyOfALease(t *testing.T) {
	for _, many := range []bool{false, true} {
		t.Run(fmt.Sprintf("many=%v", many), func(t *testing.T) {
			rdb := lardertest.New(t)
			ctx := t.Context()
			var k tokens
			began, goOn := make(chan struct{}), make(chan struct{})
			var loads atomic.Int64
			s := closed(t, rdb, profile.Options[row]{
				LoadTimeout: time.Minute,
				Load: func(_ context.Context, id string) (row, error) {
					if id != "warm" && loads.Add(1) == 1 {
						close(began)
						<-goOn
					}
					return row{N: 1}, nil
				},
			})
			_, err := s.Get(ctx, "warm") // so that the scripts are known
			require.NoError(t, err)
			rdb.AddHook(&k)
			require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"evalsha"}, Lost: true, Times: 1}))
			done := make(chan error, 1)
			go func() {
				var err error
				if many {
					_, err = s.GetMany(ctx, "x", "y")
				} else {
					_, err = s.Get(ctx, "x")
				}
				done <- err
			}()
			<-began
			k.mu.Lock()
			first := k.sent[0]
			distinct := map[any]int{}
			for _, args := range k.sent {
				distinct[args[4]]++
			}
			k.mu.Unlock()
			for token, times := range distinct {
				assert.Equalf(t, 1, times, "the token %v was sent again", token)
			}
			require.NoError(t, s.Invalidate(ctx, "x", "y"))
			require.NoError(t, rdb.Do(ctx, first...).Err(), "the late copy")
			close(goOn)
			require.NoError(t, <-done)
			if !many {
				_, err = s.Peek(ctx, "x")
				require.ErrorIs(t, err, profile.ErrNotCached)
			}
			left, err := rdb.HExists(ctx, s.Key("x"), "n").Result()
			require.NoError(t, err)
			require.False(t, left)
		})
	}
}

// TestLostFill: a fill whose answer is lost is not sent again, and its caller gets the value.
func TestLostFill(t *testing.T) {
	rdb := lardertest.New(t)
	ctx := t.Context()
	var c counter
	s := closed(t, rdb, profile.Options[row]{Hooks: c.hooks(), Load: func(context.Context, string) (row, error) { return row{N: 1}, nil }})
	_, err := s.Get(ctx, "warm")
	require.NoError(t, err)
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"evalsha"}, Skip: 1, Lost: true, Times: 1}))
	got, err := s.Get(ctx, "x")
	require.NoError(t, err)
	assert.EqualValues(t, 1, got.N)
	assert.Len(t, c.errors("fill"), 1)
	got, err = s.Peek(ctx, "x")
	require.NoError(t, err, "it was applied")
	assert.EqualValues(t, 1, got.N)
}

// TestUnknownOutcome: a write without an answer is sent once, and says so.
func TestUnknownOutcome(t *testing.T) {
	rdb := lardertest.New(t)
	ctx := t.Context()
	s := newStore(t, rdb, profile.Options[row]{})
	for range 2 { // the first time warms the scripts up
		require.NoError(t, s.Set(ctx, "x", row{N: 1}))
		_, err := s.Increment(ctx, "x", "n", 1)
		require.NoError(t, err)
		_, err = s.Update(ctx, "x", map[string]any{"n": 5})
		require.NoError(t, err)
	}
	lose := lardertest.Fault{Commands: []string{"evalsha"}, Lost: true, Times: 1}
	require.NoError(t, lardertest.SetFaults(rdb, lose))
	_, err := s.Increment(ctx, "x", "n", 1)
	require.ErrorIs(t, err, profile.ErrOutcomeUnknown)
	got, err := s.Get(ctx, "x")
	require.NoError(t, err)
	assert.EqualValues(t, 6, got.N, "once")
	require.NoError(t, lardertest.SetFaults(rdb, lose))
	require.ErrorIs(t, s.Set(ctx, "x", row{N: 9}), profile.ErrOutcomeUnknown)
	require.NoError(t, lardertest.SetFaults(rdb, lose))
	_, err = s.Update(ctx, "x", map[string]any{"n": 9})
	require.ErrorIs(t, err, profile.ErrOutcomeUnknown)
	require.NoError(t, lardertest.SetFaults(rdb, lose))
	_, err = s.Modify(ctx, "x", func(*row) error { return nil })
	require.ErrorIs(t, err, profile.ErrOutcomeUnknown)
	require.NoError(t, lardertest.SetFaults(rdb, lose))
	require.ErrorIs(t, s.SetMany(ctx, map[string]row{"x": {}, "y": {}}), profile.ErrOutcomeUnknown)
	require.NoError(t, lardertest.SetFaults(rdb, lose))
	require.NoError(t, s.Invalidate(ctx, "x"), "which is safe to repeat")
	require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"evalsha"}, Lost: true, Times: 1}))
	require.NoError(t, s.Invalidate(ctx, "x", "y"))
}

// plain is the pattern that this package is there to replace: read, and on a miss load and store.
type plain struct {
	rdb  redis.UniversalClient
	key  func(id string) string
	load func(ctx context.Context, id string) (row, error)
}

func (p *plain) Get(ctx context.Context, id string) (row, error) {
	if r, err := p.Peek(ctx, id); !errors.Is(err, profile.ErrNotCached) {
		return r, err
	}
	r, err := p.load(ctx, id)
	if err != nil {
		return row{}, err
	}
	return r, p.Set(ctx, id, r)
}

func (p *plain) Peek(ctx context.Context, id string) (row, error) {
	n, err := p.rdb.HGet(ctx, p.key(id), "n").Int64()
	if errors.Is(err, redis.Nil) {
		return row{}, profile.ErrNotCached
	}
	return row{N: n}, err
}

func (p *plain) Set(ctx context.Context, id string, r row) error {
	_, err := p.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.HSet(ctx, p.key(id), "n", r.N)
		pipe.Expire(ctx, p.key(id), time.Hour)
		return nil
	})
	return err
}

func (p *plain) Invalidate(ctx context.Context, ids ...string) error {
	return p.rdb.Del(ctx, p.key(ids[0])).Err()
}

// TestPlainPatternIsStale: with the same interleaving as in TestFillsNeverOutliveWrites, the plain pattern stores the old
// value behind the Invalidate, so that test can see the fault.
func TestPlainPatternIsStale(t *testing.T) {
	rdb := lardertest.New(t)
	ctx := t.Context()
	began, goOn := make(chan struct{}), make(chan struct{})
	p := &plain{rdb: rdb, key: func(id string) string { return "plain:" + id }, load: func(context.Context, string) (row, error) {
		close(began)
		<-goOn
		return row{N: 1}, nil
	}}
	done := make(chan error, 1)
	go func() {
		_, err := p.Get(ctx, "x")
		done <- err
	}()
	<-began
	require.NoError(t, p.Invalidate(ctx, "x")) // the object is 2 by now
	close(goOn)
	require.NoError(t, <-done)
	got, err := p.Peek(ctx, "x")
	require.NoError(t, err)
	assert.EqualValues(t, 1, got.N, "and stays so for an hour")
}

// TestModifyWhileOthersInvalidate: what Modify loaded is invalidated before it is stored. It loads again, and gives up after a
// few times.
func TestModifyWhileOthersInvalidate(t *testing.T) {
	ctx := t.Context()
	for _, times := range []int64{1, 1000} {
		var n atomic.Int64
		var s *profile.Store[row]
		s = closed(t, lardertest.New(t), profile.Options[row]{Load: func(ctx context.Context, id string) (row, error) {
			if n.Add(1) <= times {
				if err := s.Invalidate(ctx, id); err != nil {
					return row{}, err
				}
			}
			return row{N: n.Load()}, nil
		}})
		got, err := s.Modify(ctx, "x", func(r *row) error { r.Bumps++; return nil })
		if times > 1 {
			require.ErrorIs(t, err, profile.ErrConflict)
			assert.LessOrEqual(t, n.Load(), int64(8))
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, row{N: 2, Bumps: 1}, got)
	}
}
