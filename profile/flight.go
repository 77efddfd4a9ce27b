package profile

import (
	"context"
	"sync"
	"time"
)

// flight is a load that is under way in this process.
type flight struct {
	key    flightKey
	began  time.Time
	loaded chan struct{} // closed when hash, meta and err are there
	done   chan struct{} // closed when that is stored, too
	void   bool          // nothing is loaded under this lease; look again
	lost   bool          // what was loaded was not stored

	hash hash
	meta meta
	err  error
}

// flightKey tells loads apart: by the token of their lease, so that a reader joins only the load whose lease it has just
// read. Loads without a lease, while Redis is out of reach, have no token.
type flightKey struct{ id, token string }

// wait waits for the end of the load, or of the context.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer waits as wait does, but while only the storing is left, for no more than half of what is left of the context: Redis
// may hang, and what was loaded is there.
func (f *flight) answer(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-f.loaded:
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return f.wait(ctx)
	}
	enough := time.NewTimer(time.Until(deadline) / 2)
	defer enough.Stop()
	select {
	case <-f.done:
		return nil
	case <-enough.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flights are the loads under way.
type flights struct {
	mu         sync.Mutex
	running    map[flightKey]*flight
	refreshing map[string]bool
	watches    map[watchKey]*watch
}

// open returns the flight of that key, and whether it is a new one. One that has been under way for longer than a lease lasts
// is left to those who wait for it.
func (fs *flights) open(key flightKey, longest time.Duration) (f *flight, mine bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	now := time.Now()
	if f, ok := fs.running[key]; ok && now.Sub(f.began) <= longest {
		return f, false
	}
	if fs.running == nil {
		fs.running = map[flightKey]*flight{}
	}
	f = &flight{key: key, began: now, loaded: make(chan struct{}), done: make(chan struct{})}
	fs.running[key] = f
	return f, true
}

func (fs *flights) find(key flightKey) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.running[key]
}

// cancel ends a flight under which nothing will be loaded. Whoever joined it, having read its token, looks again.
func (fs *flights) cancel(f *flight) {
	fs.forget(f)
	f.void = true
	close(f.done)
}

// forget takes flights out, so that nobody joins them any more.
func (fs *flights) forget(all ...*flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range all {
		if fs.running[f.key] == f {
			delete(fs.running, f.key)
		}
	}
}

// changed keeps later readers from joining a load without a lease that began before the object changed.
func (fs *flights) changed(ids ...string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, id := range ids {
		delete(fs.running, flightKey{id: id})
	}
}

// refresh says whether the caller may refresh the id; the end is told by refreshed.
func (fs *flights) refresh(id string) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.refreshing[id] {
		return false
	}
	if fs.refreshing == nil {
		fs.refreshing = map[string]bool{}
	}
	fs.refreshing[id] = true
	return true
}

func (fs *flights) refreshed(id string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.refreshing, id)
}
