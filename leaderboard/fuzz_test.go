package leaderboard

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/larder-go/larder/internal/redistest"
)

// FuzzKeys: two names never share a key, whatever they hold, and all keys of a board lie in one slot.
func FuzzKeys(f *testing.F) {
	for _, seed := range []string{"a", "a:1", "{a}", "a%7B", "}", "%", "\xff\x00"} {
		f.Add(seed, seed+"1", uint8(1), uint8(3))
	}
	f.Fuzz(func(t *testing.T, a, b string, shardsA, shardsB uint8) {
		if a == "" || b == "" || a == b && shardsA == shardsB {
			return
		}
		seen := map[string]bool{}
		for i, name := range []string{a, b} {
			opts := Options{Shards: max(1, int([]uint8{shardsA, shardsB}[i]))}
			if i == 1 && a == b && opts.Shards == max(1, int(shardsA)) {
				return
			}
			units, _, _ := unitsOf(opts, name, "all")
			for _, u := range units {
				for _, key := range u.names[:4] {
					assert.Falsef(t, seen[key], "%q", key)
					seen[key] = true
					assert.Equal(t, redistest.Slot(u.names[0]), redistest.Slot(key))
				}
			}
		}
	})
}

// FuzzPrefix: time prefixes sort as the times do, for both orders, and say their time again.
func FuzzPrefix(f *testing.F) {
	f.Add(int64(0), int64(1))
	f.Add(int64(-1), int64(1))
	f.Add(int64(1764000000000), int64(-62135596800000))
	f.Fuzz(func(t *testing.T, a, b int64) {
		for _, order := range []Order{HighestFirst, LowestFirst} {
			c := &core{opts: Options{Order: order}}
			x, y := c.prefix(time.UnixMilli(a)), c.prefix(time.UnixMilli(b))
			want := strings.Compare(x, y)
			if order == HighestFirst {
				want = -want
			}
			switch {
			case a < b:
				assert.Equal(t, -1, want)
			case a > b:
				assert.Equal(t, 1, want)
			default:
				assert.Zero(t, want)
			}
			assert.Equal(t, a, c.tieTime(x).UnixMilli())
		}
	})
}
