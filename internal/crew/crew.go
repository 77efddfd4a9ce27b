package crew

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// Crew is the goroutines of one call. The zero value is ready.
type Crew struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	end func() // how the caller is to end
}

// Go runs fn in a goroutine, and behind it after, which is told whether fn has returned.
func (c *Crew) Go(fn func(), after func(returned bool)) {
	c.wg.Go(func() {
		returned := false
		defer func() { after(returned) }()
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

// Check ends the caller, as the goroutine did that did not return, if there was one.
func (c *Crew) Check() {
	c.mu.Lock()
	end := c.end
	c.mu.Unlock()
	if end != nil {
		end()
	}
}

// Wait waits for all goroutines, and what comes behind them.
func (c *Crew) Wait() { c.wg.Wait() }

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
