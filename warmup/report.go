package warmup

import (
	"errors"
	"fmt"
	"time"
)

// The errors of this package, for errors.Is.
var (
	// ErrAborted says that a stop rule ended the run. It comes with its cause.
	ErrAborted = errors.New("warmup: aborted")
	// ErrSource says that the source ended with an error. It comes with its cause.
	ErrSource = errors.New("warmup: the source failed")
	// ErrCheckpoint says that the checkpoint cannot be used: it is damaged, of
	// another source, or cannot be written. It says what to do.
	ErrCheckpoint = errors.New("warmup: checkpoint")
	// ErrNotFound is what a loader returns for an item that is not there: it is
	// skipped, and not an error of the run.
	ErrNotFound = errors.New("warmup: not found")
)

// maxErrors is how many errors a report holds.
const maxErrors = 100

// Report counts what became of the items. Each is counted once.
type Report struct {
	// Stored items were acknowledged by the server; in a dry run, would be stored.
	Stored int
	// Skipped items were left as they are: FillMissing found their key, their
	// loader [ErrNotFound], or [FromRedis] a key that is no string, or gone.
	Skipped int
	// Failed items were not stored, or nobody knows.
	Failed int
	// Resumed is how many items of all these were done by earlier runs, which
	// the checkpoint told.
	Resumed int
	// Errors are the first 100 errors of this run's items, each an [*ItemError].
	Errors []error
	// Bytes are those of the keys and encoded values that were sent and
	// acknowledged, those that FillMissing sent in vain included.
	Bytes int64
	// Elapsed is how long this run took.
	Elapsed time.Duration
}

// ItemError is the error of one item.
type ItemError struct {
	Key string
	Err error
}

// Error names the key, cut after 100 bytes, and the reason.
func (e *ItemError) Error() string { return fmt.Sprintf("warmup: %.100q: %v", e.Key, e.Err) }

// Unwrap returns the reason.
func (e *ItemError) Unwrap() error { return e.Err }
