package checkin

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
)

// model is the oracle of a Tracker: a set of days, and nothing that is clever.
type model struct {
	opts Options
	days map[calendar.Day]bool
	were map[string]bool // whether a day was ever in a zone
}

func newModel(opts Options) *model {
	return &model{opts: opts, days: map[calendar.Day]bool{}, were: map[string]bool{}}
}

// today asks the clock on the wall: before DayStart it is still the day before.
func (m *model) today(at time.Time, loc *time.Location) calendar.Day {
	local := at.In(loc)
	y, mo, d := local.Date()
	today := calendar.Day{Year: y, Month: mo, Day: d}
	h, mi, s := local.Clock()
	if time.Duration(h)*time.Hour+time.Duration(mi)*time.Minute+time.Duration(s)*time.Second < m.opts.DayStart {
		return today.Add(-1)
	}
	return today
}

// exists looks for a moment of a day in a zone: one in its middle, or else every quarter of an hour around it.
func (m *model) exists(d calendar.Day, loc *time.Location) bool {
	if m.today(time.Date(d.Year, d.Month, d.Day, 12, 0, int(m.opts.DayStart/time.Second), 0, loc), loc) == d {
		return true
	}
	key := loc.String() + d.String()
	was, known := m.were[key]
	if !known {
		at := time.Date(d.Year, d.Month, d.Day-1, 8, 0, 0, 0, time.UTC)
		for range 80 * 4 {
			if at = at.Add(15 * time.Minute); m.today(at, loc) == d {
				was = true
				break
			}
		}
		m.were[key] = was
	}
	return was
}

// oldest is the first year whose end is less than Keep ago.
func (m *model) oldest(at time.Time, loc *time.Location) int {
	year := m.today(at, loc).Year
	for y := year - 1; y >= 1900; y-- {
		end := time.Date(y+1, 1, 1, 0, 0, int(m.opts.DayStart/time.Second), 0, loc)
		if m.opts.Keep != -1 && !end.Add(m.opts.Keep).After(at) || year-y > 100 {
			return y + 1
		}
	}
	return 1900
}

// line is every day from one to another that counts: that exists, or is there all the same.
func (m *model) line(from, to calendar.Day, loc *time.Location) (days []calendar.Day, set []bool) {
	for d := from; !d.After(to); d = d.Add(1) {
		if m.days[d] || m.exists(d, loc) {
			days, set = append(days, d), append(set, m.days[d])
		}
	}
	return days, set
}

func longest(set []bool) int {
	best, run := 0, 0
	for _, s := range set {
		run++
		if !s {
			run = 0
		}
		best = max(best, run)
	}
	return best
}

func (m *model) stats(at time.Time, loc *time.Location) Stats {
	today := m.today(at, loc)
	from := calendar.Day{Year: m.oldest(at, loc), Month: 1, Day: 1}
	// Before the first day that is there, nothing counts.
	first := today
	for d := range m.days {
		if d.Before(first) {
			first = d
		}
	}
	if first = first.Add(-3); from.Before(first) {
		from = first
	}
	days, set := m.line(from, today, loc)
	s := Stats{Longest: longest(set)}
	for i, d := range days {
		if set[i] {
			s.Total++
			s.Last = d
			if s.First.IsZero() {
				s.First = d
			}
		}
	}
	if s.Total == 0 {
		return Stats{}
	}
	n := len(set)
	s.CheckedToday = set[n-1]
	end := n
	if !s.CheckedToday {
		end--
	}
	for end > 0 && set[end-1] {
		s.Current++
		end--
	}
	s.Pending = !s.CheckedToday && s.Current > 0
	s.Truncated = set[0] && days[0].Year == m.oldest(at, loc) && days[0].YearDay() <= 2
	return s
}

// refused is what a change of a day has to be refused with.
func (m *model) refused(d calendar.Day, at time.Time, loc *time.Location) error {
	today := m.today(at, loc)
	switch {
	case !d.Valid():
		return ErrInvalidDay
	case !m.exists(d, loc):
		return ErrInvalidDay
	case d.After(today):
		return ErrFuture
	case d.Year < m.oldest(at, loc):
		return ErrTooOld
	}
	back := 0
	for e := d.Add(1); !e.After(today) && back <= m.opts.Backfill; e = e.Add(1) {
		if m.exists(e, loc) {
			back++
		}
	}
	if back > m.opts.Backfill {
		return ErrTooOld
	}
	return nil
}

// run is how long the run is in which a day lies, by its neighbours that count.
func (m *model) run(d calendar.Day, at time.Time, loc *time.Location) int {
	if !m.days[d] {
		return 0
	}
	n := 1
	first := calendar.Day{Year: m.oldest(at, loc), Month: 1, Day: 1}
	for e := d.Add(-1); !e.Before(first) && (m.days[e] || !m.exists(e, loc)); e = e.Add(-1) {
		if m.days[e] {
			n++
		}
	}
	for e := d.Add(1); !e.After(m.today(at, loc)) && (m.days[e] || !m.exists(e, loc)); e = e.Add(1) {
		if m.days[e] {
			n++
		}
	}
	return n
}

// change is what a check-in, a backfill or an undo has to answer with.
func (m *model) change(d calendar.Day, set bool, at time.Time, loc *time.Location) Result {
	r := Result{Day: d, New: set && !m.days[d], Removed: !set && m.days[d]}
	longestBefore := 0
	for _, step := range []int{-1, 1} {
		for e := d.Add(step); m.days[e] || !m.exists(e, loc); e = e.Add(step) {
			if e.Year < m.oldest(at, loc) || e.After(m.today(at, loc)) {
				break
			}
			if m.days[e] {
				longestBefore = max(longestBefore, m.run(e, at, loc))
				break
			}
		}
	}
	if set {
		m.days[d] = true
	} else {
		delete(m.days, d)
	}
	if r.New {
		after := m.run(d, at, loc)
		for _, stone := range slices.Sorted(slices.Values(m.opts.Milestones)) {
			if longestBefore < stone && stone <= after {
				r.Reached = append(r.Reached, stone)
			}
		}
	}
	r.Stats = m.stats(at, loc)
	return r
}

func (m *model) calendar(from, to calendar.Day, at time.Time, loc *time.Location) Calendar {
	c := Calendar{From: from, To: to}
	oldest := 0
	if m.opts.Keep != -1 {
		oldest = m.oldest(at, loc)
	}
	kept := &model{opts: m.opts, days: map[calendar.Day]bool{}, were: m.were}
	for d := from; !d.After(to); d = d.Add(1) {
		there := m.days[d] && d.Year >= oldest
		c.Checked = append(c.Checked, there)
		if there {
			c.Count++
			kept.days[d] = true
		}
	}
	_, set := kept.line(from, to, loc)
	c.Longest = longest(set)
	return c
}

// life is a random history.
type life struct {
	zone  string
	other string // where the user is now and then
	start string
	opts  Options
}

// lives are far in the future where years expire, since a real server expires them by its own clock.
var lives = []life{
	{"UTC", "Asia/Kathmandu", "2095-11-20", Options{Milestones: []int{3, 7, 30}}},
	{"Pacific/Apia", "America/Los_Angeles", "2011-12-10", Options{Keep: -1, Backfill: 3, Milestones: []int{2, 3, 5}}},
	{"Pacific/Apia", "Pacific/Pago_Pago", "2011-12-12", Options{Keep: -1, Backfill: 2, DayStart: 4 * time.Hour}},
	{"Pacific/Kiritimati", "Pacific/Honolulu", "1994-12-15", Options{Keep: -1, Backfill: 9, Milestones: []int{1, 4}}},
	{"Pacific/Kwajalein", "UTC", "1993-08-01", Options{Keep: -1, Backfill: 1}},
	{"Australia/Lord_Howe", "America/New_York", "2096-01-15", Options{Keep: 400 * 24 * time.Hour, Backfill: 30, Milestones: []int{3, 10}}},
	{"Asia/Kathmandu", "Pacific/Chatham", "2098-12-01", Options{Keep: 24 * time.Hour, Backfill: 5, DayStart: 4 * time.Hour}},
	{"America/New_York", "Europe/London", "2095-02-20", Options{Keep: 800 * 24 * time.Hour, DayStart: 23*time.Hour + 59*time.Minute, Backfill: 400}},
	{"America/Sao_Paulo", "UTC", "2017-10-01", Options{Keep: -1, Backfill: 1, Milestones: []int{5}}}, // midnight is skipped once a year
	{"America/St_Johns", "Asia/Tehran", "2099-12-20", Options{Keep: 31 * 24 * time.Hour, Backfill: 40}},
	{"Africa/Cairo", "Pacific/Marquesas", "2096-02-25", Options{Backfill: 1, DayStart: 30 * time.Minute, Milestones: []int{2}}},
	{"Asia/Riyadh", "Pacific/Auckland", "2103-12-25", Options{Keep: time.Hour, Backfill: 2}}, // 2104 is a leap year, 2100 was none
}

// live goes through a random history on a tracker and the model.
func live(t *testing.T, e redistest.Env, l life, seed uint64, steps int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 5))
	opts := l.opts
	opts.Namespace, opts.Location = e.Namespace, zone(t, l.zone)
	home := newTracker(t, e.Client, opts)
	m := newModel(opts)
	if m.opts.Keep == 0 {
		m.opts.Keep = 3660 * 24 * time.Hour
	}
	user := e.ID(fmt.Sprintf("%s}%%{%d", l.zone, seed))
	ctx := t.Context()
	now := day(l.start).Start(opts.Location).Add(5 * time.Hour)
	for step := range steps {
		tracker, loc := home, opts.Location
		if r.IntN(8) == 0 {
			loc = zone(t, l.other)
			tracker = home.In(loc)
		}
		what := fmt.Sprintf("%s, seed %d, step %d, at %v", l.zone, seed, step, now.In(loc))
		today := m.today(now, loc)
		some := today.Add(-r.IntN(m.opts.Backfill + 2))
		if r.IntN(6) == 0 {
			some = today.Add(2 - r.IntN(9))
		}
		if r.IntN(30) == 0 {
			some = calendar.Day{Year: today.Year, Month: 2, Day: 30}
		}
		switch r.IntN(10) {
		case 0, 1, 2, 3, 4:
			got, err := tracker.CheckInAt(ctx, user, now)
			require.NoError(t, err, what)
			require.Equal(t, m.change(today, true, now, loc), got, what)
		case 5, 6, 7:
			set, call := true, tracker.BackfillAt
			if r.IntN(4) == 0 {
				set, call = false, tracker.UndoAt
			}
			got, err := call(ctx, user, some, now)
			if want := m.refused(some, now, loc); want != nil {
				require.ErrorIs(t, err, want, "%s: %v", what, some)
				require.Zero(t, got)
				break
			}
			require.NoError(t, err, "%s: %v", what, some)
			require.Equal(t, m.change(some, set, now, loc), got, "%s: %v", what, some)
		case 8:
			got, err := tracker.StatsAt(ctx, user, now)
			require.NoError(t, err, what)
			require.Equal(t, m.stats(now, loc), got, what)
		case 9:
			from := today.Add(r.IntN(80) - 420)
			to := from.Add(r.IntN(440))
			got, err := tracker.RangeAt(ctx, user, from, to, now)
			require.NoError(t, err, what)
			require.Equal(t, m.calendar(from, to, now, loc), got, what)
			got, err = tracker.MonthAt(ctx, user, from.Year, from.Month, now)
			require.NoError(t, err, what)
			first := calendar.Day{Year: from.Year, Month: from.Month, Day: 1}
			require.Equal(t, m.calendar(first, first.Add(calendar.DaysInMonth(from.Year, from.Month)-1), now, loc), got, what)
		}
		switch r.IntN(20) {
		case 0:
			now = now.Add(time.Duration(r.IntN(200)) * 24 * time.Hour)
		case 1, 2, 3: // the same day, or an hour of the night that is of two
			now = now.Add(time.Duration(r.IntN(180)) * time.Minute)
		default:
			now = now.Add(time.Duration(16*60+r.IntN(14*60)) * time.Minute)
		}
	}
	// What is stored expires exactly if it should.
	for _, master := range e.Masters() {
		keys, err := master.Keys(ctx, e.Namespace+":checkin:{"+escape.Replace(user)+"}:*").Result()
		require.NoError(t, err)
		for _, key := range keys {
			ttl, err := master.PTTL(ctx, key).Result()
			require.NoError(t, err)
			assert.Equal(t, opts.Keep != -1, ttl > 0, "%s: %v", key, ttl)
		}
	}
}

// TestModel holds trackers against a naive set of days: random histories over zones of all kinds, beginnings of days,
// windows of backfills, retention edges, years and leap days, on every kind of server and client.
func TestModel(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		for i, l := range lives {
			switch e.Kind {
			case redistest.KindMiniredis:
				if l.opts.Keep == -1 && i != 1 {
					continue // a hundred years each time
				}
				live(t, e, l, uint64(i), 12)
			case redistest.KindStandalone:
				for seed := range uint64(3) {
					live(t, e, l, seed*100+uint64(i), 130)
				}
			default:
				live(t, e, l, 1000+uint64(i), 25)
			}
		}
	})
}
