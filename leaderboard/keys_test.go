package leaderboard

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/larder-go/larder/internal/redistest"
)

// TestKeys: all keys of a board of one shard lie in one slot, and no two boards share one, whatever their names hold.
func TestKeys(t *testing.T) {
	names := []string{"a", "a:0", "a:1", "a%", "a%25", "{a}", "}", "{", "a}b", "%7D", "a:0:scores", " ", "\x00", "ü", "{}", "a:all", "all"}
	seen := map[string]string{}
	for _, namespace := range []string{"", "ns", "ns:leaderboard"} {
		for _, name := range names {
			for layout, opts := range map[string]Options{
				"plain": {}, "earliest": {Ties: EarliestFirst}, "lowest": {Ties: EarliestFirst, Order: LowestFirst}, "dense": {Ranking: Dense},
				"both": {Ties: EarliestFirst, Ranking: Dense}, "shards": {Shards: 3}, "more": {Shards: 4},
			} {
				opts.Namespace = namespace
				opts.Shards = max(opts.Shards, 1)
				for _, label := range []string{"all", "2026", "2026-11-22T13:00Z"} {
					units, record, plain := unitsOf(opts, name, label)
					assert.Equal(t, redistest.Slot(record), redistest.Slot(plain))
					for _, u := range units {
						for i, key := range u.names[:4] {
							id := strings.Join([]string{namespace, name, layout, label}, "\x01")
							assert.Emptyf(t, seen[key], "%s: %q and %q", key, seen[key], id)
							seen[key] = id
							assert.Equal(t, redistest.Slot(u.names[0]), redistest.Slot(key))
							assert.Equal(t, []string{"zset", "hash", "zset", "hash"}[i], typeOf(key))
						}
					}
					if opts.Shards == 1 {
						assert.Equal(t, redistest.Slot(record), redistest.Slot(units[0].names[0]))
					}
					assert.Equal(t, "string", typeOf(record))
				}
			}
		}
	}
}

// TestKeyNames: keys outlive a deployment, so they are written down here.
func TestKeyNames(t *testing.T) {
	units, record, _ := unitsOf(Options{Shards: 1}, "cup", "2026-W47")
	assert.Equal(t, "leaderboard:{cup}:2026-W47:scores", units[0].scores())
	assert.Equal(t, "leaderboard:{cup}:2026-W47:data", units[0].data())
	assert.Equal(t, "leaderboard:{cup}:2026-W47:layout", record)
	units, _, _ = unitsOf(Options{Namespace: "game", Ties: EarliestFirst, Ranking: Dense, Shards: 1}, "c{u}p%", "all")
	assert.Equal(t, [parts]string{
		"game:leaderboard:{c%7Bu%7Dp%25}:all:scores-earliest-dense", "game:leaderboard:{c%7Bu%7Dp%25}:all:times-earliest-dense",
		"game:leaderboard:{c%7Bu%7Dp%25}:all:distinct-earliest-dense", "game:leaderboard:{c%7Bu%7Dp%25}:all:data-earliest-dense",
		"game:leaderboard:{c%7Bu%7Dp%25}:all:layout",
	}, units[0].names)
	units, record, _ = unitsOf(Options{Shards: 8}, "cup", "all")
	assert.Equal(t, "leaderboard:{cup:7}:all:scores-of8", units[7].scores())
	assert.Equal(t, "leaderboard:{cup}:all:layout", record)
}

// TestShardOf: which shard a member lies in never changes, and members spread evenly.
func TestShardOf(t *testing.T) {
	assert.Equal(t, []int{0, 1, 6, 7}, []int{shardOf("ann", 1), shardOf("ann", 8), shardOf("bob", 8), shardOf("", 8)})
	counts := make([]int, 7)
	for i := range 70000 {
		counts[shardOf(strings.Repeat("x", i%5)+string(rune(i)), len(counts))]++
	}
	for shard, n := range counts {
		assert.InDeltaf(t, 10000, n, 600, "shard %d", shard)
	}
}
