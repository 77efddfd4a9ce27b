package checkin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/bits"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
)

// How much is asked for in one pipeline: at most a megabyte of segments, and this many indexes of days, of which each is
// a few bytes for dense ids and 8 KB at most.
const (
	segmentsAtOnce = 1 << 20 / segmentBytes
	indexesAtOnce  = 512
)

// Count returns how many users were active on at least one of the days from one to another, both included: the DAU of
// a day, the WAU of seven, the MAU of a month. Two round trips, and one for each further megabyte; O(days x ids / 64),
// counted here, so that the server is never held for longer than a GET of 8 KB takes.
func (a *Activity) Count(ctx context.Context, from, to calendar.Day) (int64, error) {
	n, err := a.count(ctx, from, to)
	if err != nil {
		return 0, failed("count", fmt.Sprintf("%v to %v", from, to), err)
	}
	return n, nil
}

func (a *Activity) count(ctx context.Context, from, to calendar.Day) (int64, error) {
	if err := a.check(); err != nil {
		return 0, err
	}
	if err := checkRange(from, to); err != nil {
		return 0, err
	}
	n := int64(0)
	var all segment
	err := a.segments(ctx, between(from, to), nil, func(_ uint32, days []string) error {
		all = segment{}
		for _, s := range days {
			all.or(s)
		}
		n += all.count()
		return nil
	})
	return n, err
}

// Every returns how many users were active on each of the given days, of which there has to be at least one. It costs
// what [Activity.Count] does.
func (a *Activity) Every(ctx context.Context, days ...calendar.Day) (int64, error) {
	n, err := a.every(ctx, days)
	if err != nil {
		return 0, failed("count every", plural(len(days), "day"), err)
	}
	return n, nil
}

func (a *Activity) every(ctx context.Context, days []calendar.Day) (int64, error) {
	if err := a.checkDay(days...); err != nil {
		return 0, err
	}
	if len(days) == 0 || len(days) > maxDays {
		return 0, fmt.Errorf("%w: %d days", ErrRange, len(days))
	}
	days = slices.Clone(days)
	slices.SortFunc(days, calendar.Day.Compare)
	days = slices.Compact(days)
	inAll := func(has []bool) bool { return !slices.Contains(has, false) }
	n := int64(0)
	var all segment
	err := a.segments(ctx, days, inAll, func(_ uint32, days []string) error {
		all = segment{}
		all.or(days[0])
		for _, s := range days[1:] {
			all.and(s)
		}
		n += all.count()
		return nil
	})
	return n, err
}

// Members returns who was active on a day, in ascending order. Two round trips, and one for each further megabyte. It is
// not a snapshot: who is marked or unmarked meanwhile may be there or not; everybody else is there once. The sequence
// ends with its first error, and can be used once.
func (a *Activity) Members(ctx context.Context, day calendar.Day) iter.Seq2[uint32, error] {
	errStop := errors.New("stop")
	return func(yield func(uint32, error) bool) {
		err := a.checkDay(day)
		if err == nil {
			err = a.segments(ctx, []calendar.Day{day}, nil, func(number uint32, days []string) error {
				for i := range min(len(days[0]), segmentBytes) {
					for b := days[0][i]; b != 0; {
						bit := bits.LeadingZeros8(b)
						b &^= 0x80 >> bit
						if !yield(number<<segmentBits|uint32(i*8+bit), nil) { //nolint:gosec // below 65,536
							return errStop
						}
					}
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(0, failed("members on", day, err))
		}
	}
}

// segments hands over one segment after the other, as it is on each of some days, "" if it is not there. wanted says by
// the days that have a segment whether it is worth a look; nil: always.
func (a *Activity) segments(ctx context.Context, days []calendar.Day, wanted func(has []bool) bool, fn func(number uint32, days []string) error) error {
	indexes, err := a.indexes(ctx, days)
	if err != nil {
		return err
	}
	var pending []uint32
	asked := 0
	flush := func() error {
		if len(pending) == 0 {
			return nil
		}
		defer func() { pending, asked = pending[:0], 0 }()
		return a.fetch(ctx, days, indexes, pending, fn)
	}
	has := make([]bool, len(days))
	for _, number := range slices.Sorted(maps.Keys(indexes)) {
		n := 0
		clear(has)
		for _, d := range indexes[number] {
			has[d] = true
			n++
		}
		if wanted != nil && !wanted(has) {
			continue
		}
		if asked > 0 && asked+n > segmentsAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
		pending = append(pending, number)
		asked += n
	}
	return flush()
}

// indexes returns the segments that days have, each with the places of its days.
func (a *Activity) indexes(ctx context.Context, days []calendar.Day) (map[uint32][]int, error) {
	found := map[uint32][]int{}
	for at := 0; at < len(days); at += indexesAtOnce {
		part := days[at:min(at+indexesAtOnce, len(days))]
		keys := make([]string, len(part))
		for i, day := range part {
			keys[i] = a.indexKey(day)
		}
		texts, err := gets(ctx, a.rdb, keys)
		if err != nil {
			return nil, err
		}
		for d, text := range texts {
			for i := range min(len(text), segmentBytes) {
				for b := text[i]; b != 0; {
					bit := bits.LeadingZeros8(b)
					b &^= 0x80 >> bit
					number := uint32(i*8 + bit) //nolint:gosec // below 65,536
					found[number] = append(found[number], at+d)
				}
			}
		}
	}
	return found, nil
}

// fetch gets some segments, and hands them over. A segment of many days is fetched in several pipelines.
func (a *Activity) fetch(ctx context.Context, days []calendar.Day, indexes map[uint32][]int, numbers []uint32, fn func(uint32, []string) error) error {
	var keys []string
	for _, number := range numbers {
		for _, d := range indexes[number] {
			keys = append(keys, a.segmentKey(number, days[d]))
		}
	}
	var texts []string
	for part := range slices.Chunk(keys, segmentsAtOnce) {
		some, err := gets(ctx, a.rdb, part)
		if err != nil {
			return err
		}
		texts = append(texts, some...)
	}
	one := make([]string, len(days))
	for _, number := range numbers {
		if err := ctx.Err(); err != nil { // what is done with a segment may take long
			return err
		}
		clear(one)
		for _, d := range indexes[number] {
			one[d], texts = texts[0], texts[1:]
		}
		if err := fn(number, one); err != nil {
			return err
		}
	}
	return nil
}

// gets returns what keys hold, by a command for each, "" for what is not there. One round trip, on a cluster one to
// each node. A GET follows a slot on the move, and finds a foreign type, which MGET does not.
func gets(ctx context.Context, rdb redis.UniversalClient, keys []string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]string, len(keys))
	if len(keys) == 1 {
		text, err := rdb.Get(ctx, keys[0]).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		out[0] = text
		return out, nil
	}
	pipe := rdb.Pipeline()
	cmds := make([]*redis.StringCmd, len(keys))
	for i, key := range keys {
		cmds[i] = pipe.Get(ctx, key)
	}
	_, whole := pipe.Exec(ctx)
	for i, cmd := range cmds {
		text, err := cmd.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		out[i] = text
	}
	if whole != nil && !errors.Is(whole, redis.Nil) {
		return nil, whole // a refused greeting leaves no error at the commands
	}
	return out, nil
}

// between returns the days from one to another, both included.
func between(from, to calendar.Day) []calendar.Day {
	days := make([]calendar.Day, to.Sub(from)+1)
	for i := range days {
		days[i] = from.Add(i)
	}
	return days
}

// segment is a set of 65,536 ids. The order of its bits is that of Redis, which matters to nobody who counts.
type segment [segmentWords]uint64

// or adds what a string of Redis holds.
func (s *segment) or(text string) {
	text = text[:min(len(text), segmentBytes)]
	i := 0
	for ; len(text) >= 8; text, i = text[8:], i+1 {
		s[i] |= word(text)
	}
	if text != "" {
		s[i] |= rest(text)
	}
}

// and keeps what a string of Redis holds.
func (s *segment) and(text string) {
	text = text[:min(len(text), segmentBytes)]
	i := 0
	for ; len(text) >= 8; text, i = text[8:], i+1 {
		s[i] &= word(text)
	}
	if text != "" {
		s[i] &= rest(text)
		i++
	}
	clear(s[i:])
}

func (s *segment) count() int64 {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return int64(n)
}

// common counts who is in both.
func (s *segment) common(other *segment) int64 {
	n := 0
	for i, w := range s {
		n += bits.OnesCount64(w & other[i])
	}
	return int64(n)
}

// word makes a number of eight bytes.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// rest makes a number of fewer.
func rest(s string) uint64 {
	w := uint64(0)
	for i := range len(s) {
		w |= uint64(s[i]) << (8 * i)
	}
	return w
}
