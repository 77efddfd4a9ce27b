package profile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/larder-go/larder/internal/once"
)

const (
	// opensAfter is how many failures in a row open a breaker.
	opensAfter = 3
	// probeEvery is how often an open breaker asks whether Redis is back, at most, as long as there are calls.
	probeEvery = 200 * time.Millisecond
	// maxProbes bounds the probes that hang.
	maxProbes = 8
	// patience is how long a call must have waited for its own deadline to count against Redis.
	patience = 100 * time.Millisecond
	// slotGroups is how many breakers a cluster has: masters hold ranges of slots.
	slotGroups = 64
)

// breaker keeps calls from waiting for a Redis that does not answer. It is closed at first. Callers never probe: a probe
// runs beside them.
type breaker struct {
	mu       sync.Mutex
	failures int
	cause    error
	probed   time.Time
	probes   int
}

// allow returns nil if Redis may be asked, and why not otherwise. With probe, the caller is to start a probe.
func (b *breaker) allow(now time.Time) (probe bool, err error) {
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
	b.mu.Lock()
	b.failures = 0
	b.cause = nil
	b.mu.Unlock()
}

func (b *breaker) fail(err error, now time.Time) {
	b.mu.Lock()
	b.failures++
	b.cause = err
	if b.failures == opensAfter {
		b.probed = now
	}
	b.mu.Unlock()
}

func (b *breaker) probeEnded() {
	b.mu.Lock()
	b.probes--
	b.mu.Unlock()
}

func (s *Store[T]) breaker(key string) *breaker {
	if len(s.breakers) == 1 {
		return s.breakers[0]
	}
	return s.breakers[slot(s.tag(key))*len(s.breakers)/16384]
}

// allow asks the breaker of the key, and starts a probe where one is due.
func (s *Store[T]) allow(ctx context.Context, id, key string) error {
	b := s.breaker(key)
	probe, err := b.allow(time.Now())
	if probe {
		ctx := context.WithoutCancel(ctx)
		go func() {
			defer b.probeEnded()
			limited, cancel := context.WithTimeout(ctx, s.opts.RedisTimeout)
			defer cancel()
			err := s.rdb.HMGet(limited, key, metaField, leaseField).Err()
			if err != nil && isDown(err) {
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
	switch {
	case err == nil || !isDown(err):
		b.succeed()
	case ctx.Err() != nil || errors.Is(err, errSlow):
		if now := time.Now(); now.Sub(began) >= patience { // a caller in a hurry says nothing about Redis
			b.fail(err, now)
		}
	default:
		b.fail(err, time.Now())
	}
}

// isDown says whether an error tells of a Redis that cannot be reached or does not serve, rather than of one that refuses
// what was asked.
func isDown(err error) bool {
	switch once.Code(err) {
	case "":
		return !isRedisNil(err)
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
