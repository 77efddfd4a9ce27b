package leaderboard

import (
	_ "embed" // for the scripts
	"fmt"
	"strings"
	"sync"

	"github.com/larder-go/larder/internal/once"
)

var (
	//go:embed lua/lib.lua
	libLua string
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
	//go:embed lua/get.lua
	getLua string
	//go:embed lua/window.lua
	windowLua string
	//go:embed lua/percentile.lua
	percentileLua string
	//go:embed lua/claim.lua
	claimLua string
	//go:embed lua/layout.lua
	layoutLua string
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
	get, window, percentile                              script
}

var (
	claimScript  = once.NewScript(claimLua)
	layoutScript = once.NewScript(layoutLua)
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
	if opts.Cap > 0 {
		write |= partData
	}
	remove := own | slide | partData
	all := remove
	if opts.Shards == 1 && layoutOf(opts) != "" {
		all |= partLayout
	}
	make := func(mask int, lib bool, body string, increment bool) script {
		return script{mask: mask, made: sync.OnceValue(func() *once.Script {
			text := constants(opts, mask, increment)
			if lib {
				text += libLua
			}
			return once.NewScript(text + body)
		})}
	}
	// A plain board's submit goes without the functions that it does not call: making them takes longer than it does.
	lib := write != partScores || opts.Ranking != Ordinal || opts.Cap > 0
	return &scripts{
		submit:     make(write, lib, submitLua, false),
		increment:  make(write, lib, submitLua, true),
		many:       make(write, true, manyLua, false),
		remove:     make(remove, true, removeLua, false),
		cut:        make(remove, true, cutLua, false),
		clear:      make(all, true, clearLua, false),
		setData:    make(remove, true, setDataLua, false),
		get:        make(own, false, getLua, false),
		window:     make(own, true, windowLua, false),
		percentile: make(own&^partDistinct, true, percentileLua, false),
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
	var slide int64
	if opts.slides() {
		slide = milliseconds(opts.Keep)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "local call, HIGHEST, RANK, RANGE = redis.call, %t, '%s', '%s'\n", opts.Order == HighestFirst, rank, window)
	fmt.Fprintf(&b, "local POLICY, RANKING, CAP, SLIDE, INCREMENT = '%s', '%s', %d, %d, %t\n",
		[]string{"latest", "best", "worst"}[opts.Policy], []string{"ordinal", "competition", "modified", "dense"}[opts.Ranking],
		opts.Cap, slide, increment)
	fmt.Fprintf(&b, "local S, T, D, P, M = %s\n", strings.Join(names[:], ", "))
	return b.String()
}
