package monitor

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// State is where an alert is in its life. A rule that does not hold has no alert.
type State string

// The states: a rule holds, but not yet for its For; it has; and it is well again.
const (
	Pending  State = "pending"
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Alert is a rule that holds on a node.
type Alert struct { //nolint:recvcheck // it is written as the value that it is, and read in place
	Rule       string    `json:"rule"`
	Node       string    `json:"node"`
	Severity   Severity  `json:"severity"`
	State      State     `json:"state"`
	Value      float64   `json:"value"` // of the last sample that had one; may be +Inf, in JSON then the text "+Inf"
	Threshold  float64   `json:"threshold"`
	Message    string    `json:"message"`
	Since      time.Time `json:"since"`       // when the rule began to hold
	FiredAt    time.Time `json:"fired_at"`    // zero while pending
	ResolvedAt time.Time `json:"resolved_at"` // zero until resolved
}

type plainAlert Alert

type jsonAlert struct {
	plainAlert
	Value      any        `json:"value"`
	FiredAt    *time.Time `json:"fired_at,omitempty"`
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
}

// MarshalJSON leaves out times that are not set, and writes an infinite value, which JSON has no number for, as text.
func (a Alert) MarshalJSON() ([]byte, error) {
	out := jsonAlert{plainAlert: plainAlert(a), Value: a.Value}
	if math.IsInf(a.Value, 0) || math.IsNaN(a.Value) {
		out.Value = strconv.FormatFloat(a.Value, 'g', -1, 64)
	}
	if !a.FiredAt.IsZero() {
		out.FiredAt = &a.FiredAt
	}
	if !a.ResolvedAt.IsZero() {
		out.ResolvedAt = &a.ResolvedAt
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (a *Alert) UnmarshalJSON(text []byte) error {
	var in jsonAlert
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*a = Alert(in.plainAlert)
	switch v := in.Value.(type) {
	case float64:
		a.Value = v
	case string:
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return errors.New("monitor: alert: value " + strconv.Quote(v) + " is no number")
		}
		a.Value = f
	}
	if in.FiredAt != nil {
		a.FiredAt = *in.FiredAt
	}
	if in.ResolvedAt != nil {
		a.ResolvedAt = *in.ResolvedAt
	}
	return nil
}

// key is what alerts are coalesced by.
type alertKey struct{ rule, node string }

func (a *Alert) key() alertKey { return alertKey{a.Rule, a.Node} }

// condition is the state of one rule on one node.
type condition struct {
	alert    Alert
	wellFrom time.Time // since when a firing one is well; zero while it is not
	notified time.Time // when the notifiers were told last; zero = not yet by this process
}

// step moves one rule on by one figure. It returns whether the alert fired or resolved by that.
func (c *condition) step(r *Rule, n *Node, v float64, now time.Time) (fired, resolved bool) {
	a := &c.alert
	switch a.State {
	case "":
		if !r.holds(v) {
			return false, false
		}
		*a = Alert{Rule: r.Name, Node: n.Addr, Severity: r.Severity, State: Pending, Threshold: r.Threshold, Since: now}
	case Pending:
		if !r.holds(v) {
			*c = condition{}
			return false, false
		}
	}
	a.Value, a.Message = v, r.message(n, v)
	if a.State == Pending {
		if now.Sub(a.Since) >= r.For {
			a.State, a.FiredAt = Firing, now
			return true, false
		}
		return false, false
	}
	if !r.well(v) {
		c.wellFrom = time.Time{}
		return false, false
	}
	if c.wellFrom.IsZero() {
		c.wellFrom = now
	}
	if now.Sub(c.wellFrom) < r.KeepFiring {
		return false, false
	}
	a.State, a.ResolvedAt = Resolved, now
	return false, true
}

func (r *Rule) message(n *Node, v float64) string {
	text := r.words(n, v)
	if r.Metric == MetricUp && n.Err != nil {
		text += ": " + n.Err.Error()
	}
	if r.Summary == "" || !r.holds(v) {
		return text
	}
	return r.Summary + ": " + text
}

// track is what an engine remembers of one node.
type track struct {
	samples    []sample
	conditions []condition // by rule
	replID     string
	role       string
	answered   bool // once at least
	lost       bool
}

// engine evaluates rules on one snapshot after the other. It is not safe for concurrent use.
type engine struct {
	rules   []Rule
	history int
	longest time.Duration // of all windows
	tracks  map[string]*track
}

func newEngine(rules []Rule, history int) *engine {
	e := &engine{rules: rules, history: history, tracks: map[string]*track{}}
	for i := range rules {
		e.longest = max(e.longest, rules[i].Window)
	}
	return e
}

// step takes a snapshot in and returns what changed, in the order of nodes and rules.
func (e *engine) step(s *Snapshot) []Event {
	var events []Event
	there := make(map[string]bool, len(s.Nodes))
	for i := range s.Nodes {
		n := &s.Nodes[i]
		there[n.Addr] = true
		t := e.tracks[n.Addr]
		if t == nil {
			t = &track{conditions: make([]condition, len(e.rules))}
			e.tracks[n.Addr] = t
		}
		events = append(events, e.watch(t, n, s.At)...)
		for j := range e.rules {
			r, c := &e.rules[j], &t.conditions[j]
			v, ok := r.figure(n, t.samples)
			if !ok || math.IsNaN(v) {
				continue
			}
			fired, resolved := c.step(r, n, v, s.At)
			switch {
			case fired:
				alert := c.alert
				events = append(events, Event{Kind: EventFired, At: s.At, Node: n.Addr, Alert: &alert, Detail: alert.Message})
			case resolved:
				alert := c.alert
				*c = condition{}
				events = append(events, Event{Kind: EventResolved, At: s.At, Node: n.Addr, Alert: &alert, Detail: alert.Message})
			}
		}
	}
	return append(events, e.forget(there, s.At)...)
}

// watch notes a node's sample, and what happened to the node.
func (e *engine) watch(t *track, n *Node, at time.Time) []Event {
	if n.Err != nil {
		if !t.answered || t.lost {
			return nil
		}
		t.lost = true
		return []Event{{Kind: EventNodeLost, At: at, Node: n.Addr, Detail: n.Err.Error()}}
	}
	var events []Event
	if t.lost {
		t.lost = false
		events = append(events, Event{Kind: EventNodeBack, At: at, Node: n.Addr, Detail: "answers again"})
	}
	now := sampleOf(n)
	if k := len(t.samples); k > 0 && now.at.After(t.samples[k-1].at) {
		switch last := &t.samples[k-1]; {
		case now.runID != last.runID && now.runID != "" && last.runID != "":
			promoted := t.replID != "" && n.Replication.ReplID2.Or("") == t.replID
			if promoted || between(last, &now) == foreign {
				events = append(events, Event{Kind: EventFailover, At: at, Node: n.Addr, Detail: "another server answers as " + n.Role + ": run id " + now.runID})
			} else {
				events = append(events, Event{Kind: EventRestarted, At: at, Node: n.Addr, Detail: "run id " + now.runID})
			}
		case now.uptime.ok && last.uptime.ok && now.uptime.v < last.uptime.v:
			events = append(events, Event{Kind: EventRestarted, At: at, Node: n.Addr, Detail: "up for " + now.uptime.v.String()})
		case t.role == "replica" && n.Role == "master":
			events = append(events, Event{Kind: EventFailover, At: at, Node: n.Addr, Detail: "promoted to master"})
		}
	}
	if n := len(t.samples); n > 0 && !now.at.After(t.samples[n-1].at) {
		return events // Checks that overlap may end in another order than they began
	}
	t.answered = true
	if id := n.Replication.ReplID.Or(""); id != t.replID {
		t.replID = strings.Clone(id) // or it would keep the INFO alive of which it is a part
	}
	if n.Role != "" && n.Role != t.role {
		t.role = strings.Clone(n.Role)
	}
	t.samples = append(t.samples, now)
	e.trim(t, at)
	return events
}

// trim keeps what the longest window may ask for, with the sample that it begins from, and never more than History.
func (e *engine) trim(t *track, now time.Time) {
	first := max(0, len(t.samples)-e.history-1)
	for first+2 < len(t.samples) && !t.samples[first+1].at.After(now.Add(-e.longest)) {
		first++
	}
	if first > 0 {
		t.samples = slices.Delete(t.samples, 0, first)
	}
}

// forget resolves what is said of nodes that are no longer part of the deployment.
func (e *engine) forget(there map[string]bool, at time.Time) []Event {
	var events []Event
	for addr, t := range e.tracks {
		if there[addr] {
			continue
		}
		delete(e.tracks, addr)
		if t.answered && !t.lost { // an address that only led to the cluster, or never answered, is no loss
			events = append(events, Event{Kind: EventNodeLost, At: at, Node: addr, Detail: "no longer there"})
		}
		for i := range t.conditions {
			if t.conditions[i].alert.State != Firing {
				continue
			}
			alert := t.conditions[i].alert
			alert.State, alert.ResolvedAt, alert.Message = Resolved, at, "the node is no longer there"
			events = append(events, Event{Kind: EventResolved, At: at, Node: addr, Alert: &alert, Detail: alert.Message})
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.Node, b.Node) })
	return events
}

// alerts returns what is pending and firing, by node and in the order of the rules.
func (e *engine) alerts() []Alert {
	var out []Alert
	for _, addr := range e.nodes() {
		for i := range e.tracks[addr].conditions {
			if a := e.tracks[addr].conditions[i].alert; a.State != "" {
				out = append(out, a)
			}
		}
	}
	return out
}

func (e *engine) nodes() []string {
	addrs := make([]string, 0, len(e.tracks))
	for addr := range e.tracks {
		addrs = append(addrs, addr)
	}
	slices.Sort(addrs)
	return addrs
}

// due returns the firing alerts that notifiers are to be told of now, and notes that they were.
func (e *engine) due(now time.Time) []Alert {
	var out []Alert
	for _, addr := range e.nodes() {
		t := e.tracks[addr]
		for i := range t.conditions {
			c := &t.conditions[i]
			if c.alert.State != Firing {
				continue
			}
			repeat := e.rules[i].Repeat
			if c.notified.IsZero() || repeat > 0 && now.Sub(c.notified) >= repeat {
				c.notified = now
				out = append(out, c.alert)
			}
		}
	}
	return out
}
