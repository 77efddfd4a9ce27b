package profile

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/larder-go/larder/internal/once"
)

// taking is the attempt to take a lease. Its flight is open before the lease is asked for, so that whoever reads the token
// finds it.
type taking struct {
	id, key string
	flight  *flight
	lost    string // an earlier token whose fate is not known
}

func (s *Store[T]) newTaking(id, key, lost string) taking {
	f, _ := s.flights.open(flightKey{id: id, token: token()})
	return taking{id: id, key: key, flight: f, lost: lost}
}

func (s *Store[T]) leaseArgs(t *taking, seen string, now time.Time) []any {
	length := s.leaseTime()
	return []any{
		t.flight.key.token, strconv.FormatInt(milli(now), 10), strconv.FormatInt(length.Milliseconds(), 10),
		strconv.FormatInt(milli(now.Add(length)), 10), seen, t.lost, s.ttlText(),
	}
}

// leaseReply reads what lua/lease.lua returned.
func leaseReply(reply any) (taken bool, holder string, changed hash, err error) {
	list, ok := reply.([]any)
	if !ok || len(list) == 0 {
		return false, "", nil, errReply
	}
	switch list[0] {
	case "taken":
		return true, "", nil, nil
	case "held":
		if len(list) == 2 {
			if holder, ok := list[1].(string); ok {
				return false, holder, nil, nil
			}
		}
	case "changed":
		changed, err := pairs(list[1:])
		return false, "", changed, err
	}
	return false, "", nil, errReply
}

// standing is how a reader of what is not cached stands to the load of it.
type standing int

const (
	joined  standing = iota // it waits for a flight
	waiting                 // another process holds the lease
	changed                 // the object is another by now
)

// join gets a reader of what is not cached into a load: the one whose lease it has read, or a new one. Where another
// process holds the lease, j names it; where the object has changed since, j is what it is now.
func (s *Store[T]) join(ctx context.Context, id, key string, j *judged[T], w *waits) (*flight, standing, error) {
	if s.held(j, time.Now()) && !w.over(j.lease.token, s.leaseTime()) {
		f, how := s.holder(id, j.lease.token)
		return f, how, nil
	}
	lost := ""
	for try := 0; ; try++ {
		t := s.newTaking(id, key, lost)
		taken, holder, now, err := s.take(ctx, &t, j.metaText)
		if err != nil {
			s.flights.cancel(t.flight)
			if try == 0 && once.IsUnknown(err) && ctx.Err() == nil {
				// The token may be taken by a copy that is still under way, even after an Invalidate: nothing is
				// loaded under it. Another one takes its place.
				lost = t.flight.key.token
				s.opts.Hooks.error("lease", id, err)
				continue
			}
			return nil, joined, s.replied(err)
		}
		if taken {
			s.start(ctx, []*flight{t.flight})
			return t.flight, joined, nil
		}
		s.flights.cancel(t.flight)
		if holder != "" {
			j.lease.token = holder
			f, how := s.holder(id, holder)
			return f, how, nil
		}
		*j = s.judge(now, time.Now())
		return nil, changed, nil
	}
}

func (s *Store[T]) holder(id, token string) (*flight, standing) {
	if f := s.flights.find(flightKey{id: id, token: token}); f != nil {
		return f, joined
	}
	return nil, waiting
}

// take asks for the lease once. Behind an abandoned call whose answer comes late the lease is given back.
func (s *Store[T]) take(ctx context.Context, t *taking, seen string) (taken bool, holder string, changed hash, err error) {
	began := time.Now()
	if err := s.allow(ctx, t.id, t.key); err != nil {
		return false, "", nil, err
	}
	late := func(reply any, err error) {
		if err == nil {
			if taken, _, _, _ := leaseReply(reply); taken {
				s.release(context.WithoutCancel(ctx), t.id, t.key, t.flight.key.token)
			}
		}
	}
	reply, err := bounded(ctx, s.opts.RedisTimeout, s.direct, late, func(ctx context.Context) (any, error) {
		return leaseScript.Run(ctx, s.rdb, []string{t.key}, s.leaseArgs(t, seen, began)...)
	})
	s.observe(ctx, t.key, began, err)
	if err != nil {
		return false, "", nil, err
	}
	return leaseReply(reply)
}

// release gives a lease back, so that the next caller need not wait for its end.
func (s *Store[T]) release(ctx context.Context, id, key, token string) {
	began := time.Now()
	if err := s.allow(ctx, id, key); err != nil {
		return // it runs out by itself
	}
	_, err := bounded(ctx, s.opts.RedisTimeout, s.direct, nil, func(ctx context.Context) (any, error) {
		return releaseScript.Run(ctx, s.rdb, []string{key}, token)
	})
	s.observe(ctx, key, began, err)
	if err != nil {
		s.opts.Hooks.error("release", id, err)
	}
}

// waits are the growing pauses between two looks at what another process is loading.
type waits struct {
	next   time.Duration
	holder string // for whom it waits, and since when
	since  time.Time
}

func newWaits() waits { return waits{next: 2 * time.Millisecond} }

// over says whether the reader has waited for that holder for longer than a lease lasts. What it reads may deceive it then
// (some fields of a hash do not tell whether the lease is alone), and the script that takes leases is asked.
func (w *waits) over(holder string, length time.Duration) bool {
	return w.holder == holder && time.Since(w.since) > length
}

func (w *waits) pause(ctx context.Context) error {
	d := w.next/2 + rand.N(w.next) //nolint:gosec // no secret: it keeps the waiters apart
	w.next = min(w.next*3/2, 50*time.Millisecond)
	return once.Sleep(ctx, d)
}

// awaitHolder waits until the lease that j names is no longer there, or something else is. Errors of Redis end the wait,
// too: the next read sees to them.
func (s *Store[T]) awaitHolder(ctx context.Context, key string, j *judged[T], w *waits) error {
	holder := j.lease.token
	if w.holder != holder {
		w.holder, w.since = holder, time.Now()
	}
	for {
		if err := w.pause(ctx); err != nil {
			return err
		}
		if w.over(holder, s.leaseTime()) {
			return nil
		}
		got, err := bounded(ctx, s.opts.RedisTimeout, s.direct, nil, func(ctx context.Context) ([]any, error) {
			return s.rdb.HMGet(ctx, key, metaField, leaseField).Result()
		})
		if err != nil || len(got) != 2 {
			return ctx.Err()
		}
		metaText, _ := got[0].(string)
		leaseText, _ := got[1].(string)
		l := parseLease(leaseText)
		if metaText != j.metaText || l.token != holder || !j.alone && metaText != "" && l.deadline <= milli(time.Now()) {
			return nil
		}
	}
}
