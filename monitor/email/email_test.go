package email

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/monitor"
)

// smtpServer is a small SMTP server that keeps what it is sent.
type smtpServer struct {
	listener net.Listener
	config   *tls.Config
	implicit bool
	starttls bool
	password string // wanted where not ""
	refuse   string // the answer to RCPT where not ""
	hang     string // the verb after which it says nothing any more
	hangs    chan struct{}

	mu    sync.Mutex
	mails []string
	rcpts []string
	auths []string
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("::1")}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// serve starts the server on an address such as "127.0.0.1:0", and returns its port.
func (s *smtpServer) serve(t *testing.T, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", address) //nolint:noctx // ends with the test
	if err != nil && strings.HasPrefix(address, "[") {
		t.Skip("no IPv6 on this machine")
	}
	require.NoError(t, err)
	if s.implicit {
		l = tls.NewListener(l, s.config)
	}
	s.listener = l
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(conn)
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	n := 0
	_, err = fmt.Sscan(port, &n)
	require.NoError(t, err)
	return n
}

func (s *smtpServer) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	say("220 test ESMTP")
	secure := s.implicit
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		if s.hang != "" && strings.EqualFold(verb, s.hang) {
			close(s.hangs)
			_, _ = io.Copy(io.Discard, r) // until the other side gives up
			return
		}
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-test")
			if s.starttls && !secure {
				say("250-STARTTLS")
			}
			if s.password != "" && (secure || !s.starttls) {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			secured := tls.Server(conn, s.config)
			conn, secure = secured, true
			r = bufio.NewReader(conn)
		case "AUTH":
			_, token, _ := strings.Cut(rest, " ")
			plain, _ := base64.StdEncoding.DecodeString(token)
			s.mu.Lock()
			s.auths = append(s.auths, string(plain))
			s.mu.Unlock()
			if !strings.HasSuffix(string(plain), "\x00"+s.password) {
				say("535 5.7.8 wrong")
				continue
			}
			say("235 2.7.0 welcome")
		case "RCPT":
			if s.refuse != "" {
				say(s.refuse)
				continue
			}
			s.mu.Lock()
			s.rcpts = append(s.rcpts, rest)
			s.mu.Unlock()
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(line)
			}
			s.mu.Lock()
			s.mails = append(s.mails, text.String())
			s.mu.Unlock()
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *smtpServer) got() (mails, rcpts, auths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(mails, s.mails...), append(rcpts, s.rcpts...), append(auths, s.auths...)
}

var alerts = []monitor.Alert{
	{
		Rule: "ServerDown", Node: "10.0.0.1:6379", Severity: monitor.Critical, State: monitor.Firing, Message: "no answer: connection refused",
		Since: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC),
	},
	{
		Rule: "LowHitRatio", Node: "10.0.0.2:6379", Severity: monitor.Warning, State: monitor.Resolved, Message: "hit_ratio 95 %",
		Since: time.Date(2025, 3, 1, 11, 0, 0, 0, time.UTC), ResolvedAt: time.Date(2025, 3, 1, 12, 30, 0, 0, time.UTC),
	},
}

// check looks at what arrived.
func check(t *testing.T, s *smtpServer) {
	t.Helper()
	mails, rcpts, _ := s.got()
	require.Len(t, mails, 1)
	text := strings.ReplaceAll(mails[0], "=\r\n", "")
	for _, want := range []string{
		"Subject: [redis] 1 firing, 1 resolved\r\n", "From: \"Larder\" <redis@example.com>\r\n",
		"FIRING: ServerDown on 10.0.0.1:6379 (critical)", "no answer: connection refused", "since 2025-03-01 12:00:00 UTC",
		"RESOLVED: LowHitRatio on 10.0.0.2:6379 (warning)", "since 2025-03-01 11:00:00 UTC, resolved 2025-03-01 12:30:00 UTC",
	} {
		assert.Contains(t, text, want)
	}
	assert.Len(t, rcpts, 2)
	assert.Contains(t, rcpts[0], "ops@example.com")
}

func options(port int) Options {
	return Options{Host: "127.0.0.1", Port: port, From: "Larder <redis@example.com>", To: []string{"ops@example.com", "boss@example.com"}, Timeout: time.Minute}
}

// TestNotify: a mail arrives at a real SMTP server, in the clear.
func TestNotify(t *testing.T) {
	s := &smtpServer{}
	o := options(s.serve(t, "127.0.0.1:0"))
	o.Security = Plain
	n, err := New(o)
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), nil), "nothing is no mail")
	require.NoError(t, n.Notify(t.Context(), alerts))
	check(t, s)
}

// TestNotifyByStartTLS: the default, to its end: TLS, then the password, then the mail.
func TestNotifyByStartTLS(t *testing.T) {
	cert, pool := certificate(t)
	s := &smtpServer{starttls: true, password: "geheim", config: &tls.Config{Certificates: []tls.Certificate{cert}}}
	o := options(s.serve(t, "127.0.0.1:0"))
	o.Username, o.Password, o.TLS = "larder", "geheim", &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	n, err := New(o)
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), alerts))
	check(t, s)
	_, _, auths := s.got()
	assert.Equal(t, []string{"\x00larder\x00geheim"}, auths)

	o.TLS = nil // the system does not know the test's authority
	n, err = New(o)
	require.NoError(t, err)
	require.ErrorContains(t, n.Notify(t.Context(), alerts), "certificate")

	// A server without STARTTLS gets nothing.
	bare := &smtpServer{password: "geheim"}
	o.Port = bare.serve(t, "127.0.0.1:0")
	n, err = New(o)
	require.NoError(t, err)
	require.Error(t, n.Notify(t.Context(), alerts))
	mails, _, auths := bare.got()
	assert.Empty(t, mails)
	assert.Empty(t, auths)
}

func TestNotifyByTLS(t *testing.T) {
	cert, pool := certificate(t)
	s := &smtpServer{implicit: true, password: "geheim", config: &tls.Config{Certificates: []tls.Certificate{cert}}}
	o := options(s.serve(t, "127.0.0.1:0"))
	o.Security, o.Username, o.Password, o.TLS = ImplicitTLS, "larder", "geheim", &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	n, err := New(o)
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), alerts))
	check(t, s)
}

func TestNotifyByIPv6(t *testing.T) {
	s := &smtpServer{}
	o := options(s.serve(t, "[::1]:0"))
	o.Host, o.Security = "::1", Plain
	n, err := New(o)
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), alerts))
	check(t, s)
}

// TestErrorsAndSecrets: what goes wrong is said, and no password with it.
func TestErrorsAndSecrets(t *testing.T) {
	cert, pool := certificate(t)
	s := &smtpServer{implicit: true, password: "anders", config: &tls.Config{Certificates: []tls.Certificate{cert}}}
	o := options(s.serve(t, "127.0.0.1:0"))
	o.Security, o.Username, o.Password, o.TLS = ImplicitTLS, "larder", "geheim", &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	n, err := New(o)
	require.NoError(t, err)
	wrong := n.Notify(t.Context(), alerts)
	require.ErrorContains(t, wrong, "535")
	for _, text := range []string{wrong.Error(), fmt.Sprint(n), fmt.Sprintf("%+v %#v %s", n, n, n), fmt.Sprint(monitor.Options{Notifiers: []monitor.Notifier{n}})} {
		assert.NotContains(t, text, "geheim")
	}
	refusing := &smtpServer{refuse: "550 no such user"}
	o = options(refusing.serve(t, "127.0.0.1:0"))
	o.Security = Plain
	n, err = New(o)
	require.NoError(t, err)
	require.ErrorContains(t, n.Notify(t.Context(), alerts), "550")
	require.NoError(t, refusing.listener.Close())
	require.Error(t, n.Notify(t.Context(), alerts))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, n.Notify(ctx, alerts), context.Canceled)
}

// TestHungServer: Notify returns when its context ends, at whatever step the server hangs.
func TestHungServer(t *testing.T) {
	cert, pool := certificate(t)
	for _, security := range []Security{Plain, StartTLS, ImplicitTLS} {
		for _, verb := range []string{"EHLO", "AUTH", "MAIL", "DATA", "QUIT"} {
			if security == Plain && verb == "AUTH" {
				continue
			}
			t.Run(fmt.Sprint(security, verb), func(t *testing.T) {
				s := &smtpServer{
					hang: verb, hangs: make(chan struct{}), starttls: security == StartTLS, implicit: security == ImplicitTLS,
					config: &tls.Config{Certificates: []tls.Certificate{cert}},
				}
				o := options(s.serve(t, "127.0.0.1:0"))
				o.Security, o.Timeout = security, time.Hour
				if security != Plain {
					s.password, o.Username, o.Password = "geheim", "larder", "geheim"
					o.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
				}
				n, err := New(o)
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- n.Notify(ctx, alerts) }()
				<-s.hangs
				cancel()
				if verb == "QUIT" {
					require.NoError(t, <-done, "the mail was taken; an error would have it sent again")
					return
				}
				require.ErrorIs(t, <-done, context.Canceled)
			})
		}
	}
}

// TestOptionsArePrinted without the password, by whatever prints them.
func TestOptionsArePrinted(t *testing.T) {
	o := Options{Host: "smtp.example.com", Username: "larder", Password: "geheim"}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info(o.Host, "options", o)
	slog.New(slog.NewTextHandler(&logged, nil)).Info(o.Host, "options", o)
	for _, text := range []string{fmt.Sprint(o), fmt.Sprintf("%v %+v %#v %s", o, &o, o, o), logged.String()} {
		assert.NotContains(t, text, "geheim")
		assert.Contains(t, text, "smtp.example.com")
	}
}

func TestNewRefuses(t *testing.T) {
	fine := Options{Host: "smtp.example.com", From: "a@example.com", To: []string{"b@example.com"}}
	n, err := New(fine)
	require.NoError(t, err)
	assert.Equal(t, "email to b@example.com by smtp.example.com", n.String())
	for want, change := range map[string]func(*Options){
		"Options.Host": func(o *Options) { o.Host = " " }, "Options.From": func(o *Options) { o.From = "nobody" }, "Options.To is": func(o *Options) { o.To = nil },
		"Options.To[0]": func(o *Options) { o.To = []string{"x"} }, "Options.Port": func(o *Options) { o.Port = 70000 }, "Options.Timeout": func(o *Options) { o.Timeout = -1 },
		"Options.Username": func(o *Options) { o.Password = "geheim" }, "Options.Security: Plain": func(o *Options) { o.Security, o.Username = Plain, "u" },
		"Options.Security: 9": func(o *Options) { o.Security = 9 }, "Options.Subject": func(o *Options) { o.Subject = "a\r\nBcc: x" },
	} {
		o := fine
		change(&o)
		_, err := New(o)
		require.ErrorContains(t, err, "email: "+want)
		assert.NotContains(t, err.Error(), "geheim")
	}
	one := subject(alerts[:1])
	assert.Equal(t, "FIRING ServerDown on 10.0.0.1:6379", one)
	assert.Equal(t, "FIRING a b on ", subject([]monitor.Alert{{Rule: "a\nb", State: monitor.Firing}}))
}
