package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// BigKeysOptions of BigKeys. The zero value is fine.
type BigKeysOptions struct {
	Match     string // keys of this pattern alone; "" = all
	Threshold int64  // bytes from which a key is reported; defaults to 1 MiB, -1: any
	Top       int    // how many keys are reported, in all and of each type, and how many prefixes; defaults to 20
	Samples   int    // elements of a collection that its size is estimated from; defaults to 5, at most 1000: a server reads all of a million with SAMPLES 0
	Separator string // ends a prefix; defaults to ":"
	Depth     int    // how many separators a prefix reaches to; defaults to 1

	Batch   int           // keys a round trip; defaults to 500, at most 10,000
	Pause   time.Duration // between two pages of SCAN; defaults to none. With one, a node is asked by one connection at a time
	MaxKeys int64         // ends the scan after so many keys; 0 = without limit
	MaxTime time.Duration // ends the scan after so long a time; 0 = without limit

	Progress func(BigKeysProgress) // after each page, never twice at once; may be nil
}

// BigKeysProgress is how far a scan is.
type BigKeysProgress struct {
	Scanned int64
	Total   int64 // keys that there were when the scan began; 0 where DBSIZE is refused
}

// BigKeysReport is what BigKeys found.
type BigKeysReport struct {
	Scanned int64 `json:"scanned"` // keys that were measured
	Total   int64 `json:"total"`   // keys that there were when the scan began; 0 where DBSIZE is refused
	Bytes   int64 `json:"bytes"`   // of the keys that were measured
	Denied  int64 `json:"denied"`  // keys that the user may not read
	Partial bool  `json:"partial"` // not all keys were looked at: a budget was spent, ctx ended, or a node failed

	Keys     []BigKey            `json:"keys"`      // the largest, largest first
	ByType   map[string][]BigKey `json:"by_type"`   // the largest of each type
	ByPrefix []PrefixUsage       `json:"by_prefix"` // of all keys that were measured, the heaviest first; the lightest of more than 20,000 are one, "(others)"
}

// BigKey is a key of at least Threshold bytes.
type BigKey struct {
	Name     string        `json:"name"`
	Type     string        `json:"type"`
	Node     string        `json:"node"`
	Encoding string        `json:"encoding"` // "" where the server does not tell
	Bytes    int64         `json:"bytes"`    // as MEMORY USAGE estimates, key and value
	Length   int64         `json:"length"`   // elements, or bytes of a string; -1 where it could not be asked
	TTL      time.Duration `json:"ttl_ns"`   // -1: it never expires, -2: it could not be asked
}

// PrefixUsage is what the keys with a common beginning take.
type PrefixUsage struct {
	Prefix string `json:"prefix"` // "" for keys without the separator
	Keys   int64  `json:"keys"`
	Bytes  int64  `json:"bytes"`
}

// WithoutTTL returns the reported keys that never expire, largest first.
func (r BigKeysReport) WithoutTTL() []BigKey {
	var out []BigKey
	for _, list := range r.ByType {
		for _, k := range list {
			if k.TTL == -1 {
				out = append(out, k)
			}
		}
	}
	slices.SortFunc(out, bigger)
	return out
}

const (
	mebibyte      = 1 << 20
	prefixes      = 10_000 // kept when there are twice as many; the lightest are counted as otherPrefixes from then on
	otherPrefixes = "(others)"
	serverSamples = 5 // what MEMORY USAGE takes by itself
)

func (o BigKeysOptions) completed() (BigKeysOptions, error) {
	o.Threshold = cmp.Or(o.Threshold, mebibyte)
	o.Top = cmp.Or(o.Top, 20)
	o.Samples = cmp.Or(o.Samples, serverSamples)
	o.Separator = cmp.Or(o.Separator, ":")
	o.Depth = cmp.Or(o.Depth, 1)
	o.Batch = cmp.Or(o.Batch, 500)
	bad := func(field string, v any) error {
		return fmt.Errorf("monitor: BigKeysOptions.%s: %v is out of range", field, v)
	}
	switch {
	case o.Threshold < -1:
		return o, bad("Threshold", o.Threshold)
	case o.Top < 1 || o.Top > 100_000:
		return o, bad("Top", o.Top)
	case o.Samples < 1 || o.Samples > 1000:
		return o, bad("Samples", o.Samples)
	case o.Depth < 1 || o.Depth > 100:
		return o, bad("Depth", o.Depth)
	case o.Batch < 1 || o.Batch > 10_000:
		return o, bad("Batch", o.Batch)
	case o.Pause < 0:
		return o, bad("Pause", o.Pause)
	case o.MaxKeys < 0:
		return o, bad("MaxKeys", o.MaxKeys)
	case o.MaxTime < 0:
		return o, bad("MaxTime", o.MaxTime)
	}
	return o, nil
}

// BigKeys finds the keys that take the most memory, on all masters at once. It reads in pages: SCAN, and MEMORY USAGE of
// each key with bounded samples, so that no command keeps the server for long, however large a key is. Keys that reach
// the Threshold are asked for type and expiry in addition, and those that are reported for encoding and length; the length
// touches their idle time where the server does not know CLIENT NO-TOUCH. It writes nothing.
//
// Cost: two round trips for each Batch of keys, O(keys). A key that SCAN returns twice counts once (of a node's first four
// million). Where ctx ends or a node fails, the report is partial and holds what was found, and the error says why; a
// spent budget makes it partial without an error. A key that moves from one node of a cluster to another meanwhile may be
// counted at both, or at neither. How long a server that hangs is waited for, its client decides. The
// client's database alone is scanned.
func BigKeys(ctx context.Context, rdb redis.UniversalClient, opts BigKeysOptions) (BigKeysReport, error) {
	opts, err := opts.completed()
	if err != nil {
		return BigKeysReport{}, err
	}
	targets, err := masters(ctx, rdb)
	if err != nil {
		empty := BigKeysReport{Partial: true, Keys: []BigKey{}, ByType: map[string][]BigKey{}, ByPrefix: []PrefixUsage{}}
		return empty, fmt.Errorf("monitor: big keys: %w", err)
	}
	b := newBigKeys(opts)
	if opts.MaxTime > 0 {
		b.budget.deadline = time.Now().Add(opts.MaxTime)
	}
	_ = perNode(targets, func(t target) error { // a node that does not tell its size fails in the scan, too
		n, err := t.client.DBSize(ctx).Result()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.report.Total += n
		return err
	})
	err = perNode(targets, func(t target) error { return b.node(ctx, t) })
	b.finish(ctx, targets)
	b.report.Partial = err != nil || b.budget.spent.Load()
	if err != nil {
		err = fmt.Errorf("monitor: big keys: %w", err)
	}
	return b.report, err
}

// bigKeys collects what the nodes find.
type bigKeys struct {
	opts   BigKeysOptions
	budget budget

	mu       sync.Mutex
	report   BigKeysReport
	byType   map[string]*ranking[BigKey]
	prefixes map[string]*PrefixUsage
	others   PrefixUsage // of the prefixes that are not kept
}

func newBigKeys(opts BigKeysOptions) *bigKeys {
	return &bigKeys{
		opts: opts, byType: map[string]*ranking[BigKey]{}, prefixes: map[string]*PrefixUsage{}, others: PrefixUsage{Prefix: otherPrefixes},
		budget: budget{keys: opts.MaxKeys},
	}
}

func (b *bigKeys) node(ctx context.Context, t target) error {
	workers := 2 // one is parsed while the server works on the other
	if b.opts.Pause > 0 {
		workers = 1
	}
	words := []any{"memory", "usage", nil}
	if b.opts.Samples != serverSamples {
		words = append(words, "samples", b.opts.Samples)
	}
	s := &scan{
		match: b.opts.Match, batch: int64(b.opts.Batch), pause: b.opts.Pause, workers: workers, budget: &b.budget, words: words,
		measure: func(ctx context.Context, keys []string, sizes []*redis.IntCmd) error {
			return b.measure(ctx, t, keys, sizes)
		},
		scanned: func() {
			if b.opts.Progress == nil {
				return
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.opts.Progress(BigKeysProgress{Scanned: b.report.Scanned + b.report.Denied, Total: b.report.Total})
		},
	}
	return s.run(ctx, t.client)
}

// measure takes in the sizes of a page of keys.
func (b *bigKeys) measure(ctx context.Context, t target, keys []string, sizes []*redis.IntCmd) error {
	var big []BigKey
	var scanned, bytes, denied int64
	b.mu.Lock()
	for i, cmd := range sizes {
		switch err := cmd.Err(); {
		case err == nil:
		case errors.Is(err, redis.Nil), moved(err): // it has gone meanwhile
			continue
		case keyDenied(err):
			denied++
			continue
		default:
			b.mu.Unlock()
			return fmt.Errorf("memory usage: %w", err)
		}
		size := cmd.Val()
		scanned++
		bytes += size
		b.addPrefix(keys[i], size)
		if size >= b.opts.Threshold {
			big = append(big, BigKey{Name: keys[i], Node: t.addr, Bytes: size, Length: -1})
		}
	}
	b.report.Scanned += scanned
	b.report.Bytes += bytes
	b.report.Denied += denied
	b.mu.Unlock()
	return b.keep(ctx, t, big)
}

// prefixOf returns the beginning of a key up to its depth-th separator, or up to its last one.
func prefixOf(key, separator string, depth int) string {
	end := 0
	for range depth {
		i := strings.Index(key[end:], separator)
		if i < 0 {
			break
		}
		end += i + len(separator)
	}
	return key[:end]
}

// addPrefix is called with the lock.
func (b *bigKeys) addPrefix(key string, size int64) {
	prefix := prefixOf(key, b.opts.Separator, b.opts.Depth)
	p := b.prefixes[prefix]
	if p == nil {
		if len(b.prefixes) >= 2*prefixes {
			b.foldPrefixes()
		}
		p = &PrefixUsage{Prefix: strings.Clone(prefix)}
		b.prefixes[p.Prefix] = p
	}
	p.Keys++
	p.Bytes += size
}

// foldPrefixes makes room: it forgets the lightest prefixes. To refuse new ones instead would lose a heavy one that comes
// late.
func (b *bigKeys) foldPrefixes() {
	list := slices.SortedFunc(maps.Values(b.prefixes), func(x, y *PrefixUsage) int { return heavier(*x, *y) })
	for _, p := range list[prefixes:] {
		b.others.Keys += p.Keys
		b.others.Bytes += p.Bytes
		delete(b.prefixes, p.Prefix)
	}
}

func heavier(x, y PrefixUsage) int {
	return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Prefix, y.Prefix))
}

// keep asks big keys for type and expiry, and keeps the largest of each type.
func (b *bigKeys) keep(ctx context.Context, t target, big []BigKey) error {
	if len(big) == 0 {
		return nil
	}
	cmds := make([]redis.Cmder, 0, 2*len(big))
	for _, k := range big {
		cmds = append(cmds, redis.NewStatusCmd(ctx, "type", k.Name), redis.NewIntCmd(ctx, "pttl", k.Name))
	}
	if err := readAll(ctx, t.client, cmds); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, k := range big {
		kind, ok := cmds[2*i].(*redis.StatusCmd)
		ttl, ok2 := cmds[2*i+1].(*redis.IntCmd)
		if !ok || !ok2 {
			continue
		}
		k.Type, k.TTL = "unknown", -2
		if kind.Err() == nil { // who may not ask for it learns of the key all the same
			k.Type = kind.Val()
		}
		if k.Type == "none" {
			continue
		}
		switch ms := ttl.Val(); {
		case ttl.Err() != nil:
		case ms < 0:
			k.TTL = -1
		default: // Redis keeps times that are further than a Duration reaches
			k.TTL = time.Duration(min(ms, int64(math.MaxInt64/time.Millisecond))) * time.Millisecond
		}
		r := b.byType[k.Type]
		if r == nil {
			r = &ranking[BigKey]{top: b.opts.Top, order: bigger, id: func(k BigKey) keyID { return keyID{k.Name, k.Node} }}
			b.byType[k.Type] = r
		}
		r.add(k)
	}
	return nil
}

// bigger orders by size, and by name where that is the same, so that a report does not depend on the order of the scan.
func bigger(a, b BigKey) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node))
}

// lengths are the commands that tell how many elements a key of a type has, in constant time.
var lengths = map[string]string{"string": "strlen", "list": "llen", "set": "scard", "zset": "zcard", "hash": "hlen", "stream": "xlen"}

// finish sorts, and asks the keys that are reported for encoding and length.
func (b *bigKeys) finish(ctx context.Context, targets []target) {
	b.report.Keys, b.report.ByType = []BigKey{}, map[string][]BigKey{}
	for kind, r := range b.byType {
		b.report.ByType[kind] = r.cut()
	}
	_ = perNode(targets, func(t target) error { // a report without them is a report
		var mine []*BigKey
		for _, list := range b.report.ByType {
			for i := range list {
				if list[i].Node == t.addr {
					mine = append(mine, &list[i])
				}
			}
		}
		for page := range slices.Chunk(mine, b.opts.Batch) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := describe(ctx, t.client, page); err != nil {
				return err
			}
		}
		return nil
	})
	for _, list := range b.report.ByType {
		b.report.Keys = append(b.report.Keys, list...)
	}
	slices.SortFunc(b.report.Keys, bigger)
	b.report.Keys = b.report.Keys[:min(len(b.report.Keys), b.opts.Top)]
	b.report.ByPrefix = []PrefixUsage{}
	for _, p := range b.prefixes {
		b.report.ByPrefix = append(b.report.ByPrefix, *p)
	}
	if b.others.Keys > 0 {
		b.report.ByPrefix = append(b.report.ByPrefix, b.others)
	}
	slices.SortFunc(b.report.ByPrefix, heavier)
	b.report.ByPrefix = b.report.ByPrefix[:min(len(b.report.ByPrefix), b.opts.Top)]
}

// describe asks for encodings and lengths. One pipeline is one connection, so that CLIENT NO-TOUCH (7.2) holds for the
// lengths alone.
func describe(ctx context.Context, client asker, keys []*BigKey) error {
	cmds := []redis.Cmder{redis.NewStatusCmd(ctx, "client", "no-touch", "on")}
	for _, k := range keys {
		cmds = append(cmds, redis.NewStringCmd(ctx, "object", "encoding", k.Name), redis.NewIntCmd(ctx, cmp.Or(lengths[k.Type], "strlen"), k.Name))
	}
	cmds = append(cmds, redis.NewStatusCmd(ctx, "client", "no-touch", "off"))
	if err := readAll(ctx, client, cmds); err != nil {
		return err
	}
	for i, k := range keys {
		if enc, ok := cmds[1+2*i].(*redis.StringCmd); ok && enc.Err() == nil {
			k.Encoding = enc.Val()
		}
		if n, ok := cmds[2+2*i].(*redis.IntCmd); ok && n.Err() == nil {
			k.Length = n.Val()
		}
	}
	return nil
}
