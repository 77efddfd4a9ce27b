package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/warmup"
)

// The shop of the warm-up: its products, how many may be loaded before the database goes away, and its visits.
const (
	shopProducts = 400
	shopOutage   = 230
	shopVisits   = 500
)

// shopBroken says which rows of the shop's database cannot be read.
func shopBroken() map[int]bool {
	random := rand.New(rand.NewPCG(8, 1)) //nolint:gosec // made up, and the same each time
	broken := map[int]bool{}
	for len(broken) < 9 {
		broken[random.IntN(shopProducts)] = true
	}
	return broken
}

// shopMorning are the products that are looked at, the first ones far more often than the last ones.
func shopMorning() []int {
	random := rand.New(rand.NewPCG(8, 2)) //nolint:gosec // made up, and the same each time
	zipf := rand.NewZipf(random, 1.1, 20, shopProducts-1)
	visits := make([]int, shopVisits)
	for i := range visits {
		visits[i] = int(zipf.Uint64()) //nolint:gosec // below shopProducts
	}
	return visits
}

var errShopGone = errors.New("the database does not answer")

// warmup warms a shop's cache before the morning, in spite of a database that goes away.
func (t *tour) warmup(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "tour")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is the system's to clear
	opts := warmup.Options{
		Codec: codec.String, TTL: 6 * time.Hour, MaxErrors: 20,
		Workers: -1, Rate: 1e6, Burst: 50, // chunks of 50, one after the other, so that the tour is the same each time
		Checkpoint: filepath.Join(dir, "checkpoint"),
	}
	w, err := warmup.New(t.rdb, opts)
	if err != nil {
		return err
	}
	broken := shopBroken()
	loads, outage := 0, true
	load := func(_ context.Context, key string) (any, error) {
		loads++
		id := 0
		if _, err := fmt.Sscanf(key[len(t.ns):], ":product:%d", &id); err != nil {
			return nil, err
		}
		switch {
		case outage && loads > shopOutage:
			return nil, errShopGone
		case broken[id]:
			return nil, errors.New("the row is broken")
		}
		return fmt.Sprint("a page about product ", id), nil
	}

	t.say("A shop of %d products warms its cache before the morning.", shopProducts)
	report, err := w.Run(ctx, warmup.FromFunc(t.shopKeys(), load))
	if !errors.Is(err, errShopGone) {
		return fmt.Errorf("the outage was not noticed: %w", err)
	}
	t.say("The database goes away, and the run stops after %d loads, with %d products stored.", loads, report.Stored)

	before := loads
	outage = false
	report, err = w.Run(ctx, warmup.FromFunc(t.shopKeys(), load))
	if err != nil {
		return err
	}
	t.say("When it is back, the next run goes on at product %d and loads %d: %d are stored in all, and %d cannot be read.",
		report.Resumed, loads-before, report.Stored, report.Failed)

	if err := t.morning(ctx); err != nil {
		return err
	}
	return t.move(ctx, opts)
}

// shopKeys are the keys of all products.
func (t *tour) shopKeys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range shopProducts {
			if !yield(t.product(id)) {
				return
			}
		}
	}
}

func (t *tour) product(id int) string { return fmt.Sprintf("%s:product:%d", t.ns, id) }

// morning counts how often the database is asked, with the warm cache and with a cold one.
func (t *tour) morning(ctx context.Context) error {
	asked := map[string]int{}
	for _, cache := range []string{"warm", "cold"} {
		for _, id := range shopMorning() {
			key := t.product(id)
			if cache == "cold" {
				key = t.ns + ":cold" + key
			}
			err := t.rdb.Get(ctx, key).Err()
			if errors.Is(err, redis.Nil) { // load it, and keep it
				asked[cache]++
				err = t.rdb.Set(ctx, key, "loaded", time.Hour).Err()
			}
			if err != nil {
				return err
			}
		}
	}
	t.printf("\n")
	t.say("The morning's %d visits ask the database %d times; with a cold cache they would ask it %d times.", shopVisits, asked["warm"], asked["cold"])
	t.printf("\n")
	return nil
}

// move copies the cache to a new server.
func (t *tour) move(ctx context.Context, opts warmup.Options) error {
	rdb, stop := lardertest.Start()
	defer stop()
	opts.Checkpoint = ""
	opts.DryRun = true
	var plan, done warmup.Report
	for range 2 { // a rehearsal, and the thing itself
		w, err := warmup.New(rdb, opts)
		if err != nil {
			return err
		}
		plan = done
		if done, err = w.Run(ctx, warmup.FromRedis(t.rdb, t.ns+":product:*")); err != nil {
			return err
		}
		opts.DryRun = false
	}
	t.say("A new server gets the whole cache, and each key the time that it has left: %d products, as a dry run said (%d).", done.Stored, plan.Stored)
	return nil
}
