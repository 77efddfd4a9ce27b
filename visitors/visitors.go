package visitors

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
)

// Options of a [Counter]. The zero value counts by day, in UTC, for 100 days.
type Options struct {
	// Namespace is put in front of all keys, with a colon. Defaults to none. It may not hold braces.
	Namespace string

	// Location decides the civil day, and so every bucket, of any instant. Defaults to UTC.
	Location *time.Location

	// Buckets are the periods that visits are counted by. Each visit is written to one sketch of each, in one round
	// trip. Fine ones make exact windows possible, coarse ones make long windows cheap, and can be kept for long.
	// Defaults to Daily.
	Buckets []calendar.Period

	// Keep says for how long a bucket is kept after its end; -1 is for ever. Defaults: Hourly 49 h, Daily 100 days,
	// Weekly 60 weeks, Monthly 400 days, Yearly 5 years (of 366 days), AllTime -1. Only periods of Buckets may be
	// named. AllTime has no end, and is always kept. A change reaches a bucket when the next visit changes it.
	Keep map[calendar.Period]time.Duration

	// Since names, for a bucket that was added later, the moment from which on it has all visits: windows use it only
	// for buckets that begin then or later. Zero: always. Not for AllTime, which begins with no bucket.
	Since map[calendar.Period]time.Time
}

const day = 24 * time.Hour // a unit of keeping, not of the calendar

var defaultKeep = map[calendar.Period]time.Duration{
	calendar.Hourly:  49 * time.Hour,
	calendar.Daily:   100 * day,
	calendar.Weekly:  60 * 7 * day,
	calendar.Monthly: 400 * day,
	calendar.Yearly:  5 * 366 * day,
	calendar.AllTime: -1,
}

// Counter counts the unique visitors of pages. It is made by [New]; the zero value answers every call with an
// error. It is safe for concurrent use, and holds no connection, goroutine or counts of its own.
type Counter struct {
	rdb     redis.UniversalClient
	lead    string // what every key begins with
	loc     *time.Location
	buckets []bucket // finest first, AllTime last
	now     func() time.Time
	lines   lines
	latest  atomic.Pointer[frame]
}

// bucket is a period that visits are counted by.
type bucket struct {
	calendar.Period
	keep  time.Duration // -1: for ever
	since time.Time
}

// New returns a counter on a client of any kind, which stays the caller's. It sends nothing. Its errors name the
// option.
func New(rdb redis.UniversalClient, opts Options) (*Counter, error) {
	c := &Counter{rdb: rdb, loc: cmp.Or(opts.Location, time.UTC), now: time.Now}
	if isNil(rdb) {
		return nil, errors.New("visitors: the client is nil")
	}
	if strings.ContainsAny(opts.Namespace, "{}") {
		return nil, fmt.Errorf("visitors: Options.Namespace: %q holds a brace", opts.Namespace)
	}
	c.lead = kind + ":{"
	if opts.Namespace != "" {
		c.lead = opts.Namespace + ":" + c.lead
	}
	periods := slices.Clone(opts.Buckets)
	if len(periods) == 0 {
		periods = []calendar.Period{calendar.Daily}
	}
	for i, p := range periods {
		if !p.Valid() {
			return nil, fmt.Errorf("visitors: Options.Buckets: %v is not a period", p)
		}
		if slices.Contains(periods[:i], p) {
			return nil, fmt.Errorf("visitors: Options.Buckets: %v is named twice", p)
		}
		b := bucket{Period: p, keep: cmp.Or(opts.Keep[p], defaultKeep[p]), since: opts.Since[p]}
		switch {
		case b.keep < 0 && b.keep != -1:
			return nil, fmt.Errorf("visitors: Options.Keep: %v is kept for %v: it takes a positive duration, or -1", p, b.keep)
		case b.keep > 0 && b.keep < time.Millisecond:
			return nil, fmt.Errorf("visitors: Options.Keep: %v is kept for %v, less than a millisecond", p, b.keep)
		case p == calendar.AllTime && b.keep != -1:
			return nil, fmt.Errorf("visitors: Options.Keep: %v has no end after which it could be kept for %v", p, b.keep)
		case p == calendar.AllTime && !b.since.IsZero():
			return nil, fmt.Errorf("visitors: Options.Since: %v has no beginning", p)
		}
		c.buckets = append(c.buckets, b)
	}
	for p := range opts.Keep {
		if !slices.Contains(periods, p) {
			return nil, fmt.Errorf("visitors: Options.Keep: %v is not one of the buckets", p)
		}
	}
	for p := range opts.Since {
		if !slices.Contains(periods, p) {
			return nil, fmt.Errorf("visitors: Options.Since: %v is not one of the buckets", p)
		}
	}
	slices.SortFunc(c.buckets, func(a, b bucket) int { return cmp.Compare(size(a.Period), size(b.Period)) })
	return c, nil
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

// size orders periods by their length; AllTime is the longest.
func size(p calendar.Period) int {
	if p == calendar.AllTime {
		return int(calendar.Yearly) + 1
	}
	return int(p)
}

// find returns the bucket of a period, if the counter has one.
func (c *Counter) find(p calendar.Period) (bucket, bool) {
	i := slices.IndexFunc(c.buckets, func(b bucket) bool { return b.Period == p })
	if i < 0 {
		return bucket{}, false
	}
	return c.buckets[i], true
}

// check is what every call begins with.
func (c *Counter) check(pages ...string) error {
	if c == nil || c.rdb == nil {
		return errNew
	}
	if len(pages) == 0 {
		return fmt.Errorf("%w: no pages", ErrEmpty)
	}
	if slices.Contains(pages, "") {
		return fmt.Errorf("%w page", ErrEmpty)
	}
	return nil
}

// failed makes the error of a call: what was called, with what, and why it failed.
func failed(op, page string, err error) error {
	if errors.Is(err, errNew) {
		return err
	}
	return fmt.Errorf("visitors: %s %.200q: %w", op, page, classify(err))
}
