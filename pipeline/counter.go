package pipeline

import (
	"context"
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// DefaultTokenTTL is how long a token is remembered.
const DefaultTokenTTL = 24 * time.Hour

// CounterOptions are the options of counters. The zero value leaves new counters
// without an end.
type CounterOptions struct {
	// TTL is the time to live that a counter gets when it is created, a
	// millisecond or more. 0: none. A counter that exists keeps what it has.
	TTL time.Duration
	// TokenTTL is how long the token of an IncrementOnce is remembered, counted
	// from its first run. Default: 24 h.
	TokenTTL time.Duration
}

func (o CounterOptions) check() (CounterOptions, error) {
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"TTL", o.TTL}, {"TokenTTL", o.TokenTTL}} {
		if f.d < 0 || f.d > 0 && f.d < time.Millisecond {
			return o, fmt.Errorf("pipeline: CounterOptions.%s is %v: it must be 0, or a millisecond or more", f.name, f.d)
		}
	}
	if o.TokenTTL == 0 {
		o.TokenTTL = DefaultTokenTTL
	}
	return o, nil
}

var (
	//go:embed lua/create.lua
	createSource string
	//go:embed lua/atomic.lua
	atomicSource string
	//go:embed lua/once.lua
	onceSource string

	createScript = once.NewScript(createSource)
	atomicScript = once.NewScript(atomicSource)
	onceScript   = once.NewScript(onceSource)
)

var (
	errMinInt  = errors.New("the delta is the least int64, which cannot be undone")
	errNoToken = errors.New("pipeline: increment once: the token is empty")
	errToken   = errors.New("the token was used for other counters or deltas")
	errReply   = errors.New("the reply of the script is not what it should be")
)

func checkDelta(key string, delta int64) error {
	switch {
	case key == "":
		return errEmptyKey
	case delta == math.MinInt64:
		return errMinInt
	}
	return nil
}

// Increment adds to counters, each exactly once, or its outcome is Unknown: its
// chunks are never sent twice. It returns the new values of the counters that
// were applied. A counter that cannot be added to (not a number, an overflow, an
// empty key, a delta of the least int64) fails alone; Failure.Index is -1, as a
// map has no order. A delta of 0 creates a counter and reads it.
//
// One round trip a chunk of Options.ChunkSize counters, in the order of their
// keys. With a TTL each is a script, so that the time to live comes with the
// counter.
func (b *Batcher) Increment(ctx context.Context, deltas map[string]int64, opts CounterOptions) (map[string]int64, Report, error) {
	values := map[string]int64{}
	if err := b.ready(); err != nil {
		return values, Report{}, err
	}
	opts, err := opts.check()
	if err != nil || len(deltas) == 0 {
		return values, Report{}, err
	}
	r := b.newRun(ctx, "increment")
	r.got = func(c *chunk, i int) {
		switch cmd := c.cmds[i].(type) {
		case *redis.IntCmd:
			values[c.keys[i]] = cmd.Val()
		case *redis.Cmd:
			if text, ok := cmd.Val().(string); ok {
				values[c.keys[i]], _ = strconv.ParseInt(text, 10, 64) // Redis has just added to it
			}
		}
	}
	defer r.crew.Wait()
	ttl := opts.TTL.Milliseconds()
	for _, key := range slices.Sorted(maps.Keys(deltas)) {
		if err := checkDelta(key, deltas[key]); err != nil {
			r.refuse(-1, key, err)
			continue
		}
		var cmd redis.Cmder
		if ttl > 0 {
			cmd = createScript.Cmd(ctx, []string{key}, deltas[key], ttl)
		} else {
			cmd = redis.NewIntCmd(ctx, "incrby", key, deltas[key])
		}
		c := r.take(key, len(key)+overhead)
		c.index = append(c.index, -1)
		c.keys = append(c.keys, key)
		c.cmds = append(c.cmds, cmd)
	}
	report, err := r.finish()
	return values, report, err
}

// IncrementAtomic adds to all counters or to none, in one script, and returns
// their new values. It is sent once: when no answer comes, the error is an
// [ErrOutcomeUnknown]. When one counter cannot be added to, what was done to the
// others is undone before anybody can see it, and the error names the counter.
// On a cluster the counters are in one slot ([ErrCrossSlot] if not).
//
// One round trip, two the first time on a server; O(n), and the server does
// nothing else meanwhile.
func (b *Batcher) IncrementAtomic(ctx context.Context, deltas map[string]int64, opts CounterOptions) (map[string]int64, error) {
	keys, opts, err := b.counters(ctx, "increment atomic", deltas, opts)
	if err != nil || len(keys) == 0 {
		return map[string]int64{}, err
	}
	args := append(make([]any, 0, 1+2*len(keys)), opts.TTL.Milliseconds())
	reply, err := atomicScript.Run(ctx, b.rdb, keys, withDeltas(args, keys, deltas)...)
	if err != nil {
		return map[string]int64{}, counterError("increment atomic", "", err)
	}
	return counterReply("increment atomic", keys, "", reply)
}

// IncrementOnce adds to all counters or to none, once for each token: with the
// same token it may be called again, by anybody, and returns the values of the
// first run. So it is sent again, up to Options.Retries times, when no answer
// comes; an error that is [ErrOutcomeUnknown] is one to call again for.
//
// A token belongs to its counters and deltas: with others it is an error. It is
// remembered for TokenTTL, at a key in the slot of the counters, which on a
// cluster are in one ([ErrCrossSlot] if not); the slot of the first key, in their
// order as strings, decides, so that a token says nothing about counters in
// another slot.
//
// One round trip, two the first time on a server; O(n).
func (b *Batcher) IncrementOnce(ctx context.Context, token string, deltas map[string]int64, opts CounterOptions) (map[string]int64, error) {
	const op = "increment once"
	if token == "" {
		return map[string]int64{}, errNoToken
	}
	counters, opts, err := b.counters(ctx, op, deltas, opts)
	if err != nil || len(counters) == 0 {
		return map[string]int64{}, err
	}
	key := b.tokenKey(counters[0], token)
	if b.shape(ctx) == ring && tag(key) != tag(counters[0]) {
		return map[string]int64{}, fmt.Errorf("pipeline: %s %.200q: a token of this counter has no place on a Ring: %w", op, counters[0], ErrUnsupported)
	}
	if slices.Contains(counters, key) {
		return map[string]int64{}, fmt.Errorf("pipeline: %s: %.200q is the key of the token: %w", op, key, ErrUnsupported)
	}
	keys := append([]string{key}, counters...)
	args := append(make([]any, 0, 3+2*len(counters)), opts.TTL.Milliseconds(), opts.TokenTTL.Milliseconds(), digest(counters, deltas))
	args = withDeltas(args, counters, deltas)
	tried := false
	for attempt := 1; ; attempt++ {
		reply, err := onceScript.Run(ctx, b.rdb, keys, args...)
		if err == nil {
			return counterReply(op, counters, key, reply)
		}
		outcome := once.Failed
		switch {
		case once.IsUnknown(err):
			outcome, tried = once.Unknown, true
		case once.Code(err) == "":
			outcome = once.NotSent
		}
		if attempt > b.opts.Retries || ctx.Err() != nil || !retryable(outcome, err) ||
			once.Sleep(ctx, pause(attempt)) != nil {
			if tried {
				err = unknownErr(err)
			}
			return map[string]int64{}, counterError(op, "", err)
		}
	}
}

// counters checks what the atomic operations have in common, and returns the
// keys in their order.
func (b *Batcher) counters(ctx context.Context, op string, deltas map[string]int64, opts CounterOptions) ([]string, CounterOptions, error) {
	if err := b.ready(); err != nil {
		return nil, opts, err
	}
	opts, err := opts.check()
	if err != nil {
		return nil, opts, err
	}
	keys := slices.Sorted(maps.Keys(deltas))
	for _, key := range keys {
		if err := checkDelta(key, deltas[key]); err != nil {
			return nil, opts, fmt.Errorf("pipeline: %s %.200q: %w", op, key, err)
		}
	}
	if err := b.together(ctx, keys); err != nil {
		return nil, opts, fmt.Errorf("pipeline: %s: %w", op, err)
	}
	return keys, opts, nil
}

// withDeltas adds the deltas, and behind them what undoes them.
func withDeltas(args []any, keys []string, deltas map[string]int64) []any {
	for _, key := range keys {
		args = append(args, deltas[key])
	}
	for _, key := range keys {
		args = append(args, -deltas[key])
	}
	return args
}

// digest stands for counters and deltas.
func digest(keys []string, deltas map[string]int64) string {
	h := sha256.New()
	for _, key := range keys {
		_, _ = fmt.Fprintf(h, "%d:%s%d;", len(key), key, deltas[key]) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// replyError is an error of the server that a script caught.
type replyError string

func (e replyError) Error() string { return string(e) }

// RedisError makes it an error of Redis for go-redis.
func (replyError) RedisError() {}

// counterReply reads the reply of the scripts.
func counterReply(op string, keys []string, token string, reply any) (map[string]int64, error) {
	list, _ := reply.([]any)
	words := make([]string, len(list))
	for i, v := range list {
		words[i], _ = v.(string)
	}
	values := make(map[string]int64, len(keys))
	switch {
	case len(words) == 1 && words[0] == "other":
		return values, counterError(op, token, errToken)
	case len(words) == 3 && words[0] == "error":
		key := token
		if i, err := strconv.Atoi(words[1]); err == nil && 0 < i && i <= len(keys) {
			key = keys[i-1]
		}
		return values, counterError(op, key, replyError(words[2]))
	case len(words) != 1+len(keys) || words[0] != "ok":
		return values, counterError(op, "", errReply)
	}
	for i, key := range keys {
		n, err := strconv.ParseInt(words[1+i], 10, 64)
		if err != nil {
			return map[string]int64{}, counterError(op, key, errReply)
		}
		values[key] = n
	}
	return values, nil
}

// counterError names the operation, and the counter if it is known.
func counterError(op, key string, err error) error {
	switch {
	case once.IsUnknown(err):
		err = unknownErr(err)
	case once.Code(err) == "CROSSSLOT":
		err = fmt.Errorf("%w: %w", ErrCrossSlot, err)
	}
	if key == "" {
		return fmt.Errorf("pipeline: %s: %w", op, err)
	}
	return fmt.Errorf("pipeline: %s %.200q: %w", op, key, err)
}
