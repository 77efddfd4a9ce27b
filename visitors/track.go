package visitors

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

//go:embed lua/track.lua
var trackLua string

//go:embed lua/expire.lua
var expireLua string

var trackScript = once.NewScript(trackLua)

const (
	// chunk is how many visitors go with one round trip, and chunkBytes how many bytes of them.
	chunk      = 10_000
	chunkBytes = 1 << 20
	// many is how many visitors of one call are sent by themselves, without waiting for those of other calls.
	many = 500
)

// Track counts visitors of a page, now. See [Counter.TrackAt].
func (c *Counter) Track(ctx context.Context, page string, visitors ...string) error {
	if c == nil || c.rdb == nil {
		return errNew
	}
	return c.track(ctx, page, c.now(), visitors)
}

// TrackAt counts visitors of a page at a moment, in each bucket of that moment that is still kept, and sets the expiry
// of those buckets. [ErrRetention] says that none is. Who is counted already changes nothing, so a call whose outcome
// is not known can simply be made again. Without visitors nothing is sent.
//
// All is done in one round trip (two the first time on a server, which has to be shown the script), atomically, with
// one more for each further 10,000 visitors or 1 MiB of their ids. Calls for the same buckets that arrive while one is
// under way travel together when it is done. The cost is O(visitors * buckets).
func (c *Counter) TrackAt(ctx context.Context, page string, at time.Time, visitors ...string) error {
	return c.track(ctx, page, at, visitors)
}

func (c *Counter) track(ctx context.Context, page string, at time.Time, visitors []string) error {
	const op = "track"
	if err := c.check(page); err != nil {
		return failed(op, page, err)
	}
	if i := slices.Index(visitors, ""); i >= 0 {
		return failed(op, page, fmt.Errorf("%w visitor (%d of %d)", ErrEmpty, i+1, len(visitors)))
	}
	if err := checkYear(at); err != nil {
		return failed(op, page, err)
	}
	if err := ctx.Err(); err != nil {
		return failed(op, page, err)
	}
	if len(visitors) == 0 {
		return nil
	}
	visit := c.visit(page, at, c.now())
	if len(visit.keys) == 0 {
		return failed(op, page, fmt.Errorf("%w: a visit at %s", ErrRetention, c.text(at)))
	}
	var err error
	if len(visitors) >= many {
		err = c.send(ctx, visit, visitors)
	} else {
		err = c.lines.join(ctx, visit.id(), visitors, func(ctx context.Context, all []string) error {
			return c.send(ctx, visit, all)
		})
	}
	if err != nil {
		return failed(op, page, err)
	}
	return nil
}

// id is the same for visits to the same keys. The expiries follow from them.
func (v visit) id() string {
	if len(v.keys) == 1 {
		return v.keys[0]
	}
	return strings.Join(v.keys, "\x00")
}

// send counts visitors in chunks.
func (c *Counter) send(ctx context.Context, v visit, visitors []string) error {
	for len(visitors) > 0 {
		n, size := 0, 0
		for n < len(visitors) && n < chunk && (n == 0 || size+len(visitors[n]) <= chunkBytes) {
			size += len(visitors[n])
			n++
		}
		if err := c.sendChunk(ctx, v, visitors[:n]); err != nil {
			return err
		}
		visitors = visitors[n:]
	}
	return nil
}

func (c *Counter) sendChunk(ctx context.Context, v visit, visitors []string) error {
	if len(v.keys) == 1 && len(visitors) >= many {
		// A transaction that is refused hides why: the script tells.
		if err := c.sendCrowd(ctx, v.keys[0], v.expiries[0], visitors); once.Code(err) != "EXECABORT" {
			return err
		}
	}
	args := make([]any, 0, len(v.keys)+len(visitors))
	for _, e := range v.expiries {
		args = append(args, e)
	}
	for _, id := range visitors {
		args = append(args, id)
	}
	// Read asks again for a lost answer, and with several keys it spares its neighbours in an AutoPipeliner. It is
	// made for scripts that write nothing; adding somebody twice is as harmless.
	_, err := trackScript.Read(ctx, c.rdb, v.keys, args...)
	if once.Code(err) != "TRYAGAIN" {
		return err
	}
	// The slot is being moved, and some keys are here, some there: one by one, each finds its node.
	for i := range v.keys {
		args[len(v.keys)-1] = v.expiries[i]
		if _, err := trackScript.Read(ctx, c.rdb, v.keys[i:i+1], args[len(v.keys)-1:]...); err != nil {
			return err
		}
	}
	return nil
}

// sendCrowd counts many visitors in one bucket, without Lua, which takes longer to hand a thousand arguments on than
// PFADD takes to add them. The expiry is set by EVAL, which no server can be without, and not by a bare PEXPIREAT,
// which would reach a foreign key that PFADD has refused.
func (c *Counter) sendCrowd(ctx context.Context, key, expiry string, visitors []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	args := make([]any, 0, 2+len(visitors))
	args = append(args, "pfadd", key)
	for _, id := range visitors {
		args = append(args, id)
	}
	if expiry == "" {
		return c.rdb.Do(ctx, args...).Err()
	}
	_, err := c.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Do(ctx, args...)
		p.Eval(ctx, expireLua, []string{key}, expiry)
		return nil
	})
	return err
}
