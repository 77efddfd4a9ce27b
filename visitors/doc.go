// Package visitors counts unique visitors: how many different people saw a page today, in the last 30 days or between
// two dates, and how many saw any of several pages, or both of two. A page with a million visitors a day takes 12 KiB a
// day.
//
// Use it for audience figures of anything that has an id: pages, articles, videos, campaigns. Do not use it where a
// figure has to be exact (bills, votes), where visitors have to be removed again, or to find out who they were: the
// sketches only know how many. Package checkin knows who was active, by numeric ids.
//
//	c, err := visitors.New(rdb, visitors.Options{
//		Buckets: []calendar.Period{calendar.Daily, calendar.Monthly},
//	})
//	if err != nil {
//		return err
//	}
//	err = c.Track(ctx, "home", userID)               // in each request: one round trip
//	today, err := c.Today(ctx, "home")
//	month, err := c.LastDays(ctx, "home", 30)        // each visitor once, however often they came
//	both, err := c.Union(ctx, []string{"home", "prices"}, from, to)
//
// Figures are estimates with a standard error of 0.81 %: about 68 of a hundred are off by less than that, 95 by less
// than twice that. Small ones are nearly always exact: up to a hundred visitors, a figure is seldom off by more than
// one. The same visitors always give the same figure, which is the number that PFCOUNT gives, wherever it is computed.
//
// # Buckets and windows
//
// A visit is written to one sketch for each bucket: its day and, if [Options] says so, its hour, week, month and year.
// A window is counted from the fewest buckets that make it up: a quarter from three months, not ninety days; 29 April
// to 2 June from two days, a month and two more days. Windows begin and end where buckets do. The union of sketches
// counts each visitor once.
//
// # Keys
//
//	[<namespace>:]visitors:{<page>}:<bucket>    string   one HyperLogLog a page and bucket
//
// The bucket is what [calendar.Period.Label] says: "2026-11-22", "2026-11-22T13:00Z", "2026-W47", "2026-11", "2026" or
// "all". A key takes up to 12,304 bytes; with few visitors much less, about 2 bytes a visitor and 20 in all to begin
// with. Pages may hold any bytes: "%" and "}" are written as %25 and %7D, so that the page is the hash tag whatever it
// holds. Visitors are handed to PFADD as they are, so that redis-cli counts the same numbers.
//
// # Time
//
// Buckets follow the civil calendar of [Options.Location], with hours cut at the wall clock's full hours. A day of 23
// or 25 hours is one bucket. Each key expires at the end of its bucket plus [Options.Keep], and is never without that
// expiry, since one script or transaction adds and sets it. A late visit is counted in the buckets of its own time that
// are still kept. A window that reaches back further than what is kept is [ErrRetention], not a smaller number; a
// bucket counts as gone from a minute before it expires, so that clocks that differ cannot make it vanish from a
// figure.
//
// # Errors
//
// [ErrWrongType], [ErrCorrupt], [ErrRetention], [ErrRange], [ErrNoBucket] and [ErrEmpty] are to be matched with
// errors.Is, as are errors of contexts, connections and Redis. Counting a visit twice changes nothing, so Track can
// simply be called again after any error; a call whose reply is lost is repeated silently.
//
// # Cluster
//
// All keys of a page are in one slot. Windows of one page are counted by Redis (PFCOUNT). For several pages, the
// sketches are fetched and merged in the client, which gives exactly the same number and costs Redis next to nothing.
// The same is done where Redis refuses PFCOUNT (a slot that is being moved, a replica or a user that may only GET).
// Reads write nothing, apart from the cached count that Redis itself keeps in a sketch when it is asked for one alone.
package visitors
