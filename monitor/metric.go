package monitor

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Metric names a figure of a node. [Node.Figure] looks it up; [Metric.PromQL] writes it for Prometheus, by the names
// that redis_exporter made the standard.
type Metric string

// The metrics. Shares are from 0 to 1; what is "a minute" grew over the rule's Window and is told by the minute.
const (
	MetricUp                  Metric = "up"                   // 1 where the node answered, else 0
	MetricMemoryUsage         Metric = "memory_usage"         // share of maxmemory, or of the machine's memory where maxmemory is 0
	MetricMaxMemoryUsage      Metric = "maxmemory_usage"      // share of maxmemory; absent where that is 0
	MetricMemoryUsed          Metric = "memory_used"          // bytes
	MetricFragmentation       Metric = "fragmentation"        // RSS / used; MinSamples: of at least so many bytes lost
	MetricConnectedClients    Metric = "connected_clients"    //
	MetricClientUsage         Metric = "client_usage"         // share of maxclients
	MetricBlockedClients      Metric = "blocked_clients"      //
	MetricRejectedConnections Metric = "rejected_connections" // a minute
	MetricEvictedKeys         Metric = "evicted_keys"         // a minute
	MetricExpiredKeys         Metric = "expired_keys"         // a minute
	MetricErrorReplies        Metric = "error_replies"        // a minute
	MetricHitRatio            Metric = "hit_ratio"            // share over the window; absent where fewer than MinSamples keys were looked up
	MetricOps                 Metric = "ops"                  // commands a second, over the window
	MetricLatency             Metric = "latency"              // seconds: 99th percentile of the round trips of the window; absent below MinSamples of them
	MetricReplicationLag      Metric = "replication_lag"      // seconds since a replica heard of its master; +Inf where the link is down; absent on a master
	MetricReplicas            Metric = "replicas"             // connected to a master; absent on a replica
	MetricPersistenceFailed   Metric = "persistence_failed"   // how many of save, AOF write and AOF rewrite failed the last time
	MetricClusterState        Metric = "cluster_state"        // 1 ok, 0 not; absent outside clusters
	MetricSentinelQuorum      Metric = "sentinel_quorum"      // 1 where a Sentinel can order a failover of all its masters, else 0; absent elsewhere
	MetricKeys                Metric = "keys"                 // in all databases
)

// kind says how a metric is told.
type kind int

const (
	gauge  kind = iota // by the last sample
	rate               // growth over a window
	ratio              // of hits over a window
	timing             // percentile over a window
)

// metric describes one. share: from 0 to 1. basis: MinSamples has a meaning.
type metric struct {
	kind    kind
	counter counter
	share   bool
	basis   string // what MinSamples counts, as PromQL over the window; "" = MinSamples has no meaning
	series  string // PromQL; %s is the window
	unit    string // for messages
}

var metrics = map[Metric]metric{
	MetricUp:          {series: "redis_up", share: true},
	MetricMemoryUsage: {series: "redis_memory_used_bytes / (redis_memory_max_bytes > 0 or redis_total_system_memory_bytes)", share: true, unit: "%"},
	MetricMaxMemoryUsage: {
		series: "redis_memory_used_bytes / (redis_memory_max_bytes > 0)", share: true, unit: "%",
	},
	MetricMemoryUsed: {series: "redis_memory_used_bytes", unit: "B"},
	MetricFragmentation: {
		series: "redis_mem_fragmentation_ratio", basis: "(redis_memory_used_rss_bytes - redis_memory_used_bytes)",
	},
	MetricConnectedClients:    {series: "redis_connected_clients"},
	MetricClientUsage:         {series: "redis_connected_clients / redis_config_maxclients", share: true, unit: "%"},
	MetricBlockedClients:      {series: "redis_blocked_clients"},
	MetricRejectedConnections: {kind: rate, counter: countRejected, series: "rate(redis_rejected_connections_total[%s]) * 60", unit: "/min"},
	MetricEvictedKeys:         {kind: rate, counter: countEvicted, series: "rate(redis_evicted_keys_total[%s]) * 60", unit: "/min"},
	MetricExpiredKeys:         {kind: rate, counter: countExpired, series: "rate(redis_expired_keys_total[%s]) * 60", unit: "/min"},
	MetricErrorReplies:        {kind: rate, counter: countErrors, series: "rate(redis_total_error_replies[%s]) * 60", unit: "/min"},
	MetricHitRatio: {
		kind: ratio, share: true, unit: "%",
		series: "increase(redis_keyspace_hits_total[%[1]s]) / (increase(redis_keyspace_hits_total[%[1]s]) + increase(redis_keyspace_misses_total[%[1]s]) > 0)",
		basis:  "(increase(redis_keyspace_hits_total[%[1]s]) + increase(redis_keyspace_misses_total[%[1]s]))",
	},
	MetricOps: {kind: rate, counter: countCommands, series: "rate(redis_commands_processed_total[%s])", unit: "/s"},
	MetricLatency: {
		kind: timing, unit: "s",
		series: "quantile_over_time(0.99, redis_exporter_last_scrape_ping_time_seconds[%s])",
		basis:  "count_over_time(redis_exporter_last_scrape_ping_time_seconds[%s])",
	},
	MetricReplicationLag: {
		series: "(redis_master_last_io_seconds_ago and redis_master_link_up == 1) or ((redis_master_link_up == 0) + Inf)", unit: "s",
	},
	MetricReplicas: {series: "redis_connected_slaves and on(instance) redis_instance_info{role=\"master\"}"},
	MetricPersistenceFailed: {
		series: "(redis_rdb_last_bgsave_status == bool 0) + (redis_aof_last_write_status == bool 0) + (redis_aof_last_bgrewrite_status == bool 0)",
	},
	MetricClusterState:   {series: "redis_cluster_state", share: true},
	MetricSentinelQuorum: {series: "redis_sentinel_master_ckquorum_status", share: true},
	MetricKeys:           {series: "sum without(db) (redis_db_keys)"},
}

// PromQL returns the expression that is this figure in Prometheus. The window is of no account for figures of the
// moment; below a second it is a second. An unknown metric is "".
func (m Metric) PromQL(window time.Duration) string {
	return promSeries(metrics[m].series, window)
}

func promSeries(series string, window time.Duration) string {
	if !strings.Contains(series, "%") {
		return series
	}
	return fmt.Sprintf(series, promDuration(window))
}

// promDuration writes a duration as Prometheus reads it, such as 1h30m.
func promDuration(d time.Duration) string {
	d = max(d, time.Second).Truncate(time.Second)
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = text[:len(text)-2]
	}
	if strings.HasSuffix(text, "h0m") {
		text = text[:len(text)-2]
	}
	return text
}

// Figure returns a figure of the node, and whether it is known. Figures over a window are here those of Rates, since the
// sample before; rules evaluate them over their own Window. It is the one look-up for rules, exporters and pages.
func (n Node) Figure(m Metric) (float64, bool) {
	switch m {
	case MetricUp:
		return truth(n.Err == nil), true
	case MetricMemoryUsage:
		if usage, ok := share(n.Memory.Used, n.Memory.Max); ok {
			return usage, true
		}
		if limit, ok := n.Memory.Max.Get(); !ok || limit != 0 {
			return 0, false // without a known limit the machine's memory would be a guess
		}
		return share(n.Memory.Used, n.Memory.System)
	case MetricMaxMemoryUsage:
		return share(n.Memory.Used, n.Memory.Max)
	case MetricMemoryUsed:
		return number(n.Memory.Used)
	case MetricFragmentation:
		return n.Memory.Fragmentation.Get()
	case MetricConnectedClients:
		return number(n.Clients.Connected)
	case MetricClientUsage:
		return share(n.Clients.Connected, n.Clients.Max)
	case MetricBlockedClients:
		return number(n.Clients.Blocked)
	case MetricRejectedConnections:
		return scaled(n.Rates.Rejected)
	case MetricEvictedKeys:
		return scaled(n.Rates.Evicted)
	case MetricExpiredKeys:
		return scaled(n.Rates.Expired)
	case MetricErrorReplies:
		return scaled(n.Rates.Errors)
	case MetricHitRatio:
		return n.Rates.HitRatio.Get()
	case MetricOps:
		return n.Rates.Commands.Get()
	case MetricLatency:
		d, ok := n.Latency.RoundTrip.Get()
		return d.Seconds(), ok
	case MetricReplicationLag:
		return n.lag()
	case MetricReplicas:
		if n.Role != "master" {
			return 0, false
		}
		return number(n.Replication.Connected)
	case MetricPersistenceFailed:
		return n.failedWrites()
	case MetricClusterState:
		state, ok := n.Cluster.State.Get()
		return truth(state == "ok"), ok
	case MetricSentinelQuorum:
		return n.Sentinel.quorum()
	case MetricKeys:
		databases, ok := n.Keyspace.Get()
		var keys int64
		for _, db := range databases {
			keys += db.Keys.Or(0)
		}
		return float64(keys), ok
	}
	return 0, false
}

func (n *Node) lag() (float64, bool) {
	up, ok := n.Replication.LinkUp.Get()
	if !ok {
		return 0, false
	}
	if !up {
		return math.Inf(1), true // no byte will come: no number of seconds says that
	}
	last, ok := n.Replication.LastIO.Get()
	return last.Seconds(), ok
}

func (n *Node) failedWrites() (float64, bool) {
	failed, known := 0.0, false
	for _, v := range []Value[bool]{n.Persistence.LastSaveOK, n.Persistence.LastWriteOK, n.Persistence.LastRewriteOK} {
		if fine, ok := v.Get(); ok {
			known = true
			failed += truth(!fine)
		}
	}
	return failed, known
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func number(v Value[int64]) (float64, bool) { return float64(v.v), v.ok }

func scaled(v Value[float64]) (float64, bool) { return v.v * 60, v.ok }

func share(part, whole Value[int64]) (float64, bool) {
	if !part.ok || !whole.ok || whole.v <= 0 {
		return 0, false
	}
	return float64(part.v) / float64(whole.v), true
}
