//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package redistest

import (
	"os"
	"syscall"
)

// tryLock takes the lock of a file, which ends with the file or the process, unless another has it.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
