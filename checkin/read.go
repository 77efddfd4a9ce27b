package checkin

import (
	"context"
	"fmt"
	"time"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/once"
)

// Stats are the streaks of a user, over the years that are kept, up to today. Without any check-in they are zero.
type Stats struct {
	// Current is the length in days of the streak that ends today, or that ended yesterday while today is still open.
	Current int
	// Longest is the length of the longest streak.
	Longest int
	// Total is how many days were checked in.
	Total int
	// CheckedToday says that today is one of them.
	CheckedToday bool
	// Pending says that Current goes on only if there is a check-in today.
	Pending bool
	// Truncated says that a streak touches the first day that is kept, so that it may have been longer, and that Longest
	// and Total may fall when the oldest year expires.
	Truncated bool
	// First and Last are the first and the last day that were checked in; zero if there is none.
	First, Last calendar.Day
}

// Stats returns the streaks of a user: [Tracker.StatsAt] of time.Now().
func (t *Tracker) Stats(ctx context.Context, user string) (Stats, error) {
	return t.StatsAt(ctx, user, time.Now())
}

// StatsAt returns the streaks of a user as of a moment: days after it are left out. A user without any check-in has the
// zero Stats. One round trip, one key a year that is kept, O(years).
func (t *Tracker) StatsAt(ctx context.Context, user string, at time.Time) (Stats, error) {
	s, err := t.stats(ctx, user, at)
	if err != nil {
		return Stats{}, failed("stats of", user, err)
	}
	return s, nil
}

func (t *Tracker) stats(ctx context.Context, user string, at time.Time) (Stats, error) {
	if err := t.check(user); err != nil {
		return Stats{}, err
	}
	v, err := t.view(at)
	if err != nil {
		return Stats{}, err
	}
	years, err := t.read(ctx, t.yearKeys(user, v.today.Year, v.oldest))
	if err != nil {
		return Stats{}, err
	}
	h := newHistory(v.first(), v.today, v.today.Year, years)
	return h.skip(v.skipped).stats(), nil
}

// Month returns the calendar of a month: [Tracker.MonthAt] of time.Now().
func (t *Tracker) Month(ctx context.Context, user string, year int, month time.Month) (Calendar, error) {
	return t.MonthAt(ctx, user, year, month, time.Now())
}

// MonthAt returns the calendar of a month. A month that does not exist is [ErrInvalidDay]. One round trip, one GET.
// A month of a year that is no longer kept at now is empty, and nothing is sent for it.
func (t *Tracker) MonthAt(ctx context.Context, user string, year int, month time.Month, now time.Time) (Calendar, error) {
	from := calendar.Day{Year: year, Month: month, Day: 1}
	c, err := t.calendar(ctx, user, from, calendar.Day{Year: year, Month: month, Day: calendar.DaysInMonth(year, month)}, now)
	if err != nil {
		return Calendar{}, failed(fmt.Sprintf("month %04d-%02d of", year, int(month)), user, err)
	}
	return c, nil
}

// Year returns the calendar of a year: [Tracker.YearAt] of time.Now().
func (t *Tracker) Year(ctx context.Context, user string, year int) (Calendar, error) {
	return t.YearAt(ctx, user, year, time.Now())
}

// YearAt returns the calendar of a year from 0 to 9999; another one is [ErrInvalidDay]. One round trip, one GET. A year
// that is no longer kept at now is empty, and nothing is sent for it.
func (t *Tracker) YearAt(ctx context.Context, user string, year int, now time.Time) (Calendar, error) {
	from := calendar.Day{Year: year, Month: time.January, Day: 1}
	c, err := t.calendar(ctx, user, from, calendar.Day{Year: year, Month: time.December, Day: 31}, now)
	if err != nil {
		return Calendar{}, failed(fmt.Sprintf("year %d of", year), user, err)
	}
	return c, nil
}

// Range returns the calendar of some days: [Tracker.RangeAt] of time.Now().
func (t *Tracker) Range(ctx context.Context, user string, from, to calendar.Day) (Calendar, error) {
	return t.RangeAt(ctx, user, from, to, time.Now())
}

// maxDays is how long a range may be.
const maxDays = 36600

// RangeAt returns the calendar of the days from one to another, both included, of years that are kept at now; days of
// other years are not checked. [ErrInvalidDay] if there is no such day, [ErrRange] if to is before from or the range is
// longer than 36,600 days. One round trip, one key a year, O(days).
func (t *Tracker) RangeAt(ctx context.Context, user string, from, to calendar.Day, now time.Time) (Calendar, error) {
	c, err := t.calendar(ctx, user, from, to, now)
	if err != nil {
		return Calendar{}, failed(fmt.Sprintf("range %v to %v of", from, to), user, err)
	}
	return c, nil
}

func (t *Tracker) calendar(ctx context.Context, user string, from, to calendar.Day, now time.Time) (Calendar, error) {
	if err := t.check(user); err != nil {
		return Calendar{}, err
	}
	if err := checkRange(from, to); err != nil {
		return Calendar{}, err
	}
	v, err := t.view(now)
	if err != nil {
		return Calendar{}, err
	}
	oldest := v.oldest
	if t.keep < 0 {
		oldest = firstYear // all that was ever stored
	}
	newest := min(to.Year, lastYear)
	oldest = max(oldest, from.Year)
	var years []string
	if oldest <= newest {
		if years, err = t.read(ctx, t.yearKeys(user, newest, oldest)); err != nil {
			return Calendar{}, err
		}
	}
	h := newHistory(from, to, newest, years).skip(t.skipped(from, to))
	c := Calendar{From: from, To: to, Checked: make([]bool, h.days.n), Count: h.days.count(), Longest: h.runs.longest()}
	for i := range c.Checked {
		c.Checked[i] = h.days.has(i)
	}
	return c, nil
}

// checkRange is about days, both included.
func checkRange(from, to calendar.Day) error {
	switch {
	case !from.Valid():
		return fmt.Errorf("%w: %v", ErrInvalidDay, from)
	case !to.Valid():
		return fmt.Errorf("%w: %v", ErrInvalidDay, to)
	case to.Before(from):
		return fmt.Errorf("%w: %v is before %v", ErrRange, to, from)
	case to.Sub(from) >= maxDays:
		return fmt.Errorf("%w: %d days are more than %d", ErrRange, to.Sub(from)+1, maxDays)
	}
	return nil
}

// read returns what keys hold, "" for what is not there. One round trip.
func (t *Tracker) read(ctx context.Context, keys []string) ([]string, error) {
	if len(keys) == 1 {
		return gets(ctx, t.rdb, keys)
	}
	reply, err := readScript.Read(ctx, t.rdb, keys, t.guess())
	if once.Code(err) == "TRYAGAIN" { // the slot is on the move, and has keys on both nodes
		return gets(ctx, t.rdb, keys)
	}
	if err != nil {
		return nil, err
	}
	all, ok := reply.([]any)
	if !ok || len(all) != 1 && len(all) != len(keys) {
		return nil, fmt.Errorf("unexpected reply of %T", reply)
	}
	out := make([]string, len(keys))
	err = texts(out, all)
	t.learn(out)
	return out, err
}
