package profile

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
)

// Options configure a [Store]. The zero value of each field is its default; with no loader a Store is a plain cache.
type Options[T any] struct {
	// Namespace is put before every key, with a colon. Defaults to none. It holds no braces.
	Namespace string
	// TTL is how long an object is cached, from a millisecond up. Defaults to an hour.
	TTL time.Duration
	// Jitter spreads each time to live by that share in both directions, so that what was cached together does not expire
	// together. From 0 up to but not including 1. Defaults to 0.1; -1 means none.
	Jitter float64
	// Sliding lets each hit renew the time to live, up to ten times TTL after the object was written. It is the one kind
	// of read that writes: a script, which goes to the primary and past client-side caches.
	Sliding bool
	// Load reads one object from the database. It returns [ErrNotFound], wrapped or not, for an object that is not there.
	// Its context carries the values of the caller's, and ends after LoadTimeout, not with the caller.
	Load func(ctx context.Context, id string) (T, error)
	// LoadMany reads several objects at once, for GetMany. An id that is not in the map is absent. With an error, what is
	// in the map is used nonetheless. Where only one of Load and LoadMany is set, it stands in for the other.
	LoadMany func(ctx context.Context, ids []string) (map[string]T, error)
	// LoadTimeout bounds a load, and all loads of one GetMany together. A lease lasts a second longer. Defaults to 5 s.
	LoadTimeout time.Duration
	// NegativeTTL is how long absence is cached. Defaults to 30 s; -1 means that it is not.
	NegativeTTL time.Duration
	// RefreshAhead is the beta of XFetch: a hit may load the object anew in the background before it expires, the
	// likelier the nearer its expiry and the slower its loads. 1 is a good value. Defaults to 0, which is off.
	RefreshAhead float64
	// StaleOnError is for how long after its expiry an object is served where the loader fails. Defaults to 0, off.
	// All processes that share keys need the same setting.
	StaleOnError time.Duration
	// RedisTimeout is how long a read waits for Redis before it takes it for dead: this long, or half of what is left of
	// its context, whichever is less. Defaults to 1 s.
	RedisTimeout time.Duration
	// OnRedisError says what reads do when Redis fails. Without a loader it is always FailClosed.
	OnRedisError Policy
	// Codec is for fields that are not plain strings, numbers, booleans, times or bytes. Defaults to [codec.Msgpack].
	Codec codec.Codec
	// SchemaVersion is stored with each object; those of another version are misses. Raise it when the meaning of T's
	// fields changes. Not negative.
	SchemaVersion int
	// ReadYourWrites makes reads pass by a client-side cache beneath for the two seconds after this Store wrote the object,
	// which is 400 times as long as go-redis takes by default to notice.
	ReadYourWrites bool
	// Hooks see what happens.
	Hooks Hooks
}

// Policy says what reads do when Redis fails.
type Policy int

// The policies.
const (
	// FailOpen goes to the loader, which then runs once in each process for an object that many want. The default.
	FailOpen Policy = iota
	// FailClosed returns the error of Redis.
	FailClosed
)

// Store caches objects of type T, each in a Redis hash of its own. It is safe for concurrent use, starts nothing that
// outlives a load, and needs no Close. The zero Store is of no use; make one with [New].
type Store[T any] struct {
	rdb      redis.UniversalClient
	opts     Options[T]
	schema   *schema
	prefix   string
	version  string               // of the schema
	closed   bool                 // fail closed
	loads    bool                 // there is a loader
	direct   bool                 // the client minds the deadlines of contexts
	async    *redis.AutoPipeliner // the client, if it is one that does not wait
	breakers []*breaker
	flights  flights
	recent   recent       // keys that were written
	lost     recent       // tokens of leases that were asked for without an answer: nothing is loaded under them
	lastCost atomic.Int64 // of a load, in microseconds: what a Set has to assume
}

// New makes a Store. It sends nothing; the client stays the caller's. T is a struct; types that cannot be stored are
// refused here, with the path to the field.
func New[T any](rdb redis.UniversalClient, opts Options[T]) (*Store[T], error) {
	if isNil(rdb) {
		return nil, errors.New("profile: the client is nil")
	}
	opts, err := opts.complete()
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	schema, err := compile(reflect.TypeFor[T](), opts.Codec)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	s := &Store[T]{
		rdb: rdb, opts: opts, schema: schema, prefix: prefix(opts.Namespace), version: strconv.Itoa(opts.SchemaVersion),
		loads: opts.Load != nil || opts.LoadMany != nil, direct: mindsDeadlines(rdb),
	}
	if auto, ok := rdb.(*redis.AutoPipeliner); ok && !auto.IsBlocking() {
		s.async = auto
	}
	s.closed = opts.OnRedisError == FailClosed || !s.loads
	breakers := 1
	if _, ok := rdb.(*redis.ClusterClient); ok {
		breakers = slotGroups // a node that is down is no reason not to ask the others
	}
	for range breakers {
		s.breakers = append(s.breakers, &breaker{})
	}
	return s, nil
}

func (o Options[T]) complete() (Options[T], error) {
	for _, d := range []struct {
		name  string
		value *time.Duration
		byDef time.Duration
		off   bool // -1 switches it off
	}{
		{"TTL", &o.TTL, time.Hour, false},
		{"LoadTimeout", &o.LoadTimeout, 5 * time.Second, false},
		{"RedisTimeout", &o.RedisTimeout, time.Second, false},
		{"NegativeTTL", &o.NegativeTTL, 30 * time.Second, true},
		{"StaleOnError", &o.StaleOnError, 0, false},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.byDef
		case d.off && *d.value == -1:
		case *d.value < 0:
			return o, fmt.Errorf("options: %s is negative: %v", d.name, *d.value)
		case *d.value < time.Millisecond:
			return o, fmt.Errorf("options: %s is less than a millisecond: %v", d.name, *d.value)
		case *d.value > longest:
			return o, fmt.Errorf("options: %s is more than a hundred years: %v", d.name, *d.value)
		}
	}
	switch {
	case strings.ContainsAny(o.Namespace, "{}"):
		return o, fmt.Errorf("options: Namespace holds a brace: %q", o.Namespace)
	case o.Jitter == 0:
		o.Jitter = 0.1
	case o.Jitter == -1:
		o.Jitter = 0
	case !(o.Jitter > 0 && o.Jitter < 1): // NaN too
		return o, fmt.Errorf("options: Jitter is not within [0, 1): %v", o.Jitter)
	}
	switch {
	case !(o.RefreshAhead >= 0) || math.IsInf(o.RefreshAhead, 0):
		return o, fmt.Errorf("options: RefreshAhead is not a number from 0 up: %v", o.RefreshAhead)
	case o.RefreshAhead > 0 && o.Load == nil && o.LoadMany == nil:
		return o, errors.New("options: RefreshAhead needs Load or LoadMany")
	case o.StaleOnError > 0 && o.Load == nil && o.LoadMany == nil:
		return o, errors.New("options: StaleOnError needs Load or LoadMany")
	case o.OnRedisError != FailOpen && o.OnRedisError != FailClosed:
		return o, fmt.Errorf("options: OnRedisError is no policy: %d", o.OnRedisError)
	case o.SchemaVersion < 0:
		return o, fmt.Errorf("options: SchemaVersion is negative: %d", o.SchemaVersion)
	}
	if o.Codec == nil {
		o.Codec = codec.Msgpack
	}
	return o, nil
}

// longest keeps sums of times within what Redis takes.
const longest = 100 * 365 * 24 * time.Hour

// isNil sees a nil pointer within the interface, too.
func isNil(rdb redis.UniversalClient) bool {
	if rdb == nil {
		return true
	}
	v := reflect.ValueOf(rdb)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// check is how every operation begins: AutoPipeline would send even with a context that has ended.
func check(ctx context.Context, ids ...string) error {
	if slices.Contains(ids, "") {
		return errEmptyID
	}
	return ctx.Err()
}

// spread returns ttl with its jitter, at least a millisecond.
func (s *Store[T]) spread(ttl time.Duration) time.Duration {
	return max(spreadBy(ttl, s.opts.Jitter, random()), time.Millisecond)
}

// spreadBy is spread with its chance r, from 0 to 1.
func spreadBy(ttl time.Duration, jitter, r float64) time.Duration {
	return time.Duration(float64(ttl) * (1 + jitter*(2*r-1)))
}

// cost is what a load is assumed to take, in microseconds, for values that nobody loaded: as long as the last load, or a
// millisecond.
func (s *Store[T]) cost() int64 {
	if last := s.lastCost.Load(); last > 0 {
		return last
	}
	return 1000
}

// asOf is what the scripts compare the logical expiry with: nothing where the key's own expiry decides.
func (s *Store[T]) asOf(now time.Time) string {
	if s.opts.StaleOnError == 0 {
		return ""
	}
	return strconv.FormatInt(milli(now), 10)
}

func (s *Store[T]) ttlText() string { return strconv.FormatInt(s.opts.TTL.Milliseconds(), 10) }

// leaseTime is how long a lease lasts.
func (s *Store[T]) leaseTime() time.Duration { return s.opts.LoadTimeout + time.Second }

// entry is an object as it is written.
type entry struct {
	meta   meta
	pairs  []any
	expire int64 // when the key expires, Unix time in ms
}

// encode makes the entry of a value that is written now.
func (s *Store[T]) encode(v *T, now time.Time, cost int64) (entry, error) {
	pairs, nils, err := s.encodeFields(v)
	if err != nil {
		return entry{}, err
	}
	m := meta{kind: kindValue, schema: s.version, version: token(), written: milli(now), cost: cost, nils: joinNils(nils)}
	m.expiry = milli(now.Add(s.spread(s.opts.TTL)))
	return entry{meta: m, pairs: pairs, expire: m.expiry + s.opts.StaleOnError.Milliseconds()}, nil
}

func (s *Store[T]) encodeFields(v *T) (pairs []any, nils []string, err error) {
	defer func() { // a type's own methods may panic
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return s.schema.encode(reflect.ValueOf(v))
}

// absence makes the entry that says that there is no object.
func (s *Store[T]) absence(now time.Time, cost int64) entry {
	m := meta{kind: kindAbsent, schema: s.version, version: token(), written: milli(now), cost: cost}
	m.expiry = milli(now.Add(s.spread(s.opts.NegativeTTL)))
	return entry{meta: m, expire: m.expiry}
}
