package profile

import (
	"sync"
	"time"
)

// ownWrites is for how long reads pass by a client-side cache after a write.
const ownWrites = 2 * time.Second

// recent remembers for a span of time what this Store did: what it wrote, and which leases it may have taken.
type recent struct {
	mu     sync.Mutex
	until  map[string]time.Time
	pruned time.Time
}

func (r *recent) add(key string, now time.Time, span time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[string]time.Time{}
	}
	if now.Sub(r.pruned) > span { // so it never holds more than those of two spans
		for k, until := range r.until {
			if now.After(until) {
				delete(r.until, k)
			}
		}
		r.pruned = now
	}
	r.until[key] = now.Add(span)
}

func (r *recent) has(key string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[key]
	return ok && now.Before(until)
}

func (r *recent) remove(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.until, key)
}

// wrote marks the key before and after a write, as its effect falls between.
func (s *Store[T]) wrote(keys ...string) {
	if !s.opts.ReadYourWrites {
		return
	}
	now := time.Now()
	for _, key := range keys {
		s.recent.add(key, now, ownWrites)
	}
}
