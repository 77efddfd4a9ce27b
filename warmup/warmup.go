package warmup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/pipeline"
)

// The defaults of [Options].
const (
	DefaultTTL           = time.Hour
	DefaultJitter        = 0.1
	DefaultWorkers       = 4
	DefaultMaxErrors     = 100
	DefaultMaxErrorRatio = 0.1
)

// ratioAfter is how many items must have been seen before their ratio of errors
// says anything.
const ratioAfter = 1000

// The bounds of a chunk, which is what is loaded, stored and noted in the
// checkpoint together.
const (
	chunkItems = 500
	chunkBytes = 1 << 20
)

// retries is how often a chunk is sent again that no server answered: about two
// seconds, so that a failover passes without a failed item.
const retries = 8

// Mode says what happens to keys that exist.
type Mode int

// The modes of a run.
const (
	// Overwrite stores every item, by SET.
	Overwrite Mode = iota
	// FillMissing stores the items whose keys do not exist, by SET NX. Items
	// with a Load are looked up first, and not loaded if their key exists.
	FillMissing
)

// Options configure a [Warmer]. The zero value is ready: each field says what
// zero means. -1 switches a bound off, below that is an error.
type Options struct {
	// Codec turns values into bytes. Default: [codec.Msgpack].
	Codec codec.Codec
	// TTL is how long the items live that have no TTL of their own, a
	// millisecond or more. Default: an hour. -1: for ever.
	TTL time.Duration
	// Jitter spreads each time to live evenly between 1-Jitter and 1+Jitter times
	// of what it is. From 0 to below 1. Default: 0.1. -1: none.
	Jitter float64
	// Workers is how many chunks of up to 500 items are being loaded and stored
	// at the same time, and how many loaders run at the same time. After a kill,
	// at most so many chunks are loaded again. Default: 4. -1: one.
	Workers int
	// Rate is how many items a second are stored. Default (and -1): unlimited.
	Rate float64
	// Burst is how many items may be stored at once under a Rate: in any time t
	// at most Rate*t+Burst. Default: a tenth of a second's, at least one.
	Burst int
	// BytesPerSecond is how many bytes of keys and values a second are sent. A
	// tenth of a second's, or one item that is larger, may be sent at once.
	// Default (and -1): unlimited.
	BytesPerSecond int64
	// Mode says what happens to keys that exist. Default: Overwrite.
	Mode Mode
	// DryRun loads and encodes everything, at the same rates, and writes
	// nothing. The counts are those of a real run. FillMissing looks up the keys,
	// and then remembers a hash of each, about 20 bytes of memory an item. The
	// checkpoint is neither read nor written.
	DryRun bool
	// MaxErrors is the number of failed items at which the run stops. Default:
	// 100. -1: none. A server that is out of memory stops it at once.
	MaxErrors int
	// MaxErrorRatio is the share of failed items, above 0 and up to 1, at which
	// the run stops once it has seen 1,000 items. Default: 0.1. -1: none.
	MaxErrorRatio float64
	// Checkpoint is a file that notes how far the run is, so that the next run
	// with the same source goes on there after a kill, a cancellation or a stop.
	// It is replaced atomically after each chunk, and removed when all is done.
	// Its folder must exist. Default: none.
	Checkpoint string
	// SlowDown stops sending while a PING, ten times a second at most, takes
	// longer than this on any node. Default (and -1): never.
	SlowDown time.Duration
	// Progress is called after chunks, one call at a time, from a goroutine of
	// the run. While it works, the run goes on, and progress is told afterwards.
	// The last call has Last set and comes before Run returns. Default: none.
	Progress func(Progress)
	// Logger is told of begin, resumption, slow-downs and the end. Default: silent.
	Logger *slog.Logger
}

// complete returns opts with its defaults, or an error that names the field.
func (opts Options) complete() (Options, error) {
	switch {
	case opts.TTL != -1 && (opts.TTL < 0 || opts.TTL > 0 && opts.TTL < time.Millisecond):
		return opts, fmt.Errorf("warmup: Options.TTL is %v: it must be a millisecond or more, 0 or -1", opts.TTL)
	case opts.Jitter != -1 && !(opts.Jitter >= 0 && opts.Jitter < 1): // NaN too
		return opts, fmt.Errorf("warmup: Options.Jitter is %v: it must be from 0 to below 1, or -1", opts.Jitter)
	case opts.Workers < -1 || opts.Workers > 1<<16:
		return opts, fmt.Errorf("warmup: Options.Workers is %d: it must be from 1 to 65536, 0 or -1", opts.Workers)
	case opts.Rate != -1 && !(opts.Rate >= 0) || math.IsInf(opts.Rate, 0):
		return opts, fmt.Errorf("warmup: Options.Rate is %v: it must be 0 or more, or -1", opts.Rate)
	case opts.Burst < 0:
		return opts, fmt.Errorf("warmup: Options.Burst is %d: it must be 0 or more", opts.Burst)
	case opts.BytesPerSecond < -1:
		return opts, fmt.Errorf("warmup: Options.BytesPerSecond is %d: it must be -1 or more", opts.BytesPerSecond)
	case opts.Mode != Overwrite && opts.Mode != FillMissing:
		return opts, fmt.Errorf("warmup: Options.Mode is %d", opts.Mode)
	case opts.MaxErrors < -1:
		return opts, fmt.Errorf("warmup: Options.MaxErrors is %d: it must be -1 or more", opts.MaxErrors)
	case opts.MaxErrorRatio != -1 && !(opts.MaxErrorRatio >= 0 && opts.MaxErrorRatio <= 1):
		return opts, fmt.Errorf("warmup: Options.MaxErrorRatio is %v: it must be from 0 to 1, or -1", opts.MaxErrorRatio)
	case opts.SlowDown < -1:
		return opts, fmt.Errorf("warmup: Options.SlowDown is %v: it must be 0 or more, or -1", opts.SlowDown)
	}
	opts.TTL = cmp.Or(opts.TTL, DefaultTTL)
	opts.Jitter = max(cmp.Or(opts.Jitter, DefaultJitter), 0)
	opts.Workers = max(cmp.Or(opts.Workers, DefaultWorkers), 1)
	opts.Rate = max(opts.Rate, 0)
	opts.BytesPerSecond = max(opts.BytesPerSecond, 0)
	opts.SlowDown = max(opts.SlowDown, 0)
	opts.MaxErrors = cmp.Or(opts.MaxErrors, DefaultMaxErrors)
	opts.MaxErrorRatio = cmp.Or(opts.MaxErrorRatio, DefaultMaxErrorRatio)
	if opts.Codec == nil {
		opts.Codec = codec.Msgpack
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return opts, nil
}

// Warmer fills caches. It is safe for concurrent use: runs at the same time share
// its rates, and only one of them may have its checkpoint. Make it with [New]; the
// zero value answers with an error.
type Warmer struct {
	rdb   redis.UniversalClient
	opts  Options
	batch *pipeline.Batcher
	items limiter
	bytes limiter
	gate  gate
	// noting is held by the run that has the checkpoint.
	noting sync.Mutex
}

// New returns a Warmer that stores through rdb: a client of one node, of a
// Sentinel failover, of a cluster, a Ring, or an AutoPipeliner on one of them.
// The client stays the caller's. No round trip.
func New(rdb redis.UniversalClient, opts Options) (*Warmer, error) {
	if isNil(rdb) {
		return nil, errors.New("warmup: the client is nil")
	}
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	batch, err := pipeline.New(rdb, pipeline.Options{
		Codec: encoded{}, ChunkSize: chunkItems, ChunkBytes: chunkBytes,
		Workers: -1, // the chunks in flight are this package's
		Retries: retries,
	})
	if err != nil {
		return nil, fmt.Errorf("warmup: %w", err)
	}
	w := &Warmer{rdb: rdb, opts: opts, batch: batch}
	if opts.Rate > 0 {
		burst := cmp.Or(opts.Burst, int(min(max(opts.Rate/10, 1), math.MaxInt32)))
		w.items = limiter{rate.NewLimiter(rate.Limit(opts.Rate), burst)}
	}
	if opts.BytesPerSecond > 0 {
		burst := int(min(max(opts.BytesPerSecond/10, 1), math.MaxInt32))
		w.bytes = limiter{rate.NewLimiter(rate.Limit(opts.BytesPerSecond), burst)}
	}
	w.gate = gate{rdb: rdb, limit: opts.SlowDown, log: opts.Logger, turn: make(chan struct{}, 1)}
	return w, nil
}

func isNil(rdb redis.UniversalClient) bool {
	if rdb == nil {
		return true
	}
	v := reflect.ValueOf(rdb)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// chunkSize is how many items a chunk of w has. Under a rate it is what may be
// stored at once, so that a slow run notes its progress, too.
func (w *Warmer) chunkSize() int {
	return min(chunkItems, w.items.burst())
}

// Run stores what the source has. It returns nil when every item was stored,
// skipped or, below the stop rules, failed. Its errors are [ErrAborted] with what
// stopped it, [ErrSource], [ErrCheckpoint] and the context's; the report counts
// what was done until then. Nothing is running any more when it returns.
//
// Of items with the same key the last one wins. Once ctx ends no more items are
// taken and no more chunks are sent; a chunk on its way is bounded by the client's
// time-outs. What a chunk could not finish is not counted, and is done again by
// the next run with the same checkpoint.
//
// Memory is that of Workers chunks, whatever the number of items: of items with
// a Load that are larger than some KiB, fewer are loaded at once. One round trip a
// chunk and node, and O(1) an item; an EXISTS for each item before, where
// FillMissing meets a Load or a DryRun.
func (w *Warmer) Run(ctx context.Context, source Source) (Report, error) {
	if w == nil || w.rdb == nil {
		return Report{}, errors.New("warmup: the Warmer was not made by New")
	}
	if source.open == nil {
		return Report{}, errors.New("warmup: the Source was not made by one of the From functions, with what it reads")
	}
	r := newRun(w, source)
	if w.opts.Checkpoint != "" && !w.opts.DryRun {
		if source.name == "" {
			return Report{}, fmt.Errorf("%w: a Redis cannot be resumed (its SCAN has no stable order): use no Checkpoint with FromRedis", ErrCheckpoint)
		}
		if !w.noting.TryLock() {
			return Report{}, fmt.Errorf("%w: another Run of this Warmer has it", ErrCheckpoint)
		}
		defer w.noting.Unlock()
		r.note = &notebook{path: w.opts.Checkpoint}
	}
	return r.all(ctx)
}
