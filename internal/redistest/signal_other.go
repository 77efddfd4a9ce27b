//go:build !unix

package redistest

import (
	"errors"
	"os"
)

var errNoSignals = errors.New("redistest: processes cannot be paused on this system")

func stopProcess(*os.Process) error     { return errNoSignals }
func continueProcess(*os.Process) error { return errNoSignals }

// gone cannot tell here, and lets all folders stay.
func gone(int) bool { return false }
