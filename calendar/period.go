package calendar

import (
	"fmt"
	"iter"
	"time"
)

// A Period cuts time into buckets, each of which begins where the one before it ends. Periods are comparable and can
// be keys of maps. The zero value is AllTime. A Period that is not [Period.Valid] behaves like AllTime.
type Period int

// The periods.
const (
	AllTime Period = iota // one bucket without a start and without an end
	Hourly                // hours of the wall clock
	Daily                 // civil days
	Weekly                // ISO 8601 weeks, from Monday
	Monthly               // from the first of a month
	Yearly                // from January 1
)

var names = [...]string{AllTime: "AllTime", Hourly: "Hourly", Daily: "Daily", Weekly: "Weekly", Monthly: "Monthly", Yearly: "Yearly"}

// Valid reports whether p is one of the constants of this package.
func (p Period) Valid() bool { return 0 <= p && int(p) < len(names) }

// String returns the name of the constant, for logs and errors. Keys have [Period.Label].
func (p Period) String() string {
	if !p.Valid() {
		return fmt.Sprintf("Period(%d)", int(p))
	}
	return names[p]
}

// Start returns the first instant of the bucket in which t lies, in loc: at or before t. For AllTime it is the zero
// time. A nil loc is UTC.
func (p Period) Start(t time.Time, loc *time.Location) time.Time {
	loc = zone(loc)
	switch p {
	case Hourly:
		from, _ := hour(t.In(loc))
		return from
	case Daily, Weekly, Monthly, Yearly:
		return p.first(bucketDay(t, loc)).Start(loc)
	default:
		return time.Time{}
	}
}

// End returns the first instant after the bucket in which t lies, in loc: after t, and the Start of the next bucket.
// For AllTime, which has no end, it is the zero time. A nil loc is UTC.
func (p Period) End(t time.Time, loc *time.Location) time.Time {
	loc = zone(loc)
	switch p {
	case Hourly:
		_, to := hour(t.In(loc))
		return to
	case Daily, Weekly, Monthly, Yearly:
		return p.following(p.first(bucketDay(t, loc))).Start(loc)
	default:
		return time.Time{}
	}
}

// Next returns the start of the bucket after the one in which t lies. That is its [Period.End] under the name that
// reads better in a loop. For AllTime it is the zero time.
func (p Period) Next(t time.Time, loc *time.Location) time.Time { return p.End(t, loc) }

// Label returns the name of the bucket in which t lies, in loc, for use in keys: "all" for AllTime, "2026" for a
// year, "2026-11" for a month, "2026-W47" for a week, "2026-11-22" for a day. An hour is named by its first instant
// in UTC, "2026-11-22T13:00Z", with seconds only where they are not zero. Two buckets of one Period and location never
// have the same name. A nil loc is UTC.
func (p Period) Label(t time.Time, loc *time.Location) string {
	loc = zone(loc)
	switch p {
	case Hourly:
		from, _ := hour(t.In(loc))
		if from = from.UTC(); from.Second() != 0 {
			return from.Format("2006-01-02T15:04:05Z")
		}
		return from.Format("2006-01-02T15:04Z")
	case Daily:
		return bucketDay(t, loc).String()
	case Weekly:
		year, week := bucketDay(t, loc).ISOWeek()
		return fmt.Sprintf("%04d-W%02d", year, week)
	case Monthly:
		day := bucketDay(t, loc)
		return fmt.Sprintf("%04d-%02d", day.Year, int(day.Month))
	case Yearly:
		return fmt.Sprintf("%04d", bucketDay(t, loc).Year)
	default:
		return "all"
	}
}

// All returns the starts of the buckets that begin in [from, to), in order: from itself if a bucket begins there,
// never to. A bucket that began before from is not among them, and neither is a day that never existed. For AllTime there
// are none. A nil loc is UTC.
func (p Period) All(from, to time.Time, loc *time.Location) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		if p == AllTime || !p.Valid() {
			return
		}
		at := p.Start(from, loc)
		if at.Before(from) {
			at = p.Next(from, loc)
		}
		for at.Before(to) && yield(at) {
			next := p.Next(at, loc)
			if !next.After(at) { // the end of what package time can count
				return
			}
			at = next
		}
	}
}

// first is the first day of the bucket in which d lies.
func (p Period) first(d Day) Day {
	switch p {
	case Weekly:
		return d.monday()
	case Monthly:
		return Day{Year: d.Year, Month: d.Month, Day: 1}
	case Yearly:
		return Day{Year: d.Year, Month: time.January, Day: 1}
	default:
		return d
	}
}

// following is the first day of the bucket after the one that begins on d.
func (p Period) following(d Day) Day {
	switch p {
	case Weekly:
		return d.Add(7)
	case Monthly:
		return d.Add(DaysInMonth(d.Year, d.Month))
	case Yearly:
		return Day{Year: d.Year + 1, Month: time.January, Day: 1}
	default:
		return d.Add(1)
	}
}

// lately is longer than any clock was ever set back.
const lately = 100 * time.Hour

// bucketDay is the latest day that a wall clock in loc has shown up to t. It is [Of], but for the minutes in which a
// clock that was set back to before midnight shows the old day again: those belong to the day that has begun.
func bucketDay(t time.Time, loc *time.Location) Day {
	d := Of(t, loc)
	if loc == time.UTC {
		return d
	}
	t = t.In(loc)
	from, _ := t.ZoneBounds()
	if from.IsZero() || from.Add(lately).Before(t) {
		return d // no clock was set back lately: the common case, spared the search
	}
	// Clocks have been set back by a whole day (Alaska, 1867), so that more than one step may be due.
	for range 3 {
		next := d.Add(1)
		if next.Start(loc).After(t) {
			break
		}
		d = next
	}
	return d
}

// hour is the hour of the wall clock in which t lies, cut where the offset changes.
func hour(t time.Time) (from, to time.Time) {
	_, offset := t.Zone()
	past := floorMod(t.Unix()+int64(offset), 3600)
	from = time.Unix(t.Unix()-past, 0).In(t.Location())
	to = from.Add(time.Hour)
	// ZoneBounds also tells of changes of a zone's name, which cut nothing.
	for at := t; ; {
		begin, _ := at.ZoneBounds()
		if begin.IsZero() || !from.Before(begin) {
			break
		}
		at = begin.Add(-1)
		if _, before := at.Zone(); before != offset {
			from = begin
			break
		}
	}
	for at := t; ; {
		_, end := at.ZoneBounds()
		if end.IsZero() || !end.Before(to) {
			break
		}
		at = end
		if _, after := at.Zone(); after != offset {
			to = end
			break
		}
	}
	return from, to
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }
