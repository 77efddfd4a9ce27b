package profile_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/profile"
)

// TestHangsForTheHurried: Redis hangs, and all callers have short deadlines. They do not pay for it for ever.
func TestHangsForTheHurried(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		l := numbers{took: time.Millisecond}
		s, err := profile.New(rdb, profile.Options[row]{Load: l.load})
		require.NoError(t, err)
		get(t, s, "x")
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Delay: time.Hour}))
		for range 6 {
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			_, err := s.Get(ctx, "x")
			cancel()
			require.NoError(t, err)
		}
		assert.True(t, s.Open("x"))
		require.NoError(t, lardertest.SetFaults(rdb))
		time.Sleep(3 * time.Hour)
	})
}

// TestOneBatchIsOneFailure: a pipeline that fails is one failure, however many ids it was for.
func TestOneBatchIsOneFailure(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		l := numbers{}
		s, err := profile.New(rdb, profile.Options[row]{Load: l.load})
		require.NoError(t, err)
		ids := []string{"a", "b", "c", "d", "e", "f"}
		_, err = s.GetMany(t.Context(), ids...)
		require.NoError(t, err)
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Refused: true}))
		for i := range 3 {
			assert.False(t, s.Open("a"), i)
			got, err := s.GetMany(t.Context(), ids...)
			require.NoError(t, err)
			assert.Len(t, got, len(ids))
		}
		assert.True(t, s.Open("a"))
		require.NoError(t, lardertest.SetFaults(rdb))
	})
}

// TestFullServer: a server that takes no more clients is one that cannot be asked, and go-redis would go on trying.
func TestFullServer(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		l := numbers{}
		s, err := profile.New(rdb, profile.Options[row]{Load: l.load})
		require.NoError(t, err)
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Error: "ERR max number of clients reached"}))
		for range 3 {
			get(t, s, "x")
		}
		assert.True(t, s.Open("x"))
		require.NoError(t, lardertest.SetFaults(rdb))
		time.Sleep(time.Hour)
	})
}

// TestInvalidateManyWithoutRedis: of many ids whose fate is not known, each is tried again, but all together.
func TestInvalidateManyWithoutRedis(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		s := closed(t, rdb, profile.Options[row]{})
		var ids []string
		for i := range 300 {
			ids = append(ids, fmt.Sprint(i))
		}
		require.NoError(t, s.Invalidate(t.Context(), ids...))
		require.NoError(t, lardertest.SetFaults(rdb, lardertest.Fault{Commands: ours, Refused: true}))
		var c commands
		rdb.AddHook(&c)
		err := s.Invalidate(t.Context(), ids...)
		assert.LessOrEqual(t, c.take(), 4, "round trips")
		many, ok := err.(*profile.ManyError) //nolint:errorlint // it is documented to be one
		require.True(t, ok)
		assert.Len(t, many.Errs, len(ids))
		require.NoError(t, lardertest.SetFaults(rdb))
		time.Sleep(time.Hour)
	})
}
