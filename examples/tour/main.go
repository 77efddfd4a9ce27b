// The tour shows every pattern of Larder at work, on data that it makes up itself from a seed.
//
//	go run ./examples/tour                                        # on an embedded Redis: nothing to install
//	go run ./examples/tour -only visitors,checkin -out pictures   # two chapters, and their charts as SVG files
//	REDIS_URL=redis://localhost:6379 go run ./examples/tour       # on a server of yours
//	REDIS_URL=10.0.0.1:6379,10.0.0.2:6379 go run ./examples/tour  # on a cluster
//
// On a server of yours all keys begin with "larder-tour:", or what -namespace says, and are deleted at the end. The tour does not
// begin where such keys are already. NO_COLOR switches the colours off.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/larder-go/larder/examples/internal/demo"
)

func main() {
	os.Exit(demo.Main("tour", os.Stderr, func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Stdout, os.Getenv("REDIS_URL"))
	}))
}

// plain are the namespaces that mean nothing else in a pattern of SCAN or in a key.
var plain = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

// run does what main does, on arguments and outputs that a test can choose.
func run(ctx context.Context, args []string, out io.Writer, url string) error {
	flags := flag.NewFlagSet("tour", flag.ContinueOnError)
	only := flags.String("only", "", "show these `chapters` alone, separated by commas: "+strings.Join(names(), ", "))
	dir := flags.String("out", "", "write the charts as SVG files into this `folder`, which is made if it is not there")
	namespace := flags.String("namespace", "larder-tour", "`prefix` of all keys")
	if done, err := demo.Parse(flags, out, args, "", "Shows every pattern of Larder at work. "+demo.RedisURL+"\nNO_COLOR switches the colours off."); done {
		return err
	}
	wanted, err := choose(*only)
	if err != nil {
		return demo.Usage(err)
	}
	if !plain.MatchString(*namespace) {
		return demo.Usage(fmt.Errorf("-namespace %q: letters, digits and the characters _.:- only", *namespace))
	}
	if *dir != "" {
		if err := os.MkdirAll(*dir, 0o755); err != nil {
			return err
		}
	}

	server, err := demo.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer server.Close()
	t := &tour{rdb: server.UniversalClient, out: out, dir: *dir, ns: *namespace, paint: demo.Colours(out), width: 80}
	if columns := demo.Width(out); columns > 20 {
		t.width = min(t.width, columns)
	}
	if err := t.alone(ctx); err != nil {
		return err
	}
	hint := ""
	if server.Embedded {
		hint = " Set REDIS_URL to run it on a server of yours."
	}
	t.say("A tour of Larder, on %s.%s", server.Name, hint)
	begun := time.Now()
	for _, chapter := range wanted {
		if err := t.visit(ctx, chapter); err != nil {
			return fmt.Errorf("%s: %w", chapter.name, err)
		}
	}
	t.printf("\n")
	t.say("The tour took %v on %s. All of its keys are deleted.", time.Since(begun).Round(time.Millisecond), server.Name)
	return nil
}

// visit shows a chapter, and deletes its keys, also when the chapter is interrupted: an embedded Redis looks at all of its keys
// with every command, and a real one is left as it was.
func (t *tour) visit(ctx context.Context, c chapter) error {
	begun := time.Now()
	t.printf("\n%s\n\n", t.paint.In(demo.Title, c.title+"\n"+strings.Repeat("=", len(c.title))))
	if err := errors.Join(c.show(t, ctx), t.clean(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	t.printf("\n%s\n", t.paint.In(demo.Dim, fmt.Sprintf("(package %s, %v)", c.pkg, time.Since(begun).Round(time.Millisecond))))
	return nil
}

// choose returns the chapters whose names are given, in the order in which they are named; all of them for "".
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
