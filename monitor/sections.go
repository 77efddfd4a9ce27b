package monitor

import (
	"strconv"
	"time"
)

// Server says which server it is. All figures come from INFO; what the server does not report is not known.
type Server struct {
	Name       Value[string]        `json:"name"` // redis or valkey
	Version    Value[string]        `json:"version"`
	Mode       Value[string]        `json:"mode"` // standalone, cluster or sentinel
	OS         Value[string]        `json:"os"`
	RunID      Value[string]        `json:"run_id"` // a new one at each start
	ProcessID  Value[int64]         `json:"process_id"`
	Port       Value[int64]         `json:"port"`
	Uptime     Value[time.Duration] `json:"uptime_ns"`
	Time       Value[time.Time]     `json:"time"` // by the server's clock
	ConfigFile Value[string]        `json:"config_file"`
}

// Clients are the connections of a server.
type Clients struct {
	Connected       Value[int64] `json:"connected"`
	Max             Value[int64] `json:"max"`
	Blocked         Value[int64] `json:"blocked"` // in BLPOP and the like
	Tracking        Value[int64] `json:"tracking"`
	MaxInputBuffer  Value[int64] `json:"max_input_buffer"`  // bytes
	MaxOutputBuffer Value[int64] `json:"max_output_buffer"` // bytes
}

// Memory is in bytes, but for the ratio.
type Memory struct {
	Used               Value[int64]   `json:"used"`
	RSS                Value[int64]   `json:"rss"`
	Peak               Value[int64]   `json:"peak"`
	Overhead           Value[int64]   `json:"overhead"`
	Startup            Value[int64]   `json:"startup"`
	Dataset            Value[int64]   `json:"dataset"`
	Scripts            Value[int64]   `json:"scripts"`
	System             Value[int64]   `json:"system"` // of the machine
	Max                Value[int64]   `json:"max"`    // maxmemory; 0 = no limit
	Policy             Value[string]  `json:"policy"`
	NotCounted         Value[int64]   `json:"not_counted"` // of Used, what maxmemory does not count
	Fragmentation      Value[float64] `json:"fragmentation"`
	FragmentationBytes Value[int64]   `json:"fragmentation_bytes"` // RSS less what is in use
	Allocator          Value[string]  `json:"allocator"`
	AllocatorAllocated Value[int64]   `json:"allocator_allocated"`
	AllocatorActive    Value[int64]   `json:"allocator_active"`
	AllocatorResident  Value[int64]   `json:"allocator_resident"`
	ReplicationBacklog Value[int64]   `json:"replication_backlog"`
	ClientsNormal      Value[int64]   `json:"clients_normal"`
	ClientsReplicas    Value[int64]   `json:"clients_replicas"`
	AOFBuffer          Value[int64]   `json:"aof_buffer"`
	LazyFreePending    Value[int64]   `json:"lazyfree_pending"` // objects
	DefragRunning      Value[bool]    `json:"defrag_running"`
}

// Stats are the server's counters since it started or since CONFIG RESETSTAT, and a few figures of the moment. For what
// happened lately look at Rates.
type Stats struct {
	Connections     Value[int64]         `json:"connections"`
	Rejected        Value[int64]         `json:"rejected_connections"` // because of maxclients
	Commands        Value[int64]         `json:"commands"`
	OpsPerSecond    Value[int64]         `json:"ops_per_second"` // as the server tells it, of the last 1.6 s
	NetInput        Value[int64]         `json:"net_input"`      // bytes
	NetOutput       Value[int64]         `json:"net_output"`     // bytes
	Hits            Value[int64]         `json:"keyspace_hits"`
	Misses          Value[int64]         `json:"keyspace_misses"`
	Expired         Value[int64]         `json:"expired_keys"`
	Evicted         Value[int64]         `json:"evicted_keys"`
	EvictedClients  Value[int64]         `json:"evicted_clients"`
	ErrorReplies    Value[int64]         `json:"error_replies"`
	FullSyncs       Value[int64]         `json:"full_syncs"`
	PartialSyncs    Value[int64]         `json:"partial_syncs"`
	RefusedSyncs    Value[int64]         `json:"refused_partial_syncs"`
	PubSubChannels  Value[int64]         `json:"pubsub_channels"`
	PubSubPatterns  Value[int64]         `json:"pubsub_patterns"`
	LastFork        Value[time.Duration] `json:"last_fork_ns"`
	Errors          map[string]int64     `json:"errors,omitempty"` // replies by their code, such as WRONGTYPE
	TrackedKeys     Value[int64]         `json:"tracked_keys"`
	UnexpectedError Value[int64]         `json:"unexpected_error_replies"`
}

// Replication is a server's part in it, as master or as replica.
type Replication struct {
	Role      Value[string] `json:"role"` // master or replica
	ReplID    Value[string] `json:"replid"`
	ReplID2   Value[string] `json:"replid2"` // of the master that this one was promoted from
	Offset    Value[int64]  `json:"offset"`
	Connected Value[int64]  `json:"connected_replicas"`
	Replicas  []Replica     `json:"replicas,omitempty"`
	Backlog   Value[int64]  `json:"backlog_size"` // bytes

	MasterHost Value[string]        `json:"master_host"` // on a replica, and so what follows
	MasterPort Value[int64]         `json:"master_port"`
	LinkUp     Value[bool]          `json:"link_up"`
	LinkDown   Value[time.Duration] `json:"link_down_ns"` // since when
	LastIO     Value[time.Duration] `json:"last_io_ns"`   // since the last byte of the master
	Syncing    Value[bool]          `json:"syncing"`
	ReadOnly   Value[bool]          `json:"read_only"`
}

// Replica is one of a master's replicas, as the master sees it.
type Replica struct {
	Addr   string               `json:"addr"`
	State  string               `json:"state"` // online, wait_bgsave, send_bulk
	Offset Value[int64]         `json:"offset"`
	Behind Value[int64]         `json:"behind"` // bytes that it has not acknowledged
	Lag    Value[time.Duration] `json:"lag_ns"` // since its last acknowledgement, in whole seconds
}

// Persistence is about RDB and AOF.
type Persistence struct {
	Loading         Value[bool]          `json:"loading"`
	Changes         Value[int64]         `json:"changes_since_save"`
	Saving          Value[bool]          `json:"saving"`
	LastSave        Value[time.Time]     `json:"last_save"`
	LastSaveOK      Value[bool]          `json:"last_save_ok"`
	LastSaveTook    Value[time.Duration] `json:"last_save_took_ns"`
	AOF             Value[bool]          `json:"aof"`
	AOFRewriting    Value[bool]          `json:"aof_rewriting"`
	LastRewriteOK   Value[bool]          `json:"last_rewrite_ok"`
	LastWriteOK     Value[bool]          `json:"last_write_ok"`
	AOFSize         Value[int64]         `json:"aof_size"`
	AOFBaseSize     Value[int64]         `json:"aof_base_size"`
	LastSaveCOW     Value[int64]         `json:"last_save_copied"`
	FailedRewrites  Value[int64]         `json:"failed_rewrites"` // one after the other
	LastRewriteTook Value[time.Duration] `json:"last_rewrite_took_ns"`
}

// CPU is in seconds of processor time since the start.
type CPU struct {
	System         Value[float64] `json:"system"`
	User           Value[float64] `json:"user"`
	SystemChildren Value[float64] `json:"system_children"`
	UserChildren   Value[float64] `json:"user_children"`
}

// Database is one logical database that has keys.
type Database struct {
	DB      int                  `json:"db"`
	Keys    Value[int64]         `json:"keys"`
	Expires Value[int64]         `json:"expires"` // keys with a time to live
	AvgTTL  Value[time.Duration] `json:"avg_ttl_ns"`
}

// Command is what the server tells of one command, since its start or CONFIG RESETSTAT.
type Command struct {
	Name     string               `json:"name"` // in lower case; "config|get" for a subcommand
	Calls    Value[int64]         `json:"calls"`
	Time     Value[time.Duration] `json:"time_ns"`
	Rejected Value[int64]         `json:"rejected"`
	Failed   Value[int64]         `json:"failed"`
	P50      Value[time.Duration] `json:"p50_ns"` // from Redis 7.0
	P99      Value[time.Duration] `json:"p99_ns"`
	P999     Value[time.Duration] `json:"p999_ns"`
}

// SlowEntry is a command that took longer than slowlog-log-slower-than. Args hold the service's own data; the server
// cuts them to 32 of 128 bytes, and leaves out passwords.
type SlowEntry struct {
	ID         int64         `json:"id"`
	At         time.Time     `json:"at"`
	Duration   time.Duration `json:"duration_ns"`
	Args       []string      `json:"args"`
	Client     string        `json:"client"`
	ClientName string        `json:"client_name"`
}

// Latency is the time of a round trip, and what the server's own latency monitor saw (it is off by default).
type Latency struct {
	RoundTrip Value[time.Duration]  `json:"round_trip_ns"` // of one PING, at most half an Interval before the sample
	Events    Value[[]LatencyEvent] `json:"events"`

	at time.Time // of the PING, so that none is counted twice
}

// LatencyEvent is the last spike of one kind, as LATENCY LATEST tells it.
type LatencyEvent struct {
	Name string        `json:"name"`
	At   time.Time     `json:"at"`
	Last time.Duration `json:"last_ns"`
	Max  time.Duration `json:"max_ns"`
}

// Cluster is what a node of a cluster thinks of it.
type Cluster struct {
	Enabled       Value[bool]   `json:"enabled"`
	State         Value[string] `json:"state"` // ok or fail
	SlotsAssigned Value[int64]  `json:"slots_assigned"`
	SlotsOK       Value[int64]  `json:"slots_ok"`
	SlotsPFail    Value[int64]  `json:"slots_pfail"`
	SlotsFail     Value[int64]  `json:"slots_fail"`
	KnownNodes    Value[int64]  `json:"known_nodes"`
	Size          Value[int64]  `json:"size"` // masters with slots
	Epoch         Value[int64]  `json:"epoch"`
}

func parseServer(f fields) Server {
	s := Server{
		Name: f.text("server_name"), Version: f.text("redis_version"), Mode: f.text("redis_mode"), OS: f.text("os"),
		RunID: own(f.text("run_id")), ProcessID: f.count("process_id"), Port: f.count("tcp_port"),
		Uptime: f.duration("uptime_in_seconds", time.Second), ConfigFile: f.text("config_file"),
	}
	if v, ok := f.text("valkey_version").Get(); ok { // redis_version is then only what it is compatible with
		s.Version = Known(v)
	}
	if _, ok := s.Name.Get(); !ok && s.Version.ok {
		s.Name = Known("redis")
	}
	if usec, ok := f.count("server_time_usec").Get(); ok {
		s.Time = Known(time.UnixMicro(usec))
	}
	return s
}

func parseClients(f fields) Clients {
	return Clients{
		Connected: f.count("connected_clients"), Max: f.count("maxclients"), Blocked: f.count("blocked_clients"), Tracking: f.count("tracking_clients"),
		MaxInputBuffer: f.count("client_recent_max_input_buffer"), MaxOutputBuffer: f.count("client_recent_max_output_buffer"),
	}
}

func parseMemory(f fields) Memory {
	return Memory{
		Used: f.count("used_memory"), RSS: f.count("used_memory_rss"), Peak: f.count("used_memory_peak"), Overhead: f.count("used_memory_overhead"),
		Startup: f.count("used_memory_startup"), Dataset: f.count("used_memory_dataset"), Scripts: f.count("used_memory_scripts"),
		System: f.count("total_system_memory"), Max: f.count("maxmemory"), Policy: f.text("maxmemory_policy"), NotCounted: f.count("mem_not_counted_for_evict"),
		Fragmentation: f.float("mem_fragmentation_ratio"), FragmentationBytes: f.int("mem_fragmentation_bytes"), Allocator: f.text("mem_allocator"),
		AllocatorAllocated: f.count("allocator_allocated"), AllocatorActive: f.count("allocator_active"), AllocatorResident: f.count("allocator_resident"),
		ReplicationBacklog: f.count("mem_replication_backlog"), ClientsNormal: f.count("mem_clients_normal"), ClientsReplicas: f.count("mem_clients_slaves"),
		AOFBuffer: f.count("mem_aof_buffer"), LazyFreePending: f.count("lazyfree_pending_objects"), DefragRunning: f.running("active_defrag_running"),
	}
}

// running reads a share in percent that is 0 while nothing runs.
func (f fields) running(name string) Value[bool] {
	n, ok := f.int(name).Get()
	if !ok {
		return Value[bool]{}
	}
	return Known(n > 0)
}

func parseStats(f fields) Stats {
	return Stats{
		Connections: f.count("total_connections_received"), Rejected: f.count("rejected_connections"), Commands: f.count("total_commands_processed"),
		OpsPerSecond: f.count("instantaneous_ops_per_sec"), NetInput: f.count("total_net_input_bytes"), NetOutput: f.count("total_net_output_bytes"),
		Hits: f.count("keyspace_hits"), Misses: f.count("keyspace_misses"), Expired: f.count("expired_keys"), Evicted: f.count("evicted_keys"),
		EvictedClients: f.count("evicted_clients"), ErrorReplies: f.count("total_error_replies"), FullSyncs: f.count("sync_full"),
		PartialSyncs: f.count("sync_partial_ok"), RefusedSyncs: f.count("sync_partial_err"), PubSubChannels: f.count("pubsub_channels"),
		PubSubPatterns: f.count("pubsub_patterns"), LastFork: f.duration("latest_fork_usec", time.Microsecond),
		TrackedKeys: f.count("tracking_total_keys"), UnexpectedError: f.count("unexpected_error_replies"),
	}
}

func parseReplication(f fields) Replication {
	r := Replication{
		Role: f.text("role"), ReplID: f.text("master_replid"), ReplID2: f.text("master_replid2"), Offset: f.count("master_repl_offset"),
		Connected: f.count("connected_slaves"), Backlog: f.count("repl_backlog_size"),
	}
	if r.Role.v == "slave" { // Redis's older word
		r.Role = Known("replica")
	}
	if r.Role.v == "replica" {
		r.MasterHost, r.MasterPort = f.text("master_host"), f.count("master_port")
		r.LinkUp, r.Syncing = f.is("master_link_status", "up"), f.bool("master_sync_in_progress")
		r.LinkDown, r.LastIO = f.duration("master_link_down_since_seconds", time.Second), f.duration("master_last_io_seconds_ago", time.Second)
		r.ReadOnly = f.bool("slave_read_only")
		if offset := f.count("slave_repl_offset"); offset.ok {
			r.Offset = offset
		}
	}
	for i := range int(min(max(r.Connected.v, 0), 10_000)) {
		text, ok := f["slave"+strconv.Itoa(i)]
		if !ok {
			break // garbage may claim any number of them
		}
		part := list(text)
		one := Replica{Addr: joinAddr(part.text("ip"), part.text("port")), State: part.text("state"), Offset: part.count("offset"), Lag: part.duration("lag", time.Second)}
		if own, ok := f.count("master_repl_offset").Get(); ok && one.Offset.ok {
			one.Behind = Known(max(0, own-one.Offset.v))
		}
		r.Replicas = append(r.Replicas, one)
	}
	return r
}

func parsePersistence(f fields) Persistence {
	p := Persistence{
		Loading: f.bool("loading"), Changes: f.count("rdb_changes_since_last_save"), Saving: f.bool("rdb_bgsave_in_progress"),
		LastSaveOK: f.is("rdb_last_bgsave_status", "ok"), LastSaveTook: f.duration("rdb_last_bgsave_time_sec", time.Second),
		AOF: f.bool("aof_enabled"), AOFRewriting: f.bool("aof_rewrite_in_progress"), LastRewriteOK: f.is("aof_last_bgrewrite_status", "ok"),
		LastWriteOK: f.is("aof_last_write_status", "ok"), AOFSize: f.count("aof_current_size"), AOFBaseSize: f.count("aof_base_size"),
		LastSaveCOW: f.count("rdb_last_cow_size"), FailedRewrites: f.count("aof_rewrites_consecutive_failures"),
		LastRewriteTook: f.duration("aof_last_rewrite_time_sec", time.Second),
	}
	if at, ok := f.count("rdb_last_save_time").Get(); ok {
		p.LastSave = Known(time.Unix(at, 0))
	}
	return p
}

func parseCPU(f fields) CPU {
	return CPU{
		System: f.float("used_cpu_sys"), User: f.float("used_cpu_user"),
		SystemChildren: f.float("used_cpu_sys_children"), UserChildren: f.float("used_cpu_user_children"),
	}
}

func parseCluster(info, cluster fields) Cluster {
	return Cluster{
		Enabled: info.bool("cluster_enabled"), State: cluster.text("cluster_state"), SlotsAssigned: cluster.count("cluster_slots_assigned"),
		SlotsOK: cluster.count("cluster_slots_ok"), SlotsPFail: cluster.count("cluster_slots_pfail"), SlotsFail: cluster.count("cluster_slots_fail"),
		KnownNodes: cluster.count("cluster_known_nodes"), Size: cluster.count("cluster_size"), Epoch: cluster.count("cluster_current_epoch"),
	}
}
