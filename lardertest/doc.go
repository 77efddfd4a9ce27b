// Package lardertest is what the unit tests of your service import: a Redis in the test's own process, and a clock
// that the test moves. Nothing is installed, no port is opened, nothing sleeps.
//
// Use [Run] wherever time matters: an expiry, a streak, a window, a lease, a retry. It runs the test in a
// testing/synctest bubble, where time.Sleep moves the expiry of keys and the time.Now of your service together, and takes no time:
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
// Use [New] in other tests, and [Start] in Examples and programs. For a client with other options of the same Redis,
// copy the client's: redis.NewClient(&opts) with opts := *rdb.Options(), or rdb.AutoPipeline().
//
// Do not use it to prove what only a server can: speed, memory, eviction, replication, the slots of a cluster. The Redis
// is miniredis, which is Redis enough for every package of Larder, with these differences mended here:
//
//   - time: keys expire as the clock goes on, not only when told to;
//   - HyperLogLogs: PFADD, PFCOUNT and PFMERGE answer with a real server's numbers, also in MULTI and in scripts, and
//     sketches are strings, so that GET, STRLEN, DUMP and SET work on them;
//   - INFO, where a test wants one: [SetInfo];
//   - pipelines of any length, which a net.Pipe would block;
//   - [SetFaults]: commands that fail, are lost, or hang.
//
// # Keys
//
// Each client of Run, New and Start has an empty Redis of its own. Nothing is shared, and nothing needs to be deleted.
//
// # Time
//
// In Run the clock is the bubble's, which begins on 2000-01-01 at midnight UTC and only goes on when every goroutine of
// the bubble waits. Everywhere else it is the machine's.
//
// # Errors
//
// What is refused is refused in the words of Redis. A key of another type under a HyperLogLog command answers WRONGTYPE, a damaged
// sketch INVALIDOBJ. SetInfo and SetFaults fail for a client that is not of this package.
//
// # Cluster
//
// There is one node, and it does not mind keys of several slots in one command: only a real cluster does.
package lardertest
