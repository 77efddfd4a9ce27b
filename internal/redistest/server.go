package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// ServerOptions says how a private server is started.
type ServerOptions struct {
	// Args are further arguments of redis-server: "--maxmemory", "1mb".
	Args []string
	// TLS makes the server listen with TLS on its TCP port, and ask for client certificates; see [Server.TLS].
	TLS bool
	// Users are lines of ACL SETUSER: "reader on >secret ~* +@read".
	Users []string
	// Sentinel starts a Sentinel with this configuration instead of a server.
	Sentinel string
}

// Server is one redis-server process, or a test's handle of one that tests share.
type Server struct {
	*process
	clients *clients
}

// process is what all handles of a server share.
type process struct {
	dir     string
	port    int
	bus     int // of a cluster's node: its peers look for it there, also when it was restarted
	opts    ServerOptions
	cluster bool

	certs  *certificates
	master *certificates // of a replica whose master listens with TLS

	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{}
	paused  bool
	control *redis.Client
}

// handle is the server for one test, at whose end the clients that it made are closed.
func (s *Server) handle(tb testing.TB) *Server {
	tb.Helper()
	h := &Server{process: s.process, clients: &clients{parent: s.clients}}
	tb.Cleanup(h.clients.close)
	return h
}

func handles(tb testing.TB, all []*Server) []*Server {
	tb.Helper()
	var hs []*Server
	for _, s := range all {
		hs = append(hs, s.handle(tb))
	}
	return hs
}

// admin is the client with which the server is looked after.
func (s *process) admin() *redis.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.control == nil {
		s.control = redis.NewClient(s.options())
	}
	return s.control
}

// NewServer starts a server of the test's own, and stops it at the end of the test.
func NewServer(tb testing.TB, opts ServerOptions) *Server {
	tb.Helper()
	bin := Binary(tb)
	s, err := newServer(bin, opts, false)
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(s.close)
	return s
}

// attempts is how often another port is tried: between choosing a port and listening on it another program may take it.
const attempts = 10

func newServer(bin string, opts ServerOptions, cluster bool) (*Server, error) {
	return newServerOf(bin, &process{opts: opts, cluster: cluster})
}

func newServerOf(bin string, p *process) (*Server, error) {
	var err error
	if p.dir, err = newFolder(); err != nil {
		return nil, err
	}
	s := &Server{process: p, clients: &clients{}}
	if err := s.first(bin); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// first starts a server that has no ports yet.
func (s *process) first(bin string) error {
	var err error
	if s.opts.TLS && s.certs == nil {
		if s.certs, err = newCertificates(s.dir); err != nil {
			return err
		}
	}
	for range attempts {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if s.cluster {
			if s.bus, err = freePort(); err != nil {
				return err
			}
		}
		if err = s.start(bin); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

var (
	portsMu sync.Mutex
	ports   = map[int]bool{}
)

// freePort returns a port that nobody listens on, and that it has not returned before.
func freePort() (int, error) {
	portsMu.Lock()
	defer portsMu.Unlock()
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for range 100 {
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
	return 0, errors.New("redistest: no free port")
}

func (s *process) args() ([]string, error) {
	if s.opts.Sentinel != "" {
		conf := filepath.Join(s.dir, "sentinel.conf")
		if _, err := os.Stat(conf); err != nil { // a restarted Sentinel goes on with what it knew
			text := fmt.Sprintf("port %d\nbind 127.0.0.1\nprotected-mode no\ndir %s\n%s", s.port, s.dir, s.opts.Sentinel)
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				return nil, err
			}
		}
		return []string{conf, "--sentinel", "--logfile", s.log()}, nil
	}
	args := []string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--unixsocket", s.Socket(), "--protected-mode", "no",
		"--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", s.log(),
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--enable-debug-command", "local",
	}
	if s.opts.TLS {
		args[1] = "0"
		args = append(
			args, "--tls-port", strconv.Itoa(s.port), "--tls-cert-file", s.certs.serverCert, "--tls-key-file", s.certs.serverKey,
			"--tls-ca-cert-file", s.certs.ca, "--tls-auth-clients", "yes",
		)
	}
	if m := s.master; m != nil {
		if !s.opts.TLS { // Redis wants a certificate to listen with, even where it does not
			args = append(args, "--tls-cert-file", m.serverCert, "--tls-key-file", m.serverKey, "--tls-ca-cert-file", m.ca)
		}
		args = append(args, "--tls-replication", "yes", "--tls-client-cert-file", m.clientCert, "--tls-client-key-file", m.clientKey)
	}
	if s.cluster {
		args = append(args, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", strconv.Itoa(s.bus))
	}
	return append(args, s.opts.Args...), nil
}

func (s *process) log() string { return filepath.Join(s.dir, "log") }

// errPortTaken: another program has the port, or, as the port of its own end, a connection.
var errPortTaken = errors.New("the port is taken")

// start runs the process, waits until it answers, and makes its users. Nothing runs if it fails.
func (s *process) start(bin string) error {
	client := redis.NewClient(s.options()) // a new one: it has no connections to a process that is gone
	defer func() { _ = client.Close() }()
	if err := s.run(bin, client); err != nil {
		return err
	}
	for _, user := range s.opts.Users {
		args := []any{"acl", "setuser"}
		for _, word := range splitWords(user) {
			args = append(args, word)
		}
		if err := client.Do(context.Background(), args...).Err(); err != nil {
			s.kill()
			return fmt.Errorf("user %q: %w", user, err)
		}
	}
	return nil
}

func (s *process) run(bin string, client *redis.Client) error {
	args, err := s.args()
	if err != nil {
		return err
	}
	cmd := exec.Command(bin, args...) //nolint:noctx // it outlives the test that happens to start it
	cmd.Dir = s.dir
	// Both what it logs and what it says of its arguments, before there is a log; of this start alone.
	said := []string{s.log(), filepath.Join(s.dir, "output")}
	for _, path := range said {
		_ = os.Remove(path)
	}
	output, err := os.Create(said[1])
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = output, output
	err = start(cmd)
	_ = output.Close()
	if err != nil {
		return err
	}
	exited := make(chan struct{})
	go reap(cmd, exited)
	s.mu.Lock()
	s.cmd, s.exited, s.paused = cmd, exited, false
	s.mu.Unlock()

	for deadline := time.Now().Add(PollFor); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err := client.Ping(ctx).Err()
		cancel()
		if err == nil || isReply(err) { // NOAUTH and MASTERDOWN are answers
			break
		}
		select {
		case <-exited:
			var text []byte
			for _, path := range said {
				more, _ := os.ReadFile(path)
				text = append(text, more...)
			}
			err := fmt.Errorf("redis-server on port %d ended: %.3000s", s.port, text)
			if bytes.Contains(text, []byte("Address already in use")) {
				err = fmt.Errorf("%w: %w", errPortTaken, err)
			}
			return err
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.kill()
			return fmt.Errorf("redis-server on port %d does not answer: %w", s.port, err)
		}
	}
	return nil
}

// options reach the server by its fastest way, with patience.
func (s *process) options() *redis.Options {
	o := &redis.Options{
		Network: "unix", Addr: s.Socket(), DialTimeout: 20 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		PoolTimeout: 60 * time.Second, PoolSize: 32, MaxRetries: -1, DialerRetries: 1,
	}
	if s.opts.Sentinel != "" {
		o.Network, o.Addr = "tcp", s.Addr()
	}
	return o
}

// Addr is the TCP address, with TLS if the server was started so.
func (s *process) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Socket is the path of the unix socket.
func (s *process) Socket() string { return filepath.Join(s.dir, "s") }

// Pid is the process.
func (s *process) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Client returns a client on the unix socket, with generous time-outs and go-redis's usual retries, which mod may change.
// It is closed at the end of the test; after the test's own cleanups, if those were registered later than the server.
func (s *Server) Client(mod ...func(*redis.Options)) *redis.Client {
	o := s.options()
	o.MaxRetries, o.DialerRetries = 0, 0
	for _, change := range mod {
		change(o)
	}
	client := redis.NewClient(o)
	s.clients.keep(client)
	return client
}

// TCP makes Client connect over TCP, with the certificates of a server that was started with TLS.
func (s *process) TCP(o *redis.Options) {
	o.Network, o.Addr = "tcp", s.Addr()
	if s.certs != nil {
		o.TLSConfig = s.certs.client
	}
}

// Kill ends the process at once, by SIGKILL.
func (s *process) Kill() { s.kill() }

func (s *process) kill() {
	s.mu.Lock()
	cmd, exited := s.cmd, s.exited
	s.mu.Unlock()
	if cmd == nil {
		return // it never ran
	}
	_ = cmd.Process.Kill()
	<-exited
}

// Pause stops the process in the middle of what it does, by SIGSTOP: its connections stay, and nothing answers. It panics
// where that cannot be, on a system without signals or a server that does not run: the test would go on against one that answers.
func (s *process) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stopProcess(); err != nil {
		panic(fmt.Sprintf("redistest: pause: %v", err))
	}
	s.paused = true
}

// Resume lets a paused process go on.
func (s *process) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused {
		_ = s.continueProcess()
		s.paused = false
	}
}

// Stop ends the process as an operator would, by SHUTDOWN.
func (s *process) Stop() {
	s.Resume()
	client := redis.NewClient(s.options())
	_ = client.ShutdownNoSave(context.Background()).Err() // its connection ends without a reply
	_ = client.Close()
	s.Kill()
}

// Restart starts a stopped or killed server again, on the same port and socket, with nothing in it.
// If another program has the port meanwhile, it waits for up to [PollFor].
func (s *process) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.restart(Binary(tb)); err != nil {
		tb.Fatalf("redistest: restart: %v", err)
	}
}

func (s *process) restart(bin string) error {
	s.kill()
	for deadline := time.Now().Add(PollFor); ; pause() {
		err := s.start(bin)
		if !errors.Is(err, errPortTaken) || time.Now().After(deadline) {
			return err
		}
	}
}

// close ends everything that belongs to the server.
func (s *Server) close() {
	s.clients.close()
	_ = s.admin().Close()
	s.kill()
	removeFolder(s.dir)
}
