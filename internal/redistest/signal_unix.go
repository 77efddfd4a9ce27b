//go:build unix

package redistest

import (
	"errors"
	"os"
	"syscall"
)

var errNoSignals = errors.New("redistest: processes cannot be paused on this system")

func stopProcess(p *os.Process) error     { return p.Signal(syscall.SIGSTOP) }
func continueProcess(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// gone says whether there is no such process.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
