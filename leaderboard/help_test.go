package leaderboard_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

func newBoard(t *testing.T, rdb redis.UniversalClient, name string, opts leaderboard.Options) *leaderboard.Board {
	t.Helper()
	board, err := leaderboard.New(rdb, name, opts)
	require.NoError(t, err)
	return board
}

func submit(t *testing.T, b *leaderboard.Board, scores map[string]float64) {
	t.Helper()
	_, err := b.SubmitMany(t.Context(), maps.All(scores))
	require.NoError(t, err)
}

// names are the members of rows.
func names(entries []leaderboard.Entry) []string {
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.Member
	}
	return list
}

func ranks(entries []leaderboard.Entry) []int64 {
	list := make([]int64, len(entries))
	for i, e := range entries {
		list[i] = e.Rank
	}
	return list
}

// operation is a method of a board with arguments that it takes.
type operation struct {
	name  string
	write bool
	call  func(ctx context.Context, b *leaderboard.Board) error
}

var operations = []operation{
	{"submit", true, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Submit(ctx, "ann", 5)) }},
	{"submit at", true, func(ctx context.Context, b *leaderboard.Board) error {
		return second(b.SubmitAt(ctx, "ann", 5, time.Now()))
	}},
	{"increment", true, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Increment(ctx, "ann", 5)) }},
	{"increment at", true, func(ctx context.Context, b *leaderboard.Board) error {
		return second(b.IncrementAt(ctx, "ann", 5, time.Now()))
	}},
	{"submit many", true, func(ctx context.Context, b *leaderboard.Board) error {
		return second(b.SubmitMany(ctx, maps.All(map[string]float64{"ann": 1, "bob": 2})))
	}},
	{"submit entries", true, func(ctx context.Context, b *leaderboard.Board) error {
		return second(b.SubmitEntries(ctx, slices.Values([]leaderboard.Submission{{Member: "ann", Score: 1}})))
	}},
	{"remove", true, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Remove(ctx, "ann")) }},
	{"remove by score", true, func(ctx context.Context, b *leaderboard.Board) error { return second(b.RemoveByScore(ctx, 0, 1)) }},
	{"trim", true, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Trim(ctx, 1)) }},
	{"clear", true, func(ctx context.Context, b *leaderboard.Board) error { return b.Clear(ctx) }},
	{"set data", true, func(ctx context.Context, b *leaderboard.Board) error { return b.SetData(ctx, "ann", []byte("x")) }},
	{"get", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Get(ctx, "ann")) }},
	{"get many", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.GetMany(ctx, "ann", "bob")) }},
	{"top", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Top(ctx, 3)) }},
	{"range", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Range(ctx, 2, 3)) }},
	{"page", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Page(ctx, 2, 3)) }},
	{"around", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Around(ctx, "ann", 3)) }},
	{"around score", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.AroundScore(ctx, 1, 3)) }},
	{"by score", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.ByScore(ctx, 0, 3, 0)) }},
	{"count", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Count(ctx, 0, 3)) }},
	{"len", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Len(ctx)) }},
	{"percentile", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Percentile(ctx, "ann")) }},
	{"data", false, func(ctx context.Context, b *leaderboard.Board) error { return second(b.Data(ctx, "ann")) }},
	{"all", false, func(ctx context.Context, b *leaderboard.Board) error {
		for _, err := range b.All(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	}},
}

func second[T any](_ T, err error) error { return err }

// counter counts the round trips of a client, and the commands.
type counter struct {
	mu       sync.Mutex
	trips    int
	commands []string
}

func count(rdb redis.UniversalClient) *counter {
	c := &counter{}
	rdb.AddHook(c)
	return c
}

func (c *counter) add(cmds ...redis.Cmder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trips++
	for _, cmd := range cmds {
		c.commands = append(c.commands, cmd.Name())
	}
}

func (c *counter) take() (int, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	trips, commands := c.trips, c.commands
	c.trips, c.commands = 0, nil
	return trips, commands
}

func (c *counter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.add(cmd)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.add(cmds...)
		return next(ctx, cmds)
	}
}

// keysOf are all keys of a namespace on a server.
func keysOf(t *testing.T, rdb redis.UniversalClient, namespace string) []string {
	t.Helper()
	keys, err := rdb.Keys(t.Context(), namespace+":*").Result()
	require.NoError(t, err)
	slices.Sort(keys)
	return keys
}

// alone runs a test on miniredis and on the shared server.
func alone(t *testing.T, fn func(t *testing.T, e redistest.Env)) {
	t.Helper()
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone}, fn)
}

// dial makes a client that goes through a proxy, and that tries again as go-redis does.
func dial(t *testing.T, p *redistest.Proxy, mod ...func(*redis.Options)) *redis.Client {
	t.Helper()
	opts := &redis.Options{Addr: p.Addr(), ReadTimeout: 30 * time.Second, DialTimeout: 30 * time.Second}
	for _, m := range mod {
		m(opts)
	}
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// shardCounts are how many shards the boards of a test have, one after the other.
var shardCounts = []int{1, 3}

// pipelineHook is called before each pipeline and each script.
type pipelineHook func()

func (h pipelineHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h pipelineHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h()
		return next(ctx, cmd)
	}
}

func (h pipelineHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h()
		return next(ctx, cmds)
	}
}

var (
	uniqueNames sync.Map // *testing.T, string
	uniqueCount atomic.Int64
)

// unique is a name of this test alone, the same throughout it, and another when it runs again on the same server.
func unique(t *testing.T) string {
	t.Helper()
	name, ok := uniqueNames.Load(t)
	if !ok {
		name, _ = uniqueNames.LoadOrStore(t, fmt.Sprint(t.Name(), "-", uniqueCount.Add(1), "-"))
	}
	return fmt.Sprint(name)
}
