package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// Mode says what Restore does with a key that is there already.
type Mode int

const (
	// SkipExisting leaves it alone, and counts it as skipped.
	SkipExisting Mode = iota
	// Replace writes over it, whatever its type.
	Replace
)

// String names the mode.
func (m Mode) String() string {
	switch m {
	case SkipExisting:
		return "SkipExisting"
	case Replace:
		return "Replace"
	}
	return "Mode(" + strconv.Itoa(int(m)) + ")"
}

// RestoreOptions says how a snapshot is brought back. The zero value restores what is not there.
type RestoreOptions struct {
	// Mode says what happens to keys that are there. Defaults to SkipExisting.
	Mode Mode
	// Prefix is put before each restored key.
	Prefix string
	// Rate bounds the keys a second. Defaults to 0, no bound.
	Rate float64
	// Salvage restores what is whole of a file that is damaged, cut off or incomplete, and writes before it has read all
	// of it. Summary.Skipped then counts what was lost too, as far as that can be told.
	Salvage bool
}

const (
	restoreChunk   = 500
	restoreWorkers = 2
)

// Restore reads a snapshot and writes its keys, each with its expiry, each by itself: one command or one script a key, so
// that no key is ever seen half written or without its expiry. A file that is damaged, cut off, incomplete or of a newer
// format is refused before anything is written: the file is read twice, and a reader that is no io.Seeker is copied to a
// temporary file first. A key whose expiry has come is not written, and never deletes one that is there.
//
// About one round trip for 500 keys, two at a time; O(n) of the elements. Memory is that of the chunks in flight, and of
// one record. A key that the server refuses is in Summary.Failures and in the error; the others are written. Restoring
// twice does no harm. A client of any kind will do, but for *redis.AutoPipeliner, which is ErrClient as everywhere here.
func Restore(ctx context.Context, rdb redis.UniversalClient, r io.Reader, opts RestoreOptions) (Summary, error) {
	if err := usable(rdb); err != nil {
		return Summary{}, err
	}
	switch {
	case r == nil:
		return Summary{}, errors.New("snapshot: restore: no reader")
	case !(opts.Rate >= 0):
		return Summary{}, fmt.Errorf("snapshot: RestoreOptions.Rate: %v is negative", opts.Rate)
	case opts.Mode != SkipExisting && opts.Mode != Replace:
		return Summary{}, fmt.Errorf("snapshot: RestoreOptions.Mode: %d is none", opts.Mode)
	}
	if err := ctx.Err(); err != nil {
		return Summary{}, fmt.Errorf("snapshot: restore: %w", err)
	}
	start := time.Now()
	file, done, err := seekable(ctx, r)
	if err != nil {
		return Summary{}, fmt.Errorf("snapshot: restore: %w", err)
	}
	defer done()
	origin, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return Summary{}, fmt.Errorf("snapshot: restore: %w", err)
	}
	if !opts.Salvage {
		if _, err := Verify(contextReader{ctx, file}); err != nil {
			return Summary{}, fmt.Errorf("snapshot: restore: nothing was written: %w", err)
		}
		if _, err := file.Seek(origin, io.SeekStart); err != nil {
			return Summary{}, fmt.Errorf("snapshot: restore: %w", err)
		}
	}
	w := &restorer{rdb: rdb, opts: opts}
	if w.offset, err = clockOffset(ctx, rdb); err != nil {
		return Summary{}, fmt.Errorf("snapshot: restore: %w", err)
	}
	if opts.Rate > 0 {
		w.limit = rate.NewLimiter(rate.Limit(opts.Rate), max(1, min(restoreChunk, int(opts.Rate))))
	}
	source, err := recordsOf(file, opts.Salvage)
	if err != nil {
		return Summary{}, fmt.Errorf("snapshot: restore: nothing was written: %w", err)
	}
	w.sum.At = source.at()
	err = w.run(ctx, source)
	lost, bytes := source.rest()
	w.sum.Skipped += lost
	w.sum.Bytes, w.sum.Elapsed = bytes, time.Since(start)
	if err != nil {
		return w.sum, fmt.Errorf("snapshot: restore: %w", err)
	}
	if w.sum.Failed > 0 {
		return w.sum, fmt.Errorf("snapshot: restore: %d keys were refused: %w", w.sum.Failed, w.sum.errors())
	}
	return w.sum, nil
}

// contextReader ends reading with its context.
type contextReader struct {
	ctx context.Context //nolint:containedctx // io.Reader has no context, and this one lives as long as a call
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// seekable returns r itself, or a copy of it in a temporary file.
func seekable(ctx context.Context, r io.Reader) (file io.ReadSeeker, done func(), err error) {
	if s, ok := r.(io.ReadSeeker); ok {
		if _, err := s.Seek(0, io.SeekCurrent); err == nil { // a pipe is an *os.File, too
			return s, func() {}, nil
		}
	}
	f, err := os.CreateTemp("", "snapshot-*")
	if err != nil {
		return nil, nil, err
	}
	done = func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
	if _, err := io.Copy(f, contextReader{ctx, r}); err != nil {
		done()
		return nil, nil, fmt.Errorf("copying: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		done()
		return nil, nil, err
	}
	return f, done, nil
}

// clockOffset says by how much the server's clock is ahead of ours, in milliseconds: expiries are the server's.
func clockOffset(ctx context.Context, rdb redis.UniversalClient) (int64, error) {
	at, err := rdb.Time(ctx).Result()
	if err != nil {
		if isReply(err) {
			return 0, nil // denied to this user: our own clock has to do
		}
		return 0, err
	}
	return at.UnixMilli() - time.Now().UnixMilli(), nil
}

// restorer is one call of Restore.
type restorer struct {
	rdb    redis.UniversalClient
	opts   RestoreOptions
	limit  *rate.Limiter
	offset int64 // milliseconds by which the server's clock is ahead
	sum    Summary
	temp   temporary
}

func (w *restorer) now() int64 { return time.Now().UnixMilli() + w.offset }

// result is what became of one key.
type result struct {
	key     string
	written bool
	torn    bool // read in pieces
	err     error
}

func (w *restorer) run(ctx context.Context, source records) error {
	group, inner := errgroup.WithContext(ctx)
	chunks := make(chan []*record)
	results := make(chan []result)
	for range restoreWorkers {
		group.Go(func() error {
			for chunk := range chunks {
				done, err := w.write(inner, chunk)
				if err != nil {
					return err
				}
				select {
				case results <- done:
				case <-inner.Done():
					return inner.Err()
				}
			}
			return nil
		})
	}
	counted := make(chan struct{})
	go func() {
		defer close(counted)
		for done := range results {
			for _, one := range done {
				w.settle(one)
			}
		}
	}()
	var piecewise []result // of keys in pieces, which this goroutine writes in their order
	group.Go(func() error {
		defer close(chunks)
		var chunk []*record
		bytes := 0
		flush := func() error {
			if len(chunk) == 0 {
				return nil
			}
			select {
			case chunks <- chunk:
				chunk, bytes = nil, 0
				return nil
			case <-inner.Done():
				return inner.Err()
			}
		}
		for {
			rec, err := source.next()
			if errors.Is(err, io.EOF) {
				return flush()
			}
			if err != nil {
				return err
			}
			if err := w.wait(inner, rec); err != nil {
				return err
			}
			rec.key = w.opts.Prefix + rec.key
			if rec.pieces() {
				one, ended, err := w.piece(inner, rec)
				if err != nil {
					return err
				}
				if ended {
					piecewise = append(piecewise, one)
				}
				continue
			}
			chunk = append(chunk, rec)
			bytes += weight(rec)
			if len(chunk) >= restoreChunk || bytes > chunkBytes {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	})
	err := group.Wait()
	close(results)
	<-counted
	for _, one := range piecewise {
		w.settle(one)
	}
	if err == nil {
		err = w.temp.unfinished(ctx, w)
	} else {
		_ = w.temp.drop(context.WithoutCancel(ctx), w) // they expire by themselves, too
	}
	w.sum.Skipped += w.temp.lost
	return err
}

func (w *restorer) wait(ctx context.Context, rec *record) error {
	if w.limit == nil || rec.more() {
		return nil
	}
	return w.limit.Wait(ctx)
}

// settle counts what became of a key.
func (w *restorer) settle(one result) {
	switch {
	case errors.Is(one.err, errExpired):
		w.sum.Expired++
	case one.err != nil:
		w.sum.fail(one.key, one.err)
	case one.written:
		w.sum.Keys++
		if one.torn {
			w.sum.Torn++
		}
	default:
		w.sum.Skipped++
	}
}

func weight(rec *record) int {
	n := len(rec.key) + len(rec.payload)
	for _, e := range rec.elements {
		n += len(e) + 16
	}
	if rec.stream != nil {
		for _, e := range rec.stream.entries {
			for _, v := range e.values {
				n += len(v) + 16
			}
		}
	}
	return n
}

// nearExpiry is how close an expiry has to be for Replace to let a script ask the server's clock: longer than any client
// waits for a server.
const nearExpiry = 10 * time.Minute

var errExpired = errors.New("its expiry has come")

// write sends a chunk of whole keys as one pipeline.
func (w *restorer) write(ctx context.Context, chunk []*record) ([]result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results := make([]result, len(chunk))
	pending := make([]int, 0, len(chunk))
	now := w.now()
	for i, rec := range chunk {
		results[i].key = rec.key
		if rec.expiry > 0 && rec.expiry <= now {
			results[i].err = errExpired
			continue
		}
		pending = append(pending, i)
	}
	var entries map[int]bool // streams that RESTORE would not take
	for round := range 3 {   // the second mends NOSCRIPT, and each may find such a stream
		if len(pending) == 0 {
			break
		}
		pipe := w.rdb.Pipeline()
		takes := make([]func() (bool, error), len(pending))
		for n, i := range pending {
			takes[n] = w.queue(ctx, pipe, chunk[i], now, round > 0, entries[i])
		}
		if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
			return nil, fmt.Errorf("writing: %w", err)
		}
		var again []int
		for n, i := range pending {
			written, err := takes[n]()
			if err != nil && !isReply(err) && !errors.Is(err, errExpired) {
				// The connection went away within the pipeline: what became of this key is not known.
				return nil, fmt.Errorf("writing key %s: %w", quote(chunk[i].key), err)
			}
			if round < 2 && isCode(err, "NOSCRIPT") {
				again = append(again, i)
				continue
			}
			if round < 2 && !entries[i] && isDumpRefused(err) && chunk[i].stream != nil && chunk[i].stream.portable {
				if entries == nil {
					entries = map[int]bool{}
				}
				entries[i] = true
				again = append(again, i)
				continue
			}
			results[i].written, results[i].err = written, explain(err)
		}
		pending = again
	}
	return results, nil
}

// explain says in words what a server's refusal means.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case isCode(err, noFieldExpiry):
		return fmt.Errorf("%w: %w", ErrFieldExpiry, err)
	case isDumpRefused(err):
		return fmt.Errorf("the server does not take this value, which a newer one dumped (see Options.PortableStreams): %w", err)
	}
	return err
}

func isDumpRefused(err error) bool {
	return isReply(err) && (isCode(err, "ERR DUMP payload version") || isCode(err, "ERR Bad data format") || unknown(err))
}

// queue adds the command that writes a key, and returns what takes its reply.
func (w *restorer) queue(ctx context.Context, pipe redis.Pipeliner, rec *record, now int64, whole, entries bool) func() (bool, error) {
	// SET and RESTORE with an expiry that comes on their way to the server would delete a live key.
	near := w.opts.Mode == Replace && rec.expiry > 0 && rec.expiry-now < nearExpiry.Milliseconds()
	script := func(kind byte, elements ...string) func() (bool, error) {
		args := make([]any, 0, len(elements)+5)
		args = append(args, w.mode(), string(kind), rec.expiry, now, 0)
		for _, e := range elements {
			args = append(args, e)
		}
		return flagged(run(ctx, pipe, restoreScript, whole, []string{rec.key}, args))
	}
	switch rec.typ {
	case typeString:
		if near {
			return script(rec.typ, rec.elements[0])
		}
		return w.queueSet(ctx, pipe, rec)
	case typeStream, typeDumped:
		if rec.payload != "" && !entries {
			if near {
				return script(typeDumped, rec.payload)
			}
			return w.queueDump(ctx, pipe, rec)
		}
		return flagged(run(ctx, pipe, streamScript, whole, []string{rec.key}, w.streamArgs(rec, now)))
	}
	args := make([]any, 0, len(rec.elements)+5)
	args = append(args, w.mode(), "", rec.expiry, now, 0)
	kind, args := elementArgs(rec, args, now)
	if args[1] = kind; len(args) == 5 {
		return func() (bool, error) { return false, errExpired } // all its fields have expired, and with them the hash
	}
	return flagged(run(ctx, pipe, restoreScript, whole, []string{rec.key}, args))
}

func (w *restorer) mode() string {
	if w.opts.Mode == Replace {
		return "replace"
	}
	return "skip"
}

// queueSet writes a string. Key and value are pointers, so that neither is copied into an interface.
func (w *restorer) queueSet(ctx context.Context, pipe redis.Pipeliner, rec *record) func() (bool, error) {
	size := 3
	if rec.expiry > 0 {
		size += 2
	}
	if w.opts.Mode == SkipExisting {
		size++
	}
	args := make([]any, 3, size)
	args[0], args[1], args[2] = "set", &rec.key, &rec.elements[0]
	if rec.expiry > 0 {
		args = append(args, "pxat", &rec.expiry)
	}
	if w.opts.Mode == SkipExisting {
		args = append(args, "nx")
	}
	cmd := redis.NewStatusCmd(ctx, args...)
	_ = pipe.Process(ctx, cmd)
	return func() (bool, error) {
		err := cmd.Err()
		if errors.Is(err, redis.Nil) {
			return false, nil
		}
		return err == nil, err
	}
}

// outcome is what the reply of a script means.
func outcome(n int64) (bool, error) {
	switch n {
	case replyLeft:
		return false, nil
	case replyWritten:
		return true, nil
	case replyStale:
		return false, errExpired
	}
	return false, refused(fmt.Sprintf("ERR the script returned %d", n))
}

// run queues a script: by its hash first, as a whole where a server did not have it.
func run(ctx context.Context, pipe redis.Pipeliner, s *redis.Script, whole bool, keys []string, args []any) *redis.Cmd {
	if whole {
		return s.Eval(ctx, pipe, keys, args...)
	}
	return s.EvalSha(ctx, pipe, keys, args...)
}

// flagged takes the reply of a script.
func flagged(cmd *redis.Cmd) func() (bool, error) {
	return func() (bool, error) {
		n, err := cmd.Int64()
		if err != nil {
			return false, err
		}
		return outcome(n)
	}
}

// elementArgs appends the elements as restore.lua takes them, and says as which type. Fields that have expired are left out.
func elementArgs(rec *record, args []any, now int64) (string, []any) {
	if rec.typ != typeHashTTL {
		for _, e := range rec.elements {
			args = append(args, e)
		}
		return string(rec.typ), args
	}
	expiring := false
	for i := 2; i < len(rec.elements); i += 3 {
		expiring = expiring || rec.elements[i] != "0"
	}
	for i := 0; i+2 < len(rec.elements); i += 3 {
		at, _ := strconv.ParseInt(rec.elements[i+2], 10, 64) // held to be a number by decodeRecord
		switch {
		case at > 0 && at <= now:
		case expiring:
			args = append(args, rec.elements[i], rec.elements[i+1], rec.elements[i+2])
		default:
			args = append(args, rec.elements[i], rec.elements[i+1])
		}
	}
	if expiring {
		return string(typeHashTTL), args
	}
	return string(typeHash), args
}

// queueDump restores what DUMP gave. go-redis's Restore knows no absolute expiry.
func (w *restorer) queueDump(ctx context.Context, pipe redis.Pipeliner, rec *record) func() (bool, error) {
	args := []any{"restore", rec.key, rec.expiry, rec.payload}
	if rec.expiry > 0 {
		args = append(args, "absttl")
	}
	if w.opts.Mode == Replace {
		args = append(args, "replace")
	}
	cmd := redis.NewStatusCmd(ctx, args...)
	_ = pipe.Process(ctx, cmd)
	var is *redis.StatusCmd
	if rec.typ == typeStream {
		is = pipe.Type(ctx, rec.key)
	}
	return func() (bool, error) {
		err := cmd.Err()
		if isCode(err, "BUSYKEY") {
			return false, nil
		}
		if err == nil && is != nil && is.Val() == "string" && w.rdb.Get(ctx, rec.key).Val() == rec.payload {
			// A fake server that takes any payload for a string's. Another's string would hold something else.
			if err := w.rdb.Unlink(ctx, rec.key).Err(); err != nil {
				return false, err
			}
			return false, refused("ERR Bad data format: it was taken for a string")
		}
		return err == nil, err
	}
}

// refused is what a server should have answered.
type refused string

func (r refused) Error() string { return string(r) }

// RedisError makes it the reply of a server.
func (refused) RedisError() {}

func (w *restorer) streamArgs(rec *record, now int64) []any {
	s := rec.stream
	args := []any{w.mode(), rec.expiry, now, s.lastID, len(s.groups)}
	for _, g := range s.groups {
		args = append(args, g.name, g.lastID)
	}
	for _, e := range s.entries {
		args = append(args, e.id, len(e.values))
		for _, v := range e.values {
			args = append(args, v)
		}
	}
	return args
}
