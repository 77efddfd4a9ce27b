package lardertest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// answer is a reply as it can be compared: its value, or the error's text.
func answer(cmd *redis.Cmd) any {
	value, err := cmd.Result()
	if err != nil {
		return "error: " + err.Error()
	}
	return value
}

// random makes commands about sketches, and about what else may lie under their keys.
type random struct {
	*rand.Rand

	keys     []string
	sketches []string // bytes that GET has answered
}

func (r *random) key() string { return r.keys[r.IntN(len(r.keys))] }

func (r *random) some(n int) []any {
	keys := []any{}
	for range n {
		keys = append(keys, r.key())
	}
	return keys
}

func (r *random) elements() []any {
	n := r.IntN(4)
	if r.IntN(10) == 0 {
		n = r.IntN(3000)
	}
	elements := []any{}
	for range n {
		switch r.IntN(3) {
		case 0:
			elements = append(elements, fmt.Sprint("visitor ", r.IntN(20)))
		case 1:
			elements = append(elements, strconv.FormatUint(r.Uint64(), 10))
		default:
			elements = append(elements, string([]byte{byte(r.IntN(256)), '\r', '\n', 0, byte(r.IntN(256))}))
		}
	}
	return elements
}

// pf makes one of the three commands.
func (r *random) pf() []any {
	switch r.IntN(4) {
	case 0:
		return append([]any{"PFCOUNT"}, r.some(1)...)
	case 1:
		return append([]any{"PFCOUNT"}, r.some(r.IntN(5))...)
	case 2:
		return append([]any{"PFMERGE"}, r.some(r.IntN(5))...)
	default:
		return append([]any{"PFADD", r.key()}, r.elements()...)
	}
}

func (r *random) command() []any {
	switch r.IntN(24) {
	case 0:
		return []any{"SET", r.key(), "not a sketch"}
	case 1:
		return []any{"SET", r.key(), []string{"", "HYLL", "HYLL\x02" + strings.Repeat("\x00", 20), "HYLL\x00" + strings.Repeat("\x00", 20)}[r.IntN(4)]}
	case 2:
		return []any{"RPUSH", r.key(), "a list"}
	case 3:
		return []any{"DEL", r.key()}
	case 4:
		return []any{"EXPIRE", r.key(), 1000}
	case 5:
		return []any{"PERSIST", r.key()} // says whether there was an expiry
	case 6:
		return []any{"RENAME", r.key(), r.key()}
	case 7:
		return []any{"GETRANGE", r.key(), 0, 20}
	case 8:
		return append([]any{"MGET"}, r.some(1+r.IntN(4))...)
	case 9:
		if len(r.sketches) > 0 {
			return []any{"SET", r.key(), r.sketches[r.IntN(len(r.sketches))], "KEEPTTL"}
		}
		return []any{"PING"}
	case 10:
		// A script that calls two, and shows the first one's error as a value.
		return []any{"EVAL", `
			local first = redis.pcall('PFADD', KEYS[1], ARGV[1], ARGV[2])
			if type(first) == 'table' then first = first.err end
			local second = redis.pcall('PFCOUNT', KEYS[1], KEYS[2])
			if type(second) == 'table' then second = second.err end
			return {first, second}`, 2, r.key(), r.key(), strconv.FormatUint(r.Uint64(), 10), "a\x00b"}
	case 11:
		return []any{"EXISTS", r.key()}
	default:
		return r.pf()
	}
}

// TestHyperLogLogAsOnRedis sends the same random commands to a real server, and compares every reply, and then type,
// length and bytes of every key.
func TestHyperLogLogAsOnRedis(t *testing.T) {
	t.Parallel()
	server, fake := redistest.Standalone(t), lardertest.New(t)
	const seed = 5
	r := &random{Rand: rand.New(rand.NewPCG(seed, seed))}
	for n := range 6 {
		r.keys = append(r.keys, fmt.Sprintf("lardertest:%s:{hll}:%d", t.Name(), n))
	}
	clean := func() {
		require.NoError(t, server.Del(context.Background(), r.keys...).Err())
	}
	clean()
	t.Cleanup(clean)

	both := func(n int, args ...any) any {
		want, got := answer(server.Do(t.Context(), args...)), answer(fake.Do(t.Context(), args...))
		require.Equal(t, want, got, "command %d of seed %d: %.300q", n, seed, args)
		return want
	}
	for n := range 1500 {
		if r.IntN(10) == 0 {
			transaction(t, r, server, fake, n)
			continue
		}
		args := r.command()
		both(n, args...)
		for _, key := range r.keys {
			if fmt.Sprint(both(n, "TYPE", key)) != "string" {
				continue
			}
			both(n, "STRLEN", key)
			if value, ok := both(n, "GET", key).(string); ok && strings.HasPrefix(value, "HYLL") && len(r.sketches) < 100 {
				r.sketches = append(r.sketches, value)
			}
		}
		if n%200 == 199 { // so that dense and foreign keys do not take over
			for _, key := range r.keys {
				both(n, "DEL", key)
			}
		}
	}
}

// transaction sends the same MULTI to both, and compares every reply in it.
func transaction(t *testing.T, r *random, server, fake *redis.Client, n int) {
	t.Helper()
	var commands [][]any
	for range 1 + r.IntN(4) {
		if c := r.pf(); len(c) > 1 { // without a key it is refused when it is queued, and nothing runs
			commands = append(commands, c)
		}
	}
	run := func(rdb *redis.Client) []any {
		cmds, err := rdb.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
			for _, args := range commands {
				p.Do(t.Context(), args...)
			}
			return nil
		})
		require.False(t, errors.Is(err, redis.TxFailedErr))
		answers := []any{}
		for _, cmd := range cmds {
			if c, ok := cmd.(*redis.Cmd); assert.True(t, ok) {
				answers = append(answers, answer(c))
			}
		}
		return answers
	}
	require.Equal(t, run(server), run(fake), "transaction %d: %.300q", n, commands)
}

// TestCorruptSketches: what a real server says of damaged sketches is said here, and nothing is written.
func TestCorruptSketches(t *testing.T) {
	t.Parallel()
	server, fake := redistest.Standalone(t), lardertest.New(t)
	key, other := "lardertest:"+t.Name()+":{k}:1", "lardertest:"+t.Name()+":{k}:2"
	t.Cleanup(func() { require.NoError(t, server.Del(context.Background(), key, other).Err()) })
	stale := "HYLL\x01\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x80"
	for _, corrupt := range []string{stale, stale + "\x7f", stale + "\x00", stale + "\x7f\xff\x7f\xff", stale + "\x80\x7f\xff"} {
		for _, args := range [][]any{{"PFCOUNT", key}, {"PFCOUNT", other, key}, {"PFMERGE", other, key}, {"PFMERGE", key, other}, {"GET", key}, {"GET", other}} {
			for _, rdb := range []*redis.Client{server, fake} {
				require.NoError(t, rdb.Set(t.Context(), key, corrupt, 0).Err())
				require.NoError(t, rdb.Del(t.Context(), other).Err())
			}
			assert.Equal(t, answer(server.Do(t.Context(), args...)), answer(fake.Do(t.Context(), args...)), "%q with %q", args, corrupt)
			assert.Equal(t, answer(server.Do(t.Context(), "GET", key)), answer(fake.Do(t.Context(), "GET", key)), "%q with %q", args, corrupt)
		}
	}
}

// TestStranger: a client of a real server is told apart.
func TestStranger(t *testing.T) {
	t.Parallel()
	server := redistest.Standalone(t)
	require.EqualError(t, lardertest.SetInfo(server, nil), "lardertest: set info: not a client of lardertest")
	require.EqualError(t, lardertest.SetFaults(server), "lardertest: set faults: not a client of lardertest")
}
