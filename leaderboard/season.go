package leaderboard

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-go/larder/calendar"
)

// season is the board of one period, with its keys.
type season struct {
	start, end time.Time // zero: without a start and an end
	expires    time.Time // zero: never
	expireAt   string    // the same for scripts: milliseconds, "0" = never
	units      []unit
	scores     []string // the keys of the scores of all units
	layout     string   // the key of the record of the layout
	plain      string   // the key of the scores of a board with the default layout
	// seen: the board was there with the layout of this Board, so that an empty answer is no reason to look closer.
	seen atomic.Bool
}

// seasons keeps the seasons that were used last, so that their keys are built once.
type seasons struct {
	last  atomic.Pointer[season]
	mu    sync.Mutex
	known map[int64]*season // by start
}

// maxSeasons bounds the seasons that a board remembers.
const maxSeasons = 64

func (s *season) contains(t time.Time) bool {
	return !t.Before(s.start) && (s.end.IsZero() || t.Before(s.end))
}

// season returns that of the moment t.
func (c *core) season(t time.Time) (*season, error) {
	if t.IsZero() {
		return nil, fmt.Errorf("the zero time: %w", ErrArgument)
	} else if y := t.UTC().Year(); y < 1 || y > 9998 {
		return nil, fmt.Errorf("the year %d is not within 1 and 9998: %w", y, ErrArgument)
	}
	if s := c.seasons.last.Load(); s != nil && (s.end.IsZero() || s.contains(t)) {
		return s, nil
	}
	c.seasons.mu.Lock()
	defer c.seasons.mu.Unlock()
	start := c.opts.Period.Start(t, c.opts.Location)
	s := c.seasons.known[start.UnixMilli()]
	if s == nil {
		s = c.newSeason(t, start)
		if c.seasons.known == nil || len(c.seasons.known) >= maxSeasons {
			c.seasons.known = make(map[int64]*season)
		}
		c.seasons.known[start.UnixMilli()] = s
	}
	c.seasons.last.Store(s)
	return s, nil
}

func (c *core) newSeason(t, start time.Time) *season {
	period, loc := c.opts.Period, c.opts.Location
	s := &season{expireAt: "0"}
	s.units, s.layout, s.plain = unitsOf(c.opts, c.name, period.Label(t, loc))
	for i := range s.units {
		s.scores = append(s.scores, s.units[i].scores())
	}
	s.scores = slices.Clip(s.scores) // so that nobody appends to what all share
	if period == calendar.AllTime {
		return s
	}
	s.start, s.end = start, period.End(t, loc)
	switch {
	case c.opts.Keep > 0:
		s.expires = s.end.Add(c.opts.Keep)
	case c.opts.Keep == 0:
		s.expires = period.End(s.end, loc)
	default:
		return s
	}
	s.expireAt = strconv.FormatInt(s.expires.UnixMilli(), 10)
	return s
}

// writable returns the season of t, if it may still be written.
func (c *core) writable(t time.Time) (*season, error) {
	s, err := c.season(t)
	if err == nil && !s.expires.IsZero() && !s.expires.After(time.Now()) {
		err = fmt.Errorf("it was kept until %v: %w", s.expires.UTC().Format(time.RFC3339), ErrRetention)
	}
	return s, err
}

// unit returns the shard of a member.
func (s *season) unit(member string) *unit { return &s.units[shardOf(member, len(s.units))] }

// tieBytes is how long a time prefix is.
const tieBytes = 8

// prefix turns a moment into bytes that sort, among equal scores, so that the earlier one is ahead.
func (c *core) prefix(t time.Time) string {
	n := uint64(t.UnixMilli()) ^ 1<<63 //nolint:gosec // negative times sort before the others
	if c.opts.Order == HighestFirst {
		n = ^n // read from the end
	}
	var b [tieBytes]byte
	binary.BigEndian.PutUint64(b[:], n)
	return string(b[:])
}

// tieTime is the moment that a prefix stands for.
func (c *core) tieTime(prefix string) time.Time {
	n := binary.BigEndian.Uint64([]byte(prefix))
	if c.opts.Order == HighestFirst {
		n = ^n
	}
	return time.UnixMilli(int64(n ^ 1<<63)) //nolint:gosec // what prefix did
}

// member is the name that the caller knows of a stored one.
func (c *core) member(stored string) string {
	if c.opts.Ties == EarliestFirst && len(stored) >= tieBytes {
		return stored[tieBytes:]
	}
	return stored
}
