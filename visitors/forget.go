package visitors

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/once"
)

//go:embed lua/sweep.lua
var sweepLua string

var sweepScript = once.NewScript(sweepLua)

// sweepStep is how many keys of a database one step of a search looks at: the server is busy with it for less than a
// millisecond.
const sweepStep = 1000

// Forget deletes all that is counted of a page, whatever it is: buckets of the counter's options, and of others that it
// had before. A page that nobody knows is no error. Visits that are counted meanwhile may stay. If it fails, some may
// be deleted and some not: call it again.
//
// The buckets that the options keep are deleted first, in one round trip, or one for each 500. Others (those that are
// kept for ever, visits of the future, other options) have no list, so the database of the page's node is searched,
// with one round trip for each 1,000 of its keys: O(keys of the node). While a slot is being moved from node to node,
// or a node fails over, that search may miss some.
func (c *Counter) Forget(ctx context.Context, page string) error {
	const op = "forget"
	if err := c.check(page); err != nil {
		return failed(op, page, err)
	}
	keys := c.keys(page, c.keptLabels(c.now()))
	if err := c.unlink(ctx, keys); err != nil {
		return failed(op, page, err)
	}
	cursor := "0"
	for {
		reply, err := sweepScript.Read(ctx, c.rdb, keys[:1], cursor, c.pattern(page), sweepStep)
		if err != nil {
			return failed(op, page, err)
		}
		found, err := texts(reply)
		if err != nil {
			return failed(op, page, err)
		}
		if err := c.unlink(ctx, found[1:]); err != nil {
			return failed(op, page, err)
		}
		if cursor = found[0]; cursor == "0" {
			return nil
		}
	}
}

// unlink deletes keys one by one, in one round trip a batch, so that each finds its node while their slot is being
// moved.
func (c *Counter) unlink(ctx context.Context, keys []string) error {
	for len(keys) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := keys[:min(batch, len(keys))]
		keys = keys[len(part):]
		_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range part {
				p.Unlink(ctx, key)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keptLabels returns the labels of all buckets that may still be there at now, as far as they can be told: of those
// that are kept for ever the current one. There is at least one.
func (c *Counter) keptLabels(now time.Time) []string {
	var labels []string
	for _, b := range c.buckets {
		labels = append(labels, b.Label(now, c.loc))
		if b.Period == calendar.AllTime || b.keep < 0 {
			continue
		}
		// Clocks differ: the bucket that is about to begin may have visits, and one that has expired may be there.
		labels = append(labels, b.Label(b.End(now, c.loc), c.loc))
		at := b.Start(now, c.loc)
		for range mostBuckets {
			end := at
			if at = b.Start(at.Add(-1), c.loc); end.Add(b.keep).Before(now.Add(-time.Minute)) || checkYear(at) != nil {
				break
			}
			labels = append(labels, b.Label(at, c.loc))
		}
	}
	return labels
}

// texts reads a reply that is a list of strings, and not empty.
func texts(reply any) ([]string, error) {
	list, ok := reply.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("an unexpected reply of type %T", reply)
	}
	all := make([]string, len(list))
	for i, item := range list {
		if all[i], ok = item.(string); !ok {
			return nil, errors.New("an unexpected reply: a list of something else than strings")
		}
	}
	return all, nil
}
