package profile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// runScript sends a script that writes, once, and names its errors.
func (s *Store[T]) runScript(ctx context.Context, script *once.Script, id, key string, args ...any) (any, error) {
	s.flights.changed(id)
	s.wrote(key)
	reply, err := script.Run(ctx, s.rdb, []string{key}, args...)
	s.wrote(key)
	s.flights.changed(id)
	s.answered(key, err)
	return reply, s.written(err)
}

// answered lets writes close a breaker. Their failures do not open it: they are bounded by the client alone, not by the
// budget of a read.
func (s *Store[T]) answered(key string, err error) {
	if err == nil {
		s.breaker(key).succeed()
	}
}

// written names the error of a write.
func (s *Store[T]) written(err error) error {
	if once.IsUnknown(err) {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return s.replied(err)
}

func setArgs(e *entry) []any {
	args := make([]any, 0, 2+len(e.pairs))
	args = append(args, strconv.FormatInt(e.expire, 10), e.meta.String())
	return append(args, e.pairs...)
}

// Set replaces the whole object in the cache, and whoever is loading it will not store what it loads. It changes the cache
// only: write to the database first. One round trip, O(fields).
func (s *Store[T]) Set(ctx context.Context, id string, v T) error {
	if err := s.set(ctx, id, &v); err != nil {
		return wrap("set", id, err)
	}
	return nil
}

func (s *Store[T]) set(ctx context.Context, id string, v *T) error {
	if err := check(ctx, id); err != nil {
		return err
	}
	e, err := s.encode(v, time.Now(), s.cost())
	if err != nil {
		return err
	}
	_, err = s.runScript(ctx, setScript, id, s.key(id), setArgs(&e)...)
	return err
}

// SetMany is Set for several objects, in one round trip (a pipeline of at most 1,000 commands). It is not atomic: where some
// fail, the others are set, and a [*ManyError] names the ones that failed. Nothing is sent of those that cannot be encoded.
func (s *Store[T]) SetMany(ctx context.Context, values map[string]T) error {
	ids := slices.Sorted(maps.Keys(values))
	if err := check(ctx, ids...); err != nil {
		return fmt.Errorf("profile: set: %w", err)
	}
	errs := map[string]error{}
	var cmds []redis.Cmder
	var sent []string
	now := time.Now()
	for _, id := range ids {
		v := values[id]
		e, err := s.encode(&v, now, s.cost())
		if err != nil {
			errs[id] = err
			continue
		}
		cmds = append(cmds, setScript.Cmd(ctx, []string{s.key(id)}, setArgs(&e)...))
		sent = append(sent, id)
	}
	s.execMany(ctx, sent, cmds, func(i int, outcome once.Outcome) {
		err := cmds[i].Err()
		if outcome == once.Unknown {
			err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
		}
		if err = s.replied(err); err != nil {
			errs[sent[i]] = err
		}
	})
	return manyError("set", errs)
}

// execMany sends commands, one for each id, chunk by chunk, and tells what became of each.
func (s *Store[T]) execMany(ctx context.Context, ids []string, cmds []redis.Cmder, tell func(i int, outcome once.Outcome)) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = s.key(id)
	}
	s.flights.changed(ids...)
	s.wrote(keys...)
	for from := 0; from < len(cmds); from += batch {
		part := cmds[from:min(from+batch, len(cmds))]
		for i, outcome := range once.Exec(ctx, s.rdb, part) {
			s.answered(keys[from+i], part[i].Err())
			tell(from+i, outcome)
		}
	}
	s.wrote(keys...)
	s.flights.changed(ids...)
}

// Invalidate forgets the objects, so that the next read loads them. Once it has returned nil, no load that began before it
// stores anything, in any process, and no Get that begins after it joins such a load. Write to the database first, then
// invalidate. Of an object that is not cached nothing is left either; that is no error.
//
// An error means that the old value may live on until it expires: repeat it. It asks Redis even where reads have given it
// up. One round trip for one id, and one for several, a pipeline, as SetMany; a [*ManyError] names the ids that failed.
func (s *Store[T]) Invalidate(ctx context.Context, ids ...string) error {
	if err := check(ctx, ids...); err != nil {
		return fmt.Errorf("profile: invalidate: %w", err)
	}
	if len(ids) == 1 {
		if err := s.invalidate(ctx, ids[0]); err != nil {
			return wrap("invalidate", ids[0], err)
		}
		return nil
	}
	errs := map[string]error{}
	for try := 0; len(ids) > 0; try++ {
		cmds := make([]redis.Cmder, len(ids))
		for i, id := range ids {
			cmds[i] = invalidateScript.Cmd(ctx, []string{s.key(id)})
		}
		var again []string
		s.execMany(ctx, ids, cmds, func(i int, outcome once.Outcome) {
			switch {
			case outcome == once.Applied:
			case outcome != once.Failed && ctx.Err() == nil && try < 2: // it is safe to repeat
				again = append(again, ids[i])
			default:
				errs[ids[i]] = s.replied(cmds[i].Err())
			}
		})
		ids = again
	}
	return manyError("invalidate", errs)
}

func (s *Store[T]) invalidate(ctx context.Context, id string) error {
	key := s.key(id)
	s.flights.changed(id)
	s.wrote(key)
	// Run twice it has the same effect, and a late copy costs a load at most: so go-redis may repeat it.
	_, err := invalidateScript.Read(ctx, s.rdb, []string{key})
	s.wrote(key)
	s.flights.changed(id)
	s.answered(key, err)
	return s.replied(err)
}

// Update changes fields of an object, by their names as stored, and says whether it was cached; where it was not, nothing
// is created. The time to live stays. A nil clears a field: it becomes nil where its type can be, and zero otherwise.
// Whoever is loading the object will not store what it loads, cached or not.
//
// The values have the fields' types, or can be converted without loss: an int that fits for an int8, a string for a named
// string, an int for a *int. Unknown names are an error that names them, before anything is sent. One round trip, O(fields).
func (s *Store[T]) Update(ctx context.Context, id string, fields map[string]any) (bool, error) {
	done, err := s.update(ctx, id, fields)
	if err != nil {
		return false, wrap("update", id, err)
	}
	return done, nil
}

func (s *Store[T]) update(ctx context.Context, id string, fields map[string]any) (bool, error) {
	if err := check(ctx, id); err != nil {
		return false, err
	}
	names := slices.Sorted(maps.Keys(fields))
	found, err := s.schema.lookup(names)
	if err != nil {
		return false, err
	}
	var pairs []any
	var nils []string
	for i, f := range found {
		text, isNil, err := f.convert(fields[names[i]])
		if err != nil {
			return false, err
		}
		if isNil {
			nils = append(nils, f.name)
		} else {
			pairs = append(pairs, f.arg, text)
		}
	}
	outcome, err := s.change(ctx, id, "", pairs, nils)
	return outcome == "done", err
}

// change runs lua/update.lua.
func (s *Store[T]) change(ctx context.Context, id, version string, pairs []any, nils []string) (string, error) {
	args := make([]any, 0, 6+len(nils)+len(pairs))
	args = append(args, s.asOf(time.Now()), s.version, version, token(), s.ttlText(), strconv.Itoa(len(nils)))
	for _, name := range nils {
		args = append(args, name)
	}
	reply, err := s.runScript(ctx, updateScript, id, s.key(id), append(args, pairs...)...)
	if err != nil {
		return "", err
	}
	outcome, ok := reply.(string)
	if !ok {
		return "", errReply
	}
	return outcome, nil
}

// convert encodes what Update was given for the field.
func (f *field) convert(v any) (text string, isNil bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("field %q: panic: %v", f.name, p)
		}
	}()
	to := reflect.New(f.typ).Elem()
	if v == nil {
		return f.encode(to)
	}
	from := reflect.ValueOf(v)
	if err := assign(to, from); err != nil {
		return "", false, fmt.Errorf("field %q: %T for %v: %w", f.name, v, f.typ, err)
	}
	return f.encode(to)
}

var (
	errKind  = errors.New("another type")
	errRange = errors.New("out of range, or it would lose digits")
)

// assign sets to to from, converted where nothing is lost.
func assign(to, from reflect.Value) error {
	switch {
	case from.Type().AssignableTo(to.Type()):
		to.Set(from)
		return nil
	case to.Kind() == reflect.Pointer:
		if from.Kind() == reflect.Pointer {
			return errKind
		}
		fresh := reflect.New(to.Type().Elem())
		if err := assign(fresh.Elem(), from); err != nil {
			return err
		}
		to.Set(fresh)
		return nil
	case number(to) && number(from):
		return assignNumber(to, from)
	case to.Kind() == from.Kind() && from.CanConvert(to.Type()):
		to.Set(from.Convert(to.Type()))
		return nil
	}
	return errKind
}

func number(v reflect.Value) bool { return v.CanInt() || v.CanUint() || v.CanFloat() }

func assignNumber(to, from reflect.Value) error {
	switch {
	case to.CanInt():
		var n int64
		switch {
		case from.CanInt():
			n = from.Int()
		case from.CanUint() && from.Uint() <= math.MaxInt64:
			n = int64(from.Uint())
		case from.CanFloat() && from.Float() == math.Trunc(from.Float()) && math.Abs(from.Float()) < 1<<53:
			n = int64(from.Float())
		default:
			return errRange
		}
		if to.OverflowInt(n) {
			return errRange
		}
		to.SetInt(n)
	case to.CanUint():
		var n uint64
		switch {
		case from.CanInt() && from.Int() >= 0:
			n = uint64(from.Int())
		case from.CanUint():
			n = from.Uint()
		case from.CanFloat() && from.Float() == math.Trunc(from.Float()) && from.Float() >= 0 && from.Float() < 1<<53:
			n = uint64(from.Float())
		default:
			return errRange
		}
		if to.OverflowUint(n) {
			return errRange
		}
		to.SetUint(n)
	default:
		var x float64
		switch {
		case from.CanInt():
			if n := from.Int(); n > 1<<53 || n < -1<<53 {
				return errRange
			}
			x = float64(from.Int())
		case from.CanUint():
			if from.Uint() > 1<<53 {
				return errRange
			}
			x = float64(from.Uint())
		default:
			x = from.Float()
		}
		if to.OverflowFloat(x) && !math.IsInf(x, 0) {
			return errRange
		}
		to.SetFloat(x)
	}
	return nil
}

// Increment adds delta to an integer field of an object that is cached, and returns what it is then. A nil pointer counts as
// zero. Where the object is not cached it returns [ErrNotCached], and [ErrNotFound] where its absence is cached, and creates
// nothing. A sum that the field's type does not hold (or an int64, for uint64) is [ErrOverflow], and nothing changes. The
// time to live stays. Whoever is loading the object will not store what it loads.
//
// It is for counters that the cache alone keeps, or keeps more exactly. Where the database counts as well, a load between
// its commit and the Increment sees the new count, and the Increment adds to it once more: Invalidate, Set or Update then.
//
// It is sent once: an error that is [ErrOutcomeUnknown] means that it may have been applied. One round trip, O(fields that
// are nil).
func (s *Store[T]) Increment(ctx context.Context, id, field string, delta int64) (int64, error) {
	n, err := s.increment(ctx, id, field, delta)
	if err != nil {
		return 0, wrap("increment", id, err)
	}
	return n, nil
}

func (s *Store[T]) increment(ctx context.Context, id, name string, delta int64) (int64, error) {
	if err := check(ctx, id); err != nil {
		return 0, err
	}
	found, err := s.schema.lookup([]string{name})
	if err != nil {
		return 0, err
	}
	t := found[0].typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	least, most := "", ""
	switch t.Kind() {
	case reflect.Int64:
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32:
		if t.Bits() < 64 {
			least = strconv.FormatInt(-1<<(t.Bits()-1), 10)
			most = strconv.FormatInt(1<<(t.Bits()-1)-1, 10)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		least = "0"
		if t.Bits() < 64 {
			most = strconv.FormatInt(1<<t.Bits()-1, 10)
		}
	default:
		return 0, fmt.Errorf("field %q: %v is not an integer", name, found[0].typ)
	}
	reply, err := s.runScript(ctx, incrementScript, id, s.key(id),
		s.asOf(time.Now()), s.version, token(), s.ttlText(), name, strconv.FormatInt(delta, 10), least, most)
	if err != nil {
		return 0, err
	}
	list, ok := reply.([]any)
	if !ok || len(list) == 0 {
		return 0, errReply
	}
	switch list[0] {
	case "done":
		if text, ok := list[len(list)-1].(string); ok {
			return strconv.ParseInt(text, 10, 64)
		}
	case "none":
		return 0, ErrNotCached
	case "absent":
		return 0, ErrNotFound
	case "overflow":
		return 0, fmt.Errorf("field %q: %w", name, ErrOverflow)
	case "corrupt":
		return 0, fmt.Errorf("%w: field %q is not a number", ErrCorrupt, name)
	}
	return 0, errReply
}

// Touch lets an object that is cached live for TTL from now on, and says whether it was cached. It is not a change: a load
// that is under way may still store what it loads. One round trip, O(1).
func (s *Store[T]) Touch(ctx context.Context, id string) (bool, error) {
	if err := check(ctx, id); err != nil {
		return false, wrap("touch", id, err)
	}
	now := time.Now()
	expiry := milli(now.Add(s.spread(s.opts.TTL)))
	key := s.key(id)
	s.wrote(key)
	reply, err := touchScript.Run(ctx, s.rdb, []string{key}, s.asOf(now), s.version,
		strconv.FormatInt(expiry, 10), strconv.FormatInt(expiry+s.opts.StaleOnError.Milliseconds(), 10))
	s.wrote(key)
	s.answered(key, err)
	if err = s.written(err); err != nil {
		return false, wrap("touch", id, err)
	}
	n, ok := reply.(int64)
	if !ok {
		return false, wrap("touch", id, errReply)
	}
	return n == 1, nil
}

// TTL returns for how long the object will be served from the cache, at least a millisecond. It returns [ErrNotCached]
// where it is not cached, and [ErrNotFound] where its absence is. One round trip, O(1).
func (s *Store[T]) TTL(ctx context.Context, id string) (time.Duration, error) {
	d, err := s.ttl(ctx, id)
	if err != nil {
		return 0, wrap("ttl of", id, err)
	}
	return d, nil
}

func (s *Store[T]) ttl(ctx context.Context, id string) (time.Duration, error) {
	if err := check(ctx, id); err != nil {
		return 0, err
	}
	key := s.key(id)
	reply, err := ttlScript.Read(ctx, s.rdb, []string{key})
	s.answered(key, err)
	if err != nil {
		return 0, s.replied(err)
	}
	list, ok := reply.([]any)
	if !ok || len(list) != 2 {
		return 0, errReply
	}
	metaText, _ := list[0].(string)
	left, _ := list[1].(string)
	now := time.Now()
	j := s.judge(hash{{metaField, metaText}})
	switch {
	case metaText == "" || j.verdict == missing || j.verdict == corrupt:
		return 0, ErrNotCached
	case j.verdict == absent:
		return 0, ErrNotFound
	case s.opts.StaleOnError > 0:
		return max(time.UnixMilli(j.meta.expiry).Sub(now), time.Millisecond), nil
	}
	ms, err := strconv.ParseInt(left, 10, 64)
	if err != nil {
		return 0, errReply
	}
	return max(time.Duration(ms)*time.Millisecond, time.Millisecond), nil
}
