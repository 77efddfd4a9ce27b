package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// TestCompareFinds: whatever is changed is found, and nothing else.
func TestCompareFinds(t *testing.T) {
	kinds := []redistest.Kind{redistest.KindStandalone, redistest.KindCluster, redistest.KindRing}
	redistest.On(t, kinds, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		rdb := e.Client
		prefix := e.Namespace + ":"
		names := fill(t, rdb, prefix, 240, 11)
		file, _ := dumped(t, rdb, Options{Match: prefix + "*"})
		rng := rand.New(rand.NewPCG(4, 4))
		for round := range 5 {
			require.NoError(t, run1(Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{Mode: Replace})))
			var missing, different, extra []string
			for i, name := range names {
				if rng.IntN(8) != 0 {
					continue
				}
				switch rng.IntN(4) {
				case 0:
					require.NoError(t, rdb.Del(ctx, name).Err())
					missing = append(missing, name)
					continue
				case 1:
					require.NoError(t, rdb.PExpireAt(ctx, name, time.Now().Add(3*time.Hour)).Err())
				case 2:
					require.NoError(t, rdb.Del(ctx, name).Err())
					require.NoError(t, rdb.Set(ctx, name, "quite another", 0).Err())
				default:
					switch i % 6 {
					case 0, 5:
						require.NoError(t, rdb.Append(ctx, name, "x").Err())
					case 1:
						require.NoError(t, rdb.RPush(ctx, name, "more").Err())
					case 2:
						require.NoError(t, rdb.SAdd(ctx, name, "a new member").Err())
					case 3:
						require.NoError(t, rdb.ZIncrBy(ctx, name, 0.5, "third").Err())
					case 4:
						require.NoError(t, rdb.HSet(ctx, name, "a new field", "v").Err())
					}
				}
				different = append(different, name)
			}
			for i := range 1 + round {
				name := fmt.Sprintf("%sextra%d-%d", prefix, round, i)
				require.NoError(t, rdb.Set(ctx, name, "v", 0).Err())
				extra = append(extra, name)
			}
			diff, err := Compare(ctx, rdb, bytes.NewReader(file))
			require.NoError(t, err)
			assert.ElementsMatch(t, missing, diff.Missing)
			assert.ElementsMatch(t, different, diff.Different)
			assert.ElementsMatch(t, extra, diff.Extra)
			assert.Equal(t, len(missing)+len(different)+len(extra) == 0, diff.Empty())
			remove(t, rdb, extra)
		}
	})
}

func run1(_ Summary, err error) error { return err }

// TestTypesAndMatch: what a dump was asked for is what it has, and what a comparison asks of the server.
func TestTypesAndMatch(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	names := fill(t, rdb, "a:", 120, 12)
	fill(t, rdb, "b:", 60, 13)
	for _, types := range [][]string{{"set"}, {"set", "hash"}, nil} {
		file, s := dumped(t, rdb, Options{Match: "a:*", Types: types})
		want := 0
		for _, name := range names {
			kind := rdb.Type(ctx, name).Val()
			if kind != "none" && (types == nil || slices.Contains(types, kind)) {
				want++
			}
		}
		assert.Equal(t, int64(want), s.Keys)
		diff, err := Compare(ctx, rdb, bytes.NewReader(file))
		require.NoError(t, err)
		assert.Truef(t, diff.Empty(), "%v %+v", types, diff)
	}
}

// TestNegativeZero: Redis itself loses the sign of a zero, which is no difference.
func TestNegativeZero(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	require.NoError(t, rdb.Do(ctx, "zadd", "z", "-0", "a", "inf", "b", "-inf", "c", "5e-324", "d", "1.7976931348623157e308", "e").Err())
	file, _ := dumped(t, rdb, Options{})
	require.NoError(t, rdb.FlushAll(ctx).Err())
	require.NoError(t, run1(Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})))
	diff, err := Compare(ctx, rdb, bytes.NewReader(file))
	require.NoError(t, err)
	assert.Truef(t, diff.Empty(), "%+v", diff)
	got, err := rdb.ZRangeWithScores(ctx, "z", 0, -1).Result()
	require.NoError(t, err)
	assert.Len(t, got, 5)
	_, err = CompareWith(ctx, rdb, bytes.NewReader(file), CompareOptions{Slack: -1})
	require.ErrorContains(t, err, "CompareOptions.Slack")
}

// TestHostileKeys: keys may hold any bytes, also what gives hash tags and patterns their meaning.
func TestHostileKeys(t *testing.T) {
	kinds := []redistest.Kind{redistest.KindStandalone, redistest.KindCluster}
	redistest.On(t, kinds, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		prefix := e.Namespace
		var names []string
		for _, tail := range []string{"", "{", "}", "{}", "}{", "a}b", "{a}b", "{}{a}", "*[x]?\\", "\x00\xff", "é☃", " ", "\r\n"} {
			name := prefix + tail
			names = append(names, name)
			for range 3 {
				require.NoError(t, e.Client.RPush(ctx, name, anys(slices.Repeat([]string{tail, "x"}, 400), 1)...).Err())
			}
		}
		want := content(t, e.Client, names)
		for _, opts := range []Options{{}, {MaxKeyBytes: 100}} {
			opts.Match = prefix + "*"
			file, s := dumped(t, e.Client, opts)
			require.Equal(t, int64(len(names)), s.Keys)
			remove(t, e.Client, names)
			s, err := Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{})
			require.NoError(t, err)
			require.Equal(t, int64(len(names)), s.Keys)
			require.Equal(t, want, content(t, e.Client, names))
			// A prefix is a text, not a pattern.
			odd := "p[*]" + prefix
			_, err = Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{Prefix: odd})
			require.NoError(t, err)
			diff, err := CompareWith(ctx, e.Client, bytes.NewReader(file), CompareOptions{Prefix: odd})
			require.NoError(t, err)
			assert.Truef(t, diff.Empty(), "%+v", diff)
			for _, name := range names {
				require.NoError(t, e.Client.Del(ctx, odd+name).Err())
			}
		}
	})
}

// TestTemporaryName: in the slot of its key, and of no other's.
func TestTemporaryName(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, key := range []string{"", "a", "{a}b", "a}b", "{}", "}", "x{", "{{a}}", "a{b}{c}"} {
		name := temporaryName(key)
		assert.Equal(t, redistest.Slot(key), redistest.Slot(name), "%q: %q", key, name)
		assert.NotEqual(t, name, temporaryName(key))
	}
	for range 300 {
		key := make([]byte, rng.IntN(9))
		for i := range key {
			key[i] = "{}ab\x00\xff"[rng.IntN(6)]
		}
		assert.Equal(t, redistest.Slot(string(key)), redistest.Slot(temporaryName(string(key))), "%q", key)
	}
}

// TestSchedule dumps, verifies and removes until its context ends.
func TestSchedule(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	fill(t, rdb, "a:", 60, 14)
	testSchedule(t, rdb)
}

func testSchedule(t *testing.T, rdb *redis.Client) {
	t.Helper()
	dir := t.TempDir()
	seen := map[string]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- Schedule{Every: time.Millisecond, Dir: dir, Keep: Retention{Last: 2}}.Run(ctx, rdb)
	}()
	redistest.Poll(t, "five files were written", func() bool {
		for _, path := range filesIn(t, dir) {
			seen[path] = true
		}
		return len(seen) >= 5
	})
	cancel()
	require.NoError(t, <-done)
	left := filesIn(t, dir)
	assert.LessOrEqual(t, len(left), 3)
	for _, path := range left {
		assert.True(t, passes(path))
	}
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"+fileSuffix))
	require.NoError(t, err)
	return all
}

// TestCompareDenied: what cannot be seen is an error, not a difference.
func TestCompareDenied(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"some on >secret ~* +@all -hmget"}})
	rdb := s.Client()
	ctx := t.Context()
	require.NoError(t, rdb.HSet(ctx, "h", "f", "v").Err())
	file, _ := dumped(t, rdb, Options{})
	denied := s.Client(func(o *redis.Options) { o.Username, o.Password = "some", "secret" })
	_, err := Compare(ctx, denied, bytes.NewReader(file))
	require.ErrorContains(t, err, "NOPERM")
}
