package profile

import (
	"context"
	"math"
	"time"
)

// due is XFetch: whether a value that took cost to load and expires at expiry is to be loaded anew now, by the chance r from
// 0 (always) to 1. See Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention.
func due(now, expiry time.Time, cost time.Duration, beta, r float64) bool {
	ahead := -float64(cost) * beta * math.Log(r)
	return float64(expiry.Sub(now)) <= ahead
}

// maybeRefresh loads a value anew in the background, if its time has come. It takes a lease as a miss does, so one process
// does it, and an Invalidate in between counts.
func (s *Store[T]) maybeRefresh(ctx context.Context, id, key string, j *judged[T]) {
	if s.opts.RefreshAhead == 0 || j.verdict != value {
		return
	}
	now := time.Now()
	cost := time.Duration(j.meta.cost) * time.Microsecond
	if !due(now, time.UnixMilli(j.meta.expiry), cost, s.opts.RefreshAhead, random()) || s.held(j, now) || !s.flights.refresh(id) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	seen := j.metaText
	go func() {
		defer s.flights.refreshed(id)
		t := s.newTaking(id, key, "")
		taken, _, _, err := s.take(ctx, &t, seen)
		if err != nil {
			s.opts.Hooks.error("refresh", id, err)
		}
		if !taken { // without a lease nothing could be stored
			s.flights.cancel(t.flight)
			return
		}
		s.opts.Hooks.refresh(id)
		s.run(ctx, []*flight{t.flight})
		if t.flight.err != nil {
			s.opts.Hooks.error("refresh", id, t.flight.err)
		}
	}()
}
