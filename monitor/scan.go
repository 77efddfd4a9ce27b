package monitor

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// seenKeys is up to how many names a scan remembers, to count one once that SCAN returns twice. It takes about 20 bytes a
// name. Beyond it a duplicate is counted, and still reported once.
const seenKeys = 4_000_000

// scan walks all keys of one node, page by page, within a budget.
type scan struct {
	match   string
	batch   int64
	pause   time.Duration
	workers int
	budget  *budget
	words   []any                                                                   // of the question about a key, which is its third
	measure func(ctx context.Context, keys []string, answers []*redis.IntCmd) error // takes in a page, called from several goroutines
	scanned func()                                                                  // after each page, from several goroutines

	seed maphash.Seed
	seen map[uint64]struct{}
}

// budget is what all nodes of a scan share.
type budget struct {
	keys     int64 // 0: without limit
	deadline time.Time
	taken    atomic.Int64
	spent    atomic.Bool // the scan ended before its end
}

// take returns how many of n keys may still be looked at.
func (b *budget) take(n int) int {
	if b.keys <= 0 {
		return n
	}
	after := b.taken.Add(int64(n))
	if over := after - b.keys; over > 0 {
		b.spent.Store(true)
		return max(0, n-int(over))
	}
	return n
}

func (b *budget) over() bool {
	if !b.deadline.IsZero() && time.Now().After(b.deadline) || b.keys > 0 && b.taken.Load() >= b.keys {
		b.spent.Store(true)
		return true
	}
	return false
}

// run asks for the next page while the last ones are measured.
func (s *scan) run(ctx context.Context, client asker) error {
	s.seed, s.seen = maphash.MakeSeed(), map[uint64]struct{}{}
	g, ctx := errgroup.WithContext(ctx)
	pages := make(chan []string, 1)
	g.Go(func() error {
		defer close(pages)
		for cursor := uint64(0); ; {
			keys, next, err := client.Scan(ctx, cursor, s.match, s.batch).Result()
			if err != nil {
				return fmt.Errorf("scan: %w", err)
			}
			if keys = s.fresh(keys); len(keys) > 0 {
				if keys = keys[:s.budget.take(len(keys))]; len(keys) > 0 {
					select {
					case pages <- keys:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			}
			if next == 0 {
				return nil
			}
			if s.budget.over() {
				return nil
			}
			cursor = next
			if err := rest(ctx, s.pause); err != nil {
				return err
			}
		}
	})
	for range s.workers {
		g.Go(func() error {
			q := &questions{words: s.words}
			for keys := range pages {
				if err := q.ask(ctx, client, keys); err != nil {
					return err
				}
				if err := s.measure(ctx, keys, q.answers[:len(keys)]); err != nil {
					return err
				}
				s.scanned()
			}
			return nil
		})
	}
	return g.Wait()
}

// rest waits, or returns the context's error.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fresh drops the names that were returned before.
func (s *scan) fresh(keys []string) []string {
	out := keys[:0]
	for _, key := range keys {
		h := maphash.String(s.seed, key)
		if _, twice := s.seen[h]; twice {
			continue
		}
		if len(s.seen) < seenKeys {
			s.seen[h] = struct{}{}
		}
		out = append(out, key)
	}
	return out
}

// questions are the commands about a page of keys. They are used again for the next page, since to make them anew costs
// more than to send them.
type questions struct {
	words   []any // the third is the key
	args    [][]any
	answers []*redis.IntCmd
	cmds    []redis.Cmder
}

func (q *questions) ask(ctx context.Context, client asker, keys []string) error {
	if _, plain := client.(*redis.Client); !plain { // others note in a command where it belongs
		q.args, q.answers, q.cmds = nil, nil, nil
	}
	for i, key := range keys {
		if i == len(q.cmds) {
			args := slices.Clone(q.words)
			cmd := redis.NewIntCmd(ctx, args...)
			q.args, q.answers, q.cmds = append(q.args, args), append(q.answers, cmd), append(q.cmds, cmd)
		}
		q.args[i][2] = key
		q.answers[i].SetErr(nil)
	}
	return readAll(ctx, client, q.cmds[:len(keys)])
}

// masters returns the nodes that hold keys: one server, the masters of a cluster, the shards of a Ring.
func masters(ctx context.Context, rdb redis.UniversalClient) ([]target, error) {
	if err := usable(rdb); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &source{rdb: rdb, masters: true}
	targets, err := s.targets(ctx, longSearch)
	s.wg.Wait()
	return targets, err
}

// longSearch is how long the nodes of a cluster are looked for at most: nobody waits for it but the caller's context.
const longSearch = time.Minute

// readAll sends a pipeline of reads. Refusals stay with their commands; an error is one of the connection. A key in a slot
// that is being moved here is asked for as the cluster has it, after ASKING.
func readAll(ctx context.Context, client asker, cmds []redis.Cmder) error {
	if err := pipeline(ctx, client, cmds); err != nil {
		return err
	}
	var again []redis.Cmder
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && strings.HasPrefix(err.Error(), "MOVED ") {
			cmd.SetErr(nil)
			again = append(again, redis.NewStatusCmd(ctx, "asking"), cmd)
		}
	}
	return pipeline(ctx, client, again)
}

func pipeline(ctx context.Context, client asker, cmds []redis.Cmder) error {
	if len(cmds) == 0 {
		return nil
	}
	pipe := client.Pipeline()
	for _, cmd := range cmds {
		_ = pipe.Process(ctx, cmd) // it is queued only
	}
	_, err := pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !replied(err) {
			return err
		}
	}
	if replied(err) {
		return nil
	}
	return err
}

// keyDenied tells a key that the user may not read from a command that the user may not run.
func keyDenied(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "NOPERM") && strings.Contains(err.Error(), "key") && !strings.Contains(err.Error(), "command")
}

// moved tells a key whose slot has left the node while it was scanned.
func moved(err error) bool {
	return err != nil && (strings.HasPrefix(err.Error(), "MOVED ") || strings.HasPrefix(err.Error(), "ASK "))
}

// perNode runs a function on all nodes at once and joins their errors.
func perNode(targets []target, fn func(t target) error) error {
	errs := make([]error, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			err := t.err
			if err == nil {
				err = fn(t)
			}
			if err != nil {
				errs[i] = &NodeError{Addr: t.addr, Err: err}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
