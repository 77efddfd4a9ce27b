// Package redistest runs tests against real Redis servers: processes of redis-server that it starts, breaks and stops.
//
//	func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }
//
//	func TestSet(t *testing.T) {
//		redistest.Each(t, func(t *testing.T, e redistest.Env) {
//			key := e.Namespace + ":{" + e.ID("ann") + "}"
//			...
//		})
//	}
//
// [Each] and [On] run a test on every kind of server and client. Their servers are started when first asked for, shared
// by all tests of a test binary, and stopped by [Main]; a test that breaks servers takes its own from [NewServer],
// [NewReplica], [NewSentinels] or [NewCluster]. Everything listens on loopback and unix sockets only, writes to a
// temporary folder only, and ends with the test process, on Linux even if that is killed.
//
// REDIS_SERVER names the redis-server to use; by default it is looked for on the PATH. Without one, the tests that need
// it are skipped, or fail if LARDER_REQUIRE_REDIS is 1.
package redistest
