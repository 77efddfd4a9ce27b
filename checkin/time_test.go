package checkin

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/lardertest"
)

// TestTimeGoesBy: the short forms take the time of the process, streaks end while nobody looks, and a year goes when
// its time has come.
func TestTimeGoesBy(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		tr := newTracker(t, rdb, Options{Keep: 40 * 24 * time.Hour, Backfill: 1, Milestones: []int{2}})
		sleepUntil := func(text string) { time.Sleep(time.Until(noon(text))) }
		sleepUntil("2000-12-30")
		r, err := tr.CheckIn(ctx, "u")
		require.NoError(t, err)
		assert.Equal(t, day("2000-12-30"), r.Day)
		sleepUntil("2000-12-31")
		r, err = tr.CheckIn(ctx, "u")
		require.NoError(t, err)
		assert.Equal(t, []int{2}, r.Reached)
		sleepUntil("2001-01-02")
		s, err := tr.Stats(ctx, "u")
		require.NoError(t, err)
		assert.Equal(t, Stats{Longest: 2, Total: 2, First: day("2000-12-30"), Last: day("2000-12-31")}, s)
		_, err = tr.Backfill(ctx, "u", day("2000-12-31"))
		require.ErrorIs(t, err, ErrTooOld)
		r, err = tr.Backfill(ctx, "u", day("2001-01-01"))
		require.NoError(t, err)
		assert.Equal(t, 3, r.Stats.Current)
		assert.True(t, r.Stats.Pending)
		r, err = tr.Undo(ctx, "u", day("2001-01-02"))
		require.NoError(t, err)
		assert.False(t, r.Removed)
		c, err := tr.Month(ctx, "u", 2000, time.December)
		require.NoError(t, err)
		assert.Equal(t, 2, c.Count)
		c, err = tr.Year(ctx, "u", 2000)
		require.NoError(t, err)
		assert.Equal(t, 2, c.Count)
		assert.Equal(t, 366, c.Days())
		c, err = tr.Range(ctx, "u", day("2000-12-31"), day("2001-01-01"))
		require.NoError(t, err)
		assert.Equal(t, Calendar{From: day("2000-12-31"), To: day("2001-01-01"), Checked: []bool{true, true}, Count: 2, Longest: 2}, c)

		exists := func(year int) bool {
			n, err := rdb.Exists(ctx, tr.yearKeys("u", year, year)...).Result()
			require.NoError(t, err)
			return n == 1
		}
		time.Sleep(time.Until(moment("2001-02-10 00:00", time.UTC)) - time.Second)
		assert.True(t, exists(2000))
		time.Sleep(time.Second)
		assert.False(t, exists(2000))
		assert.True(t, exists(2001))
		s, err = tr.Stats(ctx, "u")
		require.NoError(t, err)
		assert.Equal(t, Stats{Longest: 1, Total: 1, Truncated: true, First: day("2001-01-01"), Last: day("2001-01-01")}, s)
	})
}

// TestExpiry: the moment at which a year goes is that of the zone and the beginning of its days.
func TestExpiry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone     string
		dayStart time.Duration
		year     int
		want     string // of UTC, without Keep
	}{
		{"UTC", 0, 2026, "2027-01-01 00:00"},
		{"Pacific/Apia", 0, 2026, "2026-12-31 11:00"},
		{"Pacific/Honolulu", 0, 2026, "2027-01-01 10:00"},
		{"Asia/Kathmandu", 4 * time.Hour, 2026, "2026-12-31 22:15"},
		{"America/New_York", 30 * time.Minute, 2028, "2029-01-01 05:30"},
	} {
		tr := &Tracker{loc: zone(t, c.zone), dayStart: c.dayStart, keep: 90 * time.Minute}
		at, text := tr.expiry(c.year)
		assert.Equal(t, strconv.FormatInt(at.UnixMilli(), 10), text)
		end := moment(c.want, time.UTC)
		assert.Equal(t, end.Add(90*time.Minute), at.UTC())
		// The day on the other side of that moment is of the next year.
		assert.Equal(t, calendar.Day{Year: c.year, Month: 12, Day: 31}, dayOf(end.Add(-1), tr.loc, tr.dayStart))
		assert.Equal(t, calendar.Day{Year: c.year + 1, Month: 1, Day: 1}, dayOf(end, tr.loc, tr.dayStart))
		w, err := tr.window(at.Add(-time.Millisecond))
		require.NoError(t, err)
		assert.Equal(t, c.year, w.oldest)
		w, err = tr.window(at)
		require.NoError(t, err)
		assert.Equal(t, c.year+1, w.oldest)
	}
}

// TestView: what is kept of the last call is used as long as it is right, and not a moment longer.
func TestView(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 3))
	for _, l := range lives {
		tr := newTracker(t, lardertest.New(t), Options{
			Location: zone(t, l.zone), DayStart: l.opts.DayStart + time.Duration(r.IntN(2)), Keep: l.opts.Keep,
		})
		start := day(l.start).Start(tr.loc)
		for range 400 {
			at := start.Add(time.Duration(r.Int64N(int64(500 * 24 * time.Hour))))
			v, err := tr.view(at)
			require.NoError(t, err)
			require.False(t, at.Before(v.from))
			require.True(t, at.Before(v.until))
			around := []time.Time{at, v.from, v.until.Add(-1), v.from.Add(time.Duration(r.Int64N(int64(v.until.Sub(v.from)))))}
			for _, same := range around {
				w, err := tr.window(same)
				require.NoError(t, err)
				require.Equal(t, w, v.window, "%v, %v", tr.loc, same)
				kept, err := tr.view(same)
				require.NoError(t, err)
				require.Same(t, v, kept)
			}
			require.Equal(t, tr.skipped(v.first(), v.today), v.skipped)
			for _, other := range []time.Time{v.from.Add(-1), v.until} {
				w, err := tr.window(other)
				require.NoError(t, err)
				next, err := tr.view(other)
				require.NoError(t, err)
				require.Equal(t, w, next.window, "%v, %v", tr.loc, other)
			}
		}
	}
}

// TestViewOfMany: callers at once, each in its own time, share a tracker.
func TestViewOfMany(t *testing.T) {
	t.Parallel()
	tr := newTracker(t, lardertest.New(t), Options{Location: zone(t, "Pacific/Apia")})
	var wg sync.WaitGroup
	for caller := range 4 {
		wg.Go(func() {
			at := noon("2011-12-25").AddDate(caller, 0, 0)
			for range 2000 {
				at = at.Add(7 * time.Hour)
				v, err := tr.view(at)
				if !assert.NoError(t, err) || !assert.Equal(t, dayOf(at, tr.loc, 0), v.today) {
					return
				}
			}
		})
	}
	wg.Wait()
}
