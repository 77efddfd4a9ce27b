package warmup

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/keyset"
	"github.com/larder-go/larder/internal/once"
	"github.com/larder-go/larder/pipeline"
)

var (
	errEmptyKey = errors.New("the key is empty")
	errNilValue = errors.New("the value is nil, and there is no Load")
	errNilLoad  = errors.New("the loader returned nil and no error: return ErrNotFound for what is not there")
	errLoadExit = errors.New("the loader ended its goroutine")
)

// fate is what is known of an item before it is encoded.
type fate uint8

const (
	open    fate = iota
	waits        // for its Load
	dropped      // failed, and counted
	absent       // to be skipped
)

// chunk is what is loaded, stored and noted together.
type chunk struct {
	items  []Item
	fates  []fate
	loads  bool // some items wait for their Load
	known  int  // bytes of the values whose size is known without encoding them
	hashes keyset.Set
	after  []chan struct{} // of chunks on their way with a key of this one
	done   chan struct{}

	entries []entry // encoded, and not yet stored
	size    int     // of entries
	batch   []*entry

	stored, skipped int
	failed          int // guarded by run.mu until all goroutines of the chunk are done
	sent            int64
	cut             bool // the run stopped before all was done
}

// entry is an encoded item.
type entry struct {
	key     string
	data    []byte
	ttl     time.Duration // 0: for ever
	expires time.Time     // of a copy: when the key ends that it was read from
}

func (e *entry) size() int { return len(e.key) + len(e.data) }

// encoded is the codec of entries, which are encoded already.
type encoded struct{}

func (encoded) Name() string { return "encoded" }

func (encoded) Marshal(v any) ([]byte, error) {
	if e, ok := v.(*entry); ok {
		return e.data, nil
	}
	return nil, errors.New("not an entry")
}

func (encoded) Unmarshal([]byte, any) error { return errors.New("not made for reading") }

func newChunk() *chunk {
	return &chunk{}
}

func (c *chunk) reset() {
	clear(c.items)
	clear(c.entries[:cap(c.entries)])
	c.items, c.fates, c.entries, c.after = c.items[:0], c.fates[:0], c.entries[:0], c.after[:0]
	c.hashes.Reset()
	c.loads, c.cut, c.known, c.size = false, false, 0, 0
	c.stored, c.skipped, c.failed, c.sent = 0, 0, 0, 0
}

// add takes an item; bad is an error that came with it.
func (c *chunk) add(r *run, it Item, bad error) {
	f := open
	switch v := it.Value.(type) {
	case string:
		c.known += len(v)
	case []byte:
		c.known += len(v)
	case copied:
		c.known += len(v.data)
	}
	err := bad
	switch {
	case err != nil:
	case it.Key == "":
		err = errEmptyKey
	case it.TTL < -1 || it.TTL > 0 && it.TTL < time.Millisecond:
		err = fmt.Errorf("the time to live is %v: it must be a millisecond or more, 0 or -1", it.TTL)
	case isNilValue(it.Value):
		if it.Load == nil {
			err = errNilValue
			break
		}
		f = waits
		c.loads = true
	}
	if err != nil {
		r.fail(c, it.Key, err)
		f = dropped
	} else if r.w.opts.Workers > 1 {
		h := maphash.String(r.seed, it.Key) | 1
		for _, other := range r.flying {
			if other.hashes.Has(h) && (len(c.after) == 0 || c.after[len(c.after)-1] != other.done) {
				c.after = append(c.after, other.done)
			}
		}
		c.hashes.Add(h)
	}
	c.items = append(c.items, it)
	c.fates = append(c.fates, f)
}

// isNilValue tells nil, and nil pointers.
func isNilValue(v any) bool {
	switch v.(type) {
	case nil:
		return true
	case string, []byte, copied, skipped: // without reflection
		return false
	}
	rv := reflect.ValueOf(v)
	return rv.Kind() == reflect.Pointer && rv.IsNil()
}

// full says whether the chunk is to be sent.
func (c *chunk) full(w *Warmer) bool {
	return len(c.items) >= w.chunkSize() || c.known >= chunkBytes
}

// work loads, encodes and stores the items.
func (c *chunk) work(ctx context.Context, r *run) {
	loaded := 0
	for i := range c.items {
		if i >= loaded && c.fates[i] == waits {
			loaded = c.load(ctx, r, i)
		}
		if ctx.Err() != nil {
			c.cut = true
			return
		}
		switch c.fates[i] {
		case dropped, waits: // counted
			continue
		case absent:
			c.skipped++
			continue
		}
		if !c.encode(r, &c.items[i]) {
			continue
		}
		if len(c.entries) >= r.w.items.burst() || c.size >= min(chunkBytes, r.w.bytes.burst()) {
			c.store(ctx, r)
		}
	}
	c.store(ctx, r)
}

// load calls the loaders of some items from i on, as many as are likely to fit
// into memory together, and returns the first that it did not look at.
func (c *chunk) load(ctx context.Context, r *run, i int) int {
	end := min(i+r.block(), len(c.items))
	if r.w.opts.Mode == FillMissing {
		c.lookUp(ctx, r, i, end)
	}
	var next atomic.Int64
	next.Store(int64(i))
	// Again, should loaders have ended all the goroutines.
	for int(next.Load()) < end && ctx.Err() == nil {
		var wg sync.WaitGroup
		for range min(r.w.opts.Workers, end-i) {
			wg.Go(func() {
				for {
					k := int(next.Add(1)) - 1
					if k >= end {
						return
					}
					if c.fates[k] != waits {
						continue
					}
					select {
					case r.loaders <- struct{}{}:
					case <-ctx.Done():
						return
					}
					c.loadOne(ctx, r, k)
				}
			})
		}
		wg.Wait()
	}
	if ctx.Err() != nil {
		return end // what waits is not counted
	}
	for k := i; k < end; k++ {
		if c.fates[k] == waits {
			r.fail(c, c.items[k].Key, errLoadExit)
			c.fates[k] = dropped
		}
	}
	return end
}

// loadOne calls the loader of an item. The place among the loaders is given back.
func (c *chunk) loadOne(ctx context.Context, r *run, k int) {
	defer func() { <-r.loaders }()
	if ctx.Err() != nil {
		return
	}
	it := &c.items[k]
	value, err := call(ctx, it.Load)
	switch {
	case err != nil && ctx.Err() != nil: // the run's end is not the item's fault
	case errors.Is(err, ErrNotFound):
		c.fates[k] = absent
	case err == nil && isNilValue(value):
		err = errNilLoad
		fallthrough
	case err != nil:
		r.fail(c, it.Key, err)
		c.fates[k] = dropped
	default:
		it.Value = value
		c.fates[k] = open
	}
}

// call survives a loader that panics.
func call(ctx context.Context, load func(context.Context) (any, error)) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("the loader panicked: %v", p)
		}
	}()
	return load(ctx)
}

// block is how many values are loaded before the first of them is sent.
func (r *run) block() int {
	n := r.loadedItems.Load()
	if n == 0 {
		return 64
	}
	mean := max(r.loadedBytes.Load()/n, 1)
	return int(min(max(chunkBytes/mean, 1), chunkItems))
}

// lookUp marks the items whose keys exist.
func (c *chunk) lookUp(ctx context.Context, r *run, from, end int) {
	var index []int
	for k := from; k < end; k++ {
		if c.fates[k] == waits {
			index = append(index, k)
		}
	}
	found := r.exists(ctx, len(index), func(k int) string { return c.items[index[k]].Key })
	for k, cmd := range found {
		if n, err := cmd.Result(); err == nil && n > 0 {
			c.fates[index[k]] = absent
		}
	}
}

// exists asks for n keys. What cannot be told is told by the SET.
func (r *run) exists(ctx context.Context, n int, key func(k int) string) []*redis.IntCmd {
	cmds := make([]*redis.IntCmd, n)
	_, _ = r.w.batch.Do(ctx, func(p redis.Pipeliner) error {
		for k := range cmds {
			cmds[k] = p.Exists(ctx, key(k))
		}
		return nil
	})
	return cmds
}

// encode puts an item into the entries, and says whether it is there.
func (c *chunk) encode(r *run, it *Item) bool {
	e := entry{key: it.Key}
	ttl := it.TTL
	if ttl == 0 {
		ttl = r.w.opts.TTL
	}
	switch v := it.Value.(type) {
	case skipped:
		c.skipped++
		return false
	case copied:
		e.data, e.expires = v.data, v.expires
	default:
		data, err := marshal(r.w.opts.Codec, v)
		if err != nil {
			r.fail(c, it.Key, err)
			return false
		}
		e.data = data
		if it.Load != nil {
			r.loadedItems.Add(1)
			r.loadedBytes.Add(int64(e.size()))
			it.Value = nil // the bytes are enough
		}
		if ttl > 0 {
			e.ttl = spread(ttl, r.w.opts.Jitter)
		}
	}
	c.entries = append(c.entries, e)
	c.size += e.size()
	return true
}

// marshal encodes a value; a codec that panics is one failed item.
func marshal(c codec.Codec, v any) (data []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			data, err = nil, &codec.Error{Codec: c.Name(), Op: "marshal", Type: fmt.Sprintf("%T", v), Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	data, err = c.Marshal(v)
	if err == nil {
		return data, nil
	}
	if _, ok := errors.AsType[*codec.Error](err); !ok {
		err = &codec.Error{Codec: c.Name(), Op: "marshal", Type: fmt.Sprintf("%T", v), Err: err}
	}
	return nil, err
}

// spread applies the jitter to a time to live.
func spread(ttl time.Duration, jitter float64) time.Duration {
	if jitter > 0 {
		ttl += time.Duration(float64(ttl) * jitter * (2*rand.Float64() - 1)) //nolint:gosec // not a secret
	}
	return max(ttl, time.Millisecond)
}

// store sends the entries as the limits allow, and forgets them.
func (c *chunk) store(ctx context.Context, r *run) {
	defer func() {
		clear(c.entries)
		c.entries, c.size = c.entries[:0], 0
	}()
	if len(c.entries) == 0 {
		return
	}
	if err := r.admit(ctx, len(c.entries), c.size); err != nil {
		c.cut = true
		return
	}
	c.dropExpired()
	if r.w.opts.DryRun {
		c.rehearse(ctx, r)
		return
	}
	entries := c.batch[:0]
	for i := range c.entries {
		entries = append(entries, &c.entries[i])
	}
	c.batch = entries
	for attempt := 0; len(entries) > 0; attempt++ {
		entries = c.send(ctx, r, entries, attempt)
	}
}

// admit waits until so much may be sent.
func (r *run) admit(ctx context.Context, items, bytes int) error {
	if err := r.w.items.wait(ctx, items); err != nil {
		return err
	}
	if err := r.w.bytes.wait(ctx, bytes); err != nil {
		return err
	}
	if r.w.opts.DryRun {
		return nil
	}
	return r.w.gate.wait(ctx)
}

// dropExpired skips copies of keys that have ended since they were read.
func (c *chunk) dropExpired() {
	kept := c.entries[:0]
	for _, e := range c.entries {
		if !e.expires.IsZero() {
			e.ttl = time.Until(e.expires).Truncate(time.Millisecond)
			if e.ttl <= 0 {
				c.skipped++
				continue
			}
		}
		kept = append(kept, e)
	}
	clear(c.entries[len(kept):])
	c.entries = kept
}

// rehearse counts what a real run would do.
func (c *chunk) rehearse(ctx context.Context, r *run) {
	var found []*redis.IntCmd
	if r.w.opts.Mode == FillMissing {
		found = r.exists(ctx, len(c.entries), func(k int) string { return c.entries[k].key })
		if ctx.Err() != nil {
			c.cut = true
			return
		}
	}
	for k := range c.entries {
		e := &c.entries[k]
		if found != nil {
			n, err := found[k].Result()
			if err != nil {
				r.fail(c, e.key, err)
				continue
			}
			if n > 0 || r.seenBefore(e.key) {
				c.skipped++
				c.sent += int64(e.size())
				continue
			}
		}
		c.stored++
		c.sent += int64(e.size())
	}
}

// seenBefore says whether the run would have stored the key, and remembers it.
func (r *run) seenBefore(key string) bool {
	h := maphash.String(r.seed, key) | 1
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.would.Has(h) {
		return true
	}
	r.would.Add(h)
	return false
}

// send stores entries and returns those that are to be sent again.
func (c *chunk) send(ctx context.Context, r *run, entries []*entry, attempt int) []*entry {
	opts := pipeline.SetOptions{
		TTLs:   func(i int, _ string) time.Duration { return entries[i].ttl },
		Jitter: -1, // it is in the times already
	}
	if r.w.opts.Mode == FillMissing {
		opts.Mode = pipeline.IfAbsent
	}
	report, _ := pipeline.Set(ctx, r.w.batch, func(yield func(string, *entry) bool) { // what failed is in the report
		for _, e := range entries {
			if !yield(e.key, e) {
				return
			}
		}
	}, opts)
	c.stored += report.Applied
	c.skipped += report.Skipped
	taken := report.Applied + report.Skipped + report.Failed + report.Unknown + report.NotSent
	c.cut = c.cut || taken < len(entries) // the run ended before all were taken
	size := int64(0)
	for _, e := range entries[:taken] {
		size += int64(e.size())
	}
	var again []*entry
	for _, f := range report.Failures {
		e := entries[f.Index]
		size -= int64(e.size())
		switch {
		case ctx.Err() != nil && f.Outcome != pipeline.Failed:
			c.cut = true
		case r.w.opts.Mode == FillMissing && f.Outcome != pipeline.Failed && once.Code(f.Err) == "" && attempt < retries:
			// pipeline does not send a SET NX twice, since the second one may be
			// told that the key is there. Here that is good enough.
			again = append(again, e)
		default:
			r.refused(c, e.key, f.Err)
		}
	}
	c.sent += size
	if len(again) > 0 && once.Sleep(ctx, pause(attempt)) != nil {
		c.cut = true
		return nil
	}
	return again
}

// refused counts an item that was not stored. A server without memory refuses
// every other item, too, so it ends the run.
func (r *run) refused(c *chunk, key string, err error) {
	r.fail(c, key, err)
	if once.Code(err) == "OOM" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.abort(fmt.Errorf("the server is out of memory: %w", err))
	}
}

// pause is how long to wait before a try: it doubles, to half a second, and half
// of it is drawn at random.
func pause(attempt int) time.Duration {
	d := min(16*time.Millisecond<<min(attempt, 10), 512*time.Millisecond)
	return d/2 + rand.N(d/2) //nolint:gosec // not a secret
}
