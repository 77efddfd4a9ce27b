// Watch shows a Redis server, or all nodes of a cluster, with their alerts, in a terminal.
//
//	go run ./examples/watch -addr localhost:6379
//	go run ./examples/watch -addr redis://:password@localhost:6379
//	go run ./examples/watch -addr 10.0.0.1:6379,10.0.0.2:6379    # a cluster
//	go run ./examples/watch -once                                # one sample as JSON
//
// It only reads. In a pipe or a file one table follows the other; NO_COLOR switches the colours off.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/larder-go/larder/examples/internal/demo"
	"github.com/larder-go/larder/monitor"
)

func main() {
	os.Exit(demo.Main("watch", os.Stderr, func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Stdout)
	}))
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
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- m.Run(watching) }()
	ticker := time.NewTicker(max(*interval/4, 50*time.Millisecond))
	defer ticker.Stop()
	shown := time.Time{}
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			if snapshot, ok := m.Last(); ok && snapshot.At.After(shown) {
				shown = snapshot.At
				text := screen(snapshot, m.Alerts(), demo.Colours(out), demo.Width(out))
				if demo.Terminal(out) {
					text = "\x1b[H\x1b[2J" + text
				}
				_, _ = io.WriteString(out, text+"\n") // a closed terminal ends by its signal
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

// screen draws a table of the nodes, cut to a terminal's width unless that is 0, and the alerts below it.
func screen(s monitor.Snapshot, alerts []monitor.Alert, paint demo.Paint, width int) string {
	rows := [][]string{{"NODE", "ROLE", "MEMORY", "USED", "OPS/S", "HITS", "CLIENTS", "KEYS", "PING", "SLOWEST COMMAND"}}
	for _, n := range s.Nodes {
		if n.Err != nil {
			rows = append(rows, []string{n.Addr, "down", n.Err.Error()})
			continue
		}
		rows = append(rows, []string{
			n.Addr, orDash(n.Role), figure(n, monitor.MetricMemoryUsed, mebibytes), figure(n, monitor.MetricMemoryUsage, percent),
			figure(n, monitor.MetricOps, whole), figure(n, monitor.MetricHitRatio, percent), figure(n, monitor.MetricConnectedClients, whole),
			figure(n, monitor.MetricKeys, whole), figure(n, monitor.MetricLatency, seconds), slowest(n),
		})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		if len(row) == len(widths) {
			for i, cell := range row {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for _, row := range rows { // addresses of nodes that are down count, their errors do not
		widths[0] = max(widths[0], len(row[0]))
		widths[1] = max(widths[1], len(row[1]))
	}
	var b strings.Builder
	nodes := "nodes"
	if len(s.Nodes) == 1 {
		nodes = "node"
	}
	fmt.Fprintf(&b, "%s, %d %s\n\n", s.At.Format(time.TimeOnly), len(s.Nodes), nodes)
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i == len(row)-1 {
				line.WriteString(cell)
			} else {
				fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
			}
		}
		text := []rune(line.String())
		if width > 0 && len(text) > width {
			text = text[:width]
		}
		switch {
		case n == 0:
			b.WriteString(paint.In(demo.Title, string(text)))
		case len(row) < len(widths):
			b.WriteString(paint.In(demo.Bad, string(text)))
		default:
			b.WriteString(string(text))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	if len(alerts) == 0 {
		b.WriteString(paint.In(demo.Good, "No alerts.") + "\n")
	}
	for _, a := range alerts {
		style := demo.Warn
		if a.Severity == monitor.Critical {
			style = demo.Bad
		}
		fmt.Fprintf(&b, "%s %s on %s: %s, since %s\n", paint.In(style, fmt.Sprintf("%-8s %-8s", strings.ToUpper(string(a.State)), a.Severity)),
			a.Rule, a.Node, a.Message, a.Since.Format(time.TimeOnly))
	}
	return b.String()
}

func figure(n monitor.Node, m monitor.Metric, format func(float64) string) string {
	v, ok := n.Figure(m)
	if !ok {
		return "-" // not known, which is not 0
	}
	return format(v)
}

func whole(v float64) string   { return fmt.Sprintf("%.0f", v) }
func percent(v float64) string { return fmt.Sprintf("%.1f%%", v*100) }
func seconds(v float64) string {
	return time.Duration(v * float64(time.Second)).Round(time.Microsecond).String()
}
func mebibytes(v float64) string { return fmt.Sprintf("%.1fM", v/(1<<20)) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// slowest is the command with the highest 99th percentile.
func slowest(n monitor.Node) string {
	commands, ok := n.Commands.Get()
	if !ok || len(commands) == 0 {
		return "-"
	}
	c := slices.MaxFunc(commands, func(a, b monitor.Command) int { return int(a.P99.Or(0) - b.P99.Or(0)) })
	return fmt.Sprintf("%s p99 %v", c.Name, c.P99.Or(0))
}
