package lardertest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

// A Fault makes commands fail. Without Error, Lost, Refused or Delay it does nothing. It does not apply to what scripts
// call, but to the EVAL or EVALSHA that a client sends.
type Fault struct {
	// Commands are the names of the commands that fail, "SET" or "set". None means every command, and those are more
	// than a test sends: each new connection sends HELLO and CLIENT.
	Commands []string
	// Skip is how many of these commands pass before the first one fails.
	Skip int
	// Times is how many commands fail; then all is well again. 0 means all of them, until the next SetFaults.
	Times int

	// Error is answered instead of executing the command, as a server words it: its code comes first, as in "OOM
	// command not allowed when used memory > 'maxmemory'.". In a transaction it spoils the EXEC.
	Error string
	// Lost executes the command and then breaks the connection instead of replying: the client cannot know what became
	// of it.
	Lost bool
	// Refused breaks the connection without executing the command.
	Refused bool
	// Delay passes before anything else happens: longer than the client's ReadTimeout, it makes a server that hangs. In
	// a bubble it takes no time.
	Delay time.Duration
}

// SetFaults replaces all faults that were set before; without faults, all is well again. Of several faults that fit a
// command, the first one applies. rdb is a client of this package, or an AutoPipeliner of one. It retries as it would
// on a real server: with go-redis's defaults, a command whose reply is Lost is sent four times. So let a command fail
// as often as the code under test has to see, or make the client with MaxRetries -1. One round trip.
func SetFaults(rdb redis.UniversalClient, faults ...Fault) error {
	for i, f := range faults {
		switch {
		case f.Skip < 0 || f.Times < 0 || f.Delay < 0:
			return fmt.Errorf("lardertest: set faults: fault %d: Skip, Times and Delay must not be negative", i)
		case f.Error != "" && (f.Lost || f.Refused) || f.Lost && f.Refused:
			return fmt.Errorf("lardertest: set faults: fault %d: Error, Lost and Refused exclude each other", i)
		case strings.ContainsAny(f.Error, "\r\n"):
			return fmt.Errorf("lardertest: set faults: fault %d: Error %q must be one line", i, f.Error)
		}
	}
	text, err := json.Marshal(faults)
	if err != nil {
		return fmt.Errorf("lardertest: set faults: %w", err)
	}
	return tell(rdb, "set faults", cmdFaults, string(text))
}

// fault is one in force.
type fault struct {
	Fault

	skipped, struck int
}

func (f *fake) setFaults(c *server.Peer, args []string) {
	var set []Fault
	if err := json.Unmarshal([]byte(strings.Join(args, "")), &set); err != nil {
		c.WriteError("ERR lardertest: " + err.Error())
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
	for _, one := range set {
		f.faults = append(f.faults, &fault{Fault: one})
	}
	c.WriteOK()
}

// next returns the fault that strikes a command, and counts it.
func (f *fake) next(cmd string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.faults {
		if len(one.Commands) > 0 && !slices.ContainsFunc(one.Commands, func(name string) bool { return strings.EqualFold(name, cmd) }) {
			continue
		}
		if one.Times > 0 && one.struck == one.Times {
			continue
		}
		if one.skipped < one.Skip {
			one.skipped++
			continue
		}
		one.struck++
		return one.Fault, true
	}
	return Fault{}, false
}

// strike lets a command fail if a fault says so, and reports whether there is nothing left to do about it.
func (f *fake) strike(c *server.Peer, cmd string, args []string) bool {
	fault, found := f.next(cmd)
	if !found {
		return false
	}
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-f.closed:
		}
	}
	switch {
	case fault.Error != "":
		// A command that is refused while it is queued spoils its transaction, as one without arguments does; EXEC ends it.
		if cmd == "EXEC" {
			f.execute(c, "DISCARD", nil)
		} else {
			f.execute(c, "GET", nil)
		}
		c.WriteError(fault.Error)
	case fault.Lost:
		f.execute(c, cmd, args)
		c.Close()
	case fault.Refused:
		c.Close()
	default:
		return false
	}
	return true
}
