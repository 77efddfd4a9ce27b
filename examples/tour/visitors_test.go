package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/visitors"
)

// naiveVisitors counts exactly, with sets of names.
func naiveVisitors(in func(visit) bool) int64 {
	names := map[string]bool{}
	for _, v := range visits() {
		if in(v) {
			names[v.who] = true
		}
	}
	return int64(len(names))
}

// TestVisitorFactsAgreeWithANaiveProgram compares the figures of the chapter with exact counts, on the embedded Redis
// and on a real server, which agree with each other to the last visitor.
func TestVisitorFactsAgreeWithANaiveProgram(t *testing.T) {
	facts := func(rdb redis.UniversalClient, ns string) visitorFacts {
		counter, err := visitors.New(rdb, visitors.Options{
			Namespace: ns,
			Buckets:   []calendar.Period{calendar.Hourly, calendar.Daily, calendar.Monthly},
			Keep:      map[calendar.Period]time.Duration{calendar.Hourly: -1, calendar.Daily: -1, calendar.Monthly: -1},
		})
		require.NoError(t, err)
		require.NoError(t, trackVisits(t.Context(), counter, visits()))
		f, err := askVisitors(t.Context(), counter)
		require.NoError(t, err)
		return f
	}
	got := facts(lardertest.New(t), "facts")
	assert.Equal(t, got, facts(redistest.Standalone(t), "facts"))

	near := func(want, got int64, what string) {
		t.Helper()
		assert.InDelta(t, want, got, 0.0081*3*float64(want)+1, what)
	}
	front, prices := naiveVisitors(func(v visit) bool { return v.page == "front" }), naiveVisitors(func(v visit) bool { return v.page == "prices" })
	either := naiveVisitors(func(visit) bool { return true })
	near(front, got.front, "front")
	near(prices, got.prices, "prices")
	near(either, got.either, "either")
	assert.InDelta(t, front+prices-either, got.both.Count, float64(got.both.Error))
	assert.True(t, got.both.Reliable)
	near(naiveVisitors(func(v visit) bool { return v.page == "front" && v.at.Day() >= 24 }), got.lastWeek, "the last week")
	require.Len(t, got.days, 30)
	sum, most := int64(0), int64(0)
	for i, p := range got.days {
		exact := naiveVisitors(func(v visit) bool { return v.page == "front" && v.at.Day() == i+1 })
		near(exact, p.Count, p.Start.String())
		sum += p.Count
		most = max(most, p.Count)
	}
	assert.Equal(t, sum, got.summed)
	assert.Equal(t, most, got.days[got.busiest.Day()-1].Count)
	require.Len(t, got.hours, 24)
	for i, p := range got.hours {
		exact := naiveVisitors(func(v visit) bool {
			return v.page == "front" && v.at.Day() == got.busiest.Day() && v.at.Hour() == i
		})
		near(exact, p.Count, p.Start.String())
	}
}

// TestVisitorsChapter: the chapter prints its facts, and draws two pictures.
func TestVisitorsChapter(t *testing.T) {
	tour, out := newTour(t)
	require.NoError(t, tour.visitors(t.Context()))
	var printed int64
	_, err := fmt.Sscanf(out.String()[len("November 2026 in a shop: "):], "%d visits", &printed)
	require.NoError(t, err)
	assert.EqualValues(t, len(visits()), printed)
	assert.Regexp(t, `Different visitors:\n +\d+  of the front page`, out.String())
	assert.Contains(t, out.String(), ": reliable")
	for _, name := range []string{"visitors-days.svg", "visitors-hours.svg"} {
		picture, err := os.ReadFile(filepath.Join(tour.dir, name))
		require.NoError(t, err)
		assert.Contains(t, string(picture), "</svg>")
	}
}
