package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrNoLFU is returned by HotKeys where the server does not count accesses: its maxmemory-policy is not an LFU one.
var ErrNoLFU = errors.New("monitor: the server counts no accesses: maxmemory-policy is neither allkeys-lfu nor volatile-lfu")

// HotKeysOptions of HotKeys. The zero value is fine.
type HotKeysOptions struct {
	Match   string        // keys of this pattern alone; "" = all
	Top     int           // how many keys are reported; defaults to 20
	Batch   int           // keys a round trip; defaults to 500, at most 10,000
	Pause   time.Duration // between two pages of SCAN; defaults to none
	MaxKeys int64         // ends the scan after so many keys; 0 = without limit
	MaxTime time.Duration // ends the scan after so long a time; 0 = without limit
}

// HotKeysReport is what HotKeys found.
type HotKeysReport struct {
	Scanned int64    `json:"scanned"`
	Denied  int64    `json:"denied"`  // keys that the user may not read
	Partial bool     `json:"partial"` // not all keys were looked at
	Keys    []HotKey `json:"keys"`    // hottest first
}

// HotKey is a key that is asked for often.
type HotKey struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Node      string `json:"node"`
	Frequency int64  `json:"frequency"` // Redis's counter, logarithmic, 0 to 255
}

// HotKeys finds the keys that are asked for most often, by the counters that a server keeps under an LFU policy; ErrNoLFU
// under another. Budgets, errors and cost are those of BigKeys. It touches no key.
func HotKeys(ctx context.Context, rdb redis.UniversalClient, opts HotKeysOptions) (HotKeysReport, error) {
	opts.Top = cmp.Or(opts.Top, 20)
	opts.Batch = cmp.Or(opts.Batch, 500)
	switch {
	case opts.Top < 1 || opts.Top > 100_000:
		return HotKeysReport{}, fmt.Errorf("monitor: HotKeysOptions.Top: %d is out of range", opts.Top)
	case opts.Batch < 1 || opts.Batch > 10_000:
		return HotKeysReport{}, fmt.Errorf("monitor: HotKeysOptions.Batch: %d is out of range", opts.Batch)
	case opts.Pause < 0 || opts.MaxKeys < 0 || opts.MaxTime < 0:
		return HotKeysReport{}, errors.New("monitor: HotKeysOptions: a budget is negative")
	}
	targets, err := masters(ctx, rdb)
	if err != nil {
		return HotKeysReport{Partial: true, Keys: []HotKey{}}, fmt.Errorf("monitor: hot keys: %w", err)
	}
	h := &hotKeys{batch: opts.Batch, budget: budget{keys: opts.MaxKeys}, hot: &ranking[HotKey]{
		top: opts.Top, order: hotter, id: func(k HotKey) keyID { return keyID{k.Name, k.Node} },
	}}
	if opts.MaxTime > 0 {
		h.budget.deadline = time.Now().Add(opts.MaxTime)
	}
	err = perNode(targets, func(t target) error {
		if text, err := t.client.Info(ctx, "memory").Result(); err == nil {
			if policy, ok := parseInfo(text)["maxmemory_policy"]; ok && !strings.HasSuffix(policy, "-lfu") {
				return ErrNoLFU
			}
		}
		s := &scan{
			match: opts.Match, batch: int64(opts.Batch), pause: opts.Pause, workers: 1, budget: &h.budget, scanned: func() {},
			words: []any{"object", "freq", nil},
			measure: func(_ context.Context, keys []string, counts []*redis.IntCmd) error {
				return h.measure(t, keys, counts)
			},
		}
		return s.run(ctx, t.client)
	})
	h.report.Keys = append([]HotKey{}, h.hot.cut()...)
	h.types(ctx, targets)
	h.report.Partial = err != nil || h.budget.spent.Load()
	if err != nil {
		err = fmt.Errorf("monitor: hot keys: %w", err)
	}
	return h.report, err
}

type hotKeys struct {
	batch  int
	budget budget

	mu     sync.Mutex
	report HotKeysReport
	hot    *ranking[HotKey]
}

func (h *hotKeys) measure(t target, keys []string, counts []*redis.IntCmd) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, cmd := range counts {
		switch err := cmd.Err(); {
		case err == nil:
		case errors.Is(err, redis.Nil), moved(err), strings.Contains(err.Error(), "no such key"):
			continue
		case keyDenied(err):
			h.report.Denied++
			continue
		case strings.Contains(err.Error(), "LFU"):
			return ErrNoLFU
		default:
			return fmt.Errorf("object freq: %w", err)
		}
		h.report.Scanned++
		h.hot.add(HotKey{Name: keys[i], Node: t.addr, Frequency: cmd.Val()})
	}
	return nil
}

func hotter(a, b HotKey) int {
	return cmp.Or(cmp.Compare(b.Frequency, a.Frequency), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node))
}

// types fills in what TYPE says; it touches no idle time and no counter.
func (h *hotKeys) types(ctx context.Context, targets []target) {
	_ = perNode(targets, func(t target) error { // a report without types is a report
		var mine []*HotKey
		for i := range h.report.Keys {
			if k := &h.report.Keys[i]; k.Node == t.addr {
				k.Type = "unknown"
				mine = append(mine, k)
			}
		}
		for page := range slices.Chunk(mine, h.batch) {
			var cmds []redis.Cmder
			for _, k := range page {
				cmds = append(cmds, redis.NewStatusCmd(ctx, "type", k.Name))
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := readAll(ctx, t.client, cmds); err != nil {
				return err
			}
			for i, k := range page {
				if kind, ok := cmds[i].(*redis.StatusCmd); ok && kind.Err() == nil {
					k.Type = kind.Val()
				}
			}
		}
		return nil
	})
}
