package checkin

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
)

const ever = -1 // real servers expire by their own clock what tests store in the past

// noon is the middle of a day in UTC.
func noon(text string) time.Time { return moment(text+" 12:00", time.UTC) }

func TestOptions(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	for _, bad := range []struct {
		opts Options
		want string
	}{
		{Options{Namespace: "a{b"}, "Options.Namespace"},
		{Options{Namespace: "}"}, "Options.Namespace"},
		{Options{DayStart: -1}, "Options.DayStart"},
		{Options{DayStart: 24 * time.Hour}, "Options.DayStart"},
		{Options{Backfill: -1}, "Options.Backfill"},
		{Options{Keep: -2}, "Options.Keep"},
		{Options{Keep: math.MinInt64}, "Options.Keep"},
		{Options{Keep: math.MaxInt64}, "Options.Keep"},
		{Options{Milestones: []int{3, 0}}, "Options.Milestones"},
		{Options{Milestones: []int{-7}}, "Options.Milestones"},
		{Options{Milestones: []int{3661}}, "Options.Milestones"},
		{Options{Keep: 30 * 24 * time.Hour, Milestones: []int{31}}, "Options.Milestones"},
		{Options{Keep: ever, Milestones: []int{36501}}, "Options.Milestones"},
	} {
		_, err := New(rdb, bad.opts)
		assert.ErrorContains(t, err, bad.want)
		assert.ErrorContains(t, err, "checkin: ")
	}
	for _, rdb := range []redis.UniversalClient{
		nil, (*redis.Client)(nil), (*redis.ClusterClient)(nil), (*redis.Ring)(nil), (*redis.AutoPipeliner)(nil),
	} {
		_, err := New(rdb, Options{})
		require.ErrorContains(t, err, "client is nil")
		_, err = NewActivity(rdb, ActivityOptions{})
		require.ErrorContains(t, err, "client is nil")
		_, err = NewIDs(rdb, IDsOptions{})
		require.ErrorContains(t, err, "client is nil")
	}
	for _, opts := range []ActivityOptions{{Namespace: "{"}, {Keep: -2}, {Keep: math.MaxInt64}} {
		_, err := NewActivity(rdb, opts)
		require.ErrorContains(t, err, "checkin: ActivityOptions.")
	}
	_, err := NewIDs(rdb, IDsOptions{Namespace: "}"})
	require.ErrorContains(t, err, "checkin: IDsOptions.Namespace")

	stones := []int{30, 3, 7, 3}
	tr := newTracker(t, rdb, Options{Milestones: stones})
	stones[0] = 1
	assert.Equal(t, []int{3, 7, 30}, tr.milestones, "a copy, in order")
	assert.Equal(t, defaultKeep, tr.keep)
	assert.Equal(t, time.UTC, tr.loc)
	newTracker(t, rdb, Options{Milestones: []int{3660}})
}

// TestZero: what was not made by New answers with an error, and does not panic.
func TestZero(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, tr := range []*Tracker{nil, {}, (*Tracker)(nil).In(time.UTC), (&Tracker{}).In(nil)} {
		_, err := tr.CheckIn(ctx, "u")
		require.ErrorIs(t, err, errNew)
		_, err = tr.Backfill(ctx, "u", day("2026-01-01"))
		require.ErrorIs(t, err, errNew)
		_, err = tr.Undo(ctx, "u", day("2026-01-01"))
		require.ErrorIs(t, err, errNew)
		_, err = tr.Stats(ctx, "u")
		require.ErrorIs(t, err, errNew)
		_, err = tr.Month(ctx, "u", 2026, 1)
		require.ErrorIs(t, err, errNew)
		require.ErrorIs(t, tr.Forget(ctx, "u"), errNew)
	}
	for _, a := range []*Activity{nil, {}} {
		require.ErrorIs(t, a.Mark(ctx, 1), errNew)
		require.ErrorIs(t, a.Unmark(ctx, 1, day("2026-01-01")), errNew)
		_, err := a.Count(ctx, day("2026-01-01"), day("2026-01-01"))
		require.ErrorIs(t, err, errNew)
		_, err = a.Contains(ctx, 1, day("2026-01-01"))
		require.ErrorIs(t, err, errNew)
		_, err = a.Cohorts(ctx, day("2026-01-01"), day("2026-01-01"), 1)
		require.ErrorIs(t, err, errNew)
		for _, err := range a.Members(ctx, day("2026-01-01")) {
			require.ErrorIs(t, err, errNew)
		}
	}
	for _, d := range []*IDs{nil, {}} {
		_, err := d.ID(ctx, "a")
		require.ErrorIs(t, err, errNew)
		_, err = d.Name(ctx, 1)
		require.ErrorIs(t, err, errNew)
	}
}

// TestBadInput: refused by name, and nothing is sent, not even to a server that is not there.
func TestBadInput(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	var count counting
	rdb.AddHook(&count)
	tr := newTracker(t, rdb, Options{Backfill: 3, Keep: 400 * 24 * time.Hour})
	now := noon("2026-03-02")
	ctx := t.Context()
	both := func(d calendar.Day, want error) {
		t.Helper()
		r, err := tr.BackfillAt(ctx, "u", d, now)
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, "checkin: backfill")
		require.Zero(t, r)
		_, err = tr.UndoAt(ctx, "u", d, now)
		require.ErrorIs(t, err, want)
	}
	_, sent := count.of(func() {
		both(calendar.Day{Year: 2026, Month: 2, Day: 29}, ErrInvalidDay)
		both(calendar.Day{}, ErrInvalidDay)
		both(calendar.Day{Year: 2026, Month: 13, Day: 1}, ErrInvalidDay)
		both(calendar.Day{Year: 2027, Month: 2, Day: 29}, ErrInvalidDay) // invalid before future
		both(calendar.Day{Year: 2019, Month: 2, Day: 29}, ErrInvalidDay) // and before too old
		both(day("2026-03-03"), ErrFuture)
		both(day("9999-12-31"), ErrFuture)
		both(day("2026-02-26"), ErrTooOld)
		both(day("2023-12-31"), ErrTooOld)
		both(day("0000-01-01"), ErrTooOld)

		_, err := tr.CheckInAt(ctx, "", now)
		require.ErrorIs(t, err, ErrEmpty)
		_, err = tr.BackfillAt(ctx, "", day("2026-03-02"), now)
		require.ErrorIs(t, err, ErrEmpty)
		_, err = tr.StatsAt(ctx, "", now)
		require.ErrorIs(t, err, ErrEmpty)
		_, err = tr.YearAt(ctx, "", 2026, now)
		require.ErrorIs(t, err, ErrEmpty)
		require.ErrorIs(t, tr.Forget(ctx, ""), ErrEmpty)

		_, err = tr.CheckInAt(ctx, "u", time.Time{})
		require.ErrorIs(t, err, ErrRange)
		_, err = tr.StatsAt(ctx, "u", moment("2200-01-01 00:00", time.UTC))
		require.ErrorIs(t, err, ErrRange)

		for _, m := range []time.Month{0, 13, -1} {
			_, err = tr.MonthAt(ctx, "u", 2026, m, now)
			require.ErrorIs(t, err, ErrInvalidDay)
		}
		for _, y := range []int{-1, 10000} {
			_, err = tr.YearAt(ctx, "u", y, now)
			require.ErrorIs(t, err, ErrInvalidDay)
		}
		_, err = tr.RangeAt(ctx, "u", day("2026-03-02"), day("2026-03-01"), now)
		require.ErrorIs(t, err, ErrRange)
		_, err = tr.RangeAt(ctx, "u", day("1000-01-01"), day("3000-01-01"), now)
		require.ErrorIs(t, err, ErrRange)
		_, err = tr.RangeAt(ctx, "u", calendar.Day{Year: 2026, Month: 2, Day: 29}, day("2026-03-01"), now)
		require.ErrorIs(t, err, ErrInvalidDay)
		_, err = tr.RangeAt(ctx, "u", day("2026-03-01"), calendar.Day{Year: 2026, Month: 4, Day: 31}, now)
		require.ErrorIs(t, err, ErrInvalidDay)

		// Years that are no longer kept, or never were, are empty.
		c, err := tr.YearAt(ctx, "u", 2024, now)
		require.NoError(t, err)
		require.Equal(t, 366, c.Days())
		require.Zero(t, c.Count)

		gone, cancel := context.WithCancel(ctx)
		cancel()
		_, err = tr.CheckInAt(gone, "u", now)
		require.ErrorIs(t, err, context.Canceled)
		_, err = tr.StatsAt(gone, "u", now)
		require.ErrorIs(t, err, context.Canceled)
		_, err = tr.MonthAt(gone, "u", 2026, 3, now)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, tr.Forget(gone, "u"), context.Canceled)
	})
	assert.Zero(t, sent)
}

// TestBoundaries: streaks over the ends of months and years, leap days and changes of the clocks, zone by zone.
func TestBoundaries(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	const h = time.Hour
	for _, c := range []struct {
		name     string
		zone     string
		dayStart time.Duration
		times    []string // of the clock on the wall
		current  int
		total    int
		last     string
	}{
		{"end of a month", "UTC", 0, []string{"2026-04-30 23:59", "2026-05-01 00:00"}, 2, 2, "2026-05-01"},
		{"end of a year", "UTC", 0, []string{"2026-12-31 23:59", "2027-01-01 00:00"}, 2, 2, "2027-01-01"},
		{"no leap day", "UTC", 0, []string{"2026-02-28 12:00", "2026-03-01 12:00"}, 2, 2, "2026-03-01"},
		{"leap day", "UTC", 0, []string{"2028-02-28 12:00", "2028-02-29 12:00", "2028-03-01 12:00"}, 3, 3, "2028-03-01"},
		{"leap day missed", "UTC", 0, []string{"2028-02-28 12:00", "2028-03-01 12:00"}, 1, 2, "2028-03-01"},
		{"end of a leap year", "UTC", 0, []string{"2028-12-30 12:00", "2028-12-31 12:00", "2029-01-01 12:00"}, 3, 3, "2029-01-01"},
		{"2100 is no leap year", "UTC", 0, []string{"2100-02-28 12:00", "2100-03-01 12:00"}, 2, 2, "2100-03-01"},
		{"twice a day", "UTC", 0, []string{"2026-05-05 00:00", "2026-05-05 23:59"}, 1, 1, "2026-05-05"},
		{"25 hours", "America/New_York", 0, []string{"2026-11-01 00:10", "2026-11-01 23:50", "2026-11-02 23:59"}, 2, 2, "2026-11-02"},
		{"23 hours", "America/New_York", 0, []string{"2026-03-07 23:59", "2026-03-08 03:01", "2026-03-09 00:00"}, 3, 3, "2026-03-09"},
		{"half an hour of summer", "Australia/Lord_Howe", 0, []string{"2026-04-04 23:59", "2026-04-05 23:59", "2026-04-06 00:00"}, 3, 3, "2026-04-06"},
		{"quarters of an hour", "Asia/Kathmandu", 0, []string{"2026-06-01 00:00", "2026-06-02 23:59"}, 2, 2, "2026-06-02"},
		{"no midnight", "America/Sao_Paulo", 0, []string{"2017-10-14 23:59", "2017-10-15 01:00", "2017-10-16 00:00"}, 3, 3, "2017-10-16"},
		{"a day that never was", "Pacific/Apia", 0, []string{"2011-12-28 12:00", "2011-12-29 23:59", "2011-12-31 00:00"}, 3, 3, "2011-12-31"},
		{"its last hours at four", "Pacific/Apia", 4 * h, []string{"2011-12-29 12:00", "2011-12-31 03:59", "2011-12-31 04:00"}, 3, 3, "2011-12-31"},
		{"and without them", "Pacific/Apia", 4 * h, []string{"2011-12-29 12:00", "2011-12-31 04:00"}, 1, 2, "2011-12-31"},
		{"a night out", "Europe/Berlin", 4 * h, []string{"2026-07-01 20:00", "2026-07-02 03:59", "2026-07-02 04:00"}, 2, 2, "2026-07-02"},
		{"night of a change", "Europe/Berlin", 4 * h, []string{"2026-03-28 22:00", "2026-03-29 03:59", "2026-03-29 04:00", "2026-03-30 03:59"}, 2, 2, "2026-03-29"},
		{"night of the other", "Europe/Berlin", 4 * h, []string{"2026-10-24 22:00", "2026-10-25 03:59", "2026-10-25 04:00", "2026-10-26 03:59"}, 2, 2, "2026-10-25"},
		{"new year's eve", "Europe/Berlin", 4 * h, []string{"2026-12-31 22:00", "2027-01-01 02:00", "2027-01-01 12:00"}, 2, 2, "2027-01-01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			loc := zone(t, c.zone)
			tr := newTracker(t, rdb, Options{Location: loc, DayStart: c.dayStart, Keep: ever})
			var r Result
			for _, at := range c.times {
				var err error
				r, err = tr.CheckInAt(t.Context(), c.name, moment(at, loc))
				require.NoError(t, err)
			}
			assert.Equal(t, c.current, r.Stats.Current)
			assert.Equal(t, c.total, r.Stats.Total)
			assert.Equal(t, day(c.last), r.Stats.Last)
			assert.True(t, r.Stats.CheckedToday)
		})
	}
}

// TestApia: the day that never was can be neither filled nor removed there, is not counted as a day back, and does not
// break a streak that is pending; a day of it that was checked in elsewhere counts.
func TestApia(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	apia, hawaii := zone(t, "Pacific/Apia"), zone(t, "Pacific/Honolulu")
	tr := newTracker(t, rdb, Options{Namespace: "TestApia", Location: apia, Backfill: 1, Keep: ever})
	now := moment("2011-12-31 10:00", apia)
	t.Cleanup(func() { _ = tr.Forget(context.WithoutCancel(ctx), "u") })
	_, err := tr.BackfillAt(ctx, "u", day("2011-12-30"), now)
	require.ErrorIs(t, err, ErrInvalidDay)
	_, err = tr.UndoAt(ctx, "u", day("2011-12-30"), now)
	require.ErrorIs(t, err, ErrInvalidDay)
	_, err = tr.BackfillAt(ctx, "u", day("2011-12-28"), now)
	require.ErrorIs(t, err, ErrTooOld)
	r, err := tr.BackfillAt(ctx, "u", day("2011-12-29"), now) // one day back
	require.NoError(t, err)
	assert.Equal(t, 1, r.Stats.Current)
	assert.True(t, r.Stats.Pending)
	s, err := tr.StatsAt(ctx, "u", moment("2012-01-01 00:00", apia))
	require.NoError(t, err)
	assert.Zero(t, s.Current)
	// In Hawaii there was such a day.
	r, err = tr.In(hawaii).CheckInAt(ctx, "u", moment("2011-12-30 12:00", hawaii))
	require.NoError(t, err)
	assert.Equal(t, 2, r.Stats.Current)
	s, err = tr.StatsAt(ctx, "u", now)
	require.NoError(t, err)
	assert.Equal(t, 2, s.Current)
	c, err := tr.RangeAt(ctx, "u", day("2011-12-29"), day("2011-12-31"), now)
	require.NoError(t, err)
	assert.Equal(t, []bool{true, true, false}, c.Checked)
}

// TestLongStreak: 1,096 days over three years, one of them a leap year, one by one, on a real server.
func TestLongStreak(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	tr := newTracker(t, rdb, Options{Namespace: "TestLongStreak", Milestones: []int{365, 1000, 1096}})
	t.Cleanup(func() { _ = tr.Forget(context.WithoutCancel(ctx), "u") })
	var reached []int
	var r Result
	at := noon("2095-01-01")
	for range 1096 {
		var err error
		r, err = tr.CheckInAt(ctx, "u", at)
		require.NoError(t, err)
		reached = append(reached, r.Reached...)
		at = at.AddDate(0, 0, 1)
	}
	assert.Equal(t, day("2097-12-31"), r.Day)
	assert.Equal(t, Stats{
		Current: 1096, Longest: 1096, Total: 1096, CheckedToday: true, First: day("2095-01-01"), Last: day("2097-12-31"),
	}, r.Stats)
	assert.Equal(t, []int{365, 1000, 1096}, reached)
	y, err := tr.YearAt(ctx, "u", 2096, at)
	require.NoError(t, err)
	assert.Equal(t, 366, y.Count)
	assert.Equal(t, 366, y.Longest)
	// Ten years on, the first of the three is gone, whether it is still there or not.
	s, err := tr.StatsAt(ctx, "u", moment("2106-01-09 00:00", time.UTC))
	require.NoError(t, err)
	assert.Equal(t, Stats{Longest: 731, Total: 731, Truncated: true, First: day("2096-01-01"), Last: day("2097-12-31")}, s)
	n, err := rdb.Exists(ctx, "TestLongStreak:checkin:{u}:2095").Result()
	require.NoError(t, err)
	assert.Equal(t, int64(1), n)
}

// TestRetentionEdge: a year counts until Keep after its end, and not a moment longer.
func TestRetentionEdge(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	kathmandu := zone(t, "Asia/Kathmandu")
	tr := newTracker(t, rdb, Options{Namespace: "TestRetentionEdge", Location: kathmandu, DayStart: 4 * time.Hour, Keep: 100 * 24 * time.Hour, Backfill: 500})
	t.Cleanup(func() { _ = tr.Forget(context.WithoutCancel(ctx), "u") })
	_, err := tr.CheckInAt(ctx, "u", moment("2096-01-01 03:00", kathmandu)) // a day of 2095
	require.NoError(t, err)
	_, err = tr.CheckInAt(ctx, "u", moment("2096-01-01 04:00", kathmandu))
	require.NoError(t, err)
	edge := moment("2096-01-01 04:00", kathmandu).Add(100 * 24 * time.Hour)
	at, err := rdb.PExpireTime(ctx, "TestRetentionEdge:checkin:{u}:2095").Result()
	require.NoError(t, err)
	assert.Equal(t, edge.UnixMilli(), at.Milliseconds())

	s, err := tr.StatsAt(ctx, "u", edge.Add(-time.Millisecond))
	require.NoError(t, err)
	assert.Equal(t, 2, s.Longest)
	assert.False(t, s.Truncated)
	s, err = tr.StatsAt(ctx, "u", edge)
	require.NoError(t, err)
	assert.Equal(t, 1, s.Longest)
	assert.True(t, s.Truncated)
	for _, c := range []struct {
		now  time.Time
		want int
	}{{edge.Add(-time.Millisecond), 2}, {edge, 1}} {
		y, err := tr.RangeAt(ctx, "u", day("2095-12-31"), day("2096-01-01"), c.now)
		require.NoError(t, err)
		assert.Equal(t, c.want, y.Count)
	}
	_, err = tr.BackfillAt(ctx, "u", day("2095-12-30"), edge.Add(-time.Millisecond))
	require.NoError(t, err)
	_, err = tr.BackfillAt(ctx, "u", day("2095-12-30"), edge)
	require.ErrorIs(t, err, ErrTooOld)
	assert.ErrorContains(t, err, "2096")
}

// TestLongAgo: without an expiry, calendars show what was stored at any time, and streaks look back a hundred years.
func TestLongAgo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := lardertest.New(t)
	tr := newTracker(t, rdb, Options{Keep: ever})
	for _, at := range []string{"1900-01-01", "1925-12-31", "2026-03-02"} {
		_, err := tr.CheckInAt(ctx, "u", noon(at))
		require.NoError(t, err)
	}
	now := noon("2026-03-02")
	s, err := tr.StatsAt(ctx, "u", now)
	require.NoError(t, err)
	assert.Equal(t, 1, s.Total)
	for _, year := range []int{1900, 1925} {
		c, err := tr.YearAt(ctx, "u", year, now)
		require.NoError(t, err)
		assert.Equal(t, 1, c.Count)
	}
	c, err := tr.RangeAt(ctx, "u", day("1920-01-01"), day("2020-01-01"), now)
	require.NoError(t, err)
	assert.Equal(t, 1, c.Count)
	require.NoError(t, tr.Forget(ctx, "u"))
	keys, err := rdb.Keys(ctx, "*").Result()
	require.NoError(t, err)
	assert.Empty(t, keys)
}

// TestFirstOfMany: of 100 check-ins at the same time exactly one is new, on every kind of server and client.
func TestFirstOfMany(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		callers := 100
		if !e.Real() {
			callers = 20
		}
		tr := newTracker(t, e.Client, Options{Namespace: e.Namespace, Milestones: []int{1}, Backfill: 1})
		user, at := e.ID("u"), noon("2095-12-31")
		for range 2 { // a backfill joins in, in the second round
			var news, reached atomic.Int64
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					var r Result
					var err error
					if i%2 == 0 {
						r, err = tr.CheckInAt(t.Context(), user, at)
					} else {
						r, err = tr.BackfillAt(t.Context(), user, calendar.Of(at, time.UTC), at)
					}
					if !assert.NoError(t, err) {
						return
					}
					assert.Equal(t, 1, r.Stats.Current)
					reached.Add(int64(len(r.Reached)))
					if r.New {
						news.Add(1)
					}
				})
			}
			wg.Wait()
			assert.Equal(t, int64(1), news.Load())
			assert.Equal(t, int64(1), reached.Load())
			at = at.AddDate(1, 0, 3) // another year, and nothing to do with the first
		}
	})
}

// TestRoundTrips: each operation is one round trip of one command.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := lardertest.New(t)
	tr := newTracker(t, rdb, Options{Backfill: 3})
	a, err := NewActivity(rdb, ActivityOptions{Keep: ever})
	require.NoError(t, err)
	ids, err := NewIDs(rdb, IDsOptions{})
	require.NoError(t, err)
	now := noon("2095-06-01")
	calls := map[string]func() error{
		"CheckIn":  func() error { _, err := tr.CheckInAt(ctx, "u", now); return err },
		"Backfill": func() error { _, err := tr.BackfillAt(ctx, "u", day("2095-05-30"), now); return err },
		"Undo":     func() error { _, err := tr.UndoAt(ctx, "u", day("2095-05-30"), now); return err },
		"Stats":    func() error { _, err := tr.StatsAt(ctx, "u", now); return err },
		"Month":    func() error { _, err := tr.MonthAt(ctx, "u", 2095, 5, now); return err },
		"Year":     func() error { _, err := tr.YearAt(ctx, "u", 2095, now); return err },
		"Range":    func() error { _, err := tr.RangeAt(ctx, "u", day("2090-01-01"), day("2095-01-01"), now); return err },
		"Forget":   func() error { return tr.Forget(ctx, "u") },
		"Mark":     func() error { return a.MarkAt(ctx, 7, now) },
		"Unmark":   func() error { return a.Unmark(ctx, 7, day("2095-06-01")) },
		"Contains": func() error { _, err := a.Contains(ctx, 7, day("2095-06-01")); return err },
		"ID":       func() error { _, err := ids.ID(ctx, "a"); return err },
		"Name":     func() error { _, err := ids.Name(ctx, 0); return err },
	}
	for _, name := range []string{"CheckIn", "Backfill", "Undo", "Stats", "Range", "Forget", "Mark", "Unmark", "ID"} {
		require.NoError(t, calls[name](), name) // the server knows the scripts, the Activity its index
	}
	var count counting
	rdb.AddHook(&count)
	for name, call := range calls {
		trips, commands := count.of(func() { require.NoError(t, call(), name) })
		assert.Equal(t, 1, trips, name)
		assert.Equal(t, 1, commands, name)
	}
	fresh, err := NewActivity(rdb, ActivityOptions{Keep: ever})
	require.NoError(t, err)
	trips, commands := count.of(func() { require.NoError(t, fresh.MarkAt(ctx, 7, now)) })
	assert.Equal(t, 1, trips, "the first mark of a segment")
	assert.Equal(t, 2, commands)
	trips, _ = count.of(func() {
		_, err := a.Count(ctx, day("2095-01-01"), day("2095-12-31"))
		require.NoError(t, err)
	})
	assert.Equal(t, 2, trips, "Count")
}

// TestKeys: a raw string a year, the bit of a day is its number in the year - 1, so that others can read them; users
// of all kinds have keys of their own.
func TestKeys(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	tr := newTracker(t, rdb, Options{Namespace: "TestKeys"})
	for _, c := range []struct{ user, key string }{
		{"42", "TestKeys:checkin:{42}:2096"},
		{"a:b c", "TestKeys:checkin:{a:b c}:2096"},
		{"{a", "TestKeys:checkin:{{a}:2096"},
		{"a}b", "TestKeys:checkin:{a%7Db}:2096"},
		{"a%7Db", "TestKeys:checkin:{a%257Db}:2096"},
		{"}", "TestKeys:checkin:{%7D}:2096"},
		{"\x00\xff\n", "TestKeys:checkin:{\x00\xff\n}:2096"},
		{"Zoë", "TestKeys:checkin:{Zoë}:2096"},
	} {
		for _, at := range []string{"2096-02-29", "2096-12-31"} {
			r, err := tr.CheckInAt(ctx, c.user, noon(at))
			require.NoError(t, err)
			assert.True(t, r.New)
		}
		raw := make([]byte, 46)
		raw[59/8] = 0x80 >> (59 % 8)
		raw[365/8] = 0x80 >> (365 % 8)
		text, err := rdb.Get(ctx, c.key).Bytes()
		require.NoError(t, err, c.key)
		assert.Equal(t, raw, text)
		at, err := rdb.PExpireTime(ctx, c.key).Result()
		require.NoError(t, err)
		assert.Equal(t, moment("2097-01-01 00:00", time.UTC).Add(3660*24*time.Hour).UnixMilli(), at.Milliseconds())
		require.NoError(t, tr.Forget(ctx, c.user))
	}
	left, err := rdb.Keys(ctx, "TestKeys:*").Result()
	require.NoError(t, err)
	assert.Empty(t, left)
	assert.Equal(t, []string{"checkin:{u}:2026", "checkin:{u}:2025"}, newTracker(t, rdb, Options{}).yearKeys("u", 2026, 2025))
}

// TestMemory: a year of a user takes 136 bytes.
func TestMemory(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	tr := newTracker(t, rdb, Options{})
	for _, days := range []int{1, 365} {
		user := strconv.Itoa(1000 + days)
		at := noon("2095-01-01")
		for range days {
			_, err := tr.CheckInAt(ctx, user, at)
			require.NoError(t, err)
			at = at.AddDate(0, 0, 1)
		}
		n, err := rdb.MemoryUsage(ctx, "checkin:{"+user+"}:2095").Result()
		require.NoError(t, err)
		assert.LessOrEqual(t, n, int64(136))
		require.NoError(t, tr.Forget(ctx, user))
	}
}

// TestReadsCreateNothing, and neither does an undo of nothing; an undo of the last day of a year leaves nothing behind.
func TestReadsCreateNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := lardertest.New(t)
	tr := newTracker(t, rdb, Options{Backfill: 3, Keep: ever})
	now := noon("2026-01-02")
	s, err := tr.StatsAt(ctx, "u", now)
	require.NoError(t, err)
	assert.Zero(t, s)
	c, err := tr.MonthAt(ctx, "u", 2026, 1, now)
	require.NoError(t, err)
	assert.Equal(t, 31, c.Days())
	r, err := tr.UndoAt(ctx, "u", day("2026-01-01"), now)
	require.NoError(t, err)
	assert.Equal(t, Result{Day: day("2026-01-01")}, r)
	require.NoError(t, tr.Forget(ctx, "u"))
	_, err = tr.BackfillAt(ctx, "u", day("2026-01-01"), now)
	require.NoError(t, err)
	r, err = tr.UndoAt(ctx, "u", day("2026-01-01"), now)
	require.NoError(t, err)
	assert.Equal(t, Result{Day: day("2026-01-01"), Removed: true}, r)
	keys, err := rdb.Keys(ctx, "*").Result()
	require.NoError(t, err)
	assert.Empty(t, keys)
}

// TestBackfillJoins: a milestone is reported by the call that reaches it, once for each streak, also where two are joined.
func TestBackfillJoins(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := lardertest.New(t)
	tr := newTracker(t, rdb, Options{Backfill: 10, Milestones: []int{7, 3, 4}, Keep: 400 * 24 * time.Hour})
	reached := func(d, now string) []int {
		t.Helper()
		r, err := tr.BackfillAt(ctx, "u", day(d), noon(now))
		require.NoError(t, err)
		return r.Reached
	}
	assert.Empty(t, reached("2095-12-28", "2095-12-28"))
	assert.Empty(t, reached("2095-12-29", "2095-12-29"))
	assert.Equal(t, []int{3}, reached("2095-12-30", "2095-12-30"))
	assert.Empty(t, reached("2095-12-30", "2095-12-30"), "once")
	assert.Empty(t, reached("2096-01-01", "2096-01-01"))
	assert.Empty(t, reached("2096-01-02", "2096-01-02"))
	assert.Equal(t, []int{3}, reached("2096-01-03", "2096-01-03"))
	assert.Equal(t, []int{4, 7}, reached("2095-12-31", "2096-01-03"), "3 + 1 + 3")
	r, err := tr.UndoAt(ctx, "u", day("2095-12-31"), noon("2096-01-03"))
	require.NoError(t, err)
	assert.True(t, r.Removed)
	assert.False(t, r.New)
	assert.Equal(t, 3, r.Stats.Current)
	assert.Equal(t, []int{4, 7}, reached("2095-12-31", "2096-01-04"), "and a pending streak")
	assert.Empty(t, reached("2096-01-06", "2096-01-06"), "a new one")
	assert.Empty(t, reached("2096-01-05", "2096-01-06"))
	assert.Empty(t, reached("2096-01-04", "2096-01-06"), "joined, but the seven were reached before")
}

// TestTraveller: a user who flies east and west across the date line, in the keys of one tracker.
func TestTraveller(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := lardertest.New(t)
	apia, hawaii := zone(t, "Pacific/Apia"), zone(t, "Pacific/Honolulu")
	tr := newTracker(t, rdb, Options{Keep: ever})
	r, err := tr.In(apia).CheckInAt(ctx, "u", moment("2026-06-10 09:00", apia))
	require.NoError(t, err)
	assert.Equal(t, day("2026-06-10"), r.Day)
	at := moment("2026-06-10 15:00", apia) // in Hawaii it is the day before
	r, err = tr.In(hawaii).CheckInAt(ctx, "u", at)
	require.NoError(t, err)
	assert.Equal(t, day("2026-06-09"), r.Day)
	assert.True(t, r.New)
	assert.Equal(t, 1, r.Stats.Current, "the 10th has not begun here")
	assert.Equal(t, 1, r.Stats.Total)
	s, err := tr.In(hawaii).StatsAt(ctx, "u", at.Add(24*time.Hour))
	require.NoError(t, err)
	assert.Equal(t, 2, s.Current)
	assert.True(t, s.CheckedToday)
	c, err := tr.In(nil).MonthAt(ctx, "u", 2026, 6, at)
	require.NoError(t, err)
	assert.Equal(t, 2, c.Count, "a calendar shows what is stored")
}

// TestForeignType: another type at any year is ErrWrongType on every call, and is left as it was.
func TestForeignType(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		tr := newTracker(t, e.Client, Options{Namespace: e.Namespace, Backfill: 1})
		now := noon("2095-06-02")
		for _, year := range []int{2095, 2090} {
			user := e.ID(fmt.Sprint("u", year))
			_, err := tr.CheckInAt(ctx, user, noon("2094-06-02"))
			require.NoError(t, err)
			key := tr.yearKeys(user, year, year)[0]
			require.NoError(t, e.Client.RPush(ctx, key, "theirs").Err())
			calls := []func() error{
				func() error { _, err := tr.CheckInAt(ctx, user, now); return err },
				func() error { _, err := tr.BackfillAt(ctx, user, day("2095-06-01"), now); return err },
				func() error { _, err := tr.UndoAt(ctx, user, day("2095-06-01"), now); return err },
				func() error { _, err := tr.StatsAt(ctx, user, now); return err },
				func() error { _, err := tr.YearAt(ctx, user, year, now); return err },
				func() error { _, err := tr.MonthAt(ctx, user, year, 1, now); return err },
				func() error { _, err := tr.RangeAt(ctx, user, day("2090-01-01"), day("2095-12-31"), now); return err },
				func() error { return tr.Forget(ctx, user) },
			}
			for i, call := range calls {
				for _, many := range []bool{false, true} {
					tr.many.Store(many)
					require.ErrorIs(t, call(), ErrWrongType, "call %d, %d", i, year)
				}
			}
			theirs, err := e.Client.LRange(ctx, key, 0, -1).Result()
			require.NoError(t, err)
			assert.Equal(t, []string{"theirs"}, theirs)
			c, err := tr.YearAt(ctx, user, 2094, now)
			require.NoError(t, err)
			assert.Equal(t, 1, c.Count, "nothing was forgotten")
			if year != 2095 {
				n, err := e.Client.Exists(ctx, tr.yearKeys(user, 2095, 2095)...).Result()
				require.NoError(t, err)
				assert.Zero(t, n, "nothing was written")
			}
		}
	})
}

// TestForget erases all years of a user, those of the past and of the future too, and nobody else's.
func TestForget(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		tr := newTracker(t, e.Client, Options{Namespace: e.Namespace})
		user, other := e.ID("u"), e.ID("v")
		for _, at := range []string{"2094-05-05", "2120-01-01", "2199-12-31"} {
			for _, u := range []string{user, other} {
				_, err := tr.CheckInAt(ctx, u, noon(at))
				require.NoError(t, err)
			}
		}
		require.NoError(t, tr.Forget(ctx, user))
		require.NoError(t, tr.Forget(ctx, user), "again")
		for _, year := range []int{2094, 2120, 2199} {
			for u, want := range map[string]int64{user: 0, other: 1} {
				n, err := e.Client.Exists(ctx, tr.yearKeys(u, year, year)...).Result()
				require.NoError(t, err)
				assert.Equal(t, want, n)
			}
		}
		require.NoError(t, tr.Forget(ctx, other))
	})
}

// TestKeepChanges: each day that is set sets the expiry that its tracker wants.
func TestKeepChanges(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	key := "TestKeepChanges:checkin:{u}:2095"
	t.Cleanup(func() { rdb.Del(context.WithoutCancel(ctx), key) })
	at := noon("2095-03-03")
	for _, keep := range []time.Duration{0, ever, 24 * time.Hour, ever} {
		at = at.Add(24 * time.Hour)
		_, err := newTracker(t, rdb, Options{Namespace: "TestKeepChanges", Keep: keep}).CheckInAt(ctx, "u", at)
		require.NoError(t, err)
		ttl, err := rdb.PTTL(ctx, key).Result()
		require.NoError(t, err)
		assert.Equal(t, keep != ever, ttl > 0)
	}
}

// TestInvalidComesFirst: a day that never existed in the zone is invalid, also while it is in the future, and when it is
// too old.
func TestInvalidComesFirst(t *testing.T) {
	t.Parallel()
	apia := zone(t, "Pacific/Apia")
	rdb := lardertest.New(t)
	var count counting
	rdb.AddHook(&count)
	tr := newTracker(t, rdb, Options{Location: apia, Backfill: 1})
	for _, now := range []string{"2011-12-20 12:00", "2012-01-31 12:00", "2026-06-01 12:00"} {
		_, sent := count.of(func() {
			_, err := tr.BackfillAt(t.Context(), "u", day("2011-12-30"), moment(now, apia))
			require.ErrorIs(t, err, ErrInvalidDay, now)
			_, err = tr.UndoAt(t.Context(), "u", day("2011-12-30"), moment(now, apia))
			require.ErrorIs(t, err, ErrInvalidDay, now)
		})
		assert.Zero(t, sent)
	}
}

// TestUndoOfNothing: where there is nothing to be undone nothing is written, not even zeros.
func TestUndoOfNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.Standalone(t)
	tr := newTracker(t, rdb, Options{Namespace: "TestUndoOfNothing", Backfill: 365})
	t.Cleanup(func() { _ = tr.Forget(context.WithoutCancel(ctx), "u") })
	_, err := tr.CheckInAt(ctx, "u", noon("2095-01-03"))
	require.NoError(t, err)
	r, err := tr.UndoAt(ctx, "u", day("2095-06-01"), noon("2095-06-02"))
	require.NoError(t, err)
	assert.False(t, r.Removed)
	assert.Equal(t, 1, r.Stats.Total)
	text, err := rdb.Get(ctx, tr.yearKeys("u", 2095, 2095)[0]).Result()
	require.NoError(t, err)
	assert.Equal(t, " ", text)
}

// TestGuess: whatever a tracker supposes about the years of a user, the answer is right, and the next guess is as well.
func TestGuess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := lardertest.New(t)
	tr := newTracker(t, rdb, Options{})
	for _, guess := range []bool{false, true} {
		for years := range 3 {
			user := fmt.Sprint(guess, years)
			for y := range years {
				_, err := tr.CheckInAt(ctx, user, noon("2095-12-31").AddDate(-y-1, 0, 0))
				require.NoError(t, err)
			}
			tr.many.Store(guess)
			r, err := tr.In(zone(t, "Asia/Kathmandu")).CheckInAt(ctx, user, noon("2095-12-31"))
			require.NoError(t, err)
			assert.True(t, r.New)
			assert.Equal(t, years+1, r.Stats.Total)
			assert.Equal(t, years > 0, tr.many.Load())
			tr.many.Store(guess)
			s, err := tr.StatsAt(ctx, user, noon("2095-12-31"))
			require.NoError(t, err)
			assert.Equal(t, r.Stats, s)
			assert.Equal(t, years > 0, tr.many.Load())
			tr.many.Store(guess)
			r, err = tr.CheckInAt(ctx, user, noon("2095-12-31"))
			require.NoError(t, err)
			assert.False(t, r.New)
			assert.Equal(t, years+1, r.Stats.Total)
		}
		user := fmt.Sprint(guess, "theirs")
		require.NoError(t, rdb.RPush(ctx, tr.yearKeys(user, 2095, 2095)[0], "theirs").Err())
		tr.many.Store(guess)
		_, err := tr.CheckInAt(ctx, user, noon("2095-12-31"))
		require.ErrorIs(t, err, ErrWrongType)
	}
}
