//go:build linux || darwin

package main

import (
	"os"
	"syscall"
	"unsafe"
)

// windowSize asks the terminal; 0 where it does not say.
func windowSize(f *os.File) (width, height int) {
	var size struct{ rows, columns, x, y uint16 }
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size))) //nolint:gosec // the one way to ask
	if errno != 0 {
		return 0, 0
	}
	return int(size.columns), int(size.rows)
}
