package monitor_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/monitor"
)

// TestRulesInABubble: a consumer tests rules with hours in them on a fake INFO and a fake clock, in no time.
func TestRulesInABubble(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		set := func(evicted int) {
			require.NoError(t, lardertest.SetInfo(rdb, map[string]map[string]string{"stats": {"evicted_keys": strconv.Itoa(evicted), "total_commands_processed": strconv.Itoa(evicted)}}))
		}
		set(0)
		begin := time.Now()
		var told []string
		m, err := monitor.New(rdb, monitor.Options{
			Rules: []monitor.Rule{{
				Name: "evicted", Metric: monitor.MetricEvictedKeys, Threshold: 100, Window: time.Minute, For: 2 * time.Minute, KeepFiring: time.Minute, Repeat: time.Hour,
			}},
			Notifiers: []monitor.Notifier{monitor.NotifierFunc(func(_ context.Context, alerts []monitor.Alert) error {
				for _, a := range alerts {
					told = append(told, fmt.Sprintf("%v %s %.0f", time.Since(begin).Round(time.Second), a.State, a.Value))
				}
				return nil
			})},
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		time.Sleep(10*time.Minute + time.Second)
		for i := range 520 { // 50 keys each 15 seconds, for 130 minutes
			set(50 * (i + 1))
			time.Sleep(15 * time.Second)
		}
		time.Sleep(10 * time.Minute)
		cancel()
		require.NoError(t, <-done)
		// By hand: 645 s is the first sample with more than 100 in its minute, and 765 s two minutes later. The last eviction is seen
		// at 8400 s, its minute has 100 left at 8430 s, and that was a minute ago at 8490 s, when nothing is evicted any more.
		assert.Equal(t, []string{"12m45s firing 200", "1h12m45s firing 200", "2h12m45s firing 200", "2h21m30s resolved 0"}, told)
		assert.Empty(t, m.Alerts())
	})
}
