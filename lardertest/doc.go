// Package lardertest is what the unit tests of your service import: a Redis in the test's own process, and a clock
// that the test moves. Nothing is installed, no port is opened, nothing sleeps.
//
// Use [Run] wherever time matters: expiries, streaks, windows, leases, retries. It runs the test in a testing/synctest
// bubble, where time.Sleep takes no time, and moves the expiry of keys and the time.Now of your service together:
//
//	func TestStreakBreaks(t *testing.T) {
//		lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
//			days, err := checkin.New(rdb, checkin.Options{})
//			...
//			time.Sleep(48 * time.Hour)
//			...
//		})
//	}
//
// Use [New] in other tests, and [Start] in Examples and programs. For another client of the same Redis, copy the
// options of the first one (opts := *rdb.Options(), then redis.NewClient(&opts)), or call rdb.AutoPipeline().
//
// Do not use it to prove what only a real server can show: speed, memory, eviction, replication, the slots of a
// cluster. The Redis is miniredis, which is enough for every package of Larder, with these differences:
//
//   - keys expire as the clock goes on, not only when told to;
//   - PFADD, PFCOUNT and PFMERGE give a real server's numbers, also in MULTI and in scripts, and HyperLogLogs are
//     strings, so that GET, STRLEN, DUMP and SET work on them;
//   - INFO answers as a real server does, once a test calls [SetInfo];
//   - pipelines may have any length;
//   - with [SetFaults], commands fail, lose their replies, or hang.
//
// # Keys
//
// Each call of Run, New and Start makes an empty Redis of its own. Nothing is shared, and nothing has to be deleted.
//
// # Time
//
// In Run the clock is the bubble's: it begins at midnight UTC on 2000-01-01, and only goes on when every goroutine of
// the bubble waits. Everywhere else it is the machine's.
//
// # Errors
//
// Errors are in the words of Redis. A key of another type under a HyperLogLog command answers WRONGTYPE, a damaged
// sketch INVALIDOBJ. SetInfo and SetFaults fail for a client that is not of this package.
//
// # Cluster
//
// There is one node, which takes keys of several slots in one command: only a real cluster refuses that.
package lardertest
