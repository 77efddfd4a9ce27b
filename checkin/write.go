package checkin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/once"
)

// Result is what a change has done.
type Result struct {
	// Day is the day that was to be changed.
	Day calendar.Day
	// New says that the day was not checked in before. Of any number of concurrent calls for one day, one gets it.
	New bool
	// Removed says that [Tracker.Undo] removed the day.
	Removed bool
	// Stats are those after the change, of the same moment.
	Stats Stats
	// Reached are the milestones that a streak has reached by this change, in ascending order: those above the length of
	// each streak that the day is now part of, and not above the length of what it has made of them.
	Reached []int
}

// CheckIn checks a user in for today: [Tracker.CheckInAt] of time.Now().
func (t *Tracker) CheckIn(ctx context.Context, user string) (Result, error) {
	return t.CheckInAt(ctx, user, time.Now())
}

// CheckInAt checks a user in for the day of a moment, and returns the streaks. One round trip, a script of one key a
// year that is kept, O(years). It is sent once: see [ErrOutcomeUnknown].
func (t *Tracker) CheckInAt(ctx context.Context, user string, at time.Time) (Result, error) {
	r, err := t.change(ctx, user, nil, at, true)
	if err != nil {
		return Result{}, failed("check in", user, err)
	}
	return r, nil
}

// Backfill checks a user in for a day that is over: [Tracker.BackfillAt] of time.Now().
func (t *Tracker) Backfill(ctx context.Context, user string, day calendar.Day) (Result, error) {
	return t.BackfillAt(ctx, user, day, time.Now())
}

// BackfillAt checks a user in for a day from Options.Backfill days before the day of now to the day of now itself. Other
// days are refused before anything is sent: [ErrInvalidDay] if there is no such day, [ErrFuture], [ErrTooOld]. A
// milestone that two joined streaks reach is reported. One round trip, sent once, O(years).
func (t *Tracker) BackfillAt(ctx context.Context, user string, day calendar.Day, now time.Time) (Result, error) {
	r, err := t.change(ctx, user, &day, now, true)
	if err != nil {
		return Result{}, failed("backfill "+day.String(), user, err)
	}
	return r, nil
}

// Undo removes a check-in: [Tracker.UndoAt] of time.Now().
func (t *Tracker) Undo(ctx context.Context, user string, day calendar.Day) (Result, error) {
	return t.UndoAt(ctx, user, day, time.Now())
}

// UndoAt removes the check-in of a day, which has to be one that [Tracker.BackfillAt] takes. Result.Removed says whether
// there was one. One round trip, sent once, O(years). A year without any day is removed as a whole.
func (t *Tracker) UndoAt(ctx context.Context, user string, day calendar.Day, now time.Time) (Result, error) {
	r, err := t.change(ctx, user, &day, now, false)
	if err != nil {
		return Result{}, failed("undo "+day.String(), user, err)
	}
	return r, nil
}

// change sets or clears a day; nil is the day of now.
func (t *Tracker) change(ctx context.Context, user string, which *calendar.Day, now time.Time, set bool) (Result, error) {
	if err := t.check(user); err != nil {
		return Result{}, err
	}
	if which != nil && !which.Valid() {
		return Result{}, ErrInvalidDay
	}
	v, err := t.view(now)
	if err != nil {
		return Result{}, err
	}
	day := v.today
	if which != nil {
		day = *which
		if err := t.allowed(day, v); err != nil {
			return Result{}, err
		}
	}
	years, was, err := t.write(ctx, user, day, v, set)
	if err != nil {
		return Result{}, err
	}
	h := newHistory(v.first(), v.today, v.today.Year, years)
	h.put(day, set)
	h = h.skip(v.skipped)
	r := Result{Day: day, New: set && !was, Removed: !set && was, Stats: h.stats()}
	if r.New && len(t.milestones) > 0 {
		before, after := h.around(day)
		for _, m := range t.milestones {
			if max(before, after) < m && m <= before+1+after {
				r.Reached = append(r.Reached, m)
			}
		}
	}
	return r, nil
}

// allowed says whether a valid day may be changed.
func (t *Tracker) allowed(day calendar.Day, v *view) error {
	if len(t.skipped(day, day)) > 0 {
		return fmt.Errorf("%w in %v", ErrInvalidDay, t.loc)
	}
	if day.After(v.today) {
		return fmt.Errorf("%w: today is %v", ErrFuture, v.today)
	}
	back := v.today.Sub(day)
	for _, s := range v.skipped {
		if s.After(day) {
			back--
		}
	}
	switch {
	case day.Year < v.oldest:
		return fmt.Errorf("%w: kept is what was in %d or later", ErrTooOld, v.oldest)
	case back > t.backfill:
		return fmt.Errorf("%w: %d days back, of at most %d", ErrTooOld, back, t.backfill)
	}
	return nil
}

// clocks is how far apart the clocks of this process and of the server may be, for a year that is stored to be there.
const clocks = 30 * hours24

// write sets or clears a day, and returns the retained years from the current one down, and what the day was. In the
// years it may be as it was, or as it is.
func (t *Tracker) write(ctx context.Context, user string, day calendar.Day, v *view, set bool) ([]string, bool, error) {
	value, expiry, near := "0", "", "0"
	if set {
		value = "1"
		var at time.Time
		if at, expiry = v.expires, v.expiry; day.Year != v.today.Year {
			at, expiry = t.expiry(day.Year)
		}
		if expiry != "" && at.Before(time.Now().Add(clocks)) {
			near = "1"
		}
	}
	keys := t.yearKeys(user, v.today.Year, v.oldest)
	own := v.today.Year - day.Year
	keys[0], keys[own] = keys[own], keys[0] // the script writes the first
	years := make([]string, len(keys))
	bit := day.YearDay() - 1
	reply, err := writeScript.Run(ctx, t.rdb, keys, bit, value, expiry, near, t.guess())
	if once.Code(err) == "TRYAGAIN" && len(keys) > 1 && !once.IsUnknown(err) {
		// The slot is on the move, and has keys on both nodes. Each can be asked for by itself; the others first, so
		// that a foreign type among them is found before anything is written.
		others, err := gets(ctx, t.rdb, keys[1:])
		if err != nil {
			return nil, false, err
		}
		copy(years[1:], others)
		reply, err = writeScript.Run(ctx, t.rdb, keys[:1], bit, value, expiry, near, t.guess())
		if err != nil {
			return nil, false, err
		}
	} else if err != nil {
		return nil, false, err
	}
	was, err := written(years, reply)
	t.learn(years)
	years[0], years[own] = years[own], years[0]
	return years, was, err
}

// guess is for the scripts that look at several years: whether there are others than the first.
func (t *Tracker) guess() string {
	if t.many.Load() {
		return "1"
	}
	return "0"
}

// learn remembers what would have been right, for the next user.
func (t *Tracker) learn(years []string) {
	many := slices.ContainsFunc(years[1:], func(s string) bool { return s != "" })
	if many != t.many.Load() {
		t.many.Store(many)
	}
}

// written takes the reply of the script apart that writes: years, all or the first alone, and what the bit was.
func written(years []string, reply any) (was bool, err error) {
	all, ok := reply.([]any)
	n := len(all) - 1
	if !ok || n != 1 && n != len(years) {
		return false, fmt.Errorf("unexpected reply of %T", reply)
	}
	bit, ok := all[n].(int64)
	if !ok {
		return false, fmt.Errorf("unexpected bit of %T", all[n])
	}
	return bit == 1, texts(years, all[:n])
}

// texts makes strings of a reply, "" of nil.
func texts(out []string, all []any) error {
	for i, v := range all {
		switch v := v.(type) {
		case nil:
		case string:
			out[i] = v
		default:
			return fmt.Errorf("unexpected year of %T", v)
		}
	}
	return nil
}
