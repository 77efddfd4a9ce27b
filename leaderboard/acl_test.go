package leaderboard_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// TestDenied: where a user may not use one of the commands of the scripts, no key is left without its expiry, and a Merge
// leaves its target alone: scripts do not roll back.
func TestDenied(t *testing.T) {
	ctx := t.Context()
	server := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"app on >secret ~* +@all"}})
	admin := server.Client()
	rdb := server.Client(func(o *redis.Options) { o.Username, o.Password = "app", "secret" })
	from := newBoard(t, admin, "from", leaderboard.Options{})
	submit(t, from, map[string]float64{"carol": 1, "bob": 2})
	writes := append(slices.Clone(operations), operation{"merge", true, func(ctx context.Context, b *leaderboard.Board) error {
		return second(leaderboard.Merge(ctx, b, leaderboard.Sum, from))
	}})
	for _, name := range []string{"plain", "both"} { // the least and the most keys
		opts := layouts[name]
		for _, keep := range []leaderboard.Options{{Period: calendar.Daily}, {Keep: time.Hour}, {Period: calendar.Daily, Keep: -1}} {
			opts.Period, opts.Keep = keep.Period, keep.Keep
			for _, command := range []string{"pexpireat", "pexpire", "persist", "rename", "unlink", "hkeys", "hset", "exists"} {
				require.NoError(t, admin.Do(ctx, "acl", "setuser", "app", "-"+command).Err())
				for _, op := range writes {
					if !op.write {
						continue
					}
					what := fmt.Sprintf("%s without %s: %s, %v %v", name, command, op.name, keep.Period, keep.Keep)
					opts.Namespace = what
					_ = op.call(ctx, newBoard(t, rdb, "new", opts).At(base))
					old := newBoard(t, admin, "old", opts).At(base)
					submit(t, old, map[string]float64{"ann": 1, "dan": 2})
					before, err := old.Top(ctx, 9)
					require.NoError(t, err)
					err = op.call(ctx, newBoard(t, rdb, "old", opts).At(base))
					after, topErr := old.Top(ctx, 9)
					require.NoError(t, topErr)
					if op.name == "merge" && err != nil {
						assert.Equal(t, before, after, "%s: %v", what, err)
					}
					for _, key := range keysOf(t, admin, what) {
						if keep.Keep >= 0 {
							assert.Positive(t, admin.PExpireTime(ctx, key).Val(), "%s: %s: %v", what, key, err)
						}
					}
				}
				require.NoError(t, admin.Do(ctx, "acl", "setuser", "app", "+"+command).Err())
			}
		}
	}
}

// rights are the least that a user needs, as the documentation says.
const rights = "+@sortedset +@hash +get +set +strlen +del +unlink +exists +type +rename +persist +pexpire +pexpireat +eval +evalsha +@connection"

// TestRights: they are enough for everything.
func TestRights(t *testing.T) {
	ctx := t.Context()
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	require.Contains(t, strings.Join(strings.Fields(strings.ReplaceAll(string(doc), "//", "")), " "), rights)
	server := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"app on >secret ~* " + rights}})
	rdb := server.Client(func(o *redis.Options) { o.Username, o.Password = "app", "secret" })
	for name, opts := range layouts {
		for _, shards := range shardCounts {
			if shards > 1 && opts.Ranking == leaderboard.Dense {
				continue
			}
			opts.Shards = shards
			for _, keep := range []leaderboard.Options{{Period: calendar.Daily, Cap: 4}, {Keep: time.Hour}, {}} {
				opts.Period, opts.Keep, opts.Cap = keep.Period, keep.Keep, keep.Cap
				b := newBoard(t, rdb, fmt.Sprint(name, keep, shards), opts)
				for _, op := range operations {
					require.NoError(t, second(b.SubmitMany(ctx, maps.All(map[string]float64{"ann": 1, "bob": 2, "carol": 3, "dan": 4}))))
					require.NoError(t, op.call(ctx, b), op.name)
				}
				require.NoError(t, second(leaderboard.Merge(ctx, b, leaderboard.Sum, b)))
			}
		}
	}
}
