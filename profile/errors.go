package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The errors of a Store. They come wrapped, with the operation and the id: ask with errors.Is.
var (
	// ErrNotFound says that there is no such object: the loader said so, or the cache remembers that it did. Loaders
	// return it, wrapped or as it is, to say that an object is absent.
	ErrNotFound = errors.New("profile: not found")
	// ErrNotCached says that nothing is known of the object, and that there is no loader to ask.
	ErrNotCached = errors.New("profile: not cached")
	// ErrConflict says that a Modify lost to other writers as often as it tries, or that what it loaded was not cached any
	// more, three times.
	ErrConflict = errors.New("profile: too many others wrote at the same time")
	// ErrWrongType says that the key holds another type of Redis than a hash. It was left as it is.
	ErrWrongType = errors.New("profile: the key holds another type than a hash")
	// ErrOutcomeUnknown says that a write was sent and not answered: it may or may not have been applied, and a server
	// that hangs may still apply it, even after writes that come later. Repeating a Set, an Update or an Invalidate is
	// safe; what an Increment did can only be read.
	ErrOutcomeUnknown = errors.New("profile: sent, but not answered")
	// ErrOverflow says that an Increment would leave the range of the field's type. Nothing was changed.
	ErrOverflow = errors.New("profile: out of the range of the field")
	// ErrUnknownField says that the fields named are none of T.
	ErrUnknownField = errors.New("profile: unknown field")
	// ErrUnavailable says that Redis was not asked, because it failed several times in a row. The last cause is wrapped.
	ErrUnavailable = errors.New("profile: redis is not available")
	// ErrCorrupt is in the errors that Hooks.Error gets to see when what the cache holds cannot be decoded.
	ErrCorrupt = errors.New("profile: the cached object cannot be decoded")
	// ErrGoexit says that the loader ended its goroutine.
	ErrGoexit = errors.New("profile: the loader called runtime.Goexit")
)

// PanicError is what all callers who wait for a load get when the loader panics.
type PanicError struct {
	Value any    // what the loader panicked with
	Stack []byte // where, as debug.Stack formats it
}

// Error tells the value, and not the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("the loader panicked: %v", e.Value) }

// Unwrap returns the value that the loader panicked with, if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// ManyError is the error of operations on several ids of which some failed.
type ManyError struct {
	Op   string           // "get", "set" or "invalidate"
	Errs map[string]error // the cause of each id that failed; what is not in here went well
}

// Error names the ids, the first of them with their causes.
func (e *ManyError) Error() string {
	const most = 8
	var b strings.Builder
	fmt.Fprintf(&b, "profile: %s: %d failed", e.Op, len(e.Errs))
	for i, id := range e.ids() {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(e.Errs)-most)
			break
		}
		fmt.Fprintf(&b, "; %.100q: %v", id, e.Errs[id])
	}
	return b.String()
}

// Unwrap returns the causes in the order of their ids.
func (e *ManyError) Unwrap() []error {
	errs := make([]error, 0, len(e.Errs))
	for _, id := range e.ids() {
		errs = append(errs, e.Errs[id])
	}
	return errs
}

func (e *ManyError) ids() []string {
	ids := make([]string, 0, len(e.Errs))
	for id := range e.Errs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func manyError(op string, errs map[string]error) error {
	if len(errs) == 0 {
		return nil
	}
	return &ManyError{Op: op, Errs: errs}
}

func wrap(op, id string, err error) error {
	return fmt.Errorf("profile: %s %q: %w", op, id, err)
}
