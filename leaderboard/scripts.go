package leaderboard

import (
	_ "embed" // for the scripts
	"fmt"
	"strings"
	"sync"

	"github.com/larder-go/larder/internal/once"
)

var (
	//go:embed lua/order.lua
	orderLua string
	//go:embed lua/lib.lua
	libLua string
	//go:embed lua/plain.lua
	plainLua string
	//go:embed lua/submit.lua
	submitLua string
	//go:embed lua/many.lua
	manyLua string
	//go:embed lua/remove.lua
	removeLua string
	//go:embed lua/cut.lua
	cutLua string
	//go:embed lua/clear.lua
	clearLua string
	//go:embed lua/setdata.lua
	setDataLua string
	//go:embed lua/one.lua
	oneLua string
	//go:embed lua/get.lua
	getLua string
	//go:embed lua/window.lua
	windowLua string
	//go:embed lua/percentile.lua
	percentileLua string
	//go:embed lua/ahead.lua
	aheadLua string
	//go:embed lua/sample.lua
	sampleLua string
	//go:embed lua/together.lua
	togetherLua string
	//go:embed lua/build.lua
	buildLua string
	//go:embed lua/swap.lua
	swapLua string
	//go:embed lua/claim.lua
	claimLua string
	//go:embed lua/layout.lua
	layoutLua string
	//go:embed lua/unclaim.lua
	unclaimLua string
)

// script is a script of one board, made when it is first used: its options are constants in front of its text, so that
// a server does not look at them again with each call, and so that it declares only the keys that they need.
type script struct {
	mask int
	made func() *once.Script
}

func (s *script) once() *once.Script { return s.made() }

// scripts are those of a board.
type scripts struct {
	submit, increment, many, remove, cut, clear, setData script
	get, one, window, percentile, ahead, sample, rows    script
	build, swap, together                                script

	// plain says that submit and increment are plain.lua, which answers otherwise.
	plain bool
}

// What stands between the constants and a script: making functions that a script does not call takes longer than what
// most of them do.
const (
	bare  = iota // nothing
	order        // order.lua
	lib          // that and lib.lua
)

var (
	claimScript   = once.NewScript(claimLua)
	layoutScript  = once.NewScript(layoutLua)
	unclaimScript = once.NewScript(unclaimLua)
)

func newScripts(opts Options) *scripts {
	own := partScores
	if opts.Ties == EarliestFirst {
		own |= partTimes
	}
	if opts.Ranking == Dense {
		own |= partDistinct
	}
	slide := 0
	if opts.slides() {
		slide = partData
		if opts.Shards == 1 && layoutOf(opts) != "" {
			slide |= partLayout
		}
	}
	write := own | slide
	if opts.Cap > 0 && opts.Shards == 1 {
		write |= partData
	}
	remove := own | slide | partData
	all := remove
	if opts.Shards == 1 && layoutOf(opts) != "" {
		all |= partLayout
	}
	define := func(mask, with int, body string, increment bool) script {
		return script{mask: mask, made: sync.OnceValue(func() *once.Script {
			text := constants(opts, mask, increment)
			switch with {
			case order: // made when it is called, which is only where scores are equal
				text += "local function between(...)\n" + orderLua + "return between(...)\nend\n"
			case lib:
				text += orderLua + libLua
			}
			return once.NewScript(text + body)
		})}
	}
	plain := write == partScores && opts.Ranking == Ordinal && (opts.Cap == 0 || opts.Shards > 1)
	submit, with := submitLua, lib
	if plain {
		submit, with = plainLua, bare
	}
	rows := define(partScores, lib, windowLua, false)
	if opts.Ranking != Ordinal { // rows without what their ranks need
		ordinal := opts
		ordinal.Ranking = Ordinal
		rows = script{mask: partScores, made: sync.OnceValue(func() *once.Script {
			return once.NewScript(constants(ordinal, partScores, false) + orderLua + libLua + windowLua)
		})}
	}
	return &scripts{
		submit:     define(write, with, submit, false),
		increment:  define(write, with, submit, true),
		many:       define(write, lib, manyLua, false),
		remove:     define(remove, lib, removeLua, false),
		cut:        define(remove, lib, cutLua, false),
		clear:      define(all, lib, clearLua, false),
		setData:    define(remove, lib, setDataLua, false),
		get:        define(own, bare, getLua, false),
		one:        define(own, bare, oneLua, false),
		window:     define(own, lib, windowLua, false),
		percentile: define(own&^partDistinct, lib, percentileLua, false),
		ahead:      define(partScores, order, aheadLua, false),
		sample:     define(partScores, bare, sampleLua, false),
		rows:       rows,
		together:   define(partScores, order, togetherLua, false),
		build:      define(own, lib, buildLua, false),
		swap:       define(remove, lib, swapLua, false),
		plain:      plain,
	}
}

// constants is what stands in front of a script.
func constants(opts Options, mask int, increment bool) string {
	names := [parts]string{"nil", "nil", "nil", "nil", "nil"}
	n := 0
	for i := range names {
		if mask&(1<<i) != 0 {
			n++
			names[i] = fmt.Sprintf("KEYS[%d]", n)
		}
	}
	rank, window := "ZREVRANK", "ZREVRANGE"
	if opts.Order == LowestFirst {
		rank, window = "ZRANK", "ZRANGE"
	}
	limit := opts.Cap
	if opts.Shards > 1 {
		limit = 0 // what a shard holds says nothing about the board: see Board.capShards
	}
	var slide int64
	if opts.slides() {
		slide = milliseconds(opts.Keep)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "local call, HIGHEST, RANK, RANGE = redis.call, %t, '%s', '%s'\n", opts.Order == HighestFirst, rank, window)
	fmt.Fprintf(&b, "local POLICY, RANKING, CAP, SLIDE, INCREMENT = '%s', '%s', %d, %d, %t\n",
		[]string{"latest", "best", "worst"}[opts.Policy], []string{"ordinal", "competition", "modified", "dense"}[opts.Ranking],
		limit, slide, increment)
	fmt.Fprintf(&b, "local S, T, D, P, M = %s\n", strings.Join(names[:], ", "))
	return b.String()
}
