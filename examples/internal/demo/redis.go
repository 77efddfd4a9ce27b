package demo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/lardertest"
)

// Forms says which addresses [Open] takes.
const Forms = "host:port, redis://, rediss:// or unix://, or a cluster's addresses, separated by commas"

// Server is a Redis that a program has connected to.
type Server struct {
	redis.UniversalClient

	// Name is what a reader calls it: "Redis 7.0.15 at localhost:6379".
	Name string
	// Embedded says that it lives in this process.
	Embedded bool

	stop func()
}

// Close closes the client, and ends an embedded server.
func (s *Server) Close() { s.stop() }

// Connect returns a client of the Redis at an address, which has answered, or of an embedded one if the address is "". A single
// address of a cluster's node is enough for the whole cluster.
func Connect(ctx context.Context, addr string) (*Server, error) {
	if addr == "" {
		client, stop := lardertest.Start()
		return &Server{UniversalClient: client, Name: "an embedded miniredis", Embedded: true, stop: stop}, nil
	}
	rdb, err := Open(addr)
	if err != nil {
		return nil, err
	}
	about, err := rdb.Info(ctx, "server").Result()
	_, single := rdb.(*redis.Client)
	if err == nil && single && field(about, "redis_mode") == "cluster" {
		_ = rdb.Close()
		if rdb, err = openCluster(addr); err == nil {
			err = rdb.Ping(ctx).Err()
		}
	}
	if err != nil && ctx.Err() == nil && strings.HasPrefix(err.Error(), "NOPERM") {
		err = rdb.Ping(ctx).Err() // a user that may not ask for INFO may do all the rest
	}
	if err != nil {
		if rdb != nil {
			_ = rdb.Close()
		}
		return nil, err
	}
	return &Server{UniversalClient: rdb, Name: name(about, rdb), stop: func() { _ = rdb.Close() }}, nil
}

// Open makes a client of what an address names, in one of the [Forms]. It does no I/O. No error holds a password.
func Open(addr string) (redis.UniversalClient, error) {
	if strings.Contains(addr, ",") {
		return openCluster(addr)
	}
	if !strings.Contains(addr, "://") {
		addr = "redis://" + addr
	}
	opts, err := redis.ParseURL(addr)
	if err != nil {
		return nil, harmless(err)
	}
	opts.ContextTimeoutEnabled = true // so that ctrl-C ends a call to a server that hangs
	return redis.NewClient(opts), nil
}

// openCluster makes a client of a cluster; the first of its addresses may be a URL with a scheme and a password.
func openCluster(addr string) (redis.UniversalClient, error) {
	first, rest, _ := strings.Cut(addr, ",")
	if !strings.Contains(first, "://") {
		first = "redis://" + first
	}
	opts, err := redis.ParseClusterURL(strings.TrimSpace(first))
	if err != nil {
		return nil, harmless(err)
	}
	for other := range strings.SplitSeq(rest, ",") {
		if other = strings.TrimSpace(other); other == "" {
			if rest == "" {
				break
			}
			return nil, errors.New("an address is empty")
		}
		if _, after, ok := strings.Cut(other, "://"); ok {
			other = after[strings.LastIndexByte(after, '@')+1:]
		}
		opts.Addrs = append(opts.Addrs, strings.TrimSuffix(other, "/"))
	}
	opts.ContextTimeoutEnabled = true
	return redis.NewClusterClient(opts), nil
}

// harmless is an error about an address without the address, which may hold a password.
func harmless(err error) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return errors.New("the address cannot be read: it has to be " + Forms)
	}
	return err
}

// name is what a reader calls a server.
func name(about string, rdb redis.UniversalClient) string {
	version := "Redis"
	if v := field(about, "valkey_version"); v != "" {
		version = "Valkey " + v
	} else if v := field(about, "redis_version"); v != "" {
		version = "Redis " + v
	}
	switch rdb := rdb.(type) {
	case *redis.ClusterClient:
		return fmt.Sprintf("a cluster of %s at %s", version, strings.Join(rdb.Options().Addrs, ", "))
	case *redis.Client:
		return fmt.Sprintf("%s at %s", version, rdb.Options().Addr)
	}
	return version
}

func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}
