package leaderboard

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// Errors that callers may want to tell apart with [errors.Is]. What a server, the network or a context says is wrapped
// and can be looked for as well; [redis.Nil] is never among it.
var (
	// ErrNotFound: the board has no such member.
	ErrNotFound = errors.New("leaderboard: member not found")
	// ErrArgument: an argument or an option that cannot be; the error names it. Nothing was sent.
	ErrArgument = errors.New("leaderboard: invalid argument")
	// ErrScore: a score that is not a finite number, or an increment or a sum that would not be one.
	ErrScore = errors.New("leaderboard: not a finite score")
	// ErrPolicy: an increment of a board that keeps the best or the worst score.
	ErrPolicy = errors.New("leaderboard: increments need KeepLatest")
	// ErrRetention: the board of that moment is past its Keep, by the clock of this machine or of the server. Nothing
	// was written.
	ErrRetention = errors.New("leaderboard: the period is past its retention")
	// ErrLayout: the board is there with other Shards, Ties or Ranking Dense. Nothing was written.
	ErrLayout = errors.New("leaderboard: the board has another layout")
	// ErrWrongType: a key of the board holds something else, which was left as it is. The error is a [*WrongTypeError].
	ErrWrongType = errors.New("leaderboard: the key holds another type")
	// ErrMigrating: the keys of the board are just moving from one node of a cluster to another, and some have arrived.
	// Nothing was written; try again when the slot has moved. A board with the default layout, without a Cap and the Keep of
	// AllTime, has one key to submit to and to read from, which is never in between.
	ErrMigrating = errors.New("leaderboard: the slot is moving to another node")
	// ErrOutcomeUnknown: a write was sent and no answer came, so it may or may not have been done. It was not sent again.
	ErrOutcomeUnknown = errors.New("leaderboard: the outcome is unknown")
	// ErrRankUnknown: the score is stored in its shard, but another shard could not be asked for the rank, held to the Cap,
	// or given its Keep again; the next submit makes up for it. The Result that comes with it has Rank 0.
	// It is stored also where the error matches ErrOutcomeUnknown as well: that is then what the Cap removes.
	ErrRankUnknown = errors.New("leaderboard: stored, but the rank is unknown")
	// ErrDataSize: data of more than [MaxData] bytes.
	ErrDataSize = errors.New("leaderboard: data too large")
)

// WrongTypeError says which key of a board holds something that the board did not store. It matches [ErrWrongType].
type WrongTypeError struct {
	Key  string // the key
	Type string // what it holds, such as "hash"; "" if that could not be read
	Err  error  // what the server said
}

// Error names the key and its type.
func (e *WrongTypeError) Error() string {
	if e.Type == "" {
		return fmt.Sprintf("%v: %q: %v", ErrWrongType, e.Key, e.Err)
	}
	return fmt.Sprintf("%v: %q is a %s", ErrWrongType, e.Key, e.Type)
}

// Unwrap returns [ErrWrongType] and what the server said.
func (e *WrongTypeError) Unwrap() []error { return []error{ErrWrongType, e.Err} }

// errReply is a reply that no script of this package gives.
var errReply = errors.New("leaderboard: unexpected reply")

// wrap says which operation failed.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("leaderboard: %s: %w", fmt.Sprintf(format, args...), err)
}

// classify gives an error of a command its name in this package. keys are those that were sent.
func classify(ctx context.Context, rdb redis.UniversalClient, keys []string, err error) error {
	if err == nil {
		return nil
	}
	if once.IsUnknown(err) {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	switch once.Code(err) {
	case "WRONGTYPE":
		return wrongType(ctx, rdb, keys, err)
	case "TRYAGAIN":
		return fmt.Errorf("%w: %w", ErrMigrating, err)
	default:
		return err
	}
}

// wrongType finds out which of the keys the server meant.
func wrongType(ctx context.Context, rdb redis.UniversalClient, keys []string, err error) error {
	found := &WrongTypeError{Key: keys[0], Err: err}
	for _, key := range keys {
		name, typeErr := rdb.Type(ctx, key).Result()
		if typeErr == nil && name != "none" && name != typeOf(key) {
			found.Key, found.Type = key, name
			break
		}
	}
	return found
}
