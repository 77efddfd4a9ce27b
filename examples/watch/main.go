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
	"os/signal"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/monitor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "watch:", err)
		os.Exit(1)
	}
}

// run does what main does, on arguments and an output that a test can choose.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	flags.SetOutput(out)
	addr := flags.String("addr", "localhost:6379", "host:port, a redis:// or rediss:// URL, or the addresses of a cluster, separated by commas")
	once := flags.Bool("once", false, "print one sample and its alerts as JSON, and end")
	interval := flags.Duration("interval", 2*time.Second, "time between samples")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	redis.SetLogger(silent{}) // it would write over the screen what the table says
	rdb, err := connect(*addr)
	if err != nil {
		return err
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

// silent is a logger of go-redis.
type silent struct{}

// Printf says nothing.
func (silent) Printf(context.Context, string, ...any) {}

// connect makes a client of what the address names. It does no I/O.
func connect(addr string) (redis.UniversalClient, error) {
	if strings.Contains(addr, "://") {
		opts, err := redis.ParseURL(addr)
		if err != nil {
			return nil, errors.New("-addr: the URL cannot be read") // the cause would repeat it with its password
		}
		return redis.NewClient(opts), nil
	}
	addrs := strings.Split(addr, ",")
	for i := range addrs {
		if addrs[i] = strings.TrimSpace(addrs[i]); addrs[i] == "" {
			return nil, errors.New("-addr: an address is empty")
		}
	}
	if len(addrs) > 1 {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs}), nil
	}
	return redis.NewClient(&redis.Options{Addr: addrs[0]}), nil
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
