package redistest

import "go.uber.org/goleak"

// LeakOptions makes goleak overlook the goroutines of this package that live as long as the servers: the one that starts them and
// the ones that wait for their end.
//
//	defer goleak.VerifyNone(t, redistest.LeakOptions()...)
//
// The clients that a test got from an [Env] are closed after its own cleanups; goleak called before that sees theirs.
func LeakOptions() []goleak.Option {
	const pkg = "github.com/larder-go/larder/internal/redistest."
	return []goleak.Option{goleak.IgnoreAnyFunction(pkg + "spawn"), goleak.IgnoreAnyFunction(pkg + "reap")}
}
