package calendar_test

import (
	"encoding"
	"fmt"
	"iter"
	"time"

	"github.com/larder-go/larder/calendar"
)

// The names and signatures that others compile against.
var (
	_ = calendar.Day{Year: 2026, Month: time.November, Day: 22}
	_ = map[calendar.Day]bool{}
	_ = map[calendar.Period]bool{
		calendar.AllTime: true, calendar.Hourly: true, calendar.Daily: true,
		calendar.Weekly: true, calendar.Monthly: true, calendar.Yearly: true,
	}

	_ func(time.Time, *time.Location) calendar.Day                                    = calendar.Of
	_ func(string) (calendar.Day, error)                                              = calendar.ParseDay
	_ func(int, time.Month) int                                                       = calendar.DaysInMonth
	_ func(int) int                                                                   = calendar.DaysInYear
	_ func(calendar.Day, int) calendar.Day                                            = calendar.Day.Add
	_ func(calendar.Day, calendar.Day) int                                            = calendar.Day.Sub
	_ func(calendar.Day, calendar.Day) int                                            = calendar.Day.Compare
	_ func(calendar.Day, calendar.Day) bool                                           = calendar.Day.Before
	_ func(calendar.Day, calendar.Day) bool                                           = calendar.Day.After
	_ func(calendar.Day) time.Weekday                                                 = calendar.Day.Weekday
	_ func(calendar.Day) int                                                          = calendar.Day.YearDay
	_ func(calendar.Day) (int, int)                                                   = calendar.Day.ISOWeek
	_ func(calendar.Day) bool                                                         = calendar.Day.Valid
	_ func(calendar.Day) bool                                                         = calendar.Day.IsZero
	_ func(calendar.Day, *time.Location) time.Time                                    = calendar.Day.Start
	_ func(calendar.Period, time.Time, *time.Location) time.Time                      = calendar.Period.Start
	_ func(calendar.Period, time.Time, *time.Location) time.Time                      = calendar.Period.End
	_ func(calendar.Period, time.Time, *time.Location) time.Time                      = calendar.Period.Next
	_ func(calendar.Period, time.Time, *time.Location) string                         = calendar.Period.Label
	_ func(calendar.Period, time.Time, time.Time, *time.Location) iter.Seq[time.Time] = calendar.Period.All
	_ func(calendar.Period) bool                                                      = calendar.Period.Valid

	_ encoding.TextMarshaler   = calendar.Day{}
	_ encoding.TextAppender    = calendar.Day{}
	_ encoding.TextUnmarshaler = new(calendar.Day)
	_ fmt.Stringer             = calendar.Day{}
	_ fmt.Stringer             = calendar.Daily
)
