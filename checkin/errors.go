package checkin

import (
	"errors"
	"fmt"

	"github.com/larder-go/larder/internal/once"
)

// Errors of this package, to be matched with errors.Is.
var (
	// ErrEmpty says that a user or a name is the empty string.
	ErrEmpty = errors.New("checkin: empty")
	// ErrInvalidDay says that a day does not exist: in no calendar, or not in the zone of the tracker.
	ErrInvalidDay = errors.New("checkin: no such day")
	// ErrFuture says that a day has not begun yet.
	ErrFuture = errors.New("checkin: the day is in the future")
	// ErrTooOld says that a day is before those that may still be changed, or that are still kept.
	ErrTooOld = errors.New("checkin: the day is too old")
	// ErrRange says that a range ends before it begins or is too long, or that a time or number is out of its range.
	ErrRange = errors.New("checkin: out of range")
	// ErrWrongType says that a key holds something else than it should. It is left as it was.
	ErrWrongType = errors.New("checkin: the key holds another type")
	// ErrOutcomeUnknown says that a change was sent and that no answer came: it may or may not have been made. Its cause
	// is in the chain. A check-in can be tried again; only its New and Reached are then not to be relied upon.
	ErrOutcomeUnknown = errors.New("checkin: outcome unknown")
	// ErrNotFound says that a number has no name.
	ErrNotFound = errors.New("checkin: not found")
	// ErrFull says that all numbers are given away.
	ErrFull = errors.New("checkin: no more numbers")

	errNew = errors.New("checkin: a Tracker, an Activity and IDs are made by their functions New")
)

// classify adds the sentinel of this package to an error of Redis. The original stays in the chain.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if once.IsUnknown(err) {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	switch once.Code(err) {
	case "WRONGTYPE":
		return fmt.Errorf("%w: %w", ErrWrongType, err)
	case "EXPIRED":
		return fmt.Errorf("%w: %w", ErrTooOld, err)
	case "FULL":
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// failed makes the error of a call: what was called, with what, and why it failed.
func failed(op string, what any, err error) error {
	if errors.Is(err, errNew) {
		return err
	}
	if s, ok := what.(string); ok {
		return fmt.Errorf("checkin: %s %q: %w", op, s, classify(err))
	}
	return fmt.Errorf("checkin: %s %v: %w", op, what, classify(err))
}
