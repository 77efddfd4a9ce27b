package leaderboard_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// way is one of several ways to do the same work.
type way struct {
	name string
	run  func() error
}

// cost is what a way took: each round by the clock, and the processor time of each server and of this process.
type cost struct {
	wall    []float64
	servers []time.Duration
	client  time.Duration
	allocs  uint64
}

// sideBySide runs all ways in turn in each round, another one first each time, so that a busy machine troubles all
// alike. It reports nanoseconds for each of the items that one run goes through: of the median round (name), of the
// processor time of all servers (name-server), of the busiest of several (name-busiest) and of this process
// (name-client); the allocations (name-allocs); and the median, over the rounds, of how many times as long the other
// ways take as the first one.
func sideBySide(b *testing.B, servers []*redis.Client, items int, ways ...way) {
	b.Helper()
	costs := make([]cost, len(ways))
	for i := range costs {
		costs[i].servers = make([]time.Duration, len(servers))
	}
	for _, w := range ways { // dial, load the scripts
		if err := w.run(); err != nil {
			b.Fatal(w.name, err)
		}
	}
	first := 0
	for b.Loop() {
		for k := range ways {
			i := (first + k) % len(ways)
			before := make([]time.Duration, len(servers))
			for k, s := range servers {
				before[k] = serverCPU(b, s)
			}
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			allocs, client, begun := mem.Mallocs, ownCPU(), time.Now()
			err := ways[i].run()
			costs[i].wall = append(costs[i].wall, float64(time.Since(begun).Nanoseconds()))
			costs[i].client += ownCPU() - client
			runtime.ReadMemStats(&mem)
			costs[i].allocs += mem.Mallocs - allocs
			for k, s := range servers {
				costs[i].servers[k] += serverCPU(b, s) - before[k]
			}
			if err != nil {
				b.Fatal(ways[i].name, err)
			}
		}
		first++
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	all := float64(items * len(costs[0].wall))
	for i, w := range ways {
		b.ReportMetric(median(costs[i].wall)/float64(items), w.name)
		var sum time.Duration
		for _, d := range costs[i].servers {
			sum += d
		}
		b.ReportMetric(float64(sum.Nanoseconds())/all, w.name+"-server")
		if len(servers) > 1 {
			b.ReportMetric(float64(slices.Max(costs[i].servers).Nanoseconds())/all, w.name+"-busiest")
		}
		b.ReportMetric(float64(costs[i].client.Nanoseconds())/all, w.name+"-client")
		b.ReportMetric(float64(costs[i].allocs)/all, w.name+"-allocs")
		if i > 0 {
			ratios := make([]float64, len(costs[i].wall))
			for k := range ratios {
				ratios[k] = costs[i].wall[k] / costs[0].wall[k]
			}
			b.ReportMetric(median(ratios), w.name+"/"+ways[0].name)
		}
	}
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// serverCPU is the processor time that a server has used.
func serverCPU(b *testing.B, rdb *redis.Client) time.Duration {
	b.Helper()
	info, err := rdb.Info(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	var all time.Duration
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			all += time.Duration(seconds * 1e9)
		}
	}
	return all
}

// callers is how many goroutines a round of calls has.
const callers = 64

// calls is a way that makes so many calls, for members of a board of n, from 64 goroutines.
func calls(name string, items, n int, call func(ctx context.Context, member string, score float64) error) way {
	members := make([]string, n)
	for i := range members {
		members[i] = benchMember(i)
	}
	seed := uint64(0)
	return way{name: name, run: func() error {
		seed++
		errs := make([]error, callers)
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, uint64(c)))
				for range items / callers {
					if err := call(context.Background(), members[rnd.IntN(n)], float64(rnd.IntN(10*n))); err != nil {
						errs[c] = err
						return
					}
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	}}
}
