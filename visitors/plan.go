package visitors

import (
	"fmt"
	"time"

	"github.com/larder-go/larder/calendar"
)

const (
	// edge is how long before its expiry a bucket counts as gone: clocks differ, and a command takes its time.
	edge = time.Minute
	// mostBuckets bounds what a window may be made up of.
	mostBuckets = 100_000
)

// expiry returns when the bucket that ends at end expires, in milliseconds, and whether it ever does.
func (b bucket) expiry(end time.Time) (at time.Time, ever bool) {
	if b.keep < 0 {
		return time.Time{}, false
	}
	return end.Add(b.keep), true
}

// retained says whether a bucket that ends at end still has all its visits.
func (b bucket) retained(end, now time.Time) bool {
	at, ever := b.expiry(end)
	return !ever || now.Add(edge).Before(at)
}

// plan returns the labels of the fewest buckets that make up [from, to). Both zero is all of time, which takes an
// AllTime bucket.
//
// At each point the bucket that reaches furthest is taken, of those that do not begin before the window or end
// after it. Buckets may overlap, as weeks and months do: a union counts nobody twice. For covering a stretch with
// stretches that is the best there is (TestPlanIsFewest).
func (c *Counter) plan(from, to, now time.Time) ([]string, error) {
	if from.IsZero() && to.IsZero() {
		if _, ok := c.find(calendar.AllTime); !ok {
			return nil, fmt.Errorf("%w: all of time takes AllTime", ErrNoBucket)
		}
		return []string{calendar.AllTime.Label(now, c.loc)}, nil
	}
	if err := c.checkRange(from, to); err != nil {
		return nil, err
	}
	kept := func(b bucket, start, end time.Time) bool {
		return !start.Before(b.since) && b.retained(end, now)
	}
	labels, stuck := c.cover(from, to, kept)
	if stuck.IsZero() {
		if len(labels) > mostBuckets {
			return nil, fmt.Errorf("%w: it takes more than %d buckets", ErrRange, mostBuckets)
		}
		return labels, nil
	}
	// Why not? Would it do if nothing had expired?
	_, later := c.cover(from, to, func(b bucket, start, _ time.Time) bool { return !start.Before(b.since) })
	if later.IsZero() {
		return nil, fmt.Errorf("%w: what begins at %s", ErrRetention, c.text(stuck))
	}
	_, always := c.cover(from, to, func(bucket, time.Time, time.Time) bool { return true })
	if always.IsZero() {
		return nil, fmt.Errorf("%w: none has all visits from %s on (see Options.Since)", ErrNoBucket, c.text(later))
	}
	stuck = always
	return nil, fmt.Errorf("%w: none of %v begins at %s and ends by %s", ErrNoBucket, c.periods(), c.text(stuck), c.text(to))
}

// cover does the work of plan with the buckets that usable lets through. If it does not get to the end, it returns
// where it got stuck.
func (c *Counter) cover(from, to time.Time, usable func(b bucket, start, end time.Time) bool) (labels []string, stuck time.Time) {
	for at := from; at.Before(to); {
		var (
			best    time.Time
			longest bucket
		)
		for _, b := range c.buckets {
			if b.Period == calendar.AllTime {
				continue
			}
			start, end := b.Start(at, c.loc), b.End(at, c.loc)
			if start.Before(from) || end.After(to) || !usable(b, start, end) {
				continue
			}
			if end.After(at) && end.After(best) {
				best, longest = end, b
			}
		}
		if best.IsZero() {
			return nil, at
		}
		labels = append(labels, longest.Label(at, c.loc))
		if len(labels) > mostBuckets {
			return labels, time.Time{} // refused by the caller
		}
		at = best
	}
	return labels, time.Time{}
}

// checkRange refuses windows that no buckets of any kind could make up.
func (c *Counter) checkRange(from, to time.Time) error {
	for _, t := range []time.Time{from, to} {
		if err := checkYear(t); err != nil {
			return err
		}
	}
	if !from.Before(to) {
		return fmt.Errorf("%w: it ends at %s, and begins at %s", ErrRange, c.text(to), c.text(from))
	}
	for _, t := range []time.Time{from, to} {
		if !calendar.Hourly.Start(t, c.loc).Equal(t) {
			return fmt.Errorf("%w: no hour begins at %s", ErrRange, c.text(t))
		}
	}
	return nil
}

// checkYear keeps to the years that a label can name in every zone.
func checkYear(t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9998 {
		return fmt.Errorf("%w: the year %d", ErrRange, y)
	}
	return nil
}

func (c *Counter) text(t time.Time) string { return t.In(c.loc).Format(time.RFC3339Nano) }

func (c *Counter) periods() []calendar.Period {
	all := make([]calendar.Period, len(c.buckets))
	for i, b := range c.buckets {
		all[i] = b.Period
	}
	return all
}
