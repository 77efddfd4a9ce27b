package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
)

// The defaults of [Options].
const (
	DefaultChunkSize  = 500
	DefaultChunkBytes = 1 << 20
	DefaultWorkers    = 2
	DefaultRetries    = 3
)

// firstRead is how many keys the first chunks of a read hold: how large the
// values are is known only when some have come.
const firstRead = 64

// Options configure a [Batcher]. The zero value is ready: each field says what
// zero means. -1 switches a bound off, below that is an error.
type Options struct {
	// Namespace goes before the keys that this package itself makes, which are
	// those of the tokens of [Batcher.IncrementOnce]. It holds no braces.
	// Default: none. The keys of items and counters are used as they are given.
	Namespace string
	// Codec turns values into bytes and back. Default: [codec.Msgpack].
	Codec codec.Codec
	// ChunkSize is the most commands of a chunk, that is of one pipeline.
	// Default: 500. -1: as many as ChunkBytes allows.
	ChunkSize int
	// ChunkBytes is the most bytes of a chunk's request; an item that is larger
	// travels alone. Reads begin with 64 keys and adapt to the mean size of the
	// replies, so that a reply stays near it. Default: 1 MiB. -1: no bound.
	ChunkBytes int
	// Workers is how many chunks are on their way to one node at the same time.
	// On a Ring, and on a cluster behind an AutoPipeliner (which hides the
	// nodes), it counts for all nodes together. Default: 2. -1: one.
	Workers int
	// Retries is how often a chunk is sent again whose commands are the same
	// when they run twice, after a pause that grows and is drawn at random.
	// Default: 3. -1: never.
	Retries int
	// StrictSlots refuses on a single node, too, what a cluster would refuse:
	// counters and transactions whose keys are in several slots, so that tests
	// on one node find them.
	StrictSlots bool
}

// complete returns opts with its defaults, or an error that names the field.
func (opts Options) complete() (Options, error) {
	if strings.ContainsAny(opts.Namespace, "{}") {
		return opts, fmt.Errorf("pipeline: Options.Namespace %q holds a brace", opts.Namespace)
	}
	for _, f := range []struct {
		name string
		n    *int
		def  int
		off  int
	}{
		{"ChunkSize", &opts.ChunkSize, DefaultChunkSize, maxInt},
		{"ChunkBytes", &opts.ChunkBytes, DefaultChunkBytes, maxInt},
		{"Workers", &opts.Workers, DefaultWorkers, 1},
		{"Retries", &opts.Retries, DefaultRetries, 0},
	} {
		switch {
		case *f.n < -1:
			return opts, fmt.Errorf("pipeline: Options.%s is %d: it must be -1 or more", f.name, *f.n)
		case *f.n == -1:
			*f.n = f.off
		default:
			*f.n = cmp.Or(*f.n, f.def)
		}
	}
	if opts.Codec == nil {
		opts.Codec = codec.Msgpack
	}
	return opts, nil
}

const maxInt = int(^uint(0) >> 1)

// Batcher sends batches. It is safe for concurrent use. Make it with [New]; the
// zero value answers every call with an error.
type Batcher struct {
	rdb  redis.UniversalClient
	opts Options
	// form is the form of the service behind rdb, once it is known.
	form atomic.Int32
	// chunks is the memory of chunks that are done.
	chunks sync.Pool
	// replies is the memory of replies that were decoded.
	replies sync.Pool
	// noMGET is set when a server has told that it is part of a cluster.
	noMGET atomic.Bool
}

// New returns a Batcher that works through rdb: a client of one node, of a
// Sentinel failover, of a cluster, a Ring, or an AutoPipeliner on one of them.
// The client stays the caller's. No round trip.
func New(rdb redis.UniversalClient, opts Options) (*Batcher, error) {
	if rdb == nil || isNilPointer(rdb) {
		return nil, errors.New("pipeline: the client is nil")
	}
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	return &Batcher{rdb: rdb, opts: opts}, nil
}

func isNilPointer(v any) bool {
	rv := reflect.ValueOf(v)
	return rv.Kind() == reflect.Pointer && rv.IsNil()
}

var errNotMade = errors.New("pipeline: the Batcher was not made by New")

// ready says whether b can be used at all.
func (b *Batcher) ready() error {
	if b == nil || b.rdb == nil {
		return errNotMade
	}
	return nil
}

// form is how the keys are spread.
type form int32

const (
	unseen  form = iota
	single       // one node has all keys
	cluster      // slots
	ring         // shards by hash tag
)

// shape finds out how the keys of the client are spread. It needs no round trip:
// what hides its client (an AutoPipeliner, a wrapper) is asked, with a context
// that has ended, to watch keys of several slots, which clients of several nodes
// refuse before they look at the context.
func (b *Batcher) shape(ctx context.Context) form {
	if f := form(b.form.Load()); f != unseen {
		return f
	}
	f := single
	switch b.rdb.(type) {
	case *redis.Client:
	case *redis.ClusterClient:
		f = cluster
	case *redis.Ring:
		f = ring
	default:
		ended, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel()
		err := b.rdb.Watch(ended, func(*redis.Tx) error { return nil },
			"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p")
		switch {
		case err == nil:
		case strings.Contains(err.Error(), "same slot"):
			f = cluster
		case strings.Contains(err.Error(), "same shard"):
			f = ring
		}
	}
	b.form.Store(int32(f))
	return f
}
