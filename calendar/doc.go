// Package calendar answers what a cache key asks of a clock: which day it is for this user, when that day ends, and
// what this week, month or hour is called.
//
// Use it wherever a moment falls into a bucket of somebody's calendar: the board of a week, the check-in of a day, the
// visitors of an hour. Do not use it to measure how long something took, or to add hours to a moment: package time does
// that.
//
//	loc, err := time.LoadLocation("Asia/Kathmandu")
//	if err != nil {
//		return err
//	}
//	now := time.Now()
//	today := calendar.Of(now, loc)
//	fmt.Println(today)                           // 2026-11-22
//	fmt.Println(today.Add(-1))                   // yesterday, however many hours it had
//	fmt.Println(calendar.Weekly.Label(now, loc)) // 2026-W47, for a key
//	fmt.Println(calendar.Weekly.End(now, loc))   // the first instant of next Monday in Nepal, when the key expires
//
// A [Day] is a date and nothing else. A [Period] cuts the line of time into buckets, one after the other, without a
// hole and without an overlap: the bucket of t is all moments from [Period.Start] up to, not including,
// [Period.End], and [Period.Label] is its name.
//
// # Time
//
// Every function takes the moment and the [time.Location] as arguments. None looks at the machine's clock or at
// its zone. A nil location is UTC. Days are never counted in hours: they have 23, 24 or 25 of them, 24 and a half on
// Lord Howe Island, and none at all where a country crosses the date line (Apia, 2011-12-30).
//
// A day starts at the first instant at which a wall clock of the place shows that date or a later one. So
//
//   - where midnight does not exist, the day starts when the clock is set forward, at 01:00 for instance;
//   - where midnight comes twice, the day starts at the first one;
//   - a day that never existed is empty, and starts when the day after it starts;
//   - where the clock is set back to before midnight after midnight was seen (St. John's until 2011, from 00:01 to
//     23:01), the new day goes on. For those 59 minutes [Of] says what the wall clock says, the old day, and a Period
//     says the new one: a bucket never comes back.
//
// Hours are those of the wall clock, too, so that they fit into the days: in Kathmandu, 5:45 ahead of UTC, they begin
// at a quarter past by UTC. They are named by their first instant in UTC, so that the two hours from 01:00 to 02:00 of
// the night in which the clock is set back have two names. Where the offset changes in the middle of an hour, the
// hour is cut there.
//
// # Keys
//
// Labels are stable: they are part of keys that outlive a deployment. They are "all", "2026", "2026-11", "2026-W47",
// "2026-11-22" and "2026-11-22T13:00Z". Labels of one period sort by time, for the years 0 to 9999.
//
// # Errors
//
// Only reading and writing text can fail, with an error that matches [ErrInvalidDay]. Nothing panics.
//
// # Cluster
//
// Nothing here talks to Redis. All functions and values are safe for concurrent use.
package calendar
