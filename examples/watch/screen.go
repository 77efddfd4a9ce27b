package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/larder-go/larder/monitor"
)

// screen is how a sample is drawn: no line is wider, and there are no more lines; 0 is no limit.
type screen struct {
	width, height int
	color         bool
}

// The colors that all terminals have.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	yellow = "33"
	green  = "32"
)

// draw shows the alerts and the nodes, the worst first, and what happened lately.
func (s screen) draw(snapshot monitor.Snapshot, alerts []monitor.Alert, events []monitor.Event) string {
	var b strings.Builder
	s.head(&b, snapshot, alerts)
	alertLines := s.alerts(snapshot.At, alerts)
	eventLines := s.events(events)
	rows := 0
	if s.height > 0 { // the table gives way: an alert names its node
		rows = max(3, s.height-6-len(alertLines)-len(eventLines))
		alertLines = alertLines[:min(len(alertLines), max(1, s.height-6-rows))]
	}
	s.table(&b, snapshot.Nodes, rows)
	for _, lines := range [][]string{alertLines, eventLines} {
		if len(lines) > 0 {
			b.WriteString("\n" + strings.Join(lines, "\n") + "\n")
		}
	}
	out := b.String()
	if lines := strings.SplitAfter(out, "\n"); s.height > 0 && len(lines) > s.height {
		out = strings.Join(lines[:s.height], "")
	}
	return out
}

func (s screen) head(b *strings.Builder, snapshot monitor.Snapshot, alerts []monitor.Alert) {
	down, firing, pending := 0, 0, 0
	for _, n := range snapshot.Nodes {
		if n.Err != nil {
			down++
		}
	}
	for _, a := range alerts {
		if a.State == monitor.Firing {
			firing++
		} else {
			pending++
		}
	}
	if s.width > 0 && s.width < 60 { // too narrow for what follows, in color or not
		s.color = false
	}
	parts := []string{snapshot.At.Format(time.TimeOnly), count(len(snapshot.Nodes), "node")}
	if down > 0 {
		parts = append(parts, s.paint(red, strconv.Itoa(down)+" down"))
	}
	switch {
	case firing > 0:
		parts = append(parts, s.paint(red, count(firing, "alert")+" firing"))
	case pending == 0:
		parts = append(parts, s.paint(green, "no alerts"))
	}
	if pending > 0 {
		parts = append(parts, s.paint(yellow, strconv.Itoa(pending)+" pending"))
	}
	text := strings.Join(parts, ", ")
	if !s.color {
		text = s.cut(text)
	}
	b.WriteString(text + "\n\n")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// column is one of the table. Those that do not fit are left out, the last ones first.
type column struct {
	title string
	cell  func(n *monitor.Node) string
	left  bool
}

func columns() []column {
	of := func(m monitor.Metric, format func(float64) string) func(n *monitor.Node) string {
		return func(n *monitor.Node) string { return figure(n, m, format) }
	}
	rate := func(v func(n *monitor.Node) monitor.Value[float64], format func(float64) string) func(n *monitor.Node) string {
		return func(n *monitor.Node) string {
			if f, ok := v(n).Get(); ok {
				return format(f)
			}
			return unknown
		}
	}
	return []column{
		{title: "NODE", left: true, cell: func(n *monitor.Node) string { return plain(n.Addr) }},
		{title: "ROLE", left: true, cell: func(n *monitor.Node) string { return cmp.Or(plain(n.Role), unknown) }},
		{title: "MEMORY", cell: of(monitor.MetricMemoryUsed, binary)},
		{title: "USED", cell: of(monitor.MetricMemoryUsage, percent)},
		{title: "OPS/S", cell: of(monitor.MetricOps, short)},
		{title: "HITS", cell: of(monitor.MetricHitRatio, percent)},
		{title: "CLIENTS", cell: of(monitor.MetricConnectedClients, short)},
		{title: "PING", cell: of(monitor.MetricLatency, seconds)},
		{title: "KEYS", cell: of(monitor.MetricKeys, short)},
		{title: "LAG", cell: of(monitor.MetricReplicationLag, seconds)},
		{title: "CPU", cell: rate(func(n *monitor.Node) monitor.Value[float64] { return n.Rates.CPU }, percent)},
		{title: "IN/S", cell: rate(func(n *monitor.Node) monitor.Value[float64] { return n.Rates.NetInput }, binary)},
		{title: "OUT/S", cell: rate(func(n *monitor.Node) monitor.Value[float64] { return n.Rates.NetOutput }, binary)},
		{title: "SLOWEST (P99)", left: true, cell: slowest},
	}
}

// table draws at most so many nodes, if not 0; then those that are down come first.
func (s screen) table(b *strings.Builder, nodes []monitor.Node, most int) {
	left := 0
	if most > 0 && len(nodes) > most {
		nodes = slices.Clone(nodes)
		slices.SortStableFunc(nodes, func(a, b monitor.Node) int { return order(a.Err == nil) - order(b.Err == nil) })
		left = len(nodes) - most + 1
		nodes = nodes[:most-1]
	}
	all := columns()
	if !slices.ContainsFunc(nodes, func(n monitor.Node) bool { return n.Role == "replica" }) {
		all = slices.DeleteFunc(all, func(c column) bool { return c.title == "LAG" })
	}
	cells := make([][]string, len(all))
	total := 0
	for i, c := range all {
		cells[i] = []string{c.title}
		widest := utf8.RuneCountInString(c.title)
		for j := range nodes {
			n := &nodes[j]
			text := ""
			if n.Err == nil || i == 0 {
				text = c.cell(n)
			} else if i == 1 {
				text = "down"
			}
			cells[i] = append(cells[i], text)
			widest = max(widest, utf8.RuneCountInString(text))
		}
		if s.width > 0 && i > 1 && total+widest > s.width {
			all = all[:i]
			break
		}
		total += widest + 2
		for j, text := range cells[i] {
			pad := strings.Repeat(" ", widest-utf8.RuneCountInString(text))
			if c.left {
				cells[i][j] = text + pad
			} else {
				cells[i][j] = pad + text
			}
		}
	}
	for j := range len(nodes) + 1 {
		line := make([]string, 0, len(all))
		failed := j > 0 && nodes[j-1].Err != nil
		for i := range all {
			if failed && i == 2 {
				line = append(line, plain(nodes[j-1].Err.Error()))
				break
			}
			line = append(line, cells[i][j])
		}
		text := s.cut(strings.TrimRight(strings.Join(line, "  "), " "))
		switch {
		case j == 0:
			text = s.paint(bold, text)
		case failed:
			text = s.paint(red, text)
		}
		b.WriteString(text + "\n")
	}
	if left > 0 {
		b.WriteString(s.paint(dim, s.cut("and "+count(left, "node")+" more")) + "\n")
	}
}

// order puts what is true last.
func order(b bool) int {
	if b {
		return 1
	}
	return 0
}

// alerts are told on a line each, or on two where that is too narrow: those that fire first, and of those the critical ones.
func (s screen) alerts(now time.Time, alerts []monitor.Alert) []string {
	alerts = slices.Clone(alerts)
	rank := func(a monitor.Alert) int {
		return 10*order(a.State != monitor.Firing) + slices.Index([]monitor.Severity{monitor.Critical, monitor.Warning, monitor.Info}, a.Severity)
	}
	slices.SortStableFunc(alerts, func(a, b monitor.Alert) int { return rank(a) - rank(b) })
	lines := make([]string, 0, len(alerts))
	for _, a := range alerts {
		color := yellow
		switch {
		case a.State != monitor.Firing:
			color = dim
		case a.Severity == monitor.Critical:
			color = red
		}
		text := fmt.Sprintf("%-7s  %-8s  %s on %s for %s", strings.ToUpper(string(a.State)), a.Severity, plain(a.Rule), plain(a.Node), age(now.Sub(a.Since)))
		message := plain(a.Message)
		if whole := text + ": " + message; s.width <= 0 || utf8.RuneCountInString(whole) <= s.width {
			lines = append(lines, s.paint(color, whole))
			continue
		}
		lines = append(lines, s.paint(color, s.cut(text)), s.paint(color, s.cut("         "+message))) // the figure is at its end
	}
	return lines
}

func (s screen) events(events []monitor.Event) []string {
	var lines []string
	for _, e := range events {
		what := strings.ReplaceAll(string(e.Kind), "_", " ")
		if e.Alert != nil {
			what += " " + e.Alert.Rule
		}
		lines = append(lines, s.paint(dim, s.cut(fmt.Sprintf("%s  %s on %s: %s", e.At.Format(time.TimeOnly), plain(what), plain(e.Node), plain(e.Detail)))))
	}
	return lines
}

// cut leaves of a line what fits.
func (s screen) cut(text string) string {
	if s.width <= 0 || utf8.RuneCountInString(text) <= s.width {
		return text
	}
	return string([]rune(text)[:max(0, s.width-1)]) + "\u2026"
}

func (s screen) paint(color, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// plain takes out what a server could move the cursor with.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

const unknown = "-" // which is not 0

func figure(n *monitor.Node, m monitor.Metric, format func(float64) string) string {
	v, ok := n.Figure(m)
	if !ok {
		return unknown
	}
	return format(v)
}

func percent(v float64) string { return strconv.FormatFloat(v*100, 'f', 1, 64) + "%" }

// short writes a number with at most one digit after the point and its thousands as a letter.
func short(v float64) string { return scaled(v, 1000, "kMGT") }

// binary does so in powers of 1024.
func binary(v float64) string { return scaled(v, 1024, "KMGT") }

func scaled(v, unit float64, letters string) string {
	if v < unit {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	i := -1
	for v >= unit && i < len(letters)-1 {
		v /= unit
		i++
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + letters[i:i+1]
}

// seconds writes a time as it is read at a glance.
func seconds(v float64) string {
	switch {
	case v > 1e9:
		return "down" // the lag of a link that is
	case v >= 10:
		return age(time.Duration(v * float64(time.Second)))
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 1, 64) + "s"
	case v >= 0.001:
		return strconv.FormatFloat(v*1e3, 'f', 1, 64) + "ms"
	}
	return strconv.FormatFloat(v*1e6, 'f', 0, 64) + "\u00b5s"
}

// age is the largest two units.
func age(d time.Duration) string {
	d = max(d, 0).Truncate(time.Second)
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return d.String()
}

// slowest is the command with the highest 99th percentile.
func slowest(n *monitor.Node) string {
	commands, ok := n.Commands.Get()
	if !ok || len(commands) == 0 {
		return unknown
	}
	c := slices.MaxFunc(commands, func(a, b monitor.Command) int { return cmp.Compare(a.P99.Or(0), b.P99.Or(0)) })
	p99, ok := c.P99.Get()
	if !ok {
		return unknown
	}
	return plain(c.Name) + " " + seconds(p99.Seconds())
}
