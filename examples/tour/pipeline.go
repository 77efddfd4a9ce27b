package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/pipeline"
)

// product is an article of the shop.
type product struct {
	Name     string
	Category string
	Cents    int
	Stock    int
}

// How many articles the shop has: the embedded Redis looks at all its keys with every command, to see whose time has
// come, and gets fewer.
const (
	catalogueSize = 20_000
	smallSize     = 1_000
)

// catalogueFor returns how many articles the server gets.
func (t *tour) catalogueFor(ctx context.Context) int {
	info, err := t.rdb.Info(ctx, "server").Result()
	if err != nil || !strings.Contains(info, "redis_version:") {
		return smallSize
	}
	return catalogueSize
}

// catalogue makes up n articles of a shop, by their numbers.
func catalogue(n int) []product {
	rng := rand.New(rand.NewPCG(7, 2026)) //nolint:gosec // made-up articles, the same on every run
	kinds := []string{"tea", "coffee", "spice", "honey", "rice", "oil", "salt", "chocolate"}
	origins := []string{"Assam", "Kerala", "Sidamo", "Liguria", "Camargue", "Oaxaca", "Uji", "Crete", "Provence", "Minas"}
	products := make([]product, n)
	for i := range products {
		kind := kinds[rng.IntN(len(kinds))]
		products[i] = product{
			Name:     fmt.Sprintf("%s from %s, no. %d", kind, origins[rng.IntN(len(origins))], i),
			Category: kind,
			Cents:    150 + int(rng.ExpFloat64()*900),
			Stock:    rng.IntN(200),
		}
	}
	return products
}

// sale is one line of an order.
type sale struct{ product, pieces int }

// sales makes up a day: few articles sell often, most never.
func sales() []sale {
	rng := rand.New(rand.NewPCG(11, 2026)) //nolint:gosec // as above
	all := make([]sale, 2_000)
	for i := range all {
		all[i] = sale{product: min(int(rng.ExpFloat64()*40), smallSize-1), pieces: 1 + rng.IntN(4)}
	}
	return all
}

// stocked is how many pieces of the ordered article there are before the order.
const stocked = 50

// pipelineFacts are the figures of the chapter.
type pipelineFacts struct {
	size           int
	stored, read   int
	worth          int // cents, of everything in stock
	dearest        product
	perKind        map[string]int
	sold           map[int]int64 // pieces by article
	order          map[string]int64
	accounts       map[string]int64
	refused        int // transfers that were not covered
	applied        int // of 100 increments whose connection broke after 40 replies
	unknown        int
	twice          int // of these counters, those that were added to twice
	attempts       int // of a Set on the same connection
	storedInTheEnd int
	mixed          pipeline.Report // a batch with bad items
}

// pipeline shows batches: a catalogue in and out, counters, money that moves, and what a report says when a
// connection breaks.
func (t *tour) pipeline(ctx context.Context) error {
	facts, err := t.batches(ctx)
	if err != nil {
		return err
	}
	t.say("A catalogue of %d articles is stored in chunks of 500, each article with about an hour to live, and read back in constant memory: "+
		"%d acknowledged, %d read. It is worth %d.%02d in stock; the dearest article is %s, at %d.%02d.",
		facts.size, facts.stored, facts.read, facts.worth/100, facts.worth%100, facts.dearest.Name, facts.dearest.Cents/100, facts.dearest.Cents%100)
	t.printf("\n")
	for _, kind := range slices.Sorted(maps.Keys(facts.perKind)) {
		t.printf("  %-10s %5d  %s\n", kind, facts.perKind[kind], strings.Repeat("#", facts.perKind[kind]*250/facts.size))
	}

	best := 0
	for article, pieces := range facts.sold {
		if pieces > facts.sold[best] || pieces == facts.sold[best] && article < best {
			best = article
		}
	}
	t.printf("\n")
	t.say("A day of %d sales is added to %d counters, each exactly once. Article %d sold best: %d pieces.", len(sales()), len(facts.sold), best, facts.sold[best])
	t.say("An order of 3 pieces is sent three times with the same token, and counts once: %d sold, and %d of %d left.",
		facts.order["sold"], facts.order["stock"], stocked)

	t.printf("\nEight payers move money between three accounts, each time in a transaction:\n")
	total := int64(0)
	for _, name := range slices.Sorted(maps.Keys(facts.accounts)) {
		t.printf("  %-6s %6d\n", name, facts.accounts[name])
		total += facts.accounts[name]
	}
	t.printf("  %-6s %6d, as at the beginning; %d uncovered transfers moved nothing\n", "sum", total, facts.refused)

	t.printf("\nA connection breaks after 40 of 100 replies:\n")
	t.printf("  Increment  %d applied, %d unknown: sent once; %d counters were added to twice\n", facts.applied, facts.unknown, facts.twice)
	t.printf("  Set       %d applied: storing twice does no harm, so that it took %d tries\n", facts.storedInTheEnd, facts.attempts)
	t.printf("\nA batch has two bad items: %d applied, %d failed, %d not sent.\n", facts.mixed.Applied, facts.mixed.Failed, facts.mixed.NotSent)
	for _, f := range facts.mixed.Failures {
		t.printf("  item %d, %q, %v:\n    %v\n", f.Index, strings.TrimPrefix(f.Key, t.ns+":"), f.Outcome, f.Err)
	}
	return nil
}

// batches does the work of the chapter.
func (t *tour) batches(ctx context.Context) (facts pipelineFacts, err error) {
	b, err := pipeline.New(t.rdb, pipeline.Options{Namespace: t.ns})
	if err != nil {
		return facts, err
	}
	if err := t.showCatalogue(ctx, b, &facts); err != nil {
		return facts, err
	}
	if err := t.showCounters(ctx, b, &facts); err != nil {
		return facts, err
	}
	if err := t.showMoney(ctx, b, &facts); err != nil {
		return facts, err
	}
	return facts, t.showFaults(ctx, b, &facts)
}

func (t *tour) article(i int) string { return fmt.Sprintf("%s:article:%05d", t.ns, i) }

func (t *tour) showCatalogue(ctx context.Context, b *pipeline.Batcher, facts *pipelineFacts) error {
	facts.size = t.catalogueFor(ctx)
	keys := make([]string, facts.size)
	for i := range keys {
		keys[i] = t.article(i)
	}
	report, err := pipeline.Set(ctx, b, func(yield func(string, product) bool) {
		for i, p := range catalogue(facts.size) {
			if !yield(keys[i], p) {
				return
			}
		}
	}, pipeline.SetOptions{TTL: time.Hour, Jitter: 0.1})
	if err != nil {
		return err
	}
	facts.stored, facts.perKind = report.Applied, map[string]int{}
	for item, err := range pipeline.GetSeq[product](ctx, b, slices.Values(keys)) {
		if err != nil {
			return err
		}
		facts.read++
		p := item.Value
		facts.perKind[p.Category]++
		facts.worth += p.Cents * p.Stock
		if p.Cents > facts.dearest.Cents {
			facts.dearest = p
		}
	}
	_, err = b.Delete(ctx, keys...)
	return err
}

func (t *tour) showCounters(ctx context.Context, b *pipeline.Batcher, facts *pipelineFacts) error {
	pieces := map[string]int64{}
	numbers := map[string]int{}
	for _, s := range sales() {
		key := fmt.Sprintf("%s:sold:%05d", t.ns, s.product)
		pieces[key] += int64(s.pieces)
		numbers[key] = s.product
	}
	values, _, err := b.Increment(ctx, pieces, pipeline.CounterOptions{TTL: 24 * time.Hour})
	if err != nil {
		return err
	}
	facts.sold = map[int]int64{}
	for key, n := range values {
		facts.sold[numbers[key]] = n
	}
	sold, stock := t.ns+":{shop}:sold", t.ns+":{shop}:stock"
	if _, err := b.IncrementOnce(ctx, "delivery 815", map[string]int64{stock: stocked}, pipeline.CounterOptions{}); err != nil {
		return err
	}
	order := map[string]int64{sold: 3, stock: -3}
	for range 3 {
		values, err := b.IncrementOnce(ctx, "order 4711", order, pipeline.CounterOptions{})
		if err != nil {
			return err
		}
		facts.order = map[string]int64{"sold": values[sold], "stock": values[stock]}
	}
	_, err = b.Delete(ctx, slices.Collect(maps.Keys(pieces))...)
	return err
}

// errPoor refuses a transfer.
var errPoor = errors.New("the account does not cover it")

func (t *tour) showMoney(ctx context.Context, b *pipeline.Batcher, facts *pipelineFacts) error {
	names := []string{"ada", "bob", "cleo"}
	account := func(i int) string { return t.ns + ":{bank}:" + names[i] }
	start := map[string]int64{account(0): 500, account(1): 300, account(2): 200}
	if _, err := b.IncrementAtomic(ctx, start, pipeline.CounterOptions{}); err != nil {
		return err
	}
	transfer := func(from, to string, amount int64) error {
		return b.Transact(ctx, func(tx *pipeline.Tx) error {
			have, err := tx.Read().Get(ctx, from).Int64()
			if err != nil {
				return err
			}
			if have < amount {
				return errPoor
			}
			tx.Queue().DecrBy(ctx, from, amount)
			tx.Queue().IncrBy(ctx, to, amount)
			return nil
		}, from, to)
	}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for payer := range errs {
		wg.Go(func() {
			for round := range 2 {
				from := (payer + round) % 3
				errs[payer] = errors.Join(errs[payer], transfer(account(from), account((from+1)%3), 10))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := range names {
		switch err := transfer(account(i), account((i+1)%3), 1_000_000); {
		case errors.Is(err, errPoor):
			facts.refused++
		case err != nil:
			return err
		}
	}
	facts.accounts = map[string]int64{}
	for i, name := range names {
		n, err := t.rdb.Get(ctx, account(i)).Int64()
		if err != nil {
			return err
		}
		facts.accounts[name] = n
	}
	return nil
}

func (t *tour) showFaults(ctx context.Context, b *pipeline.Batcher, facts *pipelineFacts) error {
	lossy, err := pipeline.New(&lossyClient{UniversalClient: t.rdb, after: 40}, pipeline.Options{})
	if err != nil {
		return err
	}
	deltas := map[string]int64{}
	for i := range 100 {
		deltas[fmt.Sprintf("%s:hit:%02d", t.ns, i)] = 1
	}
	_, report, err := lossy.Increment(ctx, deltas, pipeline.CounterOptions{})
	if !errors.Is(err, pipeline.ErrOutcomeUnknown) {
		return fmt.Errorf("the connection did not break: %w", err)
	}
	facts.applied, facts.unknown = report.Applied, report.Unknown
	for key := range deltas {
		n, err := t.rdb.Get(ctx, key).Int()
		if err != nil {
			return err
		}
		if n > 1 {
			facts.twice++
		}
	}

	lossy, err = pipeline.New(&lossyClient{UniversalClient: t.rdb, after: 40}, pipeline.Options{})
	if err != nil {
		return err
	}
	report, err = pipeline.Set(ctx, lossy, maps.All(deltas), pipeline.SetOptions{TTL: time.Hour})
	if err != nil {
		return err
	}
	facts.storedInTheEnd, facts.attempts = report.Applied, report.Attempts
	if _, err := b.Delete(ctx, slices.Collect(maps.Keys(deltas))...); err != nil {
		return err
	}

	list := t.ns + ":a list"
	if err := t.rdb.RPush(ctx, list, "x").Err(); err != nil {
		return err
	}
	facts.mixed, err = b.Do(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, t.ns+":good", 1, time.Hour)
		p.Incr(ctx, list)
		p.Set(ctx, t.ns+":bad", make(chan int), time.Hour)
		p.Incr(ctx, t.ns+":good")
		return nil
	})
	if _, ok := errors.AsType[*pipeline.BatchError](err); !ok {
		return fmt.Errorf("the bad items were taken: %w", err)
	}
	return nil
}

// lossyClient is a client whose first pipeline breaks: after so many replies the connection is gone, although the server
// runs everything.
type lossyClient struct {
	redis.UniversalClient
	after int

	mu   sync.Mutex
	gone bool
}

// Pipeline returns a pipeline that breaks, the first time.
func (c *lossyClient) Pipeline() redis.Pipeliner {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return c.UniversalClient.Pipeline()
	}
	c.gone = true
	return &lossyPipe{Pipeliner: c.UniversalClient.Pipeline(), rdb: c.UniversalClient, after: c.after}
}

type lossyPipe struct {
	redis.Pipeliner
	rdb   redis.UniversalClient
	after int
}

// Exec sends everything, and hands over the first replies only.
func (p *lossyPipe) Exec(ctx context.Context) ([]redis.Cmder, error) {
	cmds := slices.Clone(p.Cmds())
	p.Discard()
	heard := min(p.after, len(cmds))
	pipe := p.rdb.Pipeline()
	if err := pipe.BatchProcess(ctx, cmds[:heard]...); err != nil {
		return cmds, err
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return cmds, err
	}
	for _, cmd := range cmds[heard:] {
		_ = p.rdb.Process(ctx, cmd.Clone()) // its reply is lost
		cmd.SetErr(io.EOF)
	}
	return cmds, io.EOF
}
