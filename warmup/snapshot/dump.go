package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// Options says what a dump reads, and how gently. The zero value dumps everything.
type Options struct {
	// Match is the pattern of the keys, as SCAN takes it. Defaults to all.
	Match string
	// Types are the types to dump, as TYPE names them: string, list, set, zset, hash, stream. Defaults to all.
	Types []string
	// Workers is how many chunks of keys are read at once, on each node. Defaults to 2.
	Workers int
	// MaxKeyBytes is from which size on a key is read in pieces of about 1 MiB, so that the server is never blocked for
	// long. Such a key is not of one moment, and is marked as such. The size is what MEMORY USAGE says; where that is
	// denied, it is 100 bytes an element. Streams and the types of modules are always read whole. Defaults to 1 MiB.
	MaxKeyBytes int64
	// Rate bounds the keys a second, over all nodes. Defaults to 0, no bound.
	Rate float64
	// NoTouch keeps the idle times of the keys as they are, where the server can: Redis 7.2 and newer.
	NoTouch bool
	// Compress packs the file with S2.
	Compress bool
	// PortableStreams stores the entries and the groups of streams beside what DUMP gives, so that older servers take
	// them back, without what consumers have pending.
	PortableStreams bool
}

func (o Options) complete() (Options, error) {
	switch {
	case o.Workers < 0:
		return o, fmt.Errorf("snapshot: Options.Workers: %d is negative", o.Workers)
	case o.MaxKeyBytes < 0:
		return o, fmt.Errorf("snapshot: Options.MaxKeyBytes: %d is negative", o.MaxKeyBytes)
	case !(o.Rate >= 0): // NaN too
		return o, fmt.Errorf("snapshot: Options.Rate: %v is negative", o.Rate)
	}
	if slices.Contains(o.Types, "") {
		return o, errors.New("snapshot: Options.Types: an empty type")
	}
	if o.Workers == 0 {
		o.Workers = 2
	}
	if o.MaxKeyBytes == 0 {
		o.MaxKeyBytes = 1 << 20
	}
	return o, nil
}

// wants says whether a type is to be dumped. SCAN does not mind the case either.
func (o Options) wants(typ string) bool {
	return len(o.Types) == 0 || slices.ContainsFunc(o.Types, func(t string) bool { return strings.EqualFold(t, typ) })
}

const (
	scanCount  = 500
	chunkBytes = 1 << 20 // of values that are asked for in one pipeline
)

// Dump writes the keys of rdb to w: see the package for what a snapshot is and is not. Keys are found by SCAN: a key
// that exists throughout is dumped, one that comes or goes meanwhile may be. One that SCAN returns twice, as it may
// while a server's table of keys grows, is dumped twice.
//
// Two round trips for each 500 small keys, Workers of them at a time on each node; O(n) of the keys. Memory is that of
// the chunks in flight. After a failure that is not one key's own, the snapshot is closed, marked as incomplete, and the
// error wraps [ErrPartial]; where w fails, or ctx ends, it is left without an end, so that it passes for nothing.
func Dump(ctx context.Context, rdb redis.UniversalClient, w io.Writer, opts Options) (Summary, error) {
	opts, err := opts.complete()
	if err != nil {
		return Summary{}, err
	}
	if err := usable(rdb); err != nil {
		return Summary{}, err
	}
	if w == nil {
		return Summary{}, errors.New("snapshot: dump: no writer")
	}
	if err := ctx.Err(); err != nil {
		return Summary{}, fmt.Errorf("snapshot: dump: %w", err)
	}
	start := time.Now()
	enc, err := newEncoder(w, opts.Compress, meta{At: start.UnixMilli(), Match: opts.Match, Types: opts.Types})
	if err != nil {
		return Summary{}, fmt.Errorf("snapshot: dump: writing: %w", err)
	}
	d := &dumper{opts: opts, enc: enc, sum: Summary{At: start.Truncate(time.Millisecond)}}
	if opts.Rate > 0 {
		d.limit = rate.NewLimiter(rate.Limit(opts.Rate), max(1, min(scanCount, int(opts.Rate))))
	}
	all, err := nodes(ctx, rdb)
	if errors.Is(err, ErrClient) {
		return Summary{}, err
	}
	if err != nil {
		d.lost(err)
	}
	var whole conn
	if c, ok := rdb.(*redis.ClusterClient); ok {
		whole = c
	}
	var wg sync.WaitGroup
	for _, n := range all {
		wg.Go(func() {
			if err := d.node(ctx, n, whole); err != nil {
				d.lost(fmt.Errorf("node %s: %w", n.addr, err))
			}
		})
	}
	wg.Wait()
	return d.finish(ctx, start)
}

// dumper is one call of Dump.
type dumper struct {
	opts  Options
	limit *rate.Limiter

	mu      sync.Mutex
	enc     *encoder
	sum     Summary
	missing []error         // what could not be read
	open    map[string]bool // keys that are being read in pieces
	writing error           // the writer's first error: nothing is written any more
}

func (d *dumper) finish(ctx context.Context, start time.Time) (Summary, error) {
	d.sum.Bytes, d.sum.Elapsed = d.enc.bytes, time.Since(start)
	d.sum.Partial = len(d.missing) > 0 || d.sum.Failed > 0
	if d.writing != nil {
		return d.sum, fmt.Errorf("snapshot: dump: writing: %w", d.writing)
	}
	if err := ctx.Err(); err != nil {
		return d.sum, fmt.Errorf("snapshot: dump: %w", err)
	}
	err := d.enc.close(footer{
		Keys: d.sum.Keys, Skipped: d.sum.Skipped, Expired: d.sum.Expired, Torn: d.sum.Torn, Partial: d.sum.Partial,
	})
	d.sum.Bytes, d.sum.Elapsed = d.enc.bytes, time.Since(start)
	if err != nil {
		return d.sum, fmt.Errorf("snapshot: dump: writing: %w", err)
	}
	if d.sum.Partial {
		return d.sum, fmt.Errorf("snapshot: dump: %w: %w", ErrPartial, errors.Join(append(d.missing, d.sum.errors())...))
	}
	return d.sum, nil
}

func (d *dumper) lost(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.missing = append(d.missing, err)
}

// begin says whether a key may be read in pieces: two workers' pieces of one key would not tell whose they are.
func (d *dumper) begin(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[key] {
		return false
	}
	if d.open == nil {
		d.open = map[string]bool{}
	}
	d.open[key] = true
	return true
}

func (d *dumper) done(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, key)
}

// count changes the summary.
func (d *dumper) count(change func(s *Summary)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.sum)
}

// write stores a record. Its error is the writer's, and ends the dump.
func (d *dumper) write(r *record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writing == nil {
		err := d.enc.record(r)
		if errors.Is(err, errTooLarge) {
			if r.pieces() {
				return err
			}
			d.sum.fail(r.key, err)
			return nil
		}
		d.writing = err
	}
	if d.writing == nil && !r.more() && !r.abandoned() {
		d.sum.Keys++
		if r.pieces() {
			d.sum.Torn++
		}
	}
	return d.writing
}

// node dumps one master: one goroutine scans, Workers read.
func (d *dumper) node(ctx context.Context, n node, cluster conn) error {
	group, ctx := errgroup.WithContext(ctx)
	chunks := make(chan []string)
	group.Go(func() error {
		defer close(chunks)
		return d.scan(ctx, n.client, chunks)
	})
	for range d.opts.Workers {
		group.Go(func() error {
			r := &reader{dumper: d, cluster: cluster}
			conn, restore := quiet(ctx, n.client, d.opts.NoTouch)
			defer restore()
			r.conn = conn
			for keys := range chunks {
				if err := r.chunk(ctx, keys); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (d *dumper) scan(ctx context.Context, client *redis.Client, chunks chan<- []string) error {
	var cursor uint64
	for {
		var keys []string
		var err error
		if len(d.opts.Types) == 1 {
			keys, cursor, err = client.ScanType(ctx, cursor, d.opts.Match, scanCount, d.opts.Types[0]).Result()
		} else {
			keys, cursor, err = client.Scan(ctx, cursor, d.opts.Match, scanCount).Result()
		}
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		keys = d.ours(keys)
		for chunk := range slices.Chunk(keys, scanCount) { // miniredis returns all keys at once
			if d.limit != nil {
				for rest := len(chunk); rest > 0; {
					step := min(rest, d.limit.Burst())
					if err := d.limit.WaitN(ctx, step); err != nil {
						return err
					}
					rest -= step
				}
			}
			select {
			case chunks <- chunk:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if cursor == 0 {
			return nil
		}
	}
}

// ours leaves out the temporary keys of a Restore that is at work on the server.
func (d *dumper) ours(keys []string) []string {
	all := len(keys)
	keys = slices.DeleteFunc(keys, temporaryKey)
	if n := all - len(keys); n > 0 {
		d.count(func(s *Summary) { s.Skipped += int64(n) })
	}
	return keys
}

// conn is what a reader needs of a client, or of one connection of it.
type conn interface {
	redis.Cmdable
	Process(ctx context.Context, cmd redis.Cmder) error
}

// quiet returns a connection on which reading leaves the idle times alone, if the caller wants that and the server can.
func quiet(ctx context.Context, client *redis.Client, want bool) (conn, func()) {
	if !want {
		return client, func() {}
	}
	c := client.Conn()
	if err := c.Do(ctx, "client", "no-touch", "on").Err(); err != nil {
		return c, func() { _ = c.Close() } // before 7.2: an unknown subcommand
	}
	return c, func() {
		// The connection goes back to the caller's pool as it came.
		_ = c.Do(context.WithoutCancel(ctx), "client", "no-touch", "off").Err()
		_ = c.Close()
	}
}
