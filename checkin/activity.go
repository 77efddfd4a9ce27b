package checkin

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/once"
)

// ActivityOptions are the options of an [Activity]. The zero value counts days of UTC and keeps each for 400 days.
type ActivityOptions struct {
	// Namespace is put in front of all keys, with a colon. Defaults to none. It may not hold braces.
	Namespace string

	// Location decides the civil day of any instant. Defaults to UTC.
	Location *time.Location

	// Keep says for how long a day is kept after its end: at most 36,500 days, -1 is for ever. Defaults to 400 days. Days that are no
	// longer kept count nobody. A change reaches a day with the next mark of it.
	Keep time.Duration
}

const (
	defaultActivityKeep = 400 * hours24

	// A segment is 65,536 ids, so 8 KB at most.
	segmentBits  = 16
	segmentSize  = 1 << segmentBits
	segmentBytes = segmentSize / 8
	segmentWords = segmentSize / 64

	// knownFor is how long an Activity takes it for granted that the index of a day names a segment, and knownMost for how
	// many segments it does.
	knownFor  = time.Minute
	knownMost = 4096
)

var (
	//go:embed lua/mark.lua
	markLua string
	//go:embed lua/unmark.lua
	unmarkLua string

	markScript   = once.NewScript(markLua)
	unmarkScript = once.NewScript(unmarkLua)
)

// Activity keeps who was active on which day, across users. It is made by [NewActivity]; the zero value answers every
// call with an error. It is safe for concurrent use, and holds no connection or goroutine of its own.
//
// Users are numbers, dense ones if possible: [IDs] makes them of strings. A day costs one bit for each number up to
// the highest of each 65,536 that are in use: 125 KB for a million users. A number of its own, however high, costs at
// most 16 KB a day.
type Activity struct {
	rdb       redis.UniversalClient
	namespace string // with its colon
	loc       *time.Location
	keep      time.Duration // -1: for ever

	mu    sync.Mutex
	known map[marked]time.Time // until when a segment need not be named again
}

// marked is a segment of a day.
type marked struct {
	day     calendar.Day
	segment uint32
}

// NewActivity returns an Activity on a client of any kind, which stays the caller's. It sends nothing. Its errors name
// the option.
func NewActivity(rdb redis.UniversalClient, opts ActivityOptions) (*Activity, error) {
	if isNil(rdb) {
		return nil, errors.New("checkin: the client is nil")
	}
	namespace, err := prefix("ActivityOptions", opts.Namespace)
	if err != nil {
		return nil, err
	}
	a := &Activity{
		rdb:       rdb,
		namespace: namespace,
		loc:       cmp.Or(opts.Location, time.UTC),
		keep:      cmp.Or(opts.Keep, defaultActivityKeep),
		known:     map[marked]time.Time{},
	}
	switch {
	case a.keep < 0 && a.keep != -1:
		return nil, fmt.Errorf("checkin: ActivityOptions.Keep: %v: it takes a positive duration, or -1", a.keep)
	case a.keep > maxKeep:
		return nil, fmt.Errorf("checkin: ActivityOptions.Keep: %v is more than 36,500 days: -1 is for ever", a.keep)
	}
	return a, nil
}

func (a *Activity) check() error {
	if a == nil || a.rdb == nil {
		return errNew
	}
	return nil
}

// Mark says that a user was active today: [Activity.MarkAt] of time.Now().
func (a *Activity) Mark(ctx context.Context, id uint32) error {
	return a.MarkAt(ctx, id, time.Now())
}

// MarkAt says that a user was active on the day of a moment. One round trip of one script, O(1), and once a minute for
// each day and segment of 65,536 ids of two in a pipeline, as the day's index is written anew then. It can be repeated,
// and is, where no answer came; if none comes at all, the error is [ErrOutcomeUnknown], and it may be tried again. A day
// that is no longer kept by the server's clock is [ErrTooOld].
func (a *Activity) MarkAt(ctx context.Context, id uint32, at time.Time) error {
	if err := a.mark(ctx, id, at); err != nil {
		return failed("mark", id, err)
	}
	return nil
}

func (a *Activity) mark(ctx context.Context, id uint32, at time.Time) error {
	if err := a.check(); err != nil {
		return err
	}
	day := calendar.Of(at, a.loc)
	if day.Year < firstYear || day.Year > lastYear {
		return fmt.Errorf("%w: the time %v is not in the years %d to %d", ErrRange, at, firstYear, lastYear)
	}
	expiry := ""
	if a.keep > 0 {
		expiry = strconv.FormatInt(day.Add(1).Start(a.loc).Add(a.keep).UnixMilli(), 10)
	}
	m := marked{day: day, segment: id >> segmentBits}
	key, bit := a.segmentKey(m.segment, day), int64(id&(segmentSize-1))
	if a.knows(m) {
		return again(ctx, func() error {
			_, err := markScript.Run(ctx, a.rdb, []string{key}, bit, expiry)
			return err
		})
	}
	err := again(ctx, func() error {
		cmds := []redis.Cmder{
			markScript.Cmd(ctx, []string{a.indexKey(day)}, int64(m.segment), expiry),
			markScript.Cmd(ctx, []string{key}, bit, expiry),
		}
		var unknown error
		for i, outcome := range once.Exec(ctx, a.rdb, cmds) {
			switch err := cmds[i].Err(); outcome {
			case once.Applied:
			case once.Unknown:
				unknown = &once.UnknownError{Err: err}
			default:
				return err
			}
		}
		return unknown
	})
	if err == nil {
		a.learn(m)
	}
	return err
}

// tries is how often what can be repeated is sent, if no answer comes.
const tries = 4

// again repeats what can be repeated, if no answer came.
func again(ctx context.Context, fn func() error) error {
	for i := 1; ; i++ {
		err := fn()
		if !once.IsUnknown(err) || i == tries || once.Sleep(ctx, 8*time.Millisecond<<i) != nil {
			return err
		}
	}
}

// knows says whether the index of a day was seen to name a segment, within the last minute.
func (a *Activity) knows(m marked) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, ok := a.known[m]
	return ok && time.Now().Before(until)
}

func (a *Activity) learn(m marked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= knownMost {
		clear(a.known)
	}
	a.known[m] = time.Now().Add(knownFor)
}

// Unmark says that a user was not active on a day. Weeks, months and retention follow, as they are counted from days. It
// is nothing to unmark who was not marked. One round trip, O(1); it can be repeated, and is, where no answer came.
func (a *Activity) Unmark(ctx context.Context, id uint32, day calendar.Day) error {
	err := a.checkDay(day)
	if err == nil {
		err = again(ctx, func() error {
			_, err := unmarkScript.Run(ctx, a.rdb, []string{a.segmentKey(id>>segmentBits, day)}, int64(id&(segmentSize-1)))
			return err
		})
	}
	if err != nil {
		return failed("unmark on "+day.String(), id, err)
	}
	return nil
}

// Contains says whether a user was active on a day. One round trip, one GETBIT, O(1).
func (a *Activity) Contains(ctx context.Context, id uint32, day calendar.Day) (bool, error) {
	err := a.checkDay(day)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		var bit int64
		bit, err = a.rdb.GetBit(ctx, a.segmentKey(id>>segmentBits, day), int64(id&(segmentSize-1))).Result()
		if err == nil {
			return bit == 1, nil
		}
	}
	return false, failed("look on "+day.String(), id, err)
}

func (a *Activity) checkDay(days ...calendar.Day) error {
	if err := a.check(); err != nil {
		return err
	}
	for _, day := range days {
		if !day.Valid() {
			return fmt.Errorf("%w: %v", ErrInvalidDay, day)
		}
	}
	return nil
}
