package redistest

import (
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

// Server is one redis-server process.
type Server struct {
	dir     string
	port    int
	opts    ServerOptions
	cluster bool

	certs *certificates

	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{}
	paused  bool
	clients []*redis.Client
	control *redis.Client
}

// admin is the client with which the server is looked after.
func (s *Server) admin() *redis.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.control == nil {
		s.control = redis.NewClient(s.options())
		s.clients = append(s.clients, s.control)
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
	// A socket's path has at most 107 bytes, and TMPDIR may be long.
	root := os.TempDir()
	if len(root) > 60 {
		root = "/tmp"
	}
	dir, err := os.MkdirTemp(root, "rt")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, opts: opts, cluster: cluster}
	if opts.TLS {
		if s.certs, err = newCertificates(dir); err != nil {
			return nil, err
		}
	}
	for range attempts {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.start(bin); err == nil {
			return s, nil
		}
	}
	_ = os.RemoveAll(dir)
	return nil, err
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

func (s *Server) args() ([]string, error) {
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
	if s.cluster {
		bus, err := freePort()
		if err != nil {
			return nil, err
		}
		args = append(args, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", strconv.Itoa(bus))
	}
	return append(args, s.opts.Args...), nil
}

func (s *Server) log() string { return filepath.Join(s.dir, "log") }

// start runs the process and waits until it answers.
func (s *Server) start(bin string) error {
	args, err := s.args()
	if err != nil {
		return err
	}
	cmd := exec.Command(bin, args...) //nolint:noctx // it outlives the test that happens to start it
	cmd.Dir = s.dir
	if err := start(cmd); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	s.mu.Lock()
	s.cmd, s.exited, s.paused = cmd, exited, false
	s.mu.Unlock()

	client := redis.NewClient(s.options())
	defer func() { _ = client.Close() }()
	for deadline := time.Now().Add(PollFor); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err := client.Ping(ctx).Err()
		cancel()
		if err == nil || isReply(err) { // NOAUTH and MASTERDOWN are answers
			break
		}
		select {
		case <-exited:
			text, _ := os.ReadFile(s.log())
			return fmt.Errorf("redis-server on port %d ended: %.1000s", s.port, text)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			return fmt.Errorf("redis-server on port %d does not answer: %w", s.port, err)
		}
	}
	for _, user := range s.opts.Users {
		args := []any{"acl", "setuser"}
		for _, word := range splitWords(user) {
			args = append(args, word)
		}
		if err := client.Do(context.Background(), args...).Err(); err != nil {
			return fmt.Errorf("user %q: %w", user, err)
		}
	}
	return nil
}

// options reach the server by its fastest way, with patience.
func (s *Server) options() *redis.Options {
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
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Socket is the path of the unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "s") }

// Pid is the process.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Client returns a client on the unix socket, with generous time-outs and go-redis's usual retries, which mod may change.
// It is closed when the server is stopped.
func (s *Server) Client(mod ...func(*redis.Options)) *redis.Client {
	o := s.options()
	o.MaxRetries, o.DialerRetries = 0, 0
	for _, change := range mod {
		change(o)
	}
	client := redis.NewClient(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, client)
	return client
}

// TCP makes Client connect over TCP, with the certificates of a server that was started with TLS.
func (s *Server) TCP(o *redis.Options) {
	o.Network, o.Addr = "tcp", s.Addr()
	if s.certs != nil {
		o.TLSConfig = s.certs.client
	}
}

// Kill ends the process at once, by SIGKILL.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd, exited := s.cmd, s.exited
	s.mu.Unlock()
	_ = cmd.Process.Kill()
	<-exited
}

// Pause stops the process in the middle of what it does, by SIGSTOP: its connections stay, and nothing answers.
func (s *Server) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stopProcess(); err == nil {
		s.paused = true
	}
}

// Resume lets a paused process go on.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused {
		_ = s.continueProcess()
		s.paused = false
	}
}

// Stop ends the process as an operator would, by SHUTDOWN.
func (s *Server) Stop() {
	client := redis.NewClient(s.options())
	_ = client.ShutdownNoSave(context.Background()).Err() // its connection ends without a reply
	_ = client.Close()
	s.Kill()
}

// Restart starts a stopped or killed server again, on the same port and socket, with nothing in it.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Kill()
	var err error
	for range attempts {
		if err = s.start(Binary(tb)); err == nil {
			return
		}
	}
	tb.Fatalf("redistest: restart: %v", err)
}

// close ends everything that belongs to the server.
func (s *Server) close() {
	s.mu.Lock()
	clients := s.clients
	s.clients = nil
	s.mu.Unlock()
	for _, c := range clients {
		_ = c.Close()
	}
	s.Kill()
	_ = os.RemoveAll(s.dir)
}
