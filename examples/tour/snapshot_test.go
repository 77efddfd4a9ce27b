package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSnapshotFacts(t *testing.T) {
	tour, out := newTour(t)
	require.NoError(t, tour.snapshot(t.Context()))
	for _, want := range []string{
		"A snapshot of 151 keys", "it is refused", "50 keys missing, 1 different and 0 extra", "50 keys, 101 left alone", "nothing differs",
	} {
		assert.Contains(t, out.String(), want)
	}
}
