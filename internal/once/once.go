package once

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// UnknownError says that something was sent and that no answer came: it may or
// may not have run.
type UnknownError struct {
	// Err is why no answer came.
	Err error
}

// Error says so, with the cause.
func (e *UnknownError) Error() string { return "sent, but not answered: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnknownError) Unwrap() error { return e.Err }

// IsUnknown says whether err is, or wraps, an [UnknownError].
func IsUnknown(err error) bool {
	_, ok := errors.AsType[*UnknownError](err)
	return ok
}

// Process sends cmd once. It returns nil when the server answered without an
// error, the error of the server ([redis.Nil] included) when it answered with
// one, an [UnknownError] when cmd was sent and no answer came, and any other
// error when nothing was sent: a context that had ended, an argument that cannot
// be encoded, a server that could not be reached, a password that was refused.
// The reply is in cmd. One round trip.
func Process(ctx context.Context, rdb redis.UniversalClient, cmd redis.Cmder) error {
	if err := ctx.Err(); err != nil {
		cmd.SetErr(err)
		return err
	}
	if err := Check(cmd); err != nil {
		cmd.SetErr(err)
		return err
	}
	w := &wrapper{Cmder: cmd}
	err := rdb.Process(ctx, w)
	if own := w.Err(); err == nil { // waits, where the client works in the background
		err = own
	}
	if w.unsent != nil {
		cmd.SetErr(w.unsent)
		if err == nil {
			err = w.unsent
		}
	}
	if err == nil {
		return w.doubt(rdb, cmd)
	}
	if w.outcomeOf(err, followsLate(rdb)) == Unknown {
		return &UnknownError{Err: err}
	}
	return err
}

// doubt looks closer at a command that ended without an error although a try of
// it could not be sent. An AutoPipeliner that sends a command alone stamps on it
// what its pipeline returned: nil, since the wrapper keeps such an error back. That
// looks like the acknowledgement of a later try.
func (w *wrapper) doubt(rdb redis.UniversalClient, cmd redis.Cmder) error {
	if w.failed == nil || w.after > 1 {
		return nil
	}
	switch rdb.(type) {
	case *redis.Client, *redis.Ring, *redis.ClusterClient:
		return nil
	}
	c, ok := cmd.(*redis.Cmd)
	switch {
	case ok && c.Val() != nil:
		return nil
	case ok: // an answer that is nil would be redis.Nil
		cmd.SetErr(w.failed)
		return w.failed
	default:
		cmd.SetErr(w.failed)
		return &UnknownError{Err: w.failed}
	}
}

// Outcome is what became of a command.
type Outcome int

// The outcomes of a command.
const (
	// Unknown: it was sent and no answer came.
	Unknown Outcome = iota
	// NotSent: it never left.
	NotSent
	// Failed: the server refused it.
	Failed
	// Applied: the server acknowledged it, [redis.Nil] included.
	Applied
)

// String names the outcome.
func (o Outcome) String() string {
	switch o {
	case NotSent:
		return "not sent"
	case Failed:
		return "failed"
	case Applied:
		return "applied"
	default:
		return "unknown"
	}
}

// outcomeOf tells from its error what became of a command. late says that a
// redirection may hide what became of the command after it.
func outcomeOf(err error, late bool) Outcome {
	switch {
	case err == nil, errors.Is(err, redis.Nil):
		return Applied
	case notSent(err):
		return NotSent
	case !isReply(err):
		return Unknown
	}
	if late {
		// The command may have been sent on to the other node, and the answer
		// of that one be lost: go-redis then leaves the redirection in place.
		if c := Code(err); c == "MOVED" || c == "ASK" {
			return Unknown
		}
	}
	return Failed
}

// outcomeOf is [outcomeOf] for a command that is tracked.
func (m *mark) outcomeOf(err error, late bool) Outcome {
	o := outcomeOf(err, late)
	if o == Unknown && !m.wrote {
		return NotSent
	}
	return o
}

// isReply says whether err came from a server.
func isReply(err error) bool {
	if _, ok := errors.AsType[redis.Error](err); !ok {
		return false
	}
	// A push notification that could not be read leaves the stream of replies
	// out of step; go-redis wraps its error, which may be one of a server.
	return !strings.Contains(err.Error(), "redis: connection unusable")
}

// unpipelined begins the error of a ClusterClient for a whole batch with a
// command that it cannot put into one, such as DBSIZE. It sends nothing then.
const unpipelined = "redis: cannot pipeline command"

// badConn begins the error of a transaction whose connection broke before: it
// takes no other.
const badConn = "redis: Conn is in a bad state"

// notSent says whether err proves that the command never left.
func notSent(err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, redis.ErrPoolTimeout),
		errors.Is(err, redis.ErrPoolExhausted),
		errors.Is(err, redis.ErrClosed),
		errors.Is(err, redis.ErrAutoPipelineQueueFull),
		errors.Is(err, redis.ErrAutoPipelineTimeout),
		errors.Is(err, ErrEncode):
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	switch err.Error() { // go-redis does not export them
	case "redis: cluster has no nodes", "redis: all ring shards are down":
		return true
	}
	if text := err.Error(); strings.HasPrefix(text, unpipelined) || strings.HasPrefix(text, badConn) {
		return true
	}
	// Only the greeting of a connection is answered so: nothing went before.
	return isReply(err) && Code(err) == "WRONGPASS"
}

// followsLate says whether rdb follows redirections inside its pipelines, so
// that the error left at a command may be older than its last sending.
func followsLate(rdb redis.UniversalClient) bool {
	switch rdb.(type) {
	case *redis.Client, *redis.Ring:
		return false
	default:
		return true
	}
}

// Unpipelined returns the name of the command because of which a ClusterClient
// refused a whole batch, unsent, and "" if err says nothing such.
func Unpipelined(err error) string {
	if err == nil || !strings.HasPrefix(err.Error(), unpipelined) {
		return ""
	}
	_, name, _ := strings.Cut(err.Error(), `"`)
	name, _, _ = strings.Cut(name, `"`)
	return name
}

// Sleep waits for d, or until ctx ends, and returns its error then. A duration
// that is not positive does not wait.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
