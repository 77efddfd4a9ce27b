package redistest

import (
	"io"
	"sync"
)

// clients are those that one handle of a server, a cluster or Sentinels has made. The handles that tests have of shared ones
// close theirs when the test ends; what is made after that (a test may pass its handle on) is closed with the shared one.
type clients struct {
	mu     sync.Mutex
	all    []io.Closer
	closed bool
	parent *clients // nil if this is the shared one, or a test's own
}

func (c *clients) keep(client io.Closer) {
	c.mu.Lock()
	if c.closed && c.parent != nil {
		c.mu.Unlock()
		c.parent.keep(client)
		return
	}
	c.all = append(c.all, client)
	c.mu.Unlock()
}

func (c *clients) close() {
	c.mu.Lock()
	all := c.all
	c.all, c.closed = nil, true
	c.mu.Unlock()
	for _, client := range all {
		_ = client.Close()
	}
}
