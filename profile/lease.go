package profile

import (
	"context"
	"strconv"
	"time"

	"github.com/larder-go/larder/internal/once"
)

// taking is the attempt to take a lease. Its flight is open before the lease is asked for, so that whoever reads the token
// finds it.
type taking struct {
	id, key string
	flight  *flight
	lost    string // an earlier token under which nothing is loaded
}

func (s *Store[T]) newTaking(id, key, lost string) taking {
	f, _ := s.flights.open(flightKey{id: id, token: token()}, s.leaseTime())
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
	lost := ""
	if s.held(j, time.Now()) && !w.over(j.lease.token, s.leaseTime()) {
		if !s.lost.has(j.lease.token, time.Now()) {
			f, how := s.holder(id, j.lease.token)
			return f, how, nil
		}
		lost = j.lease.token
	}
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
		*j = s.judge(now)
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
	token := t.flight.key.token
	late := func(reply any, err error) {
		if err != nil {
			return
		}
		if taken, _, _, _ := leaseReply(reply); taken {
			s.release(context.WithoutCancel(ctx), t.id, t.key, token)
		}
		s.lost.remove(token)
	}
	reply, err := bounded(ctx, s, t.key, late, func(ctx context.Context) (any, error) {
		return leaseScript.Run(ctx, s.rdb, []string{t.key}, s.leaseArgs(t, seen, began)...)
	})
	s.observe(ctx, t.key, began, err)
	if err != nil {
		if isDown(err) {
			s.losing(token)
		}
		return false, "", nil, err
	}
	return leaseReply(reply)
}

// losing notes that the lease of that token may be taken, now or when a server that hangs goes on, and that nothing is loaded
// under it: who reads it need not wait for its end.
func (s *Store[T]) losing(token string) { s.lost.add(token, time.Now(), s.leaseTime()+lostLeases) }

// lostLeases is for how long more than a lease that is remembered, as a server may hang before it takes a lease.
const lostLeases = 5 * time.Minute

// release gives a lease back, so that the next caller need not wait for its end.
func (s *Store[T]) release(ctx context.Context, id, key, token string) {
	began := time.Now()
	if err := s.allow(ctx, id, key); err != nil {
		return // it runs out by itself
	}
	_, err := bounded(ctx, s, key, nil, func(ctx context.Context) (any, error) {
		return releaseScript.Run(ctx, s.rdb, []string{key}, token)
	})
	s.observe(ctx, key, began, err)
	if err != nil {
		s.opts.Hooks.error("release", id, err)
	}
}
