package profile

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/larder-go/larder/internal/once"
)

// waits are the growing pauses between two looks at what another process is loading.
type waits struct {
	next   time.Duration
	holder string // for whom it waits, and since when
	since  time.Time
}

func newWaits() waits { return waits{next: 2 * time.Millisecond} }

// on notes for whom the reader waits.
func (w *waits) on(holder string) {
	if w.holder != holder {
		w.holder, w.since = holder, time.Now()
	}
}

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

// watch is one look-out for all in this process who wait for the same holder of a lease.
type watch struct {
	key     watchKey
	waiters int           // under the lock of the flights
	done    chan struct{} // closed when it is worth looking again
	cancel  context.CancelFunc
}

// watchKey is what they have read.
type watchKey struct {
	key, meta, token string
	alone            bool
}

// awaitHolder waits until the lease that j names is no longer there, or something else is. Errors of Redis end the wait,
// too: the next read sees to them.
func (s *Store[T]) awaitHolder(ctx context.Context, key string, j *judged[T], w *waits) error {
	w.on(j.lease.token)
	v := s.look(ctx, watchKey{key: key, meta: j.metaText, token: j.lease.token, alone: j.alone})
	defer s.flights.leave(v)
	select {
	case <-v.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look joins the look-out for what was read, or begins one, which ends when the last one has left.
func (s *Store[T]) look(ctx context.Context, key watchKey) *watch {
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	v := s.flights.watches[key]
	if v == nil {
		limited, cancel := context.WithCancel(context.WithoutCancel(ctx))
		v = &watch{key: key, done: make(chan struct{}), cancel: cancel}
		if s.flights.watches == nil {
			s.flights.watches = map[watchKey]*watch{}
		}
		s.flights.watches[key] = v
		go func() {
			defer s.flights.end(v)
			s.watch(limited, key)
		}()
	}
	v.waiters++
	return v
}

// watch looks at the hash again and again.
func (s *Store[T]) watch(ctx context.Context, was watchKey) {
	w := newWaits()
	for w.on(was.token); w.pause(ctx) == nil && !w.over(was.token, s.leaseTime()); {
		got, err := bounded(ctx, s, was.key, nil, func(ctx context.Context) ([]any, error) {
			return s.rdb.HMGet(ctx, was.key, metaField, leaseField).Result()
		})
		if err != nil || len(got) != 2 {
			return
		}
		meta, _ := got[0].(string)
		text, _ := got[1].(string)
		l := parseLease(text)
		if meta != was.meta || l.token != was.token || !was.alone && meta != "" && l.deadline <= milli(time.Now()) {
			return
		}
	}
}

// leave takes one out who waited, and with the last one the look-out.
func (fs *flights) leave(v *watch) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if v.waiters--; v.waiters == 0 {
		v.cancel()
		fs.drop(v)
	}
}

// end tells all who wait to look again.
func (fs *flights) end(v *watch) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.drop(v)
	close(v.done)
	v.cancel()
}

func (fs *flights) drop(v *watch) {
	if fs.watches[v.key] == v {
		delete(fs.watches, v.key)
	}
}
