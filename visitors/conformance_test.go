package visitors

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/hll"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
)

// Tests on servers live in 2090, on a clock that stands still: no expiry that is due then is due now, on any date that
// they are run.
var then = instant("2090-06-15 12:30", time.UTC)

// env is where a test runs.
type env struct {
	redis.UniversalClient
	namespace string
	id        func(string) string
	real      bool
	migrating bool // the keys of a page may be on two nodes
}

func (e env) counter(tb testing.TB, now time.Time, opts Options) *Counter {
	tb.Helper()
	opts.Namespace = e.namespace
	return counterAt(tb, e.UniversalClient, now, opts)
}

// everywhere runs a test on every kind of server and client, and on what lardertest serves. miniredis by itself has
// other sketches, and adds their counts.
func everywhere(t *testing.T, fn func(t *testing.T, e env)) {
	t.Helper()
	t.Run("lardertest", func(t *testing.T) {
		fn(t, env{lardertest.New(t), "app", func(s string) string { return s }, false, false})
	})
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		t.Helper()
		if e.Real() {
			fn(t, env{e.Client, e.Namespace, e.ID, true, e.Kind == redistest.KindMigrating})
		}
	})
}

// visitOf is what the oracle knows of a visit.
type visitOf struct {
	page, who string
	at        time.Time
}

// oracle counts a window by what it was told, with one sketch of exactly those visitors.
type oracle []visitOf

func (o oracle) sketch(from, to time.Time, pages ...string) *hll.Sketch {
	var s hll.Sketch
	for _, v := range o {
		for _, page := range pages {
			if v.page == page && !v.at.Before(from) && (v.at.Before(to) || to.IsZero()) {
				s.Add(v.who)
			}
		}
	}
	return &s
}

func (o oracle) count(from, to time.Time, pages ...string) int64 {
	return o.sketch(from, to, pages...).Count()
}

// TestModel compares every kind of question, over random windows of random visits, with one sketch of exactly the
// visitors that are meant, on all kinds of servers and clients, in zones of all kinds. That such a sketch counts what
// PFCOUNT counts is held by internal/hll, and here once more.
func TestModel(t *testing.T) {
	cases := []struct {
		zone    string
		now     time.Time
		buckets []calendar.Period
	}{
		{"UTC", then, []calendar.Period{daily}},
		{"Asia/Kathmandu", then, []calendar.Period{hourly, daily, monthly}},
		{"Europe/Berlin", instant("2089-11-03 12:30", time.UTC), []calendar.Period{hourly, daily, weekly, monthly, yearly, allTime}}, // a day of 25 hours
		{"Pacific/Apia", instant("2012-01-10 12:30", time.UTC), []calendar.Period{hourly, daily, weekly}},                            // a day that never was
	}
	everywhere(t, func(t *testing.T, e env) {
		t.Helper()
		for i, c := range cases {
			rng := rand.New(rand.NewPCG(uint64(i), 90))
			loc := zone(t, c.zone)
			counter := e.counter(t, c.now, Options{Location: loc, Buckets: c.buckets, Keep: keepAll(c.buckets...)})
			pages := []string{e.id(fmt.Sprintf("home %d", i)), e.id(fmt.Sprintf("a}b{%d", i)), e.id(fmt.Sprintf("prices:%d", i))}
			var o oracle
			for range 40 {
				page, at := pages[rng.IntN(3)], c.now.Add(-time.Duration(rng.IntN(40*24*60))*time.Minute)
				var names []string
				for range 1 + rng.IntN([]int{3, 40}[rng.IntN(2)]) {
					who := "v" + strconv.Itoa(rng.IntN(400))
					names = append(names, who)
					o = append(o, visitOf{page, who, at})
				}
				require.NoError(t, counter.TrackAt(t.Context(), page, at, names...))
			}
			counter.compare(t, e, rng, o, pages, c.now)
		}
	})
}

func (c *Counter) compare(t *testing.T, e env, rng *rand.Rand, o oracle, pages []string, now time.Time) {
	t.Helper()
	ctx := t.Context()
	finest := c.buckets[0].Period
	window := func() (from, to time.Time) {
		from = finest.Start(now.Add(-time.Duration(rng.IntN(41*24))*time.Hour), c.loc)
		to = finest.End(from.Add(time.Duration(rng.IntN(20*24*60))*time.Minute), c.loc)
		return from, to
	}
	for range 8 {
		page, other := pages[rng.IntN(3)], pages[rng.IntN(3)]
		from, to := window()
		name := fmt.Sprintf("%q, %s to %s", page, from, to)

		got, err := c.Between(ctx, page, from, to)
		require.NoError(t, err, name)
		require.Equal(t, o.count(from, to, page), got, name)

		got, err = c.Union(ctx, pages, from, to)
		require.NoError(t, err, name)
		require.Equal(t, o.count(from, to, pages...), got, name)

		got, err = c.Union(ctx, []string{page, page}, from, to)
		require.NoError(t, err, name)
		require.Equal(t, o.count(from, to, page), got, name)

		estimate, err := c.Overlap(ctx, page, other, from, to)
		require.NoError(t, err, name)
		want := overlap(o.count(from, to, page), o.count(from, to, other), o.count(from, to, page, other))
		require.Equal(t, want, estimate, name)

		// The other way of counting, which replicas and slots on the move get.
		labels, err := c.plan(from, to, now)
		require.NoError(t, err, name)
		got, err = c.merge(ctx, c.keys(page, labels))
		require.NoError(t, err, name)
		require.Equal(t, o.count(from, to, page), got, name)
	}
	for _, per := range []calendar.Period{finest, daily, weekly} {
		page := pages[rng.IntN(3)]
		from := per.Start(now.Add(-20*day), c.loc)
		to := per.End(now, c.loc)
		points, err := c.Series(ctx, page, per, from, to)
		require.NoError(t, err)
		i := 0
		for start := range per.All(from, to, c.loc) {
			require.True(t, start.Equal(points[i].Start), "%v", per)
			require.Equal(t, o.count(start, per.End(start, c.loc), page), points[i].Count, "%v %s", per, start)
			i++
		}
		require.Len(t, points, i)
		_, sets, err := c.planSeries(page, per, from, to)
		require.NoError(t, err)
		merged, err := c.mergeSets(ctx, sets)
		require.NoError(t, err)
		for i, p := range points {
			require.Equal(t, p.Count, merged[i])
		}
	}
	for _, days := range []int{1, 2, 7, 30} {
		from := now
		for range days - 1 {
			from = daily.Start(daily.Start(from, c.loc).Add(-1), c.loc)
		}
		from = daily.Start(from, c.loc)
		want := o.count(from, daily.End(now, c.loc), pages[0])
		got, err := c.LastDays(ctx, pages[0], days)
		require.NoError(t, err)
		require.Equal(t, want, got, "%d days", days)
		got, err = c.LastDaysAt(ctx, pages[0], days, now)
		require.NoError(t, err)
		require.Equal(t, want, got, "%d days", days)
	}
	want := o.count(daily.Start(now, c.loc), daily.End(now, c.loc), pages[1])
	got, err := c.Today(ctx, pages[1])
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = c.TodayAt(ctx, pages[1], now)
	require.NoError(t, err)
	require.Equal(t, want, got)
	for _, hours := range []int{1, 30} {
		got, err := c.LastHoursAt(ctx, pages[2], hours, now)
		if _, ok := c.find(hourly); !ok {
			require.ErrorIs(t, err, ErrNoBucket)
			continue
		}
		require.NoError(t, err)
		from := hourly.Start(now.Add(-time.Duration(hours-1)*time.Hour), c.loc)
		require.Equal(t, o.count(from, hourly.End(now, c.loc), pages[2]), got, "%d hours", hours)
		same, err := c.LastHours(ctx, pages[2], hours)
		require.NoError(t, err)
		require.Equal(t, got, same)
	}
	if _, ok := c.find(allTime); ok {
		got, err := c.Between(ctx, pages[0], time.Time{}, time.Time{})
		require.NoError(t, err)
		require.Equal(t, o.count(time.Time{}, time.Time{}, pages[0]), got)
		points, err := c.Series(ctx, pages[0], allTime, time.Time{}, time.Time{})
		require.NoError(t, err)
		require.Equal(t, []Point{{Count: got}}, points)
	}
	if e.real {
		// And what PFCOUNT itself says of exactly these visitors.
		from, to := window()
		var names []any
		for _, v := range o {
			if v.page == pages[0] && !v.at.Before(from) && v.at.Before(to) {
				names = append(names, v.who)
			}
		}
		key := c.prefix(pages[0]) + "of the test"
		require.NoError(t, e.PFAdd(ctx, key, names...).Err())
		want, err := e.PFCount(ctx, key).Result()
		require.NoError(t, err)
		got, err := c.Between(ctx, pages[0], from, to)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// ttl returns when a key expires: -1 is never, -2 that it is not there.
func ttl(t *testing.T, rdb redis.UniversalClient, key string) int64 {
	t.Helper()
	ms, err := rdb.Do(t.Context(), "pexpiretime", key).Int64()
	require.NoError(t, err, key)
	return ms
}

// TestExpiryIsAbsolute: each bucket expires at its end plus Keep, whenever it is written, and the ones that are kept
// for ever never do.
func TestExpiryIsAbsolute(t *testing.T) {
	everywhere(t, func(t *testing.T, e env) {
		t.Helper()
		opts := Options{
			Buckets: []calendar.Period{hourly, daily, monthly, allTime},
			Keep:    map[calendar.Period]time.Duration{hourly: 36 * time.Hour, monthly: -1},
		}
		page := e.id("expiry")
		prefix := e.counter(t, then, opts).prefix(page)
		for _, now := range []time.Time{then, then.Add(20 * time.Minute), then.Add(9 * time.Hour)} {
			require.NoError(t, e.counter(t, now, opts).TrackAt(t.Context(), page, then, "ann", "bob", now.String()))
			for label, want := range map[string]int64{
				"2090-06-15T12:00Z": instant("2090-06-17 01:00", time.UTC).UnixMilli(),
				"2090-06-15":        instant("2090-06-16 00:00", time.UTC).Add(100 * day).UnixMilli(),
				"2090-06":           -1,
				"all":               -1,
			} {
				got := ttl(t, e, prefix+label)
				if want < 0 || e.real {
					assert.Equal(t, want, got, label)
				} else {
					assert.InDelta(t, want, got, 60_000, label) // miniredis keeps what is left, and counts it from when it answers
				}
			}
		}
		// Another Keep reaches a bucket with the next visit that changes it.
		opts.Keep[hourly], opts.Keep[daily], opts.Keep[monthly] = 40*time.Hour, 30*day, 100*day
		require.NoError(t, e.counter(t, then, opts).TrackAt(t.Context(), page, then, "somebody new"))
		assert.InDelta(t, instant("2090-06-17 05:00", time.UTC).UnixMilli(), ttl(t, e, prefix+"2090-06-15T12:00Z"), 60_000)
		assert.InDelta(t, instant("2090-07-16 00:00", time.UTC).UnixMilli(), ttl(t, e, prefix+"2090-06-15"), 60_000)
		assert.InDelta(t, instant("2090-07-01 00:00", time.UTC).Add(100*day).UnixMilli(), ttl(t, e, prefix+"2090-06"), 60_000)
	})
}

// TestCrowd: many visitors of one call are counted like few, expire like them, and leave what is foreign alone.
func TestCrowd(t *testing.T) {
	everywhere(t, func(t *testing.T, e env) {
		t.Helper()
		ctx, page := t.Context(), e.id("crowd")
		var want hll.Sketch
		names := crowd(700)
		for _, name := range names {
			want.Add(name)
		}
		for i, opts := range []Options{{}, {Keep: keepAll(daily)}, fineBuckets} {
			c := e.counter(t, then, opts)
			at := then.Add(-time.Duration(i) * day)
			require.NoError(t, c.TrackAt(ctx, page, at, names...))
			n, err := c.TodayAt(ctx, page, at)
			require.NoError(t, err)
			assert.Equal(t, want.Count(), n)
			if expires := ttl(t, e, c.prefix(page)+daily.Label(at, time.UTC)); i == 1 {
				assert.EqualValues(t, -1, expires)
			} else {
				assert.InDelta(t, daily.End(at, time.UTC).Add(100*day).UnixMilli(), expires, 60_000)
			}

			foreign := c.prefix(e.id("foreign")) + daily.Label(at, time.UTC)
			for _, set := range []func() error{
				func() error { return e.Set(ctx, foreign, "some text", 0).Err() },
				func() error { return e.Set(ctx, foreign, "HYLLO is how a letter may begin", 0).Err() },
				func() error { return e.RPush(ctx, foreign, "an item").Err() },
			} {
				require.NoError(t, e.Del(ctx, foreign).Err())
				require.NoError(t, set())
				before := contents(t, e, foreign)
				require.ErrorIs(t, c.TrackAt(ctx, e.id("foreign"), at, names...), ErrWrongType)
				assert.Equal(t, before, contents(t, e, foreign))
			}
		}
	})
}

// TestLateVisits: a late visit goes to its own buckets, as far as they are still kept, and is refused once none is.
func TestLateVisits(t *testing.T) {
	everywhere(t, func(t *testing.T, e env) {
		t.Helper()
		ctx, page := t.Context(), e.id("late")
		c := e.counter(t, then, Options{Buckets: []calendar.Period{hourly, daily, monthly}}) // 49 hours, 100 days, 400 days
		exists := func(label string) int64 {
			n, err := e.Exists(ctx, c.prefix(page)+label).Result()
			require.NoError(t, err)
			return n
		}
		require.NoError(t, c.TrackAt(ctx, page, instant("2090-06-14 09:10", time.UTC), "yesterday"))
		assert.EqualValues(t, 1, exists("2090-06-14T09:00Z"))
		assert.EqualValues(t, 1, exists("2090-06-14"))

		require.NoError(t, c.TrackAt(ctx, page, instant("2090-04-20 09:10", time.UTC), "in April"))
		assert.EqualValues(t, 0, exists("2090-04-20T09:00Z"), "hours are no longer kept")
		assert.EqualValues(t, 1, exists("2090-04-20"))
		assert.EqualValues(t, 1, exists("2090-04"))

		require.NoError(t, c.TrackAt(ctx, page, instant("2089-10-20 09:10", time.UTC), "last year"))
		assert.EqualValues(t, 0, exists("2089-10-20"), "days are no longer kept")
		assert.EqualValues(t, 1, exists("2089-10"))
		n, err := c.Between(ctx, page, instant("2089-10-01 00:00", time.UTC), instant("2089-11-01 00:00", time.UTC))
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)

		err = c.TrackAt(ctx, page, instant("2089-01-20 09:10", time.UTC), "long ago")
		require.ErrorIs(t, err, ErrRetention)
		assert.EqualValues(t, 0, exists("2089-01"))

		// What reaches back further than the days that are kept is refused, and no smaller number is returned.
		for _, days := range []int{1, 100} {
			_, err = c.LastDays(ctx, page, days)
			assert.NoError(t, err)
		}
		_, err = c.LastDays(ctx, page, 102)
		assert.ErrorIs(t, err, ErrRetention)
		_, err = c.LastHours(ctx, page, 49)
		assert.NoError(t, err)
		_, err = c.LastHours(ctx, page, 51)
		assert.ErrorIs(t, err, ErrRetention)

		// A visit of the future is counted there.
		require.NoError(t, c.TrackAt(ctx, page, instant("2090-07-02 09:10", time.UTC), "early"))
		n, err = c.TodayAt(ctx, page, instant("2090-07-02 11:00", time.UTC))
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)
	})
}

// TestSeriesOfOddDays holds the points of days that are longer, shorter, or not there.
func TestSeriesOfOddDays(t *testing.T) {
	everywhere(t, func(t *testing.T, e env) {
		t.Helper()
		ctx := t.Context()
		berlin, apia, kathmandu := zone(t, "Europe/Berlin"), zone(t, "Pacific/Apia"), zone(t, "Asia/Kathmandu")

		c := e.counter(t, instant("2089-11-01 12:00", berlin), Options{Location: berlin, Buckets: []calendar.Period{hourly, daily}, Keep: keepAll(hourly)})
		page := e.id("25 hours")
		first := instant("2089-10-30 01:30", berlin).Add(time.Hour)
		second := first.Add(time.Hour) // 02:30 again
		require.Equal(t, "02:30 02:30", first.Format("15:04 ")+second.Format("15:04"))
		require.NoError(t, c.TrackAt(ctx, page, first, "ann"))
		require.NoError(t, c.TrackAt(ctx, page, second, "ann", "bob"))
		from, to := instant("2089-10-30 00:00", berlin), instant("2089-10-31 00:00", berlin)
		points, err := c.Series(ctx, page, hourly, from, to)
		require.NoError(t, err)
		require.Len(t, points, 25)
		assert.EqualValues(t, 1, points[2].Count)
		assert.EqualValues(t, 2, points[3].Count)
		assert.Equal(t, "02:00", points[3].Start.Format("15:04"))
		points, err = c.Series(ctx, page, daily, from, to)
		require.NoError(t, err)
		require.Len(t, points, 1)
		assert.EqualValues(t, 2, points[0].Count)

		c = e.counter(t, instant("2012-01-02 12:00", apia), Options{Location: apia, Keep: keepAll(daily)})
		page = e.id("Apia")
		require.NoError(t, c.TrackAt(ctx, page, instant("2011-12-29 23:59", apia), "ann"))
		require.NoError(t, c.TrackAt(ctx, page, instant("2011-12-31 00:00", apia), "bob"))
		points, err = c.Series(ctx, page, daily, instant("2011-12-29 00:00", apia), instant("2012-01-01 00:00", apia))
		require.NoError(t, err)
		require.Len(t, points, 2, "there was no 30 December")
		assert.EqualValues(t, 1, points[0].Count)
		assert.EqualValues(t, 1, points[1].Count)
		n, err := c.LastDaysAt(ctx, page, 2, instant("2011-12-31 15:00", apia))
		require.NoError(t, err)
		assert.EqualValues(t, 2, n)

		c = e.counter(t, then, Options{Location: kathmandu, Buckets: []calendar.Period{hourly, daily}})
		page = e.id("Kathmandu")
		require.NoError(t, c.TrackAt(ctx, page, instant("2090-06-15 00:10", kathmandu), "ann")) // 18:25 of the day before, UTC
		n, err = c.Between(ctx, page, instant("2090-06-15 00:00", kathmandu), instant("2090-06-15 01:00", kathmandu))
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)
		n, err = c.Today(ctx, page)
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)
	})
}

// TestForget deletes all of a page, also what the options have no name for, and nothing of pages with names like it.
func TestForget(t *testing.T) {
	everywhere(t, func(t *testing.T, e env) {
		t.Helper()
		ctx := t.Context()
		before := e.counter(t, then, Options{Buckets: []calendar.Period{weekly, yearly, allTime}, Keep: keepAll(weekly)})
		c := e.counter(t, then, Options{Buckets: []calendar.Period{hourly, daily, monthly}, Keep: keepAll(monthly)})
		page := e.id(`a*[b]?\ page`)
		others := []string{e.id(`a*[b]?\ pag`), e.id(`aX[b]?\ page`), e.id(`ab page`), e.id("another")}
		for _, p := range append([]string{page}, others...) {
			for _, at := range []time.Time{then, then.Add(-90 * day), then.Add(400 * day), then.Add(-1000 * day)} {
				require.NoError(t, before.TrackAt(ctx, p, at, "ann"))
				require.NoError(t, c.TrackAt(ctx, p, at, "ann", "bob"))
			}
		}
		left := func(page string) (n int64) {
			for _, counter := range []*Counter{before, c} {
				for _, at := range []time.Time{then, then.Add(-90 * day), then.Add(400 * day), then.Add(-1000 * day)} {
					for _, b := range counter.buckets {
						there, err := e.Exists(ctx, counter.prefix(page)+b.Label(at, time.UTC)).Result()
						require.NoError(t, err)
						n += there
					}
				}
			}
			return n
		}
		untouched := map[string]int64{}
		for _, p := range others {
			untouched[p] = left(p)
			require.Positive(t, untouched[p])
		}
		require.Greater(t, left(page), int64(10))
		require.NoError(t, c.Forget(ctx, page))
		assert.Zero(t, left(page))
		for _, p := range others {
			assert.Equal(t, untouched[p], left(p), p)
		}
		require.NoError(t, c.Forget(ctx, e.id("a page that nobody knows")))
		n, err := c.Today(ctx, page)
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}

// TestForeignType: what somebody else keeps at a key of the counter is told, and left as it was, and so are the other
// buckets of the visit.
func TestForeignType(t *testing.T) {
	everywhere(t, func(t *testing.T, e env) {
		t.Helper()
		ctx := context.WithoutCancel(t.Context())
		c := e.counter(t, then, Options{Buckets: []calendar.Period{daily, monthly}})
		from, to := instant("2090-06-15 00:00", time.UTC), instant("2090-06-16 00:00", time.UTC)
		for kind, set := range map[string]func(key string) error{
			"list":             func(key string) error { return e.RPush(ctx, key, "a").Err() },
			"hash":             func(key string) error { return e.HSet(ctx, key, "a", "b").Err() },
			"string":           func(key string) error { return e.Set(ctx, key, "some text", 0).Err() },
			"the empty string": func(key string) error { return e.Set(ctx, key, "", 0).Err() },
			"like a sketch":    func(key string) error { return e.Set(ctx, key, "HYLL, a town", 0).Err() },
		} {
			page := e.id("foreign " + kind)
			for foreign, other := range map[string]string{"2090-06-15": "2090-06", "2090-06": "2090-06-15"} {
				foreign, other = c.prefix(page)+foreign, c.prefix(page)+other
				require.NoError(t, e.Del(ctx, foreign).Err())
				require.NoError(t, e.Del(ctx, other).Err())
				require.NoError(t, set(foreign))
				before := contents(t, e, foreign)
				assert.ErrorIs(t, c.TrackAt(ctx, page, then, "ann"), ErrWrongType, kind)
				assert.Equal(t, before, contents(t, e, foreign), kind)
				n, err := e.Exists(ctx, other).Result()
				require.NoError(t, err)
				if !e.migrating { // where buckets are written one by one
					assert.Zero(t, n, "the other bucket was not written either: %s", kind)
				}
			}
			foreign := c.prefix(page) + "2090-06-15"
			require.NoError(t, e.Del(ctx, foreign).Err())
			require.NoError(t, e.Del(ctx, c.prefix(page)+"2090-06").Err())
			require.NoError(t, set(foreign))
			before := contents(t, e, foreign)
			single := e.counter(t, then, Options{})
			assert.ErrorIs(t, single.TrackAt(ctx, page, then, "ann"), ErrWrongType, kind)

			_, err := c.Today(ctx, page)
			assert.ErrorIs(t, err, ErrWrongType, kind)
			_, err = c.LastDays(ctx, page, 3)
			assert.ErrorIs(t, err, ErrWrongType, kind)
			_, err = c.Between(ctx, page, from, to)
			assert.ErrorIs(t, err, ErrWrongType, kind)
			_, err = c.Series(ctx, page, daily, from.Add(-48*time.Hour), to)
			assert.ErrorIs(t, err, ErrWrongType, kind)
			_, err = c.Union(ctx, []string{page, e.id("other")}, from, to)
			assert.ErrorIs(t, err, ErrWrongType, kind)
			_, err = c.Overlap(ctx, e.id("other"), page, from, to)
			assert.ErrorIs(t, err, ErrWrongType, kind)
			assert.Equal(t, before, contents(t, e, foreign), kind)
		}
	})
}

// contents is what a key holds and when it expires, whatever its type.
func contents(t *testing.T, rdb redis.UniversalClient, key string) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	kind, err := rdb.Type(ctx, key).Result()
	require.NoError(t, err)
	return fmt.Sprint(kind, rdb.Get(ctx, key).Val(), rdb.LRange(ctx, key, 0, -1).Val(), rdb.HGetAll(ctx, key).Val(), rdb.PTTL(ctx, key).Val() < 0)
}

// TestCorrupt: a damaged sketch is an error wherever it is counted, and a late visitor does not mend it.
func TestCorrupt(t *testing.T) {
	everywhere(t, func(t *testing.T, e env) {
		t.Helper()
		ctx := t.Context()
		c := e.counter(t, then, Options{})
		from, to := instant("2090-06-10 00:00", time.UTC), instant("2090-06-16 00:00", time.UTC)
		page := e.id("corrupt")
		key := c.prefix(page) + "2090-06-14"
		sound := new(hll.Sketch)
		for i := range 300 {
			sound.Add(strconv.Itoa(i))
		}
		b := sound.Encode()
		require.NoError(t, e.Set(ctx, key, string(b[:len(b)-20]), time.Hour).Err())
		_, err := c.LastDays(ctx, page, 3)
		assert.ErrorIs(t, err, ErrCorrupt)
		_, err = c.Between(ctx, page, from, to)
		assert.ErrorIs(t, err, ErrCorrupt)
		_, err = c.Series(ctx, page, daily, from, to)
		assert.ErrorIs(t, err, ErrCorrupt)
		_, err = c.Union(ctx, []string{page, e.id("other")}, from, to)
		assert.ErrorIs(t, err, ErrCorrupt)
		_, err = c.Overlap(ctx, page, e.id("other"), from, to)
		assert.ErrorIs(t, err, ErrCorrupt)
		require.NoError(t, c.Forget(ctx, page))
		n, err := c.LastDays(ctx, page, 3)
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}
