package profile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// batch bounds the commands of one pipeline.
const batch = 1000

// GetMany returns the objects that there are, by id. Those that are absent are not in the map, and without a loader neither
// are those of which nothing is known; that is no error. Where some fail, the others are returned together with a
// [*ManyError] that names them.
//
// It takes one round trip where all are cached, and three with their loads: one to read, one for the leases, one LoadMany
// for all (Load for each, eight at a time, where there is no LoadMany), one to fill; a round trip is a pipeline of at most
// 1,000 commands. On a cluster each node gets its part. What others are loading is waited for, as Get does.
func (s *Store[T]) GetMany(ctx context.Context, ids ...string) (map[string]T, error) {
	out := make(map[string]T, len(ids))
	if err := check(ctx, ids...); err != nil {
		return out, fmt.Errorf("profile: get: %w", err)
	}
	m := many[T]{s: s, out: out, errs: map[string]error{}}
	seen := make(map[string]bool, len(ids))
	all := make([]wanted[T], 0, len(ids))
	m.pending = make([]*wanted[T], 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			all = append(all, wanted[T]{id: id, key: s.key(id)})
			m.pending = append(m.pending, &all[len(all)-1]) // which does not move: there is room for all
		}
	}
	for len(m.pending) > 0 {
		m.round(ctx)
	}
	return out, manyError("get", m.errs)
}

// wanted is an id of a GetMany that has no answer yet.
type wanted[T any] struct {
	id, key string
	*miss[T]
}

// miss is what it takes to load an id that is not cached.
type miss[T any] struct {
	judged judged[T]
	rounds int // in which it was changed by others; waiting is none
	waits  waits
	lost   string // a token that the next lease replaces
	taking taking
}

// many is a GetMany under way.
type many[T any] struct {
	s       *Store[T]
	out     map[string]T
	errs    map[string]error
	pending []*wanted[T]
}

// waiter is an id that waits for a flight.
type waiter[T any] struct {
	w      *wanted[T]
	flight *flight
	leased bool
}

func (m *many[T]) round(ctx context.Context) {
	s := m.s
	all := m.pending
	m.pending = nil
	if err := ctx.Err(); err != nil {
		for _, w := range all {
			m.errs[w.id] = err
		}
		return
	}
	var take, open []*wanted[T] // those that need a lease, those that do without
	var join []waiter[T]
	var wait []*wanted[T]
	s.readMany(ctx, all, func(w *wanted[T], h hash, err error) {
		if err != nil {
			if m.failed(ctx, w, "read", err) {
				open = append(open, w)
			}
			return
		}
		j := s.judge(h)
		if m.served(ctx, w, &j) || !s.loads {
			return
		}
		if w.miss == nil {
			w.miss = &miss[T]{waits: newWaits()}
			s.opts.Hooks.miss(w.id)
		}
		j.hash = slices.Clone(h)
		w.judged = j
		switch token := j.lease.token; {
		case w.rounds >= maxRounds:
			open = append(open, w)
		case s.held(&j, time.Now()) && !w.waits.over(token, s.leaseTime()):
			if s.lost.has(token, time.Now()) {
				w.lost = token
				take = append(take, w)
			} else if f, standing := s.holder(w.id, token); standing == joined {
				join = append(join, waiter[T]{w, f, true})
			} else {
				wait = append(wait, w)
			}
		default:
			take = append(take, w)
		}
	})

	var load []*flight
	for _, r := range s.takeMany(ctx, take) {
		w := r.w
		switch {
		case r.err != nil:
			if m.failed(ctx, w, "lease", r.err) {
				open = append(open, w)
			}
		case r.taken:
			load = append(load, w.taking.flight)
			join = append(join, waiter[T]{w, w.taking.flight, true})
		case r.holder != "":
			w.judged.lease.token = r.holder
			if f, standing := s.holder(w.id, r.holder); standing == joined {
				join = append(join, waiter[T]{w, f, true})
			} else {
				wait = append(wait, w)
			}
		default:
			w.judged = s.judge(r.changed)
			if !m.served(ctx, w, &w.judged) {
				m.again(w)
			}
		}
	}
	for _, w := range open {
		f, mine := s.flights.open(flightKey{id: w.id}, s.leaseTime())
		if mine {
			load = append(load, f)
		}
		join = append(join, waiter[T]{w, f, false})
	}
	if len(load) > 0 {
		s.start(ctx, load)
	}
	for _, j := range join {
		m.finish(ctx, j)
	}
	if len(wait) > 0 {
		m.awaitHolders(ctx, wait)
	}
}

// failed notes an error of Redis, and says whether the id is to be loaded nonetheless.
func (m *many[T]) failed(ctx context.Context, w *wanted[T], op string, err error) bool {
	if ended := ctx.Err(); ended != nil {
		m.errs[w.id] = ended
		return false
	}
	if errors.Is(err, ErrWrongType) || m.s.closed {
		m.errs[w.id] = err
		return false
	}
	m.s.opts.Hooks.error(op, w.id, err)
	return true
}

// served answers an id from what is cached, if that will do.
func (m *many[T]) served(ctx context.Context, w *wanted[T], j *judged[T]) bool {
	v, done, err := m.s.serve(w.id, j, nil)
	if done && err == nil {
		m.out[w.id] = v
		m.s.maybeRefresh(ctx, w.id, w.key, j)
	}
	return done
}

func (m *many[T]) finish(ctx context.Context, j waiter[T]) {
	if err := j.flight.answer(ctx); err != nil {
		m.errs[j.w.id] = err
		return
	}
	if j.flight.void {
		m.again(j.w)
		return
	}
	var judged *judged[T]
	if j.leased {
		judged = &j.w.judged
	}
	v, err := m.s.outcome(j.w.id, j.flight, judged, nil)
	switch {
	case err == nil:
		m.out[j.w.id] = v
	case !errors.Is(err, ErrNotFound):
		m.errs[j.w.id] = err
	}
}

// again has an id looked at once more.
func (m *many[T]) again(w *wanted[T]) {
	w.rounds++
	m.pending = append(m.pending, w)
}

// awaitHolders pauses, and has those that other processes are loading read again.
func (m *many[T]) awaitHolders(ctx context.Context, wait []*wanted[T]) {
	for _, w := range wait {
		w.waits.on(w.judged.lease.token)
	}
	_ = wait[0].waits.pause(ctx) // the next round sees a context that has ended
	for _, w := range wait[1:] {
		w.waits.next = wait[0].waits.next
	}
	m.pending = append(m.pending, wait...)
}

// readMany reads all in one pipeline, chunk by chunk, and tells each of what was read. The hash is the callee's until it returns.
func (s *Store[T]) readMany(ctx context.Context, all []*wanted[T], each func(w *wanted[T], h hash, err error)) {
	for chunk := range slices.Chunk(all, batch) {
		s.readBatch(ctx, chunk, each)
	}
}

func (s *Store[T]) readBatch(ctx context.Context, all []*wanted[T], each func(w *wanted[T], h hash, err error)) {
	var calls batchCalls
	asked := make([]*wanted[T], 0, len(all))
	for _, w := range all {
		if err := s.allowBatch(ctx, &calls, w.id, w.key); err != nil {
			each(w, nil, err)
			continue
		}
		asked = append(asked, w)
	}
	if len(asked) == 0 {
		return
	}
	began := time.Now()
	told := func(w *wanted[T], h hash, err error) {
		s.note(&calls, w.key, err)
		each(w, h, s.replied(err))
	}
	if s.opts.Sliding {
		s.slideBatch(ctx, asked, began, told)
	} else {
		s.readPlain(ctx, asked, told)
	}
	s.observeBatch(ctx, &calls, began)
}

// piped are the commands of a pipeline that has come back.
type piped[C any] struct {
	cmds []C
	err  error
}

// readPlain reads with HGETALL.
func (s *Store[T]) readPlain(ctx context.Context, all []*wanted[T], each func(w *wanted[T], h hash, err error)) {
	got, err := bounded(ctx, s, all[0].key, nil, func(ctx context.Context) (piped[redis.RawCmd], error) {
		cmds := make([]redis.RawCmd, len(all)) // in one piece, as are their arguments
		args := make([]any, 0, 2*len(all))
		queue := make([]redis.Cmder, len(all))
		for i, w := range all {
			args = append(args, "hgetall", w.key)
			cmds[i] = *redis.NewRawCmd(ctx, args[2*i:2*i+2:2*i+2]...)
			cmds[i].SetFirstKeyPos(1)
			queue[i] = &cmds[i]
		}
		pipe := s.rdb.Pipeline()
		_ = pipe.BatchProcess(ctx, queue...) // queues only
		_, err := pipe.Exec(ctx)
		return piped[redis.RawCmd]{cmds, err}, nil
	})
	if err != nil {
		for _, w := range all {
			each(w, nil, err)
		}
		return
	}
	var again []*wanted[T] // those whose reply is no hash
	var h hash
	for i, w := range all {
		cmd := &got.cmds[i]
		err := cmd.Err()
		if err == nil {
			var ok bool
			if h, ok = parseRaw(cmd.Val(), h[:0]); !ok {
				if len(cmd.Val()) > 0 || got.err == nil {
					again = append(again, w)
					continue
				}
				err = got.err // a greeting that is refused fails the pipeline and none of its commands
			}
		}
		if err != nil {
			each(w, nil, err)
		} else {
			each(w, h, nil)
		}
	}
	giveBack(h)
	if len(again) > 0 {
		s.readAgain(ctx, again, each)
	}
}

// readAgain reads in the ordinary way, which follows redirections and makes errors of error replies.
func (s *Store[T]) readAgain(ctx context.Context, all []*wanted[T], each func(w *wanted[T], h hash, err error)) {
	got, err := bounded(ctx, s, all[0].key, nil, func(ctx context.Context) (piped[*redis.MapStringStringCmd], error) {
		pipe := s.rdb.Pipeline()
		cmds := make([]*redis.MapStringStringCmd, len(all))
		for i, w := range all {
			cmds[i] = pipe.HGetAll(ctx, w.key)
		}
		_, err := pipe.Exec(ctx)
		return piped[*redis.MapStringStringCmd]{cmds, err}, nil
	})
	for i, w := range all {
		if err != nil {
			each(w, nil, err)
			continue
		}
		h, own := ordinary(got.cmds[i].Result())
		// A hash that was not read looks like one that is not there.
		if own == nil && got.err != nil && len(h) == 0 && once.Code(got.err) != "WRONGTYPE" {
			own = got.err
		}
		each(w, h, own)
	}
}

// slideBatch reads with the script that renews what it reads.
func (s *Store[T]) slideBatch(ctx context.Context, all []*wanted[T], began time.Time, each func(w *wanted[T], h hash, err error)) {
	got, err := bounded(ctx, s, all[0].key, nil, func(ctx context.Context) ([]redis.Cmder, error) {
		cmds := make([]redis.Cmder, len(all))
		for i, w := range all {
			cmds[i] = slidingScript.Cmd(ctx, []string{w.key}, s.slidingArgs(nil, began)...)
		}
		once.Exec(ctx, s.rdb, cmds)
		return cmds, nil
	})
	for i, w := range all {
		var h hash
		own := err
		if own == nil {
			if own = got[i].Err(); own == nil {
				if c, ok := got[i].(*redis.Cmd); ok {
					h, own = slidingReply(c.Val(), nil)
				}
			}
		}
		each(w, h, own)
	}
}

type takeResult[T any] struct {
	w       *wanted[T]
	taken   bool
	holder  string
	changed hash
	err     error
}

// takeMany asks for the leases of all in one pipeline, chunk by chunk, and once more for those whose answer was lost.
func (s *Store[T]) takeMany(ctx context.Context, all []*wanted[T]) []takeResult[T] {
	results := make([]takeResult[T], 0, len(all))
	for from := 0; from < len(all); from += batch {
		part := all[from:min(from+batch, len(all))]
		for _, w := range part {
			w.taking, w.lost = s.newTaking(w.id, w.key, w.lost), ""
		}
		results = append(results, s.takeBatch(ctx, part)...)
	}
	var again []*wanted[T]
	var at []int
	for i := range results {
		r := &results[i]
		if r.taken {
			continue
		}
		lost := r.w.taking.flight
		s.flights.cancel(lost)
		if once.IsUnknown(r.err) && ctx.Err() == nil {
			s.opts.Hooks.error("lease", r.w.id, r.err)
			r.w.taking = s.newTaking(r.w.id, r.w.key, lost.key.token)
			again, at = append(again, r.w), append(at, i)
		}
	}
	for from := 0; from < len(again); from += batch {
		for k, r := range s.takeBatch(ctx, again[from:min(from+batch, len(again))]) {
			results[at[from+k]] = r
			if !r.taken {
				s.flights.cancel(r.w.taking.flight)
			}
		}
	}
	for i := range results {
		results[i].err = s.replied(results[i].err)
	}
	return results
}

func (s *Store[T]) takeBatch(ctx context.Context, all []*wanted[T]) []takeResult[T] {
	results := make([]takeResult[T], len(all))
	var calls batchCalls
	asked := make([]int, 0, len(all))
	for i, w := range all {
		results[i].w = w
		if results[i].err = s.allowBatch(ctx, &calls, w.id, w.key); results[i].err == nil {
			asked = append(asked, i)
		}
	}
	if len(asked) == 0 {
		return results
	}
	began := time.Now()
	exec := func(ctx context.Context) ([]redis.Cmder, error) {
		cmds := make([]redis.Cmder, len(asked))
		for k, i := range asked {
			w := all[i]
			cmds[k] = leaseScript.Cmd(ctx, []string{w.key}, s.leaseArgs(&w.taking, w.judged.metaText, began)...)
		}
		for k, outcome := range once.Exec(ctx, s.rdb, cmds) {
			if outcome == once.Unknown {
				cmds[k].SetErr(&once.UnknownError{Err: cmds[k].Err()})
			}
		}
		return cmds, nil
	}
	if len(asked) == 1 { // a script alone spares the pipeline
		w := all[asked[0]]
		r := &results[asked[0]]
		r.taken, r.holder, r.changed, r.err = s.take(ctx, &w.taking, w.judged.metaText)
		return results
	}
	takings := make([]taking, len(asked))
	for k, i := range asked {
		takings[k] = all[i].taking
	}
	late := func(cmds []redis.Cmder, _ error) {
		for k, cmd := range cmds {
			if c, ok := cmd.(*redis.Cmd); ok && c.Err() == nil {
				token := takings[k].flight.key.token
				if taken, _, _, _ := leaseReply(c.Val()); taken {
					s.release(context.WithoutCancel(ctx), takings[k].id, takings[k].key, token)
				}
				s.lost.remove(token)
			}
		}
	}
	cmds, err := bounded(ctx, s, all[asked[0]].key, late, exec)
	for k, i := range asked {
		r := &results[i]
		if r.err = err; err == nil {
			r.err = cmds[k].Err()
			if c, ok := cmds[k].(*redis.Cmd); ok && r.err == nil {
				r.taken, r.holder, r.changed, r.err = leaseReply(c.Val())
			}
		}
		s.note(&calls, all[i].key, r.err)
		if isDown(r.err) {
			s.losing(all[i].taking.flight.key.token)
		}
	}
	s.observeBatch(ctx, &calls, began)
	return results
}
