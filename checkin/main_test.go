package checkin

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// day reads a day.
func day(text string) calendar.Day {
	d, err := calendar.ParseDay(text)
	if err != nil {
		panic(err)
	}
	return d
}

// zone loads a time zone.
func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(tb, err)
	return loc
}

// moment reads a moment of a clock on the wall.
func moment(text string, loc *time.Location) time.Time {
	at, err := time.ParseInLocation("2006-01-02 15:04", text, loc)
	if err != nil {
		panic(err)
	}
	return at
}

func newTracker(tb testing.TB, rdb redis.UniversalClient, opts Options) *Tracker {
	tb.Helper()
	tr, err := New(rdb, opts)
	require.NoError(tb, err)
	return tr
}

// counting counts the round trips and the commands of a client.
type counting struct{ trips, commands atomic.Int64 }

func (c *counting) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.trips.Add(1)
		c.commands.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.trips.Add(1)
		c.commands.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

// of counts the round trips and the commands of a call.
func (c *counting) of(fn func()) (trips, commands int) {
	t, n := c.trips.Load(), c.commands.Load()
	fn()
	return int(c.trips.Load() - t), int(c.commands.Load() - n)
}
