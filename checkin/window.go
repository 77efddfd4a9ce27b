package checkin

import (
	"fmt"
	"time"

	"github.com/larder-go/larder/calendar"
)

// window is what a tracker can see at a moment: the days from January 1 of the oldest retained year to today.
type window struct {
	today  calendar.Day
	oldest int // year
}

// first is the first day of the window.
func (w window) first() calendar.Day {
	return calendar.Day{Year: w.oldest, Month: time.January, Day: 1}
}

// window finds out what the tracker can see at a moment. A year is retained until Keep after its end, that is as long as
// the moment that long ago lies in it, or in an earlier one.
func (t *Tracker) window(at time.Time) (window, error) {
	w := window{today: dayOf(at, t.loc, t.dayStart)}
	if y := w.today.Year; y < firstYear || y > lastYear {
		return w, fmt.Errorf("%w: the time %v is not in the years %d to %d", ErrRange, at, firstYear, lastYear)
	}
	w.oldest = max(w.today.Year-lookBack, firstYear)
	if t.keep > 0 {
		w.oldest = min(max(w.oldest, dayOf(at.Add(-t.keep), t.loc, t.dayStart).Year), w.today.Year)
	}
	return w, nil
}

// dayOf is the day of a moment, where days begin when a clock on the wall shows dayStart.
func dayOf(at time.Time, loc *time.Location, dayStart time.Duration) calendar.Day {
	at = at.In(loc)
	if dayStart == 0 {
		return calendar.Of(at, loc)
	}
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	wall := time.Date(year, month, day, hour, minute, second, at.Nanosecond(), time.UTC)
	return calendar.Of(wall.Add(-dayStart), time.UTC)
}

// expiry is when a year expires, in milliseconds since 1970, and false if it never does.
func (t *Tracker) expiry(year int) (int64, bool) {
	if t.keep < 0 {
		return 0, false
	}
	end := calendar.Day{Year: year + 1, Month: time.January, Day: 1}.Start(t.loc)
	if t.dayStart > 0 {
		end = time.Date(year+1, time.January, 1, 0, 0, int(t.dayStart/time.Second), int(t.dayStart%time.Second), t.loc)
	}
	return end.Add(t.keep).UnixMilli(), true
}

// jump is how far an offset from UTC has to change for a day to be skipped, with room for a summer time that ends in the
// same year.
const jump = 20 * 60 * 60 // seconds

// skipped returns the days from one to another that never existed: where a zone moved to the other side of the date
// line, as in Apia, whose clocks went from the end of 2011-12-29 to the beginning of 2011-12-31. A day that begins at
// 04:00 still had its last four hours there, and is not among them. It takes one look at each year of the range.
func (t *Tracker) skipped(from, to calendar.Day) []calendar.Day {
	if t.loc == time.UTC {
		return nil
	}
	var days []calendar.Day
	start := time.Date(from.Year, time.January, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -3)
	_, before := start.In(t.loc).Zone()
	for year := from.Year; year <= to.Year; year++ {
		end := time.Date(year+1, time.January, 4, 0, 0, 0, 0, time.UTC)
		_, after := end.In(t.loc).Zone()
		if after-before >= jump {
			days = t.appendSkipped(days, start, end, from, to)
		}
		start, before = end, after
	}
	return days
}

// appendSkipped goes through the changes of the clocks between two moments.
func (t *Tracker) appendSkipped(days []calendar.Day, start, end time.Time, from, to calendar.Day) []calendar.Day {
	for at := start.In(t.loc); ; {
		_, change := at.ZoneBounds()
		if change.IsZero() || !change.Before(end) {
			return days
		}
		_, before := at.Zone()
		_, after := change.Zone()
		// What the clock on the wall showed when it was changed, and to what, as if it were UTC.
		old := change.UTC().Add(time.Duration(before)*time.Second - t.dayStart)
		now := change.UTC().Add(time.Duration(after)*time.Second - t.dayStart)
		day := calendar.Of(old, time.UTC)
		if day.Start(time.UTC).Before(old) {
			day = day.Add(1) // it had begun
		}
		for ; !day.Add(1).Start(time.UTC).After(now); day = day.Add(1) {
			if !day.Before(from) && !day.After(to) {
				days = append(days, day)
			}
		}
		at = change
	}
}
