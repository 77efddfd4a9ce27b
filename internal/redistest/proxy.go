package redistest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between clients and a server, and breaks what passes at exact bytes.
type Proxy struct {
	network, target string
	listener        net.Listener

	mu          sync.Mutex
	conns       map[net.Conn]bool
	accepted    int
	request     rule
	reply       rule
	refuse      bool
	delay       time.Duration
	wg          sync.WaitGroup
	done        chan struct{} // closed at the end of the test
	requestSeen int64
	replySeen   int64
}

// rule is what happens to one direction.
type rule struct {
	kind ruleKind
	left int64 // bytes that still pass
}

type ruleKind int

const (
	pass ruleKind = iota
	cut           // close the connection after so many bytes; the rest of what the server says is thrown away
	drop          // after so many bytes let nothing pass, and keep the connection
	half          // after so many bytes close this direction alone
)

// NewProxy starts a proxy in front of an address: "unix" and a socket's path, or "tcp" and host:port.
func NewProxy(tb testing.TB, network, addr string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed by Cleanup
	if err != nil {
		tb.Fatalf("redistest: proxy: %v", err)
	}
	p := &Proxy{network: network, target: addr, listener: l, conns: map[net.Conn]bool{}, done: make(chan struct{})}
	p.wg.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		close(p.done)
		p.Refuse() // the one that is being accepted, too
		p.wg.Wait()
	})
	return p
}

// Addr is where clients connect, by TCP.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// CutRequestAfter closes each connection once n more bytes, over all connections, went to the server.
func (p *Proxy) CutRequestAfter(n int64) { p.set(&p.request, rule{cut, n}) }

// CutReplyAfter closes each connection once n more bytes, over all connections, came from the server. The server has
// executed what it was sent.
func (p *Proxy) CutReplyAfter(n int64) { p.set(&p.reply, rule{cut, n}) }

// DropRequestAfter swallows what clients send beyond n more bytes; the connections stay.
func (p *Proxy) DropRequestAfter(n int64) { p.set(&p.request, rule{drop, n}) }

// DropReplyAfter swallows what the server answers beyond n more bytes; the connections stay.
func (p *Proxy) DropReplyAfter(n int64) { p.set(&p.reply, rule{drop, n}) }

// HalfCloseAfter ends the direction from the server to the client after n more bytes, and leaves the other open.
func (p *Proxy) HalfCloseAfter(n int64) { p.set(&p.reply, rule{half, n}) }

// Delay holds back each piece of what the server says for this long.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Refuse closes new connections at once, and all that are open.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	p.refuse = true
	p.mu.Unlock()
	p.CloseConnections()
}

// Heal ends every fault. Connections that were cut stay so; those whose bytes were dropped are closed, since they have lost
// their place.
func (p *Proxy) Heal() {
	p.mu.Lock()
	dropped := p.request.kind == drop || p.reply.kind == drop || p.reply.kind == half
	p.request, p.reply, p.refuse, p.delay = rule{}, rule{}, false, 0
	p.mu.Unlock()
	if dropped {
		p.CloseConnections()
	}
}

// Connections is how many connections were accepted so far.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Bytes is how much went to the server and how much came from it, whether it was let through or not.
func (p *Proxy) Bytes() (request, reply int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requestSeen, p.replySeen
}

// CloseConnections resets all connections.
func (p *Proxy) CloseConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *Proxy) set(r *rule, to rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*r = to
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.accepted++
		refuse := p.refuse
		p.mu.Unlock()
		if refuse {
			_ = client.Close()
			continue
		}
		server, err := net.Dial(p.network, p.target) //nolint:noctx // ends with the proxy
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		if p.refuse {
			_, _ = client.Close(), server.Close()
		}
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		var both sync.WaitGroup // a direction that ended may leave the other open
		both.Go(func() { p.pump(server, client, &p.request, &p.requestSeen) })
		both.Go(func() { p.pump(client, server, &p.reply, &p.replySeen) })
		p.wg.Go(func() {
			both.Wait()
			p.forget(client, server)
		})
	}
}

// pump copies one direction, obeying its rule.
func (p *Proxy) pump(to, from net.Conn, r *rule, seen *int64) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.mu.Lock()
			*seen += int64(n)
			kind, allowed := r.kind, int64(n)
			if kind != pass {
				allowed = min(allowed, r.left)
				r.left -= allowed
			}
			done := kind != pass && allowed < int64(n)
			delay := p.delay
			p.mu.Unlock()
			if delay > 0 && r == &p.reply {
				select {
				case <-time.After(delay):
				case <-p.done: // nobody waits for it any more
				}
			}
			if allowed > 0 {
				if _, err := to.Write(buf[:allowed]); err != nil {
					_, _ = to.Close(), from.Close()
					return
				}
			}
			if done && !p.end(kind, to, from) {
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				closeWrite(to)
			} else {
				_, _ = to.Close(), from.Close()
			}
			return
		}
	}
}

// end does what a rule says at its last byte, and says whether to go on reading.
func (p *Proxy) end(kind ruleKind, to, from net.Conn) bool {
	switch kind {
	case cut:
		_, _ = to.Close(), from.Close()
		return false
	case half:
		closeWrite(to)
		_, _ = io.Copy(io.Discard, from)
		return false
	}
	return true
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close()
}

func (p *Proxy) forget(conns ...net.Conn) {
	for _, c := range conns {
		_ = c.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}
