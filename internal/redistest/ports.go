package redistest

import (
	"errors"
	"net"
	"sync"
)

var (
	portsMu sync.Mutex
	ports   = map[int]bool{}
)

// freePort returns a port that nobody listens on, and that it has not returned before. Listeners are held until it
// has found one, so that the system cannot offer the same port again and again.
func freePort() (int, error) {
	portsMu.Lock()
	defer portsMu.Unlock()
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for range 1000 {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed before it ever accepts
		if err != nil {
			return 0, err
		}
		held = append(held, l)
		addr, ok := l.Addr().(*net.TCPAddr)
		if ok && !ports[addr.Port] {
			ports[addr.Port] = true
			return addr.Port, nil
		}
	}
	return 0, errors.New("no free port")
}
