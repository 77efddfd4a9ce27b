package leaderboard_test

import (
	"context"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/leaderboard"
)

// What other code compiles against: every name and signature of the contract.
var (
	_ = leaderboard.Options{
		Namespace: "", Order: leaderboard.HighestFirst, Policy: leaderboard.KeepLatest, Ties: leaderboard.ByMember,
		Ranking: leaderboard.Ordinal, Period: calendar.AllTime, Location: (*time.Location)(nil), Keep: time.Duration(0),
		Cap: int64(0), Shards: int(0),
	}
	_ = []leaderboard.Order{leaderboard.HighestFirst, leaderboard.LowestFirst}
	_ = []leaderboard.Policy{leaderboard.KeepLatest, leaderboard.KeepBest, leaderboard.KeepWorst}
	_ = []leaderboard.Ties{leaderboard.ByMember, leaderboard.EarliestFirst}
	_ = []leaderboard.Ranking{leaderboard.Ordinal, leaderboard.Competition, leaderboard.Modified, leaderboard.Dense}

	_ = []leaderboard.Aggregate{leaderboard.Sum, leaderboard.Max, leaderboard.Min}
	_ = leaderboard.Entry{Member: "", Score: float64(0), Rank: int64(0)}
	_ = leaderboard.Result{Entry: leaderboard.Entry{}, Applied: false, Existed: false, PreviousScore: float64(0), PreviousRank: int64(0)}
	_ = leaderboard.Submission{Member: "", Score: float64(0), At: time.Time{}}
	_ = []error{leaderboard.ErrNotFound, leaderboard.ErrPolicy, leaderboard.ErrLayout, leaderboard.ErrOutcomeUnknown}

	_ func(redis.UniversalClient, string, leaderboard.Options) (*leaderboard.Board, error) = leaderboard.New

	_ func(context.Context, string, float64, ...*leaderboard.Board) ([]leaderboard.Result, error)            = leaderboard.SubmitAll
	_ func(context.Context, string, float64, time.Time, ...*leaderboard.Board) ([]leaderboard.Result, error) = leaderboard.SubmitAllAt
	_ func(context.Context, *leaderboard.Board, leaderboard.Aggregate, ...*leaderboard.Board) (int64, error) = leaderboard.Merge
	_ func(context.Context, *leaderboard.Board, leaderboard.Aggregate, ...*leaderboard.Board) (int64, error) = leaderboard.Intersect

	_ interface {
		Submit(ctx context.Context, member string, score float64) (leaderboard.Result, error)
		SubmitAt(ctx context.Context, member string, score float64, at time.Time) (leaderboard.Result, error)
		Increment(ctx context.Context, member string, delta float64) (leaderboard.Result, error)
		IncrementAt(ctx context.Context, member string, delta float64, at time.Time) (leaderboard.Result, error)
		SubmitMany(ctx context.Context, scores iter.Seq2[string, float64]) (int64, error)
		SubmitManyAt(ctx context.Context, scores iter.Seq2[string, float64], at time.Time) (int64, error)
		Get(ctx context.Context, member string) (leaderboard.Entry, error)
		GetMany(ctx context.Context, members ...string) ([]leaderboard.Entry, error)
		Top(ctx context.Context, n int) ([]leaderboard.Entry, error)
		Range(ctx context.Context, first, last int64) ([]leaderboard.Entry, error)
		Page(ctx context.Context, page, size int) ([]leaderboard.Entry, error)
		Around(ctx context.Context, member string, size int) ([]leaderboard.Entry, error)
		AroundScore(ctx context.Context, score float64, size int) ([]leaderboard.Entry, error)
		ByScore(ctx context.Context, lo, hi float64, limit int) ([]leaderboard.Entry, error)
		Count(ctx context.Context, lo, hi float64) (int64, error)
		Len(ctx context.Context) (int64, error)
		Percentile(ctx context.Context, member string) (float64, error)
		All(ctx context.Context) iter.Seq2[leaderboard.Entry, error]
		Remove(ctx context.Context, members ...string) (int64, error)
		RemoveByScore(ctx context.Context, lo, hi float64) (int64, error)
		Trim(ctx context.Context, keep int64) (int64, error)
		Clear(ctx context.Context) error
		At(t time.Time) *leaderboard.Board
		SetData(ctx context.Context, member string, data []byte) error
		Data(ctx context.Context, members ...string) (map[string][]byte, error)
		SubmitEntries(ctx context.Context, entries iter.Seq[leaderboard.Submission]) (int64, error)
	} = (*leaderboard.Board)(nil)
)
