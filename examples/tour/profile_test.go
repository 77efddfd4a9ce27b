package main

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// TestProfileFacts holds the chapter against a naive program, on the embedded Redis and on a real one.
func TestProfileFacts(t *testing.T) {
	rng := rand.New(rand.NewPCG(2026, 5))
	asked := map[string]bool{}
	for range 2000 {
		asked[strconv.Itoa(min(int(rng.ExpFloat64()*20), authorCount-1))] = true
	}
	rows := authors()
	want := profileFacts{
		reads: 2000, queries: int64(len(asked)), herd: 1, page: 40, pageQueries: 1, books: int64(rows["7"].Books) + 1,
		overtaken: true, renamed: "A. U. Thor",
	}
	embedded, _ := newTour(t)
	real := &tour{rdb: redistest.Standalone(t), out: embedded.out, ns: "TestProfileFacts"}
	t.Cleanup(func() { assert.NoError(t, real.clean(context.Background())) })
	for name, on := range map[string]*tour{"embedded": embedded, "real": real} {
		got, err := profileFactsOf(t.Context(), on, &authorBase{rows: authors()})
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
}

// TestProfileChapter: what the chapter says.
func TestProfileChapter(t *testing.T) {
	tour, out := newTour(t)
	require.NoError(t, tour.profile(t.Context()))
	assert.Contains(t, out.String(), "HGET tour:profile:{7} name   Author 7")
	assert.Contains(t, out.String(), "1  for a crowd of 200")
	assert.Contains(t, out.String(), "Its result is thrown away, and the next reader sees \"A. U. Thor\".")
}
