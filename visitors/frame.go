package visitors

import (
	"strconv"
	"time"
)

// frame is what all visits of one stretch of time have in common, from where the last of their buckets begins to where
// the first one ends. The counter keeps the latest: the next visit is nearly always of the same hour or day.
type frame struct {
	from, to time.Time
	labels   []string
	expires  []time.Time // zero: never
	expiries []string    // the same in milliseconds, as the scripts take them; "": never
}

// frame returns the frame of a moment.
func (c *Counter) frame(at time.Time) *frame {
	if f := c.latest.Load(); f != nil && !at.Before(f.from) && at.Before(f.to) {
		return f
	}
	n := len(c.buckets)
	f := &frame{labels: make([]string, n), expires: make([]time.Time, n), expiries: make([]string, n)}
	for i, b := range c.buckets {
		start, end := b.Start(at, c.loc), b.End(at, c.loc)
		f.labels[i] = b.Label(at, c.loc)
		if when, ever := b.expiry(end); ever {
			f.expires[i], f.expiries[i] = when, strconv.FormatInt(when.UnixMilli(), 10)
		}
		if i == 0 || start.After(f.from) {
			f.from = start
		}
		if !end.IsZero() && (f.to.IsZero() || end.Before(f.to)) { // AllTime has no end
			f.to = end
		}
	}
	c.latest.Store(f)
	return f
}

// visit is where the visitors of a page at one moment go.
type visit struct {
	keys     []string
	expiries []string // in milliseconds; "": never
}

// visit returns the keys of those buckets of a moment that are still kept, and their expiries.
func (c *Counter) visit(page string, at, now time.Time) visit {
	f := c.frame(at)
	page = escape.Replace(page)
	v := visit{keys: make([]string, 0, len(f.labels)), expiries: f.expiries}
	for i, label := range f.labels {
		if when := f.expires[i]; when.IsZero() || now.Before(when) {
			v.keys = append(v.keys, c.lead+page+"}:"+label)
		}
	}
	if len(v.keys) < len(f.labels) {
		v.expiries = nil
		for i, when := range f.expires {
			if when.IsZero() || now.Before(when) {
				v.expiries = append(v.expiries, f.expiries[i])
			}
		}
	}
	return v
}
