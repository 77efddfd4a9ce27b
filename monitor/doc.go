// Package monitor watches Redis from inside a service: metrics, alerts without storms, health checks that notice what
// PING does not, and diagnosis. It takes the place of a sidecar exporter, an alert manager, a PING, and a tool on
// somebody's laptop.
//
// Do not use it where Prometheus with redis_exporter and Alertmanager is in place and enough: [Rule.Expr] writes the
// same rules for those. It cannot report a service that is down together with its Redis; something outside has to.
//
//	m, err := monitor.New(rdb, monitor.Options{Notifiers: []monitor.Notifier{monitor.Log(slog.Default())}})
//	if err != nil {
//		return err
//	}
//	health, err := m.Health(monitor.HealthOptions{Probe: "shop:probe"})
//	if err != nil {
//		return err
//	}
//	http.Handle("/live", health.Live())
//	http.Handle("/ready", health.Ready())
//	return m.Run(ctx)
//
// # What it does
//
// [Monitor.Collect] takes one [Snapshot] of all nodes. A figure that is not known is absent, never 0: see [Value].
// [Monitor.Check] judges one by the rules, [Monitor.Run] one every Interval, tells a [Notifier] of alerts that fire and
// resolve, and [Monitor.Subscribe]'s functions of every [Event]. [DefaultRules] are where to begin.
//
// [Log], [Webhook], [Slack], [NotifierFunc] and the package monitor/email are notifiers. Each has a queue of its own,
// so that one that hangs delays no other. With a [Lease], only one of several replicas of a service notifies.
//
// [Monitor.Health] answers an orchestrator. Ready says why a Redis cannot be used, where PING would still answer PONG.
//
// [Analyze], [BigKeys], [HotKeys], [Audit] and [Topology] look for causes, and only read. [Apply] mends the findings of
// Audit that are handed to it. [WatchSentinel] follows Sentinels.
//
// Any go-redis client will do, except an AutoPipeliner: it hides the nodes of its client, and is refused.
//
// # Keys
//
// The package keeps no data in Redis. A [Lease] owns the one key that it is given, a string with a ttl. The write probe
// of [HealthOptions] names a key that does not exist, and never makes it.
//
// # Time
//
// Rules over a window compare samples by the service's clock, so that neither the server's clock nor an NTP step
// matters. They take account of restarts, CONFIG RESETSTAT and another server under the same name. The first sample
// alone decides nothing. An alert waits for its For, and resolves after its KeepFiring, by the times of samples. Times
// of the server, such as the last save, are its own.
//
// # Errors
//
// A server that does not answer is an error, never a snapshot of zeros: [Node.Err], and Collect's where none answers.
// What a server or an ACL user refuses is listed in [Node.Unavailable]. [NodeError] names the node. Passwords, headers
// and the URLs of receivers appear in no error and no log.
//
// # Cluster
//
// Every node is read by itself, with rates of its own; a dead one is an entry with an error, also after the cluster has
// given it up. That takes a *redis.ClusterClient: a client of one node samples that node alone. Of a Ring each shard is a node. A failover client is one node under one name, whatever server answers, and
// a failover behind it is an [EventFailover]. Sentinels are nodes if they are given to [Options].
package monitor
