//go:build !linux

package redistest

import "os/exec"

// dieWithParent has no counterpart here: servers outlive a test process that is killed.
func dieWithParent(*exec.Cmd) {}
