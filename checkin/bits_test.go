package checkin

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
)

// TestBitmap holds the arithmetic of words against lists of booleans.
func TestBitmap(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := 1 + r.IntN(400)
		set := make([]bool, n)
		b := newBitmap(n)
		share := r.IntN(12)
		for i := range set {
			if set[i] = r.IntN(11) < share; set[i] {
				b.add(i)
			}
		}
		count, first, last := 0, -1, -1
		for i, s := range set {
			require.Equal(t, s, b.has(i))
			if s {
				count++
				last = i
				if first < 0 {
					first = i
				}
			}
		}
		require.Equal(t, count, b.count())
		require.Equal(t, first, b.first())
		require.Equal(t, last, b.last())
		require.Equal(t, longest(set), b.longest())
		at := r.IntN(n)
		before, after := 0, 0
		for i := at; i >= 0 && set[i]; i-- {
			before++
		}
		for i := at; i < n && set[i]; i++ {
			after++
		}
		require.Equal(t, before, b.before(at))
		require.Equal(t, after, b.after(at))
		var without []bool
		var places []int
		for i, s := range set {
			if r.IntN(5) == 0 {
				places = append(places, i)
				continue
			}
			without = append(without, s)
		}
		squeezed := b.without(places)
		require.Equal(t, len(without), squeezed.n)
		for i, s := range without {
			require.Equal(t, s, squeezed.has(i))
		}
	}
	for _, i := range []int{-1, 64, 1 << 30} {
		assert.False(t, newBitmap(64).has(i))
		assert.Zero(t, newBitmap(64).before(i))
	}
}

// bitOf reads a bit as Redis does.
func bitOf(s string, i int) bool { return i/8 < len(s) && s[i/8]>>(7-i%8)&1 == 1 }

// FuzzYears: whatever strings there are, of any length, a history is those bits that are days of their years.
func FuzzYears(f *testing.F) {
	f.Add("\xff", "", "\x00\x80", 59, 400)
	f.Add(string(make([]byte, 100)), "\xff\xff\xff\xff\xff\xff\xff\xff\xff", "", 0, 1000)
	ones := make([]byte, 60)
	for i := range ones {
		ones[i] = 0xff
	}
	f.Add(string(ones), string(ones), string(ones), 0, 1095)
	f.Add(string(ones), string(ones), string(ones), 365, 1)
	f.Fuzz(func(t *testing.T, a, b, c string, skip, length int) {
		first := calendar.Day{Year: 2023, Month: time.January, Day: 1}
		skip, length = int(uint(skip)%1096), int(uint(length)%1096)
		from := first.Add(skip)
		to := first.Add(min(skip+length, 1095)) // 2024 is a leap year
		years := []string{c, b, a}[2025-to.Year:]
		if skip >= 365 {
			years = years[:len(years)-1] // as calendars ask for what they need
		}
		if skip >= 365+366 {
			years = years[:len(years)-1]
		}
		h := newHistory(from, to, to.Year, years)
		text := map[int]string{2023: a, 2024: b, 2025: c}
		want := make([]bool, to.Sub(from)+1)
		total := 0
		for i := range want {
			d := from.Add(i)
			want[i] = bitOf(text[d.Year], d.YearDay()-1)
			require.Equal(t, want[i], h.days.has(i), "%v", d)
			if want[i] {
				total++
			}
		}
		s := h.stats()
		require.Equal(t, total, s.Total)
		if total > 0 {
			require.Equal(t, longest(want), s.Longest)
			require.Equal(t, want[0], s.Truncated)
		}
	})
}

// TestSkipped: the days that never were, zone by zone.
func TestSkipped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone     string
		dayStart time.Duration
		from, to string
		want     []calendar.Day
	}{
		{"UTC", 0, "1900-01-01", "2199-12-31", nil},
		{"Europe/Berlin", 0, "1900-01-01", "2199-12-31", nil},
		{"America/Sao_Paulo", 0, "1900-01-01", "2199-12-31", nil},
		{"Pacific/Apia", 0, "1900-01-01", "2199-12-31", []calendar.Day{day("2011-12-30")}},
		{"Pacific/Apia", 0, "2011-12-30", "2011-12-30", []calendar.Day{day("2011-12-30")}},
		{"Pacific/Apia", 0, "2011-12-31", "2013-01-01", nil},
		{"Pacific/Apia", 0, "2011-01-01", "2011-12-29", nil},
		{"Pacific/Apia", time.Second, "1900-01-01", "2199-12-31", nil},
		{"Pacific/Fakaofo", 0, "2000-01-01", "2026-01-01", []calendar.Day{day("2011-12-30")}},
	} {
		tr := &Tracker{loc: zone(t, c.zone), dayStart: c.dayStart}
		assert.Equal(t, c.want, tr.skipped(day(c.from), day(c.to)), "%v", c)
	}
	fixed := &Tracker{loc: time.FixedZone("", 14*60*60)}
	assert.Empty(t, fixed.skipped(day("1900-01-01"), day("2199-12-31")))
}
