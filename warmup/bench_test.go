package warmup_test

import (
	"context"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
	"github.com/larder-go/larder/warmup"
)

// BenchmarkRun warms 100,000 values of 100 bytes on a real server, by each source, in turns with pipeline.Set of the
// same: x/set is how many times as long it took as the Set of the same round, at the median; each source has the rounds
// of b.Loop.
func BenchmarkRun(b *testing.B) {
	const n = 100_000
	rdb := redistest.Standalone(b)
	keys := keysOf("bench:", n)
	value := string(make([]byte, 100))
	items := make([]warmup.Item, n)
	m := make(map[string]any, n)
	for i, key := range keys {
		items[i] = warmup.Item{Key: key, Value: value}
		m[key] = value
	}
	load := func(context.Context, string) (any, error) { return value, nil }
	for _, c := range []codec.Codec{codec.Msgpack, codec.String} {
		batch, err := pipeline.New(rdb, pipeline.Options{Codec: c})
		require.NoError(b, err)
		w, err := warmup.New(rdb, warmup.Options{Codec: c, Jitter: -1})
		require.NoError(b, err)
		inOrder := func(yield func(string, any) bool) {
			for _, key := range keys {
				if !yield(key, value) {
					return
				}
			}
		}
		for name, source := range map[string]func() warmup.Source{
			"map":   func() warmup.Source { return warmup.FromMap(m) },
			"slice": func() warmup.Source { return warmup.FromSlice(items) },
			"seq":   func() warmup.Source { return warmup.FromSeq("s", n, seqOf(items)) },
			"func":  func() warmup.Source { return warmup.FromFunc(slices.Values(keys), load) },
		} {
			// A map comes in no order, which the server's memory minds: both sides go through it.
			all := iter.Seq2[string, any](inOrder)
			if name == "map" {
				all = maps.All(m)
			}
			set := func() time.Duration {
				begun := time.Now()
				_, err := pipeline.Set(b.Context(), batch, all, pipeline.SetOptions{TTL: time.Hour})
				require.NoError(b, err)
				return time.Since(begun)
			}
			run := func() time.Duration {
				begun := time.Now()
				_, err := w.Run(b.Context(), source())
				require.NoError(b, err)
				return time.Since(begun)
			}
			b.Run("codec="+c.Name()+"/source="+name, func(b *testing.B) {
				b.ReportAllocs()
				set()
				run()
				var ratios []float64
				round := 0
				for b.Loop() {
					var theirs, ours time.Duration
					if round%2 == 0 {
						theirs, ours = set(), run()
					} else {
						ours, theirs = run(), set()
					}
					ratios = append(ratios, ours.Seconds()/theirs.Seconds())
					round++
				}
				slices.Sort(ratios)
				b.ReportMetric(ratios[len(ratios)/2], "x/set")
				b.ReportMetric(0, "ns/op") // both together: it says nothing
			})
		}
	}
}
