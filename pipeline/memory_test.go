package pipeline_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/pipeline"
)

// TestConstantMemory streams a million items through, and looks at the heap.
func TestConstantMemory(t *testing.T) {
	n := 1_000_000
	if raceEnabled {
		n = 60_000
	}
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	b := batcher(t, rdb, pipeline.Options{Codec: codec.String})
	value := strings.Repeat("v", 100)
	keys := numbered("k", 10_000)
	var first, most uint64
	look := func(i int) {
		if i%(n/6) > 0 {
			return
		}
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		if i == n/6 {
			first = stats.HeapAlloc
		}
		if i > 0 {
			most = max(most, stats.HeapAlloc)
		}
	}
	report, err := pipeline.Set(t.Context(), b, func(yield func(string, string) bool) {
		for i := range n {
			look(i)
			if !yield(keys[i%len(keys)], value) {
				return
			}
		}
	}, pipeline.SetOptions{})
	require.NoError(t, err)
	require.Equal(t, n, report.Applied)
	const room = 4 << 20 // of which a list of all items would take many times as much
	require.Less(t, most, first+room, "written")
	t.Logf("heap while %d items are set: %d KiB at a sixth, %d KiB at most", n, first>>10, most>>10)
	first, most = 0, 0
	i := 0
	for item, err := range pipeline.GetSeq[string](t.Context(), b, func(yield func(string) bool) {
		for i := range n {
			if !yield(keys[i%len(keys)]) {
				return
			}
		}
	}) {
		look(i)
		require.NoError(t, err)
		if item.Value != value {
			t.Fatalf("item %d is %q", i, item.Value)
		}
		i++
	}
	require.Equal(t, n, i)
	require.Less(t, most, first+room, "read")
	t.Logf("heap while %d items are read: %d KiB at a sixth, %d KiB at most", n, first>>10, most>>10)
}

// TestLargeValues: values of 100 KiB pass under the client's default time-outs,
// and the server holds no more of them at a time than the chunks in flight.
func TestLargeValues(t *testing.T) {
	n := 5_000
	if raceEnabled {
		n = 500
	}
	server := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket()}) // the default time-outs
	defer func() { _ = rdb.Close() }()
	ctx := t.Context()
	b := batcher(t, rdb, pipeline.Options{Codec: codec.String})
	value := strings.Repeat("v", 100<<10)
	keys := numbered("k", 50)
	peak := func() int {
		var n int
		_, after, _ := strings.Cut(rdb.Info(ctx, "memory").Val(), "used_memory_peak:")
		_, err := fmt.Sscan(after, &n)
		require.NoError(t, err)
		return n >> 20
	}
	report, err := pipeline.Set(ctx, b, func(yield func(string, string) bool) {
		for i := range n {
			if !yield(keys[i%50], value) {
				return
			}
		}
	}, pipeline.SetOptions{})
	require.NoError(t, err)
	require.Equal(t, []int{n, 1}, []int{report.Applied, report.Attempts})
	written := peak()
	require.Less(t, written, 24)
	read := 0
	for item, err := range pipeline.GetSeq[string](ctx, b, func(yield func(string) bool) {
		for i := range n {
			if !yield(keys[i%50]) {
				return
			}
		}
	}) {
		require.NoError(t, err)
		require.Len(t, item.Value, len(value))
		read++
	}
	require.Equal(t, n, read)
	require.Less(t, peak(), 40)
	t.Logf("the server's memory at most: %d MiB set, %d MiB read", written, peak())
}
