package warmup

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// copied is a value as another Redis has it.
type copied struct {
	data    []byte
	expires time.Time // zero: never
}

// skipped stands for a key that is counted and not stored.
type skipped struct{}

// FromRedis returns a source of the strings of another Redis (or the same one)
// whose keys match the pattern, as KEYS has it; "" is all. Values are copied byte
// by byte, past Options.Codec, with the time that their keys have left: what has
// no expiry there gets none, and Options.TTL and Jitter do not apply (292 years are the longest that there is). Keys of other
// types, and keys that end meanwhile, are counted as skipped: package
// warmup/snapshot has a Restore for them.
//
// All masters of a cluster and all shards of a Ring are read, one after the other;
// of those that fail, the others are read, and the run returns [ErrSource]. An
// AutoPipeliner that hides them is refused, as a SCAN through it would miss keys.
// A key may come twice, as SCAN says it twice; a key that changes meanwhile is
// copied as it was at one moment. It cannot be resumed, so a run with a
// checkpoint refuses it. Two round trips for 64 keys or more, by their size.
func FromRedis(rdb redis.UniversalClient, match string) Source {
	if isNil(rdb) {
		return Source{}
	}
	if match == "" {
		match = "*"
	}
	return Source{total: -1, open: func(ctx context.Context, _ bool) iter.Seq2[Item, error] {
		return func(yield func(Item, error) bool) {
			r := reader{rdb: rdb, match: match, yield: yield}
			if err := r.all(ctx); err != nil && !r.ended {
				yield(Item{}, err)
			}
		}
	}}
}

// reader reads the strings of a Redis.
type reader struct {
	rdb   redis.UniversalClient
	match string
	yield func(Item, error) bool
	ended bool // yield said so

	keys, bytes int64 // read so far
}

// all reads every node. It returns the errors of those that could not be read.
func (r *reader) all(ctx context.Context) error {
	nodes, err := scanned(ctx, r.rdb)
	if err != nil {
		return err
	}
	bad := missingShards(r.rdb, nodes)
	for _, node := range nodes {
		if err := r.node(ctx, node); err != nil {
			bad = append(bad, err)
		}
		if r.ended {
			return nil
		}
	}
	return errors.Join(bad...)
}

// scanned returns the clients that have to be scanned.
func scanned(ctx context.Context, rdb redis.UniversalClient) ([]redis.Cmdable, error) {
	collected := make(chan redis.Cmdable, 1<<16)
	each := func(_ context.Context, c *redis.Client) error {
		collected <- c
		return nil
	}
	var err error
	switch rdb := rdb.(type) {
	case *redis.Client:
		return []redis.Cmdable{rdb}, nil
	case *redis.ClusterClient:
		err = rdb.ForEachMaster(ctx, each)
	case *redis.Ring:
		err = rdb.ForEachShard(ctx, each)
	default:
		// A client of several nodes refuses to watch keys of several slots, and
		// does so before it looks at the context.
		ended, cancel := context.WithCancel(ctx)
		cancel()
		err := rdb.Watch(ended, func(*redis.Tx) error { return nil },
			"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p")
		if err != nil && (strings.Contains(err.Error(), "same slot") || strings.Contains(err.Error(), "same shard")) {
			return nil, fmt.Errorf("a %T hides the nodes that are to be scanned: give FromRedis the client behind it", rdb)
		}
		return []redis.Cmdable{rdb}, nil
	}
	close(collected)
	var all []redis.Cmdable
	for c := range collected {
		all = append(all, c)
	}
	if err == nil && len(all) == 0 {
		err = errors.New("there is no node to scan")
	}
	return all, err
}

// missingShards returns an error for each shard of a Ring that is not among its
// nodes: a Ring passes over shards that are down. If some node is none of those in
// its options, its shards were changed since (SetAddrs), and nothing is known.
func missingShards(rdb redis.UniversalClient, nodes []redis.Cmdable) (bad []error) {
	ring, ok := rdb.(*redis.Ring)
	if !ok {
		return nil
	}
	missing := map[string]string{}
	for name, addr := range ring.Options().Addrs {
		missing[addr] = name
	}
	for _, node := range nodes {
		client, ok := node.(*redis.Client)
		if !ok || missing[client.Options().Addr] == "" {
			return nil
		}
		delete(missing, client.Options().Addr)
	}
	for _, addr := range slices.Sorted(maps.Keys(missing)) {
		bad = append(bad, fmt.Errorf("the shard %q at %s is down, and was not read", missing[addr], addr))
	}
	return bad
}

// node reads one node.
func (r *reader) node(ctx context.Context, node redis.Cmdable) error {
	for cursor := uint64(0); ; {
		keys, next, err := node.Scan(ctx, cursor, r.match, 500).Result()
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		for len(keys) > 0 {
			n := min(r.block(), len(keys))
			if err := r.read(ctx, keys[:n]); err != nil || r.ended {
				return err
			}
			keys = keys[n:]
		}
		if next == 0 {
			return nil
		}
		cursor = next
	}
}

// block is how many values are read at once.
func (r *reader) block() int {
	if r.keys == 0 {
		return 64
	}
	mean := max(r.bytes/r.keys, 1)
	return int(min(max(chunkBytes/mean, 1), chunkItems))
}

// looks is how often a key is read that changes while it is read.
const looks = 10

// read reads and yields keys.
func (r *reader) read(ctx context.Context, keys []string) error {
	for look := 0; len(keys) > 0; look++ {
		probes := make([]probe, len(keys))
		begun := time.Now()
		pipe := r.rdb.Pipeline()
		for i, key := range keys {
			p := &probes[i]
			p.before, p.after = redis.NewIntCmd(ctx, "pttl", key), redis.NewIntCmd(ctx, "pttl", key)
			_ = pipe.Process(ctx, p.before) // queues only
			p.value = pipe.Get(ctx, key)
			_ = pipe.Process(ctx, p.after)
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		took := time.Since(begun)
		var again []string
		for i, key := range keys {
			value, changed, err := probes[i].settle(begun, took)
			if err != nil {
				return fmt.Errorf("read %.100q: %w", key, err)
			}
			if changed && look < looks {
				again = append(again, key)
				continue
			}
			if changed {
				err = errors.New("it keeps changing while it is read")
			}
			if c, ok := value.(copied); ok {
				r.keys++
				r.bytes += int64(len(key) + len(c.data))
			}
			if key == "" { // refused by the run, as every empty key
				err = nil
			}
			if !r.yield(Item{Key: key, Value: value}, err) {
				r.ended = true
				return nil
			}
		}
		keys = again
	}
	return nil
}

// probe is a value between two looks at its time to live, which tell whether it is
// of the same key.
type probe struct {
	before, after *redis.IntCmd // in milliseconds, which may be more than a time.Duration holds
	value         *redis.StringCmd
}

// settle returns the value of a probe that was sent at begun and answered took
// later, or says that the key changed between.
func (p *probe) settle(begun time.Time, took time.Duration) (value any, changed bool, err error) {
	for _, err := range []error{p.before.Err(), p.value.Err(), p.after.Err()} {
		if err != nil && !errors.Is(err, redis.Nil) && once.Code(err) != "WRONGTYPE" {
			return nil, false, err
		}
	}
	data, err := p.value.Bytes()
	before, after := p.before.Val(), p.after.Val()
	switch {
	case once.Code(err) == "WRONGTYPE", errors.Is(err, redis.Nil), after == gone:
		return skipped{}, false, nil
	case err != nil:
		return nil, false, err
	case before == never && after == never:
		return copied{data: data}, false, nil
	case before == gone, before == never, after == never, after > before, before-after > took.Milliseconds()+3:
		return nil, true, nil
	}
	// The time was left at some moment after begun.
	const longest = math.MaxInt64 / int64(time.Millisecond)
	return copied{data: data, expires: begun.Add(time.Duration(min(after, longest)) * time.Millisecond)}, false, nil
}

// What PTTL answers for keys without an expiry and for no key.
const (
	never = -1
	gone  = -2
)
