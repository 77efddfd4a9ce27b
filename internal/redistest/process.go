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
	go spawn(work)
	return work
})

// spawn has a name for the sake of [LeakOptions].
func spawn(work <-chan func()) {
	runtime.LockOSThread()
	for start := range work {
		start()
	}
}

func start(cmd *exec.Cmd) error {
	dieWithParent(cmd)
	done := make(chan error)
	spawner() <- func() { done <- cmd.Start() }
	return <-done
}

// reap closes exited when the process has ended. It has a name for the sake of [LeakOptions].
func reap(cmd *exec.Cmd, exited chan<- struct{}) {
	_ = cmd.Wait()
	close(exited)
}
