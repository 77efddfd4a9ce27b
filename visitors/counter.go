package visitors

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/hll"
)

// Today counts the visitors of the civil day that it is now. It is LastDays of one day.
func (c *Counter) Today(ctx context.Context, page string) (int64, error) {
	return c.lastNow(ctx, "today", page, calendar.Daily, 1)
}

// TodayAt counts the visitors of the civil day of now.
func (c *Counter) TodayAt(ctx context.Context, page string, now time.Time) (int64, error) {
	return c.last(ctx, "today", page, calendar.Daily, 1, now)
}

// LastDays counts the visitors of today and the days-1 civil days before it, each once. See [Counter.LastDaysAt].
func (c *Counter) LastDays(ctx context.Context, page string, days int) (int64, error) {
	return c.lastNow(ctx, "last days", page, calendar.Daily, days)
}

// LastDaysAt counts the visitors of the civil day of now and the days-1 before it, each once. A page that nobody knows
// has none. It takes Daily among the buckets ([ErrNoBucket]), and all of the days have to be kept as such
// ([ErrRetention]), on any date: that whole months make up a window and reach back further is left to chance by no
// caller. One round trip, O(buckets).
func (c *Counter) LastDaysAt(ctx context.Context, page string, days int, now time.Time) (int64, error) {
	return c.last(ctx, "last days", page, calendar.Daily, days, now)
}

// LastHours counts the visitors of the current hour and the hours-1 before it. See [Counter.LastHoursAt].
func (c *Counter) LastHours(ctx context.Context, page string, hours int) (int64, error) {
	return c.lastNow(ctx, "last hours", page, calendar.Hourly, hours)
}

// LastHoursAt counts the visitors of the hour of now and the hours-1 before it, each once. It takes Hourly among the
// buckets ([ErrNoBucket]), and all of the hours have to be kept as such ([ErrRetention]). One round trip, O(buckets).
func (c *Counter) LastHoursAt(ctx context.Context, page string, hours int, now time.Time) (int64, error) {
	return c.last(ctx, "last hours", page, calendar.Hourly, hours, now)
}

func (c *Counter) lastNow(ctx context.Context, op, page string, per calendar.Period, n int) (int64, error) {
	if c == nil || c.rdb == nil {
		return 0, errNew
	}
	return c.last(ctx, op, page, per, n, c.now())
}

func (c *Counter) last(ctx context.Context, op, page string, per calendar.Period, n int, now time.Time) (int64, error) {
	if err := c.check(page); err != nil {
		return 0, failed(op, page, err)
	}
	from, to, err := c.lastWindow(per, n, now)
	if err != nil {
		return 0, failed(op, page, err)
	}
	return c.between(ctx, op, page, from, to, now)
}

// lastWindow returns the n buckets of a period that end with the one of now.
func (c *Counter) lastWindow(per calendar.Period, n int, now time.Time) (from, to time.Time, err error) {
	unit := map[calendar.Period]string{calendar.Daily: "days", calendar.Hourly: "hours"}[per]
	if n < 1 {
		return from, to, fmt.Errorf("%w: %d %s", ErrRange, n, unit)
	}
	if err := checkYear(now); err != nil {
		return from, to, err
	}
	b, ok := c.find(per)
	if !ok {
		return from, to, fmt.Errorf("%w: counting %s takes %v", ErrNoBucket, unit, per)
	}
	from, to = per.Start(now, c.loc), per.End(now, c.loc)
	for i := 1; ; i++ {
		if !b.retained(per.End(from, c.loc), now) {
			return from, to, fmt.Errorf("%w: %d %s, of which the last %d are kept", ErrRetention, n, unit, i-1)
		}
		if i == n {
			return from, to, nil
		}
		if i == mostBuckets {
			return from, to, fmt.Errorf("%w: %d %s are more than %d", ErrRange, n, unit, mostBuckets)
		}
		from = per.Start(from.Add(-1), c.loc)
	}
}

// Between counts the visitors in [from, to), each once. The window is made up of whole buckets, of the fewest that will
// do: ends where no hour begins, or an end that is not after the beginning, are [ErrRange]; ends that no bucket of the
// counter fits are [ErrNoBucket], and what is kept no more is [ErrRetention]. A window may reach into the future. Two
// zero times are all of time, which takes AllTime among the buckets. A page that nobody knows has no visitors.
//
// One round trip, O(buckets); windows of more than 500 buckets take one for each 500.
func (c *Counter) Between(ctx context.Context, page string, from, to time.Time) (int64, error) {
	if err := c.check(page); err != nil {
		return 0, failed("between", page, err)
	}
	return c.between(ctx, "between", page, from, to, c.now())
}

func (c *Counter) between(ctx context.Context, op, page string, from, to, now time.Time) (int64, error) {
	labels, err := c.plan(from, to, now)
	if err != nil {
		return 0, failed(op, page, err)
	}
	n, err := c.count(ctx, c.keys(page, labels))
	if err != nil {
		return 0, failed(op, page, err)
	}
	return n, nil
}

func (c *Counter) keys(page string, labels []string) []string {
	prefix := c.prefix(page)
	keys := make([]string, len(labels))
	for i, label := range labels {
		keys[i] = prefix + label
	}
	return keys
}

// Point is one value of a series: how many visitors the bucket that begins at Start had. Start is in the counter's
// location, and zero for AllTime.
type Point struct {
	Start time.Time
	Count int64
}

// Series counts the visitors of each hour, day, week, month or year in [from, to), each once in each. Both ends have to
// be where such a period begins ([ErrRange]). Periods without visitors have a point with 0. A period need not be among
// the buckets: weeks are made up of days, for instance. Errors are those of [Counter.Between].
//
// One round trip, O(points); more than 500 buckets take one for each 500. The points are not of one moment: visits that
// are counted meanwhile may be in some and not in others.
func (c *Counter) Series(ctx context.Context, page string, per calendar.Period, from, to time.Time) ([]Point, error) {
	const op = "series"
	if err := c.check(page); err != nil {
		return nil, failed(op, page, err)
	}
	points, sets, err := c.planSeries(page, per, from, to)
	if err != nil {
		return nil, failed(op, page, err)
	}
	counts, err := c.counts(ctx, sets)
	if err != nil {
		return nil, failed(op, page, err)
	}
	for i := range points {
		points[i].Count = counts[i]
	}
	return points, nil
}

func (c *Counter) planSeries(page string, per calendar.Period, from, to time.Time) ([]Point, [][]string, error) {
	now := c.now()
	var points []Point
	var sets [][]string
	add := func(start, from, to time.Time) error {
		labels, err := c.plan(from, to, now)
		if err != nil {
			return err
		}
		points = append(points, Point{Start: start})
		sets = append(sets, c.keys(page, labels))
		return nil
	}
	switch {
	case !per.Valid():
		return nil, nil, fmt.Errorf("%w: %v is not a period", ErrRange, per)
	case per == calendar.AllTime && from.IsZero() && to.IsZero():
		err := add(time.Time{}, from, to)
		return points, sets, err
	case per == calendar.AllTime:
		return nil, nil, fmt.Errorf("%w: a series of %v goes from the zero time to the zero time", ErrRange, per)
	}
	if err := c.checkRange(from, to); err != nil {
		return nil, nil, err
	}
	for _, t := range []time.Time{from, to} {
		if !per.Start(t, c.loc).Equal(t) {
			return nil, nil, fmt.Errorf("%w: %v does not begin at %s", ErrRange, per, c.text(t))
		}
	}
	for start := range per.All(from, to, c.loc) {
		if len(points) == mostBuckets {
			return nil, nil, fmt.Errorf("%w: more than %d points", ErrRange, mostBuckets)
		}
		if err := add(start.In(c.loc), start, per.End(start, c.loc)); err != nil {
			return nil, nil, err
		}
	}
	return points, sets, nil
}

// Union counts the visitors of any of the pages in [from, to), each once. The pages may be of any slots: their sketches
// are fetched, and merged here, to the number that PFCOUNT would give. Naming a page twice changes nothing. Errors
// are those of [Counter.Between], and [ErrEmpty] if there are no pages.
//
// One round trip, O(pages * buckets) in space of 12 KiB each, one more for each further 500 sketches.
func (c *Counter) Union(ctx context.Context, pages []string, from, to time.Time) (int64, error) {
	const op = "union"
	name := fmt.Sprintf("%d pages", len(pages))
	if err := c.check(pages...); err != nil {
		return 0, failed(op, name, err)
	}
	labels, err := c.plan(from, to, c.now())
	if err != nil {
		return 0, failed(op, name, err)
	}
	pages = slices.Compact(slices.Sorted(slices.Values(pages)))
	if len(pages) == 1 {
		n, err := c.count(ctx, c.keys(pages[0], labels))
		if err != nil {
			return 0, failed(op, pages[0], err)
		}
		return n, nil
	}
	n, err := c.union(ctx, len(pages)*len(labels), func(i int) string {
		return c.prefix(pages[i/len(labels)]) + labels[i%len(labels)]
	})
	if err != nil {
		return 0, failed(op, name, err)
	}
	return n, nil
}

// Estimate is a number of visitors that is not counted but computed from others, with what it may be off by.
type Estimate struct {
	// Count is the estimate. It is never negative, and never more than the smaller page has.
	Count int64
	// Error is two standard errors, in visitors: the truth is within Count - Error and Count + Error in 19 of 20 cases.
	// It is 0 only where nothing is estimated: one of the pages has no visitors.
	Error int64
	// Reliable says that Count is worth showing as a number: Error is at most a quarter of it, or 0. Where it is
	// not, all that can be said is that the overlap is below Count + Error.
	Reliable bool
}

// standardError is that of a sketch, 1.04 / sqrt(16384) rounded down as its users know it.
const standardError = 0.0081

// Overlap estimates how many visitors two pages have in common in [from, to): what both have less what they have
// together. The error of that grows with the pages and not with what they have in common, so a small overlap of large
// pages cannot be told: look at Reliable. Errors are those of [Counter.Between]. One round trip, O(buckets) in space of
// 12 KiB each, one more for each further 500 sketches.
func (c *Counter) Overlap(ctx context.Context, a, b string, from, to time.Time) (Estimate, error) {
	const op = "overlap"
	name := a + " & " + b
	if err := c.check(a, b); err != nil {
		return Estimate{}, failed(op, name, err)
	}
	labels, err := c.plan(from, to, c.now())
	if err != nil {
		return Estimate{}, failed(op, name, err)
	}
	keys := append(c.keys(a, labels), c.keys(b, labels)...)
	var ofA, ofB hll.Union
	err = c.sketches(ctx, len(keys), func(i int) string { return keys[i] }, func(i int, sketch []byte) error {
		if i < len(labels) {
			return ofA.Add(sketch)
		}
		return ofB.Add(sketch)
	})
	if err != nil {
		return Estimate{}, failed(op, name, err)
	}
	nA, nB := ofA.Count(), ofB.Count()
	ofA.Merge(&ofB)
	return overlap(nA, nB, ofA.Count()), nil
}

// overlap computes the estimate from the numbers of two sets and their union.
func overlap(a, b, union int64) Estimate {
	if a == 0 || b == 0 {
		return Estimate{Reliable: true}
	}
	e := Estimate{Count: min(max(a+b-union, 0), a, b)}
	// The three errors are taken for independent of one another. They are not: they are alike, so that this is on the
	// safe side.
	off := 2 * standardError * math.Sqrt(float64(a)*float64(a)+float64(b)*float64(b)+float64(union)*float64(union))
	e.Error = int64(math.Ceil(off))
	e.Reliable = e.Error <= e.Count/4
	return e
}
