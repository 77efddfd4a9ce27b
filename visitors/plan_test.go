package visitors

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones are those of Go, whatever the machine has

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
)

const (
	hourly, daily, weekly, monthly, yearly = calendar.Hourly, calendar.Daily, calendar.Weekly, calendar.Monthly, calendar.Yearly
	allTime                                = calendar.AllTime
)

// keepAll keeps every bucket for ever.
func keepAll(periods ...calendar.Period) map[calendar.Period]time.Duration {
	keep := map[calendar.Period]time.Duration{}
	for _, p := range periods {
		keep[p] = -1
	}
	return keep
}

// counterAt makes a counter whose clock stands still.
func counterAt(tb testing.TB, rdb redis.UniversalClient, now time.Time, opts Options) *Counter {
	tb.Helper()
	c, err := New(rdb, opts)
	require.NoError(tb, err)
	c.now = func() time.Time { return now }
	return c
}

// planner makes a counter that is not connected to anything.
func planner(tb testing.TB, now time.Time, opts Options) *Counter {
	tb.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:0"})
	tb.Cleanup(func() { _ = rdb.Close() })
	return counterAt(tb, rdb, now, opts)
}

// TestPlan shows which buckets a window is made up of.
func TestPlan(t *testing.T) {
	now := instant("2090-06-15 12:30", time.UTC)
	all := []calendar.Period{hourly, daily, weekly, monthly, yearly, allTime}
	berlin, kathmandu := zone(t, "Europe/Berlin"), zone(t, "Asia/Kathmandu")
	days := func(from, to string) string {
		var labels []string
		end := instant(to+" 00:00", time.UTC)
		for at := instant(from+" 00:00", time.UTC); at.Before(end); at = daily.Next(at, time.UTC) {
			labels = append(labels, daily.Label(at, time.UTC))
		}
		return strings.Join(labels, " ")
	}
	for name, c := range map[string]struct {
		buckets  []calendar.Period
		loc      *time.Location
		from, to string
		want     string
	}{
		"a day": {[]calendar.Period{daily}, nil, "2090-06-15 00:00", "2090-06-16 00:00", "2090-06-15"},
		"a closed quarter": {
			[]calendar.Period{daily, monthly},
			nil, "2090-01-01 00:00", "2090-04-01 00:00",
			"2090-01 2090-02 2090-03",
		},
		"a month and a bit": {
			[]calendar.Period{daily, monthly},
			nil, "2090-04-29 00:00", "2090-06-03 00:00",
			"2090-04-29 2090-04-30 2090-05 2090-06-01 2090-06-02",
		},
		"days alone": {[]calendar.Period{daily}, nil, "2090-04-01 00:00", "2090-05-01 00:00", days("2090-04-01", "2090-05-01")},
		"weeks overlap months": {
			// 2090-05-01 is a Monday: the month, the week that goes on from it, and the days after that.
			[]calendar.Period{daily, weekly, monthly},
			nil, "2090-05-01 00:00", "2090-06-07 00:00",
			"2090-05 2090-W22 2090-06-05 2090-06-06",
		},
		"hours at the ends": {
			[]calendar.Period{hourly, daily},
			nil, "2090-06-13 22:00", "2090-06-15 02:00",
			"2090-06-13T22:00Z 2090-06-13T23:00Z 2090-06-14 2090-06-15T00:00Z 2090-06-15T01:00Z",
		},
		"a year": {all, nil, "2089-01-01 00:00", "2090-01-01 00:00", "2089"},
		"a year and a month": {
			all, nil, "2089-01-01 00:00", "2090-02-01 00:00",
			"2089 2090-01",
		},
		"a day of 25 hours": {[]calendar.Period{hourly, daily}, berlin, "2089-10-30 00:00", "2089-10-31 00:00", "2089-10-30"},
		"the hours of a day of 23": {
			[]calendar.Period{hourly},
			berlin, "2090-03-26 00:00", "2090-03-26 04:00",
			"2090-03-25T23:00Z 2090-03-26T00:00Z 2090-03-26T01:00Z",
		},
		"hours off by 45 minutes": {
			[]calendar.Period{hourly, daily},
			kathmandu, "2090-06-14 23:00", "2090-06-15 01:00",
			"2090-06-14T17:15Z 2090-06-14T18:15Z",
		},
		"the future": {[]calendar.Period{daily}, nil, "2091-01-01 00:00", "2091-01-02 00:00", "2091-01-01"},
	} {
		counter := planner(t, now, Options{Buckets: c.buckets, Location: c.loc, Keep: keepAll(c.buckets...)})
		got, err := counter.plan(instant(c.from, counter.loc), instant(c.to, counter.loc), now)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, strings.Join(got, " "), name)
	}

	everything := planner(t, now, Options{Buckets: all})
	got, err := everything.plan(time.Time{}, time.Time{}, now)
	require.NoError(t, err)
	assert.Equal(t, []string{"all"}, got)
	_, err = planner(t, now, Options{}).plan(time.Time{}, time.Time{}, now)
	assert.ErrorIs(t, err, ErrNoBucket)
}

// TestPlanUnaligned tells windows that can never be counted from those that take other buckets.
func TestPlanUnaligned(t *testing.T) {
	now := instant("2090-06-15 12:30", time.UTC)
	for name, c := range map[string]struct {
		buckets  []calendar.Period
		from, to time.Time
		want     error
	}{
		"ends before it begins":    {[]calendar.Period{daily}, instant("2090-06-02 00:00", time.UTC), instant("2090-06-01 00:00", time.UTC), ErrRange},
		"empty":                    {[]calendar.Period{daily}, instant("2090-06-02 00:00", time.UTC), instant("2090-06-02 00:00", time.UTC), ErrRange},
		"begins within an hour":    {[]calendar.Period{hourly}, instant("2090-06-02 00:01", time.UTC), instant("2090-06-03 00:00", time.UTC), ErrRange},
		"ends within an hour":      {[]calendar.Period{hourly}, instant("2090-06-02 00:00", time.UTC), instant("2090-06-02 00:00", time.UTC).Add(1), ErrRange},
		"year 0":                   {[]calendar.Period{daily}, time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), instant("2090-06-02 00:00", time.UTC), ErrRange},
		"year 10000":               {[]calendar.Period{daily}, instant("2090-06-02 00:00", time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), ErrRange},
		"one end zero":             {[]calendar.Period{daily}, instant("2090-06-02 00:00", time.UTC), time.Time{}, ErrRange},
		"more than can be counted": {[]calendar.Period{hourly}, instant("1000-01-01 00:00", time.UTC), instant("2090-06-02 00:00", time.UTC), ErrRange},
		"hours, by days":           {[]calendar.Period{daily}, instant("2090-06-02 10:00", time.UTC), instant("2090-06-03 00:00", time.UTC), ErrNoBucket},
		"days, by weeks":           {[]calendar.Period{weekly}, instant("2090-06-01 00:00", time.UTC), instant("2090-06-05 00:00", time.UTC), ErrNoBucket},
		"a tail, by months":        {[]calendar.Period{monthly}, instant("2090-05-01 00:00", time.UTC), instant("2090-06-02 00:00", time.UTC), ErrNoBucket},
	} {
		counter := planner(t, now, Options{Buckets: c.buckets, Keep: keepAll(c.buckets...)})
		_, err := counter.plan(c.from, c.to, now)
		assert.ErrorIs(t, err, c.want, name)
	}
}

// TestPlanRetention: a window beyond what is kept is an error, and coarse buckets that are kept for longer help where
// they fit.
func TestPlanRetention(t *testing.T) {
	now := instant("2090-06-15 12:30", time.UTC)
	counter := planner(t, now, Options{
		Buckets: []calendar.Period{hourly, daily, monthly},
		Keep:    map[calendar.Period]time.Duration{hourly: 10 * time.Hour, daily: 3 * day},
	})
	for name, c := range map[string]struct {
		from, to string
		keys     int
		want     error
	}{
		"hours that are kept":           {"2090-06-15 02:00", "2090-06-15 13:00", 11, nil},
		"an hour that is gone":          {"2090-06-15 01:00", "2090-06-15 13:00", 0, ErrRetention},
		"the whole day":                 {"2090-06-15 00:00", "2090-06-16 00:00", 1, nil},
		"days that are kept":            {"2090-06-12 00:00", "2090-06-16 00:00", 4, nil},
		"a day that is gone":            {"2090-06-11 00:00", "2090-06-16 00:00", 0, ErrRetention},
		"a month by itself":             {"2090-01-01 00:00", "2090-02-01 00:00", 1, nil},
		"the month of days that went":   {"2090-06-01 00:00", "2090-07-01 00:00", 1, nil},
		"a month and days that are old": {"2090-01-30 00:00", "2090-03-01 00:00", 0, ErrRetention},
		"a month that is gone":          {"2088-01-01 00:00", "2088-02-01 00:00", 0, ErrRetention},
	} {
		got, err := counter.plan(instant(c.from, time.UTC), instant(c.to, time.UTC), now)
		if c.want != nil {
			assert.ErrorIs(t, err, c.want, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Len(t, got, c.keys, name)
	}

	// A bucket counts as gone a minute before it is.
	b, ok := counter.find(hourly)
	require.True(t, ok)
	end := instant("2090-06-15 02:00", time.UTC)
	assert.True(t, b.retained(end, end.Add(10*time.Hour-edge-1)))
	assert.False(t, b.retained(end, end.Add(10*time.Hour-edge)))
}

// TestPlanSince: a coarse bucket that was added later does not stand in for days that it has not seen.
func TestPlanSince(t *testing.T) {
	now := instant("2090-06-15 12:30", time.UTC)
	counter := planner(t, now, Options{
		Buckets: []calendar.Period{daily, monthly},
		Keep:    keepAll(daily, monthly),
		Since:   map[calendar.Period]time.Time{monthly: instant("2090-04-10 09:00", time.UTC)},
	})
	got, err := counter.plan(instant("2090-04-01 00:00", time.UTC), instant("2090-06-01 00:00", time.UTC), now)
	require.NoError(t, err)
	assert.Len(t, got, 31, "thirty days, and the month of May")
	assert.Equal(t, "2090-05", got[30])

	counter = planner(t, now, Options{
		Buckets: []calendar.Period{monthly},
		Since:   map[calendar.Period]time.Time{monthly: instant("2090-04-10 09:00", time.UTC)},
	})
	_, err = counter.plan(instant("2090-04-01 00:00", time.UTC), instant("2090-06-01 00:00", time.UTC), now)
	require.ErrorIs(t, err, ErrNoBucket)
	assert.ErrorContains(t, err, "Options.Since")
}

// stretch is a bucket that a window can be made up of.
type stretch struct{ start, end time.Time }

// stretches lists all buckets of the counter within a window.
func stretches(c *Counter, from, to time.Time) map[string]stretch {
	all := map[string]stretch{}
	for _, b := range c.buckets {
		for at := range b.All(from, to, c.loc) {
			if end := b.End(at, c.loc); !end.After(to) {
				all[b.Label(at, c.loc)] = stretch{at, end}
			}
		}
	}
	return all
}

// fewest finds the least number of stretches that cover a window: by length of the covered part, the slow way.
func fewest(all map[string]stretch, from, to time.Time) int {
	reached := map[int64]bool{from.Unix(): true}
	for n := 1; n <= len(all); n++ {
		next := map[int64]bool{}
		for at := range reached {
			for _, s := range all {
				if s.start.Unix() <= at && s.end.Unix() > at {
					if s.end.Equal(to) {
						return n
					}
					next[s.end.Unix()] = true
				}
			}
		}
		reached = next
	}
	return -1
}

// checkPlan holds a plan against what it is for: within the window, without a hole, and with none that is unknown.
func checkPlan(t *testing.T, c *Counter, from, to time.Time, labels []string) {
	t.Helper()
	all := stretches(c, from, to)
	at := from
	for _, label := range labels {
		s, ok := all[label]
		require.True(t, ok, "%s is not a bucket within %s and %s", label, from, to)
		require.False(t, s.start.After(at), "a hole before %s", label)
		require.True(t, s.end.After(at), "%s adds nothing", label)
		at = s.end
	}
	require.True(t, at.Equal(to), "it ends at %s", at)
}

// TestPlanIsFewest compares plans with a search of all that could be, on random windows in zones of all kinds.
func TestPlanIsFewest(t *testing.T) {
	now := instant("2011-12-31 12:30", time.UTC)
	sets := [][]calendar.Period{
		{hourly, daily, weekly, monthly, yearly}, {daily, weekly, monthly}, {daily, monthly}, {weekly, monthly, daily, yearly}, {hourly, weekly, monthly},
	}
	zones := []string{"UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe", "America/Sao_Paulo"}
	planned := 0
	for i := range 45 {
		rng := rand.New(rand.NewPCG(uint64(i), 66))
		set := sets[i%len(sets)]
		c := planner(t, now, Options{Buckets: set, Location: zone(t, zones[rng.IntN(len(zones))]), Keep: keepAll(set...)})
		per := []calendar.Period{hourly, daily, weekly}[rng.IntN(3)]
		from := per.Start(instant("2011-09-01 00:00", time.UTC).Add(time.Duration(rng.IntN(60*24))*time.Hour), c.loc)
		to := per.Start(from.Add(time.Duration(24+rng.IntN([]int{72, 60 * 24, 100 * 24}[i%3]))*time.Hour), c.loc)
		labels, err := c.plan(from, to, now)
		name := fmt.Sprintf("seed %d: %v, %s to %s", i, c.periods(), from, to)
		if want := fewest(stretches(c, from, to), from, to); want < 0 {
			require.Error(t, err, name)
			continue
		} else {
			require.NoError(t, err, name)
			require.Len(t, labels, want, name)
		}
		checkPlan(t, c, from, to, labels)
		planned++
	}
	assert.Greater(t, planned, 20)
}

func FuzzPlan(f *testing.F) {
	f.Add(int64(1_325_000_000), uint16(500), byte(31), byte(3))
	f.Add(int64(3_800_000_000), uint16(9), byte(2), byte(0))
	f.Fuzz(func(t *testing.T, seconds int64, hours uint16, periods, where byte) {
		zones := []string{"UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe", "America/St_Johns"}
		var set []calendar.Period
		for i, p := range []calendar.Period{hourly, daily, weekly, monthly, yearly} {
			if periods>>i&1 == 1 {
				set = append(set, p)
			}
		}
		if len(set) == 0 {
			return
		}
		now := time.Unix(seconds, 0)
		c := planner(t, now, Options{Buckets: set, Location: zone(t, zones[int(where)%len(zones)]), Keep: keepAll(set...)})
		from := hourly.Start(now, c.loc)
		to := hourly.Start(from.Add(time.Duration(hours)*time.Hour), c.loc)
		if labels, err := c.plan(from, to, now); err == nil {
			checkPlan(t, c, from, to, labels)
		}
	})
}
