package leaderboard

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
)

// Order says which scores are good.
type Order int

// The orders.
const (
	HighestFirst Order = iota // the highest score is first: points
	LowestFirst               // the lowest score is first: times, strokes
)

// Policy says which score of a member stays.
type Policy int

// The policies.
const (
	KeepLatest Policy = iota // every submit replaces the score
	KeepBest                 // only a better score does, by the Order
	KeepWorst                // only a worse score does
)

// Ties says who is first among equal scores.
type Ties int

// The tie rules.
const (
	// ByMember goes by the bytes of the members, as Redis does: rising under LowestFirst, falling under HighestFirst.
	ByMember Ties = iota
	// EarliestFirst puts who reached the score first ahead. Times count in milliseconds; members of one millisecond are
	// ordered ByMember.
	EarliestFirst
)

// Ranking says which ranks equal scores get.
type Ranking int

// The rankings.
const (
	Ordinal     Ranking = iota // 1 2 3 4: every place once
	Competition                // 1 2 2 4: equal scores share the best of their places
	Modified                   // 1 3 3 4: equal scores share the worst of their places
	Dense                      // 1 2 2 3: one place for each distinct score
)

// Aggregate says how [Merge] and [Intersect] make one score of several.
type Aggregate int

// The aggregates.
const (
	Sum Aggregate = iota // add them up
	Max                  // the highest
	Min                  // the lowest
)

// Options are those of a Board. The zero value is a board for ever, highest score first, each submit replacing the last.
type Options struct {
	// Namespace is put before all keys, with a colon. Defaults to none. No braces.
	Namespace string
	// Order defaults to HighestFirst.
	Order Order
	// Policy defaults to KeepLatest.
	Policy Policy
	// Ties defaults to ByMember. EarliestFirst stores 8 bytes more in each row, and a hash beside the scores.
	Ties Ties
	// Ranking defaults to Ordinal. Dense stores each distinct score in a second sorted set.
	Ranking Ranking
	// Period gives each hour, day, ISO week, month or year a board of its own. Defaults to calendar.AllTime: one board.
	Period calendar.Period
	// Location is where a Period begins and ends. Defaults to UTC. It is not part of the keys: all processes need the same.
	Location *time.Location
	// Keep is how long a board stays after its Period's end. 0 is one more period, -1 for ever. With calendar.AllTime
	// it is how long the board stays after its last write, and 0 is for ever, too. A board that is there keeps the expiry that
	// it has when this is changed, until the next write with AllTime and a Keep.
	Keep time.Duration
	// Cap keeps only the best Cap members. 0 keeps all. It is lossy: see the package's documentation.
	Cap int64
	// Shards spreads the board over so many slots of a cluster, at most [MaxShards]. Defaults to 1. It cannot be changed
	// for a board that is there, nor be more than 1 with Dense.
	Shards int
}

// MaxShards bounds Options.Shards.
const MaxShards = 1024

// slides says whether each write prolongs the board's life.
func (o Options) slides() bool { return o.Period == calendar.AllTime && o.Keep > 0 }

// milliseconds rounds up, so that no positive duration becomes nothing.
func milliseconds(d time.Duration) int64 {
	return int64((d-1)/time.Millisecond) + 1
}

func (o Options) complete() (Options, error) {
	switch {
	case strings.ContainsAny(o.Namespace, "{}"):
		return o, fmt.Errorf("option Namespace %q has a brace: %w", o.Namespace, ErrArgument)
	case o.Order < HighestFirst || o.Order > LowestFirst:
		return o, fmt.Errorf("option Order %d does not exist: %w", o.Order, ErrArgument)
	case o.Policy < KeepLatest || o.Policy > KeepWorst:
		return o, fmt.Errorf("option Policy %d does not exist: %w", o.Policy, ErrArgument)
	case o.Ties < ByMember || o.Ties > EarliestFirst:
		return o, fmt.Errorf("option Ties %d does not exist: %w", o.Ties, ErrArgument)
	case o.Ranking < Ordinal || o.Ranking > Dense:
		return o, fmt.Errorf("option Ranking %d does not exist: %w", o.Ranking, ErrArgument)
	case !o.Period.Valid():
		return o, fmt.Errorf("option Period %d does not exist: %w", int(o.Period), ErrArgument)
	case o.Keep < -1:
		return o, fmt.Errorf("option Keep %v is negative and not -1: %w", o.Keep, ErrArgument)
	case o.Cap < 0:
		return o, fmt.Errorf("option Cap %d is negative: %w", o.Cap, ErrArgument)
	case o.Shards < 0 || o.Shards > MaxShards:
		return o, fmt.Errorf("option Shards %d is not within 1 and %d: %w", o.Shards, MaxShards, ErrArgument)
	case o.Shards > 1 && o.Ranking == Dense:
		return o, fmt.Errorf("option Shards %d with Ranking Dense, whose distinct scores lie in one key: %w", o.Shards, ErrArgument)
	}
	o.Location = cmp.Or(o.Location, time.UTC)
	o.Shards = cmp.Or(o.Shards, 1)
	return o, nil
}

// Entry is a row of a board.
type Entry struct {
	Member string
	Score  float64
	Rank   int64 // from 1, by Options.Ranking; 0 for a member that is not there
}

// Result says what a write did.
type Result struct {
	Entry                 // as it stands after the call
	Applied       bool    // the stored score changed, or the member is new
	Existed       bool    // the member was there before
	PreviousScore float64 // valid if Existed
	PreviousRank  int64   // 0 if it did not exist
}

// Submission is a score of the past, for [Board.SubmitEntries].
type Submission struct {
	Member string
	Score  float64
	At     time.Time // when it was reached; the zero time is the clock of the board
}

// Board is a leaderboard, or one for each period. It is safe for concurrent use. The zero Board is of no use: all its
// methods return [ErrArgument].
type Board struct {
	*core
	at     time.Time
	frozen bool
}

// core is what a board shares with its other moments.
type core struct {
	rdb     redis.UniversalClient
	name    string
	opts    Options
	scripts *scripts
	seasons seasons
	noRank  noRank
	apart   apart
}

// New returns the board of that name. It sends nothing. The client stays the caller's; any of go-redis will do, and an
// [redis.AutoPipeliner] is the fastest where many callers are busy at once.
//
// The name may hold any bytes, but not be empty. Boards of one name and different Periods do not mind each other.
// Errors match [ErrArgument] and name the field.
func New(rdb redis.UniversalClient, name string, opts Options) (*Board, error) {
	opts, err := opts.complete()
	switch {
	case err != nil:
		return nil, wrap(err, "new board %q", name)
	case name == "":
		return nil, wrap(ErrArgument, "new board: empty name")
	case isNil(rdb):
		return nil, wrap(ErrArgument, "new board %q: nil client", name)
	}
	return &Board{core: &core{rdb: rdb, name: name, opts: opts, scripts: newScripts(opts)}}, nil
}

func isNil(rdb redis.UniversalClient) bool {
	if rdb == nil {
		return true
	}
	v := reflect.ValueOf(rdb)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// Name returns the name that the board was made with, "" for the zero Board.
func (b *Board) Name() string {
	if b == nil || b.core == nil {
		return ""
	}
	return b.name
}

// At returns the same board with its clock stopped at t: its readers read the period of t, a past season for instance,
// and its writers write as of t. At the zero time, and beyond the years 1 to 9998, all of them return [ErrArgument]. It sends
// nothing.
func (b *Board) At(t time.Time) *Board {
	if b == nil || b.core == nil {
		return b
	}
	return &Board{core: b.core, at: t, frozen: true}
}

// now is the moment by the clock of the board.
func (b *Board) now() time.Time {
	if b.frozen {
		return b.at
	}
	return time.Now()
}

// ready refuses what can be refused before anything is looked at.
func (b *Board) ready(ctx context.Context) error {
	if b == nil || b.core == nil {
		return fmt.Errorf("a Board that New did not make: %w", ErrArgument)
	}
	return ctx.Err()
}

func checkMember(member string) error {
	if member == "" {
		return fmt.Errorf("empty member: %w", ErrArgument)
	}
	return nil
}

func checkScore(score float64) error {
	if math.IsNaN(score) || math.IsInf(score, 0) {
		return fmt.Errorf("%v: %w", score, ErrScore)
	}
	return nil
}

// format writes a score so that a server reads the very same. -0 is 0.
func format(score float64) string {
	switch {
	case score == 0:
		return "0"
	case math.IsInf(score, 1):
		return "+inf"
	case math.IsInf(score, -1):
		return "-inf"
	default:
		return strconv.FormatFloat(score, 'g', -1, 64)
	}
}
