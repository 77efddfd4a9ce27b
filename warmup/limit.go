package warmup

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"github.com/larder-go/larder/internal/once"
)

// limiter is a rate, or none.
type limiter struct{ *rate.Limiter }

// burst is how many may go at once.
func (l limiter) burst() int {
	if l.Limiter == nil {
		return math.MaxInt
	}
	return max(l.Burst(), 1)
}

// wait waits until n may go. Unlike WaitN it takes more than a burst, and waits as
// long as ctx lasts instead of giving up beforehand.
func (l limiter) wait(ctx context.Context, n int) error {
	for n > 0 && l.Limiter != nil {
		piece := min(n, l.burst())
		reserved := l.ReserveN(time.Now(), piece)
		if d := reserved.Delay(); d > 0 {
			if err := once.Sleep(ctx, d); err != nil {
				reserved.Cancel()
				return err
			}
		}
		n -= piece
	}
	return ctx.Err()
}

// The times of a gate: how long a PING counts, and the pauses between two that
// were slow.
const (
	pingEvery = 100 * time.Millisecond
	minPause  = 10 * time.Millisecond
	maxPause  = time.Second
)

// gate holds back what is to be sent while the server is slow.
type gate struct {
	rdb   redis.UniversalClient
	limit time.Duration
	log   *slog.Logger

	turn chan struct{} // held by who asks; a channel, so that waiting ends with a context
	seen time.Time     // when the server was last seen to be fast
}

// wait returns when the server is fast enough. A server that does not answer is
// let through: what is sent to it tells more.
func (g *gate) wait(ctx context.Context) error {
	if g.limit <= 0 {
		return ctx.Err()
	}
	select { // whoever waits here waits for the same server
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for pause := minPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		if !g.seen.IsZero() && time.Since(g.seen) < pingEvery {
			return nil
		}
		latency, err := ping(ctx, g.rdb)
		if err != nil || latency <= g.limit {
			g.seen = time.Now()
			break
		}
		g.log.WarnContext(ctx, "warmup: the server is slow", "latency", latency, "limit", g.limit, "pause", pause)
		if err := once.Sleep(ctx, pause); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// ping returns the time of a PING, of the slowest node where there are several.
func ping(ctx context.Context, rdb redis.UniversalClient) (time.Duration, error) {
	var mu sync.Mutex
	var slowest time.Duration
	one := func(ctx context.Context, c redis.Cmdable) error {
		begun := time.Now()
		err := c.Ping(ctx).Err()
		mu.Lock()
		defer mu.Unlock()
		slowest = max(slowest, time.Since(begun))
		return err
	}
	each := func(ctx context.Context, c *redis.Client) error { return one(ctx, c) }
	switch rdb := rdb.(type) {
	case *redis.ClusterClient:
		err := rdb.ForEachMaster(ctx, each)
		return slowest, err
	case *redis.Ring:
		err := rdb.ForEachShard(ctx, each)
		return slowest, err
	default:
		err := one(ctx, rdb)
		return slowest, err
	}
}
