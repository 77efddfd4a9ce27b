package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Diff is what tells a server from a snapshot. The keys are in the order in which they were met.
type Diff struct {
	Missing   []string // in the snapshot, not on the server
	Extra     []string // on the server, not in the snapshot, though its Match and Types ask for them
	Different []string // another value, type or expiry
	Expired   int64    // in the snapshot with an expiry that has come, and not on the server: no difference
	Torn      int64    // read in pieces, so that a difference may be older than the snapshot
}

// Empty says whether the server holds what the snapshot holds.
func (d Diff) Empty() bool { return len(d.Missing)+len(d.Extra)+len(d.Different) == 0 }

// CompareOptions says how a snapshot is held against a server.
type CompareOptions struct {
	// Prefix is what Restore was told to put before each key. Only keys with it can be extra.
	Prefix string
	// Slack is by how much expiries may differ. Defaults to 0; servers before Redis 7.0, which only tell how long a key
	// still has, get a second at least.
	Slack time.Duration
}

// Compare holds a snapshot against a server, key by key, logically: type, value, expiry. It is CompareWith without options.
func Compare(ctx context.Context, rdb redis.UniversalClient, r io.Reader) (Diff, error) {
	return CompareWith(ctx, rdb, r, CompareOptions{})
}

// CompareWith holds a snapshot against a server. It reads elements by name, so that the order in which a server returns
// them does not matter; -0 equals 0, since Redis itself loses the sign. Streams are compared by their entries and
// groups; the types of modules by what DUMP gives, which may differ where the value does not.
//
// It writes nothing. The file is verified first, as [Restore] does. About two round trips for each 500 keys, and a SCAN of
// the server; O(n). Memory: 32 bytes a key of the snapshot, and one record.
func CompareWith(ctx context.Context, rdb redis.UniversalClient, r io.Reader, opts CompareOptions) (Diff, error) {
	if err := usable(rdb); err != nil {
		return Diff{}, err
	}
	if r == nil {
		return Diff{}, errors.New("snapshot: compare: no reader")
	}
	if opts.Slack < 0 {
		return Diff{}, fmt.Errorf("snapshot: CompareOptions.Slack: %v is negative", opts.Slack)
	}
	c := &comparer{rdb: rdb, opts: opts, seen: map[[16]byte]struct{}{}, open: map[string]*partly{}}
	if err := c.run(ctx, r); err != nil {
		return c.diff, fmt.Errorf("snapshot: compare: %w", err)
	}
	return c.diff, nil
}

type comparer struct {
	rdb      redis.UniversalClient
	opts     CompareOptions
	diff     Diff
	seen     map[[16]byte]struct{} // a hash of each key
	open     map[string]*partly
	relative bool // the server has no PEXPIRETIME
	offset   int64
	noFields bool // the server knows no expiry of hash fields
}

// partly is a key whose pieces are being compared.
type partly struct {
	position  int64
	different bool
}

func (c *comparer) run(ctx context.Context, r io.Reader) error {
	file, done, err := seekable(ctx, r)
	if err != nil {
		return err
	}
	defer done()
	origin, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := Verify(contextReader{ctx, file}); err != nil {
		return err
	}
	if _, err := file.Seek(origin, io.SeekStart); err != nil {
		return err
	}
	if c.offset, err = clockOffset(ctx, c.rdb); err != nil {
		return err
	}
	d, err := newDecoder(file)
	if err != nil {
		return err
	}
	var chunk []*record
	bytes := 0
	for {
		rec, err := d.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		c.seen[keyHash(rec.key)] = struct{}{}
		rec.key = c.opts.Prefix + rec.key
		chunk = append(chunk, rec)
		if bytes += weight(rec); len(chunk) >= scanCount || bytes > chunkBytes || rec.pieces() {
			if err := c.chunk(ctx, chunk); err != nil {
				return err
			}
			chunk, bytes = nil, 0
		}
	}
	if err := c.chunk(ctx, chunk); err != nil {
		return err
	}
	return c.extra(ctx, d.meta)
}

func keyHash(key string) [16]byte {
	sum := sha256.Sum256([]byte(key))
	return [16]byte(sum[:])
}

// live is what the server says of a record's key.
type live struct {
	typ    *redis.StatusCmd
	expiry func() (int64, error)
	size   *redis.IntCmd
	equal  func() (bool, error) // whether the elements are the record's
}

// chunk compares some records.
func (c *comparer) chunk(ctx context.Context, chunk []*record) error {
	for len(chunk) > 0 {
		pipe := c.rdb.Pipeline()
		all := make([]live, len(chunk))
		for i, rec := range chunk {
			all[i] = c.ask(ctx, pipe, rec)
		}
		if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
			return err
		}
		again := false
		for i, rec := range chunk {
			err := c.settle(rec, all[i])
			if errors.Is(err, errAgain) {
				chunk, again = chunk[i:], true
				break
			}
			if err != nil {
				return fmt.Errorf("key %s: %w", quote(rec.key), err)
			}
		}
		if !again {
			return nil
		}
	}
	return nil
}

var typeNames = map[byte]string{
	typeString: "string", typeList: "list", typeSet: "set", typeZSet: "zset",
	typeHash: "hash", typeHashTTL: "hash", typeStream: "stream",
}

func (r *record) typeName() string {
	if r.typ == typeDumped {
		return r.name
	}
	return typeNames[r.typ]
}

func (c *comparer) ask(ctx context.Context, pipe redis.Pipeliner, rec *record) live {
	l := live{typ: pipe.Type(ctx, rec.key), expiry: expiryOf(ctx, pipe, rec.key, c.relative)}
	l.size = length(ctx, pipe, rec.typeName(), rec.key)
	if rec.abandoned() {
		return l
	}
	position := int64(0)
	if p := c.open[rec.key]; p != nil {
		position = p.position
	}
	switch rec.typ {
	case typeString:
		want := rec.elements[0]
		got := pipe.GetRange(ctx, rec.key, position, position+int64(len(want))-1)
		if want == "" {
			got = pipe.GetRange(ctx, rec.key, 0, 0)
		}
		l.equal = func() (bool, error) { return got.Val() == want, got.Err() }
	case typeList:
		got := pipe.LRange(ctx, rec.key, position, position+int64(len(rec.elements))-1)
		l.equal = func() (bool, error) { return slices.Equal(got.Val(), rec.elements), got.Err() }
	case typeSet:
		got := pipe.SMIsMember(ctx, rec.key, anys(rec.elements, 1)...)
		l.equal = func() (bool, error) { return !slices.Contains(got.Val(), false), got.Err() }
	case typeZSet:
		args := append([]any{"zmscore", rec.key}, anys(rec.elements, 2)...)
		got := pipe.Do(ctx, args...)
		l.equal = func() (bool, error) { return equalScores(rec.elements, got) }
	case typeHash, typeHashTTL:
		l.equal = c.askFields(ctx, pipe, rec)
	case typeStream:
		got := askStream(ctx, pipe, rec.key)
		l.equal = func() (bool, error) {
			s, err := got()
			return err == nil && s.digest == rec.stream.digest, err
		}
	case typeDumped:
		got := pipe.Dump(ctx, rec.key)
		l.equal = func() (bool, error) { return got.Val() == rec.payload, got.Err() }
	}
	return l
}

// anys returns every nth string, as arguments.
func anys(all []string, step int) []any {
	out := make([]any, 0, len(all)/step)
	for i := 0; i < len(all); i += step {
		out = append(out, all[i])
	}
	return out
}

func equalScores(elements []string, cmd *redis.Cmd) (bool, error) {
	got, err := cmd.Slice()
	if err != nil {
		return false, err
	}
	if 2*len(got) != len(elements) {
		return false, nil
	}
	for i, score := range got {
		want, _ := strconv.ParseFloat(elements[2*i+1], 64) // held to be a number by decodeRecord
		switch is := score.(type) {
		case float64: // RESP3
			if is != want {
				return false, nil
			}
		case string:
			if f, ok := parseScore(is); !ok || f != want {
				return false, nil
			}
		default: // absent
			return false, nil
		}
	}
	return true, nil
}

func parseScore(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// askFields compares the fields of a hash, and when they expire. Fields that have expired since are no difference.
func (c *comparer) askFields(ctx context.Context, pipe redis.Pipeliner, rec *record) func() (bool, error) {
	now := time.Now().UnixMilli() + c.offset
	var fields, values []string
	var expiries []int64
	expiring := false
	for i := 0; i < len(rec.elements); i += rec.width() {
		at := int64(0)
		if rec.width() == 3 {
			at, _ = strconv.ParseInt(rec.elements[i+2], 10, 64)
		}
		if at > 0 && at <= now {
			continue
		}
		expiring = expiring || at > 0
		fields, values, expiries = append(fields, rec.elements[i]), append(values, rec.elements[i+1]), append(expiries, at)
	}
	if len(fields) == 0 {
		return func() (bool, error) { return true, nil }
	}
	got := pipe.HMGet(ctx, rec.key, fields...)
	var times *redis.IntSliceCmd
	if expiring && !c.noFields {
		args := append([]any{"hpexpiretime", rec.key, "fields", len(fields)}, anys(fields, 1)...)
		times = redis.NewIntSliceCmd(ctx, args...)
		_ = pipe.Process(ctx, times)
	}
	return func() (bool, error) {
		if err := got.Err(); err != nil {
			return false, err
		}
		for i, v := range got.Val() {
			if v != any(values[i]) {
				return false, nil
			}
		}
		if times == nil {
			return true, nil
		}
		if unknown(times.Err()) {
			c.noFields = true // such a server cannot have kept them, or cannot tell
			return true, nil
		}
		if times.Err() != nil || len(times.Val()) != len(expiries) {
			return false, times.Err()
		}
		for i, at := range times.Val() {
			if max(at, 0) != expiries[i] {
				return false, nil
			}
		}
		return true, nil
	}
}

// settle counts what one record shows.
func (c *comparer) settle(rec *record, l live) error {
	expiry, err := l.expiry()
	if !c.relative && unknown(err) {
		c.relative = true
		return errAgain
	}
	if err != nil {
		return err
	}
	if err := l.typ.Err(); err != nil {
		return err
	}
	p := c.open[rec.key]
	if rec.pieces() && p == nil {
		p = &partly{}
		c.open[rec.key] = p
	}
	if rec.abandoned() {
		delete(c.open, rec.key)
		delete(c.seen, keyHash(rec.key[len(c.opts.Prefix):]))
		return nil
	}
	equal := l.typ.Val() == rec.typeName()
	if equal && l.equal != nil {
		equal, err = l.equal()
		if errors.Is(err, redis.Nil) || errors.Is(err, errGone) || isCode(err, "WRONGTYPE") {
			equal, err = false, nil // it went, or changed its type, since TYPE answered
		}
		if err != nil {
			return err // not seen is not different
		}
	}
	count := int64(len(rec.elements) / rec.width())
	if rec.typ == typeString {
		count = int64(len(rec.elements[0]))
	}
	if p != nil {
		p.position += count
		p.different = p.different || !equal
		if rec.more() {
			return nil
		}
		delete(c.open, rec.key)
		c.diff.Torn++
		equal, count = !p.different, rec.total
	}
	switch now := time.Now().UnixMilli() + c.offset; {
	case l.typ.Val() == "none" && rec.expiry > 0 && rec.expiry <= now:
		c.diff.Expired++
	case l.typ.Val() == "none":
		c.diff.Missing = append(c.diff.Missing, rec.key)
	case !equal || !c.sameSize(rec, l, count) || !c.sameExpiry(rec.expiry, expiry):
		c.diff.Different = append(c.diff.Different, rec.key)
	}
	return nil
}

// sameSize says whether there is nothing on the server beside what was compared. Fields that expired since make a hash smaller.
func (c *comparer) sameSize(rec *record, l live, count int64) bool {
	if l.size == nil || rec.typ == typeStream {
		return true
	}
	if rec.typ == typeHashTTL {
		return l.size.Val() <= count
	}
	return l.size.Val() == count
}

func (c *comparer) sameExpiry(want, got int64) bool {
	if got < 0 {
		got = 0
	}
	if want == got {
		return true
	}
	slack := c.opts.Slack.Milliseconds()
	if c.relative {
		slack = max(slack, 1000)
	}
	return want > 0 && got > 0 && want-got <= slack && got-want <= slack
}

// extra finds the keys that the snapshot does not have.
func (c *comparer) extra(ctx context.Context, m meta) error {
	all, err := nodes(ctx, c.rdb)
	if err != nil {
		return err
	}
	for _, n := range all {
		var cursor uint64
		for {
			var keys []string
			if keys, cursor, err = n.client.Scan(ctx, cursor, c.pattern(m.Match), scanCount).Result(); err != nil {
				return fmt.Errorf("node %s: %w", n.addr, err)
			}
			var unseen []string
			for _, k := range keys {
				if !strings.HasPrefix(k, c.opts.Prefix) || temporaryKey(k) {
					continue
				}
				if _, ok := c.seen[keyHash(k[len(c.opts.Prefix):])]; !ok {
					unseen = append(unseen, k)
				}
			}
			if len(m.Types) > 0 && len(unseen) > 0 {
				if unseen, err = ofTypes(ctx, n.client, unseen, m.Types); err != nil {
					return fmt.Errorf("node %s: %w", n.addr, err)
				}
			}
			c.diff.Extra = append(c.diff.Extra, unseen...)
			if cursor == 0 {
				break
			}
		}
	}
	// SCAN may return a key twice.
	slices.Sort(c.diff.Extra)
	c.diff.Extra = slices.Compact(c.diff.Extra)
	return nil
}

// pattern is what the keys of the snapshot match on the server.
func (c *comparer) pattern(match string) string {
	if match == "" {
		match = "*"
	}
	return escape(c.opts.Prefix) + match
}

// escape makes a pattern of a text that matches it alone.
func escape(text string) string {
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		switch text[i] {
		case '*', '?', '[', ']', '\\', '^', '-':
			out = append(out, '\\')
		}
		out = append(out, text[i])
	}
	return string(out)
}

func ofTypes(ctx context.Context, client *redis.Client, keys, types []string) ([]string, error) {
	pipe := client.Pipeline()
	cmds := make([]*redis.StatusCmd, len(keys))
	for i, k := range keys {
		cmds[i] = pipe.Type(ctx, k)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var of []string
	for i, k := range keys {
		if (Options{Types: types}).wants(cmds[i].Val()) {
			of = append(of, k)
		}
	}
	return of, nil
}
