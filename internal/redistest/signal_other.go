//go:build !unix

package redistest

import "errors"

var errNoSignals = errors.New("redistest: processes cannot be paused on this system")

func (s *Server) stopProcess() error     { return errNoSignals }
func (s *Server) continueProcess() error { return errNoSignals }
