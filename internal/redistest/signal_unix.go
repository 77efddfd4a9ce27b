//go:build unix

package redistest

import "syscall"

func (s *Server) stopProcess() error     { return s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *Server) continueProcess() error { return s.cmd.Process.Signal(syscall.SIGCONT) }
