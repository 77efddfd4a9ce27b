// Watch shows a Redis server, or all nodes of a cluster, with their alerts, in a terminal.
//
//	go run ./examples/watch -addr localhost:6379
//	go run ./examples/watch -addr redis://:password@localhost:6379
//	go run ./examples/watch -addr unix:///run/redis.sock
//	go run ./examples/watch -addr 10.0.0.1:6379,10.0.0.2:6379    # a cluster
//	go run ./examples/watch -once                                # one sample as JSON
//
// In a terminal the screen is drawn anew with each sample, in color unless NO_COLOR is set; in a pipe each sample is a block
// of plain text. It reads only.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/larder-go/larder/examples/internal/demo"
	"github.com/larder-go/larder/monitor"
)

func main() {
	os.Exit(demo.Main("watch", os.Stderr, func(ctx context.Context) error { return run(ctx, os.Args[1:], os.Stdout) }))
}

// run does what main does, on arguments and an output that a test can choose.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	addr := flags.String("addr", "localhost:6379", "the `address`: "+demo.Forms)
	once := flags.Bool("once", false, "print one sample and its alerts as JSON, and end")
	interval := flags.Duration("interval", 2*time.Second, "time between samples")
	if done, err := demo.Parse(flags, out, args, "", "Shows the nodes of a Redis and their alerts. It only reads."); done {
		return err
	}
	rdb, err := demo.Open(*addr) // it has not to be there: watch tells
	if err != nil {
		return demo.Usage(fmt.Errorf("-addr: %w", err))
	}
	defer func() { _ = rdb.Close() }()
	m, err := monitor.New(rdb, monitor.Options{Interval: *interval})
	if err != nil {
		return err
	}
	if *once {
		return printOnce(ctx, m, *interval, out)
	}
	return watch(ctx, m, *interval, newTerminal(out))
}

// watch draws each sample, until ctx ends.
func watch(ctx context.Context, m *monitor.Monitor, interval time.Duration, t *terminal) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	recent := &recentEvents{}
	defer m.Subscribe(recent.add)()
	done := make(chan error, 1)
	go func() { done <- m.Run(watching) }()
	t.open()
	defer t.close()
	ticker := time.NewTicker(max(interval/4, 50*time.Millisecond))
	defer ticker.Stop()
	shown := time.Time{}
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			if snapshot, ok := m.Last(); ok && snapshot.At.After(shown) {
				shown = snapshot.At
				width, height := t.size()
				t.draw(screen{width: width, height: height, color: t.color}.draw(snapshot, m.Alerts(), recent.list()))
			}
		}
	}
}

// sample is what -once prints.
type sample struct {
	Snapshot monitor.Snapshot `json:"snapshot"`
	Alerts   []monitor.Alert  `json:"alerts"`
}

// printOnce takes two samples, since rates need two, and prints the second.
func printOnce(ctx context.Context, m *monitor.Monitor, interval time.Duration, out io.Writer) error {
	if _, err := m.Check(ctx); err != nil && ctx.Err() != nil {
		return err
	}
	select {
	case <-time.After(interval):
	case <-ctx.Done():
		return ctx.Err()
	}
	alerts, err := m.Check(ctx)
	snapshot, _ := m.Last()
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	if alerts == nil {
		alerts = []monitor.Alert{}
	}
	return errors.Join(err, enc.Encode(sample{snapshot, alerts}))
}
