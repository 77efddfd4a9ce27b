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
	ping     Latency  // the last round trip that was timed
	swift    bool     // it answered at once the last time
	slow     []SlowEntry
	slowNews bool // there was something new in it the last time, or nothing is known of it
}

func (a *ability) isSwift() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.swift
}

// took notes how long the node was asked for.
func (a *ability) took(d time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.swift = err == nil && d < swift
}

func (a *ability) lastPing() Latency {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ping
}

func (a *ability) pinged(l Latency) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ping = l
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
		a.refused, a.config, a.configAt, a.slow, a.ping = nil, nil, time.Time{}, nil, Latency{}
	}
	a.runID = runID
}

// slowEntries is how many entries of the slow log to ask for: a log without news is not read again and again.
func (a *ability) slowEntries() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.slow) > 0 && !a.slowNews {
		return 1
	}
	return slowlogLength
}

// slowlog takes in a reply to so many asked for, and returns the log as far as that is known with it, and whether it is.
func (a *ability) slowlog(log []SlowEntry, asked int) (kept []SlowEntry, whole bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	same := len(log) > 0 && len(a.slow) > 0 && log[0].ID == a.slow[0].ID && log[0].At.Equal(a.slow[0].At) && log[0].Duration == a.slow[0].Duration
	if same {
		a.slowNews = false
		return a.slow, true
	}
	if asked > 1 || len(log) == 0 {
		a.slow, a.slowNews = log, true
		return log, true
	}
	return nil, false
}

func (a *ability) keepSlowlog(log []SlowEntry) []SlowEntry {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.slow, a.slowNews = log, true
	return log
}
