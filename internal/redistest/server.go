package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// ServerOptions says how a private server is started.
type ServerOptions struct {
	// Args are further arguments of redis-server: "--maxmemory", "1mb".
	Args []string
	// TLS makes the TCP port speak TLS alone, and ask for client certificates: see [Server.TCP] and [Server.TLSConfig].
	// The unix socket stays as it is.
	TLS bool
	// ACL are users, a line each as in a file of users: "user reader on >secret ~* +@read". The default user may do
	// everything, unless a line says otherwise.
	ACL string

	sentinel string // the configuration of a Sentinel
	cluster  bool
}

// Server is one redis-server process. Its methods may be called from several goroutines.
type Server struct {
	tb        testing.TB // nil of a server that tests share
	bin, dir  string
	port, bus int
	opts      ServerOptions
	certs     *certificates
	admin     *redis.Client // for what this package asks: no retries

	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{}
	paused  bool
	clients []*redis.Client
}

// NewServer starts a server of the test's own, and stops it at the end of the test.
func NewServer(tb testing.TB, opts ServerOptions) *Server {
	tb.Helper()
	s, err := newServer(Binary(tb), opts)
	return own(tb, s, err)
}

// own makes a server the test's, or fails the test.
func own(tb testing.TB, s *Server, err error) *Server {
	tb.Helper()
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	s.tb = tb
	tb.Cleanup(s.close)
	return s
}

// attempts is how many ports are tried: between choosing a port and listening on it another program may take it.
const attempts = 10

func newServer(bin string, opts ServerOptions) (*Server, error) {
	dir, err := newDir()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir, opts: opts}
	if err := s.prepare(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	for range attempts {
		if s.port, err = freePort(); err != nil {
			break
		}
		if s.opts.cluster {
			if s.bus, err = freePort(); err != nil {
				break
			}
		}
		s.admin = redis.NewClient(s.options())
		if err = s.start(); err == nil {
			return s, nil
		}
		_ = s.admin.Close()
	}
	_ = os.RemoveAll(dir)
	return nil, err
}

// prepare writes the files that the server reads.
func (s *Server) prepare() (err error) {
	if s.opts.TLS {
		if s.certs, err = newCertificates(s.dir); err != nil {
			return err
		}
	}
	if s.opts.ACL == "" {
		return nil
	}
	var lines strings.Builder // the server refuses lines that are indented
	for line := range strings.Lines(s.opts.ACL) {
		lines.WriteString(strings.TrimSpace(line) + "\n")
	}
	return os.WriteFile(s.file("users.acl"), []byte(lines.String()), 0o600)
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) args() ([]string, error) {
	if s.opts.sentinel != "" {
		conf := s.file("sentinel.conf")
		if _, err := os.Stat(conf); err == nil { // a restarted Sentinel goes on with what it knew
			if text, err := os.ReadFile(conf); err == nil && strings.Contains(string(text), fmt.Sprintf("port %d\n", s.port)) {
				return []string{conf, "--sentinel"}, nil
			}
		}
		text := fmt.Sprintf(
			"port %d\nbind 127.0.0.1\nprotected-mode no\ndir %s\nlogfile %s\nunixsocket %s\n%s", s.port, s.dir, s.file("log"), s.Socket(), s.opts.sentinel,
		)
		return []string{conf, "--sentinel"}, os.WriteFile(conf, []byte(text), 0o600)
	}
	args := []string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--unixsocket", s.Socket(), "--protected-mode", "no",
		"--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", s.file("log"),
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}
	if s.opts.TLS {
		args[1] = "0"
		args = append(
			args, "--tls-port", strconv.Itoa(s.port), "--tls-cert-file", s.certs.serverCert, "--tls-key-file", s.certs.serverKey,
			"--tls-ca-cert-file", s.certs.ca, "--tls-auth-clients", "yes",
		)
	}
	if s.opts.ACL != "" {
		args = append(args, "--aclfile", s.file("users.acl"))
	}
	if s.opts.cluster {
		args = append(args, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", strconv.Itoa(s.bus))
	}
	return append(args, s.opts.Args...), nil
}

// start runs the process and waits until it answers.
func (s *Server) start() error {
	args, err := s.args()
	if err != nil {
		return err
	}
	cmd := exec.Command(s.bin, args...) //nolint:noctx // it outlives the test that happens to start it
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
	for deadline := time.Now().Add(PollFor); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err := s.admin.Ping(ctx).Err()
		cancel()
		if err == nil || isReply(err) { // NOAUTH, MASTERDOWN and LOADING are answers
			return nil
		}
		select {
		case <-exited:
			text, _ := os.ReadFile(s.file("log"))
			return fmt.Errorf("redis-server on port %d ended: %s", s.port, text[max(0, len(text)-2000):])
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("redis-server on port %d does not answer: %w", s.port, err)
		}
	}
}

func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// The patience of the clients that this package makes.
const (
	dialTimeout = 20 * time.Second
	ioTimeout   = 30 * time.Second
	poolTimeout = 60 * time.Second
	poolSize    = 32
)

// options reach the server by its fastest way, without retries.
func (s *Server) options() *redis.Options {
	return &redis.Options{
		Network: "unix", Addr: s.Socket(), DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout,
		PoolTimeout: poolTimeout, PoolSize: poolSize, MaxRetries: -1, DialerRetries: 1,
	}
}

func (s *Server) client(mod ...func(*redis.Options)) *redis.Client {
	o := s.options()
	o.MaxRetries, o.DialerRetries = 0, 0
	for _, change := range mod {
		change(o)
	}
	return redis.NewClient(o)
}

// Client returns a client on the unix socket, with generous time-outs and go-redis's own retries, which mod may change
// ([Server.TCP] is one such change). It is closed with the server, and need not be closed before.
func (s *Server) Client(mod ...func(*redis.Options)) *redis.Client {
	client := s.client(mod...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, client)
	return client
}

// TCP makes Client connect over TCP, with the certificates of a server that was started with TLS.
func (s *Server) TCP(o *redis.Options) { o.Network, o.Addr, o.TLSConfig = "tcp", s.Addr(), s.TLSConfig() }

// TLSConfig is what a client needs of certificates; nil of a server without TLS. It is the caller's to change.
func (s *Server) TLSConfig() *tls.Config {
	if s.certs == nil {
		return nil
	}
	return s.certs.client.Clone()
}

// Addr is the TCP address.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Socket is the path of the unix socket.
func (s *Server) Socket() string { return s.file("s") }

// Pid is the process, the last one of a server that ended.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Alive says whether the process runs and is not paused.
func (s *Server) Alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.exited:
		return false
	default:
		return !s.paused
	}
}

// Kill ends the process at once, by SIGKILL, paused or not, and waits for its end.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd, exited := s.cmd, s.exited
	s.mu.Unlock()
	_ = cmd.Process.Kill() // an error says that it has ended
	<-exited
}

// Pause stops the process in the middle of what it does, by SIGSTOP: its connections stay, new ones are accepted by
// the kernel, and nothing answers. Where there are no signals, the test is skipped.
func (s *Server) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := stopProcess(s.cmd.Process); err != nil {
		s.fail(err)
		return
	}
	s.paused = true
}

// Resume lets a paused process go on, and is nothing to one that is not paused.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.paused {
		return
	}
	if err := continueProcess(s.cmd.Process); err != nil {
		s.fail(err)
		return
	}
	s.paused = false
}

// Stop ends the process as an operator would, by SHUTDOWN NOSAVE, and waits for its end.
func (s *Server) Stop() {
	s.Resume()
	_ = s.admin.ShutdownNoSave(context.Background()).Err() // its connection ends without a reply
	s.Kill()                                               // where the users do not let us shut down
}

// Restart kills the server, where it still runs, and starts it again on the same port and socket, with no keys: nothing was
// persisted. A node of a cluster and a Sentinel still know their peers.
func (s *Server) Restart() {
	s.Kill()
	for deadline := time.Now().Add(PollFor); ; pause() { // a client may have got the port for its end of a connection
		err := s.start()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.fail(fmt.Errorf("restart: %w", err))
			return
		}
	}
}

func (s *Server) fail(err error) {
	if s.tb == nil {
		panic(err) // a shared server was broken, which is the test's mistake
	}
	s.tb.Helper()
	if errors.Is(err, errNoSignals) {
		s.tb.Skip(err)
	}
	s.tb.Errorf("redistest: %v", err)
}

// close ends everything that belongs to the server.
func (s *Server) close() {
	s.mu.Lock()
	clients := slices.Concat(s.clients, []*redis.Client{s.admin})
	s.clients = nil
	s.mu.Unlock()
	for _, c := range clients {
		_ = c.Close() // an error says that the test closed it
	}
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

// do asks for a word.
func (s *Server) do(ctx context.Context, args ...any) error { return s.admin.Do(ctx, args...).Err() }

func pause() { time.Sleep(10 * time.Millisecond) }

// linkUp says whether a replica is in step with its master.
func (s *Server) linkUp(ctx context.Context) bool {
	text, err := s.admin.Info(ctx, "replication").Result()
	about := fields(text)
	return err == nil && about["master_link_status"] == "up" && about["master_sync_in_progress"] == "0"
}

// fields reads the lines name:value of INFO and CLUSTER INFO.
func fields(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[name] = value
		}
	}
	return all
}
