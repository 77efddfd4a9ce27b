// Profilecache is a small HTTP service that reads users from a database that takes its time, through package profile.
//
//	go run ./examples/profilecache          # serves on 127.0.0.1:8080, on an embedded miniredis
//	curl http://127.0.0.1:8080/users/7
//	curl -X POST 'http://127.0.0.1:8080/users/7?name=Ada'
//	curl http://127.0.0.1:8080/stats
//
//	go run ./examples/profilecache -load    # a crowd asks for one cold user, with the library and without
//
// With REDIS_URL set it uses that Redis; its keys begin with the namespace given by -namespace.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/larder-go/larder/examples/internal/demo"
)

func main() {
	os.Exit(demo.Main("profilecache", os.Stderr, func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Stdout, os.Getenv("REDIS_URL"))
	}))
}

// run does what main does, on arguments and an output that a test can choose.
func run(ctx context.Context, args []string, out io.Writer, url string) error {
	flags := flag.NewFlagSet("profilecache", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8080", "where to serve")
	load := flags.Bool("load", false, "show a crowd that asks for one cold user, instead of serving")
	callers := flags.Int("callers", 500, "how large the crowd is")
	slow := flags.Duration("slow", 100*time.Millisecond, "how long the database takes")
	namespace := flags.String("namespace", "profilecache", "prefix of all keys")
	if done, err := demo.Parse(flags, out, args, "", "Serves users from a slow database through a cache. "+demo.RedisURL); done {
		return err
	}
	if *callers < 1 {
		return demo.Usage(fmt.Errorf("-callers %d: at least one has to ask", *callers))
	}
	server, err := demo.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer server.Close()
	db := newDatabase(*slow)
	s, err := newService(server.UniversalClient, *namespace, db)
	if err != nil {
		return err
	}
	if *load {
		return crowd(ctx, out, s, *callers)
	}
	return serve(ctx, out, *addr, s)
}

// serve answers until the context ends.
func serve(ctx context.Context, out io.Writer, addr string, s *service) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	_, _ = fmt.Fprintf(out, "serving http://%s/users/7\n", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Shutdown(context.WithoutCancel(ctx))
	}
}

// crowd has many ask at once for a user that nobody has asked for, first of the database alone, then through the cache.
func crowd(ctx context.Context, out io.Writer, s *service, callers int) error {
	ask := func(what string, get func(ctx context.Context, id string) (User, error)) error {
		before, began := s.db.queries(), time.Now()
		var wg sync.WaitGroup
		errs := make([]error, callers)
		for i := range callers {
			wg.Go(func() { _, errs[i] = get(ctx, "7") })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%-28s %4d callers, %4d queries of the database, %v\n",
			what, callers, s.db.queries()-before, time.Since(began).Round(time.Millisecond))
		return err
	}
	if err := s.users.Invalidate(ctx, "7"); err != nil {
		return err
	}
	if err := ask("without a cache:", s.db.user); err != nil {
		return err
	}
	if err := ask("through profile, cold:", s.users.Get); err != nil {
		return err
	}
	return ask("through profile, cached:", s.users.Get)
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller has gone: nobody is left to be told
}
