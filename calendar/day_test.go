package calendar_test

import (
	"encoding/json"
	"testing"
	"time"
	_ "time/tzdata" // the tables below must not depend on what the machine has installed

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
)

func load(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(tb, err)
	return loc
}

func day(tb testing.TB, text string) calendar.Day {
	tb.Helper()
	d, err := calendar.ParseDay(text)
	require.NoError(tb, err)
	return d
}

func instant(tb testing.TB, text string) time.Time {
	tb.Helper()
	t, err := time.Parse(time.RFC3339, text)
	require.NoError(tb, err)
	return t
}

func TestOf(t *testing.T) {
	t.Parallel()
	at := instant(t, "2026-11-22T18:20:00Z")
	assert.Equal(t, "2026-11-22", calendar.Of(at, nil).String(), "nil is UTC")
	assert.Equal(t, "2026-11-22", calendar.Of(at, time.UTC).String())
	assert.Equal(t, "2026-11-23", calendar.Of(at, load(t, "Asia/Kathmandu")).String())
	assert.Equal(t, "2026-11-22", calendar.Of(at.Add(-6*time.Minute), load(t, "Asia/Kathmandu")).String())
	assert.Equal(t, "2026-11-22", calendar.Of(at.In(load(t, "Pacific/Apia")), time.UTC).String(), "the location of t does not matter")
	assert.Equal(t, calendar.Day{Year: 2026, Month: time.November, Day: 23}, calendar.Of(at, load(t, "Pacific/Apia")))
}

func TestStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ why, zone, day, start string }{
		{"UTC", "UTC", "2026-11-22", "2026-11-22T00:00:00Z"},
		{"5:45 ahead", "Asia/Kathmandu", "2026-11-22", "2026-11-21T18:15:00Z"},
		{"12:45 ahead", "Pacific/Chatham", "2026-06-22", "2026-06-21T11:15:00Z"},
		{"13:45 ahead, in summer", "Pacific/Chatham", "2026-11-22", "2026-11-21T10:15:00Z"},
		{"23 hours", "Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"after 23 hours", "Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"},
		{"25 hours", "Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z"},
		{"after 25 hours", "Europe/Berlin", "2026-10-26", "2026-10-25T23:00:00Z"},
		{"24 and a half hours", "Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z"},
		{"after 24 and a half hours", "Australia/Lord_Howe", "2026-04-06", "2026-04-05T13:30:00Z"},
		{"no midnight: 24:00 is 01:00", "America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"},
		{"midnight seen for no time: 24:00 is 23:00", "America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z"},
		{"no midnight in Beirut", "Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00Z"},
		{"midnight twice: 01:00 is 00:00", "America/Havana", "2025-11-02", "2025-11-02T04:00:00Z"},
		{"no midnight in Havana", "America/Havana", "2025-03-09", "2025-03-09T05:00:00Z"},
		{"00:01 is 23:01 of the day before", "America/St_Johns", "2010-11-07", "2010-11-07T02:30:00Z"},
		{"before the day that never was", "Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z"},
		{"the day that never was", "Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},
		{"after the day that never was", "Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"},
		{"Kwajalein left out a day, too", "Pacific/Kwajalein", "1993-08-21", "1993-08-21T12:00:00Z"},
		{"a clock set forward over midnight at 23:30", "America/Toronto", "1919-03-31", "1919-03-31T04:30:00Z"},
		{"leap day", "Europe/Berlin", "2024-02-29", "2024-02-28T23:00:00Z"},
		{"beyond the tables of the zone", "Europe/Berlin", "2300-07-01", "2300-06-30T22:00:00Z"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			loc := load(t, c.zone)
			start := day(t, c.day).Start(loc)
			assert.Equal(t, c.start, start.UTC().Format(time.RFC3339))
			assert.Equal(t, loc, start.Location())
		})
	}
	assert.Equal(t, time.UTC, day(t, "2026-11-22").Start(nil).Location(), "nil is UTC")
	odd := time.FixedZone("odd", 45*60+17)
	assert.Equal(t, "2026-11-21T23:14:43Z", day(t, "2026-11-22").Start(odd).UTC().Format(time.RFC3339))
}

func TestLengths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, day string
		length    time.Duration
	}{
		{"UTC", "2026-11-22", 24 * time.Hour},
		{"Europe/Berlin", "2026-03-29", 23 * time.Hour},
		{"Europe/Berlin", "2026-10-25", 25 * time.Hour},
		{"America/Sao_Paulo", "2018-11-04", 23 * time.Hour},
		{"America/Sao_Paulo", "2018-02-17", 25 * time.Hour},
		{"America/Havana", "2025-11-02", 25 * time.Hour},
		{"America/St_Johns", "2010-11-06", 24 * time.Hour},
		{"America/St_Johns", "2010-11-07", 25 * time.Hour},
		{"Australia/Lord_Howe", "2026-04-05", 24*time.Hour + 30*time.Minute},
		{"Australia/Lord_Howe", "2026-10-04", 23*time.Hour + 30*time.Minute},
		{"Pacific/Apia", "2011-12-29", 24 * time.Hour},
		{"Pacific/Apia", "2011-12-30", 0},
		{"Pacific/Apia", "2011-12-31", 24 * time.Hour},
		{"America/Juneau", "1867-10-18", 24 * time.Hour},
		{"America/Juneau", "1867-10-19", 48 * time.Hour}, // Alaska was sold, and its clocks set back by a day
	} {
		loc, d := load(t, c.zone), day(t, c.day)
		assert.Equal(t, c.length, d.Add(1).Start(loc).Sub(d.Start(loc)), "%s in %s", c.day, c.zone)
	}
}

func TestArithmetic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from string
		n    int
		to   string
	}{
		{"2026-11-22", 0, "2026-11-22"},
		{"2026-11-30", 1, "2026-12-01"},
		{"2026-12-31", 1, "2027-01-01"},
		{"2024-02-28", 1, "2024-02-29"},
		{"2023-02-28", 1, "2023-03-01"},
		{"1900-02-28", 1, "1900-03-01"},
		{"2000-02-28", 1, "2000-02-29"},
		{"2024-01-01", 366, "2025-01-01"},
		{"2011-12-29", 2, "2011-12-31"},
		{"0000-02-28", 1, "0000-02-29"},
		{"0000-01-01", 3652424, "9999-12-31"},
	} {
		from, to := day(t, c.from), day(t, c.to)
		assert.Equal(t, to, from.Add(c.n))
		assert.Equal(t, from, to.Add(-c.n))
		assert.Equal(t, c.n, to.Sub(from))
		assert.Equal(t, -c.n, from.Sub(to))
		assert.Equal(t, c.n > 0, from.Before(to))
		assert.Equal(t, c.n > 0, to.After(from))
		assert.False(t, to.Before(from) || from.After(to))
	}
	assert.Equal(t, "2026-03-02", calendar.Day{Year: 2026, Month: time.February, Day: 30}.Add(0).String(), "as in time.Date")
	assert.Equal(t, "2027-01-05", calendar.Day{Year: 2026, Month: 13, Day: 5}.Add(0).String())
	assert.Equal(t, "2025-12-05", calendar.Day{Year: 2026, Month: 0, Day: 5}.Add(0).String())
}

func TestWeeksAndYears(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		day     string
		weekday time.Weekday
		yearDay int
		year    int
		week    int
	}{
		{"2026-11-22", time.Sunday, 326, 2026, 47},
		{"2026-11-23", time.Monday, 327, 2026, 48},
		{"2020-12-31", time.Thursday, 366, 2020, 53},
		{"2021-01-03", time.Sunday, 3, 2020, 53},
		{"2021-01-04", time.Monday, 4, 2021, 1},
		{"2024-12-30", time.Monday, 365, 2025, 1},
		{"2024-02-29", time.Thursday, 60, 2024, 9},
		{"2023-01-01", time.Sunday, 1, 2022, 52},
		{"1969-12-31", time.Wednesday, 365, 1970, 1},
		{"0000-01-01", time.Saturday, 1, -1, 52},
		{"9999-12-31", time.Friday, 365, 9999, 52},
	} {
		d := day(t, c.day)
		year, week := d.ISOWeek()
		assert.Equal(t, c.weekday, d.Weekday(), c.day)
		assert.Equal(t, c.yearDay, d.YearDay(), c.day)
		assert.Equal(t, c.year, year, c.day)
		assert.Equal(t, c.week, week, c.day)
	}
	assert.Equal(t, 366, calendar.DaysInYear(2024))
	assert.Equal(t, 365, calendar.DaysInYear(2026))
	assert.Equal(t, 365, calendar.DaysInYear(1900))
	assert.Equal(t, 366, calendar.DaysInYear(2000))
	assert.Equal(t, 29, calendar.DaysInMonth(2024, time.February))
	assert.Equal(t, 28, calendar.DaysInMonth(2100, time.February))
	assert.Equal(t, 30, calendar.DaysInMonth(2026, time.November))
	assert.Equal(t, 31, calendar.DaysInMonth(2026, time.December))
	assert.Zero(t, calendar.DaysInMonth(2026, 0))
	assert.Zero(t, calendar.DaysInMonth(2026, 13))
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, d := range []calendar.Day{{2026, 11, 22}, {2024, 2, 29}, {2000, 2, 29}, {0, 1, 1}, {9999, 12, 31}, {2011, 12, 30}} {
		assert.True(t, d.Valid(), d)
		assert.False(t, d.IsZero(), d)
	}
	for _, d := range []calendar.Day{
		{},
		{2026, 2, 29},
		{1900, 2, 29},
		{2026, 11, 31},
		{2026, 11, 0},
		{2026, 11, -1},
		{2026, 0, 1},
		{2026, 13, 1},
		{2026, -1, 1},
		{-1, 1, 1},
		{10000, 1, 1},
	} {
		assert.False(t, d.Valid(), d)
	}
	assert.True(t, calendar.Day{}.IsZero())
}

func TestText(t *testing.T) {
	t.Parallel()
	type record struct {
		Day   calendar.Day
		Days  map[calendar.Day]int
		First calendar.Day `json:",omitzero"`
	}
	in := record{Day: day(t, "2024-02-29"), Days: map[calendar.Day]int{day(t, "0007-01-09"): 3}}
	text, err := json.Marshal(in)
	require.NoError(t, err)
	assert.JSONEq(t, `{"Day":"2024-02-29","Days":{"0007-01-09":3}}`, string(text))
	var out record
	require.NoError(t, json.Unmarshal(text, &out))
	assert.Equal(t, in, out)

	for _, bad := range []string{
		"", "2026-11-2", "2026-11-222", "2026-1-22", "26-11-22", "2026/11/22", "20261122", "2026-11-31", "2026-02-29", "2026-13-01",
		"2026-00-01", "2026-01-00", "+026-01-01", "-026-01-01", "2026-+1-01", "2026-11- 2", " 2026-11-2", "2026-11-22\n", "2026-11-22T00:00:00Z",
		"２０２６-11-22", "2026-W47-1", "10000-01-01", "0000-00-00", "202a-01-01",
	} {
		_, err := calendar.ParseDay(bad)
		require.ErrorIs(t, err, calendar.ErrInvalidDay, "%q", bad)
		d := day(t, "2026-11-22")
		require.ErrorIs(t, d.UnmarshalText([]byte(bad)), calendar.ErrInvalidDay, "%q", bad)
		assert.Equal(t, "2026-11-22", d.String(), "as it was")
	}
	_, err = calendar.ParseDay("2026-02-29")
	require.EqualError(t, err, `calendar: parse "2026-02-29": not a day of the form YYYY-MM-DD`)

	for _, d := range []calendar.Day{{}, {2026, 2, 29}, {-1, 1, 1}, {10000, 1, 1}} {
		_, err := d.MarshalText()
		require.ErrorIs(t, err, calendar.ErrInvalidDay)
		b, err := d.AppendText([]byte("x"))
		require.ErrorIs(t, err, calendar.ErrInvalidDay)
		assert.Equal(t, "x", string(b))
	}
	b, err := day(t, "0987-06-05").AppendText([]byte("day "))
	require.NoError(t, err)
	assert.Equal(t, "day 0987-06-05", string(b))
	assert.Equal(t, "0000-00-00", calendar.Day{}.String())
}
