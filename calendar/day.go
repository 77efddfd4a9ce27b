package calendar

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// ErrInvalidDay is what the errors of [ParseDay], [Day.MarshalText] and [Day.UnmarshalText] match with errors.Is.
var ErrInvalidDay = errors.New("not a day of the form YYYY-MM-DD")

// A Day is a date of the Gregorian calendar, in no zone in particular. Days are comparable with == and can be keys
// of maps. The zero Day is no day: it is not [Day.Valid], and [Day.IsZero] tells it apart, so that the JSON option
// omitzero leaves it out.
type Day struct {
	Year  int
	Month time.Month
	Day   int
}

// Of returns the date that a wall clock in loc shows at t. A nil loc is UTC.
func Of(t time.Time, loc *time.Location) Day {
	year, month, day := t.In(zone(loc)).Date()
	return Day{Year: year, Month: month, Day: day}
}

// ParseDay reads a day in the one form that [Day.MarshalText] writes: four digits, two, two, with hyphens between
// them, and a day that exists. Anything else is an error that matches [ErrInvalidDay].
func ParseDay(s string) (Day, error) {
	d, ok := parse(s)
	if !ok {
		return Day{}, fmt.Errorf("calendar: parse %q: %w", s, ErrInvalidDay)
	}
	return d, nil
}

func parse[T string | []byte](s T) (Day, bool) {
	if len(s) != len("2006-01-02") || s[4] != '-' || s[7] != '-' {
		return Day{}, false
	}
	number := func(from, to int) int {
		n := 0
		for i := from; i < to; i++ {
			if s[i] < '0' || s[i] > '9' {
				return -1
			}
			n = n*10 + int(s[i]-'0')
		}
		return n
	}
	d := Day{Year: number(0, 4), Month: time.Month(number(5, 7)), Day: number(8, 10)}
	return d, d.Valid()
}

// Valid reports whether d exists in the Gregorian calendar, in a year from 0 to 9999, which is what four digits can
// say. It knows nothing of zones: 2011-12-30 is valid, though there was no such day in Apia.
func (d Day) Valid() bool {
	return 0 <= d.Year && d.Year <= 9999 && 1 <= d.Day && d.Day <= DaysInMonth(d.Year, d.Month)
}

// IsZero reports whether d is the zero Day, which is no day.
func (d Day) IsZero() bool { return d == Day{} }

// Add returns the day that is n days after d, or before it where n is negative. A Day that does not exist is taken
// for what its numbers amount to, as in [time.Date]: February 30 is March 1 or 2.
func (d Day) Add(n int) Day { return fromSerial(d.serial() + int64(n)) }

// Sub returns how many days after other d is: 1 if d is the next day, negative if d is the earlier one.
func (d Day) Sub(other Day) int { return int(d.serial() - other.serial()) }

// Compare returns -1 if d is before other, 0 if they are the same day, and 1 if d is after other. It can be handed
// to slices.SortFunc.
func (d Day) Compare(other Day) int {
	return cmp.Or(cmp.Compare(d.Year, other.Year), cmp.Compare(d.Month, other.Month), cmp.Compare(d.Day, other.Day))
}

// Before reports whether d is an earlier day than other.
func (d Day) Before(other Day) bool { return d.Compare(other) < 0 }

// After reports whether d is a later day than other.
func (d Day) After(other Day) bool { return d.Compare(other) > 0 }

// Weekday returns the day of the week.
func (d Day) Weekday() time.Weekday {
	const epoch = int64(time.Thursday) // 1970-01-01
	return time.Weekday(((d.serial()+epoch)%7 + 7) % 7)
}

// YearDay returns the day of the year: 1 for January 1, 365 or 366 for December 31.
func (d Day) YearDay() int {
	return int(d.serial()-Day{Year: d.Year, Month: time.January, Day: 1}.serial()) + 1
}

// ISOWeek returns the ISO 8601 year and week in which d lies. Weeks begin on Monday and belong to the year of their
// Thursday, so that the last days of December may lie in week 1 of the next year, and the first days of January in
// week 52 or 53 of the year before.
func (d Day) ISOWeek() (year, week int) {
	thursday := d.monday().Add(3)
	return thursday.Year, (thursday.YearDay()-1)/7 + 1
}

// Start returns the first instant of d in loc: the first at which a wall clock there shows d or a later day. It is
// midnight, unless midnight does not exist there. A day that never existed in loc starts when the day after it does.
// The day's end is the Start of d.Add(1). A nil loc is UTC.
func (d Day) Start(loc *time.Location) time.Time {
	loc = zone(loc)
	midnight := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	if loc == time.UTC {
		return midnight
	}
	// Begin before any clock of the world can show d, and go through the stretches of constant offset from there.
	for at, n := midnight.AddDate(0, 0, -2).In(loc), 0; ; n++ {
		from, to := at.ZoneBounds()
		_, offset := at.Zone()
		first := midnight.Add(-time.Duration(offset) * time.Second).In(loc)
		if !from.IsZero() && first.Before(from) {
			first = from // midnight was skipped
		}
		// The count is for moments so far away that package time itself has overflowed.
		if to.IsZero() || first.Before(to) || n == 16 {
			return first
		}
		at = to
	}
}

// String returns d as YYYY-MM-DD, whether it exists or not.
func (d Day) String() string {
	if text, err := d.AppendText(make([]byte, 0, len("2006-01-02"))); err == nil {
		return string(text)
	}
	return d.format()
}

// format writes what is not valid, too; slowly, and not by way of AppendText, whose error it is part of.
func (d Day) format() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// AppendText is [Day.MarshalText] that appends to b.
func (d Day) AppendText(b []byte) ([]byte, error) {
	if !d.Valid() {
		return b, fmt.Errorf("calendar: write %s: %w", d.format(), ErrInvalidDay)
	}
	return append(b,
		byte('0'+d.Year/1000), byte('0'+d.Year/100%10), byte('0'+d.Year/10%10), byte('0'+d.Year%10), '-',
		byte('0'+d.Month/10), byte('0'+d.Month%10), '-',
		byte('0'+d.Day/10), byte('0'+d.Day%10)), nil
}

// MarshalText writes d as YYYY-MM-DD, in JSON for instance. A day that is not [Day.Valid], the zero Day included, is
// an error that matches [ErrInvalidDay].
func (d Day) MarshalText() ([]byte, error) {
	text, err := d.AppendText(make([]byte, 0, len("2006-01-02")))
	if err != nil {
		return nil, err
	}
	return text, nil
}

// UnmarshalText reads what [Day.MarshalText] writes, and nothing else. After an error, which matches
// [ErrInvalidDay], d is as it was.
func (d *Day) UnmarshalText(text []byte) error {
	parsed, ok := parse(text)
	if !ok {
		return fmt.Errorf("calendar: parse %q: %w", text, ErrInvalidDay)
	}
	*d = parsed
	return nil
}

// DaysInMonth returns how many days the month of that year has: 28 to 31, or 0 if there is no such month.
func DaysInMonth(year int, month time.Month) int {
	switch month {
	case time.January, time.March, time.May, time.July, time.August, time.October, time.December:
		return 31
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		return DaysInYear(year) - 337
	default:
		return 0
	}
}

// DaysInYear returns 366 in leap years, otherwise 365.
func DaysInYear(year int) int {
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 366
	}
	return 365
}

func (d Day) monday() Day { return d.Add(-(int(d.Weekday()) + 6) % 7) }

// zone is loc, or UTC for nil, where package time panics.
func zone(loc *time.Location) *time.Location {
	if loc == nil {
		return time.UTC
	}
	return loc
}
