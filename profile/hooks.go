package profile

import "time"

// Hooks let the caller see what a Store does: each is called where it happens, by any goroutine, so it must be fast and
// safe for concurrent use. Nil ones are not called.
type Hooks struct {
	Hit       func(id string)                                // a value was served from the cache
	Miss      func(id string)                                // a read found nothing that it could serve
	Negative  func(id string)                                // the cache remembered that there is no such object
	Stale     func(id string, err error)                     // an expired value was served because the loader failed with err
	Load      func(id string, took time.Duration, err error) // the loader was called for the id and has returned
	Refresh   func(id string)                                // a value is loaded anew although it has not expired
	LeaseLost func(id string)                                // what was loaded was not stored: the object changed, or the lease ran out
	// Error sees every error that a caller does not get to see, and why Redis was not asked. Op is "read", "lease",
	// "fill", "release", "decode", "refresh" or "probe".
	Error func(op, id string, err error)
}

func (h *Hooks) hit(id string) {
	if h.Hit != nil {
		h.Hit(id)
	}
}

func (h *Hooks) miss(id string) {
	if h.Miss != nil {
		h.Miss(id)
	}
}

func (h *Hooks) negative(id string) {
	if h.Negative != nil {
		h.Negative(id)
	}
}

func (h *Hooks) stale(id string, err error) {
	if h.Stale != nil {
		h.Stale(id, err)
	}
}

func (h *Hooks) load(id string, took time.Duration, err error) {
	if h.Load != nil {
		h.Load(id, took, err)
	}
}

func (h *Hooks) refresh(id string) {
	if h.Refresh != nil {
		h.Refresh(id)
	}
}

func (h *Hooks) leaseLost(id string) {
	if h.LeaseLost != nil {
		h.LeaseLost(id)
	}
}

func (h *Hooks) error(op, id string, err error) {
	if h.Error != nil {
		h.Error(op, id, err)
	}
}
