package redistest

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner starts processes from one thread that lives as long as this process: on Linux a child dies with the thread that
// started it.
var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range work {
			start()
		}
	}()
	return work
})

func start(cmd *exec.Cmd) error {
	dieWithParent(cmd)
	done := make(chan error)
	spawner() <- func() { done <- cmd.Start() }
	return <-done
}
