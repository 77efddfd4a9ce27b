package visitors

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
)

// TestFrame: what is kept of the latest visit never gives another one the wrong buckets, whatever the zone does with its
// clocks, and bucket by bucket what has expired is left out.
func TestFrame(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	sets := [][]calendar.Period{{daily}, {hourly}, {weekly, monthly}, {calendar.Yearly, hourly, daily, weekly, monthly, calendar.AllTime}, {calendar.AllTime}}
	for zone, around := range map[string]string{
		"UTC": "2090-01-01 00:00", "Asia/Kathmandu": "2090-03-01 00:00", "Pacific/Apia": "2011-12-30 12:00",
		"Australia/Lord_Howe": "2024-04-07 02:00", "America/Sao_Paulo": "2018-11-04 00:00", "Africa/Cairo": "2010-09-30 21:00",
		"America/New_York": "2024-11-03 06:00", "Europe/Dublin": "2024-03-31 01:00",
	} {
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		for _, buckets := range sets {
			c := planner(t, then, Options{Location: loc, Buckets: buckets})
			at := instant(around, time.UTC)
			for range 300 {
				step := []time.Duration{time.Minute, time.Hour, day, 40 * day}[rng.IntN(4)]
				at = at.Add(time.Duration(rng.Int64N(int64(2*step))) - step)
				now := at.Add(time.Duration(rng.Int64N(int64(800 * day))))
				got := c.visit("home", at, now)
				n := 0
				for _, b := range c.buckets {
					when, ever := b.expiry(b.End(at, loc))
					if ever && !now.Before(when) {
						continue
					}
					require.Equal(t, c.prefix("home")+b.Label(at, loc), got.keys[n], "%s %v", zone, at)
					if ever {
						require.Equal(t, strconv.FormatInt(when.UnixMilli(), 10), got.expiries[n])
					} else {
						require.Empty(t, got.expiries[n])
					}
					n++
				}
				require.Len(t, got.keys, n)
				require.Len(t, got.expiries, n)
			}
		}
	}
}
