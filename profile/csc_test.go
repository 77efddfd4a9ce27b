package profile_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/profile"
)

// caching is a client with client-side caching.
func caching(s *redistest.Server) *redis.Client {
	return s.Client(func(o *redis.Options) {
		o.Protocol = 3
		o.ClientSideCacheConfig = &redis.ClientSideCacheConfig{MaxEntries: 10_000}
	})
}

// calls is how often the server has run a command.
func calls(t *testing.T, rdb *redis.Client, name string) int64 {
	t.Helper()
	text, err := rdb.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	return commandCalls(text, name)
}

// TestClientSideCache: with client-side caching beneath, hits ask the server nothing, until the object changes.
func TestClientSideCache(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	admin := server.Client()
	rdb := caching(server)
	ctx := t.Context()
	s := newStore(t, rdb, profile.Options[user]{})
	require.NoError(t, s.Set(ctx, "x", user{Name: "Ada"}))
	redistest.Poll(t, "it is cached", func() bool { // the invalidation of the write comes when it comes
		before := calls(t, admin, "hgetall")
		_, err := s.Get(ctx, "x")
		return err == nil && calls(t, admin, "hgetall") == before
	})
	before, fields := calls(t, admin, "hgetall"), calls(t, admin, "hmget")
	for range 1000 {
		got, err := s.Get(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, "Ada", got.Name)
		_, err = s.GetFields(ctx, "x", "age")
		require.NoError(t, err)
	}
	assert.Equal(t, before, calls(t, admin, "hgetall"), "1,000 hits, and no command")
	assert.LessOrEqual(t, calls(t, admin, "hmget"), fields+2)

	other := newStore(t, server.Client(), profile.Options[user]{})
	require.NoError(t, other.Set(ctx, "x", user{Name: "Bob"}))
	redistest.Poll(t, "the change is seen", func() bool {
		got, err := s.Get(ctx, "x")
		return err == nil && got.Name == "Bob"
	})
}

// TestReadYourWrites: straight after its own write, a Store does not read what a client-side cache still holds. The cache
// is one that never learns of writes, so that there is nothing to hope for.
func TestReadYourWrites(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	ctx := t.Context()
	for _, on := range []bool{false, true} {
		rdb := server.Client()
		frozen := &deafCache{kept: map[string][]byte{}}
		rdb.AddHook(frozen)
		s := newStore(t, rdb, profile.Options[row]{ReadYourWrites: on})
		require.NoError(t, newStore(t, server.Client(), profile.Options[row]{}).Set(ctx, "x", row{N: 1}))
		read := func() int64 {
			got, err := s.Get(ctx, "x")
			require.NoError(t, err)
			return got.N
		}
		require.EqualValues(t, 1, read())
		for i, write := range []func() error{
			func() error { return s.Set(ctx, "x", row{N: 2}) },
			func() error { _, err := s.Update(ctx, "x", map[string]any{"n": 3}); return err },
			func() error { _, err := s.Increment(ctx, "x", "n", 1); return err },
			func() error { return s.SetMany(ctx, map[string]row{"x": {N: 5}}) },
		} {
			require.NoError(t, write())
			want := int64(i + 2)
			if !on {
				want = 1 // this is what the option is for
			}
			assert.Equal(t, want, read())
		}
		if on {
			require.NoError(t, s.Invalidate(ctx, "x"))
			_, err := s.Get(ctx, "x")
			require.ErrorIs(t, err, profile.ErrNotCached)
			_, err = s.GetFields(ctx, "x", "n")
			require.ErrorIs(t, err, profile.ErrNotCached)
		}
	}
}
