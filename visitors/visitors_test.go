package visitors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/hll"
	"github.com/larder-go/larder/lardertest"
)

// TestOptions: what New refuses, by the name of the option, and what it makes of the zero value.
func TestOptions(t *testing.T) {
	rdb := lardertest.New(t)
	var none *redis.ClusterClient
	for _, nothing := range []redis.UniversalClient{nil, none, (*redis.Client)(nil), (*redis.Ring)(nil), (*redis.AutoPipeliner)(nil)} {
		_, err := New(nothing, Options{})
		assert.ErrorContains(t, err, "client is nil")
	}
	for name, c := range map[string]struct {
		opts Options
		says string
	}{
		"namespace":           {Options{Namespace: "a{b"}, "Options.Namespace"},
		"period":              {Options{Buckets: []calendar.Period{daily, 17}}, "Options.Buckets: Period(17)"},
		"twice":               {Options{Buckets: []calendar.Period{daily, hourly, daily}}, "Options.Buckets: Daily"},
		"keep below -1":       {Options{Keep: map[calendar.Period]time.Duration{daily: -2}}, "Options.Keep: Daily"},
		"keep of nothing":     {Options{Keep: map[calendar.Period]time.Duration{daily: time.Microsecond}}, "Options.Keep: Daily"},
		"keep of no bucket":   {Options{Keep: map[calendar.Period]time.Duration{hourly: time.Hour}}, "Options.Keep: Hourly"},
		"keep of all":         {Options{Buckets: []calendar.Period{allTime}, Keep: map[calendar.Period]time.Duration{allTime: time.Hour}}, "Options.Keep: AllTime"},
		"since of no bucket":  {Options{Since: map[calendar.Period]time.Time{monthly: then}}, "Options.Since: Monthly"},
		"since of all":        {Options{Buckets: []calendar.Period{allTime}, Since: map[calendar.Period]time.Time{allTime: then}}, "Options.Since: AllTime"},
		"keep zero, by value": {Options{Buckets: []calendar.Period{-1}}, "Options.Buckets: Period(-1)"},
	} {
		_, err := New(rdb, c.opts)
		assert.ErrorContains(t, err, c.says, name)
		assert.ErrorContains(t, err, "visitors: ", name)
	}

	c, err := New(rdb, Options{})
	require.NoError(t, err)
	assert.Equal(t, []bucket{{Period: daily, keep: 100 * day}}, c.buckets)
	assert.Equal(t, time.UTC, c.loc)

	opts := Options{Buckets: []calendar.Period{allTime, yearly, monthly, weekly, daily, hourly}, Keep: map[calendar.Period]time.Duration{daily: day, weekly: 0}}
	c, err = New(rdb, opts)
	require.NoError(t, err)
	opts.Buckets[0], opts.Keep[daily] = daily, 7
	assert.Equal(t, []bucket{
		{Period: hourly, keep: 49 * time.Hour},
		{Period: daily, keep: day},
		{Period: weekly, keep: 420 * day},
		{Period: monthly, keep: 400 * day},
		{Period: yearly, keep: 1830 * day},
		{Period: allTime, keep: -1},
	}, c.buckets, "a copy, finest first")
}

// calls counts what goes over the wire: single commands and pipelines.
type calls struct{ n atomic.Int64 }

func (c *calls) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *calls) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !setsUp(cmd) {
			c.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (c *calls) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !setsUp(cmds[0]) {
			c.n.Add(1)
		}
		return next(ctx, cmds)
	}
}

// setsUp says whether a command belongs to the making of a connection.
func setsUp(cmd redis.Cmder) bool {
	switch cmd.Name() {
	case "hello", "client", "auth", "select":
		return true
	default:
		return false
	}
}

func (c *calls) reset() int64 { return c.n.Swap(0) }

// everyCall is one of each call, by name.
func everyCall(c *Counter, page string) map[string]func(context.Context) error {
	from, to := instant("2090-06-10 00:00", time.UTC), instant("2090-06-16 00:00", time.UTC)
	none := func(_ any, err error) error { return err }
	return map[string]func(context.Context) error{
		"Track":       func(ctx context.Context) error { return c.Track(ctx, page, "ann", "bob") },
		"TrackAt":     func(ctx context.Context) error { return c.TrackAt(ctx, page, then.Add(-time.Hour), "ann") },
		"Today":       func(ctx context.Context) error { return none(c.Today(ctx, page)) },
		"TodayAt":     func(ctx context.Context) error { return none(c.TodayAt(ctx, page, then)) },
		"LastDays":    func(ctx context.Context) error { return none(c.LastDays(ctx, page, 30)) },
		"LastDaysAt":  func(ctx context.Context) error { return none(c.LastDaysAt(ctx, page, 30, then)) },
		"LastHours":   func(ctx context.Context) error { return none(c.LastHours(ctx, page, 30)) },
		"LastHoursAt": func(ctx context.Context) error { return none(c.LastHoursAt(ctx, page, 30, then)) },
		"Between":     func(ctx context.Context) error { return none(c.Between(ctx, page, from, to)) },
		"Series":      func(ctx context.Context) error { return none(c.Series(ctx, page, daily, from, to)) },
		"Series of weeks made of days": func(ctx context.Context) error {
			return none(c.Series(ctx, page, weekly, instant("2090-05-01 00:00", time.UTC), instant("2090-06-05 00:00", time.UTC)))
		},
		"Union": func(ctx context.Context) error {
			return none(c.Union(ctx, []string{page, page + "2", page + "3"}, from, to))
		},
		"Overlap": func(ctx context.Context) error { return none(c.Overlap(ctx, page, page+"2", from, to)) },
	}
}

var fineBuckets = Options{Buckets: []calendar.Period{hourly, daily, monthly}}

// TestRoundTrips: each call is one command, or one pipeline.
func TestRoundTrips(t *testing.T) {
	rdb := lardertest.New(t)
	wire := new(calls)
	rdb.AddHook(wire)
	c := counterAt(t, rdb, then, fineBuckets)
	for range 2 { // the first time a server has to be shown the script
		for name, call := range everyCall(c, "home") {
			wire.reset()
			require.NoError(t, call(t.Context()), name)
			if n := wire.reset(); name != "Track" && name != "TrackAt" {
				assert.EqualValues(t, 1, n, name)
			}
		}
	}
	wire.reset()
	require.NoError(t, c.Track(t.Context(), "home", "ann"))
	assert.EqualValues(t, 1, wire.reset())
	require.NoError(t, c.Track(t.Context(), "home"))
	assert.EqualValues(t, 0, wire.reset(), "nobody to count")

	thousands := make([]string, 25_000)
	for i := range thousands {
		thousands[i] = strconv.Itoa(i)
	}
	one := counterAt(t, rdb, then, Options{})
	require.NoError(t, one.Track(t.Context(), "crowd", thousands...))
	assert.EqualValues(t, 3, wire.reset(), "10,000 at a time")
	require.NoError(t, one.Track(t.Context(), "crowd", strings.Repeat("a", 700_000), strings.Repeat("b", 700_000)))
	assert.EqualValues(t, 2, wire.reset(), "a megabyte at a time")
	n, err := one.Today(t.Context(), "crowd")
	require.NoError(t, err)
	assert.InEpsilon(t, 25_002, n, 0.03)
	wire.reset()
	require.NoError(t, one.Forget(t.Context(), "crowd"))
	assert.LessOrEqual(t, wire.reset(), int64(3), "a pipeline, the search, and the script once more")
}

// TestBadInput: everything that is refused is refused before anything is sent.
func TestBadInput(t *testing.T) {
	rdb := lardertest.New(t)
	wire := new(calls)
	rdb.AddHook(wire)
	c := counterAt(t, rdb, then, fineBuckets)
	ctx := t.Context()
	from, to := instant("2090-06-10 00:00", time.UTC), instant("2090-06-16 00:00", time.UTC)
	count := func(_ int64, err error) error { return err }
	points := func(_ []Point, err error) error { return err }
	estimate := func(_ Estimate, err error) error { return err }
	for name, check := range map[string]struct {
		err, want error
		says      string
	}{
		"track, no page":       {c.Track(ctx, "", "ann"), ErrEmpty, "page"},
		"track, no visitor":    {c.Track(ctx, "home", "ann", ""), ErrEmpty, "visitor (2 of 2)"},
		"track, too early":     {c.TrackAt(ctx, "home", time.Date(-3, 1, 1, 0, 0, 0, 0, time.UTC), "ann"), ErrRange, "year -3"},
		"track, too late":      {c.TrackAt(ctx, "home", time.Date(12_000, 1, 1, 0, 0, 0, 0, time.UTC), "ann"), ErrRange, "year 12000"},
		"track, expired":       {c.TrackAt(ctx, "home", then.AddDate(-3, 0, 0), "ann"), ErrRetention, "2087"},
		"track, the zero time": {c.TrackAt(ctx, "home", time.Time{}, "ann"), ErrRetention, "0001"},
		"today, no page":       {count(c.Today(ctx, "")), ErrEmpty, "page"},
		"zero days":            {count(c.LastDays(ctx, "home", 0)), ErrRange, "0 days"},
		"days below zero":      {count(c.LastDays(ctx, "home", -1)), ErrRange, "-1 days"},
		"zero hours":           {count(c.LastHours(ctx, "home", 0)), ErrRange, "0 hours"},
		"days of long ago":     {count(c.LastDays(ctx, "home", 1_000_000)), ErrRetention, "1000000 days"},
		"now out of range":     {count(c.TodayAt(ctx, "home", time.Date(12_000, 1, 1, 0, 0, 0, 0, time.UTC))), ErrRange, "12000"},
		"between, no page":     {count(c.Between(ctx, "", from, to)), ErrEmpty, "page"},
		"between, backwards":   {count(c.Between(ctx, "home", to, from)), ErrRange, "begins"},
		"between, empty":       {count(c.Between(ctx, "home", to, to)), ErrRange, "begins"},
		"between, unaligned":   {count(c.Between(ctx, "home", from.Add(time.Second), to)), ErrRange, "2090-06-10T00:00:01Z"},
		"between, retention":   {count(c.Between(ctx, "home", from.AddDate(-2, 0, 0), to)), ErrRetention, "2088-06-10"},
		"between, all of time": {count(c.Between(ctx, "home", time.Time{}, time.Time{})), ErrNoBucket, "AllTime"},
		"series, no period":    {points(c.Series(ctx, "home", 99, from, to)), ErrRange, "Period(99)"},
		"series, of all":       {points(c.Series(ctx, "home", allTime, from, to)), ErrRange, "AllTime"},
		"series, backwards":    {points(c.Series(ctx, "home", daily, to, from)), ErrRange, "begins"},
		"series, unaligned":    {points(c.Series(ctx, "home", weekly, from, to)), ErrRange, "Weekly"},
		"series, retention":    {points(c.Series(ctx, "home", hourly, from, to)), ErrRetention, "2090-06-10"},
		"union, no pages":      {count(c.Union(ctx, nil, from, to)), ErrEmpty, "no pages"},
		"union, empty page":    {count(c.Union(ctx, []string{"home", ""}, from, to)), ErrEmpty, "page"},
		"union, backwards":     {count(c.Union(ctx, []string{"home"}, to, from)), ErrRange, "begins"},
		"overlap, no page":     {estimate(c.Overlap(ctx, "home", "", from, to)), ErrEmpty, "page"},
		"overlap, unaligned":   {estimate(c.Overlap(ctx, "home", "b", from.Add(1), to)), ErrRange, "hour"},
		"forget, no page":      {c.Forget(ctx, ""), ErrEmpty, "page"},
	} {
		assert.ErrorIs(t, check.err, check.want, name)
		assert.ErrorContains(t, check.err, check.says, name)
		assert.ErrorContains(t, check.err, "visitors: ", name)
	}
	days := counterAt(t, rdb, then, Options{})
	assert.ErrorIs(t, count(days.LastHours(ctx, "home", 24)), ErrNoBucket)
	assert.ErrorIs(t, count(days.Between(ctx, "home", from.Add(time.Hour), to)), ErrNoBucket)
	months := counterAt(t, rdb, then, Options{Buckets: []calendar.Period{monthly}})
	assert.ErrorIs(t, count(months.LastDays(ctx, "home", 15)), ErrNoBucket)
	assert.ErrorIs(t, count(months.Today(ctx, "home")), ErrNoBucket)

	// A context that has ended.
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for name, call := range everyCall(c, "home") {
		assert.ErrorIs(t, call(ended), context.Canceled, name)
	}
	assert.ErrorIs(t, c.Forget(ended, "home"), context.Canceled)

	// No counter at all.
	for _, nothing := range []*Counter{nil, {}} {
		for name, call := range everyCall(nothing, "home") {
			assert.ErrorContains(t, call(ctx), "made by New", name)
		}
		assert.ErrorContains(t, nothing.Forget(ctx, "home"), "made by New")
	}
	assert.EqualValues(t, 0, wire.reset(), "nothing was sent")
}

// TestKeys: keys are what the documentation says, pages may hold anything, and no two share a key.
func TestKeys(t *testing.T) {
	c := planner(t, then, Options{Namespace: "app"})
	assert.Equal(t, "app:visitors:{home}:", c.prefix("home"))
	assert.Equal(t, "visitors:{home}:", planner(t, then, Options{}).prefix("home"))
	pages := []string{"a", "a}", "a%7D", "a%", "a%25", "}", "{", "{}", "}{", "a}:2090", "a:b c", "ä\x00\xff"}
	seen := map[string]string{}
	for _, page := range pages {
		v := c.visit(page, then, then)
		require.Len(t, v.keys, 1)
		key := v.keys[0]
		assert.Empty(t, seen[key], "%q and %q share a key", page, seen[key])
		seen[key] = page
		tag, _, ok := strings.Cut(key[strings.Index(key, "{")+1:], "}")
		assert.True(t, ok)
		assert.Equal(t, escape.Replace(page), tag)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add("a}", "a%7D")
	f.Add("a:2090-06-15", "a")
	f.Fuzz(func(t *testing.T, a, b string) {
		c := planner(t, then, Options{Namespace: "app"})
		if a != b && c.prefix(a) == c.prefix(b) {
			t.Fatalf("%q and %q share keys", a, b)
		}
		key := c.prefix(a) + "2090"
		tag, _, _ := strings.Cut(key[strings.Index(key, "{")+1:], "}")
		if a != "" && tag != escape.Replace(a) {
			t.Fatalf("the hash tag of %q is %q", a, tag)
		}
	})
}

// TestTimeGoesBy lets the clock go, in a bubble: today becomes yesterday, hours and days expire, months stay.
func TestTimeGoesBy(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) { // it begins on 2000-01-01, at midnight
		t.Helper()
		ctx := t.Context()
		c, err := New(rdb, Options{
			Buckets: []calendar.Period{hourly, daily, monthly},
			Keep:    map[calendar.Period]time.Duration{daily: 5 * day},
		})
		require.NoError(t, err)
		is := func(want int64, n int64, err error) {
			t.Helper()
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		time.Sleep(9*time.Hour + 30*time.Minute)
		require.NoError(t, c.Track(ctx, "home", "ann", "bob"))
		n, err := c.Today(ctx, "home")
		is(2, n, err)
		n, err = c.LastHours(ctx, "home", 1)
		is(2, n, err)
		time.Sleep(time.Hour)
		require.NoError(t, c.Track(ctx, "home", "bob", "cid"))
		n, err = c.LastHours(ctx, "home", 1)
		is(2, n, err)
		n, err = c.LastHours(ctx, "home", 2)
		is(3, n, err)

		time.Sleep(24 * time.Hour)
		n, err = c.Today(ctx, "home")
		is(0, n, err)
		n, err = c.LastDays(ctx, "home", 2)
		is(3, n, err)

		time.Sleep(4 * day)
		_, err = c.LastDays(ctx, "home", 7)
		require.ErrorIs(t, err, ErrRetention)
		n, err = c.LastDays(ctx, "home", 6)
		is(3, n, err)
		require.EqualValues(t, 0, rdb.Exists(ctx, "visitors:{home}:2000-01-01T09:00Z").Val())
		require.EqualValues(t, 1, rdb.Exists(ctx, "visitors:{home}:2000-01-01").Val())
		time.Sleep(2 * day)
		require.EqualValues(t, 0, rdb.Exists(ctx, "visitors:{home}:2000-01-01").Val())
		n, err = c.Between(ctx, "home", instant("2000-01-01 00:00", time.UTC), instant("2000-02-01 00:00", time.UTC))
		is(3, n, err)
		time.Sleep(440 * day)
		require.Empty(t, rdb.Keys(ctx, "*").Val())
	})
}

// TestOverlap holds estimates against sets whose overlap is known: within the bound that is stated, and reliable where
// they say so.
func TestOverlap(t *testing.T) {
	within, total := 0, 0
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 8))
		for _, c := range []struct{ a, b, both int }{{3, 2, 1}, {50, 50, 50}, {100, 70, 0}, {4000, 3000, 2000}, {20000, 20000, 100}, {20000, 500, 500}, {10000, 10000, 9000}} {
			var a, b hll.Union
			var sa, sb hll.Sketch
			for i := range c.a + c.b - c.both {
				who := strconv.FormatUint(rng.Uint64(), 36)
				if i < c.a {
					sa.Add(who)
				}
				if i >= c.a-c.both {
					sb.Add(who)
				}
			}
			require.NoError(t, a.Add(sa.Encode()))
			require.NoError(t, b.Add(sb.Encode()))
			e := func() Estimate { nA, nB := a.Count(), b.Count(); a.Merge(&b); return overlap(nA, nB, a.Count()) }()
			off := e.Count - int64(c.both)
			total++
			if max(off, -off) <= e.Error {
				within++
			}
			require.GreaterOrEqual(t, e.Count, int64(0))
			require.LessOrEqual(t, e.Count, sb.Count())
			if e.Reliable {
				require.InDelta(t, c.both, e.Count, float64(c.both)/3+1, "%+v %+v", c, e)
			}
		}
	}
	assert.GreaterOrEqual(t, within*100, total*95, "%d of %d within the bound", within, total)

	assert.Equal(t, Estimate{Reliable: true}, overlap(0, 100, 100), "nobody is in two pages of which one is empty")
	assert.Equal(t, Estimate{Reliable: true}, overlap(0, 0, 0))
	assert.Zero(t, overlap(100, 100, 205).Count, "never below zero")
	assert.EqualValues(t, 100, overlap(100, 2000, 1990).Count, "never more than the smaller")
	assert.False(t, overlap(10_000, 10_000, 19_900).Reliable, "a hundred of twenty thousand cannot be told")
	assert.True(t, overlap(10_000, 10_000, 11_000).Reliable)
}

// TestOverlapOfOne: a page overlaps with itself in all of its visitors.
func TestOverlapOfOne(t *testing.T) {
	c := counterAt(t, lardertest.New(t), then, Options{})
	for i := range 100 {
		require.NoError(t, c.Track(t.Context(), "home", strconv.Itoa(i)))
	}
	from, to := instant("2090-06-15 00:00", time.UTC), instant("2090-06-16 00:00", time.UTC)
	n, err := c.Today(t.Context(), "home")
	require.NoError(t, err)
	e, err := c.Overlap(t.Context(), "home", "home", from, to)
	require.NoError(t, err)
	assert.Equal(t, n, e.Count)
	assert.True(t, e.Reliable)
	assert.Positive(t, e.Error)
	e, err = c.Overlap(t.Context(), "home", "a page that nobody knows", from, to)
	require.NoError(t, err)
	assert.Equal(t, Estimate{Reliable: true}, e)
}

// TestTravelTogether: calls for the same buckets that arrive while one is under way go with the next round trip, all of
// them, and all hear how it ended.
func TestTravelTogether(t *testing.T) {
	var l lines
	ctx := t.Context()
	var sent [][]string
	var mu sync.Mutex
	started, proceed := make(chan struct{}, 10), make(chan error)
	send := func(_ context.Context, all []string) error {
		mu.Lock()
		sent = append(sent, all)
		mu.Unlock()
		started <- struct{}{}
		return <-proceed
	}
	results := make(chan error, 20)
	join := func(who string) { results <- l.join(ctx, "k", []string{who}, send) }
	go join("first")
	<-started
	for i := range 10 {
		go join(strconv.Itoa(i))
	}
	waitFor(t, &l, 10)
	// Somebody else's buckets do not wait.
	other := make(chan error, 1)
	go func() {
		other <- l.join(ctx, "another", []string{"x"}, func(context.Context, []string) error { return nil })
	}()
	require.NoError(t, <-other)

	proceed <- nil
	require.NoError(t, <-results)
	<-started
	failure := errors.New("refused")
	proceed <- failure
	for range 10 {
		require.ErrorIs(t, <-results, failure)
	}
	require.Len(t, sent, 2)
	assert.Len(t, sent[1], 10)
	assert.Empty(t, l.m, "nobody is left in line")
}

// waitFor waits until n calls are in line for k.
func waitFor(t *testing.T, l *lines, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		p, busy := l.m["k"]
		return busy && (p == nil && n == 0 || p != nil && p.members == n)
	}, time.Minute, time.Millisecond)
}

// TestLeavingTheLine: who gives up is not waited for and blocks nobody, and when the one who sends for others gives up,
// another sends.
func TestLeavingTheLine(t *testing.T) {
	var l lines
	started, proceed := make(chan []string, 10), make(chan error)
	send := func(ctx context.Context, all []string) error {
		started <- all
		select {
		case err := <-proceed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	join := func(ctx context.Context, who string) chan error {
		done := make(chan error, 1)
		go func() { done <- l.join(ctx, "k", []string{who}, send) }()
		return done
	}
	first := join(t.Context(), "first")
	<-started

	// All who wait give up: the line ends with the one that is under way.
	ctx, cancel := context.WithCancel(t.Context())
	a, b := join(ctx, "a"), join(ctx, "b")
	waitFor(t, &l, 2)
	cancel()
	require.ErrorIs(t, <-a, context.Canceled)
	require.ErrorIs(t, <-b, context.Canceled)
	waitFor(t, &l, 0)

	// The one who sends for others gives up: they send again, and are not failed by it.
	ctx, cancel = context.WithCancel(t.Context())
	c := join(ctx, "c")
	waitFor(t, &l, 1)
	proceed <- nil
	require.NoError(t, <-first)
	require.Equal(t, []string{"c"}, <-started) // c sends, and is under way
	d, e := join(t.Context(), "d"), join(t.Context(), "e")
	waitFor(t, &l, 2)
	cancel()
	require.ErrorIs(t, <-c, context.Canceled)
	require.ElementsMatch(t, []string{"d", "e"}, <-started)
	proceed <- nil
	require.NoError(t, <-d)
	require.NoError(t, <-e)
	assert.Empty(t, l.m)

	// One who sends for itself and for somebody else, and gives up while under way.
	first = join(t.Context(), "first")
	<-started
	ctx, cancel = context.WithCancel(t.Context())
	f := join(ctx, "f")
	waitFor(t, &l, 1)
	g := join(t.Context(), "g")
	waitFor(t, &l, 2)
	proceed <- nil
	require.NoError(t, <-first)
	require.Len(t, <-started, 2)
	cancel() // f is the one who sends, or it waits: either way g's visit is sent
	require.ErrorIs(t, <-f, context.Canceled)
	for waiting := true; waiting; {
		select {
		case <-started: // by g, after f gave up
		case proceed <- nil:
		case err := <-g:
			require.NoError(t, err)
			waiting = false
		}
	}
	assert.Empty(t, l.m)
}

// TestManyAtOnce: a thousand calls at once for a few pages, none is lost.
func TestManyAtOnce(t *testing.T) {
	c := counterAt(t, lardertest.New(t), then, Options{})
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			assert.NoError(t, c.Track(t.Context(), fmt.Sprintf("page %d", i%3), fmt.Sprintf("v%d", i)))
		})
	}
	wg.Wait()
	for p := range 3 {
		var want hll.Sketch
		for i := range 400 {
			if i%3 == p {
				want.Add(fmt.Sprintf("v%d", i))
			}
		}
		n, err := c.Today(t.Context(), fmt.Sprintf("page %d", p))
		require.NoError(t, err)
		assert.Equal(t, want.Count(), n)
	}
	assert.Empty(t, c.lines.m)
}

// TestServerGone: without a server every call says so, in time, and with an error that can be told.
func TestServerGone(t *testing.T) {
	refused := errors.New("refused")
	rdb := redis.NewClient(&redis.Options{
		Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1,
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: refused}
		},
	})
	t.Cleanup(func() { _ = rdb.Close() })
	c := counterAt(t, rdb, then, fineBuckets)
	for name, call := range everyCall(c, "home") {
		err := call(t.Context())
		assert.ErrorIs(t, err, refused, name)
		assert.ErrorContains(t, err, "visitors: ", name)
	}
	assert.ErrorIs(t, c.Forget(t.Context(), "home"), refused)
}
