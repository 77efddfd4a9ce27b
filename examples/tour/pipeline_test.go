package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
)

// TestPipelineFacts holds the figures of the chapter against a naive program, on an embedded Redis and on real ones.
func TestPipelineFacts(t *testing.T) {
	accounts := map[string]int64{"ada": 500, "bob": 300, "cleo": 200}
	names := []string{"ada", "bob", "cleo"}
	for payer := range 8 {
		for round := range 2 {
			from := (payer + round) % 3
			accounts[names[from]] -= 10
			accounts[names[(from+1)%3]] += 10
		}
	}
	sold := map[int]int64{}
	for _, s := range sales() {
		sold[s.product] += int64(s.pieces)
	}
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone, redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		want := pipelineFacts{
			size: smallSize, perKind: map[string]int{}, sold: sold,
			order: map[string]int64{"sold": 3, "stock": 47}, accounts: accounts,
			refused: 3, applied: 40, unknown: 60, attempts: 2, storedInTheEnd: 100,
		}
		if e.Real() {
			want.size = catalogueSize
		}
		want.stored, want.read = want.size, want.size
		for _, p := range catalogue(want.size) {
			want.perKind[p.Category]++
			want.worth += p.Cents * p.Stock
			if p.Cents > want.dearest.Cents {
				want.dearest = p
			}
		}
		got, err := (&tour{rdb: e.Client, ns: e.Namespace}).batches(t.Context())
		require.NoError(t, err)
		mixed := got.mixed
		assert.Equal(t, []int{2, 1, 1}, []int{mixed.Applied, mixed.Failed, mixed.NotSent})
		assert.Equal(t, []pipeline.Outcome{pipeline.Failed, pipeline.NotSent}, []pipeline.Outcome{mixed.Failures[0].Outcome, mixed.Failures[1].Outcome})
		got.mixed = pipeline.Report{}
		assert.Equal(t, want, got)
	})
}

// TestPipelineChapter: the chapter prints its facts.
func TestPipelineChapter(t *testing.T) {
	trip, out := newTour(t)
	require.NoError(t, trip.pipeline(t.Context()))
	for _, text := range []string{
		"A catalogue of 1000 articles", "40 applied, 60 unknown", "0 counters were added to twice", "100 applied", "took 2 tries",
		"2 applied, 1 failed, 1 not sent", "3 sold, and 47 of 50 left", "1000, as at the beginning",
	} {
		assert.Contains(t, out.String(), text)
	}
}
