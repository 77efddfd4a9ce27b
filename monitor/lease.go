package monitor

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/lease.lua
	leaseText string
	//go:embed lua/release.lua
	releaseText string

	leaseScript   = redis.NewScript(leaseText)
	releaseScript = redis.NewScript(releaseText)
)

// Lease chooses one of several replicas of a service as the leader, whose Monitor tells the notifiers. Give its Leader to
// Options.Leader of each. It is safe for concurrent use.
//
// The holder prolongs the lease with each sample; when it stops, another takes over after the ttl. Whoever takes over
// tells once more of what it sees firing: better twice than never.
//
// While Redis does not answer, the last answer stands: who led goes on, so that an outage of the very server that is
// watched is told of. A Lease that never had an answer leads, for the same reason. Keep the lease on another Redis than
// the one that is watched where you can.
type Lease struct {
	rdb   redis.UniversalClient
	key   string
	token string
	ttl   time.Duration

	mu   sync.Mutex
	last bool
}

// NewLease returns a lease of the key, which belongs to it alone. Take a ttl of at least three Intervals of the Monitor.
// It does no I/O.
func NewLease(rdb redis.UniversalClient, key string, ttl time.Duration) (*Lease, error) {
	switch v := reflect.ValueOf(rdb); {
	case rdb == nil, v.Kind() == reflect.Pointer && v.IsNil():
		return nil, errors.New("monitor: lease: the client is nil")
	case key == "":
		return nil, errors.New("monitor: lease: the key is empty")
	case ttl < time.Millisecond:
		return nil, fmt.Errorf("monitor: lease %q: a ttl of %v is below 1ms", key, ttl)
	}
	return &Lease{rdb: rdb, key: key, token: rand.Text(), ttl: ttl, last: true}, nil
}

// Leader takes or prolongs the lease, and returns whether this process has it. One round trip, O(1).
func (l *Lease) Leader(ctx context.Context) bool {
	leads, err := l.Acquire(ctx)
	_ = err // Acquire is for those who want to know
	return leads
}

// Acquire is Leader, with the error that has the last answer stand. A key of another type is an error, and stays as it is.
func (l *Lease) Acquire(ctx context.Context) (bool, error) {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return last, fmt.Errorf("monitor: lease %q: %w", l.key, err)
	}
	reply, err := leaseScript.Run(ctx, l.rdb, []string{l.key}, l.token, l.ttl.Milliseconds()).Int64()
	if err != nil {
		return last, fmt.Errorf("monitor: lease %q: %w", l.key, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = reply == 1
	return l.last, nil
}

// Release gives the lease up, so that another takes over at once. Call it after Run has returned. One round trip.
func (l *Lease) Release(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("monitor: lease %q: %w", l.key, err)
	}
	l.mu.Lock()
	l.last = false
	l.mu.Unlock()
	if err := releaseScript.Run(ctx, l.rdb, []string{l.key}, l.token).Err(); err != nil {
		return fmt.Errorf("monitor: lease %q: %w", l.key, err)
	}
	return nil
}
