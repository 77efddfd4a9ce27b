package leaderboard

import (
	"context"
	"math"
	"slices"

	"github.com/redis/go-redis/v9"
)

// shallow is up to which position a board of several shards reads everything from the top: more rows than with samples,
// but in one fan-out.
const shallow = 1000

// windows asks every shard for a window.
func (b *Board) windows(ctx context.Context, s *season, args ...any) ([]window, error) {
	return b.windowsOf(ctx, s, askAll(s, &b.scripts.window, args...))
}

func (b *Board) windowsOf(ctx context.Context, s *season, asks []*ask) ([]window, error) {
	if err := b.fan(ctx, asks, false); err != nil {
		return nil, err
	}
	found := make([]window, len(asks))
	var rows int64
	for i, a := range asks {
		var err error
		if found[i], err = parseWindow(a.reply); err != nil {
			return nil, err
		}
		rows += found[i].total
	}
	return found, b.empty(ctx, s, rows)
}

// merge puts the rows of several shards in order, skips some and returns at most n. With whole it stops where a shard has
// no more rows here but has more of them behind (as its total says), since the next one may be there.
func (b *Board) merge(lists [][]row, skip, n int64, more []bool) []row {
	var room int64
	for _, l := range lists {
		room += int64(len(l))
	}
	merged := make([]row, 0, max(0, min(n, room-skip)))
	next := make([]int, len(lists))
	for int64(len(merged)) < n {
		best := -1
		for i, l := range lists {
			switch {
			case next[i] == len(l):
				if more != nil && more[i] {
					return merged
				}
			case best < 0 || b.isAhead(l[next[i]], lists[best][next[best]]):
				best = i
			}
		}
		if best < 0 {
			break
		}
		if skip > 0 {
			skip--
		} else {
			merged = append(merged, lists[best][next[best]])
		}
		next[best]++
	}
	return merged
}

func rowsOf(windows []window) [][]row {
	lists := make([][]row, len(windows))
	for i, w := range windows {
		lists[i] = w.rows
	}
	return lists
}

// extra is what b.entries needs for the rank of the first row (Competition) or the last one (Modified), out of the
// windows that they were merged from. A window knows it for its own first or last row; where that one has another score,
// its rows can be counted, since none of those that it left out can lie between.
func (b *Board) extra(windows []window, rows []row) int64 {
	var n int64
	if len(rows) == 0 {
		return 0
	}
	for _, w := range windows {
		switch b.opts.Ranking {
		case Competition:
			score := rows[0].score
			if len(w.rows) > 0 && w.rows[0].score == score {
				n += w.extra
				continue
			}
			n += w.first
			for _, r := range w.rows {
				if r.score != score && b.isAhead(r, row{score: score}) {
					n++
				}
			}
		case Modified:
			score := rows[len(rows)-1].score
			if len(w.rows) > 0 && w.rows[len(w.rows)-1].score == score {
				n += w.extra
				continue
			}
			n += w.first
			for _, r := range w.rows {
				if r.score == score || b.isAhead(r, row{score: score}) {
					n++
				}
			}
		case Ordinal, Dense:
		}
	}
	return n
}

// rangeShards reads the rows at 0-based positions.
func (b *Board) rangeShards(ctx context.Context, s *season, first, last int64) ([]Entry, error) {
	if last >= shallow && first > 0 {
		return b.deep(ctx, s, first, last)
	}
	// Members spread evenly, so a part of the rows from each shard makes up the whole, but for one case in thousands.
	n := float64(last+1) / float64(len(s.units))
	part := int64(n+5*math.Sqrt(n)) + 5
	windows, err := b.tops(ctx, s, min(part, last+1)-1)
	if err != nil {
		return nil, err
	}
	more := make([]bool, len(windows))
	for i, w := range windows {
		more[i] = int64(len(w.rows)) == part
	}
	rows := b.merge(rowsOf(windows), 0, last+1, more)
	if part < last+1 && int64(len(rows)) < last+1 && slices.Contains(more, true) {
		if windows, err = b.tops(ctx, s, last); err != nil {
			return nil, err
		}
		rows = b.merge(rowsOf(windows), 0, last+1, nil)
	}
	entries := b.entries(rows, 0, b.extraOfTop(windows, rows))
	return entries[min(first, int64(len(entries))):], nil
}

// tops reads the first rows of every shard: by a plain command, where their ranks need nothing else.
func (b *Board) tops(ctx context.Context, s *season, last int64) ([]window, error) {
	if b.opts.Ranking == Modified {
		return b.windows(ctx, s, "range", itoa(0), itoa(last))
	}
	name := "zrevrange"
	if b.opts.Order == LowestFirst {
		name = "zrange"
	}
	windows := make([]window, len(s.units))
	var n int64
	err := b.commandsShards(ctx, s, func(u *unit) redis.Cmder {
		return redis.NewZSliceCmd(ctx, name, u.scores(), 0, last, "withscores")
	}, func(u *unit, cmd redis.Cmder) error {
		c, ok := cmd.(*redis.ZSliceCmd)
		if !ok {
			return errReply
		}
		rows, err := rowsOfZ(c.Val())
		windows[u.shard].rows = rows
		n += int64(len(rows))
		return err
	})
	if err != nil {
		return nil, err
	}
	return windows, b.empty(ctx, s, n)
}

func (b *Board) extraOfTop(windows []window, rows []row) int64 {
	if b.opts.Ranking == Competition {
		return 0 // nothing is better than the first row
	}
	return b.extra(windows, rows)
}

// deep reads rows far from the top: it finds, by samples, a place shortly before the first one in each shard, and reads
// from there.
func (b *Board) deep(ctx context.Context, s *season, first, last int64) ([]Entry, error) {
	rows, err := b.rowsAt(ctx, s, first, last-first+1)
	if err != nil || len(rows) == 0 {
		return []Entry{}, err
	}
	var extra int64
	if b.opts.Ranking != Ordinal {
		p := place{score: rows[0].score, stored: rows[0].stored}
		if b.opts.Ranking == Modified {
			p = place{score: rows[len(rows)-1].score, stored: rows[len(rows)-1].stored}
		}
		asks := make([]*ask, len(s.units))
		for i := range asks {
			asks[i] = b.askAhead(&s.units[i], false, []place{p})
		}
		if err := b.fan(ctx, asks, false); err != nil {
			return nil, err
		}
		for _, a := range asks {
			_, counts, err := parseAhead(a)
			if err != nil {
				return nil, err
			}
			extra += counts[0]
		}
	}
	return b.entries(rows, first, extra), nil
}

// rowAt returns the row at a 0-based position.
func (b *Board) rowAt(ctx context.Context, s *season, at int64) (row, bool, error) {
	rows, err := b.rowsAt(ctx, s, at, 1)
	if err != nil || len(rows) == 0 {
		return row{}, false, err
	}
	return rows[0], true, nil
}

// bracket is where a shard is cut: all rows before low are among the first of the board, all from high on are not.
type bracket struct{ low, high int64 }

// sampled is a row and where it lies.
type sampled struct {
	row
	shard int
	at    int64
}

// How the place of a position is closed in on.
const (
	maxSamples = 64  // of a shard
	closeBy    = 256 // rows that are read and thrown away
	maxRounds  = 12
)

// rowsAt returns n rows from a 0-based position on.
func (b *Board) rowsAt(ctx context.Context, s *season, at, n int64) ([]row, error) {
	brackets := make([]bracket, len(s.units))
	for i := range brackets {
		brackets[i].high = -1
	}
	for range maxRounds {
		total, samples, err := b.samples(ctx, s, brackets)
		if err != nil {
			return nil, err
		}
		if at >= total {
			return nil, b.empty(ctx, s, total)
		}
		b.narrow(brackets, samples, at)
		if width(brackets) <= closeBy {
			break
		}
	}
	skip := at
	asks := make([]*ask, len(brackets))
	for _, c := range brackets {
		skip -= c.low
	}
	for i, c := range brackets {
		last := min(c.low+skip+n-1, farthest)
		asks[i] = &ask{unit: &s.units[i], script: &b.scripts.window, args: []any{"range", itoa(c.low), itoa(last)}}
	}
	windows, err := b.windowsOf(ctx, s, asks)
	if err != nil {
		return nil, err
	}
	return b.merge(rowsOf(windows), skip, n, nil), nil
}

func width(brackets []bracket) int64 {
	var n int64
	for _, c := range brackets {
		n += c.high - c.low
	}
	return n
}

// samples reads rows at even distances within the brackets, and closes those that are still open. They come in order.
func (b *Board) samples(ctx context.Context, s *season, brackets []bracket) (total int64, samples []sampled, err error) {
	most := max(8, min(maxSamples, 2048/len(brackets)))
	asks := make([]*ask, len(brackets))
	for i, c := range brackets {
		asks[i] = &ask{unit: &s.units[i], script: &b.scripts.sample, args: []any{itoa(c.low), itoa(c.high), most}}
	}
	if err := b.fan(ctx, asks, false); err != nil {
		return 0, nil, err
	}
	for i, a := range asks {
		l, err := list(a.reply, 1)
		if err != nil {
			return 0, nil, err
		}
		n, err := integer(l[0])
		if err != nil {
			return 0, nil, err
		}
		total += n
		if brackets[i].high < 0 || brackets[i].high > n {
			brackets[i].high = n
		}
		brackets[i].low = min(brackets[i].low, brackets[i].high)
		for l = l[1:]; len(l) >= 3; l = l[3:] {
			at, err := integer(l[0])
			if err != nil {
				return 0, nil, err
			}
			rows, err := parseRows(l[1:3])
			if err != nil {
				return 0, nil, err
			}
			samples = append(samples, sampled{row: rows[0], shard: i, at: at})
		}
	}
	slices.SortFunc(samples, func(x, y sampled) int {
		switch {
		case b.isAhead(x.row, y.row):
			return -1
		case b.isAhead(y.row, x.row):
			return 1
		default:
			return 0
		}
	})
	return total, samples, nil
}

// narrow moves the brackets of a position together. Of each sample is known how many rows at least and at most are ahead
// of it: in its own shard exactly its position, in another one all up to the last sample before it, and not those from
// the next sample on. The last sample that cannot lie behind the position is a lower bound of the cut, and the first one that
// cannot lie before it is an upper bound.
func (b *Board) narrow(brackets []bracket, samples []sampled, at int64) {
	least := make([]int64, len(brackets)) // in each shard, ahead of the sample that is looked at
	most := make([]int64, len(brackets))
	next := make([]int, len(samples)) // the next sample of the same shard
	first := make([]int, len(brackets))
	for i := range first {
		first[i] = -1
	}
	for i := len(samples) - 1; i >= 0; i-- {
		next[i] = first[samples[i].shard]
		first[samples[i].shard] = i
	}
	var sumLeast, sumMost int64
	for i, c := range brackets {
		least[i], most[i] = c.low, c.high
		if first[i] >= 0 {
			most[i] = samples[first[i]].at
		}
		sumLeast += least[i]
		sumMost += most[i]
	}
	low, high := make([]int64, len(brackets)), make([]int64, len(brackets))
	for i, c := range brackets {
		low[i], high[i] = c.low, c.high
	}
	for i, x := range samples {
		k := x.shard
		lower := sumLeast - least[k] + x.at
		upper := sumMost - most[k] + x.at
		if upper <= at {
			copy(low, least)
			low[k] = x.at
		}
		if lower >= at {
			copy(high, most)
			high[k] = x.at
			break
		}
		sumLeast += x.at + 1 - least[k]
		least[k] = x.at + 1
		following := brackets[k].high
		if next[i] >= 0 {
			following = samples[next[i]].at
		}
		sumMost += following - most[k]
		most[k] = following
	}
	for i := range brackets {
		brackets[i] = bracket{low: low[i], high: max(low[i], high[i])}
	}
}

// aroundShards centres on a member, whose own row must be known first.
func (b *Board) aroundShards(ctx context.Context, s *season, member string, size int64) ([]Entry, error) {
	places, rows, err := b.places(ctx, s.unit(member), []string{member})
	if err == nil {
		err = b.empty(ctx, s, rows)
	}
	if err != nil {
		return nil, err
	}
	p := places[0]
	if p.stored == "" {
		return nil, ErrNotFound
	}
	return b.near(ctx, s, format(p.score), p.stored, size)
}

func (b *Board) aroundScoreShards(ctx context.Context, s *season, score float64, size int64) ([]Entry, error) {
	return b.near(ctx, s, format(score), "", size)
}

// near reads a window around a place: as many rows on both sides of it from each shard as the window can have.
func (b *Board) near(ctx context.Context, s *season, score, stored string, size int64) ([]Entry, error) {
	if size == 0 {
		return []Entry{}, nil
	}
	windows, err := b.windows(ctx, s, "near", score, stored, itoa(size))
	if err != nil {
		return nil, err
	}
	var at, total int64
	before, behind := make([][]row, len(windows)), make([][]row, len(windows))
	for i, w := range windows {
		at += w.at
		total += w.total
		split := min(w.at-w.first, int64(len(w.rows)))
		before[i], behind[i] = w.rows[:split], w.rows[split:]
	}
	first := max(0, min(at-size/2, total-size))
	var held int64
	for _, l := range before {
		held += int64(len(l))
	}
	ahead := max(0, at-first)
	rows := b.merge(before, max(0, held-ahead), ahead, nil)
	rows = append(rows, b.merge(behind, 0, size-ahead, nil)...)
	return b.entries(rows, first, b.extra(windows, rows)), nil
}

// byScoreShards merges what each shard has between two scores.
func (b *Board) byScoreShards(ctx context.Context, s *season, best, worst string, limit int) ([]Entry, error) {
	windows, err := b.windows(ctx, s, "byscore", best, worst, limit)
	if err != nil {
		return nil, err
	}
	var first, n int64
	for _, w := range windows {
		first += w.first
		n += int64(len(w.rows))
	}
	if limit >= 0 {
		n = min(n, int64(limit))
	}
	rows := b.merge(rowsOf(windows), 0, n, nil)
	return b.entries(rows, first, b.extra(windows, rows)), nil
}

// nextShards is next for several shards: each is asked for about its part, and rows are merged as long as no shard
// could have one before them.
func (b *Board) nextShards(ctx context.Context, s *season, args []any) (entries []Entry, end row, more bool, err error) {
	per := int64(2*allChunk/len(s.units) + 16)
	after := args[0] == "after"
	var own []any
	if after {
		own = []any{"after", args[1], args[2], itoa(per)}
	} else {
		own = []any{"range", itoa(0), itoa(per - 1)}
	}
	windows, err := b.windows(ctx, s, own...)
	if err != nil {
		return nil, end, false, err
	}
	var first, better int64
	cut := make([]bool, len(windows))
	for i, w := range windows {
		first += w.first
		better += w.at
		cut[i] = w.first+int64(len(w.rows)) < w.total
	}
	rows := b.merge(rowsOf(windows), 0, allChunk*2, cut)
	if len(rows) == 0 {
		return nil, end, false, nil
	}
	extra := b.extra(windows, rows)
	if after && b.opts.Ranking == Competition && format(rows[0].score) == args[1] {
		extra = better // the rows with this score began before the windows
	}
	end = rows[len(rows)-1]
	return b.entries(rows, first, extra), end, true, nil
}
