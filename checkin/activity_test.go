package checkin

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
)

func newActivity(tb testing.TB, rdb redis.UniversalClient, opts ActivityOptions) *Activity {
	tb.Helper()
	a, err := NewActivity(rdb, opts)
	require.NoError(tb, err)
	return a
}

// crowd is the oracle of an Activity.
type crowd map[calendar.Day]map[uint32]bool

func (c crowd) distinct(from, to calendar.Day) map[uint32]bool {
	all := map[uint32]bool{}
	for d := from; !d.After(to); d = d.Add(1) {
		for id := range c[d] {
			all[id] = true
		}
	}
	return all
}

func (c crowd) both(a, b map[uint32]bool) int64 {
	n := int64(0)
	for id := range a {
		if b[id] {
			n++
		}
	}
	return n
}

func rate(count, size int64) float64 {
	if size == 0 {
		return 0
	}
	return float64(count) / float64(size)
}

// someID is of a few segments, the first and the last among them, and within one rather dense.
func someID(r *rand.Rand) uint32 {
	segments := []uint32{0, 0, 0, 1, 700, 65535}
	return segments[r.IntN(len(segments))]<<16 | []uint32{0, 65535, r.Uint32N(90), r.Uint32N(65536)}[r.IntN(4)]
}

// TestActivityModel holds an Activity against sets, on every kind of server and client.
func TestActivityModel(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		r := rand.New(rand.NewPCG(7, 7))
		loc := zone(t, "Asia/Kathmandu")
		a := newActivity(t, e.Client, ActivityOptions{Namespace: e.Namespace, Location: loc})
		c := crowd{}
		first := day("2096-02-20") // over a leap day
		steps := 400
		if !e.Real() {
			steps = 120
		}
		for range steps {
			id, d := someID(r), first.Add(r.IntN(20))
			if r.IntN(6) == 0 {
				require.NoError(t, a.Unmark(ctx, id, d))
				delete(c[d], id)
				continue
			}
			require.NoError(t, a.MarkAt(ctx, id, d.Start(loc).Add(time.Duration(r.IntN(24))*time.Hour)))
			if c[d] == nil {
				c[d] = map[uint32]bool{}
			}
			c[d][id] = true
		}
		for range 25 {
			from := first.Add(r.IntN(26) - 3)
			to := from.Add(r.IntN(20))
			n, err := a.Count(ctx, from, to)
			require.NoError(t, err)
			require.Equal(t, int64(len(c.distinct(from, to))), n)

			days := []calendar.Day{from, first.Add(r.IntN(20)), from}[:1+r.IntN(3)]
			every := c[days[0]]
			for _, d := range days[1:] {
				next := map[uint32]bool{}
				for id := range every {
					if c[d][id] {
						next[id] = true
					}
				}
				every = next
			}
			n, err = a.Every(ctx, days...)
			require.NoError(t, err)
			require.Equal(t, int64(len(every)), n)

			after := []int{r.IntN(9), 0, 1, r.IntN(30), 1}
			got, err := a.Retention(ctx, from, after...)
			require.NoError(t, err)
			require.Len(t, got, len(after))
			for i, k := range after {
				both := c.both(c[from], c[from.Add(k)])
				require.Equal(t, Retained{After: k, Count: both, Rate: rate(both, int64(len(c[from])))}, got[i])
			}

			id := someID(r)
			has, err := a.Contains(ctx, id, from)
			require.NoError(t, err)
			require.Equal(t, c[from][id], has)

			var members []uint32
			for id, err := range a.Members(ctx, from) {
				require.NoError(t, err)
				members = append(members, id)
			}
			var want []uint32
			for id := range c[from] {
				want = append(want, id)
			}
			slices.Sort(want)
			require.Equal(t, want, members)
		}
		for _, width := range []int{1, 3, 7, 30} {
			to := first.Add(19)
			table, err := a.Cohorts(ctx, first, to, width)
			require.NoError(t, err)
			n := (20 + width - 1) / width
			require.Len(t, table.Rows, n)
			period := func(i int) map[uint32]bool {
				end := first.Add(i*width + width - 1)
				if end.After(to) {
					end = to
				}
				return c.distinct(first.Add(i*width), end)
			}
			for i, row := range table.Rows {
				require.Equal(t, first.Add(i*width), row.Cohort)
				require.Equal(t, int64(len(period(i))), row.Size)
				require.Len(t, row.Cells, n-i)
				for k, cell := range row.Cells {
					both := c.both(period(i), period(i+k))
					require.Equal(t, Retained{After: k * width, Count: both, Rate: rate(both, row.Size)}, cell)
				}
			}
		}
	})
}

// TestActivityKeys: the keys are those that are documented, each expires, and reading changes and leaves nothing.
func TestActivityKeys(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	a := newActivity(t, rdb, ActivityOptions{Location: zone(t, "America/New_York")})
	at := moment("2095-03-08 23:30", zone(t, "America/New_York"))
	for _, id := range []uint32{0, 9, 70_000} {
		require.NoError(t, a.MarkAt(ctx, id, at))
	}
	dump := func() map[string]string {
		keys, err := rdb.Keys(ctx, "*").Result()
		require.NoError(t, err)
		all := map[string]string{}
		for _, k := range keys {
			all[k] = fmt.Sprintf("%x until %v", rdb.Get(ctx, k).Val(), rdb.PExpireTime(ctx, k).Val().Milliseconds())
		}
		return all
	}
	until := moment("2095-03-09 00:00", zone(t, "America/New_York")).Add(400 * 24 * time.Hour).UnixMilli()
	bits := make([]byte, (70_000-65_536)/8+1)
	bits[len(bits)-1] = 0x80
	want := map[string]string{
		"activity:{0}:2095-03-08":        fmt.Sprintf("8040 until %d", until),
		"activity:{1}:2095-03-08":        fmt.Sprintf("%x until %d", bits, until),
		"activity:{2095-03-08}:segments": fmt.Sprintf("c0 until %d", until),
	}
	assert.Equal(t, want, dump())

	// Only what looks at one key of 8 KB at most is ever sent, so no command takes long.
	asked := map[string]bool{}
	rdb.AddHook(names{asked})
	changes, err := rdb.Info(ctx, "persistence").Result()
	require.NoError(t, err)
	from, to := day("2095-03-01"), day("2095-03-31")
	_, err = a.Count(ctx, from, to)
	require.NoError(t, err)
	_, err = a.Every(ctx, from, to)
	require.NoError(t, err)
	_, err = a.Retention(ctx, day("2095-03-08"), 1, 2, 3)
	require.NoError(t, err)
	_, err = a.Cohorts(ctx, from, to, 7)
	require.NoError(t, err)
	for _, err := range a.Members(ctx, day("2095-03-08")) {
		require.NoError(t, err)
	}
	_, err = a.Contains(ctx, 1, to)
	require.NoError(t, err)
	require.NoError(t, a.Unmark(ctx, 3, to)) // nobody was marked
	assert.Equal(t, want, dump())
	asked["evalsha"] = asked["evalsha"] || asked["eval"] // of Unmark
	assert.Equal(t, map[string]bool{"evalsha": true, "get": true, "getbit": true}, without(asked, "info", "eval", "keys", "pexpiretime"))
	after, err := rdb.Info(ctx, "persistence").Result()
	require.NoError(t, err)
	assert.Equal(t, line(changes, "rdb_changes_since_last_save"), line(after, "rdb_changes_since_last_save"))
}

// names notes the names of commands.
type names struct{ seen map[string]bool }

func (names) DialHook(next redis.DialHook) redis.DialHook { return next }

func (n names) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		n.seen[cmd.Name()] = true
		return next(ctx, cmd)
	}
}

func (n names) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			n.seen[cmd.Name()] = true
		}
		return next(ctx, cmds)
	}
}

func without(m map[string]bool, keys ...string) map[string]bool {
	m = maps.Clone(m)
	for _, k := range keys {
		delete(m, k)
	}
	return m
}

func line(info, name string) string {
	_, rest, _ := strings.Cut(info, name)
	found, _, _ := strings.Cut(rest, "\r\n")
	return found
}

// TestHugeNumbers: ids far apart cost kilobytes.
func TestHugeNumbers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	a := newActivity(t, rdb, ActivityOptions{})
	d := day("2095-01-01")
	ids := []uint32{0, 1 << 16, 1 << 31, math.MaxUint32}
	for _, id := range ids {
		require.NoError(t, a.MarkAt(ctx, id, d.Start(nil)))
	}
	keys, err := rdb.Keys(ctx, "*").Result()
	require.NoError(t, err)
	total := int64(0)
	for _, k := range keys {
		n, err := rdb.MemoryUsage(ctx, k).Result()
		require.NoError(t, err)
		total += n
	}
	assert.Less(t, total, int64(40<<10))
	n, err := a.Count(ctx, d, d)
	require.NoError(t, err)
	assert.Equal(t, int64(len(ids)), n)
	var got []uint32
	for id, err := range a.Members(ctx, d) {
		require.NoError(t, err)
		got = append(got, id)
	}
	assert.Equal(t, ids, got)
}

// TestManySegments: what is asked for at once is bounded, and counted right over the seams.
func TestManySegments(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	a := newActivity(t, rdb, ActivityOptions{})
	first := day("2095-01-01")
	pipe := rdb.Pipeline()
	for d := range 3 {
		for s := range 300 {
			pipe.SetBit(ctx, a.segmentKey(uint32(s), first.Add(d)), int64(s+d), 1)
			pipe.SetBit(ctx, a.indexKey(first.Add(d)), int64(s), 1)
		}
	}
	_, err := pipe.Exec(ctx)
	require.NoError(t, err)
	var largest int
	rdb.AddHook(batches(func(n int) { largest = max(largest, n) }))
	n, err := a.Count(ctx, first, first.Add(2))
	require.NoError(t, err)
	assert.Equal(t, int64(900), n)
	n, err = a.Every(ctx, first, first.Add(1))
	require.NoError(t, err)
	assert.Zero(t, n)
	seen := 0
	for _, err := range a.Members(ctx, first) {
		require.NoError(t, err)
		seen++
		if seen == 250 {
			break
		}
	}
	assert.Equal(t, 250, seen)
	assert.LessOrEqual(t, largest, segmentsAtOnce)
}

// batches is told how long each pipeline is.
type batches func(int)

func (batches) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (batches) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (fn batches) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		fn(len(cmds))
		return next(ctx, cmds)
	}
}

// TestActivityBadInput: refused by name, and nothing is sent.
func TestActivityBadInput(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := lardertest.New(t)
	var count counting
	rdb.AddHook(&count)
	a := newActivity(t, rdb, ActivityOptions{})
	bad, good := calendar.Day{Year: 2026, Month: 2, Day: 29}, day("2026-03-01")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, sent := count.of(func() {
		require.ErrorIs(t, a.MarkAt(ctx, 1, time.Time{}), ErrRange)
		require.ErrorIs(t, a.Unmark(ctx, 1, bad), ErrInvalidDay)
		_, err := a.Contains(ctx, 1, bad)
		require.ErrorIs(t, err, ErrInvalidDay)
		_, err = a.Count(ctx, bad, good)
		require.ErrorIs(t, err, ErrInvalidDay)
		_, err = a.Count(ctx, good, good.Add(-1))
		require.ErrorIs(t, err, ErrRange)
		_, err = a.Count(ctx, day("1000-01-01"), good)
		require.ErrorIs(t, err, ErrRange)
		_, err = a.Every(ctx)
		require.ErrorIs(t, err, ErrRange)
		_, err = a.Every(ctx, good, bad)
		require.ErrorIs(t, err, ErrInvalidDay)
		_, err = a.Retention(ctx, bad, 1)
		require.ErrorIs(t, err, ErrInvalidDay)
		_, err = a.Retention(ctx, good, 1, -1)
		require.ErrorIs(t, err, ErrRange)
		_, err = a.Retention(ctx, good, math.MaxInt)
		require.ErrorIs(t, err, ErrRange)
		_, err = a.Retention(ctx, day("9999-12-31"), 1)
		require.ErrorIs(t, err, ErrRange)
		none, err := a.Retention(ctx, good)
		require.NoError(t, err)
		require.Empty(t, none)
		for _, width := range []int{0, -1, math.MinInt} {
			_, err = a.Cohorts(ctx, good, good, width)
			require.ErrorIs(t, err, ErrRange)
		}
		_, err = a.Cohorts(ctx, good, good.Add(400), 1)
		require.ErrorIs(t, err, ErrRange)
		_, err = a.Cohorts(ctx, good, bad, 1)
		require.ErrorIs(t, err, ErrInvalidDay)
		n := 0
		for _, err := range a.Members(ctx, bad) {
			require.ErrorIs(t, err, ErrInvalidDay)
			n++
		}
		require.Equal(t, 1, n)
		require.ErrorIs(t, a.Mark(gone, 1), context.Canceled)
		require.ErrorIs(t, a.Unmark(gone, 1, good), context.Canceled)
		_, err = a.Count(gone, good, good)
		require.ErrorIs(t, err, context.Canceled)
		_, err = a.Contains(gone, 1, good)
		require.ErrorIs(t, err, context.Canceled)
	})
	assert.Zero(t, sent)
	table, err := a.Cohorts(ctx, good, good, math.MaxInt)
	require.NoError(t, err)
	assert.Equal(t, Table{Rows: []CohortRow{{Cohort: good, Cells: []Retained{{}}}}}, table)
}

// TestActivityForeignType: another type at a key is ErrWrongType on every call, and is left as it was.
func TestActivityForeignType(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		d := day("2095-01-01")
		for _, index := range []bool{true, false} {
			a := newActivity(t, e.Client, ActivityOptions{Namespace: fmt.Sprint(e.Namespace, index)})
			require.NoError(t, a.MarkAt(ctx, 5, d.Start(nil)))
			key := a.segmentKey(0, d)
			if index {
				key = a.indexKey(d)
			}
			require.NoError(t, e.Client.Del(ctx, key).Err())
			require.NoError(t, e.Client.RPush(ctx, key, "theirs").Err())
			a = newActivity(t, e.Client, ActivityOptions{Namespace: fmt.Sprint(e.Namespace, index)}) // nothing is remembered
			require.ErrorIs(t, a.MarkAt(ctx, 5, d.Start(nil)), ErrWrongType)
			_, err := a.Count(ctx, d.Add(-1), d)
			require.ErrorIs(t, err, ErrWrongType)
			_, err = a.Count(ctx, d, d)
			require.ErrorIs(t, err, ErrWrongType)
			_, err = a.Every(ctx, d)
			require.ErrorIs(t, err, ErrWrongType)
			_, err = a.Retention(ctx, d, 1)
			require.ErrorIs(t, err, ErrWrongType)
			_, err = a.Cohorts(ctx, d, d, 1)
			require.ErrorIs(t, err, ErrWrongType)
			for _, err := range a.Members(ctx, d) {
				require.ErrorIs(t, err, ErrWrongType)
			}
			if !index {
				require.ErrorIs(t, a.Unmark(ctx, 5, d), ErrWrongType)
				_, err = a.Contains(ctx, 5, d)
				require.ErrorIs(t, err, ErrWrongType)
			}
			theirs, err := e.Client.LRange(ctx, key, 0, -1).Result()
			require.NoError(t, err)
			assert.Equal(t, []string{"theirs"}, theirs)
		}
	})
}

// TestIndexHeals: an index that is lost is written again, a minute later by those who marked before, and at once by others.
func TestIndexHeals(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		a := newActivity(t, rdb, ActivityOptions{})
		d := calendar.Of(time.Now(), time.UTC)
		require.NoError(t, a.Mark(ctx, 5))
		require.NoError(t, rdb.Del(ctx, a.indexKey(d)).Err())
		require.NoError(t, a.Mark(ctx, 6))
		n, err := a.Count(ctx, d, d)
		require.NoError(t, err)
		assert.Zero(t, n)
		time.Sleep(knownFor)
		require.NoError(t, a.Mark(ctx, 6))
		n, err = a.Count(ctx, d, d)
		require.NoError(t, err)
		assert.Equal(t, int64(2), n)

		for i := range knownMost + 1 { // what is remembered is bounded
			a.learn(marked{day: d, segment: uint32(i)})
		}
		assert.LessOrEqual(t, len(a.known), knownMost)

		// A day is gone after Keep, as a whole.
		time.Sleep(401 * 24 * time.Hour)
		keys, err := rdb.Keys(ctx, "*").Result()
		require.NoError(t, err)
		assert.Empty(t, keys)
	})
}

// TestMarkIsRepeated: an answer that is lost does no harm.
func TestMarkIsRepeated(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := day("2095-01-01")
	direct := newActivity(t, redistest.Standalone(t), ActivityOptions{Namespace: "TestMarkIsRepeated"})
	require.NoError(t, direct.MarkAt(ctx, 1, d.Start(nil)))
	require.NoError(t, direct.Unmark(ctx, 1, d))
	for i, change := range []func(a *Activity) error{
		func(a *Activity) error { return a.MarkAt(ctx, 5, d.Start(nil)) }, // with the index
		func(a *Activity) error { a.learn(marked{day: d}); return a.MarkAt(ctx, 6, d.Start(nil)) },
		func(a *Activity) error { return a.Unmark(ctx, 5, d) },
	} {
		rdb, p := behindProxy(t)
		a := newActivity(t, rdb, ActivityOptions{Namespace: "TestMarkIsRepeated"})
		require.NoError(t, rdb.Ping(ctx).Err())
		p.CutReplyAfter(0)
		var once sync.Once
		rdb.AddHook(onDial(func() { once.Do(p.Heal) }))
		require.NoError(t, change(a), "%d", i)
	}
	n, err := direct.Count(ctx, d, d)
	require.NoError(t, err)
	assert.Equal(t, int64(1), n)
	rdb, p := behindProxy(t)
	a := newActivity(t, rdb, ActivityOptions{Namespace: "TestMarkIsRepeated"})
	require.NoError(t, rdb.Ping(ctx).Err())
	p.CutReplyAfter(0)
	err = a.MarkAt(ctx, 7, d.Start(nil))
	require.Error(t, err)
	require.NoError(t, redistest.Standalone(t).Del(ctx, direct.segmentKey(0, d), direct.indexKey(d)).Err())
}

// TestIDs: dense numbers from 0, the same for the same name, on every kind of server and client, whoever asks first.
func TestIDs(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		ids, err := NewIDs(e.Client, IDsOptions{Namespace: e.Namespace})
		require.NoError(t, err)
		names := []string{"a", "#0", "=a", "Zoë", "\x00", "{}", strings.Repeat("x", 1000), "7"}
		var mu sync.Mutex
		got := map[string]uint32{}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				name := names[i%len(names)]
				id, err := ids.ID(ctx, name)
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if was, ok := got[name]; ok {
					assert.Equal(t, was, id)
				}
				got[name] = id
			})
		}
		wg.Wait()
		seen := map[uint32]bool{}
		for name, id := range got {
			assert.Less(t, id, uint32(len(names)), "dense")
			seen[id] = true
			back, err := ids.Name(ctx, id)
			require.NoError(t, err)
			assert.Equal(t, name, back)
		}
		assert.Len(t, seen, len(names))
		_, err = ids.Name(ctx, 99)
		require.ErrorIs(t, err, ErrNotFound)
		require.NotErrorIs(t, err, redis.Nil)
		_, err = ids.ID(ctx, "")
		require.ErrorIs(t, err, ErrEmpty)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_, err = ids.ID(gone, "b")
		require.ErrorIs(t, err, context.Canceled)
		_, err = ids.Name(gone, 1)
		require.ErrorIs(t, err, context.Canceled)

		ids.most = int64(len(names))
		_, err = ids.ID(ctx, "one more")
		require.ErrorIs(t, err, ErrFull)
		_, err = ids.ID(ctx, "a")
		require.NoError(t, err)

		key := ids.key
		require.NoError(t, e.Client.Del(ctx, key).Err())
		require.NoError(t, e.Client.RPush(ctx, key, "theirs").Err())
		_, err = ids.ID(ctx, "a")
		require.ErrorIs(t, err, ErrWrongType)
		_, err = ids.Name(ctx, 0)
		require.ErrorIs(t, err, ErrWrongType)
		require.NoError(t, e.Client.Del(ctx, key).Err())
		require.NoError(t, e.Client.HSet(ctx, key, "=a", "x").Err())
		_, err = ids.ID(ctx, "a")
		require.ErrorIs(t, err, ErrWrongType)
		require.NoError(t, e.Client.Del(ctx, key).Err())
	})
}

// TestIDsWithGaps: a name that was taken out of the hash by hand, or a field that somebody added, leads to no number that
// two names share.
func TestIDsWithGaps(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		ids, err := NewIDs(e.Client, IDsOptions{Namespace: e.Namespace + "gaps"})
		require.NoError(t, err)
		owner := map[uint32]string{}
		give := func(name string) uint32 {
			id, err := ids.ID(ctx, name)
			require.NoError(t, err)
			if was, taken := owner[id]; taken {
				require.Equal(t, was, name, "number %d", id)
			}
			owner[id] = name
			back, err := ids.Name(ctx, id)
			require.NoError(t, err)
			require.Equal(t, name, back)
			return id
		}
		for i := range 6 {
			assert.Equal(t, uint32(i), give(fmt.Sprint("n", i)))
		}
		require.NoError(t, e.Client.HDel(ctx, ids.key, "=n1", "#1", "=n2", "#2").Err())
		delete(owner, 1)
		delete(owner, 2)
		give("after")
		require.NoError(t, e.Client.HSet(ctx, ids.key, "theirs", "x").Err())
		for i := range 5 {
			give(fmt.Sprint("m", i))
		}
	})
}

// TestErrorsAreShort: the text of an error does not grow with what it was asked for.
func TestErrorsAreShort(t *testing.T) {
	t.Parallel()
	a := newActivity(t, lardertest.New(t), ActivityOptions{})
	many := make([]calendar.Day, maxDays+1)
	for i := range many {
		many[i] = day("2026-01-01").Add(i)
	}
	_, err := a.Every(t.Context(), many...)
	require.ErrorIs(t, err, ErrRange)
	assert.Less(t, len(err.Error()), 200)
	_, err = a.Every(t.Context(), day("2026-01-01"), calendar.Day{Year: 2026, Month: 2, Day: 30})
	require.ErrorIs(t, err, ErrInvalidDay)
	assert.ErrorContains(t, err, "2026-02-30")
}

// TestMembersStop: a context that ends is noticed between two segments, though both were fetched at once.
func TestMembersStop(t *testing.T) {
	t.Parallel()
	a := newActivity(t, lardertest.New(t), ActivityOptions{})
	now := noon("2095-06-02")
	for _, id := range []uint32{1, 70_000} {
		require.NoError(t, a.MarkAt(t.Context(), id, now))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ids []uint32
	var last error
	for id, err := range a.Members(ctx, day("2095-06-02")) {
		if last = err; err == nil {
			ids = append(ids, id)
		}
		cancel()
	}
	assert.Equal(t, []uint32{1}, ids)
	assert.ErrorIs(t, last, context.Canceled)
}
