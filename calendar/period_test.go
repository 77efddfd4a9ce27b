package calendar_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/larder-go/larder/calendar"
)

var periods = []calendar.Period{calendar.Hourly, calendar.Daily, calendar.Weekly, calendar.Monthly, calendar.Yearly}

func TestBuckets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, zone  string
		per        calendar.Period
		at         string
		label      string
		start, end string
	}{
		{"hour", "UTC", calendar.Hourly, "2026-11-22T13:59:59Z", "2026-11-22T13:00Z", "2026-11-22T13:00:00Z", "2026-11-22T14:00:00Z"},
		{"day", "UTC", calendar.Daily, "2026-11-22T13:59:59Z", "2026-11-22", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"week", "UTC", calendar.Weekly, "2026-11-22T13:59:59Z", "2026-W47", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"month", "UTC", calendar.Monthly, "2026-11-22T13:59:59Z", "2026-11", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"},
		{"year", "UTC", calendar.Yearly, "2026-11-22T13:59:59Z", "2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"week 53", "UTC", calendar.Weekly, "2021-01-01T00:00:00Z", "2020-W53", "2020-12-28T00:00:00Z", "2021-01-04T00:00:00Z"},
		{"week 1 in December", "UTC", calendar.Weekly, "2024-12-30T00:00:00Z", "2025-W01", "2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"},
		{"leap month", "UTC", calendar.Monthly, "2024-02-29T23:59:59Z", "2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"first instant", "UTC", calendar.Monthly, "2026-12-01T00:00:00Z", "2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},

		{"hours begin at a quarter past", "Asia/Kathmandu", calendar.Hourly, "2026-11-22T13:14:59Z", "2026-11-22T12:15Z", "2026-11-22T12:15:00Z", "2026-11-22T13:15:00Z"},
		{"days, too", "Asia/Kathmandu", calendar.Daily, "2026-11-22T18:15:00Z", "2026-11-23", "2026-11-22T18:15:00Z", "2026-11-23T18:15:00Z"},
		{"weeks, too", "Asia/Kathmandu", calendar.Weekly, "2026-11-22T18:15:00Z", "2026-W48", "2026-11-22T18:15:00Z", "2026-11-29T18:15:00Z"},
		{"hours of an odd second", "Africa/Monrovia", calendar.Hourly, "1960-01-01T12:00:00Z", "1960-01-01T11:44:30Z", "1960-01-01T11:44:30Z", "1960-01-01T12:44:30Z"},

		{"first of two hours from two to three", "Europe/Berlin", calendar.Hourly, "2026-10-25T00:30:00Z", "2026-10-25T00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
		{"second of two hours from two to three", "Europe/Berlin", calendar.Hourly, "2026-10-25T01:30:00Z", "2026-10-25T01:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"},
		{"25 hours", "Europe/Berlin", calendar.Daily, "2026-10-25T22:59:59Z", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"23 hours", "Europe/Berlin", calendar.Daily, "2026-03-29T21:59:59Z", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"a month from winter to summer", "Europe/Berlin", calendar.Monthly, "2026-03-29T21:59:59Z", "2026-03", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"},

		{"an hour before the clock goes back by half an hour", "Australia/Lord_Howe", calendar.Hourly, "2026-04-04T14:59:59Z", "2026-04-04T14:00Z", "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z"},
		{"a half hour afterwards", "Australia/Lord_Howe", calendar.Hourly, "2026-04-04T15:29:59Z", "2026-04-04T15:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"},
		{"an hour of another half", "Australia/Lord_Howe", calendar.Hourly, "2026-04-04T15:30:00Z", "2026-04-04T15:30Z", "2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z"},

		{"midnight skipped", "America/Sao_Paulo", calendar.Daily, "2018-11-04T03:00:00Z", "2018-11-04", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		{"between the midnights", "America/Havana", calendar.Daily, "2025-11-02T04:30:00Z", "2025-11-02", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z"},
		{"after both midnights", "America/Havana", calendar.Daily, "2025-11-02T05:00:00Z", "2025-11-02", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z"},
		{"the new day goes on", "America/St_Johns", calendar.Daily, "2010-11-07T03:00:00Z", "2010-11-07", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"},
		{"before the new day", "America/St_Johns", calendar.Daily, "2010-11-07T02:29:59Z", "2010-11-06", "2010-11-06T02:30:00Z", "2010-11-07T02:30:00Z"},
		{"before the day that never was", "Pacific/Apia", calendar.Daily, "2011-12-30T09:59:59Z", "2011-12-29", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"after the day that never was", "Pacific/Apia", calendar.Daily, "2011-12-30T10:00:00Z", "2011-12-31", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		{"a week of six days", "Pacific/Apia", calendar.Weekly, "2011-12-30T10:00:00Z", "2011-W52", "2011-12-26T10:00:00Z", "2012-01-01T10:00:00Z"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			loc, at := load(t, c.zone), instant(t, c.at)
			assert.Equal(t, c.label, c.per.Label(at, loc))
			assert.Equal(t, c.start, c.per.Start(at, loc).UTC().Format(time.RFC3339))
			assert.Equal(t, c.end, c.per.End(at, loc).UTC().Format(time.RFC3339))
			assert.Equal(t, c.per.End(at, loc), c.per.Next(at, loc))
			assert.Equal(t, loc, c.per.Start(at, loc).Location())
			assert.Equal(t, loc, c.per.End(at, loc).Location())
		})
	}
}

func TestAllTime(t *testing.T) {
	t.Parallel()
	now := instant(t, "2026-11-22T13:59:59Z")
	var zero calendar.Period
	assert.Equal(t, calendar.AllTime, zero)
	for _, p := range []calendar.Period{calendar.AllTime, -1, 6} {
		assert.Equal(t, p == calendar.AllTime, p.Valid())
		assert.True(t, p.Start(now, nil).IsZero())
		assert.True(t, p.End(now, nil).IsZero())
		assert.True(t, p.Next(now, nil).IsZero())
		assert.Equal(t, "all", p.Label(now, nil))
		assert.Empty(t, slices.Collect(p.All(now, now.AddDate(1, 0, 0), nil)))
	}
	assert.Equal(t, "Period(6)", calendar.Period(6).String())
	assert.Equal(t, "AllTime", calendar.AllTime.String())
	for p, name := range map[calendar.Period]string{
		calendar.AllTime: "AllTime", calendar.Hourly: "Hourly", calendar.Daily: "Daily",
		calendar.Weekly: "Weekly", calendar.Monthly: "Monthly", calendar.Yearly: "Yearly",
	} {
		assert.Equal(t, name, p.String())
		assert.True(t, p.Valid())
	}
}

func TestAll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, zone string
		per       calendar.Period
		from, to  string
		n         int
		first     string
		last      string
	}{
		{"hours of a day of 25", "Europe/Berlin", calendar.Hourly, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25, "2026-10-24T22:00Z", "2026-10-25T22:00Z"},
		{"hours of a day of 23", "Europe/Berlin", calendar.Hourly, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23, "2026-03-28T23:00Z", "2026-03-29T21:00Z"},
		{"days of a leap year", "Asia/Kathmandu", calendar.Daily, "2023-12-31T18:15:00Z", "2024-12-31T18:15:00Z", 366, "2024-01-01", "2024-12-31"},
		{"a day that never was", "Pacific/Apia", calendar.Daily, "2011-12-26T10:00:00Z", "2012-01-01T10:00:00Z", 6, "2011-12-26", "2012-01-01"},
		{"a begun bucket is left out", "UTC", calendar.Monthly, "2026-01-01T00:00:01Z", "2026-12-01T00:00:01Z", 11, "2026-02", "2026-12"},
		{"both ends on a bucket", "UTC", calendar.Monthly, "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z", 11, "2026-01", "2026-11"},
		{"weeks of a year of 53", "UTC", calendar.Weekly, "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", 52, "2020-W02", "2020-W53"},
		{"years", "UTC", calendar.Yearly, "1999-06-01T00:00:00Z", "2003-06-01T00:00:00Z", 4, "2000", "2003"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			loc := load(t, c.zone)
			starts := slices.Collect(c.per.All(instant(t, c.from), instant(t, c.to), loc))
			assert.Len(t, starts, c.n)
			assert.Equal(t, c.first, c.per.Label(starts[0], loc))
			assert.Equal(t, c.last, c.per.Label(starts[len(starts)-1], loc))
		})
	}
	now := instant(t, "2026-11-22T13:59:59Z")
	assert.Empty(t, slices.Collect(calendar.Daily.All(now, now, nil)))
	assert.Empty(t, slices.Collect(calendar.Daily.All(now, now.AddDate(-1, 0, 0), nil)), "the wrong way round")
	for start := range calendar.Hourly.All(now, now.AddDate(100, 0, 0), nil) {
		assert.Equal(t, instant(t, "2026-11-22T14:00:00Z"), start)
		break
	}
}
