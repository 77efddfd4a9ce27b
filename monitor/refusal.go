package monitor

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// replied tells whether a server answered with an error, in contrast to not answering.
func replied(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// refused tells whether a server will go on refusing the command: the user may not, or the server does not know it. It
// returns "" for what passes, such as LOADING.
func refused(err error) string {
	if !replied(err) || errors.Is(err, redis.Nil) {
		return ""
	}
	text := err.Error()
	if strings.HasPrefix(text, "NOPERM") {
		return "denied"
	}
	if strings.HasPrefix(text, "ERR max number of clients") || slices.ContainsFunc(passing, func(code string) bool { return strings.HasPrefix(text, code) }) {
		return ""
	}
	// Managed services word it in many ways. What a server says of INFO or CONFIG GET in other words, it says again.
	return "unknown"
}

// passing are the codes of what a server refuses for a while.
var passing = []string{
	"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "NOAUTH", "WRONGPASS", "OOM", "READONLY", "MISCONF",
	"NOREPLICAS", "UNBLOCKED", "EXECABORT",
}

// ability is what is known of a node from one sample to the next.
type ability struct {
	mu       sync.Mutex
	runID    string
	refused  map[string]Unavailable
	asked    bool // once at least
	cluster  bool
	config   map[string]string
	configAt time.Time
	rates    []sample // for Rates: a few, at least a quarter of an Interval apart
}

func (a *ability) may(command string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, no := a.refused[command]
	return !no
}

// note records an answer to a command, and tells whether it is an answer at all.
func (a *ability) note(command string, err error) {
	reason := refused(err)
	if reason == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused == nil {
		a.refused = map[string]Unavailable{}
	}
	a.refused[command] = Unavailable{Command: command, Reason: reason, Detail: err.Error()}
}

// restarted forgets what another process refused.
func (a *ability) restarted(runID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if runID == "" || a.runID == runID {
		return
	}
	if a.runID != "" {
		a.refused, a.config, a.configAt = nil, nil, time.Time{}
	}
	a.runID = runID
}
