package visitors_test

import (
	"context"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/visitors"
)

// Every name and signature of the contract, held when this compiles.
var (
	_ = visitors.Options{
		Namespace: "",
		Location:  (*time.Location)(nil),
		Buckets:   []calendar.Period(nil),
		Keep:      map[calendar.Period]time.Duration(nil),
		Since:     map[calendar.Period]time.Time(nil),
	}
	_ func(redis.UniversalClient, visitors.Options) (*visitors.Counter, error)                                          = visitors.New
	_ func(*visitors.Counter, context.Context, string, ...string) error                                                 = (*visitors.Counter).Track
	_ func(*visitors.Counter, context.Context, string, time.Time, ...string) error                                      = (*visitors.Counter).TrackAt
	_ func(*visitors.Counter, context.Context, string) (int64, error)                                                   = (*visitors.Counter).Today
	_ func(*visitors.Counter, context.Context, string, time.Time) (int64, error)                                        = (*visitors.Counter).TodayAt
	_ func(*visitors.Counter, context.Context, string, int) (int64, error)                                              = (*visitors.Counter).LastDays
	_ func(*visitors.Counter, context.Context, string, int, time.Time) (int64, error)                                   = (*visitors.Counter).LastDaysAt
	_ func(*visitors.Counter, context.Context, string, int) (int64, error)                                              = (*visitors.Counter).LastHours
	_ func(*visitors.Counter, context.Context, string, int, time.Time) (int64, error)                                   = (*visitors.Counter).LastHoursAt
	_ func(*visitors.Counter, context.Context, string, time.Time, time.Time) (int64, error)                             = (*visitors.Counter).Between
	_ func(*visitors.Counter, context.Context, string, calendar.Period, time.Time, time.Time) ([]visitors.Point, error) = (*visitors.Counter).Series
	_ func(*visitors.Counter, context.Context, []string, time.Time, time.Time) (int64, error)                           = (*visitors.Counter).Union
	_ func(*visitors.Counter, context.Context, string, string, time.Time, time.Time) (visitors.Estimate, error)         = (*visitors.Counter).Overlap
	_ func(*visitors.Counter, context.Context, string) error                                                            = (*visitors.Counter).Forget
	_                                                                                                                   = visitors.Point{Start: time.Time{}, Count: int64(0)}
	_                                                                                                                   = visitors.Estimate{Count: int64(0), Error: int64(0), Reliable: false}
	_                                                                                                                   = visitors.Chart{Title: "", Points: []visitors.Point(nil)}
	_ func(visitors.Chart, io.Writer) error                                                                             = visitors.Chart.SVG
	_                                                                                                                   = []error{visitors.ErrWrongType, visitors.ErrRetention, visitors.ErrRange, visitors.ErrNoBucket, visitors.ErrCorrupt}
)
