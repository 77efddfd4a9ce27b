package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// silent keeps go-redis's own log out of the output: what matters of it is in the errors.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// ErrUsage is in the chain of errors about the command line.
var ErrUsage = errors.New("-h shows how it is used")

// RedisURL says what the variable REDIS_URL does.
const RedisURL = "REDIS_URL names the server: " + Forms + ".\nWithout it an embedded Redis is used."

// Main runs a program until it ends, or until ctrl-C or SIGTERM end its context, and returns its exit code: 0, 1 after an
// error, 2 after a wrong command line, 130 after an interrupt. A second ctrl-C ends the process at once.
func Main(name string, stderr io.Writer, run func(ctx context.Context) error) int {
	redis.SetLogger(silent{})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := run(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		_, _ = fmt.Fprintf(stderr, "%s: interrupted\n", name)
		return 130
	}
	_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
	if errors.Is(err, ErrUsage) {
		return 2
	}
	return 1
}

// Parse reads the command line. With -h it writes the usage to out, and says that there is nothing more to do; what is wrong
// is an error that matches [ErrUsage]. words are the arguments that the program takes behind its flags, "" for none, and about
// is what else a reader of the usage has to know.
func Parse(flags *flag.FlagSet, out io.Writer, args []string, words, about string) (done bool, err error) {
	flags.SetOutput(io.Discard) // an error is told once, by Main
	err = flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(out)
		_, _ = fmt.Fprintf(out, "%s\n%s\n\n", strings.TrimSpace("usage: "+flags.Name()+" [flags] "+words), about)
		flags.PrintDefaults()
		return true, nil
	}
	if err == nil && words == "" && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		return true, Usage(err)
	}
	return false, nil
}

// Usage marks an error as one of the command line.
func Usage(err error) error { return fmt.Errorf("%w; %w", err, ErrUsage) }
