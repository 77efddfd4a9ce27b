package profile_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
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

// TestLife is the life of an object, on every kind of server and client.
func TestLife(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		s := newStore(t, e.Client, profile.Options[user]{Namespace: e.Namespace})
		id := e.ID("ada")

		_, err := s.Get(ctx, id)
		require.ErrorIs(t, err, profile.ErrNotCached)
		_, err = s.Peek(ctx, id)
		require.ErrorIs(t, err, profile.ErrNotCached)
		done, err := s.Update(ctx, id, map[string]any{"age": 1})
		require.NoError(t, err)
		require.False(t, done)
		_, err = s.Increment(ctx, id, "visits", 1)
		require.ErrorIs(t, err, profile.ErrNotCached)
		_, err = s.TTL(ctx, id)
		require.ErrorIs(t, err, profile.ErrNotCached)
		done, err = s.Touch(ctx, id)
		require.NoError(t, err)
		require.False(t, done)
		_, err = s.Modify(ctx, id, func(*user) error { return nil })
		require.ErrorIs(t, err, profile.ErrNotCached)
		n, err := e.Client.Exists(ctx, s.Key(id)).Result()
		require.NoError(t, err)
		require.Zero(t, n, "nothing of an absent object is created")

		want := user{Name: "Ada", Age: 36, Tags: []string{"a", ""}}
		require.NoError(t, s.Set(ctx, id, want))
		got, err := s.Get(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		got, err = s.Peek(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		name, err := e.Client.HGet(ctx, s.Key(id), "name").Result()
		require.NoError(t, err)
		assert.Equal(t, "Ada", name, "others can read it")

		before, err := s.TTL(ctx, id)
		require.NoError(t, err)
		assert.InDelta(t, time.Hour, before, float64(7*time.Minute))
		done, err = s.Update(ctx, id, map[string]any{"age": 37, "email": "ada@example.com", "tags": nil})
		require.NoError(t, err)
		require.True(t, done)
		want.Age, want.Email, want.Tags = 37, new("ada@example.com"), nil
		got, err = s.Get(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		sum, err := s.Increment(ctx, id, "visits", 5)
		require.NoError(t, err)
		assert.Equal(t, int64(5), sum)
		got, err = s.GetFields(ctx, id, "visits", "email")
		require.NoError(t, err)
		assert.Equal(t, user{Visits: 5, Email: want.Email}, got)
		after, err := s.TTL(ctx, id)
		require.NoError(t, err)
		assert.LessOrEqual(t, after, before, "Update and Increment keep the time to live")

		got, err = s.Modify(ctx, id, func(u *user) error {
			u.Name += " Lovelace"
			u.Email = nil
			return nil
		})
		require.NoError(t, err)
		want.Name, want.Email, want.Visits = "Ada Lovelace", nil, 5
		assert.Equal(t, want, got)
		got, err = s.Get(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, want, got)

		other := e.ID("other")
		require.NoError(t, s.SetMany(ctx, map[string]user{id: want, other: {Name: "Other"}}))
		all, err := s.GetMany(ctx, id, other, e.ID("nobody"), id)
		require.NoError(t, err)
		assert.Equal(t, map[string]user{id: want, other: {Name: "Other"}}, all)
		done, err = s.Touch(ctx, id)
		require.NoError(t, err)
		require.True(t, done)
		expires(t, e.Client, s.Key(id))
		expires(t, e.Client, s.Key(other))

		require.NoError(t, s.Invalidate(ctx, id, other, id))
		require.NoError(t, s.Invalidate(ctx, id))
		all, err = s.GetMany(ctx, id, other)
		require.NoError(t, err)
		assert.Empty(t, all)
	})
}

// TestReadThrough: a miss loads once, absence is cached, and what is loaded is the caller's own.
func TestReadThrough(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		var c counter
		s := closed(t, e.Client, profile.Options[user]{
			Namespace: e.Namespace, Hooks: c.hooks(),
			Load: func(_ context.Context, id string) (user, error) {
				if strings.HasPrefix(id, "no") {
					return user{}, fmt.Errorf("no row: %w", profile.ErrNotFound)
				}
				return user{Name: id, Tags: []string{"x"}}, nil
			},
		})
		id := e.ID("ada")
		for range 3 {
			got, err := s.Get(ctx, id)
			require.NoError(t, err)
			assert.Equal(t, user{Name: id, Tags: []string{"x"}}, got)
			got.Tags[0] = "changed"
		}
		assert.EqualValues(t, 1, c.loads.Load())
		assert.EqualValues(t, 2, c.hits.Load())
		no := e.ID("no")
		for range 3 {
			_, err := s.Get(ctx, no)
			require.ErrorIs(t, err, profile.ErrNotFound)
		}
		_, err := s.Peek(ctx, no)
		require.ErrorIs(t, err, profile.ErrNotFound)
		_, err = s.TTL(ctx, no)
		require.ErrorIs(t, err, profile.ErrNotFound)
		_, err = s.Increment(ctx, no, "age", 1)
		require.ErrorIs(t, err, profile.ErrNotFound)
		_, err = s.Modify(ctx, no, func(*user) error { return nil })
		require.ErrorIs(t, err, profile.ErrNotFound)
		done, err := s.Touch(ctx, no)
		require.NoError(t, err)
		require.False(t, done)
		done, err = s.Update(ctx, no, map[string]any{"age": 1})
		require.NoError(t, err)
		require.False(t, done)
		assert.EqualValues(t, 2, c.loads.Load())
		assert.GreaterOrEqual(t, c.negatives.Load(), int64(3))
		expires(t, e.Client, s.Key(no))
		expires(t, e.Client, s.Key(id))
		got, err := s.GetFields(ctx, e.ID("fields"), "name")
		require.NoError(t, err)
		assert.Equal(t, user{Name: e.ID("fields")}, got)
		got, err = s.Modify(ctx, e.ID("modified"), func(u *user) error { u.Age = 7; return nil })
		require.NoError(t, err)
		assert.Equal(t, 7, got.Age)
		assert.EqualValues(t, 4, c.loads.Load())
		assert.Zero(t, c.lost.Load())
		assert.Empty(t, c.errs)
	})
}

// TestModel holds a Store against a map, by random operations.
func TestModel(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		const seed = 4
		steps := 600
		if !e.Real() {
			steps = 150
		}
		rng := rand.New(rand.NewPCG(seed, uint64(len(e.Kind))))
		database := map[string]user{}
		s := closed(t, e.Client, profile.Options[user]{
			Namespace: e.Namespace,
			Load: func(_ context.Context, id string) (user, error) {
				if u, ok := database[id]; ok {
					return u, nil
				}
				return user{}, profile.ErrNotFound
			},
		})
		plain := closed(t, e.Client, profile.Options[user]{Namespace: e.Namespace})
		type cached struct {
			user   user
			absent bool
		}
		cache := map[string]cached{}
		ids := make([]string, 5)
		for i := range ids {
			ids[i] = e.ID(fmt.Sprint("id", i))
		}
		some := func() user {
			u := user{Name: strconv.Itoa(rng.IntN(5)), Age: rng.IntN(100), Visits: rng.Int64N(1000)}
			if rng.IntN(2) == 0 {
				u.Email = new(fmt.Sprint("mail", rng.IntN(3)))
			}
			if k := rng.IntN(3); k > 0 {
				u.Tags = make([]string, k-1)
			}
			return u
		}
		load := func(id string) cached {
			if _, ok := cache[id]; !ok {
				u, ok := database[id]
				cache[id] = cached{u, !ok}
			}
			return cache[id]
		}
		for step := range steps {
			id := ids[rng.IntN(len(ids))]
			at := fmt.Sprintf("seed %d step %d", seed, step)
			switch rng.IntN(12) {
			case 0:
				if database[id] = some(); rng.IntN(3) == 0 {
					delete(database, id)
				}
				require.NoError(t, s.Invalidate(ctx, id), at)
				delete(cache, id)
			case 1:
				u := some()
				require.NoError(t, s.Set(ctx, id, u), at)
				cache[id] = cached{user: u}
			case 2, 3:
				got, err := s.Get(ctx, id)
				if want := load(id); want.absent {
					require.ErrorIs(t, err, profile.ErrNotFound, at)
				} else {
					require.NoError(t, err, at)
					require.Equal(t, want.user, got, at)
				}
			case 4:
				got, err := plain.Peek(ctx, id)
				switch want, ok := cache[id]; {
				case !ok:
					require.ErrorIs(t, err, profile.ErrNotCached, at)
				case want.absent:
					require.ErrorIs(t, err, profile.ErrNotFound, at)
				default:
					require.NoError(t, err, at)
					require.Equal(t, want.user, got, at)
				}
			case 5:
				u := some()
				fields := map[string]any{"name": u.Name, "email": nil, "age": u.Age}
				if u.Email != nil {
					fields["email"] = u.Email
				}
				done, err := s.Update(ctx, id, fields)
				require.NoError(t, err, at)
				want, ok := cache[id]
				require.Equal(t, ok && !want.absent, done, at)
				if done {
					want.user.Name, want.user.Email, want.user.Age = u.Name, u.Email, u.Age
					cache[id] = want
				}
			case 6:
				n, err := s.Increment(ctx, id, "visits", rng.Int64N(20)-10)
				switch want, ok := cache[id]; {
				case !ok:
					require.ErrorIs(t, err, profile.ErrNotCached, at)
				case want.absent:
					require.ErrorIs(t, err, profile.ErrNotFound, at)
				default:
					require.NoError(t, err, at)
					want.user.Visits = n
					cache[id] = want
				}
			case 7:
				tags := []string{strconv.Itoa(step)}
				_, err := s.Modify(ctx, id, func(u *user) error { u.Tags = tags; u.Email = nil; return nil })
				if want := load(id); want.absent {
					require.ErrorIs(t, err, profile.ErrNotFound, at)
				} else {
					require.NoError(t, err, at)
					want.user.Tags, want.user.Email = tags, nil
					cache[id] = want
				}
			case 8:
				got, err := s.GetMany(ctx, ids...)
				require.NoError(t, err, at)
				want := map[string]user{}
				for _, id := range ids {
					if c := load(id); !c.absent {
						want[id] = c.user
					}
				}
				require.Equal(t, want, got, at)
			case 9:
				many := map[string]user{}
				for _, id := range ids[:rng.IntN(len(ids))] {
					many[id] = some()
					cache[id] = cached{user: many[id]}
				}
				require.NoError(t, s.SetMany(ctx, many), at)
			case 10:
				got, err := s.GetFields(ctx, id, "email", "visits")
				if want := load(id); want.absent {
					require.ErrorIs(t, err, profile.ErrNotFound, at)
				} else {
					require.NoError(t, err, at)
					require.Equal(t, user{Email: want.user.Email, Visits: want.user.Visits}, got, at)
				}
			case 11:
				done, err := s.Touch(ctx, id)
				require.NoError(t, err, at)
				want, ok := cache[id]
				require.Equal(t, ok && !want.absent, done, at)
			}
		}
		for _, id := range ids {
			expires(t, e.Client, s.Key(id))
		}
	})
}

// TestRoundTrips holds what each operation costs.
func TestRoundTrips(t *testing.T) {
	rdb := lardertest.New(t)
	var sent commands
	s := closed(t, rdb, profile.Options[user]{
		Load: func(_ context.Context, id string) (user, error) {
			if id == "no" {
				return user{}, profile.ErrNotFound
			}
			return user{Name: id}, nil
		},
		LoadMany: func(_ context.Context, ids []string) (map[string]user, error) {
			found := map[string]user{}
			for _, id := range ids {
				found[id] = user{Name: id}
			}
			return found, nil
		},
	})
	ctx := t.Context()
	all := func() { // every script once, so that the server knows it
		_, _ = s.Get(ctx, "warm")
		_ = s.Set(ctx, "warm", user{})
		_, _ = s.Update(ctx, "warm", nil)
		_, _ = s.Increment(ctx, "warm", "age", 1)
		_, _ = s.Touch(ctx, "warm")
		_, _ = s.TTL(ctx, "warm")
		_ = s.Invalidate(ctx, "warm")
	}
	all()
	rdb.AddHook(&sent)
	for _, c := range []struct {
		name string
		want int
		do   func() error
	}{
		{"miss", 3, func() error { _, err := s.Get(ctx, "a"); return err }},
		{"hit", 1, func() error { _, err := s.Get(ctx, "a"); return err }},
		{"fields", 1, func() error { _, err := s.GetFields(ctx, "a", "name"); return err }},
		{"peek", 1, func() error { _, err := s.Peek(ctx, "a"); return err }},
		{"set", 1, func() error { return s.Set(ctx, "a", user{}) }},
		{"update", 1, func() error { _, err := s.Update(ctx, "a", map[string]any{"age": 1}); return err }},
		{"increment", 1, func() error { _, err := s.Increment(ctx, "a", "age", 1); return err }},
		{"touch", 1, func() error { _, err := s.Touch(ctx, "a"); return err }},
		{"ttl", 1, func() error { _, err := s.TTL(ctx, "a"); return err }},
		{"modify", 2, func() error { _, err := s.Modify(ctx, "a", func(*user) error { return nil }); return err }},
		{"invalidate", 1, func() error { return s.Invalidate(ctx, "a") }},
		{"fields missed", 3, func() error { _, err := s.GetFields(ctx, "a", "name"); return err }},
		{"many missed", 3, func() error { _, err := s.GetMany(ctx, "p", "q", "r"); return err }},
		{"many hit", 1, func() error { _, err := s.GetMany(ctx, "p", "q", "r"); return err }},
		{"set many", 1, func() error { return s.SetMany(ctx, map[string]user{"p": {}, "q": {}}) }},
		{"invalidate many", 1, func() error { return s.Invalidate(ctx, "p", "q") }},
		{"no ids", 0, func() error { _, err := s.GetMany(ctx); return err }},
		{"nothing", 0, func() error { return errors.Join(s.SetMany(ctx, nil), s.Invalidate(ctx)) }},
	} {
		sent.take()
		require.NoError(t, c.do(), c.name)
		assert.Equal(t, c.want, sent.take(), c.name)
	}
}

// TestBadInput: what is wrong is said before anything is sent.
func TestBadInput(t *testing.T) {
	rdb := lardertest.New(t)
	s := newStore(t, rdb, profile.Options[user]{})
	ctx := t.Context()
	require.NoError(t, s.Set(ctx, "a", user{Name: "kept"}))
	var sent commands
	rdb.AddHook(&sent)

	ended, cancel := context.WithCancel(ctx)
	cancel()
	for name, ctx := range map[string]context.Context{"": ctx, "a": ended} {
		_, err := s.Get(ctx, name)
		require.Error(t, err)
		_, err = s.GetMany(ctx, "b", name)
		require.Error(t, err)
		_, err = s.GetFields(ctx, name, "age")
		require.Error(t, err)
		_, err = s.Peek(ctx, name)
		require.Error(t, err)
		require.Error(t, s.Set(ctx, name, user{}))
		require.Error(t, s.SetMany(ctx, map[string]user{name: {}}))
		_, err = s.Update(ctx, name, nil)
		require.Error(t, err)
		_, err = s.Increment(ctx, name, "age", 1)
		require.Error(t, err)
		_, err = s.Modify(ctx, name, func(*user) error { return nil })
		require.Error(t, err)
		require.Error(t, s.Invalidate(ctx, name))
		require.Error(t, s.Invalidate(ctx, "b", name))
		_, err = s.Touch(ctx, name)
		require.Error(t, err)
		_, err = s.TTL(ctx, name)
		require.Error(t, err)
		assert.Equal(t, name != "", errors.Is(err, context.Canceled))
	}
	_, err := s.Update(ctx, "a", map[string]any{"age": 1, "agee": 2, "Name": 3})
	require.ErrorIs(t, err, profile.ErrUnknownField)
	require.ErrorContains(t, err, `"Name", "agee"`)
	_, err = s.GetFields(ctx, "a", "x", "name", "y")
	require.ErrorContains(t, err, `"x", "y"`)
	_, err = s.Increment(ctx, "a", "nope", 1)
	require.ErrorIs(t, err, profile.ErrUnknownField)
	_, err = s.Increment(ctx, "a", "name", 1)
	require.ErrorContains(t, err, "not an integer")
	for _, bad := range []map[string]any{
		{"age": "1"}, {"name": 1}, {"tags": []int{1}}, {"age": 1.5}, {"age": uint64(math.MaxUint64)}, {"email": new(1)}, {"name": make(chan int)},
	} {
		_, err := s.Update(ctx, "a", bad)
		require.Errorf(t, err, "%v", bad)
	}
	_, err = s.Modify(ctx, "a", nil)
	require.Error(t, err)
	assert.Zero(t, sent.take(), "nothing was sent")

	mine := errors.New("mine")
	_, err = s.Modify(ctx, "a", func(u *user) error { u.Name = "changed"; return mine })
	require.ErrorIs(t, err, mine)
	got, err := s.Get(ctx, "a")
	require.NoError(t, err)
	assert.Equal(t, "kept", got.Name)
}

// TestForeignType: a key of another type is a typed error, and stays as it is.
func TestForeignType(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		s := newStore(t, e.Client, profile.Options[user]{
			Namespace: e.Namespace, Load: func(context.Context, string) (user, error) { return user{}, nil },
		})
		id, good := e.ID("x"), e.ID("good")
		require.NoError(t, e.Client.Set(ctx, s.Key(id), "theirs", 0).Err())
		_, err := s.Get(ctx, id)
		require.ErrorIs(t, err, profile.ErrWrongType)
		got, err := s.GetMany(ctx, id, good)
		require.ErrorIs(t, err, profile.ErrWrongType)
		require.ErrorContains(t, err, fmt.Sprintf("%q", id))
		assert.Contains(t, got, good)
		_, err = s.GetFields(ctx, id, "age")
		require.ErrorIs(t, err, profile.ErrWrongType)
		_, err = s.Peek(ctx, id)
		require.ErrorIs(t, err, profile.ErrWrongType)
		require.ErrorIs(t, s.Set(ctx, id, user{}), profile.ErrWrongType)
		err = s.SetMany(ctx, map[string]user{id: {}, good: {}})
		require.ErrorIs(t, err, profile.ErrWrongType)
		many, ok := errors.AsType[*profile.ManyError](err)
		require.True(t, ok)
		assert.Len(t, many.Errs, 1)
		_, err = s.Update(ctx, id, map[string]any{"age": 1})
		require.ErrorIs(t, err, profile.ErrWrongType)
		_, err = s.Increment(ctx, id, "age", 1)
		require.ErrorIs(t, err, profile.ErrWrongType)
		_, err = s.Modify(ctx, id, func(*user) error { return nil })
		require.ErrorIs(t, err, profile.ErrWrongType)
		require.ErrorIs(t, s.Invalidate(ctx, id), profile.ErrWrongType)
		require.ErrorIs(t, s.Invalidate(ctx, id, good), profile.ErrWrongType)
		_, err = s.Touch(ctx, id)
		require.ErrorIs(t, err, profile.ErrWrongType)
		_, err = s.TTL(ctx, id)
		require.ErrorIs(t, err, profile.ErrWrongType)
		text, err := e.Client.Get(ctx, s.Key(id)).Result()
		require.NoError(t, err)
		assert.Equal(t, "theirs", text)
	})
}

// TestForeignData: what cannot be decoded is loaded anew once, which replaces it, and counted.
func TestForeignData(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone, redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		var c counter
		s := closed(t, e.Client, profile.Options[user]{
			Namespace: e.Namespace, Hooks: c.hooks(), Load: func(_ context.Context, id string) (user, error) { return user{Name: "loaded"}, nil },
		})
		plain := newStore(t, e.Client, profile.Options[user]{Namespace: e.Namespace})
		for name, spoil := range map[string]func(key string) error{
			"theirs": func(key string) error {
				return errors.Join(e.Client.Del(ctx, key).Err(), e.Client.HSet(ctx, key, "a", "b").Err())
			},
			"meta":    func(key string) error { return e.Client.HSet(ctx, key, "@meta", "2 v x").Err() },
			"age":     func(key string) error { return e.Client.HSet(ctx, key, "age", "old").Err() },
			"packed":  func(key string) error { return e.Client.HSet(ctx, key, "tags", "\xdd\xff\xff\xff\xff").Err() },
			"missing": func(key string) error { return e.Client.HDel(ctx, key, "name").Err() },
			"leasetext": func(key string) error {
				return errors.Join(e.Client.HDel(ctx, key, "@meta").Err(), e.Client.HSet(ctx, key, "@lease", "?").Err())
			},
		} {
			t.Run(name, func(t *testing.T) {
				id := e.ID(name)
				require.NoError(t, s.Set(ctx, id, user{Name: "set", Tags: []string{"x"}}))
				require.NoError(t, spoil(s.Key(id)))
				_, err := plain.Peek(ctx, id)
				require.ErrorIs(t, err, profile.ErrNotCached)
				_, err = plain.Get(ctx, id)
				require.ErrorIs(t, err, profile.ErrNotCached)
				loads, counted := c.loads.Load(), len(c.errors("decode"))
				for range 2 {
					got, err := s.Get(ctx, id)
					require.NoError(t, err)
					assert.Equal(t, "loaded", got.Name)
				}
				assert.EqualValues(t, 1, c.loads.Load()-loads)
				assert.Len(t, c.errors("decode"), counted+1)
				expires(t, e.Client, s.Key(id))
				require.NoError(t, s.Set(ctx, id, user{Tags: []string{"x"}}))
				require.NoError(t, spoil(s.Key(id)))
				many, err := s.GetMany(ctx, id)
				require.NoError(t, err)
				assert.Equal(t, "loaded", many[id].Name)
				require.NoError(t, s.Set(ctx, id, user{Tags: []string{"x"}}))
				require.NoError(t, spoil(s.Key(id)))
				got, err := s.Modify(ctx, id, func(u *user) error { u.Age = 9; return nil })
				require.NoError(t, err)
				assert.Equal(t, user{Name: "loaded", Age: 9}, got)
			})
		}
	})
}

// TestNoExpiryLost: a hash that somebody made immortal has an expiry again after any write of ours.
func TestNoExpiryLost(t *testing.T) {
	rdb := lardertest.New(t)
	ctx := t.Context()
	var fail atomic.Bool
	s := newStore(t, rdb, profile.Options[user]{Load: func(context.Context, string) (user, error) {
		if fail.Load() {
			return user{}, errors.New("down")
		}
		return user{}, nil
	}})
	for name, write := range map[string]func(id string) error{
		"update":    func(id string) error { _, err := s.Update(ctx, id, map[string]any{"age": 1}); return err },
		"increment": func(id string) error { _, err := s.Increment(ctx, id, "age", 1); return err },
		"modify":    func(id string) error { _, err := s.Modify(ctx, id, func(*user) error { return nil }); return err },
		"touch":     func(id string) error { _, err := s.Touch(ctx, id); return err },
		"set":       func(id string) error { return s.Set(ctx, id, user{}) },
		"lease": func(id string) error { // beside what cannot be decoded, and the load fails
			fail.Store(true)
			defer fail.Store(false)
			if err := rdb.HSet(ctx, s.Key(id), "age", "x").Err(); err != nil {
				return err
			}
			if _, err := s.Get(ctx, id); err == nil {
				return errors.New("it was loaded")
			}
			return nil
		},
	} {
		require.NoError(t, s.Set(ctx, name, user{}), name)
		require.NoError(t, rdb.Persist(ctx, s.Key(name)).Err(), name)
		require.NoError(t, write(name), name)
		expires(t, rdb, s.Key(name))
	}
}

// TestExpiryRefused: a user who may write hashes and not let them expire leaves none behind.
func TestExpiryRefused(t *testing.T) {
	server := redistest.StandaloneServer(t)
	rdb := redistest.Standalone(t)
	ctx := t.Context()
	require.NoError(t, rdb.Do(ctx, "ACL", "SETUSER", "no-expiry", "on", ">secret", "~*", "&*", "+@all", "-pexpireat", "-pexpire").Err())
	t.Cleanup(func() { assert.NoError(t, rdb.Do(context.WithoutCancel(ctx), "ACL", "DELUSER", "no-expiry").Err()) })
	limited := server.Client(func(o *redis.Options) { o.Username, o.Password = "no-expiry", "secret" })
	space := "TestExpiryRefused-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	opts := profile.Options[user]{Namespace: space, Load: func(context.Context, string) (user, error) { return user{Age: 1}, nil }}
	s := newStore(t, limited, opts)
	require.Error(t, s.Set(ctx, "set", user{}))
	expires(t, rdb, s.Key("set"))
	got, err := s.Get(ctx, "lease")
	require.NoError(t, err, "from the loader")
	assert.Equal(t, 1, got.Age)
	expires(t, rdb, s.Key("lease"))
	require.NoError(t, rdb.Do(ctx, "ACL", "SETUSER", "no-expiry", "+pexpire").Err())
	_, err = s.Get(ctx, "fill")
	require.NoError(t, err)
	expires(t, rdb, s.Key("fill"))
}

// TestHostileIDs: any bytes are an id, two ids never share a key, and none leaves its hash tag.
func TestHostileIDs(t *testing.T) {
	ids := []string{
		"a", "A", " ", "a b", ":", "a:b", "{", "}", "{}", "}{", "{a}", "a}", "a}b", "a%7Db", "%", "%25", "%7D", "\x00", "\n", "\xff\xfe", "é", "日本", "*", "?",
		strings.Repeat("x", 5000), "@meta", "profile:{a}", "null",
	}
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		s := newStore(t, e.Client, profile.Options[user]{Namespace: e.Namespace})
		keys := map[string]string{}
		values := map[string]user{}
		for _, id := range ids {
			key := s.Key(id)
			assert.Emptyf(t, keys[key], "%q and %q share a key", id, keys[key])
			keys[key] = id
			assert.Equal(t, 1, strings.Count(key, "}"))
			assert.True(t, strings.HasSuffix(key, "}"))
			values[id] = user{Name: id}
		}
		require.NoError(t, s.SetMany(ctx, values))
		got, err := s.GetMany(ctx, ids...)
		require.NoError(t, err)
		assert.Equal(t, values, got)
		require.NoError(t, s.Invalidate(ctx, ids...))
		got, err = s.GetMany(ctx, ids...)
		require.NoError(t, err)
		assert.Empty(t, got)
	})
	s := newStore(t, lardertest.New(t), profile.Options[user]{})
	assert.Equal(t, "profile:{42}", s.Key("42"))
	s = newStore(t, lardertest.New(t), profile.Options[user]{Namespace: "app"})
	assert.Equal(t, "app:profile:{a%7Db%25}", s.Key("a}b%"))
}

// TestIncrement: exact at the ends of every type, and nothing changes beyond them.
func TestIncrement(t *testing.T) {
	type counters struct {
		I8  int8
		U8  uint8
		I32 int32
		U32 uint32
		I64 int64
		U64 uint64
		P   *int
		F   float64
	}
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		s := newStore(t, e.Client, profile.Options[counters]{Namespace: e.Namespace})
		for _, c := range []struct {
			field string
			start counters
			delta int64
			want  int64
			err   error
		}{
			{"i8", counters{I8: 126}, 1, 127, nil},
			{"i8", counters{I8: 127}, 1, 0, profile.ErrOverflow},
			{"i8", counters{I8: -128}, -1, 0, profile.ErrOverflow},
			{"i8", counters{}, math.MaxInt64, 0, profile.ErrOverflow},
			{"u8", counters{U8: 1}, -1, 0, nil},
			{"u8", counters{}, -1, 0, profile.ErrOverflow},
			{"u8", counters{U8: 255}, 1, 0, profile.ErrOverflow},
			{"i32", counters{I32: math.MaxInt32 - 1}, 1, math.MaxInt32, nil},
			{"i32", counters{I32: math.MaxInt32}, 1, 0, profile.ErrOverflow},
			{"u32", counters{U32: math.MaxUint32 - 1}, 1, math.MaxUint32, nil},
			{"u32", counters{U32: math.MaxUint32}, 1, 0, profile.ErrOverflow},
			{"i64", counters{I64: math.MaxInt64 - 1}, 1, math.MaxInt64, nil},
			{"i64", counters{I64: 1 << 53}, 1, 1<<53 + 1, nil},
			{"i64", counters{I64: math.MinInt64 + 1}, -1, math.MinInt64, nil},
			{"i64", counters{I64: -1}, math.MinInt64, 0, profile.ErrOverflow},
			{"u64", counters{U64: 5}, 5, 10, nil},
			{"u64", counters{U64: 5}, -6, 0, profile.ErrOverflow},
			{"u64", counters{U64: math.MaxUint64}, -1, 0, profile.ErrOverflow},
			{"p", counters{}, 3, 3, nil},
			{"p", counters{P: new(4)}, 3, 7, nil},
		} {
			name := fmt.Sprintf("%s %+v by %d", c.field, c.start, c.delta)
			require.NoError(t, s.Set(ctx, "x", c.start), name)
			got, err := s.Increment(ctx, "x", c.field, c.delta)
			if c.err != nil {
				require.ErrorIs(t, err, c.err, name)
				v, err := s.Get(ctx, "x")
				require.NoError(t, err, name)
				assert.Equal(t, c.start, v, name)
				continue
			}
			require.NoError(t, err, name)
			assert.Equal(t, c.want, got, name)
			_, err = s.Get(ctx, "x")
			require.NoError(t, err, name)
		}
		_, err := s.Increment(ctx, "x", "f", 1)
		require.ErrorContains(t, err, "not an integer")
		require.NoError(t, e.Client.HSet(ctx, s.Key("x"), "i64", "many").Err())
		_, err = s.Increment(ctx, "x", "i64", 1)
		require.ErrorIs(t, err, profile.ErrCorrupt)
	})
}

// TestUpdateConverts: values that fit are taken, with nothing lost.
func TestUpdateConverts(t *testing.T) {
	type word string
	type all struct {
		I8 int8
		U  uint
		F  float32
		W  word
		P  *int64
		B  []byte
		T  time.Time
		D  time.Duration
		M  map[string]int
		S  []string
		N  struct{ A int }
	}
	ctx := t.Context()
	s := newStore(t, lardertest.New(t), profile.Options[all]{})
	require.NoError(t, s.Set(ctx, "x", all{I8: 1, W: "w", M: map[string]int{"a": 1}, S: []string{"s"}}))
	at := time.Date(2024, 2, 29, 1, 2, 3, 4, time.FixedZone("", 3600))
	done, err := s.Update(ctx, "x", map[string]any{
		"i8": 100, "u": int64(7), "f": 0.5, "w": "string", "p": 9, "b": "text", "t": at, "d": 5, "m": nil, "s": []string{}, "n": struct{ A int }{3},
	})
	require.Error(t, err, "a string is no []byte")
	require.False(t, done)
	done, err = s.Update(ctx, "x", map[string]any{
		"i8": 100, "u": int64(7), "f": 0.5, "w": "string", "p": 9, "b": []byte{}, "t": at, "d": time.Second, "m": nil, "s": []string{}, "n": struct{ A int }{3},
	})
	require.NoError(t, err)
	require.True(t, done)
	got, err := s.Get(ctx, "x")
	require.NoError(t, err)
	assert.True(t, at.Equal(got.T))
	got.T = time.Time{}
	assert.Equal(t, all{I8: 100, U: 7, F: 0.5, W: "string", P: new(int64(9)), B: []byte{}, D: time.Second, S: []string{}, N: struct{ A int }{3}}, got)
	done, err = s.Update(ctx, "x", map[string]any{"i8": nil, "w": nil, "p": nil, "b": nil, "t": nil, "s": nil, "n": nil, "u": nil, "f": nil, "d": nil})
	require.NoError(t, err)
	require.True(t, done)
	got, err = s.Get(ctx, "x")
	require.NoError(t, err)
	assert.Equal(t, all{}, got, "nil clears")
}

// TestSetDropsOldFields: fields that T no longer has go with the next Set or load.
func TestSetDropsOldFields(t *testing.T) {
	type before struct{ A, B string }
	type after struct{ A string }
	rdb := lardertest.New(t)
	ctx := t.Context()
	old := newStore(t, rdb, profile.Options[before]{})
	now := newStore(t, rdb, profile.Options[after]{})
	require.NoError(t, old.Set(ctx, "x", before{"a", "b"}))
	got, err := now.Get(ctx, "x")
	require.NoError(t, err)
	assert.Equal(t, after{"a"}, got)
	require.NoError(t, now.Set(ctx, "x", got))
	fields, err := rdb.HKeys(ctx, now.Key("x")).Result()
	require.NoError(t, err)
	slices.Sort(fields)
	assert.Equal(t, []string{"@meta", "a"}, fields)
	_, err = old.Get(ctx, "x")
	require.ErrorIs(t, err, profile.ErrNotCached, "a field that is missing is a reload")
}

// TestModify: concurrent modifications all count.
func TestModify(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		s := newStore(t, e.Client, profile.Options[user]{Namespace: e.Namespace})
		id := e.ID("x")
		require.NoError(t, s.Set(ctx, id, user{}))
		workers, each := 4, 10
		if !e.Real() {
			workers, each = 2, 5
		}
		errs := make(chan error, workers)
		for range workers {
			go func() {
				for range each {
					for { // a conflict is an answer, too
						_, err := s.Modify(ctx, id, func(u *user) error { u.Age++; u.Tags = append(u.Tags, "x"); return nil })
						if errors.Is(err, profile.ErrConflict) {
							continue
						}
						if err != nil {
							errs <- err
							return
						}
						break
					}
				}
				errs <- nil
			}()
		}
		for range workers {
			require.NoError(t, <-errs)
		}
		got, err := s.Get(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, workers*each, got.Age)
		assert.Len(t, got.Tags, workers*each)
	})
}

// TestModifyConflict: who always comes second gives up, and a deletion in between is noticed although the value is back.
func TestModifyConflict(t *testing.T) {
	ctx := t.Context()
	s := newStore(t, lardertest.New(t), profile.Options[user]{})
	require.NoError(t, s.Set(ctx, "x", user{Age: 1}))
	calls := 0
	_, err := s.Modify(ctx, "x", func(u *user) error {
		calls++
		return errors.Join(s.Invalidate(ctx, "x"), s.Set(ctx, "x", user{Age: 1}))
	})
	require.ErrorIs(t, err, profile.ErrConflict)
	assert.Greater(t, calls, 1)
	_, err = s.Modify(ctx, "x", func(*user) error { return s.Invalidate(ctx, "x") })
	require.ErrorIs(t, err, profile.ErrNotCached)

	// A few loads, and then the cause.
	loads := 0
	loading := newStore(t, lardertest.New(t), profile.Options[user]{Load: func(context.Context, string) (user, error) { loads++; return user{}, nil }})
	_, err = loading.Modify(ctx, "y", func(*user) error { return loading.Invalidate(ctx, "y") })
	require.ErrorIs(t, err, profile.ErrConflict)
	assert.Equal(t, 3, loads)
}

// TestNilClient and options that make no sense.
func TestOptions(t *testing.T) {
	rdb := lardertest.New(t)
	load := func(context.Context, string) (user, error) { return user{}, nil }
	for field, opts := range map[string]profile.Options[user]{
		"Namespace":       {Namespace: "a{b"},
		"TTL":             {TTL: -1},
		"TTL ":            {TTL: time.Microsecond},
		"TTL  ":           {TTL: math.MaxInt64},
		"Jitter":          {Jitter: 1},
		"Jitter ":         {Jitter: -0.5},
		"Jitter  ":        {Jitter: math.NaN()},
		"LoadTimeout":     {LoadTimeout: -1},
		"RedisTimeout":    {RedisTimeout: -1},
		"NegativeTTL":     {NegativeTTL: -2},
		"RefreshAhead":    {RefreshAhead: -1, Load: load},
		"RefreshAhead ":   {RefreshAhead: math.Inf(1), Load: load},
		"RefreshAhead  ":  {RefreshAhead: 1},
		"StaleOnError":    {StaleOnError: -1, Load: load},
		"StaleOnError ":   {StaleOnError: 1},
		"StaleOnError   ": {StaleOnError: time.Hour},
		"OnRedisError":    {OnRedisError: 7},
		"SchemaVersion":   {SchemaVersion: -1},
	} {
		_, err := profile.New(rdb, opts)
		require.ErrorContains(t, err, "profile: options: "+strings.TrimSpace(field), field)
	}
	_, err := profile.New(nil, profile.Options[user]{})
	require.Error(t, err)
	_, err = profile.New((*redis.Client)(nil), profile.Options[user]{})
	require.Error(t, err)
	_, err = profile.New(rdb, profile.Options[user]{Jitter: -1, NegativeTTL: -1})
	require.NoError(t, err)
}
