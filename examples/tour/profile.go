package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-go/larder/examples/internal/demo"
	"github.com/larder-go/larder/profile"
)

// author is what the chapter caches.
type author struct {
	Name  string
	City  string
	Books int
	Prize *string
	Tags  []string
}

// authorBase is a database of authors that counts what it is asked.
type authorBase struct {
	mu      sync.Mutex
	rows    map[string]author
	queries atomic.Int64
}

const authorCount = 200

// authors makes up the rows, the same on every run.
func authors() map[string]author {
	rng := rand.New(rand.NewPCG(2026, 4)) //nolint:gosec // made-up authors, the same on every run
	cities := []string{"Lagos", "Lima", "Oslo", "Kyoto", "Quito"}
	prizes := []string{"Golden Quill", "Silver Ink"}
	rows := map[string]author{}
	for i := range authorCount {
		a := author{Name: fmt.Sprintf("Author %d", i), City: cities[rng.IntN(len(cities))], Books: 1 + rng.IntN(12)}
		if rng.IntN(4) == 0 {
			a.Prize = new(prizes[rng.IntN(len(prizes))])
		}
		rows[strconv.Itoa(i)] = a
	}
	return rows
}

func (b *authorBase) load(_ context.Context, id string) (author, error) {
	b.queries.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.rows[id]
	if !ok {
		return author{}, profile.ErrNotFound
	}
	return a, nil
}

func (b *authorBase) loadMany(_ context.Context, ids []string) (map[string]author, error) {
	b.queries.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	found := map[string]author{}
	for _, id := range ids {
		if a, ok := b.rows[id]; ok {
			found[id] = a
		}
	}
	return found, nil
}

func (b *authorBase) change(id string, fn func(*author)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.rows[id]
	fn(&a)
	b.rows[id] = a
}

// profileFacts are the figures of the chapter.
type profileFacts struct {
	reads, queries int64 // of a day of readers
	herd           int64 // queries of a crowd that asks for one cold author
	page           int   // authors found by one GetMany, and its queries
	pageQueries    int64
	books          int64 // after an Increment
	overtaken      bool  // a load that an Invalidate overtook was not stored
	renamed        string
}

// profile shows typed objects read through to a database.
func (t *tour) profile(ctx context.Context) error {
	f, err := profileFactsOf(ctx, t, &authorBase{rows: authors()})
	if err != nil {
		return err
	}
	t.say("%d authors live in a database. Each that is asked for is cached as a hash, which redis-cli can read:", authorCount)
	fields, err := t.rdb.HGetAll(ctx, t.ns+":profile:{7}").Result()
	if err != nil {
		return err
	}
	for _, name := range []string{"name", "city", "books"} {
		t.printf("  HGET %s:profile:{7} %-6s %s\n", t.ns, name, fields[name])
	}
	t.printf("\nQueries of the database:\n")
	t.printf("  %4d  for %d reads, popular authors more often than others\n", f.queries, f.reads)
	t.printf("  %4d  for a crowd of 200 that asks for the same cold author at once\n", f.herd)
	t.printf("  %4d  for a page of 50 cold ids, of which %d exist\n\n", f.pageQueries, f.page)
	t.say("One more book is counted in the cached hash alone: author 7 has %d now.", f.books)
	t.printf("\n")
	fate := t.paint.In(demo.Bad, "stored all the same")
	if f.overtaken {
		fate = "thrown away"
	}
	t.say("A slow load reads an author's old name; the author is renamed and invalidated before the load comes back. Its result is %s, and the next reader sees %q.", fate, f.renamed)
	return nil
}

// profileFactsOf plays the chapter.
func profileFactsOf(ctx context.Context, t *tour, db *authorBase) (f profileFacts, err error) {
	var lost atomic.Bool
	var held atomic.Pointer[chan struct{}] // a load that waits
	began := make(chan struct{}, 1)
	store, err := profile.New(t.rdb, profile.Options[author]{
		Namespace: t.ns, TTL: time.Hour, RedisTimeout: time.Minute, OnRedisError: profile.FailClosed, LoadMany: db.loadMany,
		Load: func(ctx context.Context, id string) (author, error) {
			a, err := db.load(ctx, id)
			if wait := held.Load(); wait != nil {
				began <- struct{}{}
				<-*wait
			}
			return a, err
		},
		Hooks: profile.Hooks{LeaseLost: func(string) { lost.Store(true) }},
	})
	if err != nil {
		return f, err
	}

	rng := rand.New(rand.NewPCG(2026, 5)) //nolint:gosec // made-up readers, the same on every run
	f.reads = 2000
	for range f.reads {
		if _, err := store.Get(ctx, strconv.Itoa(min(int(rng.ExpFloat64()*20), authorCount-1))); err != nil {
			return f, err
		}
	}
	f.queries = db.queries.Load()

	const cold = "150"
	if err := store.Invalidate(ctx, cold); err != nil {
		return f, err
	}
	wait := make(chan struct{})
	held.Store(&wait)
	before := db.queries.Load()
	crowd := make(chan error, 200)
	for range cap(crowd) {
		go func() {
			_, err := store.Get(ctx, cold)
			crowd <- err
		}()
	}
	select {
	case <-began:
	case err := <-crowd: // the load cannot end yet, so this one has failed
		return f, fmt.Errorf("the crowd: %w", err)
	}
	held.Store(nil)
	close(wait)
	for range cap(crowd) {
		if err := <-crowd; err != nil {
			return f, err
		}
	}
	f.herd = db.queries.Load() - before

	var ids []string
	for i := range 50 {
		ids = append(ids, strconv.Itoa(authorCount-40+i))
	}
	if err := store.Invalidate(ctx, ids...); err != nil {
		return f, err
	}
	before = db.queries.Load()
	page, err := store.GetMany(ctx, ids...)
	if err != nil {
		return f, err
	}
	f.page, f.pageQueries = len(page), db.queries.Load()-before

	if _, err := store.Get(ctx, "7"); err != nil {
		return f, err
	}
	if f.books, err = store.Increment(ctx, "7", "books", 1); err != nil {
		return f, err
	}

	// A load is overtaken by a change.
	const slow = "9"
	if err := store.Invalidate(ctx, slow); err != nil {
		return f, err
	}
	wait = make(chan struct{})
	held.Store(&wait)
	old := make(chan error, 1)
	go func() {
		_, err := store.Get(ctx, slow)
		old <- err
	}()
	select {
	case <-began:
	case err := <-old:
		return f, fmt.Errorf("the slow load: %w", err)
	}
	held.Store(nil)
	db.change(slow, func(a *author) { a.Name = "A. U. Thor" })
	if err := store.Invalidate(ctx, slow); err != nil {
		return f, err
	}
	close(wait)
	if err := <-old; err != nil {
		return f, err
	}
	f.overtaken = lost.Load()
	a, err := store.Get(ctx, slow)
	f.renamed = a.Name
	return f, err
}
