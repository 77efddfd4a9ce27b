package monitor

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// EventKind says what happened.
type EventKind string

// The kinds of events. An alert that fires or resolves is one event, whatever its rule's Repeat.
const (
	EventFired     EventKind = "fired"
	EventResolved  EventKind = "resolved"
	EventRestarted EventKind = "restarted" // the server at the address is a new process
	EventFailover  EventKind = "failover"  // a replica was promoted, or another server answers under the address
	EventNodeLost  EventKind = "node_lost" // does not answer any more, or is no longer part of the cluster
	EventNodeBack  EventKind = "node_back" // answers again
)

// Event is one change, told once.
type Event struct {
	Kind   EventKind `json:"kind"`
	At     time.Time `json:"at"`
	Node   string    `json:"node"`
	Alert  *Alert    `json:"alert,omitempty"` // of EventFired and EventResolved
	Detail string    `json:"detail"`
}

// subscribers calls functions with events, in the order of their subscription.
type subscribers struct {
	mu  sync.Mutex
	fns []*func(Event)
}

func (s *subscribers) add(fn func(Event)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fns = append(s.fns, &fn)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fns = slices.DeleteFunc(slices.Clone(s.fns), func(p *func(Event)) bool { return p == &fn })
	}
}

// tell calls them without the lock, so that a subscriber may cancel itself. A panic is reported and stops nobody.
func (s *subscribers) tell(e Event, report func(error)) {
	s.mu.Lock()
	fns := s.fns
	s.mu.Unlock()
	for _, fn := range fns {
		func() {
			defer func() {
				if p := recover(); p != nil {
					report(fmt.Errorf("monitor: a subscriber panicked: %v", p))
				}
			}()
			(*fn)(e)
		}()
	}
}
