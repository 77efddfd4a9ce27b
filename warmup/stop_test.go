package warmup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/warmup"
)

// lateCodec fails, for values that are contexts, once they have ended.
type lateCodec struct {
	codec.Codec

	reached chan struct{}
}

func (c lateCodec) Marshal(v any) ([]byte, error) {
	ctx, ok := v.(context.Context)
	if !ok {
		return c.Codec.Marshal(v)
	}
	close(c.reached)
	<-ctx.Done()
	return nil, errors.New("too late")
}

// TestFailsAfterTheStop: an item that fails when the run has been stopped because of another one is not counted, so its
// chunk is not done, and the checkpoint says so.
func TestFailsAfterTheStop(t *testing.T) {
	late := lateCodec{codec.JSON, make(chan struct{})}
	path := filepath.Join(t.TempDir(), "checkpoint")
	items := []warmup.Item{
		{Key: "late", Load: func(ctx context.Context) (any, error) { return ctx, nil }},
		{Key: "bad", Load: func(context.Context) (any, error) {
			<-late.reached
			return nil, errors.New("bad")
		}},
	}
	opts := warmup.Options{Codec: late, Checkpoint: path, Workers: 2, MaxErrors: 1, Rate: 1e9, Burst: 1} // chunks of one
	_, err := warmer(t, lardertest.New(t), opts).Run(t.Context(), warmup.FromSlice(items))
	require.ErrorIs(t, err, warmup.ErrAborted)
	for i := range items {
		items[i].Load, items[i].Value = nil, items[i].Key
	}
	report, err := warmer(t, lardertest.New(t), opts).Run(t.Context(), warmup.FromSlice(items))
	require.NoError(t, err)
	require.Equal(t, 2, report.Stored)
	require.Zero(t, report.Resumed)
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestNameOfASequence: a name may hold any bytes, also such as JSON does not.
func TestNameOfASequence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	opts := warmup.Options{Checkpoint: path}
	cause := errors.New("the connection is lost")
	yielded := []error{cause, nil}
	for _, last := range yielded {
		report, err := warmer(t, lardertest.New(t), opts).Run(t.Context(), warmup.FromSeq("caf\xe9 <\u2028>", 2, func(yield func(warmup.Item, error) bool) {
			if !yield(warmup.Item{Key: "a", Value: 1}, nil) {
				return
			}
			if last != nil {
				yield(warmup.Item{}, last)
				return
			}
			yield(warmup.Item{Key: "b", Value: 1}, nil)
		}))
		if last != nil {
			require.ErrorIs(t, err, cause)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 1, report.Resumed)
	}
}

// TestVeryLongExpiry: a key whose expiry is further off than a time.Duration reaches is copied, with the longest that
// there is.
func TestVeryLongExpiry(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	from, to := server.Client(), lardertest.New(t)
	ctx := t.Context()
	require.NoError(t, from.Do(ctx, "set", "ten thousand years", "v", "ex", "315360000000").Err())
	require.NoError(t, from.Do(ctx, "set", "nearly 300 years", "v", "ex", "9460000000").Err())
	require.NoError(t, from.Do(ctx, "set", "an hour", "v", "ex", "3600").Err())
	report, err := warmer(t, to, warmup.Options{}).Run(ctx, warmup.FromRedis(from, ""))
	require.NoError(t, err)
	require.Equal(t, 3, report.Stored)
	for _, key := range []string{"ten thousand years", "nearly 300 years"} {
		assert.Greater(t, to.TTL(ctx, key).Val(), 290*365*24*time.Hour, key)
	}
	assert.LessOrEqual(t, to.TTL(ctx, "an hour").Val(), time.Hour)
}

// endingCodec ends the goroutine that encodes.
type endingCodec struct{ codec.Codec }

func (endingCodec) Marshal(any) ([]byte, error) {
	runtime.Goexit()
	return nil, nil
}

// TestPanicsAreTheCallers: a hook of the client that panics does so in Run; what ends its goroutine ends that of Run.
func TestPanicsAreTheCallers(t *testing.T) {
	rdb := redistest.StandaloneServer(t).Client()
	require.NoError(t, rdb.Ping(t.Context()).Err())
	before := goleak.IgnoreCurrent()
	items := map[string]any{}
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		items[t.Name()+key] = key
	}
	opts := warmup.Options{Workers: 2, Rate: 1e9, Burst: 1, Progress: func(warmup.Progress) {}}
	ended := func(rdb redis.UniversalClient, opts warmup.Options) (value any, returned bool) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { value = recover() }()
			_, _ = warmer(t, rdb, opts).Run(t.Context(), warmup.FromMap(items))
			returned = true
		}()
		<-done
		return value, returned
	}
	exits := opts
	exits.Codec = endingCodec{codec.JSON}
	value, returned := ended(rdb, exits)
	require.Nil(t, value)
	require.False(t, returned)
	rdb.AddHook(hook{before: func([]redis.Cmder) { panic("of a hook") }})
	value, _ = ended(rdb, opts)
	err, ok := value.(error)
	require.True(t, ok)
	require.ErrorContains(t, err, "of a hook")
	noneLeft(t, before)
}
