package email

import (
	"context"
	"crypto/tls"
	"net"

	mail "github.com/wneessen/go-mail"
)

// line returns a function that connects for one mail, and one that closes what was connected. The connection is closed when
// ctx ends, too: go-mail looks at a context until it is connected and not after.
func (n *Notifier) line(ctx context.Context) (dial mail.DialContextFunc, hangUp func()) {
	end := func() {}
	dial = func(connecting context.Context, network, addr string) (net.Conn, error) {
		var dialer interface {
			DialContext(ctx context.Context, network, addr string) (net.Conn, error)
		} = &net.Dialer{}
		if n.opts.Security == ImplicitTLS {
			dialer = &tls.Dialer{Config: n.opts.TLS.Clone()}
		}
		conn, err := dialer.DialContext(connecting, network, addr)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		end = func() {
			stop()
			_ = conn.Close() // go-mail mostly has, but not where the greeting or the password failed
		}
		return conn, nil
	}
	return dial, func() { end() }
}
