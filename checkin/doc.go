// Package checkin keeps daily check-ins: streaks, calendars and milestones that are right across months, years, leap
// days and time zones, in one round trip and 136 bytes for each user and year. It also keeps who was active on which
// day, for daily, weekly and monthly active users, retention and cohorts.
//
//	tracker, err := checkin.New(rdb, checkin.Options{Milestones: []int{3, 7, 30}})
//	if err != nil {
//		return err
//	}
//	r, err := tracker.CheckIn(ctx, "user:42")
//	if err != nil {
//		return err
//	}
//	fmt.Println(r.New, r.Stats.Current, r.Reached) // true 7 [7]
//
// A [Tracker] answers questions about one user: [Tracker.Stats], [Tracker.Month], [Tracker.Year], [Tracker.Range], and
// takes corrections: [Tracker.Backfill], [Tracker.Undo], [Tracker.Forget]. A [Calendar] prints itself like the program
// cal and draws itself as a heat map. An [Activity] answers questions about all users: [Activity.Count],
// [Activity.Every], [Activity.Retention], [Activity.Cohorts], [Activity.Members]. Its users are numbers, which [IDs]
// gives to names. The two are independent: a service that needs both writes both.
//
// Do not use it for events that happen more than once a day, or to know when within a day: a day is one bit. Do not use
// it to count visitors without an account, where an error of a percent is acceptable: package visitors does that in 12
// KB for each page and day. An [Activity] is exact, and takes a bit for each user and day. Its ids should be dense:
// those that are hashes or snowflakes cost up to 8 KB each.
//
// # Keys
//
//	[<namespace>:]checkin:{<user>}:<year>        string   bit = day of the year - 1, 136 bytes
//	[<namespace>:]activity:{<segment>}:<day>     string   bit = id mod 65,536; segment = id / 65,536
//	[<namespace>:]activity:{<day>}:segments      string   bit = a segment that the day has
//	[<namespace>:]ids:{names}:map                hash     "=name" holds its number, "#number" its name
//
// They are plain bitmaps, which other languages can read: GETBIT checkin:{42}:2026 0 is January 1. In users, "%" is
// written as %25 and "}" as %7D.
//
// # Time
//
// Days are those of the wall clock in Options.Location. A day begins when that clock shows Options.DayStart.
// [Tracker.In] is the same tracker for a user in another zone. Days of 23 and of 25 hours are days, a day that never
// existed, such as 2011-12-30 in Apia, breaks no streak, and no day is ever found by adding 24 hours. Each method that
// needs the time has a form that takes it as an argument, such as [Tracker.CheckInAt]; scripts never ask the server for
// it. Times are of the years 1900 to 2199.
//
// A year expires Options.Keep after its end, at a moment that is set with every new day, in the same script. By the time
// that a call is given, a year is over at that moment even if it is still there. Streaks go back to the oldest
// year that is kept, at most a hundred years: Stats.Truncated says that there may have been more.
//
// # Errors
//
// [ErrEmpty], [ErrInvalidDay], [ErrRange], [ErrFuture] and [ErrTooOld] are about arguments, and come before anything is
// sent; only a year that is over by the clock of the server alone is found out there. A day that does not exist is said to
// be that, also where it is in the future or too old. [ErrWrongType] says that a key holds something that is not ours; it
// is left as it was, and nothing else is changed. [ErrOutcomeUnknown] says that a change was sent, once, and never
// answered: check in again, and the streak is right.
// Reads, and [Activity.Mark] and [Activity.Unmark], which can be repeated, are.
//
// # Cluster
//
// All years of a user are in one slot. While that slot moves to another node, and has keys on both, a script of several
// keys is refused (TRYAGAIN): the years are then read one by one, before the day is set, so that a streak over a new
// year may miss what others change at that moment. New is right all the same. The segments of an Activity are spread
// over the nodes, and counted here: nothing temporary is stored, and no command reads more than 8 KB.
package checkin
