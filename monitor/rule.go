package monitor

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Severity says how much an alert matters.
type Severity string

// The severities.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Op says on which side of the threshold a rule holds.
type Op string

// The operators. A figure that equals the threshold is fine in both.
const (
	Above Op = "above"
	Below Op = "below"
)

// Rule says when a figure of a node is an alert. The zero value of each optional field is the calmest that makes sense;
// -1 switches Repeat off. New refuses rules that contradict themselves.
//
// A rule holds for one node at a time. While nothing is known of the figure, such as the hit ratio of an idle server, the
// rule's alert stays what it was: no data neither fires nor resolves.
type Rule struct { //nolint:recvcheck // it is a value to others, and too large to copy for each figure
	Name      string   // unique among the rules
	Severity  Severity // defaults to Warning
	Metric    Metric
	Op        Op // defaults to Above
	Threshold float64

	Hysteresis float64       // an alert resolves when the figure is back beyond Threshold by so much; 0 = at the threshold
	For        time.Duration // how long it must hold, before it fires; 0 = at once
	KeepFiring time.Duration // how long it must be well, before it resolves; 0 = at once
	Repeat     time.Duration // how long a firing alert is silent, before notifiers are told again; 0 = 4 h, -1 = for ever
	Window     time.Duration // of counters, ratios and percentiles; 0 = 5 min; must fit into History
	MinSamples int64         // the least that the figure must rest on: lookups of MetricHitRatio, round trips of MetricLatency, bytes lost of MetricFragmentation
	Summary    string        // first words of the message; may be empty
}

const (
	defaultRepeat = 4 * time.Hour
	defaultWindow = 5 * time.Minute
)

// DefaultRules returns the rules of a Monitor without Rules, each time a new slice, to be changed as one likes.
func DefaultRules() []Rule {
	const mb = 1 << 20
	return []Rule{
		{
			Name: "HighMemoryUsage", Severity: Warning, Metric: MetricMemoryUsage, Op: Above, Threshold: 0.85, Hysteresis: 0.03, For: time.Minute,
			Summary: "memory is running out",
		},
		{
			Name: "HighClientConnections", Severity: Warning, Metric: MetricConnectedClients, Op: Above, Threshold: 1000, Hysteresis: 50, For: time.Minute,
			Summary: "many clients are connected",
		},
		{
			Name: "ClientsNearLimit", Severity: Critical, Metric: MetricClientUsage, Op: Above, Threshold: 0.9, Hysteresis: 0.03, For: 30 * time.Second,
			Summary: "soon no client will be let in",
		},
		{
			Name: "BlockedClients", Severity: Critical, Metric: MetricBlockedClients, Op: Above, Threshold: 10, Hysteresis: 1, For: time.Minute,
			Summary: "many clients wait in blocking commands",
		},
		{
			Name: "RejectedConnections", Severity: Critical, Metric: MetricRejectedConnections, Op: Above, Threshold: 5, Window: time.Minute, KeepFiring: 5 * time.Minute,
			Summary: "clients are turned away at maxclients",
		},
		{
			Name: "KeysEvicted", Severity: Warning, Metric: MetricEvictedKeys, Op: Above, Threshold: 100, Window: time.Minute, KeepFiring: 5 * time.Minute,
			Summary: "keys are thrown out for want of memory",
		},
		{
			Name: "LowHitRatio", Severity: Warning, Metric: MetricHitRatio, Op: Below, Threshold: 0.8, Hysteresis: 0.02, For: 5 * time.Minute, MinSamples: 1000,
			Summary: "too many lookups find nothing",
		},
		{
			Name: "HighLatency", Severity: Warning, Metric: MetricLatency, Op: Above, Threshold: 0.010, Hysteresis: 0.002, MinSamples: 10,
			Summary: "round trips take long",
		},
		{Name: "ServerDown", Severity: Critical, Metric: MetricUp, Op: Below, Threshold: 1, For: 30 * time.Second, Summary: "the server does not answer"},
		{
			Name: "ReplicationBroken", Severity: Critical, Metric: MetricReplicationLag, Op: Above, Threshold: 30, For: 30 * time.Second,
			Summary: "a replica has lost its master",
		},
		{Name: "PersistenceFailed", Severity: Critical, Metric: MetricPersistenceFailed, Op: Above, Threshold: 0, Summary: "the last save failed"},
		{
			Name: "HighFragmentation", Severity: Warning, Metric: MetricFragmentation, Op: Above, Threshold: 1.5, Hysteresis: 0.05, For: 10 * time.Minute, MinSamples: 100 * mb,
			Summary: "memory is lost to fragmentation",
		},
		{Name: "ClusterDown", Severity: Critical, Metric: MetricClusterState, Op: Below, Threshold: 1, For: 30 * time.Second, Summary: "the cluster does not serve all slots"},
		{Name: "SentinelQuorumLost", Severity: Critical, Metric: MetricSentinelQuorum, Op: Below, Threshold: 1, For: 30 * time.Second, Summary: "no failover can be ordered"},
	}
}

// defaultRules fits the defaults to an Interval: a window that holds too few round trips grows.
func defaultRules(interval time.Duration, history int) []Rule {
	rules := DefaultRules()
	for i := range rules {
		r := &rules[i]
		longest := span(interval, history)
		switch metrics[r.Metric].kind {
		case timing:
			r.MinSamples = min(r.MinSamples, int64(history))
			r.Window = min(max(defaultWindow, time.Duration(r.MinSamples)*interval), longest)
		case rate, ratio:
			r.Window = min(cmp.Or(r.Window, defaultWindow), longest)
		}
	}
	return rules
}

// span is the time that a history covers; the longest of all are more than a Duration holds.
func span(interval time.Duration, history int) time.Duration {
	if interval > math.MaxInt64/time.Duration(history) {
		return math.MaxInt64
	}
	return time.Duration(history) * interval
}

// completed fills in what is left at zero.
func (r Rule) completed() Rule {
	r.Severity = cmp.Or(r.Severity, Warning)
	r.Op = cmp.Or(r.Op, Above)
	r.Repeat = cmp.Or(r.Repeat, defaultRepeat)
	if metrics[r.Metric].kind != gauge {
		r.Window = cmp.Or(r.Window, defaultWindow)
	}
	return r
}

// check refuses a completed rule that cannot do what it says.
func (r Rule) check(interval time.Duration, history int) error {
	m, known := metrics[r.Metric]
	bad := func(field, format string, args ...any) error {
		return fmt.Errorf("monitor: Options.Rules: rule %q: %s: %s", r.Name, field, fmt.Sprintf(format, args...))
	}
	switch {
	case r.Name == "":
		return bad("Name", "is empty")
	case !known:
		return bad("Metric", "%q is unknown", string(r.Metric))
	case r.Severity != Info && r.Severity != Warning && r.Severity != Critical:
		return bad("Severity", "%q is none of %s, %s, %s", string(r.Severity), Info, Warning, Critical)
	case r.Op != Above && r.Op != Below:
		return bad("Op", "%q is neither %s nor %s", string(r.Op), Above, Below)
	case math.IsNaN(r.Threshold) || math.IsInf(r.Threshold, 0):
		return bad("Threshold", "%v is no number", r.Threshold)
	case !(r.Hysteresis >= 0) || math.IsInf(r.Hysteresis, 0):
		return bad("Hysteresis", "%v is negative or no number", r.Hysteresis)
	case r.For < 0:
		return bad("For", "%v is negative", r.For)
	case r.KeepFiring < 0:
		return bad("KeepFiring", "%v is negative", r.KeepFiring)
	case r.Repeat < 0 && r.Repeat != -1:
		return bad("Repeat", "%v is negative; -1 is for ever silent", r.Repeat)
	case r.MinSamples < 0:
		return bad("MinSamples", "%d is negative", r.MinSamples)
	case r.MinSamples > 0 && m.basis == "":
		return bad("MinSamples", "has no meaning for %s", r.Metric)
	case r.Window < 0:
		return bad("Window", "%v is negative", r.Window)
	case m.kind == gauge && r.Window != 0:
		return bad("Window", "%s is a figure of the moment; use For", r.Metric)
	case m.kind != gauge && r.Window > span(interval, history):
		return bad("Window", "%v is longer than History (%d samples, %v)", r.Window, history, span(interval, history))
	}
	// A rule that can never hold, or never be well again, is a slip: 85 for 0.85, say.
	lowest, highest := 0.0, math.Inf(1)
	if m.share {
		highest = 1
		if r.Metric == MetricMemoryUsage || r.Metric == MetricMaxMemoryUsage || r.Metric == MetricClientUsage {
			highest = math.Inf(1) // a server may hold more than its limit for a while; the threshold is refused below all the same
		}
		if r.Threshold < 0 || r.Threshold > 1 {
			return bad("Threshold", "%v: %s is a share from 0 to 1", r.Threshold, r.Metric)
		}
	}
	if r.Op == Above {
		if r.Threshold >= highest {
			return bad("Threshold", "%s is never above %v", r.Metric, r.Threshold)
		}
		if r.Threshold-r.Hysteresis < lowest {
			return bad("Hysteresis", "an alert would resolve at or below %v only, which %s never reaches", r.Threshold-r.Hysteresis, r.Metric)
		}
	} else {
		if r.Threshold <= lowest {
			return bad("Threshold", "%s is never below %v", r.Metric, r.Threshold)
		}
		if r.Threshold+r.Hysteresis > highest {
			return bad("Hysteresis", "an alert would resolve at or above %v only, which %s never reaches", r.Threshold+r.Hysteresis, r.Metric)
		}
	}
	if m.kind == timing && r.MinSamples > 1 && time.Duration(r.MinSamples-1) > r.Window/interval {
		return bad("MinSamples", "a window of %v holds %d round trips at an Interval of %v, fewer than %d", r.Window, r.Window/interval+1, interval, r.MinSamples)
	}
	return nil
}

func completeRules(rules []Rule, interval time.Duration, history int) ([]Rule, error) {
	if rules == nil {
		rules = defaultRules(interval, history)
	}
	out := make([]Rule, 0, len(rules))
	for _, r := range rules {
		r = r.completed()
		if err := r.check(interval, history); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o Rule) bool { return o.Name == r.Name }) {
			return nil, fmt.Errorf("monitor: Options.Rules: two rules are named %q", r.Name)
		}
		out = append(out, r)
	}
	return out, nil
}

// Expr returns the rule as the expression of a Prometheus alerting rule, without For: that is a field of its own there,
// and so is keep_firing_for. Hysteresis has no counterpart.
func (r Rule) Expr() string {
	r = r.completed()
	m := metrics[r.Metric]
	op := " > "
	if r.Op == Below {
		op = " < "
	}
	expr := "(" + promSeries(m.series, r.Window) + ")" + op + formatFloat(r.Threshold)
	if m.basis != "" && r.MinSamples > 0 {
		expr += " and " + promSeries(m.basis, r.Window) + " >= " + strconv.FormatInt(r.MinSamples, 10)
	}
	return expr
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// holds tells whether the figure is on the wrong side of the threshold, and well whether it is back beyond the hysteresis.
func (r *Rule) holds(v float64) bool {
	if r.Op == Below {
		return v < r.Threshold
	}
	return v > r.Threshold
}

func (r *Rule) well(v float64) bool {
	if r.Op == Below {
		return v >= r.Threshold+r.Hysteresis
	}
	return v <= r.Threshold-r.Hysteresis
}

// figure evaluates the rule's metric on a node and its earlier samples.
func (r *Rule) figure(n *Node, samples []sample) (float64, bool) {
	m := metrics[r.Metric]
	if m.kind != gauge && n.Err != nil {
		return 0, false // the newest sample is not of this moment
	}
	switch m.kind {
	case rate:
		v, ok := perMinute(samples, r.Window, m.counter)
		if m.unit == "/s" {
			v /= 60
		}
		return v, ok
	case ratio:
		return hitRatio(samples, r.Window, r.MinSamples)
	case timing:
		return slowest(samples, r.Window, r.MinSamples)
	}
	if r.Metric == MetricFragmentation && r.MinSamples > 0 {
		lost, ok := n.Memory.FragmentationBytes.Get()
		if !ok || lost < r.MinSamples {
			// A fresh server wastes more than it uses, and nobody minds a few megabytes. What was lost and is no longer is
			// well again, so that an alert can resolve.
			return math.Min(1, r.Threshold), ok
		}
	}
	return n.Figure(r.Metric)
}

// words says what the figure is, for a message.
func (r *Rule) words(n *Node, v float64) string {
	what := string(r.Metric)
	switch r.Metric {
	case MetricMemoryUsage:
		what = "used memory of maxmemory"
		if n.Memory.Max.Or(0) == 0 {
			what = "used memory of the machine's memory (maxmemory is not set)"
		}
	case MetricUp:
		if v == 0 {
			return "no answer"
		}
		return "answers again"
	case MetricReplicationLag:
		if math.IsInf(v, 1) {
			return "the link to master " + joinAddr(n.Replication.MasterHost.Or("?"), strconv.FormatInt(n.Replication.MasterPort.Or(0), 10)) + " is down"
		}
	case MetricClusterState:
		return "cluster state is " + n.Cluster.State.Or("unknown")
	case MetricSentinelQuorum:
		return "quorum " + map[bool]string{true: "is there", false: "is not reached"}[v == 1]
	case MetricPersistenceFailed:
		return n.persistenceWords()
	}
	side := "above"
	if r.Op == Below {
		side = "below"
	}
	if !r.holds(v) {
		side = "no longer " + side
	}
	unit := metrics[r.Metric].unit
	return fmt.Sprintf("%s %s, %s %s", what, quantity(v, unit), side, quantity(r.Threshold, unit))
}

func (n *Node) persistenceWords() string {
	switch {
	case !n.Persistence.LastSaveOK.Or(true):
		return "the last RDB save failed"
	case !n.Persistence.LastWriteOK.Or(true):
		return "the last write of the AOF failed"
	case !n.Persistence.LastRewriteOK.Or(true):
		return "the last rewrite of the AOF failed"
	}
	return "saves succeed"
}

// quantity writes a figure with three digits and its unit.
func quantity(v float64, unit string) string {
	switch unit {
	case "%":
		return strconv.FormatFloat(v*100, 'g', 3, 64) + " %"
	case "s":
		if v < 1 {
			return strconv.FormatFloat(v*1000, 'g', 3, 64) + " ms"
		}
		return strconv.FormatFloat(v, 'g', 4, 64) + " s"
	case "B":
		return humanBytes(int64(v))
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatInt(int64(v), 10) + unit
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + unit
}

func humanBytes(n int64) string {
	const unit = 1024
	if n < unit {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, i := float64(n), -1
	for f >= unit && i < 5 {
		f /= unit
		i++
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " " + string("KMGTPE"[i]) + "iB"
}
