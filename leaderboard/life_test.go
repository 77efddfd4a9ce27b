package leaderboard_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// layouts are options of boards that have all kinds of keys.
var layouts = map[string]leaderboard.Options{
	"plain":    {},
	"earliest": {Ties: leaderboard.EarliestFirst},
	"lowest":   {Ties: leaderboard.EarliestFirst, Order: leaderboard.LowestFirst},
	"dense":    {Ranking: leaderboard.Dense},
	"both":     {Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Dense},
}

// TestExpiry: all keys of a period's board expire at its end and Keep later, a moment that is given when they are made
// and never prolonged.
func TestExpiry(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		lisbon, err := time.LoadLocation("Europe/Lisbon")
		require.NoError(t, err)
		for name, opts := range layouts {
			for keep, want := range map[time.Duration]time.Time{
				0:              time.Date(2101, 3, 28, 0, 0, 0, 0, lisbon),
				-1:             {},
				90 * time.Hour: time.Date(2101, 3, 21, 0, 0, 0, 0, lisbon).Add(90 * time.Hour),
			} {
				opts.Namespace = e.Namespace + ":" + name + strconv.Itoa(int(keep))
				opts.Period, opts.Location, opts.Keep = calendar.Weekly, lisbon, keep
				b := newBoard(t, e.Client, "week", opts).At(base)
				for range 2 {
					submit(t, b, map[string]float64{"ann": 1, "bob": 2})
					require.NoError(t, second(b.Submit(ctx, "carol", 3)))
					require.NoError(t, b.SetData(ctx, "ann", []byte("x")))
					require.NoError(t, second(b.Increment(ctx, "ann", 1)))
					require.NoError(t, second(b.Remove(ctx, "bob")))
					keys := keysOf(t, e.Client, opts.Namespace)
					require.GreaterOrEqual(t, len(keys), 2)
					for _, key := range keys {
						got := e.Client.PExpireTime(ctx, key).Val()
						switch {
						case want.IsZero():
							assert.EqualValues(t, -1, got, key)
						case e.Real():
							assert.Equal(t, want.UnixMilli(), got.Milliseconds(), key)
						default: // miniredis keeps what is left, by the time that a command takes
							assert.InDelta(t, want.Unix(), got.Seconds(), 3600, key)
						}
					}
				}
			}
		}
	})
}

// TestExpiryOfOne: a board keeps its expiry when its only row takes another place, which an empty sorted set would lose.
func TestExpiryOfOne(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		for name, opts := range layouts {
			for _, shards := range shardCounts {
				if shards > 1 && opts.Ranking == leaderboard.Dense {
					continue
				}
				opts.Namespace, opts.Period, opts.Shards = e.Namespace, calendar.Daily, shards
				b := newBoard(t, e.Client, name, opts).At(base)
				for i, write := range []func() error{
					func() error { return second(b.Submit(ctx, "ann", 1)) },
					func() error { return second(b.At(base.Add(1e6)).Submit(ctx, "ann", 2)) },
					func() error { return second(b.At(base).Submit(ctx, "ann", 2)) },
					func() error { return second(b.At(base.Add(1e6)).Increment(ctx, "ann", 2)) },
					func() error { return second(b.At(base).SubmitMany(ctx, one("ann", 7))) },
					func() error { return b.SetData(ctx, "ann", []byte("x")) },
					func() error { return b.SetData(ctx, "ann", nil) },
					func() error { return b.SetData(ctx, "ann", []byte("x")) },
					func() error { return second(b.Remove(ctx, "ann")) },
					func() error { return second(b.Submit(ctx, "ann", 1)) },
				} {
					require.NoError(t, write())
					for _, key := range keysOf(t, e.Client, e.Namespace) {
						assert.Positive(t, e.Client.PExpireTime(ctx, key).Val(), "%d %s %d %s", i, name, shards, key)
					}
				}
				require.NoError(t, b.Clear(ctx))
			}
		}
	})
}

// TestSlidingKeep: with AllTime each call of a writer gives every key of the board its Keep again.
func TestSlidingKeep(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		for name, opts := range layouts {
			for _, shards := range shardCounts {
				if shards > 1 && opts.Ranking == leaderboard.Dense {
					continue
				}
				opts.Namespace, opts.Keep, opts.Shards = e.Namespace+":"+name+strconv.Itoa(shards), 50*time.Hour, shards
				b := newBoard(t, e.Client, "slides", opts)
				require.NoError(t, second(b.SubmitMany(ctx, maps.All(map[string]float64{"ann": 1, "bob": 2, "carol": 3, "dan": 4, "eve": 5, "frank": 6}))))
				require.NoError(t, b.SetData(ctx, "ann", []byte("x")))
				for what, write := range map[string]func() error{
					"submit":      func() error { return second(b.Submit(ctx, "bob", 9)) },
					"same submit": func() error { return second(b.Submit(ctx, "bob", 9)) },
					"increment":   func() error { return second(b.Increment(ctx, "bob", 1)) },
					"many":        func() error { return second(b.SubmitMany(ctx, one("bob", 3))) },
					"remove":      func() error { return second(b.Remove(ctx, "nobody")) },
					"trim":        func() error { return second(b.Trim(ctx, 100)) },
					"remove by":   func() error { return second(b.RemoveByScore(ctx, 77, 78)) },
					"data":        func() error { return b.SetData(ctx, "ann", []byte("y")) },
					"submit all":  func() error { return second(leaderboard.SubmitAll(ctx, "bob", 12, b)) },
					"submit entries": func() error {
						return second(b.SubmitEntries(ctx, slices.Values([]leaderboard.Submission{{Member: "bob", Score: 2}})))
					},
				} {
					keys := keysOf(t, e.Client, opts.Namespace)
					for _, key := range keys {
						require.NoError(t, e.Client.Persist(ctx, key).Err())
					}
					require.NoError(t, write(), what)
					for _, key := range keysOf(t, e.Client, opts.Namespace) {
						ttl := e.Client.PTTL(ctx, key).Val()
						assert.Truef(t, ttl > 49*time.Hour && ttl <= 50*time.Hour, "%s of %d: %s has %v", what, shards, key, ttl)
					}
				}
			}
		}
	})
}

// TestSlidingShards: a call that finds nothing in its own shard gives all the others their Keep again, too.
func TestSlidingShards(t *testing.T) {
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	ns := unique(t)
	b := newBoard(t, rdb, "slides", leaderboard.Options{Namespace: ns, Keep: 50 * time.Hour, Shards: 3})
	require.NoError(t, second(b.Submit(ctx, "ann", 1)))
	keys := keysOf(t, rdb, ns)
	for _, other := range members[1:] { // whichever shards they are in
		for _, key := range keys {
			require.NoError(t, rdb.Persist(ctx, key).Err())
		}
		require.NoError(t, second(b.Remove(ctx, other)))
		for _, key := range keys {
			assert.Greater(t, rdb.PTTL(ctx, key).Val(), 49*time.Hour, "%s %q", key, other)
		}
	}
}

// TestRetention: nothing is written into a period that is past its Keep.
func TestRetention(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		b := newBoard(t, e.Client, "past", leaderboard.Options{Namespace: e.Namespace, Period: calendar.Daily})
		past := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		require.ErrorIs(t, second(b.SubmitAt(ctx, "ann", 1, past)), leaderboard.ErrRetention)
		require.ErrorIs(t, second(b.At(past).Submit(ctx, "ann", 1)), leaderboard.ErrRetention)
		require.ErrorIs(t, second(b.IncrementAt(ctx, "ann", 1, past)), leaderboard.ErrRetention)
		require.ErrorIs(t, second(b.At(past).SubmitMany(ctx, one("ann", 1))), leaderboard.ErrRetention)
		require.ErrorIs(t, second(b.SubmitEntries(ctx, slices.Values([]leaderboard.Submission{{Member: "a", Score: 1, At: past}}))), leaderboard.ErrRetention)
		require.ErrorIs(t, b.At(past).SetData(ctx, "ann", []byte("x")), leaderboard.ErrRetention)
		top, err := b.At(past).Top(ctx, 3)
		require.NoError(t, err)
		assert.Empty(t, top)
		assert.Empty(t, keysOf(t, e.Client, e.Namespace))
		b = newBoard(t, e.Client, "past", leaderboard.Options{Namespace: e.Namespace, Period: calendar.Daily, Keep: -1})
		require.NoError(t, second(b.SubmitAt(ctx, "ann", 1, past)))
	})
}

// TestRetentionByTheServersClock: where the server's clock is ahead, the keys would be gone at once. That is an error too.
func TestRetentionByTheServersClock(t *testing.T) {
	m := miniredis.RunT(t)
	m.SetTime(base.AddDate(1, 0, 0))
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	for name, opts := range layouts {
		opts.Period = calendar.Daily
		b := newBoard(t, rdb, name, opts).At(base)
		for _, op := range operations {
			switch op.name {
			case "submit", "increment", "submit many":
				require.ErrorIs(t, op.call(t.Context(), b), leaderboard.ErrRetention, op.name)
				assert.Empty(t, m.Keys())
			}
		}
	}
}

// TestPeriods: the board of a moment is that of its period, and At reads it.
func TestPeriods(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		tokyo := time.FixedZone("UTC+9", 9*3600)
		for period, moments := range map[calendar.Period][]time.Time{
			calendar.Hourly:  {base, time.Date(2101, 3, 16, 11, 0, 0, 0, time.UTC)},
			calendar.Daily:   {base, time.Date(2101, 3, 16, 15, 0, 0, 0, time.UTC)},
			calendar.Weekly:  {base, time.Date(2101, 3, 20, 15, 0, 0, 0, time.UTC)}, // Monday in Tokyo
			calendar.Monthly: {base, time.Date(2101, 3, 31, 15, 0, 0, 0, time.UTC)},
			calendar.Yearly:  {base, time.Date(2101, 12, 31, 15, 0, 0, 0, time.UTC)},
		} {
			b := newBoard(t, e.Client, period.String(), leaderboard.Options{Namespace: e.Namespace, Period: period, Location: tokyo})
			before := moments[1].Add(-time.Nanosecond)
			for i, at := range moments {
				require.NoError(t, second(b.SubmitAt(ctx, "ann", float64(i+1), at)))
			}
			for at, want := range map[time.Time]float64{moments[0]: 1, before: 1, moments[1]: 2} {
				got, err := b.At(at).Get(ctx, "ann")
				require.NoError(t, err, period)
				assert.Equal(t, want, got.Score, "%v %v", period, at)
			}
		}
	})
}

// TestAtStopsTheClock: At(t).Submit is SubmitAt(t), for the period and for the tie time, and At of At is the latter.
func TestAtStopsTheClock(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		b := newBoard(t, e.Client, "clock", leaderboard.Options{Namespace: e.Namespace, Ties: leaderboard.EarliestFirst, Period: calendar.Daily})
		frozen := b.At(base)
		require.NoError(t, second(frozen.Submit(ctx, "late", 1)))
		require.NoError(t, second(frozen.At(base.Add(-time.Minute)).Submit(ctx, "early", 1)))
		require.NoError(t, second(b.SubmitAt(ctx, "between", 1, base.Add(-time.Second))))
		top, err := frozen.Top(ctx, 3)
		require.NoError(t, err)
		assert.Equal(t, []string{"early", "between", "late"}, names(top))
		assert.Equal(t, "clock", frozen.Name())
	})
}

// TestTies: who reached a score first is ahead, whoever arrives first; an equal score with an earlier time moves the tie
// time back and is not Applied, one with a later time changes nothing, increments by nothing neither.
func TestTies(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		for _, order := range []leaderboard.Order{leaderboard.HighestFirst, leaderboard.LowestFirst} {
			b := newBoard(t, e.Client, "ties"+strconv.Itoa(int(order)), leaderboard.Options{Namespace: e.Namespace, Ties: leaderboard.EarliestFirst, Order: order})
			at := func(ms int) time.Time { return base.Add(time.Duration(ms) * time.Millisecond) }
			top := func() []string {
				entries, err := b.Top(ctx, 10)
				require.NoError(t, err)
				return names(entries)
			}
			for _, step := range []struct {
				member  string
				score   float64
				ms      int
				applied bool
				want    []string
			}{
				{"b", 5.5, 20, true, []string{"b"}},
				{"c", 5.5, 30, true, []string{"b", "c"}},
				{"a", 5.5, 10, true, []string{"a", "b", "c"}},
				{"a", 5.5, 40, false, []string{"a", "b", "c"}},
				{"c", 5.5, 5, false, []string{"c", "a", "b"}},
				{"b", -5.5, 3, true, nil},
				{"b", 5.5, 50, true, []string{"c", "a", "b"}},
				{"b", 5.5, -2000000000, false, []string{"b", "c", "a"}},
			} {
				res, err := b.SubmitAt(ctx, step.member, step.score, at(step.ms))
				require.NoError(t, err)
				assert.Equal(t, step.applied, res.Applied)
				if step.want != nil {
					assert.Equal(t, step.want, top())
				}
			}
			res, err := b.IncrementAt(ctx, "a", 0, at(-99999999))
			require.NoError(t, err)
			assert.False(t, res.Applied)
			assert.Equal(t, []string{"b", "c", "a"}, top())
			// One moment: by member.
			require.NoError(t, second(b.SubmitAt(ctx, "x", 9, base)))
			require.NoError(t, second(b.SubmitAt(ctx, "y", 9, base)))
			same, err := b.ByScore(ctx, 9, 9, 0)
			require.NoError(t, err)
			want := []string{"y", "x"}
			if order == leaderboard.LowestFirst {
				want = []string{"x", "y"}
			}
			assert.Equal(t, want, names(same))
		}
	})
}

// TestCap: every writer keeps only the best; who is evicted at once is not Applied and has no rank.
func TestCap(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		for name, opts := range layouts {
			opts.Namespace, opts.Cap, opts.Order = e.Namespace, 3, leaderboard.HighestFirst
			b := newBoard(t, e.Client, name, opts)
			submit(t, b, map[string]float64{"a": 1, "b": 2, "c": 3, "d": 4})
			require.NoError(t, b.SetData(ctx, "b", []byte("b's")))
			res, err := b.Submit(ctx, "e", 1.5)
			require.NoError(t, err)
			assert.Equal(t, leaderboard.Result{Entry: leaderboard.Entry{Member: "e"}}, res)
			res, err = b.Increment(ctx, "f", 5)
			require.NoError(t, err)
			assert.True(t, res.Applied)
			assert.EqualValues(t, 1, res.Rank)
			top, err := b.Top(ctx, 10)
			require.NoError(t, err)
			assert.Equal(t, []string{"f", "d", "c"}, names(top))
			data, err := b.Data(ctx, "b")
			require.NoError(t, err)
			assert.Empty(t, data)
			require.NoError(t, second(b.SubmitEntries(ctx, slices.Values([]leaderboard.Submission{{Member: "g", Score: 7}, {Member: "h", Score: 8}}))))
			n, err := b.Len(ctx)
			require.NoError(t, err)
			assert.EqualValues(t, 3, n)
			// A board that was larger is cut by the next write.
			opts.Cap = 1
			require.NoError(t, second(newBoard(t, e.Client, name, opts).Submit(ctx, "h", 8)))
			n, err = b.Len(ctx)
			require.NoError(t, err)
			assert.EqualValues(t, 1, n)
		}
	})
}

// TestDataGoes: data lives and dies with its member, whichever way that goes.
func TestDataGoes(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		for _, shards := range shardCounts {
			for name, opts := range layouts {
				if shards > 1 && opts.Ranking == leaderboard.Dense {
					continue
				}
				for what, remove := range map[string]func(b *leaderboard.Board) error{
					"remove":          func(b *leaderboard.Board) error { return second(b.Remove(ctx, "ann")) },
					"remove by score": func(b *leaderboard.Board) error { return second(b.RemoveByScore(ctx, 1, 1)) },
					"trim": func(b *leaderboard.Board) error {
						if err := second(b.SubmitMany(ctx, maps.All(map[string]float64{"x": 3, "y": 3}))); err != nil {
							return err
						}
						return second(b.Trim(ctx, 0))
					},
					"clear": func(b *leaderboard.Board) error { return b.Clear(ctx) },
				} {
					opts.Namespace, opts.Shards = e.Namespace+":"+what+strconv.Itoa(shards), shards
					b := newBoard(t, e.Client, name, opts)
					submit(t, b, map[string]float64{"ann": 1, "bob": 2})
					require.NoError(t, b.SetData(ctx, "ann", []byte("old")))
					require.NoError(t, b.SetData(ctx, "ann", []byte("x\x00\xff")))
					require.NoError(t, b.SetData(ctx, "bob", []byte("x")))
					require.NoError(t, b.SetData(ctx, "bob", nil))
					data, err := b.Data(ctx, "bob", "ann", "nobody", "ann")
					require.NoError(t, err)
					assert.Equal(t, map[string][]byte{"ann": []byte("x\x00\xff")}, data)
					require.NoError(t, remove(b), what)
					require.NoError(t, second(b.Submit(ctx, "ann", 1)))
					data, err = b.Data(ctx, "ann")
					require.NoError(t, err)
					assert.Empty(t, data, what)
				}
			}
		}
	})
}

// TestLayout: a board that is there with another layout is refused, to readers and writers, and stays as it is.
func TestLayout(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		all := maps.Clone(layouts)
		for _, shards := range shardCounts {
			if shards > 1 {
				all["shards"+strconv.Itoa(shards)] = leaderboard.Options{Shards: shards}
				all["shards, earliest"+strconv.Itoa(shards)] = leaderboard.Options{Shards: shards, Ties: leaderboard.EarliestFirst}
			}
		}
		for name, opts := range all {
			opts.Namespace = e.Namespace
			b := newBoard(t, e.Client, name, opts)
			submit(t, b, map[string]float64{"ann": 1, "bob": 2, "carol": 3})
			before := dumpKeys(t, e)
			for other, opts := range all {
				if other == name {
					continue
				}
				opts.Namespace = e.Namespace
				for _, op := range operations {
					err := op.call(ctx, newBoard(t, e.Client, name, opts))
					require.ErrorIs(t, err, leaderboard.ErrLayout, "%s is %s: %s", name, other, op.name)
				}
				assert.Equal(t, before, dumpKeys(t, e), "%s %s", name, other)
			}
			require.NoError(t, b.Clear(ctx))
			require.Empty(t, keysOf(t, e.Client, e.Namespace))
			// Now the name is free.
			opts.Ties, opts.Ranking, opts.Shards = leaderboard.EarliestFirst, leaderboard.Dense, 1
			b = newBoard(t, e.Client, name, opts)
			require.NoError(t, second(b.Submit(ctx, "ann", 1)))
			require.NoError(t, b.Clear(ctx))
		}
	})
}

// TestForeignType: where a key of the board holds something else, every operation that needs it says which, and
// everything stays as it was.
func TestForeignType(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		for name, opts := range layouts {
			opts.Namespace = e.Namespace + ":" + name
			opts.Cap = 100
			b := newBoard(t, e.Client, "foreign", opts)
			submit(t, b, map[string]float64{"ann": 1, "bob": 2})
			require.NoError(t, b.SetData(ctx, "ann", []byte("x")))
			for _, key := range keysOf(t, e.Client, opts.Namespace) {
				if strings.HasSuffix(key, "layout") {
					continue
				}
				saved := key + ":saved"
				require.NoError(t, e.Client.Rename(ctx, key, saved).Err())
				require.NoError(t, e.Client.LPush(ctx, key, "mine").Err())
				failed := 0
				for _, op := range operations {
					before := dumpOthers(t, e, key)
					err := op.call(ctx, b)
					if err != nil {
						failed++
						require.ErrorIs(t, err, leaderboard.ErrWrongType, "%s %s", op.name, key)
						var typed *leaderboard.WrongTypeError
						require.ErrorAs(t, err, &typed)
						assert.Equal(t, key, typed.Key, op.name)
						assert.Equal(t, "list", typed.Type, op.name)
						assert.Contains(t, err.Error(), key)
						assert.Equal(t, before, dumpOthers(t, e, key), "%s %s", op.name, key)
					} else {
						require.False(t, op.write, "%s wrote beside %s", op.name, key)
					}
				}
				require.GreaterOrEqual(t, failed, 9, key)
				assert.Equal(t, []string{"mine"}, e.Client.LRange(ctx, key, 0, -1).Val())
				require.NoError(t, e.Client.Del(ctx, key).Err())
				require.NoError(t, e.Client.Rename(ctx, saved, key).Err())
			}
		}
	})
}

// TestForeignBeforeTheFirst: where a foreign type is in the way of a board that is not there yet, nothing is written, the
// record of its layout included.
func TestForeignBeforeTheFirst(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		for name, opts := range layouts {
			for _, part := range []string{"scores", "times", "distinct"} {
				opts.Namespace = e.Namespace + ":" + name + part
				b := newBoard(t, e.Client, "first", opts)
				require.NoError(t, second(b.Submit(ctx, "ann", 1)))
				key := ""
				for _, k := range keysOf(t, e.Client, opts.Namespace) {
					if strings.Contains(k, ":"+part) {
						key = k
					}
				}
				require.NoError(t, b.Clear(ctx))
				if key == "" {
					continue // this layout does not have it
				}
				require.NoError(t, e.Client.Set(ctx, key, "mine", 0).Err())
				for _, op := range operations {
					switch op.name {
					case "submit", "increment", "submit many", "submit entries":
						require.ErrorIs(t, op.call(ctx, b), leaderboard.ErrWrongType, "%s beside %s", op.name, key)
					}
				}
				assert.Equal(t, []string{key}, keysOf(t, e.Client, opts.Namespace))
			}
		}
	})
}

// TestClearSparesAnother: a Board that has seen its season does not clear what another one with another layout has made
// there since.
func TestClearSparesAnother(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		for i, opts := range []leaderboard.Options{{}, {Ties: leaderboard.EarliestFirst}, {Shards: 3}} {
			for k, other := range []leaderboard.Options{{}, {Ranking: leaderboard.Dense}, {Shards: 2}} {
				if opts == other {
					continue
				}
				opts.Namespace = e.Namespace + strconv.Itoa(i) + strconv.Itoa(k)
				other.Namespace = opts.Namespace
				old := newBoard(t, e.Client, "spared", opts)
				submit(t, old, map[string]float64{"ann": 1, "bob": 2, "carol": 3})
				require.NoError(t, newBoard(t, e.Client, "spared", opts).Clear(ctx))
				submit(t, newBoard(t, e.Client, "spared", other), map[string]float64{"ann": 1, "bob": 2, "carol": 3})
				before := keysOf(t, e.Client, opts.Namespace)
				require.ErrorIs(t, old.Clear(ctx), leaderboard.ErrLayout, "%d %d", i, k)
				assert.Equal(t, before, keysOf(t, e.Client, opts.Namespace))
			}
		}
	})
}

// dumpOthers is dumpKeys of all keys but one.
func dumpOthers(t *testing.T, e redistest.Env, key string) map[string]any {
	t.Helper()
	dump := map[string]any{}
	for _, other := range keysOf(t, e.Client, e.Namespace) {
		if other != key {
			dump[other] = e.Client.Dump(t.Context(), other).Val()
			if e.Client.Type(t.Context(), other).Val() == "zset" {
				dump[other] = e.Client.ZRangeWithScores(t.Context(), other, 0, -1).Val()
			}
		}
	}
	return dump
}

// TestForeignLayout: so it is with the record of the layout, which is looked at when a board is made.
func TestForeignLayout(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		key := e.Namespace + ":leaderboard:{x}:all:layout"
		require.NoError(t, e.Client.LPush(ctx, key, "mine").Err())
		for name, opts := range layouts {
			opts.Namespace = e.Namespace
			for _, op := range operations {
				require.ErrorIs(t, op.call(ctx, newBoard(t, e.Client, "x", opts)), leaderboard.ErrWrongType, "%s %s", name, op.name)
			}
		}
		assert.Equal(t, []string{key}, keysOf(t, e.Client, e.Namespace))
	})
}

// TestLostCompanion: a board whose scores were evicted begins anew, without what was left of the old one.
func TestLostCompanion(t *testing.T) {
	alone(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		ctx := t.Context()
		b := newBoard(t, e.Client, "lost", leaderboard.Options{Namespace: e.Namespace, Ties: leaderboard.EarliestFirst, Ranking: leaderboard.Dense})
		submit(t, b, map[string]float64{"ann": 1, "bob": 2, "carol": 3})
		require.NoError(t, e.Client.Del(ctx, e.Namespace+":leaderboard:{lost}:all:scores-earliest-dense").Err())
		res, err := b.Submit(ctx, "bob", 1)
		require.NoError(t, err)
		assert.False(t, res.Existed)
		assert.EqualValues(t, 1, res.Rank)
		res, err = b.Submit(ctx, "dan", 0)
		require.NoError(t, err)
		assert.EqualValues(t, 2, res.Rank)
	})
}
