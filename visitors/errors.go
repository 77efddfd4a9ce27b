package visitors

import (
	"errors"
	"fmt"

	"github.com/larder-go/larder/internal/hll"
	"github.com/larder-go/larder/internal/once"
)

// Errors of this package, to be matched with errors.Is.
var (
	// ErrWrongType says that a key of the counter holds something that is no HyperLogLog. It is left as it was.
	ErrWrongType = errors.New("visitors: the key holds something else than a HyperLogLog")
	// ErrCorrupt says that a sketch is damaged, and that it cannot be counted. [Counter.Forget] removes it.
	ErrCorrupt = errors.New("visitors: corrupt sketch")
	// ErrRetention says that a window, or a late visit, lies before what is still kept.
	ErrRetention = errors.New("visitors: no longer kept")
	// ErrRange says that a window ends before it begins, or not where an hour of the calendar ends, that a number of
	// days or hours is below 1, or that a time is outside the years 1 to 9998.
	ErrRange = errors.New("visitors: invalid range")
	// ErrNoBucket says that the buckets of the counter cannot make up a window: they are not fine enough.
	ErrNoBucket = errors.New("visitors: no bucket fine enough")
	// ErrEmpty says that a page or a visitor is the empty string, or that there are no pages.
	ErrEmpty = errors.New("visitors: empty")

	errNew = errors.New("visitors: a Counter is made by New")
)

// classify adds the sentinel of this package to an error of Redis or of a sketch. The original stays in the chain.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case once.Code(err) == "WRONGTYPE", errors.Is(err, hll.ErrNotSketch):
		return fmt.Errorf("%w: %w", ErrWrongType, err)
	case once.Code(err) == "INVALIDOBJ", errors.Is(err, hll.ErrCorrupt):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if unknown, ok := errors.AsType[*once.UnknownError](err); ok {
		return unknown.Err // all that is sent here can be sent again: nothing is unknown
	}
	return err
}
