package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/checkin"
	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/pipeline"
)

// The year that the chapter tells of: a language course with a leap day near its end.
var (
	lessonsFrom = calendar.Day{Year: 2027, Month: time.March, Day: 2}
	lessonsTo   = calendar.Day{Year: 2028, Month: time.March, Day: 1}
	leapDay     = calendar.Day{Year: 2028, Month: time.February, Day: 29}
)

const (
	learners = 1000
	// online are the learners whose last two days go through the library one by one. All that is older comes from a
	// backup, a string a learner and year, as anything else than Larder could have written it.
	online = 25
)

// learner is the name of one; the first is Ada.
func learner(i int) string {
	if i == 0 {
		return "ada"
	}
	return fmt.Sprintf("learner-%03d", i)
}

// lessons makes up who learned on which day, a row for each learner: some daily, some on working days, some on
// weekends; they join all through the year, most in January, and many give up after some weeks.
func lessons() [][]bool {
	rng := rand.New(rand.NewPCG(2028, 229)) //nolint:gosec // made-up learners, the same on every run
	days := lessonsTo.Sub(lessonsFrom) + 1
	all := make([][]bool, learners)
	for i := range all {
		row := make([]bool, days)
		start := rng.IntN(days - 14)
		if rng.IntN(3) == 0 {
			start = calendar.Day{Year: 2028, Month: time.January, Day: 1}.Sub(lessonsFrom) + rng.IntN(10) // good resolutions
		}
		stay := 7 + int(rng.ExpFloat64()*90)
		zeal := 0.45 + 0.5*rng.Float64()
		kind := rng.IntN(10)
		for d := start; d < min(start+stay, days); d++ {
			weekday := lessonsFrom.Add(d).Weekday()
			weekend := weekday == time.Saturday || weekday == time.Sunday
			switch {
			case kind < 3 && weekend, kind == 3 && !weekend:
				continue
			}
			row[d] = rng.Float64() < zeal
		}
		all[i] = row
	}
	// Ada has not missed a day since November 22, but February 28.
	clear(all[0])
	for d := (calendar.Day{Year: 2027, Month: time.November, Day: 22}); !d.After(lessonsTo); d = d.Add(1) {
		all[0][d.Sub(lessonsFrom)] = d != leapDay.Add(-1)
	}
	return all
}

// checkinFacts are the figures of the chapter.
type checkinFacts struct {
	filled        checkin.Result // Ada's backfill of February 28, on the leap day
	ada           checkin.Stats  // on the last day
	february      checkin.Calendar
	year          checkin.Calendar
	onLeapDay     int64
	dau, wau, mau int64
	allWeek       int64 // learners of every day of the last week
	retention     []checkin.Retained
	cohorts       checkin.Table
	cohort        calendar.Day
}

// checkin shows streaks, calendars, and what becomes of those who join.
func (t *tour) checkin(ctx context.Context) error {
	facts, err := t.learn(ctx, lessons())
	if err != nil {
		return err
	}
	t.say("A year of a course with %d learners, up to %v.", learners, lessonsTo)
	t.printf("\n")
	t.say("Ada missed 28 February, and makes it up on the leap day: that joins two streaks into one of %d days, and reaches the milestone of %d. The next day makes %d.",
		facts.filled.Stats.Current, facts.filled.Reached[0], facts.ada.Current)
	t.printf("\n%s", indent(facts.february.String()))
	t.printf("\nActive learners:\n")
	t.printf("  %4d  on the last day (DAU)\n", facts.dau)
	t.printf("  %4d  in the last 7 days (WAU)\n", facts.wau)
	t.printf("  %4d  in the last 30 days (MAU)\n", facts.mau)
	t.printf("  %4d  on each of the last 7 days\n", facts.allWeek)
	t.printf("  %4d  on the leap day\n", facts.onLeapDay)
	t.printf("\nOf those who learned on %v, came back:\n", facts.cohort)
	for _, r := range facts.retention {
		t.printf("  %4d  %5.1f %%  on day %d\n", r.Count, r.Rate*100, r.After)
	}
	t.printf("\nOf those who learned in a week, came back in each week after it:\n")
	for _, row := range facts.cohorts.Rows {
		t.printf("  %v  %4d ", row.Cohort, row.Size)
		for _, c := range row.Cells {
			t.printf(" %3.0f%%", c.Rate*100)
		}
		t.printf("\n")
	}
	return t.drawCheckins(facts)
}

// learn brings the year back from a backup, lives its last two days, and asks.
func (t *tour) learn(ctx context.Context, all [][]bool) (facts checkinFacts, err error) {
	tracker, err := checkin.New(t.rdb, checkin.Options{Namespace: t.ns, Backfill: 1, Milestones: []int{7, 30, 100}, Keep: -1})
	if err != nil {
		return facts, err
	}
	activity, err := checkin.NewActivity(t.rdb, checkin.ActivityOptions{Namespace: t.ns, Keep: -1})
	if err != nil {
		return facts, err
	}
	if err := t.restoreLessons(ctx, all); err != nil {
		return facts, err
	}
	for _, day := range []calendar.Day{leapDay, lessonsTo} {
		at := day.Start(time.UTC).Add(19 * time.Hour)
		for i := range online {
			if !all[i][day.Sub(lessonsFrom)] {
				continue
			}
			r, err := tracker.CheckInAt(ctx, learner(i), at)
			if err != nil {
				return facts, err
			}
			if err := activity.MarkAt(ctx, uint32(i), at); err != nil { //nolint:gosec // small
				return facts, err
			}
			if i == 0 && day == lessonsTo {
				facts.ada = r.Stats
			}
		}
		if day == leapDay {
			if facts.filled, err = tracker.BackfillAt(ctx, learner(0), leapDay.Add(-1), at); err != nil {
				return facts, err
			}
		}
	}

	now := lessonsTo.Start(time.UTC).Add(20 * time.Hour)
	if facts.february, err = tracker.MonthAt(ctx, learner(0), 2028, time.February, now); err != nil {
		return facts, err
	}
	if facts.year, err = tracker.RangeAt(ctx, learner(0), lessonsFrom, lessonsTo, now); err != nil {
		return facts, err
	}
	for _, q := range []struct {
		n        *int64
		from, to calendar.Day
	}{
		{&facts.onLeapDay, leapDay, leapDay},
		{&facts.dau, lessonsTo, lessonsTo},
		{&facts.wau, lessonsTo.Add(-6), lessonsTo},
		{&facts.mau, lessonsTo.Add(-29), lessonsTo},
	} {
		if *q.n, err = activity.Count(ctx, q.from, q.to); err != nil {
			return facts, err
		}
	}
	week := make([]calendar.Day, 7)
	for i := range week {
		week[i] = lessonsTo.Add(-i)
	}
	if facts.allWeek, err = activity.Every(ctx, week...); err != nil {
		return facts, err
	}
	facts.cohort = calendar.Day{Year: 2028, Month: time.January, Day: 10}
	if facts.retention, err = activity.Retention(ctx, facts.cohort, 1, 7, 14, 28, 49); err != nil {
		return facts, err
	}
	facts.cohorts, err = activity.Cohorts(ctx, facts.cohort.Add(-7), facts.cohort.Add(7*7-1), 7)
	return facts, err
}

// restoreLessons writes what is older than the library knows, by the plain keys that it documents: a bit a day in a
// string a learner and year, and a bit a learner in a string a day.
func (t *tour) restoreLessons(ctx context.Context, all [][]bool) error {
	byDay := map[calendar.Day][]byte{}
	backup := map[string][]byte{}
	for i, row := range all {
		years := map[int][]byte{}
		for d, there := range row {
			day := lessonsFrom.Add(d)
			if !there || i < online && !day.Before(leapDay) {
				continue
			}
			if years[day.Year] == nil {
				years[day.Year] = make([]byte, 46)
			}
			if byDay[day] == nil {
				byDay[day] = make([]byte, (learners+7)/8)
			}
			bit := day.YearDay() - 1
			years[day.Year][bit/8] |= 0x80 >> (bit % 8)
			byDay[day][i/8] |= 0x80 >> (i % 8)
		}
		for year, bits := range years {
			backup[t.ns+":checkin:{"+learner(i)+"}:"+strconv.Itoa(year)] = bits
		}
	}
	for day, bits := range byDay {
		backup[t.ns+":activity:{0}:"+day.String()] = bits
		backup[t.ns+":activity:{"+day.String()+"}:segments"] = []byte{0x80}
	}
	b, err := pipeline.New(t.rdb, pipeline.Options{Codec: codec.String})
	if err != nil {
		return err
	}
	_, err = pipeline.Set(ctx, b, maps.All(backup), pipeline.SetOptions{})
	return err
}

// drawCheckins writes both pictures.
func (t *tour) drawCheckins(facts checkinFacts) error {
	if t.dir != "" {
		t.printf("\n")
	}
	return errors.Join(t.draw("checkin-year.svg", facts.year.SVG), t.draw("checkin-cohorts.svg", facts.cohorts.SVG))
}

// indent moves lines to the right.
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			line = "  " + line
		}
		b.WriteString(line)
	}
	return b.String()
}
