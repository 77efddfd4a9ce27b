package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/once"
)

// Mode says when [Set] stores an item.
type Mode int

// The modes of [Set].
const (
	// Always stores every item.
	Always Mode = iota
	// IfAbsent stores an item whose key does not exist. Its chunks are not sent
	// again: a second run would be told that the key exists.
	IfAbsent
	// IfPresent stores an item whose key exists.
	IfPresent
)

// SetOptions are the options of [Set]. The zero value stores every item for ever.
type SetOptions struct {
	// TTL is how long the items live, a millisecond or more. 0: for ever. It is
	// part of the command that stores the item.
	TTL time.Duration
	// TTLs, if it is not nil, gives each item its own time to live, and TTL is
	// left zero. It is called once for each item, in their order, with the
	// item's index and key, and may return 0: for ever. What it may not return
	// fails that item alone.
	TTLs func(index int, key string) time.Duration
	// Jitter spreads the times to live evenly between 1-Jitter and 1+Jitter times
	// of what they are, so that what was stored together does not end together.
	// From 0 to below 1. 0 and -1: none.
	Jitter float64
	// KeepTTL leaves the time to live of a key that exists as it is. It excludes
	// TTL and TTLs.
	KeepTTL bool
	// Mode says which items are stored. Default: Always.
	Mode Mode
}

func (o SetOptions) check() error {
	switch {
	case o.TTL < 0 || o.TTL > 0 && o.TTL < time.Millisecond:
		return fmt.Errorf("pipeline: SetOptions.TTL is %v: it must be 0, or a millisecond or more", o.TTL)
	case o.KeepTTL && (o.TTL != 0 || o.TTLs != nil):
		return errors.New("pipeline: SetOptions.KeepTTL excludes TTL and TTLs")
	case o.TTL != 0 && o.TTLs != nil:
		return errors.New("pipeline: SetOptions.TTL excludes TTLs")
	case !(o.Jitter == -1 || o.Jitter >= 0 && o.Jitter < 1): // NaN too
		return fmt.Errorf("pipeline: SetOptions.Jitter is %v: it must be from 0 to below 1, or -1", o.Jitter)
	case o.Mode < Always || o.Mode > IfPresent:
		return fmt.Errorf("pipeline: SetOptions.Mode is %d", o.Mode)
	}
	return nil
}

// spread applies the jitter to a time to live and returns milliseconds.
func (o SetOptions) spread(ttl time.Duration) int64 {
	ms := ttl.Milliseconds()
	if o.Jitter > 0 {
		ms += int64(float64(ms) * o.Jitter * (2*rand.Float64() - 1)) //nolint:gosec // not a secret
	}
	return max(ms, 1)
}

// maxFailures is how many failures the report of a Set holds.
const maxFailures = 1000

var errEmptyKey = errors.New("the key is empty")

// overhead is what a command takes on the wire beside its key and its value.
const overhead = 64

// Set stores items, each by one SET with its time to live, in chunks, of which
// Options.Workers are on their way to each node. For a map, pass maps.All(m).
//
// The report counts every item that was taken: Applied, Skipped because of the
// Mode, or one of Failures, which holds the first 1,000. The error is nil if all
// were applied or skipped, and a [*BatchError] if not. An item whose key is
// empty, or whose value cannot be encoded (a *codec.Error), is not sent, and the
// others go. Of items with the same key the last one wins.
//
// Chunks are sent again up to Options.Retries times, for the items that were not
// acknowledged, but not with IfAbsent. Once ctx ends, no more items are taken and
// no more chunks are sent, and the report says what was applied.
//
// Memory is that of the chunks in flight, whatever the number of items. One round
// trip a chunk; O(1) an item.
func Set[T any](ctx context.Context, b *Batcher, items iter.Seq2[string, T], opts SetOptions) (Report, error) {
	if err := b.ready(); err != nil {
		return Report{}, err
	}
	if err := opts.check(); err != nil {
		return Report{}, err
	}
	if items == nil {
		return Report{}, nil
	}
	r := b.newRun(ctx, "set")
	r.again = opts.Mode != IfAbsent
	r.limit = maxFailures
	r.build = setCommands(ctx, opts)
	r.judge = judgeSet
	defer r.crew.Wait() // also when the sequence panics
	index := 0
	for key, value := range items {
		if index&63 == 0 && r.stopped() {
			break
		}
		addItem(r, index, key, value, opts)
		index++
	}
	return r.finish()
}

// addItem encodes an item and puts it into its chunk.
func addItem[T any](r *run, index int, key string, value T, opts SetOptions) {
	if key == "" {
		r.refuse(index, key, errEmptyKey)
		return
	}
	ttl := opts.TTL
	if opts.TTLs != nil {
		ttl = opts.TTLs(index, key)
		if ttl < 0 || ttl > 0 && ttl < time.Millisecond {
			r.refuse(index, key, fmt.Errorf("the time to live is %v: it must be 0, or a millisecond or more", ttl))
			return
		}
	}
	text, ok := any(value).(string)
	if !ok || r.b.opts.Codec != codec.String { // of which a string is its own encoding
		data, err := marshal(r.b.opts.Codec, value)
		if err != nil {
			r.refuse(index, key, err)
			return
		}
		text = unsafe.String(unsafe.SliceData(data), len(data)) // nobody writes to it any more
	}
	c := r.take(key, len(key)+len(text)+overhead)
	c.index = append(c.index, index)
	c.keys = append(c.keys, key)
	c.vals = append(c.vals, text)
	if opts.TTLs != nil || opts.Jitter > 0 && ttl > 0 {
		ms := int64(0)
		if ttl > 0 {
			ms = opts.spread(ttl)
		}
		c.ttls = append(c.ttls, ms)
	}
}

// marshal encodes a value; a codec that panics is one failed item.
func marshal(c codec.Codec, v any) (data []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			data, err = nil, &codec.Error{Codec: c.Name(), Op: "marshal", Type: fmt.Sprintf("%T", v), Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	data, err = c.Marshal(v)
	return data, asCodecError(c, "marshal", v, err)
}

// asCodecError makes any error of a codec a *codec.Error.
func asCodecError(c codec.Codec, op string, v any, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*codec.Error](err); ok {
		return err
	}
	return &codec.Error{Codec: c.Name(), Op: op, Type: fmt.Sprintf("%T", v), Err: err}
}

// setCommands returns what makes the SETs of a chunk. The commands lie in a slab,
// and their arguments are pointers into slabs, so that none costs an allocation.
func setCommands(ctx context.Context, opts SetOptions) func(*chunk) {
	var tail []any
	if opts.KeepTTL {
		tail = append(tail, "keepttl")
	}
	switch opts.Mode {
	case IfAbsent:
		tail = append(tail, "nx")
	case IfPresent:
		tail = append(tail, "xx")
	}
	var name, px any = "set", "px"
	var all any // the one time to live of all
	if opts.TTL > 0 {
		all = strconv.FormatInt(opts.TTL.Milliseconds(), 10)
	}
	return func(c *chunk) {
		n := len(c.keys)
		if cap(c.slab) < n {
			c.slab = make([]once.Status, n)
			c.args = make([]any, 0, 7*n)
		}
		c.slab = c.slab[:n]
		for i := range n {
			from := len(c.args)
			c.args = append(c.args, name, &c.keys[i], &c.vals[i])
			switch {
			case len(c.ttls) == 0 && all != nil:
				c.args = append(c.args, px, all)
			case len(c.ttls) > 0 && c.ttls[i] > 0:
				c.args = append(c.args, px, &c.ttls[i])
			}
			c.args = append(c.args, tail...)
			c.slab[i].Init(ctx, c.args[from:len(c.args):len(c.args)])
		}
	}
}

// judgeSet tells what a SET did. NX and XX are answered with nil where they do
// not store.
func judgeSet(cmd redis.Cmder, tried bool) verdict {
	switch {
	case cmd.Err() == nil:
		return applied
	case tried:
		return undecided // an earlier try may have stored it, and it is gone since
	default:
		return skipped
	}
}
