//go:build unix

package redistest

import "syscall"

func (s *process) stopProcess() error     { return s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *process) continueProcess() error { return s.cmd.Process.Signal(syscall.SIGCONT) }
