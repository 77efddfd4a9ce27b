package leaderboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// absent is what a script answers that found no board and was not told that it may create it.
const absent = "absent"

// create runs a script that may create the board of its unit. args[0] is where it is told so: first it is not, and
// nothing is stored where there is no board; then the layout is claimed. So a board that is there costs one round trip,
// and the first write to it two more.
func (b *Board) create(ctx context.Context, s *season, u *unit, sc *script, args []any) (any, error) {
	args[0] = ""
	reply, err := b.write(ctx, u, sc, args)
	if err != nil || reply != absent {
		return reply, err
	}
	return b.recreate(ctx, s, u, sc, args)
}

// recreate is what create does where there was no board.
func (b *Board) recreate(ctx context.Context, s *season, u *unit, sc *script, args []any) (any, error) {
	if err := b.claim(ctx, s); err != nil {
		return nil, err
	}
	args[0] = s.expireAt
	return b.write(ctx, u, sc, args)
}

// write runs a script once, and gives its error its name.
func (b *Board) write(ctx context.Context, u *unit, sc *script, args []any) (any, error) {
	return b.writeKeys(ctx, u, u.keys(sc.mask), sc, args)
}

func (b *Board) writeKeys(ctx context.Context, u *unit, keys []string, sc *script, args []any) (any, error) {
	reply, err := sc.once().Run(ctx, b.rdb, keys, args...)
	if err != nil {
		return nil, b.inShard(u, classify(ctx, b.rdb, keys, err))
	}
	return reply, nil
}

// read runs a script that writes nothing.
func (b *Board) read(ctx context.Context, u *unit, sc *script, args []any) (any, error) {
	return b.readKeys(ctx, u, u.keys(sc.mask), sc, args)
}

func (b *Board) readKeys(ctx context.Context, u *unit, keys []string, sc *script, args []any) (any, error) {
	reply, err := sc.once().Read(ctx, b.rdb, keys, args...)
	if err != nil {
		return nil, b.inShard(u, classify(ctx, b.rdb, keys, err))
	}
	return reply, nil
}

// inShard names the shard of an error, if there are several.
func (b *Board) inShard(u *unit, err error) error {
	if err == nil || b.opts.Shards == 1 {
		return err
	}
	return fmt.Errorf("shard %d: %w", u.shard, err)
}

// claim makes sure that no other layout has the board, and records that of this one. The default layout leaves no
// record: the key of its scores is one.
func (b *Board) claim(ctx context.Context, s *season) error {
	layout := layoutOf(b.opts)
	if layout == "" {
		return b.checkLayout(ctx, s)
	}
	slide := "0"
	if b.opts.slides() {
		slide = strconv.FormatInt(milliseconds(b.opts.Keep), 10)
	}
	keys := []string{s.layout, s.plain}
	reply, err := claimScript.Run(ctx, b.rdb, keys, layout, s.expireAt, slide)
	if err != nil {
		return classify(ctx, b.rdb, keys, err)
	}
	switch reply {
	case "ok":
		return nil
	case "retention":
		return fmt.Errorf("by the server's clock: %w", ErrRetention)
	}
	return cmp.Or(foundOther(reply, layout), errReply)
}

// foundOther is the error of a script that answered with the layout of another board in brackets.
func foundOther(reply any, own string) error {
	if v, ok := reply.([]any); ok && len(v) == 1 {
		if found, ok := v[0].(string); ok {
			return otherLayout(found, own)
		}
		return errReply
	}
	return nil
}

func otherLayout(found, own string) error {
	name := func(layout string) string {
		if layout == "" {
			return "the default layout"
		}
		return fmt.Sprintf("layout %q", layout)
	}
	return fmt.Errorf("it has %s, not %s: %w", name(found), name(own), ErrLayout)
}

// checkLayout looks for another layout where a board seems empty. One round trip.
func (b *Board) checkLayout(ctx context.Context, s *season) error {
	own := layoutOf(b.opts)
	if own == "" { // one key alone, which is there or on its way
		found, err := b.rdb.Get(ctx, s.layout).Result()
		switch {
		case errors.Is(err, redis.Nil):
			return nil
		case err != nil:
			return classify(ctx, b.rdb, []string{s.layout}, err)
		default:
			return otherLayout(found, own)
		}
	}
	keys := []string{s.layout, s.plain}
	reply, err := layoutScript.Read(ctx, b.rdb, keys)
	if err != nil {
		return classify(ctx, b.rdb, keys, err)
	}
	v, ok := reply.([]any)
	if !ok || len(v) != 2 {
		return errReply
	}
	found, ok := v[0].(string)
	plain, isInt := v[1].(int64)
	switch {
	case !ok || !isInt:
		return errReply
	case found == own:
		s.seen.Store(true)
		return nil
	case found != "" || plain == 1:
		return otherLayout(found, own)
	default:
		return nil
	}
}

// empty is called with what a reader found: where that is nothing, the board may have another layout.
func (b *Board) empty(ctx context.Context, s *season, rows int64) error {
	if rows != 0 {
		if !s.seen.Load() {
			s.seen.Store(true)
		}
		return nil
	}
	if s.seen.Load() {
		return nil
	}
	return b.checkLayout(ctx, s)
}

// isOther says whether the script gave one of its answers in words, and which error that is.
func isOther(reply any) error {
	switch word, ok := reply.(string); {
	case !ok:
		return nil
	case word == "infinite":
		return fmt.Errorf("the sum is beyond any number: %w", ErrScore)
	case word == "retention":
		return fmt.Errorf("by the server's clock: %w", ErrRetention)
	case word == "missing":
		return ErrNotFound
	default:
		return errReply
	}
}

// integer reads a number that counts out of a reply.
func integer(v any) (int64, error) {
	n, ok := v.(int64)
	if !ok {
		return 0, errReply
	}
	return n, nil
}

// number reads a score out of a reply: text from a script, a float64 from a command in RESP3.
func number(v any) (float64, error) {
	switch v := v.(type) {
	case string:
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return 0, errReply
		}
		return f, nil
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	default:
		return 0, errReply
	}
}

// list reads an array of at least n out of a reply.
func list(v any, n int) ([]any, error) {
	l, ok := v.([]any)
	if !ok || len(l) < n {
		return nil, errReply
	}
	return l, nil
}

// pair reads two integers out of a reply.
func pair(v any) (first, second int64, err error) {
	l, err := list(v, 2)
	if err != nil {
		return 0, 0, err
	}
	if first, err = integer(l[0]); err == nil {
		second, err = integer(l[1])
	}
	return first, second, err
}
