package pipeline

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// crew is the goroutines of one call. What runs in them is a client with hooks of somebody else: a panic there is
// handed to the caller, who can recover from it as if there were no goroutine, and so is the end of a goroutine.
type crew struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	end func() // how the caller is to end
}

// Go runs fn in a goroutine, and behind it, whatever happened, after.
func (c *crew) Go(fn, after func()) {
	c.wg.Go(func() {
		defer after()
		returned := false
		defer func() {
			if returned {
				return
			}
			end := runtime.Goexit
			if v := recover(); v != nil {
				err, ok := v.(*panicError) // of a goroutine of this one
				if !ok {
					err = &panicError{value: v, stack: debug.Stack()}
				}
				end = func() { panic(err) }
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.end = end
		}()
		fn()
		returned = true
	})
}

// check ends the caller if a goroutine ended.
func (c *crew) check() {
	c.mu.Lock()
	end := c.end
	c.mu.Unlock()
	if end != nil {
		end()
	}
}

// Wait waits for all goroutines.
func (c *crew) Wait() { c.wg.Wait() }

// panicError is a panic of a goroutine.
type panicError struct {
	value any
	stack []byte
}

// Error has the value and where it came from.
func (e *panicError) Error() string { return fmt.Sprintf("%v\n\n%s", e.value, e.stack) }

// Unwrap returns the value, if it is an error.
func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}
