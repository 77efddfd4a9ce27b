// Backup keeps portable snapshots of a Redis in a folder.
//
//	go run ./examples/backup                 # shows all of it on an embedded Redis
//	backup -redis localhost:6379 -dir /var/backups/cache dump
//	backup verify FILE
//	backup -redis URL restore FILE           # what is there stays; -replace writes over it
//	backup -redis URL compare FILE           # exits with 1 if something differs
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
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/examples/internal/demo"
	"github.com/larder-go/larder/warmup/snapshot"
)

func main() {
	os.Exit(demo.Main("backup", os.Stderr, func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Stdout)
	}))
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

var commands = []string{"dump", "verify FILE", "restore FILE", "compare FILE", "prune", "schedule"}

// errDiffers makes the exit code of compare that of diff.
var errDiffers = errors.New("the server differs from the snapshot")

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("backup", flag.ContinueOnError)
	flags.StringVar(&s.url, "redis", "localhost:6379", "the `address` of the server: "+demo.Forms)
	flags.StringVar(&s.dir, "dir", "backups", "the `folder` of the snapshots")
	flags.StringVar(&s.dump.Match, "match", "", "dump: only keys of this `pattern`")
	flags.BoolVar(&s.dump.Compress, "compress", true, "dump: compress the file")
	flags.Float64Var(&s.dump.Rate, "rate", 0, "dump: at most so many `keys` a second; 0: as many as can be")
	flags.IntVar(&s.keep.Last, "last", 0, "prune, schedule: keep the newest `n`")
	flags.IntVar(&s.keep.Daily, "daily", 0, "prune, schedule: keep the newest of each of `n` days")
	flags.IntVar(&s.keep.Weekly, "weekly", 0, "prune, schedule: keep the newest of each of `n` weeks")
	flags.DurationVar(&s.every, "every", 6*time.Hour, "schedule: the `time` from one dump to the next")
	flags.DurationVar(&s.slack, "slack", 0, "compare: by how much `time` expiries may differ")
	flags.BoolVar(&s.replace, "replace", false, "restore: write over keys that are there")
	flags.BoolVar(&s.salvage, "salvage", false, "restore: bring back what is whole of a damaged file")
	if done, err := demo.Parse(flags, out, args, "["+strings.Join(commands, " | ")+"]",
		"Keeps portable snapshots of a Redis in a folder. Without a command it shows all of that on an embedded Redis."); done {
		return err
	}
	if flags.NArg() == 0 {
		return demonstrate(ctx, out)
	}
	words := 0
	for _, command := range commands {
		if what := strings.Fields(command); what[0] == flags.Arg(0) {
			words = len(what)
		}
	}
	if words == 0 {
		return demo.Usage(fmt.Errorf("%q is none of the commands: %s", flags.Arg(0), strings.Join(commands, ", ")))
	}
	if flags.NArg() != words {
		return demo.Usage(fmt.Errorf("%s takes %s, and flags come before it", flags.Arg(0), []string{"no argument", "one file"}[words-1]))
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
	}
	if s.url == "" {
		return demo.Usage(errors.New("-redis is empty"))
	}
	server, err := demo.Connect(ctx, s.url)
	if err != nil {
		return fmt.Errorf("-redis: %w", err)
	}
	defer server.Close()
	rdb := server.UniversalClient
	switch command {
	case "dump":
		return dump(ctx, out, rdb, s.dir, s.dump)
	case "restore":
		return restore(ctx, out, rdb, file, s.restoreOptions())
	case "compare":
		return compare(ctx, out, rdb, file, s.slack)
	}
	_, _ = fmt.Fprintf(out, "a snapshot into %s every %v, until it is interrupted\n", s.dir, s.every)
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
		_, _ = fmt.Fprintf(out, "%d keys, %d bytes, in %v: %s\n", s.Keys, s.Bytes, s.Elapsed.Round(time.Millisecond), path)
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
	_, _ = fmt.Fprintf(out, "whole: %d keys, dumped at %s UTC\n", s.Keys, s.At.UTC().Format(time.DateTime))
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
		_, _ = fmt.Fprintf(out, "%d keys restored, %d left alone, %d expired meanwhile\n", s.Keys, s.Skipped, s.Expired)
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
	return errDiffers
}
