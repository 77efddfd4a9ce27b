package checkin_test

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/checkin"
)

// Every name and signature of the contract.
var (
	_ = checkin.Options{
		Namespace: "", Location: time.UTC, DayStart: time.Hour, Backfill: 1, Keep: -1, Milestones: []int{3},
	}
	_ func(redis.UniversalClient, checkin.Options) (*checkin.Tracker, error) = checkin.New

	_ = checkin.Result{Day: calendar.Day{}, New: true, Removed: true, Stats: checkin.Stats{}, Reached: []int{}}
	_ = checkin.Stats{
		Current: 1, Longest: 1, Total: 1, CheckedToday: true, Pending: true, Truncated: true,
		First: calendar.Day{}, Last: calendar.Day{},
	}
	_ func(*checkin.Tracker, context.Context, string) (checkin.Result, error)                               = (*checkin.Tracker).CheckIn
	_ func(*checkin.Tracker, context.Context, string, time.Time) (checkin.Result, error)                    = (*checkin.Tracker).CheckInAt
	_ func(*checkin.Tracker, context.Context, string, calendar.Day) (checkin.Result, error)                 = (*checkin.Tracker).Backfill
	_ func(*checkin.Tracker, context.Context, string, calendar.Day, time.Time) (checkin.Result, error)      = (*checkin.Tracker).BackfillAt
	_ func(*checkin.Tracker, context.Context, string, calendar.Day) (checkin.Result, error)                 = (*checkin.Tracker).Undo
	_ func(*checkin.Tracker, context.Context, string, calendar.Day, time.Time) (checkin.Result, error)      = (*checkin.Tracker).UndoAt
	_ func(*checkin.Tracker, context.Context, string) (checkin.Stats, error)                                = (*checkin.Tracker).Stats
	_ func(*checkin.Tracker, context.Context, string, time.Time) (checkin.Stats, error)                     = (*checkin.Tracker).StatsAt
	_ func(*checkin.Tracker, context.Context, string, int, time.Month) (checkin.Calendar, error)            = (*checkin.Tracker).Month
	_ func(*checkin.Tracker, context.Context, string, int) (checkin.Calendar, error)                        = (*checkin.Tracker).Year
	_ func(*checkin.Tracker, context.Context, string, calendar.Day, calendar.Day) (checkin.Calendar, error) = (*checkin.Tracker).Range
	_ func(*checkin.Tracker, *time.Location) *checkin.Tracker                                               = (*checkin.Tracker).In
	_ func(*checkin.Tracker, context.Context, string) error                                                 = (*checkin.Tracker).Forget

	_                                         = checkin.Calendar{From: calendar.Day{}, To: calendar.Day{}, Checked: []bool{}, Count: 1, Longest: 1}
	_ func(checkin.Calendar) string           = checkin.Calendar.String
	_ func(checkin.Calendar, io.Writer) error = checkin.Calendar.SVG

	_                                                                                 = checkin.ActivityOptions{Namespace: "", Location: time.UTC, Keep: -1}
	_ func(redis.UniversalClient, checkin.ActivityOptions) (*checkin.Activity, error) = checkin.NewActivity

	_ func(*checkin.Activity, context.Context, uint32) error                                           = (*checkin.Activity).Mark
	_ func(*checkin.Activity, context.Context, uint32, time.Time) error                                = (*checkin.Activity).MarkAt
	_ func(*checkin.Activity, context.Context, uint32, calendar.Day) error                             = (*checkin.Activity).Unmark
	_ func(*checkin.Activity, context.Context, calendar.Day, calendar.Day) (int64, error)              = (*checkin.Activity).Count
	_ func(*checkin.Activity, context.Context, uint32, calendar.Day) (bool, error)                     = (*checkin.Activity).Contains
	_ func(*checkin.Activity, context.Context, calendar.Day) iter.Seq2[uint32, error]                  = (*checkin.Activity).Members
	_ func(*checkin.Activity, context.Context, ...calendar.Day) (int64, error)                         = (*checkin.Activity).Every
	_ func(*checkin.Activity, context.Context, calendar.Day, ...int) ([]checkin.Retained, error)       = (*checkin.Activity).Retention
	_ func(*checkin.Activity, context.Context, calendar.Day, calendar.Day, int) (checkin.Table, error) = (*checkin.Activity).Cohorts

	_                                      = checkin.Retained{After: 1, Count: 1, Rate: 1}
	_                                      = checkin.Table{Rows: []checkin.CohortRow{{Cohort: calendar.Day{}, Size: 1, Cells: []checkin.Retained{}}}}
	_ func(checkin.Table, io.Writer) error = checkin.Table.SVG

	_ func(redis.UniversalClient, checkin.IDsOptions) (*checkin.IDs, error) = checkin.NewIDs
	_ func(*checkin.IDs, context.Context, string) (uint32, error)           = (*checkin.IDs).ID
	_ func(*checkin.IDs, context.Context, uint32) (string, error)           = (*checkin.IDs).Name
	_                                                                       = checkin.IDsOptions{Namespace: ""}

	_ = []error{checkin.ErrTooOld, checkin.ErrFuture, checkin.ErrInvalidDay, checkin.ErrWrongType, checkin.ErrOutcomeUnknown}
)
