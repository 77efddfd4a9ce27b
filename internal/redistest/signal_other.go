//go:build !unix

package redistest

import "errors"

var errNoSignals = errors.New("redistest: processes cannot be paused on this system")

func (s *process) stopProcess() error     { return errNoSignals }
func (s *process) continueProcess() error { return errNoSignals }
