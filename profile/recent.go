package profile

import (
	"sync"
	"time"
)

// ownWrites is for how long reads pass by a client-side cache after a write.
const ownWrites = 2 * time.Second

// recent remembers what this Store wrote a moment ago.
type recent struct {
	mu     sync.Mutex
	until  map[string]time.Time
	pruned time.Time
}

func (r *recent) wrote(key string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[string]time.Time{}
	}
	if now.Sub(r.pruned) > ownWrites { // so it never holds more than the writes of two spans
		for k, until := range r.until {
			if now.After(until) {
				delete(r.until, k)
			}
		}
		r.pruned = now
	}
	r.until[key] = now.Add(ownWrites)
}

func (r *recent) has(key string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[key]
	return ok && now.Before(until)
}

// wrote marks the key before and after a write, as its effect falls between.
func (s *Store[T]) wrote(keys ...string) {
	if !s.opts.ReadYourWrites {
		return
	}
	now := time.Now()
	for _, key := range keys {
		s.recent.wrote(key, now)
	}
}
