package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/larder-go/larder/internal/once"
)

// The errors of this package, for errors.Is.
var (
	// ErrOutcomeUnknown says that a command was sent and not answered: it may or
	// may not have run. It comes with its cause.
	ErrOutcomeUnknown = errors.New("pipeline: outcome unknown")
	// ErrConflict says that the watched keys of a transaction changed each time
	// it was tried. Nothing was written.
	ErrConflict = errors.New("pipeline: the watched keys kept changing")
	// ErrCrossSlot says that keys that must be together are in different slots
	// of a cluster, or on different shards of a Ring. Nothing was sent.
	ErrCrossSlot = errors.New("pipeline: keys in different slots")
	// ErrUnsupported says that a command has no place in a batch or transaction.
	ErrUnsupported = errors.New("pipeline: not supported here")
)

// Outcome is what became of an item.
type Outcome int

// The outcomes of an item.
const (
	// Unknown: it was sent, and no answer came. It may or may not have run.
	Unknown Outcome = iota
	// NotSent: it never left: it could not be encoded, the context had ended, no
	// server was reached, or the client (its limiter, a hook) let nothing through.
	NotSent
	// Failed: the server refused it, and it had no effect.
	Failed
	// Applied: the server acknowledged it.
	Applied
)

// String names the outcome: "unknown", "not sent", "failed" or "applied".
func (o Outcome) String() string {
	switch o {
	case Unknown:
		return "unknown"
	case NotSent:
		return "not sent"
	case Failed:
		return "failed"
	case Applied:
		return "applied"
	default:
		return fmt.Sprintf("Outcome(%d)", int(o))
	}
}

// Report counts what became of the items of a batch. Each item is counted once:
// the counts are disjoint, and their sum is the number of items that were taken.
type Report struct {
	// Applied items were acknowledged.
	Applied int
	// Failed items were refused by the server.
	Failed int
	// Unknown items were sent and not answered.
	Unknown int
	// NotSent items never left.
	NotSent int
	// Missing items found no key: a DEL, an EXPIRE, a read of nothing, any other
	// command that was answered with nil.
	Missing int
	// Skipped items of a Set were not stored because of its Mode.
	Skipped int
	// Attempts is how often the chunk that was sent the most was sent. 0 says
	// that nothing was sent.
	Attempts int
	// Elapsed is how long the call took.
	Elapsed time.Duration
	// Failures are the items that failed, are unknown or were not sent, in the
	// order of their Index.
	Failures []Failure
	// Truncated says that there were more failures than Failures holds, which is
	// the first 1,000 of a Set.
	Truncated bool
}

// Failure is an item that did not go well.
type Failure struct {
	// Index is the position of the item in the input, from 0, and -1 where the
	// input has no order.
	Index int
	// Key is the item's key, or the first key of its command, "" if it has none.
	Key string
	// Outcome is Failed, Unknown or NotSent.
	Outcome Outcome
	// Err is the reason. With Unknown it is an [ErrOutcomeUnknown] too.
	Err error
}

// Error is the text of a failure, with its key.
func (f Failure) text() string {
	if f.Key == "" && f.Index >= 0 {
		return fmt.Sprintf("item %d %s: %v", f.Index, f.Outcome, f.Err)
	}
	return fmt.Sprintf("%.100q %s: %v", f.Key, f.Outcome, f.Err)
}

// ok says whether nothing failed.
func (r *Report) ok() bool { return r.Failed+r.Unknown+r.NotSent == 0 }

// BatchError is the error of a batch of which not everything went well. errors.Is
// and errors.As look into the errors of all its failures.
type BatchError struct {
	// Report says what became of every item.
	Report Report

	op    string
	cause error
}

// maxText bounds the text of a BatchError.
const maxText = 4 << 10

// Error says how many items did not go well, and why the first ones did not. It
// has at most 4 KiB.
func (e *BatchError) Error() string {
	var s strings.Builder
	r := &e.Report
	s.WriteString("pipeline: ")
	if e.op != "" {
		s.WriteString(e.op + ": ")
	}
	fmt.Fprintf(&s, "%d applied, %d failed, %d unknown, %d not sent", r.Applied, r.Failed, r.Unknown, r.NotSent)
	if e.cause != nil {
		s.WriteString(": " + clip(e.cause.Error(), 400))
	}
	for i, f := range r.Failures {
		text := clip(f.text(), 400)
		if s.Len()+len(text) > maxText-64 || i == 10 {
			fmt.Fprintf(&s, "; and %d more", r.Failed+r.Unknown+r.NotSent-i)
			break
		}
		s.WriteString("; " + text)
	}
	return s.String()
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-3], "") + "..."
}

// Unwrap returns the errors of the failures.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, 0, len(e.Report.Failures)+2)
	if e.cause != nil {
		errs = append(errs, e.cause)
	}
	if e.Report.Unknown > 0 {
		errs = append(errs, ErrOutcomeUnknown)
	}
	for _, f := range e.Report.Failures {
		errs = append(errs, f.Err)
	}
	return errs
}

// unknownErr wraps the cause of an unknown outcome.
func unknownErr(cause error) error {
	if u, ok := errors.AsType[*once.UnknownError](cause); ok {
		cause = u.Err
	}
	if errors.Is(cause, ErrOutcomeUnknown) {
		return cause
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, cause)
}

// count adds an item that did not go well.
func (r *Report) count(f Failure, limit int) {
	switch f.Outcome {
	case NotSent:
		r.NotSent++
	case Failed:
		r.Failed++
	default:
		r.Unknown++
		f.Err = unknownErr(f.Err)
	}
	r.Failures = append(r.Failures, f)
	if len(r.Failures) >= 2*limit {
		r.trim(limit)
	}
}

// trim sorts the failures and keeps the first ones.
func (r *Report) trim(limit int) {
	slices.SortStableFunc(r.Failures, func(a, b Failure) int {
		if a.Index != b.Index {
			return a.Index - b.Index
		}
		return strings.Compare(a.Key, b.Key)
	})
	if len(r.Failures) > limit {
		clear(r.Failures[limit:])
		r.Failures = r.Failures[:limit]
		r.Truncated = true
	}
}
