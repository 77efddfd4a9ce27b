package main

import (
	"slices"
	"sync"

	"github.com/larder-go/larder/monitor"
)

// recentLength is how many events are shown: what resolved while nobody looked is among them.
const recentLength = 5

// recentEvents keeps the newest events.
type recentEvents struct {
	mu     sync.Mutex
	events []monitor.Event // newest first
}

func (r *recentEvents) add(e monitor.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = slices.Insert(r.events, 0, e)
	r.events = r.events[:min(len(r.events), recentLength)]
}

func (r *recentEvents) list() []monitor.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}
