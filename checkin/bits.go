package checkin

import (
	"math/bits"
	"slices"

	"github.com/larder-go/larder/calendar"
)

// bitmap is a set of consecutive days, or of ids, from 0 to n-1. The first is the lowest bit of the first word. Bits from
// n on are zero.
type bitmap struct {
	words []uint64
	n     int
}

func newBitmap(n int) bitmap { return bitmap{words: make([]uint64, (n+63)/64), n: n} }

func (b bitmap) has(i int) bool { return i >= 0 && i < b.n && b.words[i>>6]>>(i&63)&1 == 1 }

func (b bitmap) add(i int) { b.words[i>>6] |= 1 << (i & 63) }

func (b bitmap) remove(i int) { b.words[i>>6] &^= 1 << (i & 63) }

// put copies the first n bits of a string of Redis to the days from an index on. Redis counts from the highest bit of a
// byte. What the string holds beyond n is nobody's day.
func (b bitmap) put(s string, at, n int) {
	n = min(n, b.n-at)
	for i := 0; i*8 < n && i < len(s); i += 8 {
		// Eight bytes, or what is left of them, each with its first day in the lowest bit.
		var w uint64
		if len(s)-i >= 8 {
			w = bits.Reverse64(bits.ReverseBytes64(word(s[i:])))
		} else {
			w = bits.Reverse64(bits.ReverseBytes64(rest(s[i:])))
		}
		if left := n - i*8; left < 64 {
			w &= 1<<left - 1
		}
		k := at + i*8
		b.words[k>>6] |= w << (k & 63)
		if k&63 > 0 && w>>(64-k&63) != 0 {
			b.words[k>>6+1] |= w >> (64 - k&63)
		}
	}
}

// count returns how many there are.
func (b bitmap) count() int {
	n := 0
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// longest returns the length of the longest run.
func (b bitmap) longest() int {
	best, run := 0, 0 // run ends where the word begins
	for _, w := range b.words {
		if w == ^uint64(0) {
			run += 64
			continue
		}
		best = max(best, run+bits.TrailingZeros64(^w))
		run = bits.LeadingZeros64(^w)
		for w = runs(w, best+1); w != 0; w &= w >> 1 {
			best++
		}
	}
	return max(best, run)
}

// runs returns the places in a word at which n places follow each other, from there on.
func runs(w uint64, n int) uint64 {
	have := 1
	for ; have*2 <= n && w != 0; have *= 2 {
		w &= w >> have
	}
	return w & (w >> (n - have))
}

// before returns the length of the run that ends at i; 0 if i is not there.
func (b bitmap) before(i int) int {
	n := 0
	for b.has(i) {
		if i&63 == 63 && b.words[i>>6] == ^uint64(0) {
			n, i = n+64, i-64
			continue
		}
		n, i = n+1, i-1
	}
	return n
}

// after returns the length of the run that begins at i; 0 if i is not there.
func (b bitmap) after(i int) int {
	n := 0
	for b.has(i) {
		n, i = n+1, i+1
	}
	return n
}

// first returns the first one, and -1 if there is none.
func (b bitmap) first() int {
	for i, w := range b.words {
		if w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
	}
	return -1
}

// last returns the last one, and -1 if there is none.
func (b bitmap) last() int {
	for i, w := range slices.Backward(b.words) {
		if w != 0 {
			return i*64 + 63 - bits.LeadingZeros64(w)
		}
	}
	return -1
}

// without returns the set without some of its places, given in order: what was behind them moves up.
func (b bitmap) without(places []int) bitmap {
	out := newBitmap(b.n - len(places))
	to := 0
	for i := range b.n {
		if len(places) > 0 && places[0] == i {
			places = places[1:]
			continue
		}
		if b.has(i) {
			out.add(to)
		}
		to++
	}
	return out
}

// history is what is stored of a user in a window of days.
type history struct {
	from calendar.Day // the first day of the window
	days bitmap       // all days
	runs bitmap       // without the days that never existed and are not there, which do not break a run
	gone []int        // those days, as indexes into days
}

// newHistory makes a history of the days from one to another of strings that each hold a year, from the last year down.
// A year that is not there is "".
func newHistory(from, to calendar.Day, last int, years []string) history {
	h := history{from: from, days: newBitmap(to.Sub(from) + 1)}
	for i, s := range years {
		if s == "" {
			continue
		}
		first := calendar.Day{Year: last - i, Month: 1, Day: 1}
		at, n := first.Sub(from), calendar.DaysInYear(last-i)
		if at < 0 { // the window begins within the year
			whole := newBitmap(n)
			whole.put(s, 0, n)
			for k := -at; k < n && k+at < h.days.n; k++ {
				if whole.has(k) {
					h.days.add(k + at)
				}
			}
			continue
		}
		if at < h.days.n {
			h.days.put(s, at, n)
		}
	}
	h.runs = h.days
	return h
}

// put sets or clears a day of the window.
func (h history) put(day calendar.Day, set bool) {
	if i := day.Sub(h.from); set {
		h.days.add(i)
	} else {
		h.days.remove(i)
	}
}

// skip returns the history without the days in its runs that never existed, unless they are there.
func (h history) skip(skipped []calendar.Day) history {
	for _, day := range skipped {
		if i := day.Sub(h.from); i >= 0 && i < h.days.n && !h.days.has(i) {
			h.gone = append(h.gone, i)
		}
	}
	if len(h.gone) > 0 {
		h.runs = h.days.without(h.gone)
	}
	return h
}

// place is where a day is in runs.
func (h history) place(day calendar.Day) int {
	i := day.Sub(h.from)
	less := 0
	for _, g := range h.gone {
		if g < i {
			less++
		}
	}
	return i - less
}

// stats counts, on the last day of the window.
func (h history) stats() Stats {
	var s Stats
	s.Total = h.days.count()
	if s.Total == 0 {
		return s
	}
	s.Longest = h.runs.longest()
	s.First, s.Last = h.from.Add(h.days.first()), h.from.Add(h.days.last())
	s.Truncated = h.runs.has(0)
	today := h.runs.n - 1
	s.CheckedToday = h.runs.has(today)
	if s.CheckedToday {
		s.Current = h.runs.before(today)
	} else {
		s.Current = h.runs.before(today - 1)
		s.Pending = s.Current > 0
	}
	return s
}

// around returns the lengths of the runs that end right before a day and begin right after it.
func (h history) around(day calendar.Day) (before, after int) {
	i := h.place(day)
	return h.runs.before(i - 1), h.runs.after(i + 1)
}
