package redistest

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner starts processes from one thread that lives as long as the servers: on Linux a child dies with the thread that
// started it.
var spawner struct {
	mu   sync.Mutex
	work chan func()
}

func start(cmd *exec.Cmd) error {
	dieWithParent(cmd)
	spawner.mu.Lock()
	defer spawner.mu.Unlock()
	if spawner.work == nil {
		work := make(chan func())
		spawner.work = work
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
			for run := range work {
				run()
			}
		}()
	}
	done := make(chan error)
	spawner.work <- func() { done <- cmd.Start() }
	return <-done
}

// stopSpawning ends the thread, and what it started.
func stopSpawning() {
	spawner.mu.Lock()
	defer spawner.mu.Unlock()
	if spawner.work != nil {
		close(spawner.work)
		spawner.work = nil
	}
}
