package leaderboard_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/larder-go/larder/leaderboard"
)

// model is a naive leaderboard in memory, the oracle of the tests: it sorts everything anew for each question.
type model struct {
	opts    leaderboard.Options
	seasons map[string]*modelSeason
}

type modelSeason struct {
	opts leaderboard.Options
	rows map[string]*modelRow
}

type modelRow struct {
	member string
	score  float64
	tie    int64 // milliseconds
	data   []byte
}

func newModel(opts leaderboard.Options) *model {
	return &model{opts: opts, seasons: map[string]*modelSeason{}}
}

func (m *model) season(at time.Time) *modelSeason {
	label := m.opts.Period.Label(at, m.opts.Location)
	if m.seasons[label] == nil {
		m.seasons[label] = &modelSeason{opts: m.opts, rows: map[string]*modelRow{}}
	}
	return m.seasons[label]
}

// better compares scores: negative where a is better.
func (s *modelSeason) better(a, b float64) int {
	if s.opts.Order == leaderboard.HighestFirst {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

func (s *modelSeason) sorted() []*modelRow {
	rows := make([]*modelRow, 0, len(s.rows))
	for _, r := range s.rows {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b *modelRow) int {
		if c := s.better(a.score, b.score); c != 0 {
			return c
		}
		if s.opts.Ties == leaderboard.EarliestFirst {
			if c := cmp.Compare(a.tie, b.tie); c != 0 {
				return c
			}
		}
		if s.opts.Order == leaderboard.HighestFirst {
			return strings.Compare(b.member, a.member)
		}
		return strings.Compare(a.member, b.member)
	})
	return rows
}

// entries are all rows with their ranks.
func (s *modelSeason) entries() []leaderboard.Entry {
	rows := s.sorted()
	entries := make([]leaderboard.Entry, 0, len(rows))
	for i, r := range rows {
		rank := int64(i + 1)
		var ahead, level int64
		distinct := map[float64]bool{}
		for _, other := range rows {
			switch c := s.better(other.score, r.score); {
			case c < 0:
				ahead++
				distinct[other.score] = true
			case c == 0:
				level++
			}
		}
		switch s.opts.Ranking {
		case leaderboard.Competition:
			rank = ahead + 1
		case leaderboard.Modified:
			rank = ahead + level
		case leaderboard.Dense:
			rank = int64(len(distinct)) + 1
		case leaderboard.Ordinal:
		}
		entries = append(entries, leaderboard.Entry{Member: r.member, Score: r.score, Rank: rank})
	}
	return entries
}

func (s *modelSeason) get(member string) leaderboard.Entry {
	for _, e := range s.entries() {
		if e.Member == member {
			return e
		}
	}
	return leaderboard.Entry{Member: member}
}

// set applies one submit without the Cap, and says whether the score changed.
func (s *modelSeason) set(member string, score float64, at time.Time) bool {
	score += 0 // -0 is 0
	tie := at.UnixMilli()
	r := s.rows[member]
	if r == nil {
		s.rows[member] = &modelRow{member: member, score: score, tie: tie}
		return true
	}
	if r.score == score {
		r.tie = min(r.tie, tie)
		return false
	}
	better := s.better(score, r.score) < 0
	if s.opts.Policy == leaderboard.KeepBest && !better || s.opts.Policy == leaderboard.KeepWorst && better {
		return false
	}
	r.score, r.tie = score, tie
	return true
}

func (s *modelSeason) cap() {
	if s.opts.Cap > 0 {
		s.trim(s.opts.Cap)
	}
}

func (s *modelSeason) trim(keep int64) int64 {
	rows := s.sorted()
	if int64(len(rows)) <= keep {
		return 0
	}
	for _, r := range rows[keep:] {
		delete(s.rows, r.member)
	}
	return int64(len(rows)) - keep
}

func (s *modelSeason) submit(member string, score float64, at time.Time) leaderboard.Result {
	return s.change(member, func() bool { return s.set(member, score, at) })
}

// change wraps what changes one member into the Result.
func (s *modelSeason) change(member string, apply func() bool) leaderboard.Result {
	before := s.get(member)
	res := leaderboard.Result{Existed: before.Rank > 0, PreviousScore: before.Score, PreviousRank: before.Rank}
	res.Applied = apply()
	s.cap()
	res.Entry = s.get(member)
	if res.Rank == 0 {
		res.Applied = false
	}
	return res
}

// increment returns false where the sum is not finite.
func (s *modelSeason) increment(member string, delta float64, at time.Time) (leaderboard.Result, bool) {
	r := s.rows[member]
	sum := delta
	if r != nil {
		sum = r.score + delta
	}
	if math.IsInf(sum, 0) {
		return leaderboard.Result{}, false
	}
	return s.change(member, func() bool {
		if r != nil && r.score == sum {
			return false
		}
		return s.set(member, sum, at)
	}), true
}

func (s *modelSeason) removeByScore(lo, hi float64) int64 {
	var n int64
	for member, r := range s.rows {
		if r.score >= lo && r.score <= hi {
			delete(s.rows, member)
			n++
		}
	}
	return n
}

func (s *modelSeason) remove(members ...string) int64 {
	var n int64
	for _, member := range members {
		if s.rows[member] != nil {
			delete(s.rows, member)
			n++
		}
	}
	return n
}

// between are the rows from a 0-based position on, clamped.
func (s *modelSeason) between(first, size int) []leaderboard.Entry {
	entries := s.entries()
	first = min(max(first, 0), len(entries))
	return entries[first:min(first+max(size, 0), len(entries))]
}

// window is a window of size rows around a 0-based position.
func (s *modelSeason) window(at, size int) []leaderboard.Entry {
	n := len(s.rows)
	first := max(0, min(at-size/2, n-size))
	return s.between(first, size)
}

func (s *modelSeason) around(member string, size int) []leaderboard.Entry {
	return s.window(slices.IndexFunc(s.sorted(), func(r *modelRow) bool { return r.member == member }), size)
}

func (s *modelSeason) aroundScore(score float64, size int) []leaderboard.Entry {
	at := 0
	for _, r := range s.rows {
		if s.better(r.score, score) < 0 {
			at++
		}
	}
	return s.window(at, size)
}

func (s *modelSeason) byScore(lo, hi float64, limit int) []leaderboard.Entry {
	found := []leaderboard.Entry{}
	for _, e := range s.entries() {
		if e.Score >= lo && e.Score <= hi && (limit == 0 || len(found) < limit) {
			found = append(found, e)
		}
	}
	return found
}

func (s *modelSeason) percentile(member string) float64 {
	worse := 0
	for _, r := range s.rows {
		if s.better(s.rows[member].score, r.score) < 0 {
			worse++
		}
	}
	if len(s.rows) == 1 {
		return 100
	}
	return 100 * float64(worse) / float64(len(s.rows)-1)
}

// dump is for messages of failed tests.
func (s *modelSeason) dump() string {
	var b strings.Builder
	for _, r := range s.sorted() {
		fmt.Fprintf(&b, "%q %v tie %d data %q\n", r.member, r.score, r.tie, r.data)
	}
	return b.String()
}
