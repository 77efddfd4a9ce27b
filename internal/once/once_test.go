package once_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/once"
	"github.com/larder-go/larder/internal/redistest"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // it tells of every connection that a test breaks
	os.Exit(redistest.Main(m))
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func client(t *testing.T) (*redis.Client, *miniredis.Miniredis) {
	t.Helper()
	m := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), ReadTimeout: time.Minute, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb, m
}

func incr(ctx context.Context, key string) redis.Cmder { return redis.NewIntCmd(ctx, "incr", key) }

// number is the reply of a command that counts.
func number(t *testing.T, cmd redis.Cmder) int64 {
	t.Helper()
	n, ok := cmd.(*redis.IntCmd)
	require.True(t, ok)
	return n.Val()
}

func TestProcess(t *testing.T) {
	rdb, m := client(t)
	ctx := t.Context()
	cmd := redis.NewIntCmd(ctx, "incr", "n")
	require.NoError(t, once.Process(ctx, rdb, cmd))
	require.EqualValues(t, 1, cmd.Val())

	get := redis.NewStringCmd(ctx, "get", "none")
	require.ErrorIs(t, once.Process(ctx, rdb, get), redis.Nil)

	_, err := m.Lpush("list", "a")
	require.NoError(t, err)
	err = once.Process(ctx, rdb, redis.NewIntCmd(ctx, "incr", "list"))
	require.Equal(t, "WRONGTYPE", once.Code(err))
	require.False(t, once.IsUnknown(err))

	bad := redis.NewStatusCmd(ctx, "set", "k", struct{}{})
	require.ErrorIs(t, once.Process(ctx, rdb, bad), once.ErrEncode)
	require.ErrorIs(t, bad.Err(), once.ErrEncode)

	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, once.Process(ended, rdb, incr(ctx, "n")), context.Canceled)
	v, err := m.Get("n")
	require.NoError(t, err)
	require.Equal(t, "1", v)
}

func TestServerGone(t *testing.T) {
	rdb, m := client(t)
	ctx := t.Context()
	m.Close()
	err := once.Process(ctx, rdb, incr(ctx, "n"))
	require.Error(t, err)
	require.False(t, once.IsUnknown(err))
	cmds := []redis.Cmder{incr(ctx, "n"), incr(ctx, "n")}
	require.Equal(t, []once.Outcome{once.NotSent, once.NotSent}, once.Exec(ctx, rdb, cmds))
	require.Error(t, cmds[1].Err())
}

func TestExec(t *testing.T) {
	rdb, m := client(t)
	ctx := t.Context()
	_, err := m.Lpush("list", "a")
	require.NoError(t, err)
	cmds := []redis.Cmder{
		incr(ctx, "n"),
		redis.NewStringCmd(ctx, "get", "none"),
		incr(ctx, "list"),
		redis.NewStatusCmd(ctx, "set", "k", make(chan int)),
		incr(ctx, "n"),
	}
	require.Equal(t, []once.Outcome{once.Applied, once.Applied, once.Failed, once.NotSent, once.Applied}, once.Exec(ctx, rdb, cmds))
	require.ErrorIs(t, cmds[1].Err(), redis.Nil)
	require.Equal(t, "WRONGTYPE", once.Code(cmds[2].Err()))
	require.ErrorIs(t, cmds[3].Err(), once.ErrEncode)
	require.EqualValues(t, 2, number(t, cmds[4]))
	require.Empty(t, once.Exec(ctx, rdb, nil))

	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.Equal(t, []once.Outcome{once.NotSent}, once.Exec(ended, rdb, []redis.Cmder{incr(ctx, "n")}))
}

func TestScript(t *testing.T) {
	rdb, m := client(t)
	ctx := t.Context()
	s := once.NewScript(`local n = redis.call('INCRBY', KEYS[1], ARGV[1]) if n > 100 then return false end return tostring(n)`)
	for range 2 {
		m.FlushAll()
		require.NoError(t, rdb.ScriptFlush(ctx).Err())
		v, err := s.Run(ctx, rdb, []string{"n"}, 3)
		require.NoError(t, err)
		require.Equal(t, "3", v)
		v, err = s.Run(ctx, rdb, []string{"n"}, 3)
		require.NoError(t, err)
		require.Equal(t, "6", v)
		v, err = s.Run(ctx, rdb, []string{"n"}, 300)
		require.NoError(t, err)
		require.Nil(t, v)
	}
	_, err := s.Run(ctx, rdb, []string{"n"}, struct{}{})
	require.ErrorIs(t, err, once.ErrEncode)
	_, err = m.Lpush("list", "a")
	require.NoError(t, err)
	_, err = s.Run(ctx, rdb, []string{"list"}, 1)
	require.Equal(t, "WRONGTYPE", once.Code(err))

	r := once.NewScript(`return {redis.call('GET', KEYS[1]), #KEYS}`)
	for _, keys := range [][]string{{"n"}, {"n", "m"}} {
		require.NoError(t, rdb.ScriptFlush(ctx).Err())
		for range 2 {
			v, err := r.Read(ctx, rdb, keys)
			require.NoError(t, err)
			require.Equal(t, []any{"306", int64(len(keys))}, v)
		}
	}
	cmds := []redis.Cmder{s.Cmd(ctx, []string{"x"}, 1), incr(ctx, "y"), s.Cmd(ctx, []string{"x"}, 1)}
	require.Equal(t, []once.Outcome{once.Applied, once.Applied, once.Applied}, once.Exec(ctx, rdb, cmds))
	last, ok := cmds[2].(*redis.Cmd)
	require.True(t, ok)
	require.Equal(t, "2", last.Val())
}

type replyError string

func (e replyError) Error() string { return string(e) }
func (replyError) RedisError()     {}

func TestCode(t *testing.T) {
	for text, want := range map[string]string{
		"WRONGTYPE Operation against a key":                                  "WRONGTYPE",
		"ERR value is not an integer":                                        "ERR",
		"ERR Error compiling script (new function): :1: WRONGTYPE Operation": "WRONGTYPE",
		"ERR Error running script (call to f_1): @user_script:1: -OOM x":     "OOM",
		"ERR Error running script (call to f_1): @user_script: 1: ERR value": "ERR",
		"-READONLY You can't write against a read only replica.":             "READONLY",
		"NOSCRIPT No matching script.":                                       "NOSCRIPT",
		"ERR NOSCRIPT no such":                                               "NOSCRIPT",
		"ERR The user executing the script can't run this command":           "NOPERM",
		"ERR ACL failure in script: User ann has no permissions to run":      "NOPERM", // Redis 7.2, Valkey
		"NOAUTH": "NOAUTH",
		"lower":  "",
	} {
		require.Equal(t, want, once.Code(fmt.Errorf("wrapped: %w", replyError(text))), text)
	}
	require.Empty(t, once.Code(nil))
	require.Empty(t, once.Code(redis.Nil))
	require.Empty(t, once.Code(io.EOF))
}

func TestUnknownError(t *testing.T) {
	err := fmt.Errorf("x: %w", &once.UnknownError{Err: io.EOF})
	require.True(t, once.IsUnknown(err))
	require.ErrorIs(t, err, io.EOF)
	require.Contains(t, err.Error(), "not answered")
	require.False(t, once.IsUnknown(errors.New("x")))
	for o, s := range map[once.Outcome]string{once.Unknown: "unknown", once.NotSent: "not sent", once.Failed: "failed", once.Applied: "applied"} {
		require.Equal(t, s, o.String())
	}
}

func TestSleep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, once.Sleep(ctx, time.Nanosecond))
	require.NoError(t, once.Sleep(ctx, 0))
	cancel()
	require.ErrorIs(t, once.Sleep(ctx, time.Hour), context.Canceled)
	require.ErrorIs(t, once.Sleep(ctx, -1), context.Canceled)
}
