package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/crew"
	"github.com/larder-go/larder/internal/once"
)

// Item is a key and its value.
type Item[T any] struct {
	// Key is the key that was asked for.
	Key string
	// Value is what is stored there, the zero value if nothing is.
	Value T
	// Found says whether something is.
	Found bool
}

// Get reads keys and returns the values that exist: a missing key is absent from
// the map. The error is nil if every key was read, found or not, and a
// [*BatchError] if not, whose Failures are the keys that could not be read or
// decoded (a *codec.Error); the map then holds the others.
//
// On one node the keys are read by MGET, as they are within one slot of a
// cluster, and a key of a foreign type reads as missing. Elsewhere they are read
// by GET, and it fails with WRONGTYPE. Chunks are sent again up to
// Options.Retries times. One round trip a chunk; O(1) a key.
func Get[T any](ctx context.Context, b *Batcher, keys ...string) (map[string]T, error) {
	if err := b.ready(); err != nil {
		return nil, err
	}
	begun := time.Now()
	values := make(map[string]T, len(keys))
	report := Report{}
	sequence := func(yield func(string) bool) {
		for _, key := range keys {
			if !yield(key) {
				return
			}
		}
	}
	attempts := read(ctx, b, sequence, func(index int, r *result[T]) bool {
		switch {
		case index < 0:
			return false // the end of the context, which each key says too
		case r.err != nil:
			report.count(Failure{Index: index, Key: r.item.Key, Outcome: Outcome(r.o), Err: r.err}, maxInt/2)
		case !r.item.Found:
			report.Missing++
		default:
			report.Applied++
			values[r.item.Key] = r.item.Value
		}
		return true
	})
	for i := report.Applied + report.Missing + report.Failed + report.Unknown + report.NotSent; i < len(keys); i++ {
		report.count(Failure{Index: i, Key: keys[i], Outcome: NotSent, Err: ctx.Err()}, maxInt/2)
	}
	if report.ok() {
		return values, nil
	}
	report.Attempts = attempts
	report.Elapsed = time.Since(begun)
	return values, &BatchError{Report: report, op: "get"}
}

// GetSeq reads any number of keys in constant memory, that of the chunks in
// flight. It yields every key that it took, in order and as often as it came: a
// missing one with Found false, and one that could not be read or decoded with
// its error, after which it goes on. Once ctx ends it takes no more keys, and its
// last pair is an empty Item with the context's error. Keys are taken ahead of
// what is yielded. The sequence can be used once.
//
// What is yielded is what was stored when its chunk was read: the whole is not of
// one moment. For MGET, retries and cost see [Get].
func GetSeq[T any](ctx context.Context, b *Batcher, keys iter.Seq[string]) iter.Seq2[Item[T], error] {
	used := false
	return func(yield func(Item[T], error) bool) {
		err := b.ready()
		if err == nil && used {
			err = errUsed
		}
		used = true
		if err != nil {
			yield(Item[T]{}, err)
			return
		}
		if keys == nil {
			return
		}
		read(ctx, b, keys, func(index int, r *result[T]) bool {
			switch {
			case index < 0:
				return yield(Item[T]{}, fmt.Errorf("pipeline: get: %w", r.err))
			case r.err == nil:
				return yield(r.item, nil)
			case r.o == once.Unknown:
				r.err = unknownErr(r.err)
			}
			return yield(r.item, fmt.Errorf("pipeline: get %.200q: %w", r.item.Key, r.err))
		})
	}
}

var errUsed = errors.New("pipeline: get: the sequence can be used once")

// result is what was read of a key.
type result[T any] struct {
	item Item[T]
	err  error
	o    once.Outcome // of the sending; Failed for what cannot be decoded
	text string       // as it was read
}

// decode makes a value of the text.
func (r *result[T]) decode(c codec.Codec) {
	defer func() {
		if p := recover(); p != nil {
			r.err = &codec.Error{Codec: c.Name(), Op: "unmarshal", Type: fmt.Sprintf("%T", &r.item.Value), Err: fmt.Errorf("panic: %v", p)}
		}
		if r.err != nil {
			r.o = once.Failed
			r.item = Item[T]{Key: r.item.Key}
		}
	}()
	err := c.Unmarshal(unsafe.Slice(unsafe.StringData(r.text), len(r.text)), &r.item.Value) // codecs do not write to it
	r.err = asCodecError(c, "unmarshal", &r.item.Value, err)
}

// window is the keys that are read at the same time, one chunk a node.
type window[T any] struct {
	first    int
	results  []result[T]
	bytes    atomic.Int64 // of the values
	attempts int
	done     chan struct{}
}

// read reads keys and calls each with them, in order. Once the context ends it
// calls each with the index -1. It returns the most sends of a chunk.
func read[T any](ctx context.Context, b *Batcher, keys iter.Seq[string], each func(index int, r *result[T]) bool) int {
	ctx, cancel := context.WithCancel(ctx)
	var team crew.Crew
	defer team.Wait() // no goroutine outlives the call
	defer cancel()
	r := reader[T]{b: b, ctx: ctx}
	turns := make(chan struct{}, b.opts.Workers) // one window more is ready, or waits
	size := min(firstRead, b.opts.ChunkSize)
	attempts, index := 0, 0
	var flying []*window[T]
	cur := &window[T]{}
	// launch sends the current window.
	launch := func() {
		w := cur
		w.done = make(chan struct{})
		flying = append(flying, w)
		cur = &window[T]{first: index}
		parts := r.split(w, size)
		team.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			w.attempts = r.fetch(w, parts)
		}, func(bool) { close(w.done) })
	}
	// deliver hands over the oldest window.
	deliver := func() bool {
		w := flying[0]
		flying = flying[1:]
		<-w.done
		team.Check()
		attempts = max(attempts, w.attempts)
		size = b.nextSize(size, int(w.bytes.Load()), len(w.results))
		for i := range w.results {
			if !each(w.first+i, &w.results[i]) {
				return false
			}
		}
		return true
	}
	ended := false
	for key := range keys {
		if len(cur.results) == 0 && ctx.Err() != nil {
			ended = true
			break
		}
		if cur.results == nil {
			cur.results = make([]result[T], 0, size*max(1, r.nodes()))
		}
		cur.results = append(cur.results, result[T]{item: Item[T]{Key: key}})
		index++
		if len(cur.results) < size*max(1, r.nodes()) {
			continue
		}
		launch()
		if len(flying) > b.opts.Workers && !deliver() {
			return attempts
		}
	}
	if len(cur.results) > 0 {
		launch()
	}
	for len(flying) > 0 {
		if !deliver() {
			return attempts
		}
	}
	if ended {
		each(-1, &result[T]{err: ctx.Err()})
	}
	return attempts
}

// nextSize returns how many keys the next chunks hold, after n keys had so many
// bytes: as many as fill ChunkBytes, but growing by steps.
func (b *Batcher) nextSize(size, bytes, n int) int {
	fit := b.opts.ChunkBytes / max(1, bytes/max(1, n)+16)
	return max(1, min(fit, 8*size, b.opts.ChunkSize))
}

// reader reads windows.
type reader[T any] struct {
	b      *Batcher
	ctx    context.Context //nolint:containedctx // it lives as long as one call
	router router          // of the caller's goroutine
}

func (r *reader[T]) nodes() int { return len(r.router.nodes) }

// split returns the positions of the keys of w, in chunks by node.
func (r *reader[T]) split(w *window[T], size int) [][]int {
	var byNode [][]int
	for i := range w.results {
		key := w.results[i].item.Key
		if key == "" {
			w.results[i].err, w.results[i].o = errEmptyKey, once.NotSent
			continue
		}
		n := r.router.node(r.ctx, r.b, key)
		for len(byNode) <= n {
			byNode = append(byNode, nil)
		}
		byNode[n] = append(byNode[n], i)
	}
	var parts [][]int
	for _, list := range byNode {
		for len(list) > size {
			parts = append(parts, list[:size])
			list = list[size:]
		}
		if len(list) > 0 {
			parts = append(parts, list)
		}
	}
	return parts
}

// fetch reads the parts of a window at the same time.
func (r *reader[T]) fetch(w *window[T], parts [][]int) int {
	var team crew.Crew
	defer team.Wait()
	attempts := make([]int, len(parts))
	for p := 1; p < len(parts); p++ {
		team.Go(func() { attempts[p] = r.part(w, parts[p]) }, func(bool) {})
	}
	if len(parts) > 0 {
		attempts[0] = r.part(w, parts[0])
	}
	team.Wait()
	team.Check()
	most := 0
	for _, n := range attempts {
		most = max(most, n)
	}
	return most
}

// part reads the keys at the given positions, again those that were not read.
func (r *reader[T]) part(w *window[T], open []int) int {
	attempts := 0
	lost := map[int]bool{}
	bytes := 0
	defer func() { w.bytes.Add(int64(bytes)) }()
	buf, ok := r.b.replies.Get().(*replyBuffer)
	if !ok {
		buf = &replyBuffer{}
	}
	defer func() {
		if cap(buf.b) <= 4<<20 { // not what a first chunk of huge values took
			r.b.replies.Put(buf)
		}
	}()
	for {
		if err := r.ctx.Err(); err != nil {
			for _, i := range open {
				if attempts == 0 {
					w.results[i].err, w.results[i].o = err, once.NotSent
				}
			}
			return attempts
		}
		attempts++
		if !r.mget(w, open, buf) {
			r.gets(w, open)
		}
		var still []int
		for _, i := range open {
			a := &w.results[i]
			if a.err == nil {
				if a.item.Found {
					bytes += len(a.text)
					a.decode(r.b.opts.Codec)
					a.text = "" // its memory is used again
				}
				continue
			}
			if retryable(a.o, a.err) {
				still = append(still, i)
			}
			if a.o == once.Unknown {
				lost[i] = true
			} else if lost[i] {
				a.o = once.Unknown // an earlier try was sent and not answered
			}
		}
		open = still
		if len(open) == 0 || attempts > r.b.opts.Retries || once.Sleep(r.ctx, pause(attempts)) != nil {
			return attempts
		}
	}
}

// mget reads keys by one MGET. It returns false where it may not, or where the
// server says that the keys are in several slots.
func (r *reader[T]) mget(w *window[T], open []int, buf *replyBuffer) bool {
	client := r.mgetClient(w, open)
	if client == nil {
		return false
	}
	args := make([]any, 1, 1+len(open))
	args[0] = "mget"
	for _, i := range open {
		args = append(args, &w.results[i].item.Key)
	}
	// The raw reply, in memory that is used again, whose values are read where
	// they lie: go-redis would make two allocations for each.
	buf.b = buf.b[:0]
	cmd := redis.NewRawWriteToCmd(r.ctx, buf, args...)
	o := once.Exec(r.ctx, client, []redis.Cmder{cmd})[0]
	err := cmd.Err()
	if raw := buf.b; o == once.Applied {
		if text, bad := errorReply(raw); bad {
			o, err = once.Failed, replyError(text)
		} else if !bulks(raw, len(open), func(k int, text string, found bool) {
			w.results[open[k]].read(text, found)
		}) {
			o, err = once.Failed, errReply
		}
	}
	if o == once.Applied {
		return true
	}
	if o == once.Failed {
		switch once.Code(err) {
		case "CROSSSLOT", "MOVED", "ASK", "TRYAGAIN":
			if client == r.b.rdb {
				r.b.noMGET.Store(true) // one node of a cluster
			}
			return false
		}
	}
	for _, i := range open {
		w.results[i].err, w.results[i].o = err, o
	}
	return true
}

// mgetClient returns the client for an MGET of keys, nil if there is none.
func (r *reader[T]) mgetClient(w *window[T], open []int) redis.UniversalClient {
	switch r.b.shape(r.ctx) {
	case single:
		if !r.b.noMGET.Load() {
			return r.b.rdb
		}
	case cluster:
		client, ok := r.b.rdb.(*redis.ClusterClient)
		if !ok || len(open) < 2 {
			return nil
		}
		s := slot(w.results[open[0]].item.Key)
		for _, i := range open[1:] {
			if slot(w.results[i].item.Key) != s {
				return nil
			}
		}
		// The master itself: a ClusterClient takes no MGET in a pipeline.
		if node, err := client.MasterForKey(r.ctx, w.results[open[0]].item.Key); err == nil {
			return node
		}
	}
	return nil
}

// gets reads keys by GETs.
func (r *reader[T]) gets(w *window[T], open []int) {
	slab := make([]once.Bulk, len(open))
	args := make([]any, 0, 2*len(open))
	cmds := make([]redis.Cmder, len(open))
	var name any = "get"
	for k, i := range open {
		args = append(args, name, &w.results[i].item.Key)
		slab[k].Init(r.ctx, args[2*k:2*k+2:2*k+2])
		cmds[k] = &slab[k]
	}
	for k, o := range once.Exec(r.ctx, r.b.rdb, cmds) {
		a := &w.results[open[k]]
		switch err := slab[k].Err(); {
		case o == once.Applied && err == nil:
			a.read(slab[k].Val(), true)
		case o == once.Applied: // redis.Nil: nothing is there
			a.read("", false)
		default:
			a.err, a.o = err, o
		}
	}
}

// read takes what the server has answered.
func (r *result[T]) read(text string, found bool) {
	r.text, r.item.Found, r.err, r.o = text, found, nil, once.Applied
}
