package warmup

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-go/larder/internal/crew"
	"github.com/larder-go/larder/internal/keyset"
)

// run is one call of Run. The caller's goroutine takes the items, gathers them in
// chunks, and gives each to a goroutine of its own, of which there are at most
// Workers.
//
// With a checkpoint a chunk keeps its place among the Workers until all chunks
// before it are noted, so that no kill can cost more than Workers chunks.
type run struct {
	w      *Warmer
	source Source
	note   *notebook // nil: none
	begun  time.Time
	stop   context.CancelCauseFunc
	seed   maphash.Seed
	teller *teller

	slots   chan struct{}
	loaders chan struct{}
	crew    crew.Crew
	flying  []*chunk // of the caller's goroutine, like free
	free    []*chunk

	exhausted bool // the source has no more items

	loadedItems, loadedBytes atomic.Int64

	mu      sync.Mutex
	report  Report
	errors  int      // of this run
	seen    int      // items of this run's settled chunks
	bad     int      // the failed ones of them
	stopped bool     // no more errors are counted
	places  []*place // the chunks that are not noted, in their order
	noted   mark
	would   keyset.Set // hashes of the keys that a dry run would have stored
}

// place is a chunk's place in the order of all.
type place struct {
	mark mark // of this chunk alone, but for Keys, which are those until its end

	finished, ok bool
}

func newRun(w *Warmer, source Source) *run {
	return &run{
		w: w, source: source, begun: time.Now(), seed: maphash.MakeSeed(),
		slots:   make(chan struct{}, w.opts.Workers),
		loaders: make(chan struct{}, w.opts.Workers),
		noted:   mark{Source: source.name, Keys: fnvOffset},
	}
}

// all is the whole run.
func (r *run) all(outer context.Context) (Report, error) {
	ctx, stop := context.WithCancelCause(outer)
	r.stop = stop
	defer stop(nil)
	skip, err := r.resume(ctx)
	if err != nil {
		return Report{}, err
	}
	r.teller = newTeller(outer, r.w.opts.Progress, r.w.opts.Logger)
	defer func() {
		stop(nil) // the sequence may have panicked
		r.crew.Wait()
		r.teller.end(outer, r.progress())
	}()
	last, err := r.feed(ctx, skip)
	r.crew.Wait()
	r.crew.Check()
	err = r.verdict(outer, ctx, last, err)
	r.report.Elapsed = time.Since(r.begun)
	log := r.w.opts.Logger.With("stored", r.report.Stored, "skipped", r.report.Skipped, "failed", r.report.Failed, "elapsed", r.report.Elapsed)
	if err != nil {
		log.WarnContext(outer, "warmup: ended early", "error", err)
	} else {
		log.InfoContext(outer, "warmup: done")
	}
	return r.report, err
}

// resume reads the checkpoint, and makes sure that it can be written.
func (r *run) resume(ctx context.Context) (skip mark, err error) {
	log := r.w.opts.Logger
	if r.note == nil {
		log.InfoContext(ctx, "warmup: begins", "total", r.source.total)
		return mark{}, nil
	}
	m, found, err := r.note.read()
	if err != nil {
		return mark{}, err
	}
	if !found {
		log.InfoContext(ctx, "warmup: begins", "total", r.source.total, "checkpoint", r.note.path)
		return mark{}, r.note.write(r.noted, true)
	}
	if m.Source != r.source.name {
		return mark{}, r.another(fmt.Errorf("it is of a run of %q, and this one is of %q", m.Source, r.source.name))
	}
	log.InfoContext(ctx, "warmup: goes on", "done", m.Done, "total", r.source.total, "checkpoint", r.note.path)
	r.noted = m
	r.report = Report{
		Stored: int(m.Stored), Skipped: int(m.Skipped), Failed: int(m.Failed), Bytes: m.Bytes, Resumed: int(m.Done),
	}
	return m, r.note.write(m, true)
}

// another is the error of a checkpoint that is not of this source.
func (r *run) another(why error) error {
	return fmt.Errorf("%w %s: %w: give it the source that it was made with, or remove it, to begin from the beginning", ErrCheckpoint, r.note.path, why)
}

// errEnded stops a run of which a goroutine did not return.
var errEnded = errors.New("a goroutine ended")

// feed takes the items. last is an error without a key that the source ended
// with; err is a checkpoint that does not fit.
func (r *run) feed(ctx context.Context, skip mark) (last, err error) {
	f := feeder{r: r, skip: skip, keys: fnvOffset}
	for it, bad := range r.source.open(ctx, r.note != nil) {
		if last != nil { // it was not the last word, so it was an item's
			if !f.add(ctx, Item{}, last) {
				return nil, f.err
			}
			last = nil
		}
		if bad != nil && it.Key == "" {
			last = bad
			continue
		}
		if !f.add(ctx, it, bad) {
			return nil, f.err
		}
	}
	// A sequence that ends once ctx has ended may have ended for that. This is
	// asked before the last chunk is under way, as ctx may end with its work.
	r.exhausted = ctx.Err() == nil
	switch {
	case f.done < skip.Done && last == nil && r.exhausted:
		return nil, r.another(fmt.Errorf("%d items were done, and the source has %d", skip.Done, f.done))
	case f.cur != nil:
		r.dispatch(ctx, f.cur, f.keys)
	}
	return last, nil
}

// feeder gathers items in chunks.
type feeder struct {
	r    *run
	skip mark
	done int64
	keys uint64
	cur  *chunk
	err  error
}

// add takes an item, and says whether to go on.
func (f *feeder) add(ctx context.Context, it Item, bad error) bool {
	r := f.r
	if ctx.Err() != nil {
		return false
	}
	if r.note != nil {
		f.keys = hashKey(f.keys, it.Key)
	}
	if f.done < f.skip.Done {
		f.done++
		if f.done == f.skip.Done && f.keys != f.skip.Keys {
			f.err = r.another(errors.New("the keys that were done are others, or in another order"))
			return false
		}
		return true
	}
	if f.cur == nil {
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		f.cur = r.fresh()
	}
	f.cur.add(r, it, bad)
	if f.cur.full(r.w) {
		r.dispatch(ctx, f.cur, f.keys)
		f.cur = nil
	}
	return true
}

// fresh returns an empty chunk.
func (r *run) fresh() *chunk {
	flying := r.flying[:0]
	for _, c := range r.flying {
		select {
		case <-c.done:
			c.reset()
			r.free = append(r.free, c)
		default:
			flying = append(flying, c)
		}
	}
	clear(r.flying[len(flying):])
	r.flying = flying
	var c *chunk
	if n := len(r.free); n > 0 {
		c = r.free[n-1]
		r.free = r.free[:n-1]
	} else {
		c = newChunk()
	}
	c.done = make(chan struct{})
	return c
}

// dispatch gives a chunk to a goroutine.
func (r *run) dispatch(ctx context.Context, c *chunk, keys uint64) {
	for _, done := range c.after { // a later item of the same key wins
		<-done
	}
	p := &place{mark: mark{Done: int64(len(c.items)), Keys: keys}}
	r.mu.Lock()
	r.places = append(r.places, p)
	r.mu.Unlock()
	r.flying = append(r.flying, c)
	r.crew.Go(func() {
		c.work(ctx, r)
		r.settle(ctx, c, p)
	}, func(returned bool) {
		if !returned {
			r.stop(errEnded)
		}
		close(c.done)
	})
}

// fail counts an item that failed, and stops the run if it was one too many.
func (r *run) fail(c *chunk, key string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		c.cut = true // it will be done again, as the item is not counted
		return
	}
	c.failed++
	r.errors++
	r.report.Failed++
	if len(r.report.Errors) < maxErrors {
		r.report.Errors = append(r.report.Errors, &ItemError{Key: key, Err: err})
	}
	if n := r.w.opts.MaxErrors; n >= 0 && r.errors >= n {
		r.abort(fmt.Errorf("%d items failed, the last of them %.100q: %w", r.errors, key, err))
	}
}

// abort stops the run; r.mu is held.
func (r *run) abort(cause error) {
	if !r.stopped {
		r.stopped = true
		r.stop(fmt.Errorf("%w: %w", ErrAborted, cause))
	}
}

// settle counts a chunk, and notes it once all before it are noted.
func (r *run) settle(ctx context.Context, c *chunk, p *place) {
	r.mu.Lock()
	r.report.Stored += c.stored
	r.report.Skipped += c.skipped
	r.report.Bytes += c.sent
	r.seen += c.stored + c.skipped + c.failed
	r.bad += c.failed // r.errors runs ahead of r.seen
	if ratio := r.w.opts.MaxErrorRatio; ratio > 0 && r.seen >= ratioAfter && r.bad > 0 && float64(r.bad) >= ratio*float64(r.seen) {
		r.abort(fmt.Errorf("%d of %d items failed, the first of them: %w", r.bad, r.seen, r.report.Errors[0]))
	}
	p.finished = true
	// The failures of a run that stops are to be tried again by the next one.
	p.ok = !c.cut && (c.failed == 0 || ctx.Err() == nil)
	p.mark.Stored, p.mark.Skipped, p.mark.Failed, p.mark.Bytes = int64(c.stored), int64(c.skipped), int64(c.failed), c.sent
	passed := 0
	for _, q := range r.places {
		if !q.finished || !q.ok {
			break
		}
		r.noted.add(q.mark)
		passed++
	}
	clear(r.places[:passed])
	r.places = r.places[passed:]
	noted := r.noted
	r.mu.Unlock()

	r.teller.update(r.progress())
	if r.note == nil {
		<-r.slots
		return
	}
	if passed == 0 {
		return
	}
	if err := r.note.write(noted, false); err != nil {
		r.stop(err)
		return
	}
	for range passed {
		<-r.slots
	}
}

// add adds what a chunk did.
func (m *mark) add(c mark) {
	m.Done += c.Done
	m.Stored += c.Stored
	m.Skipped += c.Skipped
	m.Failed += c.Failed
	m.Bytes += c.Bytes
	m.Keys = c.Keys
}

// progress says how far the run is.
func (r *run) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Progress{
		Done:  int64(r.report.Stored + r.report.Skipped + r.report.Failed),
		Total: r.source.total, Bytes: r.report.Bytes, Errors: r.report.Failed, ETA: -1,
	}
	elapsed := time.Since(r.begun)
	if now := p.Done - int64(r.report.Resumed); now > 0 && elapsed > 0 {
		p.Rate = float64(now) / elapsed.Seconds()
		if left := p.Total - p.Done; p.Total >= 0 && left >= 0 {
			p.ETA = time.Duration(min(float64(left)/p.Rate*float64(time.Second), float64(1<<62)))
		}
	}
	return p
}

// verdict returns the error of a run whose goroutines have ended.
func (r *run) verdict(outer, ctx context.Context, last, err error) error {
	complete := len(r.places) == 0 && last == nil && err == nil && r.exhausted
	switch cause := context.Cause(ctx); {
	case err != nil:
		return err
	case complete && (ctx.Err() == nil || outer.Err() != nil && !r.stopped && !errors.Is(cause, ErrCheckpoint)):
		// A context that ended when all was done is no error.
	case outer.Err() != nil && !r.stopped && !errors.Is(cause, ErrCheckpoint):
		if errors.Is(cause, outer.Err()) {
			return fmt.Errorf("warmup: %w", cause)
		}
		return fmt.Errorf("warmup: %w: %w", outer.Err(), cause)
	case ctx.Err() != nil:
		return cause
	case last != nil:
		return fmt.Errorf("%w: %w", ErrSource, last)
	default:
		return errors.New("warmup: some chunks were not finished") // cannot be: they end unfinished only with ctx
	}
	if r.note != nil {
		return r.note.remove()
	}
	return nil
}
