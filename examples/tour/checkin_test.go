package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/checkin"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
)

// naiveLearners counts the learners of whom something is true.
func naiveLearners(all [][]bool, is func(learned func(calendar.Day) bool) bool) int64 {
	n := int64(0)
	for _, row := range all {
		if is(func(day calendar.Day) bool { return row[day.Sub(lessonsFrom)] }) {
			n++
		}
	}
	return n
}

// anyOf is whether somebody learned on one of some days, both ends included.
func anyOf(learned func(calendar.Day) bool, from, to calendar.Day) bool {
	for d := from; !d.After(to); d = d.Add(1) {
		if learned(d) {
			return true
		}
	}
	return false
}

// TestCheckinFactsAgreeWithANaiveProgram compares the figures of the chapter with loops over the made-up year, on the
// embedded Redis and on a real server.
func TestCheckinFactsAgreeWithANaiveProgram(t *testing.T) {
	all := lessons()
	for name, rdb := range map[string]redis.UniversalClient{"embedded": lardertest.New(t), "real": redistest.Standalone(t)} {
		t.Run(name, func(t *testing.T) {
			tr := &tour{rdb: rdb, out: io.Discard, ns: "checkin-facts"}
			got, err := tr.learn(t.Context(), all)
			require.NoError(t, err)

			// Ada has learned daily since November 22, as she has filled in the one day that she missed.
			since := calendar.Day{Year: 2027, Month: 11, Day: 22}
			days := lessonsTo.Sub(since) + 1
			assert.Equal(t, checkin.Stats{
				Current: days, Longest: days, Total: days, CheckedToday: true, First: since, Last: lessonsTo,
			}, got.ada)
			assert.True(t, got.filled.New)
			assert.Equal(t, days-1, got.filled.Stats.Current)
			assert.Equal(t, []int{100}, got.filled.Reached)
			assert.Equal(t, 29, got.february.Count)
			assert.Equal(t, 366, got.year.Days())
			assert.Equal(t, days, got.year.Longest)

			count := func(from, to calendar.Day) int64 {
				return naiveLearners(all, func(learned func(calendar.Day) bool) bool { return anyOf(learned, from, to) })
			}
			assert.Equal(t, count(leapDay, leapDay), got.onLeapDay)
			assert.Equal(t, count(lessonsTo, lessonsTo), got.dau)
			assert.Equal(t, count(lessonsTo.Add(-6), lessonsTo), got.wau)
			assert.Equal(t, count(lessonsTo.Add(-29), lessonsTo), got.mau)
			assert.Equal(t, naiveLearners(all, func(learned func(calendar.Day) bool) bool {
				for i := range 7 {
					if !learned(lessonsTo.Add(-i)) {
						return false
					}
				}
				return true
			}), got.allWeek)
			for _, r := range got.retention {
				assert.Equal(t, naiveLearners(all, func(learned func(calendar.Day) bool) bool {
					return learned(got.cohort) && learned(got.cohort.Add(r.After))
				}), r.Count)
				assert.InDelta(t, float64(r.Count)/float64(count(got.cohort, got.cohort)), r.Rate, 1e-12)
			}
			require.Len(t, got.cohorts.Rows, 8)
			for _, row := range got.cohorts.Rows {
				assert.Equal(t, count(row.Cohort, row.Cohort.Add(6)), row.Size)
				for _, c := range row.Cells {
					assert.Equal(t, naiveLearners(all, func(learned func(calendar.Day) bool) bool {
						later := row.Cohort.Add(c.After)
						return anyOf(learned, row.Cohort, row.Cohort.Add(6)) && anyOf(learned, later, later.Add(6))
					}), c.Count)
				}
			}
			require.NoError(t, tr.clean(t.Context()))
		})
	}
}

// TestCheckinChapter: the chapter prints its month, and draws two pictures.
func TestCheckinChapter(t *testing.T) {
	tour, out := newTour(t)
	require.NoError(t, tour.checkin(t.Context()))
	assert.Contains(t, out.String(), "February 2028")
	assert.Contains(t, out.String(), "29 of 29 days, longest streak 29")
	assert.Contains(t, out.String(), "one of 100 days, and reaches the milestone of 100. The next day makes 101.")
	for _, name := range []string{"checkin-year.svg", "checkin-cohorts.svg"} {
		picture, err := os.ReadFile(filepath.Join(tour.dir, name))
		require.NoError(t, err)
		assert.Contains(t, string(picture), "</svg>")
	}
}
