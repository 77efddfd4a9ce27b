// Warmcache fills Redis with the products of an SQL database, before the shop opens.
//
//	go run ./examples/warmcache                    # on an embedded Redis: nothing to install
//	REDIS_URL=redis://localhost:6379 go run ./examples/warmcache -db shop.db -checkpoint warm.checkpoint
//
// Stop it with ctrl-C, or kill it, and run it again: with a -checkpoint it goes on where it was. The database, 100,000
// products in SQLite, is made up at the first run.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/examples/internal/demo"
	"github.com/larder-go/larder/warmup"
	"github.com/larder-go/larder/warmup/bar"
)

func main() {
	os.Exit(demo.Main("warmcache", os.Stderr, func(ctx context.Context) error {
		return program{out: os.Stdout, url: os.Getenv("REDIS_URL")}.run(ctx, os.Args[1:])
	}))
}

// program is what a run needs from outside.
type program struct {
	out    io.Writer
	url    string      // of Redis; "" is an embedded one
	loaded func(n int) // called with the number of products that were read so far; nil: not
}

// run does what main does.
func (p program) run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("warmcache", flag.ContinueOnError)
	path := flags.String("db", "", "the SQLite file, which is made if it is not there (default: a temporary one)")
	products := flags.Int("products", 100_000, "how many products a new database gets")
	checkpoint := flags.String("checkpoint", "", "the file that notes how far it is (default: none)")
	perSecond := flags.Float64("rate", 0, "how many products a second are stored (default: as fast as it goes)")
	missing := flags.Bool("missing", false, "store only what is not there")
	dry := flags.Bool("dry-run", false, "say what would be stored")
	if done, err := demo.Parse(flags, p.out, args, "", "Fills Redis with the products of an SQL database. "+demo.RedisURL); done {
		return err
	}
	if *path == "" {
		dir, err := os.MkdirTemp("", "warmcache")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // what is left is the system's to clear
		*path = filepath.Join(dir, "shop.db")
	}
	shop, err := openShop(ctx, *path, *products)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.Close()) }()
	server, err := demo.Connect(ctx, p.url)
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	defer server.Close()

	opts := warmup.Options{
		Codec:      codec.JSON, // so that redis-cli shows something readable
		TTL:        6 * time.Hour,
		Rate:       *perSecond,
		DryRun:     *dry,
		Checkpoint: *checkpoint,
		SlowDown:   50 * time.Millisecond,
		Progress:   bar.New(p.out),
	}
	if *missing {
		opts.Mode = warmup.FillMissing
	}
	p.printf("Warming %s.\n", server.Name)
	return p.warm(ctx, server.UniversalClient, shop, opts)
}

// warm does it, and says how it went.
func (p program) warm(ctx context.Context, rdb redis.UniversalClient, shop *sql.DB, opts warmup.Options) error {
	w, err := warmup.New(rdb, opts)
	if err != nil {
		return err
	}
	total, err := countProducts(ctx, shop)
	if err != nil {
		return err
	}
	report, err := w.Run(ctx, warmup.FromSeq("products by id", total, p.products(ctx, shop)))
	p.printf("%d stored, %d skipped, %d failed, %d bytes in %v", report.Stored, report.Skipped, report.Failed, report.Bytes, report.Elapsed.Round(time.Millisecond))
	if report.Resumed > 0 {
		p.printf("; %d of them were done by an earlier run", report.Resumed)
	}
	p.printf("\n")
	for _, err := range report.Errors[:min(len(report.Errors), 5)] {
		p.printf("  %v\n", err)
	}
	if err != nil && opts.Checkpoint != "" && !errors.Is(err, warmup.ErrCheckpoint) {
		p.printf("Run it again to go on from here.\n")
	}
	return err
}

func (p program) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...) // a closed terminal is no reason to stop
}
