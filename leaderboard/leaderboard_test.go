package leaderboard_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/leaderboard"
)

// base is a moment of the tests: far enough ahead that no period of it is past its Keep, near enough for every server.
var base = time.Date(2101, 3, 16, 10, 20, 30, 0, time.UTC)

// combination is one way to open a board.
type combination struct {
	name string
	opts leaderboard.Options
}

// combinations are all Orders, Policies, Ties, Rankings, with and without Cap.
func combinations(shards int) []combination {
	var all []combination
	for order := range 2 {
		for policy := range 3 {
			for ties := range 2 {
				for ranking := range 4 {
					for _, limit := range []int64{0, 5} {
						opts := leaderboard.Options{
							Order: leaderboard.Order(order), Policy: leaderboard.Policy(policy), Ties: leaderboard.Ties(ties),
							Ranking: leaderboard.Ranking(ranking), Cap: limit, Shards: shards,
						}
						if shards > 1 && opts.Ranking == leaderboard.Dense {
							continue
						}
						name := fmt.Sprintf("order%d-policy%d-ties%d-ranking%d-cap%d", order, policy, ties, ranking, limit)
						all = append(all, combination{name, opts})
					}
				}
			}
		}
	}
	return all
}

// spread gives combinations their Period and Keep, so that each of these meets many of the others.
func spread(i int, opts leaderboard.Options) leaderboard.Options {
	periods := []calendar.Period{calendar.AllTime, calendar.Weekly, calendar.Daily, calendar.Monthly, calendar.AllTime, calendar.Yearly, calendar.Hourly}
	opts.Period = periods[i%len(periods)]
	opts.Keep = []time.Duration{0, -1, 48 * time.Hour}[i%3]
	return opts
}

var (
	members = []string{
		"ann", "bob", "carol", "dan", "eve", "frank", "grace", "heidi", "a", "aa", "{x}", "%7B", "\xff\x00\n", "Ωmega", " ", "ivan", "judy", "z:1",
	}
	scores = []float64{
		0, 1, 2, 3, 1, 2, 3, 2.5, -1, -2.5, 0.1, 0.2, 0.30000000000000004, math.Copysign(0, -1), 9007199254740991, 1e20, 1.0000000000000002,
		123456789012345.6, -1e-300, 5e-324, 1700000000.25, -math.MaxFloat64 / 4, math.MaxFloat64 / 2,
	}
)

// duel is a board, its model, and a source of chance.
type duel struct {
	t     *testing.T
	board *leaderboard.Board
	model *model
	rnd   *rand.Rand
	log   []string
}

func newDuel(t *testing.T, e redistest.Env, name string, opts leaderboard.Options, seed uint64) *duel {
	t.Helper()
	opts.Namespace = e.Namespace
	board, err := leaderboard.New(e.Client, e.ID(name), opts)
	require.NoError(t, err)
	return &duel{t: t, board: board, model: newModel(opts), rnd: rand.New(rand.NewPCG(seed, 7))}
}

func (d *duel) member() string { return members[d.rnd.IntN(len(members))] }

func (d *duel) score() float64 { return scores[d.rnd.IntN(len(scores))] }

// when is one of a few moments, so that there are ties of times, and in two seasons of most periods.
func (d *duel) when() time.Time {
	at := base.Add(time.Duration(d.rnd.IntN(4)) * time.Millisecond)
	if d.rnd.IntN(8) == 0 {
		at = at.AddDate(0, 0, 400)
	}
	return at
}

func (d *duel) require(what string, want, got any, err error) {
	d.t.Helper()
	require.NoErrorf(d.t, err, "%s\n%v", what, d.log)
	require.Equalf(d.t, want, got, "%s\n%v", what, d.log)
}

// write does one random write on both.
func (d *duel) write() {
	t, ctx, at := d.t, d.t.Context(), d.when()
	t.Helper()
	season := d.model.season(at)
	board := d.board.At(at)
	member, score := d.member(), d.score()
	logf := func(format string, args ...any) {
		d.log = append(d.log, fmt.Sprintf("%d: ", at.UnixMilli())+fmt.Sprintf(format, args...)+"\n")
	}
	switch op := d.rnd.IntN(20); {
	case op < 8:
		logf("submit %q %v", member, score)
		got, err := d.board.SubmitAt(ctx, member, score, at)
		d.require("submit", season.submit(member, score, at), got, err)
	case op < 12:
		logf("increment %q %v", member, score)
		got, err := d.board.IncrementAt(ctx, member, score, at)
		if d.model.opts.Policy != leaderboard.KeepLatest {
			require.ErrorIs(t, err, leaderboard.ErrPolicy)
			return
		}
		want, ok := season.increment(member, score, at)
		if !ok {
			require.ErrorIs(t, err, leaderboard.ErrScore)
			return
		}
		d.require("increment", want, got, err)
	case op < 14:
		var entries []leaderboard.Submission
		for range d.rnd.IntN(6) {
			entries = append(entries, leaderboard.Submission{Member: d.member(), Score: d.score(), At: d.when()})
		}
		logf("entries %v", entries)
		var want int64
		for i, e := range entries {
			s := d.model.season(e.At)
			if i > 0 && s != d.model.season(entries[i-1].At) {
				d.model.season(entries[i-1].At).cap()
			}
			if s.set(e.Member, e.Score, e.At) {
				want++
			}
		}
		if len(entries) > 0 {
			d.model.season(entries[len(entries)-1].At).cap()
		}
		got, err := d.board.SubmitEntries(ctx, slices.Values(entries))
		d.require("submit entries", want, got, err)
	case op < 15:
		many := map[string]float64{}
		for range d.rnd.IntN(6) {
			many[d.member()] = d.score()
		}
		logf("many %v", many)
		var want int64
		for m, s := range many {
			if season.set(m, s, at) {
				want++
			}
		}
		season.cap()
		got, err := d.board.SubmitManyAt(ctx, maps.All(many), at)
		d.require("submit many", want, got, err)
	case op < 16:
		gone := []string{member, d.member(), d.member()}
		logf("remove %q", gone)
		got, err := board.Remove(ctx, gone...)
		d.require("remove", season.remove(gone...), got, err)
	case op < 17:
		lo := score
		hi := lo + float64(d.rnd.IntN(2))
		logf("remove by score %v %v", lo, hi)
		got, err := board.RemoveByScore(ctx, lo, hi)
		d.require("remove by score", season.removeByScore(lo, hi), got, err)
	case op < 18:
		keep := int64(d.rnd.IntN(12))
		logf("trim %d", keep)
		got, err := board.Trim(ctx, keep)
		d.require("trim", season.trim(keep), got, err)
	case op < 19:
		data := []byte(fmt.Sprint("data ", d.rnd.IntN(1000)))
		logf("set data %q %q", member, data)
		err := board.SetData(ctx, member, data)
		if r := season.rows[member]; r == nil {
			require.ErrorIs(t, err, leaderboard.ErrNotFound)
		} else {
			require.NoError(t, err)
			r.data = data
		}
	default:
		if d.rnd.IntN(4) == 0 {
			logf("clear")
			require.NoError(t, board.Clear(ctx))
			clear(season.rows)
		}
	}
}

// read asks one reader of both; which says which.
func (d *duel) read(which int, at time.Time) {
	t, ctx := d.t, d.t.Context()
	t.Helper()
	board, season := d.board.At(at), d.model.season(at)
	member, size := d.member(), d.rnd.IntN(9)
	present := season.rows[member] != nil
	what := fmt.Sprintf("reader %d %q %d\n%s", which, member, size, season.dump())
	switch which {
	case 0:
		got, err := board.Get(ctx, member)
		if !present {
			require.ErrorIs(t, err, leaderboard.ErrNotFound)
			return
		}
		d.require(what, season.get(member), got, err)
	case 1:
		var want []leaderboard.Entry
		for _, m := range members {
			want = append(want, season.get(m))
		}
		got, err := board.GetMany(ctx, members...)
		d.require(what, want, got, err)
	case 2:
		got, err := board.Top(ctx, size)
		d.require(what, season.between(0, size), got, err)
	case 3:
		first, last := d.rnd.IntN(16)-2, d.rnd.IntN(24)-2
		got, err := board.Range(ctx, int64(first), int64(last))
		d.require(fmt.Sprint(what, first, last), season.between(max(first, 1)-1, last-max(first, 1)+1), got, err)
	case 4:
		page := d.rnd.IntN(5) - 1
		got, err := board.Page(ctx, page, size)
		d.require(fmt.Sprint(what, page), season.between((max(page, 1)-1)*size, size), got, err)
	case 5:
		got, err := board.Around(ctx, member, size)
		if !present {
			require.ErrorIs(t, err, leaderboard.ErrNotFound)
			return
		}
		d.require(what, season.around(member, size), got, err)
	case 6:
		score := d.score()
		got, err := board.AroundScore(ctx, score, size)
		d.require(fmt.Sprint(what, score), season.aroundScore(score, size), got, err)
	case 7:
		lo, hi, limit := d.score(), d.score(), d.rnd.IntN(4)
		switch d.rnd.IntN(4) {
		case 0:
			lo = math.Inf(-1)
		case 1:
			hi = math.Inf(1)
		}
		got, err := board.ByScore(ctx, lo, hi, limit)
		d.require(fmt.Sprint(what, lo, hi, limit), season.byScore(lo, hi, limit), got, err)
		n, err := board.Count(ctx, lo, hi)
		d.require(what, int64(len(season.byScore(lo, hi, 0))), n, err)
	case 8:
		got, err := board.Len(ctx)
		d.require(what, int64(len(season.rows)), got, err)
	case 9:
		got, err := board.Percentile(ctx, member)
		if !present {
			require.ErrorIs(t, err, leaderboard.ErrNotFound)
			return
		}
		d.require(what, season.percentile(member), got, err)
	case 10:
		all := []leaderboard.Entry{}
		for e, err := range board.All(ctx) {
			require.NoError(t, err)
			all = append(all, e)
		}
		d.require(what, season.entries(), all, nil)
	case 11:
		want := map[string][]byte{}
		for m, r := range season.rows {
			if r.data != nil {
				want[m] = r.data
			}
		}
		got, err := board.Data(ctx, members...)
		d.require(what, want, got, err)
	}
}

const readers = 12

// run does random writes with a random read after each, and asks every reader now and then.
func (d *duel) run(writes int) {
	d.t.Helper()
	for i := range writes {
		d.write()
		d.read(d.rnd.IntN(readers), d.when())
		if i%25 == 24 || i == writes-1 {
			for which := range readers {
				d.read(which, base)
			}
		}
	}
}

// TestModel: every reader and every writer agree with a naive model, under every combination of options.
func TestModel(t *testing.T) {
	duels(t, 1, redistest.KindMiniredis, 8)
	duels(t, 1, redistest.KindStandalone, 60)
}

// TestModelOfShards: so do boards of three shards.
func TestModelOfShards(t *testing.T) {
	duels(t, 3, redistest.KindMiniredis, 4)
	duels(t, 3, redistest.KindStandalone, 40)
}

// duels runs all combinations on one kind.
func duels(t *testing.T, shards int, k redistest.Kind, writes int) {
	t.Helper()
	redistest.On(t, []redistest.Kind{k}, func(t *testing.T, e redistest.Env) {
		for i, c := range combinations(shards) {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				newDuel(t, e, c.name, spread(i, c.opts), uint64(1000+i)).run(writes)
			})
		}
	})
}

// TestModelEverywhere: so they do on every kind of server and client. Boards with several keys cannot be made anew while
// their slot is moving, so there a board with one is played.
func TestModelEverywhere(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		all := combinations(1)
		for i, n := range []int{0, 21, 30, 47, 55, 71, 88} {
			c := all[n]
			if e.Kind == redistest.KindMigrating && (n != 0) {
				continue
			}
			d := newDuel(t, e, c.name, spread(i, c.opts), uint64(n))
			writes := 40
			switch e.Kind {
			case redistest.KindMiniredis:
				writes = 8
			case redistest.KindMigrating:
				d.runOneKey(60)
				continue
			}
			d.run(writes)
		}
	})
}

// TestModelOfShardsEverywhere: so do they on every kind of server and client, but for a record of the layout that lies
// in a slot which is moving.
func TestModelOfShardsEverywhere(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		all := combinations(3)
		for i, n := range []int{0, 15, 23, 34, 47, 58, 69} {
			c := all[n]
			writes := 30
			if e.Kind == redistest.KindMiniredis {
				writes = 5
			}
			d := newDuel(t, e, c.name, spread(i, c.opts), uint64(n))
			if e.Kind == redistest.KindMigrating {
				require.ErrorIs(t, second(d.board.Submit(t.Context(), "ann", 1)), leaderboard.ErrMigrating)
				continue
			}
			d.run(writes)
		}
	})
}

// TestMigrating: while a slot is moving, boards of several keys are refused by name, and nothing is written; a plain board
// is made, written and read.
func TestMigrating(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMigrating}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		for name, opts := range layouts {
			opts.Namespace = e.Namespace
			b := newBoard(t, e.Client, e.ID("migrating"+name), opts)
			err := second(b.Submit(ctx, "ann", 1))
			if name == "plain" {
				require.NoError(t, err)
				require.NoError(t, second(b.SubmitMany(ctx, one("bob", 2))))
				assert.EqualValues(t, 1, score(t, b, "ann"))
				require.ErrorIs(t, b.SetData(ctx, "ann", []byte("x")), leaderboard.ErrMigrating)
				continue
			}
			require.ErrorIs(t, err, leaderboard.ErrMigrating)
			for _, rdb := range e.Masters() {
				for _, key := range rdb.Keys(ctx, e.Namespace+":*").Val() {
					assert.NotContains(t, key, name)
				}
			}
		}
	})
}

// runOneKey is run with what names one key alone.
func (d *duel) runOneKey(writes int) {
	for range writes {
		at := d.when()
		season := d.model.season(at)
		member, score := d.member(), d.score()
		got, err := d.board.SubmitAt(d.t.Context(), member, score, at)
		d.require("submit", season.submit(member, score, at), got, err)
		for which := range readers {
			d.read(which, at)
		}
	}
}
