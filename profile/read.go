package profile

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// hash is what a read found: fields and texts, in no order. Not a map: it is gone through once.
type hash []pair

type pair struct{ name, text string }

func (h hash) get(name string) (text string, ok bool) {
	for i := range h {
		if h[i].name == name {
			return h[i].text, true
		}
	}
	return "", false
}

// verdict is what a hash means to a reader.
type verdict int

const (
	missing verdict = iota // nothing that could be served
	value                  // a value
	absent                 // it is known that there is none
	corrupt                // something that is not an object of ours, or no longer whole
)

// judged is a hash that was looked at.
type judged[T any] struct {
	verdict  verdict
	hash     hash
	metaText string
	meta     meta
	stale    bool // the value has expired, and may be served if the loader fails
	lease    lease
	alone    bool // the lease is all there is
	err      error
}

// judge looks at what a read found. It does not decode.
func (s *Store[T]) judge(h hash) judged[T] {
	j := judged[T]{hash: h}
	j.metaText, _ = h.get(metaField)
	if text, ok := h.get(leaseField); ok {
		j.lease = parseLease(text)
	}
	if j.metaText == "" {
		switch {
		case len(h) == 0:
		case len(h) == 1 && j.lease.token != "":
			j.alone = true
		default:
			j.verdict, j.err = corrupt, fmt.Errorf("%w: it has no meta field", ErrCorrupt)
		}
		return j
	}
	m, ok := parseMeta(j.metaText)
	if !ok {
		j.verdict, j.err = corrupt, fmt.Errorf("%w: its meta field is not ours", ErrCorrupt)
		return j
	}
	j.meta = m
	if m.schema != s.version {
		return j
	}
	expired := s.opts.StaleOnError > 0 && m.expiry <= milli(time.Now())
	switch {
	case expired:
		j.stale = m.kind == kindValue
	case m.kind == kindAbsent:
		j.verdict = absent
	default:
		j.verdict = value
	}
	return j
}

// held says whether somebody's lease is in force, as lua/lease.lua does.
func (s *Store[T]) held(j *judged[T], now time.Time) bool {
	if j.lease.token == "" {
		return false
	}
	at := milli(now)
	return j.alone || j.lease.deadline > at && j.lease.deadline <= at+s.leaseTime().Milliseconds()+2000
}

// decode makes a value of its own of what was judged a value, or stale.
func (s *Store[T]) decode(h hash, m meta, fields []*field) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v", ErrCorrupt, p)
		}
		if err != nil {
			var zero T
			v = zero
		}
	}()
	err = s.schema.decode(h, m, fields, reflect.ValueOf(&v))
	if fields != nil {
		return only(v, fields), err
	}
	return v, err
}

// read asks Redis for the hash, or for some of its fields: one round trip.
func (s *Store[T]) read(ctx context.Context, id, key string, fields []*field, slide bool) (hash, error) {
	if err := s.allow(ctx, id, key); err != nil {
		return nil, err
	}
	began := time.Now()
	if s.async != nil && !slide && !s.opts.ReadYourWrites {
		h, err := s.readAsync(ctx, key, fields)
		s.observe(ctx, key, began, err)
		return h, s.replied(err)
	}
	h, err := bounded(ctx, s, key, nil, func(ctx context.Context) (hash, error) {
		switch {
		case slide:
			return s.readSliding(ctx, key, fields, began)
		case fields != nil:
			return s.readFields(ctx, key, fields, began)
		default:
			return s.readAll(ctx, key, began)
		}
	})
	s.observe(ctx, key, began, err)
	return h, s.replied(err)
}

// replied names the error of a key that is not ours.
func (s *Store[T]) replied(err error) error {
	if once.Code(err) == "WRONGTYPE" {
		return fmt.Errorf("%w: %w", ErrWrongType, err)
	}
	return err
}

func (s *Store[T]) readAll(ctx context.Context, key string, now time.Time) (hash, error) {
	if s.opts.ReadYourWrites && s.recent.has(key, now) {
		pipe := s.rdb.Pipeline() // which client-side caches do not see
		cmd := pipe.HGetAll(ctx, key)
		_, err := pipe.Exec(ctx)
		return ordinary(cmd.Val(), err)
	}
	return hgetall(ctx, s.rdb, key)
}

func (s *Store[T]) readFields(ctx context.Context, key string, fields []*field, now time.Time) (hash, error) {
	names := fieldNames(fields)
	var cmd *redis.SliceCmd
	if s.opts.ReadYourWrites && s.recent.has(key, now) {
		pipe := s.rdb.Pipeline()
		cmd = pipe.HMGet(ctx, key, names...)
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, err
		}
	} else {
		cmd = s.rdb.HMGet(ctx, key, names...)
	}
	got, err := cmd.Result()
	if err != nil {
		return nil, err
	}
	return zip(names, got)
}

func fieldNames(fields []*field) []string {
	names := make([]string, 0, 2+len(fields))
	names = append(names, metaField, leaseField)
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

func (s *Store[T]) slidingArgs(fields []*field, now time.Time) []any {
	ttl := s.spread(s.opts.TTL)
	args := []any{
		strconv.FormatInt(milli(now), 10), s.version, strconv.FormatInt(max(ttl.Milliseconds(), 1), 10),
		strconv.FormatInt(10*s.opts.TTL.Milliseconds(), 10), strconv.FormatInt(s.opts.StaleOnError.Milliseconds(), 10),
	}
	for _, f := range fields {
		args = append(args, f.arg)
	}
	return args
}

func (s *Store[T]) readSliding(ctx context.Context, key string, fields []*field, now time.Time) (hash, error) {
	// Reading it again when the answer is lost renews it again, which is no harm.
	reply, err := slidingScript.Read(ctx, s.rdb, []string{key}, s.slidingArgs(fields, now)...)
	if err != nil {
		return nil, err
	}
	return slidingReply(reply, fields)
}

func slidingReply(reply any, fields []*field) (hash, error) {
	list, ok := reply.([]any)
	if !ok {
		return nil, errReply
	}
	if fields == nil {
		return pairs(list)
	}
	return zip(fieldNames(fields), list)
}

var errReply = errors.New("the reply of the script is not what it returns")

// pairs makes a hash of what HGETALL returns within a script.
func pairs(list []any) (hash, error) {
	h := make(hash, 0, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		name, ok := list[i].(string)
		text, ok2 := list[i+1].(string)
		if !ok || !ok2 {
			return nil, errReply
		}
		h = append(h, pair{name, text})
	}
	return h, nil
}

// zip makes a hash of what HMGET returns.
func zip(names []string, list []any) (hash, error) {
	if len(names) != len(list) {
		return nil, errReply
	}
	h := make(hash, 0, len(list))
	for i, one := range list {
		if text, ok := one.(string); ok {
			h = append(h, pair{names[i], text})
		}
	}
	return h, nil
}

// Get returns the object, from the cache if it is there, and from the loader otherwise. It returns [ErrNotFound] for an
// object that is absent, and [ErrNotCached] for one of which nothing is known where there is no loader. What it returns is
// the caller's own: it shares nothing with what others get. Its strings are parts of one reply: where one of a large object is
// kept for long, strings.Clone it.
//
// A caller whose context ends leaves at once, and the load goes on for the others. All who wait for a load get its error.
//
// A hit is one round trip, O(fields); a miss is three with its load: read, lease, fill. Where another process holds the
// lease, Get reads again every few milliseconds until it is done.
func (s *Store[T]) Get(ctx context.Context, id string) (T, error) {
	v, err := s.get(ctx, id, nil)
	if err != nil {
		return v, wrap("get", id, err)
	}
	return v, nil
}

// GetFields returns the object with the fields of those names, as stored, and zero values in all others. Names that T does
// not have are [ErrUnknownField], before anything is sent. Where the object is not cached it is loaded and cached whole.
// Without fields it says whether there is such an object.
//
// A hit is one round trip, O(fields asked for); otherwise as [Store.Get].
func (s *Store[T]) GetFields(ctx context.Context, id string, fields ...string) (T, error) {
	var zero T
	found, err := s.schema.lookup(fields)
	if err == nil {
		var v T
		if v, err = s.get(ctx, id, found); err == nil {
			return v, nil
		}
	}
	return zero, wrap("get fields of", id, err)
}

// maxRounds bounds how often a read begins anew because others changed the object.
const maxRounds = 100

func (s *Store[T]) get(ctx context.Context, id string, fields []*field) (T, error) {
	var zero T
	if err := check(ctx, id); err != nil {
		return zero, err
	}
	key := s.key(id)
	missed := false
	waits := newWaits()
	for round := 0; ; round++ {
		h, err := s.read(ctx, id, key, fields, s.opts.Sliding)
		if err != nil {
			return s.withoutRedis(ctx, id, "read", err, fields)
		}
		j := s.judge(h)
		if v, done, err := s.serve(id, &j, fields); done {
			if err == nil {
				s.maybeRefresh(ctx, id, key, &j)
			}
			giveBack(h)
			return v, err
		}
		if !s.loads {
			return zero, ErrNotCached
		}
		if !missed {
			missed = true
			s.opts.Hooks.miss(id)
		}
		if round >= maxRounds { // others change it faster than it can be read
			return s.withoutLease(ctx, id, fields)
		}
		f, standing, err := s.join(ctx, id, key, &j, &waits)
		switch {
		case err != nil:
			return s.withoutRedis(ctx, id, "lease", err, fields)
		case standing == changed: // another filled it meanwhile
			if v, done, err := s.serve(id, &j, nil); done {
				return only(v, fields), err
			}
		case standing == waiting:
			if err := s.awaitHolder(ctx, key, &j, &waits); err != nil {
				return zero, err
			}
		default:
			if err := f.answer(ctx); err != nil {
				return zero, err
			}
			if !f.void {
				return s.outcome(id, f, &j, fields)
			}
		}
	}
}

// serve answers from what is cached, if that will do.
func (s *Store[T]) serve(id string, j *judged[T], fields []*field) (v T, done bool, err error) {
	switch j.verdict {
	case value:
		v, err = s.decode(j.hash, j.meta, fields)
		if err == nil {
			s.opts.Hooks.hit(id)
			return v, true, nil
		}
		j.verdict, j.err = corrupt, err
	case absent:
		s.opts.Hooks.negative(id)
		return v, true, ErrNotFound
	}
	if j.verdict == corrupt {
		s.opts.Hooks.error("decode", id, j.err)
	}
	return v, false, nil
}

// only keeps the fields asked for.
func only[T any](v T, fields []*field) T {
	if fields == nil {
		return v
	}
	var out T
	from, to := reflect.ValueOf(&v).Elem(), reflect.ValueOf(&out).Elem()
	for _, f := range fields {
		to.FieldByIndex(f.index).Set(from.FieldByIndex(f.index))
	}
	return out
}

// outcome is what a load that has ended means to one of its callers.
func (s *Store[T]) outcome(id string, f *flight, j *judged[T], fields []*field) (T, error) {
	var zero T
	switch {
	case f.err == nil:
		return s.decode(f.hash, f.meta, fields)
	case errors.Is(f.err, ErrNotFound), j == nil, !j.stale:
		return zero, f.err
	}
	h := j.hash
	v, err := s.decode(h, j.meta, fields)
	if err != nil {
		s.opts.Hooks.error("decode", id, err)
		return zero, f.err
	}
	s.opts.Hooks.stale(id, f.err)
	return v, nil
}

// withoutRedis answers when Redis failed with err.
func (s *Store[T]) withoutRedis(ctx context.Context, id, op string, err error, fields []*field) (T, error) {
	var zero T
	if ended := ctx.Err(); ended != nil {
		return zero, ended
	}
	if errors.Is(err, ErrWrongType) || s.closed {
		return zero, err
	}
	s.opts.Hooks.error(op, id, err)
	return s.withoutLease(ctx, id, fields)
}

// withoutLease loads what will not be cached, once for all who want it in this process.
func (s *Store[T]) withoutLease(ctx context.Context, id string, fields []*field) (T, error) {
	var zero T
	f, mine := s.flights.open(flightKey{id: id}, s.leaseTime())
	if mine {
		s.start(ctx, []*flight{f})
	}
	if err := f.answer(ctx); err != nil {
		return zero, err
	}
	return s.outcome(id, f, nil, fields)
}

// Peek returns the object if it is cached and has not expired, and never asks the loader. It returns [ErrNotCached] where
// nothing is known (or what is cached cannot be decoded) and [ErrNotFound] where absence is cached. One round trip.
func (s *Store[T]) Peek(ctx context.Context, id string) (T, error) {
	v, err := s.peek(ctx, id)
	if err != nil {
		return v, wrap("peek", id, err)
	}
	return v, nil
}

func (s *Store[T]) peek(ctx context.Context, id string) (T, error) {
	var zero T
	if err := check(ctx, id); err != nil {
		return zero, err
	}
	h, err := s.read(ctx, id, s.key(id), nil, false)
	if err != nil {
		return zero, err
	}
	j := s.judge(h)
	v, done, err := s.serve(id, &j, nil)
	if !done {
		if j.err != nil {
			return zero, fmt.Errorf("%w: %w", ErrNotCached, j.err)
		}
		return zero, ErrNotCached
	}
	return v, err
}
