package checkin

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// Options of a [Tracker]. The zero value counts days of UTC that begin at midnight, has no make-up, and keeps a year
// for 3,660 days.
type Options struct {
	// Namespace is put in front of all keys, with a colon. Defaults to none. It may not hold braces.
	Namespace string

	// Location decides the civil day of any instant. Defaults to UTC. [Tracker.In] is for users in other zones.
	Location *time.Location

	// DayStart is when a day begins, by the clock on the wall, also on the days on which it is changed: 4h for a game day
	// that starts at 04:00. From 0, the default, to less than 24h.
	DayStart time.Duration

	// Backfill says how many days back a day may still be filled by [Tracker.Backfill], or removed by [Tracker.Undo]:
	// 1 is yesterday. Defaults to 0: only today. Days that never existed in the zone are not counted.
	Backfill int

	// Keep says for how long a year is kept after its end, in the zone of the tracker that writes: at most 36,500 days, -1 is
	// for ever. Defaults to 3,660 days, ten years, at 136 bytes a user and year. Each check-in reads all years that are kept;
	// those of the last hundred with -1. A change reaches a year with the next day that is set in it.
	Keep time.Duration

	// Milestones are lengths of streaks that [Result.Reached] reports, such as 3, 7, 30. From 1 to the days of Keep.
	// Defaults to none.
	Milestones []int
}

const (
	hours24 = 24 * time.Hour // a unit of keeping, not of the calendar

	defaultKeep = 3660 * hours24
	maxKeep     = 36500 * hours24

	// A tracker takes times of these years, so that it can forget all of a user, and a zero time is found out.
	firstYear, lastYear = 1900, 2199
	// lookBack is how many years before the current one are read, if they are kept.
	lookBack = 100
)

// Tracker keeps the days on which users checked in. It is made by [New]; the zero value answers every call with an
// error. It is safe for concurrent use, and holds no connection, goroutine or data of a user.
type Tracker struct {
	rdb        redis.UniversalClient
	namespace  string // with its colon
	loc        *time.Location
	dayStart   time.Duration
	backfill   int
	keep       time.Duration // -1: for ever
	milestones []int         // ascending, each once

	latest atomic.Pointer[view] // of the last call
	many   *atomic.Bool         // whether the last user had more years than one; shared with In
}

var (
	//go:embed lua/write.lua
	writeLua string
	//go:embed lua/read.lua
	readLua string
	//go:embed lua/forget.lua
	forgetLua string

	writeScript  = once.NewScript(writeLua)
	readScript   = once.NewScript(readLua)
	forgetScript = once.NewScript(forgetLua)
)

// New returns a tracker on a client of any kind, which stays the caller's. It sends nothing. Its errors name the
// option.
func New(rdb redis.UniversalClient, opts Options) (*Tracker, error) {
	if isNil(rdb) {
		return nil, errors.New("checkin: the client is nil")
	}
	namespace, err := prefix("Options", opts.Namespace)
	if err != nil {
		return nil, err
	}
	t := &Tracker{
		rdb:       rdb,
		namespace: namespace,
		loc:       cmp.Or(opts.Location, time.UTC),
		dayStart:  opts.DayStart,
		backfill:  opts.Backfill,
		keep:      cmp.Or(opts.Keep, defaultKeep),
		many:      new(atomic.Bool),
	}
	longest := int(maxKeep / hours24)
	if t.keep > 0 {
		longest = int(t.keep / hours24)
	}
	switch {
	case t.dayStart < 0 || t.dayStart >= hours24:
		return nil, fmt.Errorf("checkin: Options.DayStart: %v is not from 0 to less than 24h", t.dayStart)
	case t.backfill < 0:
		return nil, fmt.Errorf("checkin: Options.Backfill: %d is negative", t.backfill)
	case t.keep < 0 && t.keep != -1:
		return nil, fmt.Errorf("checkin: Options.Keep: %v: it takes a positive duration, or -1", t.keep)
	case t.keep > maxKeep:
		return nil, fmt.Errorf("checkin: Options.Keep: %v is more than 36,500 days: -1 is for ever", t.keep)
	}
	for _, m := range opts.Milestones {
		switch {
		case m < 1:
			return nil, fmt.Errorf("checkin: Options.Milestones: %d is below 1", m)
		case m > longest:
			return nil, fmt.Errorf("checkin: Options.Milestones: %d days are longer than Keep, of %d days", m, longest)
		}
	}
	t.milestones = slices.Clone(opts.Milestones)
	slices.Sort(t.milestones)
	t.milestones = slices.Compact(t.milestones)
	return t, nil
}

// In returns the same tracker, with the same keys and options, for a user whose days are those of another zone. A nil
// loc is UTC. It costs one small allocation, so it can be called for every request; who keeps one for each zone saves a
// microsecond more, as a tracker remembers what its present day means.
//
// A user who travels west may be in a day again that was already checked in; what was checked in on a day that has not
// begun yet in the new zone does not count there until it has.
func (t *Tracker) In(loc *time.Location) *Tracker {
	if t == nil {
		return nil
	}
	return &Tracker{
		rdb:        t.rdb,
		namespace:  t.namespace,
		loc:        cmp.Or(loc, time.UTC),
		dayStart:   t.dayStart,
		backfill:   t.backfill,
		keep:       t.keep,
		milestones: t.milestones,
		many:       t.many,
	}
}

// prefix checks a namespace, and returns it with its colon.
func prefix(options, namespace string) (string, error) {
	switch {
	case strings.ContainsAny(namespace, "{}"):
		return "", fmt.Errorf("checkin: %s.Namespace: %q holds a brace", options, namespace)
	case namespace == "":
		return "", nil
	default:
		return namespace + ":", nil
	}
}

// isNil finds a nil client also where it hides in an interface, for the types that go-redis has.
func isNil(rdb redis.UniversalClient) bool {
	switch c := rdb.(type) {
	case nil:
		return true
	case *redis.Client:
		return c == nil
	case *redis.ClusterClient:
		return c == nil
	case *redis.Ring:
		return c == nil
	case *redis.AutoPipeliner:
		return c == nil
	default:
		return false
	}
}

// check is what every call for a user begins with.
func (t *Tracker) check(user string) error {
	switch {
	case t == nil || t.rdb == nil:
		return errNew
	case user == "":
		return fmt.Errorf("%w user", ErrEmpty)
	default:
		return nil
	}
}
