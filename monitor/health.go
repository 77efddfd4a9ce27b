package monitor

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// Reason says, for machines, why a node is not ready.
type Reason string

// The reasons.
const (
	ReasonOOM         Reason = "oom"         // writes are refused: maxmemory is reached and nothing may be evicted
	ReasonReadOnly    Reason = "readonly"    // writes are refused: it is a replica
	ReasonNoReplicas  Reason = "noreplicas"  // writes are refused: fewer replicas than min-replicas-to-write
	ReasonMisconf     Reason = "misconf"     // writes are refused: the last save failed
	ReasonBusy        Reason = "busy"        // a script or function runs for longer than busy-reply-threshold
	ReasonLoading     Reason = "loading"     // the dataset is being loaded
	ReasonMasterDown  Reason = "masterdown"  // a replica without its master: what it has is old
	ReasonClusterDown Reason = "clusterdown" // the cluster does not serve all slots
	ReasonNoAuth      Reason = "noauth"      // the password or user is wrong
	ReasonDenied      Reason = "denied"      // the user may not write the key of the probe
	ReasonTimeout     Reason = "timeout"     // no answer in time
	ReasonUnreachable Reason = "unreachable" // no connection
)

var reasons = []Reason{
	ReasonOOM, ReasonReadOnly, ReasonNoReplicas, ReasonMisconf, ReasonBusy, ReasonLoading, ReasonMasterDown, ReasonClusterDown, ReasonNoAuth,
	ReasonDenied, ReasonTimeout, ReasonUnreachable,
}

// HealthOptions of Monitor.Health. The zero value is fine.
type HealthOptions struct {
	Timeout time.Duration // an answer comes within it, whatever Redis does; defaults to 2 s
	Share   time.Duration // for how long one look at Redis serves all who ask; defaults to 1 s, -1: only those who ask at the same time

	// Probe is the beginning of a key that does not exist. With it Ready sends SET key v XX, which writes nothing and still
	// tells whether writes are refused: oom, readonly, noreplicas, misconf. The service's user needs the right to SET it.
	// On a cluster there is one key a master; of servers behind Sentinels the master is asked. Braces are refused. "" sends none: a service that reads alone needs no more.
	Probe string

	// Tolerate are reasons that make the answer "degraded" instead of "unavailable", with status 200: what the service can
	// live with, so that one Redis does not take every pod out of service at once.
	Tolerate []Reason
}

// Health answers health checks. It is safe for concurrent use.
type Health struct {
	opts   HealthOptions
	source *source
	token  string

	mu     sync.Mutex
	probes map[string]*probe
	states map[string]HealthCheck
	keys   map[string]string // of the write probe, by node of a cluster
	nodes  []target          // of a cluster, as they were found last
	found  time.Time         // when that was
}

// HealthStatus is the outcome of a check, or of all.
type HealthStatus string

// The outcomes.
const (
	StatusOK          HealthStatus = "ok"
	StatusDegraded    HealthStatus = "degraded"    // for reasons that are tolerated
	StatusUnavailable HealthStatus = "unavailable" //
)

// HealthReport is the body that Ready answers with.
type HealthReport struct {
	Status HealthStatus           `json:"status"`
	Checks map[string]HealthCheck `json:"checks"` // by node
}

// HealthCheck is one node's.
type HealthCheck struct {
	Status    HealthStatus `json:"status"`
	LatencyMS float64      `json:"latency_ms"` // of the round trip; 0 where there was no answer
	Reason    Reason       `json:"reason,omitempty"`
	Error     string       `json:"error,omitempty"`
	Since     time.Time    `json:"since"` // when the status and reason became so, as far as was asked
}

// Health returns the handlers for the probes of an orchestrator. It has nothing to do with Run, which need not be running,
// and asks Redis only when it is asked itself. It fails where options are out of range.
func (m *Monitor) Health(opts HealthOptions) (*Health, error) {
	opts.Timeout = cmp.Or(opts.Timeout, 2*time.Second)
	opts.Share = cmp.Or(opts.Share, time.Second)
	opts.Tolerate = slices.Clone(opts.Tolerate)
	switch {
	case opts.Timeout < time.Millisecond:
		return nil, fmt.Errorf("monitor: HealthOptions.Timeout: %v is below 1ms", opts.Timeout)
	case opts.Share < 0 && opts.Share != -1:
		return nil, fmt.Errorf("monitor: HealthOptions.Share: %v is negative; -1 is off", opts.Share)
	case strings.ContainsAny(opts.Probe, "{}"):
		return nil, fmt.Errorf("monitor: HealthOptions.Probe: %q has braces", opts.Probe)
	}
	for _, r := range opts.Tolerate {
		if !slices.Contains(reasons, r) {
			return nil, fmt.Errorf("monitor: HealthOptions.Tolerate: there is no reason %q", string(r))
		}
	}
	h := &Health{
		opts: opts, source: &source{rdb: m.rdb, forgets: true}, token: rand.Text(),
		probes: map[string]*probe{}, states: map[string]HealthCheck{}, keys: map[string]string{},
	}
	if c, ok := m.rdb.(*redis.ClusterClient); ok {
		o := c.Options()
		h.source.masters = !o.ReadOnly && !o.RouteByLatency && !o.RouteRandomly // replicas matter to those who read from them
	}
	return h, nil
}

// Live answers 200 as long as the process answers at all. It never asks Redis: a restart of the service mends no Redis.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reads(w, r) {
			answer(w, r, http.StatusOK, map[string]HealthStatus{"status": StatusOK})
		}
	})
}

// Ready answers 200 where all nodes that the client needs are ready, or not ready for reasons that are tolerated, and else
// 503; the body is a HealthReport. Of a cluster the masters count, and the replicas where the client reads from them.
//
// A node is asked in one round trip, O(1): PING, INFO replication, in a cluster CLUSTER INFO, and the write probe. Those who
// ask at the same time, or within Share, share it. The answer comes within Timeout.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(w, r) {
			return
		}
		report := h.Check(r.Context())
		status := http.StatusOK
		if report.Status == StatusUnavailable {
			status = http.StatusServiceUnavailable
		}
		answer(w, r, status, report)
	})
}

// reads refuses methods other than GET and HEAD, before anybody is asked.
func reads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

func answer(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	_ = json.NewEncoder(w).Encode(body) // who asked has gone
}

// probe is one look at a node, which several may wait for.
type probe struct {
	done   chan struct{}
	result HealthCheck
	closed bool      // the client of the node is: the node may have left
	at     time.Time // when it was done
}

// Check is what Ready answers. A ctx that ends gives the nodes that have not answered the reason timeout.
func (h *Health) Check(ctx context.Context) HealthReport {
	timer := time.NewTimer(h.opts.Timeout)
	defer timer.Stop()
	search, cancel := context.WithTimeout(ctx, h.opts.Timeout)
	defer cancel()
	targets, err := h.targets(search)
	report := HealthReport{Checks: map[string]HealthCheck{}}
	if err != nil {
		h.keep(&report, "cluster", HealthCheck{Reason: reasonOf(err), Error: err.Error()})
	}
	waiting := map[string]*probe{}
	for _, t := range targets {
		if t.err != nil {
			h.keep(&report, t.addr, HealthCheck{Reason: reasonOf(t.err), Error: t.err.Error()})
			continue
		}
		waiting[t.addr] = h.look(ctx, t)
	}
	late := false // the time is over for all, but who has answered meanwhile counts
	for addr, p := range waiting {
		if !late {
			select {
			case <-p.done:
			case <-timer.C:
				late = true
			case <-ctx.Done():
				late = true
			}
		}
		select {
		case <-p.done:
			if p.closed && h.source.left(addr) {
				continue // it is nothing to be ready for any more
			}
			h.keep(&report, addr, p.result)
		default:
			c := HealthCheck{Reason: ReasonTimeout, Error: "no answer within " + h.opts.Timeout.String()}
			if ctx.Err() != nil { // says something of the caller, and nothing of Redis
				c.Error, c.Status, c.Since = "who asked gave up", h.judge(ReasonTimeout), time.Now()
				report.Checks[addr] = c
				continue
			}
			h.keep(&report, addr, c)
		}
	}
	h.forget(report.Checks)
	report.Status = StatusOK
	for _, c := range report.Checks {
		switch {
		case c.Status == StatusUnavailable:
			report.Status = StatusUnavailable
		case c.Status == StatusDegraded && report.Status == StatusOK:
			report.Status = StatusDegraded
		}
	}
	if len(report.Checks) == 0 {
		report.Status = StatusUnavailable
	}
	return report
}

// targets looks for the nodes of a cluster once for all who ask within Share, as it does for the nodes themselves.
func (h *Health) targets(ctx context.Context) ([]target, error) {
	_, cluster := h.source.rdb.(*redis.ClusterClient)
	if cluster && h.opts.Share > 0 {
		h.mu.Lock()
		nodes, found := h.nodes, h.found
		h.mu.Unlock()
		if len(nodes) > 0 && time.Since(found) < h.opts.Share {
			return nodes, nil
		}
	}
	nodes, err := h.source.search(ctx, h.opts.Timeout, func(work func()) { go work() }) // ends with the client's read
	if cluster && err == nil && !slices.ContainsFunc(nodes, func(t target) bool { return t.err != nil }) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.nodes, h.found = nodes, time.Now()
	}
	return nodes, err
}

// forget drops what is known of nodes that are no longer asked: addresses come and go where pods do.
func (h *Health) forget(checks map[string]HealthCheck) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := func(addr string) bool { _, ok := checks[addr]; return !ok }
	maps.DeleteFunc(h.states, func(addr string, _ HealthCheck) bool { return gone(addr) })
	maps.DeleteFunc(h.probes, func(addr string, _ *probe) bool { return gone(addr) })
	maps.DeleteFunc(h.keys, func(addr string, _ string) bool { return gone(addr) })
}

func (h *Health) judge(r Reason) HealthStatus {
	switch {
	case r == "":
		return StatusOK
	case slices.Contains(h.opts.Tolerate, r):
		return StatusDegraded
	}
	return StatusUnavailable
}

// keep completes a check with its status, and with since when it is so.
func (h *Health) keep(report *HealthReport, addr string, c HealthCheck) {
	c.Status = h.judge(c.Reason)
	h.mu.Lock()
	defer h.mu.Unlock()
	c.Since = time.Now()
	if before, ok := h.states[addr]; ok && before.Status == c.Status && before.Reason == c.Reason {
		c.Since = before.Since
	}
	h.states[addr] = c
	report.Checks[addr] = c
}

// look returns the look at a node that is under way or new enough, or begins one.
func (h *Health) look(ctx context.Context, t target) *probe {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.probes[t.addr]
	if p != nil {
		select {
		case <-p.done:
			if h.opts.Share > 0 && time.Since(p.at) < h.opts.Share {
				return p
			}
		default:
			return p // a second question would only join it in the hung server's queue
		}
	}
	p = &probe{done: make(chan struct{})}
	h.probes[t.addr] = p
	ctx = context.WithoutCancel(ctx)
	go func() { // ends with the client's read, which may be later than the answer
		defer close(p.done)
		ctx, cancel := context.WithTimeout(ctx, h.opts.Timeout)
		defer cancel()
		p.result, p.closed = h.ask(ctx, t)
		p.at = time.Now()
	}()
	return p
}

// ask is the round trip. A connection that broke in the pool is not Redis's state: it is asked once more on another.
func (h *Health) ask(ctx context.Context, t target) (c HealthCheck, closed bool) {
	c, closed = h.askOnce(ctx, t)
	if c.Reason == ReasonUnreachable && ctx.Err() == nil && !closed {
		c, closed = h.askOnce(ctx, t)
	}
	return c, closed
}

func (h *Health) askOnce(ctx context.Context, t target) (check HealthCheck, closed bool) {
	client := bounded(t.client, h.opts.Timeout)
	_, cluster := h.source.rdb.(*redis.ClusterClient)
	ping := redis.NewStatusCmd(ctx, "ping")
	info := redis.NewStringCmd(ctx, "info", "replication")
	cmds := []redis.Cmder{ping, info}
	var state, view *redis.StringCmd
	if cluster {
		state = redis.NewStringCmd(ctx, "cluster", "info")
		cmds = append(cmds, state)
	}
	var write *redis.StatusCmd
	if h.opts.Probe != "" {
		key := h.opts.Probe + ":" + h.token
		if cluster {
			if key = h.key(t.addr); key == "" {
				view = redis.NewStringCmd(ctx, "cluster", "nodes")
				cmds = append(cmds, view)
			}
		}
		if key != "" {
			write = writeProbe(ctx, key)
			cmds = append(cmds, write)
		}
	}
	start := time.Now()
	once.Exec(ctx, client, cmds) // go-redis would try LOADING and READONLY again, and hide them behind the time-out
	took := time.Since(start)
	check = verdict(ping, info, state)
	if check.Reason == "" && view != nil {
		if key := h.findKey(t.addr, view); key != "" && !isReplica(info) {
			write = writeProbe(ctx, key)
			once.Exec(ctx, client, []redis.Cmder{write})
		}
	}
	switch {
	case check.Reason != "" || write == nil:
	case cluster && isReplica(info): // since the last look; who reads from it does not write to it
		h.noKey(t.addr)
	default:
		check = h.written(t.addr, write.Err())
	}
	if check.Reason != ReasonTimeout && check.Reason != ReasonUnreachable {
		check.LatencyMS = float64(took.Microseconds()) / 1000
	}
	return check, errors.Is(ping.Err(), redis.ErrClosed)
}

func isReplica(info *redis.StringCmd) bool {
	return info.Err() == nil && parseInfo(info.Val())["role"] == "slave"
}

func writeProbe(ctx context.Context, key string) *redis.StatusCmd {
	return redis.NewStatusCmd(ctx, "set", key, "probe", "xx")
}

// verdict judges what only reads.
func verdict(ping *redis.StatusCmd, info, state *redis.StringCmd) HealthCheck {
	if err := ping.Err(); err != nil && once.Code(err) != "NOPERM" {
		return HealthCheck{Reason: reasonOf(err), Error: err.Error()}
	}
	if err := info.Err(); err != nil {
		switch r := reasonOf(err); r {
		case ReasonDenied: // nothing can be told
		case "":
		default:
			return HealthCheck{Reason: r, Error: err.Error()}
		}
	} else if f := parseInfo(info.Val()); f["role"] == "slave" && f["master_link_status"] == "down" {
		return HealthCheck{Reason: ReasonMasterDown, Error: "the replica's link to its master is down"}
	}
	if state != nil && state.Err() == nil {
		if s, ok := parseInfo(state.Val())["cluster_state"]; ok && s != "ok" {
			return HealthCheck{Reason: ReasonClusterDown, Error: "cluster state is " + s}
		}
	}
	return HealthCheck{}
}

// written judges the write probe. nil is the answer to SET XX of a key that does not exist.
func (h *Health) written(addr string, err error) HealthCheck {
	if err == nil || errors.Is(err, redis.Nil) {
		return HealthCheck{}
	}
	switch once.Code(err) {
	case "MOVED", "ASK": // the slot has another master now: the next look finds another key
		h.noKey(addr)
		return HealthCheck{}
	}
	return HealthCheck{Reason: reasonOf(err), Error: err.Error()}
}

func (h *Health) noKey(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.keys, addr)
}

func (h *Health) key(addr string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.keys[addr]
}

// findKey makes a key in a slot of the node; a master without slots has none. Behind a cluster client that Sentinels lead
// there are no slots, and any key will do.
func (h *Health) findKey(addr string, view *redis.StringCmd) string {
	keep := func(key string) string {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.keys[addr] = key
		return key
	}
	if err := view.Err(); err != nil {
		if replied(err) && strings.Contains(err.Error(), "cluster support disabled") {
			return keep(h.opts.Probe + ":" + h.token)
		}
		return ""
	}
	for _, n := range parseClusterNodes(view.Val()) {
		if !n.is("myself") || n.is("slave") || len(n.slots) == 0 {
			continue
		}
		for i := 0; ; i++ {
			key := h.opts.Probe + ":" + h.token + ":" + strconv.Itoa(i)
			slot := keySlot(key)
			if slices.ContainsFunc(n.slots, func(s [2]int) bool { return s[0] <= slot && slot <= s[1] }) {
				return keep(key)
			}
		}
	}
	return ""
}

// keySlot is the slot of a key without braces.
func keySlot(key string) int {
	crc := uint16(0)
	for _, b := range []byte(key) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % clusterSlots
}

// reasonOf says what an error means. "" is an answer that says nothing of readiness, such as a command that is unknown.
func reasonOf(err error) Reason {
	switch once.Code(err) {
	case "OOM":
		return ReasonOOM
	case "READONLY":
		return ReasonReadOnly
	case "NOREPLICAS":
		return ReasonNoReplicas
	case "MISCONF":
		return ReasonMisconf
	case "BUSY":
		return ReasonBusy
	case "LOADING":
		return ReasonLoading
	case "MASTERDOWN":
		return ReasonMasterDown
	case "CLUSTERDOWN":
		return ReasonClusterDown
	case "NOAUTH", "WRONGPASS":
		return ReasonNoAuth
	case "NOPERM":
		return ReasonDenied
	}
	if replied(err) && !strings.Contains(err.Error(), "max number of clients") {
		return ""
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return ReasonTimeout
	}
	return ReasonUnreachable
}
