package once

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// mark is what a command knows of its sending.
type mark struct {
	// calls counts the calls of SetErr, nils those with nil.
	calls, nils int32
	// unsent is an error that proves that nothing was sent, kept back from the
	// command: go-redis overwrites no error by a later one, so a batch that is
	// tried again and cut then would otherwise show the first error.
	unsent error
	// failed is the last such error, and stays; after counts the calls of
	// SetErr(nil) behind it.
	failed error
	after  int32
	// wrote says that somebody asked for the arguments. Nobody can write a command
	// without them, so one that was not asked was not sent, whatever its error.
	wrote bool
}

// note counts a call of SetErr, and says whether the error is to be handed on.
func (m *mark) note(err error) bool {
	m.calls++
	m.unsent = nil
	switch {
	case err == nil:
		m.nils++
		m.after++
	case notSent(err):
		m.unsent, m.failed, m.after = err, err, 0
		return false
	}
	return true
}

// asked notes that the arguments are being read. A second call writes nothing, as
// the first one may be looked at by then.
func (m *mark) asked() {
	if !m.wrote {
		m.wrote = true
	}
}

// acknowledged says that the command was answered, and never had an error.
func (m *mark) acknowledged() bool { return m.nils > 0 && m.nils == m.calls }

func (m *mark) state() *mark { return m }

// tracked is a command that is not sent twice and counts its acknowledgements.
type tracked interface {
	redis.Cmder
	state() *mark
	// set sets the error of the command itself.
	set(err error)
}

// wrapper makes any command a tracked one.
type wrapper struct {
	redis.Cmder
	mark
}

// NoRetry keeps go-redis from sending the command again.
func (w *wrapper) NoRetry() bool { return true }

// SetErr counts.
func (w *wrapper) SetErr(err error) {
	if w.note(err) {
		w.Cmder.SetErr(err)
	}
}

// Args notes that they are read.
func (w *wrapper) Args() []any {
	w.asked()
	return w.Cmder.Args()
}

// Clone makes a copy that is not tracked, so it counts as written.
func (w *wrapper) Clone() redis.Cmder {
	w.asked()
	return w.Cmder.Clone()
}

func (w *wrapper) set(err error) { w.Cmder.SetErr(err) }

// Status is a command with a status for a reply, such as SET, that needs no
// wrapper, for slabs: a batch of them costs no allocation. Its arguments are not
// checked, so they must be such as go-redis can send.
type Status struct {
	redis.StatusCmd
	mark
}

// Init makes s a new command, which keeps args.
func (s *Status) Init(ctx context.Context, args []any) {
	s.StatusCmd = *redis.NewStatusCmd(ctx, args...)
	s.mark = mark{}
}

// NoRetry keeps go-redis from sending the command again.
func (s *Status) NoRetry() bool { return true }

// SetErr counts.
func (s *Status) SetErr(err error) {
	if s.note(err) {
		s.StatusCmd.SetErr(err)
	}
}

// Args notes that they are read.
func (s *Status) Args() []any {
	s.asked()
	return s.StatusCmd.Args()
}

// Clone makes a copy that is not tracked, so it counts as written.
func (s *Status) Clone() redis.Cmder {
	s.asked()
	return s.StatusCmd.Clone()
}

func (s *Status) set(err error) { s.StatusCmd.SetErr(err) }

// Bulk is like [Status] for a command with a string for a reply, such as GET.
type Bulk struct {
	redis.StringCmd
	mark
}

// Init makes s a new command, which keeps args.
func (s *Bulk) Init(ctx context.Context, args []any) {
	s.StringCmd = *redis.NewStringCmd(ctx, args...)
	s.mark = mark{}
}

// NoRetry keeps go-redis from sending the command again.
func (s *Bulk) NoRetry() bool { return true }

// SetErr counts.
func (s *Bulk) SetErr(err error) {
	if s.note(err) {
		s.StringCmd.SetErr(err)
	}
}

// Args notes that they are read.
func (s *Bulk) Args() []any {
	s.asked()
	return s.StringCmd.Args()
}

// Clone makes a copy that is not tracked, so it counts as written.
func (s *Bulk) Clone() redis.Cmder {
	s.asked()
	return s.StringCmd.Clone()
}

func (s *Bulk) set(err error) { s.StringCmd.SetErr(err) }
