package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWarmupFacts holds what the chapter says against a naive program.
func TestWarmupFacts(t *testing.T) {
	tour, out := newTour(t)
	require.NoError(t, tour.warmup(t.Context()))

	broken := shopBroken()
	// The first run: chunks of 50, and an end at the 20th error, which are broken rows first and then everything.
	failed, loads, stored := 0, 0, 0
	for id := 0; failed < 20; id++ {
		loads++
		if broken[id] || loads > shopOutage {
			failed++
		}
	}
	noted := loads / 50 * 50 // whole chunks
	if shopOutage < noted {
		noted = shopOutage / 50 * 50
	}
	for id := range noted {
		if !broken[id] {
			stored++
		}
	}
	assert.Contains(t, out.String(), fmt.Sprintf("stops after %d loads, with %d products stored", loads, stored))
	assert.Contains(t, out.String(), fmt.Sprintf("goes on at product %d and loads %d: %d are stored in all, and %d cannot be read",
		noted, shopProducts-noted, shopProducts-len(broken), len(broken)))

	seen := map[int]bool{}
	warm := 0
	for _, id := range shopMorning() {
		if broken[id] && !seen[id] {
			warm++
		}
		seen[id] = true
	}
	assert.Contains(t, out.String(), fmt.Sprintf("visits ask the database %d times; with a cold cache they would ask it %d times", warm, len(seen)))
	assert.Less(t, 10*warm, len(seen))

	moved := shopProducts - len(broken) + warm // those that the visits loaded are there, too
	assert.Contains(t, out.String(), fmt.Sprintf("%d products, as a dry run said (%d)", moved, moved))
}
