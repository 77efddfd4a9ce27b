// The tour shows every pattern of Larder at work, on data that it makes up itself from a seed.
//
//	go run ./examples/tour                      # on an embedded miniredis: nothing to install
//	REDIS_URL=redis://localhost:6379 go run ./examples/tour
//	go run ./examples/tour -only visitors -out pictures
//
// On a real server all keys carry the prefix given by -namespace and are deleted at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/lardertest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Getenv("REDIS_URL"))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

// run does what main does, on arguments and outputs that a test can choose.
func run(ctx context.Context, args []string, out io.Writer, url string) error {
	flags := flag.NewFlagSet("tour", flag.ContinueOnError)
	flags.SetOutput(out)
	only := flags.String("only", "", "show these chapters alone, separated by commas: "+strings.Join(names(), ", "))
	dir := flags.String("out", "", "write the pictures into this folder, which is created")
	namespace := flags.String("namespace", "larder-tour", "prefix of all keys")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	wanted, err := choose(*only)
	if err != nil {
		return err
	}
	if *dir != "" {
		if err := os.MkdirAll(*dir, 0o755); err != nil {
			return err
		}
	}

	rdb, closeClient, err := connect(ctx, url)
	if err != nil {
		return err
	}
	defer closeClient()
	t := &tour{rdb: rdb, out: out, dir: *dir, ns: *namespace}
	if url == "" {
		t.printf("On an embedded miniredis. Set REDIS_URL to see the same on a server of yours.\n")
	}
	for _, chapter := range wanted {
		t.printf("\n%s\n%s\n\n", chapter.title, strings.Repeat("=", len(chapter.title)))
		// An embedded Redis looks at all of its keys with every command, and a real one is left as it was.
		err := errors.Join(chapter.show(t, ctx), t.clean(context.WithoutCancel(ctx)))
		if err != nil {
			return fmt.Errorf("%s: %w", chapter.name, err)
		}
	}
	return nil
}

// connect opens the server that the URL names, or an embedded one without a URL.
func connect(ctx context.Context, url string) (rdb redis.UniversalClient, closeClient func(), err error) {
	if url == "" {
		client, stop := lardertest.Start()
		return client, stop, nil
	}
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	client := redis.NewClient(opts)
	if err := client.Ping(ctx).Err(); err != nil {
		_ = client.Close()
		return nil, nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	return client, func() { _ = client.Close() }, nil
}

// choose returns the chapters whose names are given, in the order of the tour; all of them for "".
func choose(only string) ([]chapter, error) {
	if only == "" {
		return chapters, nil
	}
	var wanted []chapter
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(chapters, func(c chapter) bool { return c.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, fmt.Errorf("no chapter %q: there are %s", name, strings.Join(names(), ", "))
		}
		wanted = append(wanted, chapters[i])
	}
	return wanted, nil
}
