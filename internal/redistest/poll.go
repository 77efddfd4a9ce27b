package redistest

import (
	"testing"
	"time"
)

// PollFor is how long Poll waits: much longer than anything takes on a machine that is at rest.
const PollFor = 60 * time.Second

// Poll asks cond again and again until it is true, and fails the test with what was waited for after [PollFor].
func Poll(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	deadline := time.Now().Add(PollFor)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if cond() {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("redistest: waited %v in vain for: %s", PollFor, what)
		}
		time.Sleep(pause)
	}
}
