package profile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

const (
	// opensAfter is how many failures in a row open a breaker.
	opensAfter = 3
	// probeEvery is how often an open breaker asks whether Redis is back, at most, as long as there are calls.
	probeEvery = 200 * time.Millisecond
	// maxProbes bounds the probes that hang.
	maxProbes = 8
	// patience is how long Redis must have been silent for a caller's own deadline to count against it.
	patience = 100 * time.Millisecond
	// slotGroups is how many breakers a cluster has: masters hold ranges of slots.
	slotGroups = 64
)

// breaker keeps calls from waiting for a Redis that does not answer. It is closed at first. Callers never probe: a probe
// runs beside them.
type breaker struct {
	ill      atomic.Bool // since is not zero: as long as all is well, nothing else is looked at
	mu       sync.Mutex
	failures int
	since    time.Time // when the first call began that got no answer, if none has got one after it
	cause    error
	probed   time.Time
	probes   int
}

// allow returns nil if Redis may be asked, and why not otherwise. With probe, the caller is to start a probe.
func (b *breaker) allow() (probe bool, err error) {
	if !b.ill.Load() {
		return false, nil
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < opensAfter {
		return false, nil
	}
	if b.probes < maxProbes && now.Sub(b.probed) >= probeEvery {
		b.probed = now
		b.probes++
		probe = true
	}
	return probe, fmt.Errorf("%w: %w", ErrUnavailable, b.cause)
}

func (b *breaker) succeed() {
	if !b.ill.Load() {
		return
	}
	b.mu.Lock()
	b.failures = 0
	b.since = time.Time{}
	b.cause = nil
	b.ill.Store(false)
	b.mu.Unlock()
}

// fail counts a call that began then and got no answer. One that was in a hurry says nothing about Redis, unless all those
// before it have not got any either, for as long as would be patient.
func (b *breaker) fail(err error, began, now time.Time, hurried bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since.IsZero() || began.Before(b.since) {
		b.since = began
		b.ill.Store(true)
	}
	if hurried && now.Sub(b.since) < patience {
		return
	}
	b.failures++
	b.cause = err
	if b.failures == opensAfter {
		b.probed = now
	}
}

func (b *breaker) probeEnded() {
	b.mu.Lock()
	b.probes--
	b.mu.Unlock()
}

func (s *Store[T]) breaker(key string) *breaker { return s.breakers[s.group(key)] }

// group says which of the breakers is the key's.
func (s *Store[T]) group(key string) int {
	if len(s.breakers) == 1 {
		return 0
	}
	return slot(s.tag(key)) * len(s.breakers) / 16384
}

// allow asks the breaker of the key, and starts a probe where one is due.
func (s *Store[T]) allow(ctx context.Context, id, key string) error {
	b := s.breaker(key)
	probe, err := b.allow()
	if probe {
		ctx := context.WithoutCancel(ctx)
		go func() {
			defer b.probeEnded()
			limited, cancel := context.WithTimeout(ctx, s.opts.RedisTimeout)
			defer cancel()
			err := s.rdb.HMGet(limited, key, metaField, leaseField).Err()
			if isDown(err) {
				s.opts.Hooks.error("probe", id, err)
				return
			}
			b.succeed()
		}()
	}
	return err
}

// observe tells the breaker of the key how a call went that began then.
func (s *Store[T]) observe(ctx context.Context, key string, began time.Time, err error) {
	b := s.breaker(key)
	if !isDown(err) {
		b.succeed()
		return
	}
	now := time.Now()
	ended := ctx.Err()
	if errors.Is(ended, context.Canceled) && now.Sub(began) < patience {
		return // its caller left for another reason
	}
	b.fail(err, began, now, ended != nil || errors.Is(err, errSlow))
}

// batchCalls are the breakers of a batch: each is asked once and told once, as the batch is one call to each node.
type batchCalls [slotGroups]struct {
	asked, answered bool
	err             error // of the breaker, then of Redis
	key             string
}

// allow is Store.allow for one of the batch.
func (s *Store[T]) allowBatch(ctx context.Context, calls *batchCalls, id, key string) error {
	c := &calls[s.group(key)]
	if !c.asked {
		c.asked, c.key = true, key
		c.err = s.allow(ctx, id, key)
	}
	return c.err
}

// note takes down what became of one of the batch.
func (s *Store[T]) note(calls *batchCalls, key string, err error) {
	c := &calls[s.group(key)]
	if isDown(err) {
		c.err = err
	} else {
		c.answered = true
	}
}

// observeBatch is Store.observe for all that were noted.
func (s *Store[T]) observeBatch(ctx context.Context, calls *batchCalls, began time.Time) {
	for i := range s.breakers {
		switch c := &calls[i]; {
		case c.answered:
			s.observe(ctx, c.key, began, nil)
		case c.err != nil && !errors.Is(c.err, ErrUnavailable):
			s.observe(ctx, c.key, began, c.err)
		}
	}
}

// isDown says whether an error tells of a Redis that cannot be reached or does not serve, rather than of one that refuses
// what was asked.
func isDown(err error) bool {
	if err == nil {
		return false
	}
	switch once.Code(err) {
	case "":
		return !errors.Is(err, redis.Nil)
	case "ERR":
		return strings.Contains(err.Error(), "max number of clients reached")
	case "LOADING", "CLUSTERDOWN", "MASTERDOWN", "BUSY", "NOAUTH", "WRONGPASS", "TRYAGAIN":
		return true
	default:
		return false
	}
}

// slot is the slot of a cluster that a hash tag belongs to: CRC-16/XMODEM.
func slot(tag string) int {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % 16384)
}
