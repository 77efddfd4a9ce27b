package bulk

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/larder-go/larder/internal/redistest"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

func stores(tb testing.TB) []Store {
	tb.Helper()
	server := redistest.NewServer(tb, redistest.ServerOptions{})
	rival, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(rival.Close)
	all, err := Stores(server.Client(server.TCP), rival)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func data(n int) (keys []string, value string) {
	keys = make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key:%06d", i)
	}
	return keys, strings.Repeat("v", 100)
}

// TestStores: every way stores and reads the same.
func TestStores(t *testing.T) {
	keys, _ := data(1234)
	all := stores(t)
	for _, s := range all {
		if err := s.Set(t.Context(), keys, s.Name); err != nil {
			t.Fatal(s.Name, err)
		}
		want := map[string]string{}
		for _, key := range keys {
			want[key] = s.Name
		}
		for _, reader := range all {
			if reader.Get == nil {
				continue
			}
			got, err := reader.Get(t.Context(), keys)
			if err != nil || !maps.Equal(got, want) {
				t.Fatalf("%s reads %d of what %s has stored: %v", reader.Name, len(got), s.Name, err)
			}
		}
	}
}

// sideBySide runs all ways in turn in each round, another one first each time, so
// that a busy machine troubles all alike, and reports the items a second of the
// median round, and the median of Larder's share in each round.
func sideBySide(b *testing.B, items int, names []string, runs []func() error) {
	b.Helper()
	times := make([][]float64, len(runs))
	for _, run := range runs { // dial, and create the keys
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
	first := 0
	for b.Loop() {
		for k := range runs {
			i := (first + k) % len(runs)
			runtime.GC()
			begun := time.Now()
			if err := runs[i](); err != nil {
				b.Fatal(names[i], err)
			}
			times[i] = append(times[i], time.Since(begun).Seconds())
		}
		first++
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	for i, name := range names {
		name = strings.ReplaceAll(name, " ", "-")
		b.ReportMetric(float64(items)/median(times[i]), name+"/s")
		ratios := make([]float64, len(times[i]))
		for k := range ratios {
			ratios[k] = times[i][k] / times[0][k]
		}
		b.ReportMetric(median(ratios), "larder/"+name)
	}
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

func BenchmarkSet(b *testing.B) {
	keys, value := data(20_000)
	var names []string
	var runs []func() error
	for _, s := range stores(b) {
		names = append(names, s.Name)
		runs = append(runs, func() error { return s.Set(context.Background(), keys, value) })
	}
	sideBySide(b, len(keys), names, runs)
}

func BenchmarkGet(b *testing.B) {
	keys, value := data(20_000)
	var names []string
	var runs []func() error
	for i, s := range stores(b) {
		if i == 0 {
			if err := s.Set(b.Context(), keys, value); err != nil {
				b.Fatal(err)
			}
		}
		if s.Get == nil {
			continue
		}
		names = append(names, s.Name)
		runs = append(runs, func() error {
			got, err := s.Get(context.Background(), keys)
			if err == nil && len(got) != len(keys) {
				err = fmt.Errorf("%d values", len(got))
			}
			return err
		})
	}
	sideBySide(b, len(keys), names, runs)
}
