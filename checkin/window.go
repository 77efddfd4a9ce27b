package checkin

import (
	"fmt"
	"strconv"
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

// view is a window with all that follows from it, and the moments at which it is the same.
type view struct {
	window
	skipped []calendar.Day // those of the window
	expires time.Time      // when today's year does
	expiry  string         // the same in milliseconds since 1970; empty: never
	from    time.Time      // the first moment of the window
	until   time.Time      // the first moment that is no longer of it
}

// view finds out what the tracker can see at a moment. The last answer is kept, as most are for the present day.
func (t *Tracker) view(at time.Time) (*view, error) {
	if v := t.latest.Load(); v != nil && !at.Before(v.from) && at.Before(v.until) {
		return v, nil
	}
	w, err := t.window(at)
	if err != nil {
		return nil, err
	}
	v := &view{window: w, skipped: t.skipped(w.first(), w.today)}
	v.expires, v.expiry = t.expiry(w.today.Year)
	v.from, v.until = bounds(at, t.loc, t.dayStart)
	if t.keep > 0 {
		from, until := bounds(at.Add(-t.keep), t.loc, t.dayStart)
		if from = from.Add(t.keep); from.After(v.from) {
			v.from = from
		}
		if until = until.Add(t.keep); until.Before(v.until) {
			v.until = until
		}
	}
	t.latest.Store(v)
	return v, nil
}

// window finds out which days the tracker can see at a moment. A year is retained until Keep after its end, that is as
// long as the moment that long ago lies in it, or in an earlier one.
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

// bounds returns moments around one, from the first to one that is no longer of them, at all of which dayOf says the
// same: the day, or the part of it with the same offset from UTC.
func bounds(at time.Time, loc *time.Location, dayStart time.Duration) (from, until time.Time) {
	at = at.In(loc)
	_, offset := at.Zone()
	// When the clock on the wall shows dayStart, by that offset.
	begins := func(day calendar.Day) time.Time {
		return day.Start(time.UTC).Add(dayStart - time.Duration(offset)*time.Second)
	}
	today := dayOf(at, loc, dayStart)
	from, until = begins(today), begins(today.Add(1))
	start, end := at.ZoneBounds()
	if !start.IsZero() && start.After(from) {
		from = start
	}
	if !end.IsZero() && end.Before(until) {
		until = end
	}
	return from, until
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

// expiry is when a year expires, also as text in milliseconds since 1970, which is empty if it never does.
func (t *Tracker) expiry(year int) (time.Time, string) {
	if t.keep < 0 {
		return time.Time{}, ""
	}
	end := calendar.Day{Year: year + 1, Month: time.January, Day: 1}.Start(t.loc)
	if t.dayStart > 0 {
		end = time.Date(year+1, time.January, 1, 0, 0, int(t.dayStart/time.Second), int(t.dayStart%time.Second), t.loc)
	}
	at := end.Add(t.keep)
	return at, strconv.FormatInt(at.UnixMilli(), 10)
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
