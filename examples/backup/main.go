// Backup keeps portable snapshots of a Redis in a folder.
//
//	go run ./examples/backup                 # shows all of it on an embedded Redis
//	backup -redis redis://localhost:6379 -dir /var/backups/cache dump
//	backup verify FILE
//	backup -redis URL restore FILE           # what is there stays; -replace writes over it
//	backup -redis URL compare FILE
//	backup -dir DIR -last 4 -daily 7 prune
//	backup -redis URL -dir DIR -every 6h -last 4 -daily 7 schedule
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/warmup/snapshot"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "backup:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	url, dir string
	dump     snapshot.Options
	keep     snapshot.Retention
	every    time.Duration
	slack    time.Duration
	replace  bool
	salvage  bool
}

var errUsage = errors.New("name one of dump, verify FILE, restore FILE, compare FILE, prune, schedule")

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("backup", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&s.url, "redis", "redis://localhost:6379", "the server")
	flags.StringVar(&s.dir, "dir", "backups", "the folder of the snapshots")
	flags.StringVar(&s.dump.Match, "match", "", "dump the keys of this pattern alone")
	flags.BoolVar(&s.dump.Compress, "compress", true, "pack the files")
	flags.Float64Var(&s.dump.Rate, "rate", 0, "dump at most so many keys a second, 0 = as many as can be")
	flags.IntVar(&s.keep.Last, "last", 0, "prune: keep the newest ones")
	flags.IntVar(&s.keep.Daily, "daily", 0, "prune: keep the newest of so many days")
	flags.IntVar(&s.keep.Weekly, "weekly", 0, "prune: keep the newest of so many weeks")
	flags.DurationVar(&s.every, "every", 6*time.Hour, "schedule: from one dump to the next")
	flags.DurationVar(&s.slack, "slack", 0, "compare: by how much expiries may differ")
	flags.BoolVar(&s.replace, "replace", false, "restore: write over keys that are there")
	flags.BoolVar(&s.salvage, "salvage", false, "restore: what is whole of a damaged file")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() == 0 {
		return demonstrate(ctx, out)
	}
	return s.command(ctx, out, flags.Arg(0), flags.Arg(1))
}

func (s settings) command(ctx context.Context, out io.Writer, command, file string) error {
	switch command {
	case "verify":
		return verify(out, file)
	case "prune":
		removed, err := snapshot.Prune(s.dir, s.keep)
		for _, path := range removed {
			_, _ = fmt.Fprintln(out, "removed", path)
		}
		return err
	case "dump", "restore", "compare", "schedule":
	default:
		return errUsage
	}
	opts, err := redis.ParseURL(s.url)
	if err != nil {
		return err
	}
	rdb := redis.NewClient(opts)
	defer func() { _ = rdb.Close() }()
	switch command {
	case "dump":
		return dump(ctx, out, rdb, s.dir, s.dump)
	case "restore":
		return restore(ctx, out, rdb, file, s.restoreOptions())
	case "compare":
		return compare(ctx, out, rdb, file, s.slack)
	}
	_, _ = fmt.Fprintf(out, "a snapshot into %s every %v, until you stop it\n", s.dir, s.every)
	return snapshot.Schedule{
		Every: s.every, Dir: s.dir, Keep: s.keep, Options: s.dump,
		OnError: func(err error) { _, _ = fmt.Fprintln(out, "not this time:", err) },
	}.Run(ctx, rdb)
}

func (s settings) restoreOptions() snapshot.RestoreOptions {
	opts := snapshot.RestoreOptions{Salvage: s.salvage}
	if s.replace {
		opts.Mode = snapshot.Replace
	}
	return opts
}

func dump(ctx context.Context, out io.Writer, rdb redis.UniversalClient, dir string, opts snapshot.Options) error {
	path, s, err := snapshot.DumpFile(ctx, rdb, dir, opts)
	if path != "" {
		_, _ = fmt.Fprintf(out, "%d keys, %d bytes in %v: %s\n", s.Keys, s.Bytes, s.Elapsed.Round(time.Millisecond), path)
	}
	return err
}

func verify(out io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	s, err := snapshot.Verify(f)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "whole: %d keys of %s\n", s.Keys, s.At.UTC().Format(time.DateTime))
	return nil
}

func restore(ctx context.Context, out io.Writer, rdb redis.UniversalClient, file string, opts snapshot.RestoreOptions) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	s, err := snapshot.Restore(ctx, rdb, f, opts)
	if s.Keys+s.Skipped+s.Expired > 0 {
		_, _ = fmt.Fprintf(out, "%d keys restored, %d left alone, %d expired since\n", s.Keys, s.Skipped, s.Expired)
	}
	return err
}

func compare(ctx context.Context, out io.Writer, rdb redis.UniversalClient, file string, slack time.Duration) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	diff, err := snapshot.CompareWith(ctx, rdb, f, snapshot.CompareOptions{Slack: slack})
	if err != nil {
		return err
	}
	if diff.Empty() {
		_, _ = fmt.Fprintln(out, "the server holds what the snapshot holds")
		return nil
	}
	for _, list := range []struct {
		what string
		keys []string
	}{{"missing", diff.Missing}, {"different", diff.Different}, {"extra", diff.Extra}} {
		for _, key := range list.keys {
			_, _ = fmt.Fprintf(out, "%s: %q\n", list.what, key)
		}
	}
	return nil
}
