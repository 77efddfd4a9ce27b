package calendar_test

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
)

// zones are the odd ones of the world, and some plain ones.
var zones = []string{
	"UTC", "Europe/Berlin", "America/New_York",
	"Asia/Kathmandu", "Pacific/Chatham", "Australia/Eucla", "Asia/Kolkata", // off by 45 and 30 minutes
	"Australia/Lord_Howe",                                                  // changes by half an hour
	"America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "America/Asuncion", // midnight does not exist in spring
	"America/Havana", "Atlantic/Azores", // midnight comes twice
	"America/St_Johns", "Asia/Gaza", "America/Scoresbysund", "America/Toronto", // changes around midnight
	"Pacific/Apia", "Pacific/Kwajalein", "Asia/Manila", "Pacific/Kiritimati", "America/Juneau", // crossed the date line
	"Africa/Casablanca", "Europe/Dublin", // negative summer times
	"Africa/Monrovia", "Europe/Amsterdam", // offsets of odd seconds
	"Antarctica/Troll", // changes by two hours
}

// changes yields the moments at which the offset or the name of loc changes.
func changes(loc *time.Location, from, to time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for at := from.In(loc); ; {
			_, end := at.ZoneBounds()
			if end.IsZero() || end.After(to) || !yield(end) {
				return
			}
			at = end
		}
	}
}

// TestStartIsTheFirst looks at every clock change of the zones from 1840 to 2040: the start of a day is the first
// of many moments, shortly before and after the change, at which package time shows that day or a later one.
func TestStartIsTheFirst(t *testing.T) {
	t.Parallel()
	from, to := instant(t, "1840-01-01T00:00:00Z"), instant(t, "2040-01-01T00:00:00Z")
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loc := load(t, name)
			for change := range changes(loc, from, to) {
				// All instants at which anything can begin: the change, and the quarter hours around it by its two offsets.
				_, before := change.Add(-1).Zone()
				_, after := change.Zone()
				moments := []time.Time{change}
				for n := -4 * 30; n <= 4*30; n++ {
					for _, offset := range []int{before, after} {
						quarter := change.Unix() + int64(offset) + int64(n)*900
						quarter -= quarter % 900
						moments = append(moments, time.Unix(quarter-int64(offset), 0))
					}
				}
				for n := range 2 {
					d := calendar.Of(change, loc).Add(n)
					start := d.Start(loc)
					year, month, date := start.Date()
					if !assert.False(t, calendar.Day{Year: year, Month: month, Day: date}.Before(d), "%s starts at %s", d, start) {
						return
					}
					for _, m := range moments {
						if m.Before(start) && !calendar.Of(m, loc).Before(d) {
							require.Fail(t, "not the first", "%s starts at %s, but %s is earlier", d, start, m.In(loc))
						}
						if m = m.Add(-1); m.Before(start) && !calendar.Of(m, loc).Before(d) {
							require.Fail(t, "not the first", "%s starts at %s, but %s is earlier", d, start, m.In(loc))
						}
					}
					assert.True(t, calendar.Of(start.Add(-1), loc).Before(d))
				}
			}
		})
	}
}

// slowDay finds the day of t by going through the minutes of several days, and knows nothing but what a wall clock
// shows: the latest day it has shown is the day it is.
func slowDay(t time.Time, loc *time.Location) calendar.Day {
	var latest calendar.Day
	for m := range 60 * 60 {
		year, month, day := t.Add(-time.Duration(m) * time.Minute).In(loc).Date()
		if d := (calendar.Day{Year: year, Month: month, Day: day}); d.After(latest) {
			latest = d
		}
	}
	return latest
}

// TestBucketsAroundChanges walks over the clock changes of some years and checks every period against a slow reading of
// the wall clock.
func TestBucketsAroundChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone     string
		from, to int
	}{
		{"America/St_Johns", 2009, 2011},
		{"America/Havana", 2024, 2025},
		{"America/Sao_Paulo", 2017, 2018},
		{"Australia/Lord_Howe", 2025, 2026},
		{"Pacific/Apia", 2011, 2012},
		{"Asia/Manila", 1844, 1845},
		{"America/Juneau", 1867, 1868},
	} {
		t.Run(c.zone, func(t *testing.T) {
			t.Parallel()
			loc := load(t, c.zone)
			for change := range changes(loc, time.Date(c.from, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(c.to, 1, 1, 0, 0, 0, 0, time.UTC)) {
				for n := -30; n <= 60; n++ {
					at := change.Add(time.Duration(n) * 53 * time.Minute)
					d := slowDay(at, loc)
					assert.Equal(t, d.String(), calendar.Daily.Label(at, loc), at)
					year, week := time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).ISOWeek()
					assert.Equal(t, fmt.Sprintf("%04d-W%02d", year, week), calendar.Weekly.Label(at, loc), at)
					assert.Equal(t, d.String()[:7], calendar.Monthly.Label(at, loc), at)
					assert.Equal(t, d.String()[:4], calendar.Yearly.Label(at, loc), at)
				}
			}
		})
	}
}

// TestEveryDay compares 400 years of days, after which the calendar repeats itself, with package time.
func TestEveryDay(t *testing.T) {
	t.Parallel()
	first := time.Date(1899, 12, 31, 12, 0, 0, 0, time.UTC)
	d := calendar.Of(first, nil)
	for n := range 146097 + 400 {
		at := first.AddDate(0, 0, n)
		year, month, day := at.Date()
		isoYear, isoWeek := d.ISOWeek()
		wantYear, wantWeek := at.ISOWeek()
		if (d != calendar.Day{Year: year, Month: month, Day: day}) || d.Weekday() != at.Weekday() || d.YearDay() != at.YearDay() ||
			isoYear != wantYear || isoWeek != wantWeek || d.Sub(calendar.Of(first, nil)) != n || !d.Valid() {
			require.Fail(t, "not as in package time", "%s, %s", d, at)
		}
		d = d.Add(1)
	}
}

// invariants are what every caller relies on, for any moment in any zone.
func invariants(t *testing.T, at time.Time, loc *time.Location) {
	t.Helper()
	for _, p := range periods {
		start, end, label := p.Start(at, loc), p.End(at, loc), p.Label(at, loc)
		ok := !start.After(at) && end.After(at) && end.Equal(p.Next(at, loc)) &&
			p.Start(start, loc).Equal(start) && p.End(start, loc).Equal(end) && p.Label(start, loc) == label && // one bucket,
			p.Start(end.Add(-1), loc).Equal(start) && p.End(end.Add(-1), loc).Equal(end) && p.Label(end.Add(-1), loc) == label && // to its last moment,
			p.Start(end, loc).Equal(end) && p.Label(end, loc) != label && // and then the next one,
			p.End(start.Add(-1), loc).Equal(start) && p.Label(start.Add(-1), loc) != label // as before it
		if !ok {
			require.Fail(t, "not an interval", "%v of %s in %s: %q from %s to %s", p, at, loc, label, start, end)
		}
	}
	// Coarse buckets consist of whole fine ones: hours in days, days in weeks, months and years, months in years.
	for _, edge := range []time.Time{calendar.Daily.Start(at, loc), calendar.Weekly.Start(at, loc), calendar.Monthly.Start(at, loc), calendar.Yearly.Start(at, loc)} {
		require.True(t, calendar.Hourly.Start(edge, loc).Equal(edge), "%s in %s", edge, loc)
		require.True(t, calendar.Daily.Start(edge, loc).Equal(edge), "%s in %s", edge, loc)
	}
	year := calendar.Yearly.Start(at, loc)
	require.True(t, calendar.Monthly.Start(year, loc).Equal(year), "%s in %s", year, loc)
	// A day is at least what the wall clock says, and the day's start is at or before that.
	require.False(t, calendar.Of(at, loc).Start(loc).After(at), "%s in %s", at, loc)
}

func TestInvariantsAroundChanges(t *testing.T) {
	t.Parallel()
	from, to := instant(t, "1840-01-01T00:00:00Z"), instant(t, "2040-01-01T00:00:00Z")
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loc := load(t, name)
			for change := range changes(loc, from, to) {
				for _, around := range []time.Duration{-25 * time.Hour, -time.Hour, -1, 0, time.Minute, 59 * time.Minute, 24 * time.Hour} {
					invariants(t, change.Add(around), loc)
				}
			}
			invariants(t, from, loc)
			invariants(t, to, loc)
		})
	}
}

func FuzzPeriods(f *testing.F) {
	f.Add(int64(1289097000), int64(0), uint8(0), int32(0))
	f.Add(int64(1289098860), int64(999999999), uint8(14), int32(-12600))
	f.Add(int64(1325239200), int64(0), uint8(17), int32(20700))
	f.Add(int64(-3225223727), int64(0), uint8(21), int32(86399))
	f.Add(int64(253402300799), int64(0), uint8(3), int32(-86399))
	locations := make([]*time.Location, len(zones))
	for i, name := range zones {
		locations[i] = load(f, name)
	}
	f.Fuzz(func(t *testing.T, sec, nsec int64, place uint8, offset int32) {
		const years = 10000 * 366 * 86400
		at := time.Unix(sec%years, nsec%1e9)
		invariants(t, at, locations[int(place)%len(locations)])
		invariants(t, at, time.FixedZone("fixed", int(offset)%86400))
		invariants(t, at, nil)
	})
}

func FuzzDay(f *testing.F) {
	f.Add(2026, 11, 22, 400)
	f.Add(0, 0, 0, 0)
	f.Add(-401, -27, 99, -146097)
	f.Fuzz(func(t *testing.T, year, month, day, n int) {
		year, month, day, n = year%20000, month%1000, day%100000, n%10000000
		d := calendar.Day{Year: year, Month: time.Month(month), Day: day}
		want := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
		require.Equal(t, calendar.Of(want, nil), d.Add(0))
		require.Equal(t, d.Add(0) == d && 0 <= year && year <= 9999, d.Valid())
		moved := d.Add(n)
		require.Equal(t, calendar.Of(want.AddDate(0, 0, n), nil), moved)
		require.Equal(t, n, moved.Sub(d))
		require.Equal(t, want.Weekday(), d.Weekday())
		require.Equal(t, want, d.Start(time.UTC))
		require.Equal(t, want, d.Start(time.FixedZone("UTC", 0)).UTC())
		wantYear, wantWeek := want.ISOWeek()
		gotYear, gotWeek := d.ISOWeek()
		require.Equal(t, [2]int{wantYear, wantWeek}, [2]int{gotYear, gotWeek})
		require.Equal(t, want.YearDay(), d.Add(0).YearDay())
		require.Equal(t, min(max(n, -1), 1), moved.Compare(d.Add(0)))
	})
}

func FuzzParseDay(f *testing.F) {
	for _, s := range []string{"2026-11-22", "2024-02-29", "2023-02-29", "0000-01-01", "9999-12-31", "2026-1-1", "+026-01-01", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := calendar.ParseDay(s)
		want, wantErr := time.Parse("2006-01-02", s)
		require.Equal(t, wantErr == nil, err == nil, "%q: %v, %v", s, err, wantErr)
		var u calendar.Day
		require.Equal(t, err == nil, u.UnmarshalText([]byte(s)) == nil)
		require.Equal(t, d, u)
		if err != nil {
			require.ErrorIs(t, err, calendar.ErrInvalidDay)
			return
		}
		require.Equal(t, calendar.Of(want, nil), d)
		text, err := d.MarshalText()
		require.NoError(t, err)
		require.Equal(t, s, string(text))
	})
}

// TestFarAway only asks that nothing panics and nothing runs for ever where package time itself overflows.
func TestFarAway(t *testing.T) {
	t.Parallel()
	for _, name := range zones {
		loc := load(t, name)
		for _, at := range []time.Time{{}, time.Unix(1<<62, 0), time.Unix(-1<<62, 0), time.Unix(1<<63-1, 999999999), time.Unix(-1<<63, 0)} {
			for _, p := range append(periods, calendar.AllTime, -1) {
				_, _, _ = p.Start(at, loc), p.End(at, loc), p.Label(at, loc)
				for range p.All(at, at.Add(3*time.Hour), loc) {
				}
			}
			calendar.Of(at, loc).Add(1).Start(loc)
		}
	}
}
