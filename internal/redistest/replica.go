package redistest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// NewReplica starts a replica of a server, and waits until it is in step. To a master that listens with TLS it speaks TLS, and one
// that listens with TLS itself then has the certificates of its master, so that a client can go to both.
func NewReplica(tb testing.TB, master *Server, opts ServerOptions) *Server {
	tb.Helper()
	bin := Binary(tb)
	s, err := newReplica(bin, master, opts)
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(s.close)
	return s
}

func newReplica(bin string, master *Server, opts ServerOptions) (*Server, error) {
	opts.Args = append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(master.port)}, opts.Args...)
	p := &process{opts: opts}
	if master.opts.TLS {
		p.master = master.certs
		if opts.TLS {
			p.certs = master.certs
		}
	}
	s, err := newServerOf(bin, p)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(PollFor); !linkUp(context.Background(), s); pause() {
		if time.Now().After(deadline) {
			s.close()
			return nil, errors.New("redistest: the replica's link never came up")
		}
	}
	return s, nil
}

// MasterName is the name under which the Sentinels watch their master.
const MasterName = "larder"

// Sentinels are a master with two replicas, watched by three Sentinels.
type Sentinels struct {
	servers   []*Server // the first was the master at the start
	sentinels []*Server
	clients   *clients
}

// handle is the Sentinels for one test, at whose end the clients that it made are closed.
func (s *Sentinels) handle(tb testing.TB) *Sentinels {
	tb.Helper()
	h := &Sentinels{servers: handles(tb, s.servers), sentinels: handles(tb, s.sentinels), clients: &clients{parent: s.clients}}
	tb.Cleanup(h.clients.close)
	return h
}

// living are those that run and are not paused: the others answer nothing.
func living(all []*Server) []*Server {
	var some []*Server
	for _, s := range all {
		if s.alive() {
			some = append(some, s)
		}
	}
	return some
}

// NewSentinels starts a watched master of the test's own. downAfter is how long the master must be silent before the Sentinels
// fail over; 0 means a quarter of an hour, so that nothing but [Sentinels.Promote] does.
func NewSentinels(tb testing.TB, downAfter time.Duration) *Sentinels {
	tb.Helper()
	s, err := newSentinels(Binary(tb), downAfter)
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	tb.Cleanup(s.close)
	return s
}

func newSentinels(bin string, downAfter time.Duration) (*Sentinels, error) {
	if downAfter == 0 {
		downAfter = 15 * time.Minute
	}
	s := &Sentinels{clients: &clients{}}
	master, err := newServer(bin, ServerOptions{}, false)
	if err != nil {
		return nil, err
	}
	s.servers = []*Server{master, nil, nil}
	s.sentinels = make([]*Server, 3)
	conf := fmt.Sprintf(
		"sentinel monitor %s 127.0.0.1 %d 2\nsentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s 10000\n",
		MasterName, master.port, MasterName, downAfter.Milliseconds(), MasterName,
	)
	var wg sync.WaitGroup
	errs := make([]error, 5)
	for i := range 2 {
		wg.Go(func() { s.servers[i+1], errs[i] = newReplica(bin, master, ServerOptions{}) })
	}
	wg.Wait() // a Sentinel that asks the master now learns of both at once
	for i := range 3 {
		wg.Go(func() { s.sentinels[i], errs[i+2] = newServer(bin, ServerOptions{Sentinel: conf}, false) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		s.close()
		return nil, err
	}
	if err := s.steady(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// Servers are the master and its replicas, as they were at the start.
func (s *Sentinels) Servers() []*Server { return s.servers }

// Sentinels are the three Sentinels.
func (s *Sentinels) Sentinels() []*Server { return s.sentinels }

// Addrs are the addresses of the Sentinels.
func (s *Sentinels) Addrs() []string {
	all := make([]string, len(s.sentinels))
	for i, one := range s.sentinels {
		all[i] = one.Addr()
	}
	return all
}

// Client returns a failover client, which is closed at the end of the test.
func (s *Sentinels) Client(mod ...func(*redis.FailoverOptions)) *redis.Client {
	o := &redis.FailoverOptions{
		MasterName: MasterName, SentinelAddrs: s.Addrs(),
		DialTimeout: 20 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, PoolTimeout: 60 * time.Second, PoolSize: 32,
	}
	for _, change := range mod {
		change(o)
	}
	client := redis.NewFailoverClient(o)
	s.clients.keep(client)
	return client
}

// Master is the server that the Sentinels take for the master.
func (s *Sentinels) Master() *Server {
	for _, sentinel := range s.sentinels {
		if addr, ok := masterOf(sentinel); ok {
			for _, server := range s.servers {
				if server.Addr() == addr {
					return server
				}
			}
		}
	}
	return nil
}

func masterOf(sentinel *Server) (string, bool) {
	if !sentinel.alive() {
		return "", false
	}
	reply, err := sentinel.admin().Do(context.Background(), "sentinel", "get-master-addr-by-name", MasterName).StringSlice()
	if err != nil || len(reply) != 2 {
		return "", false
	}
	return reply[0] + ":" + reply[1], true
}

// Steady waits until all Sentinels that live and are not paused agree on the master, know the others and the replicas, and the
// living replicas are in step.
func (s *Sentinels) Steady(tb testing.TB) {
	tb.Helper()
	if err := s.steady(); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
}

func (s *Sentinels) steady() error {
	for deadline := time.Now().Add(2 * PollFor); ; pause() {
		err := s.unsteady()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

func (s *Sentinels) unsteady() error {
	ctx := context.Background()
	master := ""
	for _, one := range living(s.sentinels) {
		addr, ok := masterOf(one)
		if !ok || (master != "" && addr != master) {
			return errors.New("the Sentinels do not agree on the master")
		}
		master = addr
		reply, err := one.admin().Do(ctx, "sentinel", "master", MasterName).Result()
		if err != nil {
			return err
		}
		about := pairs(reply)
		// A master that is dead or paused is "master,disconnected", "s_down,master" and the like.
		if about["num-other-sentinels"] != "2" || about["num-slaves"] != "2" || s.lives(addr) && about["flags"] != "master" {
			return fmt.Errorf("a Sentinel sees %v", about)
		}
	}
	if master == "" {
		return errors.New("no Sentinel is alive")
	}
	for _, server := range living(s.servers) {
		role, err := server.admin().Do(ctx, "role").Slice()
		if err != nil || len(role) == 0 {
			return errors.New("a server does not tell its role")
		}
		if is := role[0] == "master"; is != (server.Addr() == master) {
			return fmt.Errorf("%s says that it is %v", server.Addr(), role[0])
		}
		if role[0] != "master" && s.lives(master) && !linkUp(ctx, server) {
			return errors.New("a replica is not in step")
		}
	}
	return nil
}

func (s *Sentinels) lives(addr string) bool {
	return slices.ContainsFunc(living(s.servers), func(one *Server) bool { return one.Addr() == addr })
}

// Promote fails over once, by hand, to a replica, and waits until the Sentinels agree; the old master may be alive or dead, and
// of the Sentinels one that lives is enough: those that are dead or paused are left out. It returns the new master.
func (s *Sentinels) Promote(tb testing.TB) *Server {
	tb.Helper()
	old := s.Master()
	if old == nil {
		tb.Fatalf("redistest: promote: no Sentinel that lives knows a master of these servers")
		return nil
	}
	ctx := context.Background()
	Poll(tb, "a Sentinel begins the failover", func() bool {
		for _, one := range living(s.sentinels) {
			err := one.admin().Do(ctx, "sentinel", "failover", MasterName).Err()
			if err == nil {
				return true
			}
			if isReply(err) && err.Error()[:min(6, len(err.Error()))] == "INPROG" {
				return true
			}
		}
		return false
	})
	var master *Server
	Poll(tb, "the Sentinels agree on a new master", func() bool {
		master = nil
		for _, one := range living(s.sentinels) {
			addr, ok := masterOf(one)
			if !ok || addr == old.Addr() {
				return false
			}
			for _, server := range s.servers {
				if server.Addr() == addr {
					if master != nil && master != server {
						return false
					}
					master = server
				}
			}
		}
		if master == nil {
			return false
		}
		role, err := master.admin().Do(ctx, "role").Slice()
		return err == nil && len(role) > 0 && role[0] == "master"
	})
	return master
}

func pairs(reply any) map[string]string {
	all := map[string]string{}
	switch r := reply.(type) {
	case []any:
		for i := 0; i+1 < len(r); i += 2 {
			all[fmt.Sprint(r[i])] = fmt.Sprint(r[i+1])
		}
	case map[any]any:
		for k, v := range r {
			all[fmt.Sprint(k)] = fmt.Sprint(v)
		}
	}
	return all
}

func (s *Sentinels) close() {
	s.clients.close()
	for _, one := range append(append([]*Server(nil), s.sentinels...), s.servers...) {
		if one != nil {
			one.close()
		}
	}
}
