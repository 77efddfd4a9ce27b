package checkin

import (
	"fmt"
	"strings"
	"time"

	"github.com/larder-go/larder/calendar"
)

// Calendar is which days of a range were checked in. The zero value has no days.
type Calendar struct {
	// From and To are the first and the last day.
	From, To calendar.Day
	// Checked is a day each, from From to To.
	Checked []bool
	// Count is how many of them are true.
	Count int
	// Longest is the length of the longest streak within the range; a day that never existed in the zone of the tracker
	// does not break it.
	Longest int
}

// Days returns how many days the range has.
func (c Calendar) Days() int { return len(c.Checked) }

// has says whether a day was checked in, for days outside the range too.
func (c Calendar) has(day calendar.Day) bool {
	i := day.Sub(c.From)
	return i >= 0 && i < len(c.Checked) && c.Checked[i]
}

// String prints each month of the range like the program cal, with a star behind the days that were checked in, and
// Count and Longest below. Days outside the range are left blank. Lines end in a newline, and in no blanks.
func (c Calendar) String() string {
	if c.empty() {
		return ""
	}
	var b strings.Builder
	for first := (calendar.Day{Year: c.From.Year, Month: c.From.Month, Day: 1}); !first.After(c.To); {
		next := first.Add(calendar.DaysInMonth(first.Year, first.Month))
		c.writeMonth(&b, first, next)
		b.WriteByte('\n')
		first = next
	}
	fmt.Fprintf(&b, "%d of %s, longest streak %d\n", c.Count, plural(len(c.Checked), "day"), c.Longest)
	return b.String()
}

// week is how wide a printed week is: four columns a day.
const week = 7 * 4

func (c Calendar) writeMonth(b *strings.Builder, first, next calendar.Day) {
	title := fmt.Sprintf("%v %d", first.Month, first.Year)
	fmt.Fprintf(b, "%*s%s\n", (week-len(title)+1)/2, "", title)
	b.WriteString(" Mo  Tu  We  Th  Fr  Sa  Su\n")
	line := strings.Repeat("    ", weekday(first))
	for day := first; day.Before(next); day = day.Add(1) {
		switch {
		case day.Before(c.From) || day.After(c.To):
			line += "    "
		case c.has(day):
			line += fmt.Sprintf("%3d*", day.Day)
		default:
			line += fmt.Sprintf("%3d ", day.Day)
		}
		if weekday(day) == 6 || day.Add(1) == next {
			if line = strings.TrimRight(line, " "); line != "" {
				b.WriteString(line + "\n")
			}
			line = ""
		}
	}
}

// empty says that there are no days, or, in a Calendar that was made by hand, none that exist.
func (c Calendar) empty() bool {
	return len(c.Checked) == 0 || !c.From.Valid() || !c.To.Valid() || c.To.Before(c.From)
}

// weekday counts from Monday, 0.
func weekday(day calendar.Day) int { return (int(day.Weekday()) + 6) % 7 }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// monthName is the short English name of a month.
func monthName(m time.Month) string { return m.String()[:3] }
