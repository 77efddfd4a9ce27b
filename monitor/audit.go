package monitor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Finding is a setting that is worth a thought.
type Finding struct {
	ID       string   `json:"id"` // stable, such as "maxmemory-unset"
	Title    string   `json:"title"`
	Evidence string   `json:"evidence"` // what was read
	Source   string   `json:"source"`   // INFO, CONFIG, ACL or COMMAND
	Severity Severity `json:"severity"`
	Fix      string   `json:"fix"`  // the exact command, or what to write where a running server cannot be changed; what stands in <> is yours to fill in
	Node     string   `json:"node"` // it is about

	Setting string `json:"setting,omitempty"` // what Apply sets; "" where it cannot
	Value   string `json:"value,omitempty"`
}

// Audit reads the settings of every node and says which are worth a thought: memory, policy, thresholds of encodings,
// connections, persistence, and who may do what. What a server or user does not allow to be read is a finding of its own,
// "unread", and the rest is judged all the same. Findings are sorted by severity, node and ID. It changes nothing: where
// active defragmentation would help, it asks whether the build can by a CONFIG SET that is refused as a whole.
//
// Round trips: those of Collect, and one or two a node.
func Audit(ctx context.Context, rdb redis.UniversalClient) ([]Finding, error) {
	m, err := New(rdb, Options{Rules: []Rule{}, Timeout: longSearch})
	if err != nil {
		return nil, err
	}
	snapshot, err := m.Collect(ctx)
	if err != nil {
		return nil, fmt.Errorf("monitor: audit: %w", err)
	}
	targets, err := m.source.targets(ctx, longSearch)
	if err != nil {
		return nil, fmt.Errorf("monitor: audit: %w", err)
	}
	var mu sync.Mutex
	findings := []Finding{}
	err = perNode(targets, func(t target) error {
		n, ok := snapshot.Node(t.addr)
		if !ok {
			return nil
		}
		if n.Err != nil {
			return n.Err
		}
		a := &audit{node: n, client: bounded(t.client, longSearch)}
		if err := a.read(ctx); err != nil {
			return err
		}
		a.judge(ctx)
		mu.Lock()
		defer mu.Unlock()
		findings = append(findings, a.findings...)
		return nil
	})
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(weight(b.Severity), weight(a.Severity)), strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
	})
	if err != nil {
		err = fmt.Errorf("monitor: audit: %w", err)
	}
	return findings, err
}

func weight(s Severity) int { return slices.Index([]Severity{Info, Warning, Critical}, s) }

// audited are the settings that are read, under the names of all versions. No secret is among them.
var audited = []string{
	"maxmemory", "maxmemory-policy", "activedefrag", "maxclients", "tcp-keepalive", "tcp-backlog", "save", "appendonly", "appendfsync",
	"auto-aof-rewrite-percentage", "auto-aof-rewrite-min-size", "rdbcompression", "rdbchecksum", "protected-mode", "bind", "port", "tls-port",
	"enable-debug-command", "enable-module-command", "enable-protected-configs", "no-appendfsync-on-rewrite",
	"hash-max-listpack-entries", "hash-max-listpack-value", "zset-max-listpack-entries", "zset-max-listpack-value", "set-max-intset-entries",
	"hash-max-ziplist-entries", "hash-max-ziplist-value", "zset-max-ziplist-entries", "zset-max-ziplist-value",
	"set-max-listpack-entries", "set-max-listpack-value", "list-max-listpack-size", "list-max-ziplist-size",
}

// dangerous are commands that a service has no use for, and a stranger has.
var dangerous = []string{"flushall", "flushdb", "keys", "config", "debug", "shutdown", "replicaof", "module"}

// arguments make a call that is in order, with which ACL DRYRUN is asked; nothing is run.
var arguments = map[string][]any{
	"keys": {"*"}, "config": {"set", "maxmemory", "0"}, "debug": {"sleep", "0"}, "replicaof": {"no", "one"}, "module": {"load", "x"},
}

// denied tells roughly whether the rules of a user, as ACL GETUSER words them, take a command away, for servers without
// ACL DRYRUN.
func denied(rules, command string) bool {
	rules += " "
	admin := !slices.Contains([]string{"flushall", "flushdb", "keys"}, command)
	return !strings.Contains(rules, "+@all ") || strings.Contains(rules, "-"+command+" ") || strings.Contains(rules, "-@dangerous ") ||
		admin && strings.Contains(rules, "-@admin ") && !strings.Contains(rules, "+"+command+" ")
}

type audit struct {
	node     Node
	client   asker
	config   map[string]string // nil where it may not be read
	user     map[string]any    // ACL of the default user; nil likewise
	open     []string          // of dangerous, those that the default user may run
	unread   []string
	findings []Finding
}

// read is one round trip.
func (a *audit) read(ctx context.Context) error {
	settings := make([]*redis.MapStringStringCmd, len(audited))
	var cmds []redis.Cmder
	for i, name := range audited {
		settings[i] = redis.NewMapStringStringCmd(ctx, "config", "get", name)
		cmds = append(cmds, settings[i])
	}
	acl := redis.NewCmd(ctx, "acl", "getuser", "default")
	args := []any{"command", "info"}
	for _, name := range dangerous {
		args = append(args, name)
	}
	there := redis.NewCmd(ctx, args...)
	cmds = append(cmds, acl, there)
	runs := make([]*redis.Cmd, len(dangerous))
	for i, name := range dangerous {
		runs[i] = redis.NewCmd(ctx, append([]any{"acl", "dryrun", "default", name}, arguments[name]...)...)
		cmds = append(cmds, runs[i])
	}
	if err := pipeline(ctx, a.client, cmds); err != nil {
		return err
	}
	for _, cmd := range settings {
		if cmd.Err() != nil {
			continue
		}
		if a.config == nil {
			a.config = map[string]string{}
		}
		maps.Copy(a.config, cmd.Val())
	}
	if text := infoRefused(&a.node); text != "" {
		a.unread = append(a.unread, "INFO ("+text+")")
	}
	if a.config == nil {
		a.unread = append(a.unread, "CONFIG GET ("+settings[0].Err().Error()+")")
	}
	if err := acl.Err(); err != nil {
		a.unread = append(a.unread, "ACL GETUSER ("+err.Error()+")")
	} else {
		a.user = mapOf(acl.Val())
	}
	list, ok := there.Val().([]any)
	if err := there.Err(); err != nil || !ok {
		a.unread = append(a.unread, fmt.Sprintf("COMMAND INFO (%v)", err))
	}
	for i, item := range list {
		info, ok := item.([]any)
		if !ok || len(info) == 0 || i >= len(dangerous) {
			continue // the server does not have it, or not under this name
		}
		name := dangerous[i]
		switch answer, err := runs[i].Text(); {
		case err == nil:
			if answer == "OK" {
				a.open = append(a.open, name)
			}
		case a.user != nil && !denied(a.rules(), name): // ACL DRYRUN came with 7.0
			a.open = append(a.open, name)
		}
	}
	return nil
}

// rules are those of the default user about commands.
func (a *audit) rules() string {
	text, _ := a.user["commands"].(string)
	return text
}

// mapOf reads a reply that is a map in RESP3 and a list in RESP2.
func mapOf(reply any) map[string]any {
	out := map[string]any{}
	switch r := reply.(type) {
	case map[any]any:
		for k, v := range r {
			out[fmt.Sprint(k)] = v
		}
	case []any:
		for i := 0; i+1 < len(r); i += 2 {
			out[fmt.Sprint(r[i])] = r[i+1]
		}
	}
	return out
}

// add files a finding. set is what CONFIG SET mends it with, or "".
func (a *audit) add(f Finding, setting, value string) {
	f.Node = a.node.Addr
	if setting != "" {
		f.Setting, f.Value = setting, value
		f.Fix = "CONFIG SET " + setting + " " + quoteArg(value)
	}
	a.findings = append(a.findings, f)
}

func quoteArg(s string) string {
	if s == "" || strings.ContainsAny(s, " \"'") {
		return strconv.Quote(s)
	}
	return s
}

func (a *audit) judge(ctx context.Context) {
	a.memory()
	a.defrag(ctx)
	a.encodings()
	a.connections()
	a.persistence()
	a.access()
	if len(a.unread) > 0 {
		slices.Sort(a.unread)
		a.add(Finding{
			ID: "unread", Title: "some settings could not be read, and were not judged", Evidence: strings.Join(a.unread, "; "),
			Source: "CONFIG", Severity: Info, Fix: "ACL SETUSER <user> +info +config|get +acl|getuser +acl|dryrun +command|info",
		}, "", "")
	}
}

// setting is known where CONFIG may be read and the server has it.
func (a *audit) setting(name string) (string, bool) {
	v, ok := a.config[name]
	return v, ok
}

func (a *audit) number(name string) (int64, bool) {
	text, ok := a.setting(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

func (a *audit) memory() {
	m := &a.node.Memory
	limit, ok := m.Max.Get()
	if !ok {
		return
	}
	policy := m.Policy.Or("")
	if limit == 0 {
		f := Finding{
			ID: "maxmemory-unset", Title: "the server may take all of the machine's memory", Source: "INFO", Severity: Warning,
			Evidence: fmt.Sprintf("maxmemory:0, used_memory:%d, total_system_memory:%d", m.Used.Or(0), m.System.Or(0)),
		}
		if value, ok := sensibleLimit(m.Used.Or(0), m.System.Or(0)); ok {
			a.add(f, "maxmemory", strconv.FormatInt(value, 10))
		} else {
			f.Severity = Critical
			f.Fix = "move the server to a machine with more memory, or CONFIG SET maxmemory <bytes> with a maxmemory-policy that evicts"
			a.add(f, "", "")
		}
		return
	}
	var expires, keys int64
	for _, db := range a.node.Keyspace.Or(nil) {
		keys += db.Keys.Or(0)
		expires += db.Expires.Or(0)
	}
	switch {
	case policy == "noeviction":
		severity := Info
		if usage, ok := share(m.Used, m.Max); ok && usage > nearlyFull {
			severity = Critical
		}
		a.add(Finding{
			ID: "policy-noeviction", Title: "a full server refuses writes, instead of evicting what is old; wrong for a cache", Source: "INFO", Severity: severity,
			Evidence: fmt.Sprintf("maxmemory_policy:noeviction, used_memory:%d, maxmemory:%d", m.Used.Or(0), limit),
		}, "maxmemory-policy", "allkeys-lru")
	case strings.HasPrefix(policy, "volatile-") && keys > 0 && expires == 0:
		a.add(Finding{
			ID: "policy-volatile", Title: "nothing can be evicted: no key has a time to live", Source: "INFO", Severity: Warning,
			Evidence: fmt.Sprintf("maxmemory_policy:%s, keys:%d, expires:0", policy, keys),
		}, "maxmemory-policy", allkeys(policy))
	}
}

// allkeys is the policy that chooses alike among all keys.
func allkeys(policy string) string {
	if policy == "volatile-ttl" {
		return "allkeys-lru"
	}
	return "allkeys-" + strings.TrimPrefix(policy, "volatile-")
}

// sensibleLimit leaves a quarter of the machine to others, or what is in use a tenth of room; beyond nine tenths of the
// machine there is no sensible limit.
func sensibleLimit(used, system int64) (int64, bool) {
	if system <= 0 {
		return 0, false
	}
	limit := max(system/4*3, used+used/10)
	return limit, limit <= system/10*9
}

// defrag advises it only where it would help, is off, and this build can: Debian's cannot, and says so only when asked
// to. The CONFIG SET is refused because of its second setting, and then Redis takes back the first.
func (a *audit) defrag(ctx context.Context) {
	m := &a.node.Memory
	on, known := a.setting("activedefrag")
	if !known || on != "no" || m.Fragmentation.v <= fragmented || m.FragmentationBytes.v <= worthwhile {
		return
	}
	err := a.client.Do(ctx, "config", "set", "activedefrag", "yes", "maxclients", "not-a-number").Err()
	if err == nil || !replied(err) || !strings.Contains(err.Error(), "maxclients") {
		return
	}
	a.add(Finding{
		ID: "activedefrag-off", Title: "fragmentation could be mended while the server runs", Source: "INFO", Severity: Warning,
		Evidence: fmt.Sprintf("mem_fragmentation_ratio:%.2f, mem_fragmentation_bytes:%d, activedefrag no", m.Fragmentation.v, m.FragmentationBytes.v),
	}, "activedefrag", "yes")
}

// threshold is a setting of a compact encoding: beyond most, one command walks through so much that it keeps the others
// waiting; the server's own choice is usual.
type threshold struct {
	names       []string // newest first: only the first that the server has is judged, the others are its aliases
	most, usual int64
}

var thresholds = []threshold{
	{[]string{"hash-max-listpack-entries", "hash-max-ziplist-entries"}, 1024, 512},
	{[]string{"hash-max-listpack-value", "hash-max-ziplist-value"}, 1024, 64},
	{[]string{"zset-max-listpack-entries", "zset-max-ziplist-entries"}, 1024, 128},
	{[]string{"zset-max-listpack-value", "zset-max-ziplist-value"}, 1024, 64},
	{[]string{"set-max-listpack-entries"}, 1024, 128},
	{[]string{"set-max-listpack-value"}, 1024, 64},
	{[]string{"set-max-intset-entries"}, 4096, 512},
	{[]string{"list-max-listpack-size", "list-max-ziplist-size"}, 1024, -2},
}

func (a *audit) encodings() {
	for _, th := range thresholds {
		for _, name := range th.names {
			n, ok := a.number(name)
			if !ok {
				continue
			}
			if n > th.most {
				a.add(Finding{
					ID: "encoding-" + name, Title: "compact encodings are walked through from end to end: so large ones are slow", Source: "CONFIG", Severity: Warning,
					Evidence: fmt.Sprintf("%s %d", name, n),
				}, name, strconv.FormatInt(th.usual, 10))
			}
			if n == 0 && strings.HasSuffix(name, "-entries") {
				a.add(Finding{
					ID: "encoding-" + name, Title: "the compact encoding is switched off: small collections take several times the memory", Source: "CONFIG", Severity: Info,
					Evidence: name + " 0",
				}, name, strconv.FormatInt(th.usual, 10))
			}
			break
		}
	}
}

func (a *audit) connections() {
	if limit, ok := a.node.Clients.Max.Get(); ok {
		connected := a.node.Clients.Connected.Or(0)
		switch {
		case connected*10 > limit*8:
			a.add(Finding{
				ID: "maxclients-near", Title: "soon clients are turned away", Source: "INFO", Severity: Critical,
				Evidence: fmt.Sprintf("connected_clients:%d, maxclients:%d", connected, limit),
			}, "maxclients", strconv.FormatInt(max(10_000, 2*limit), 10))
		case limit < 1000:
			a.add(Finding{
				ID: "maxclients-low", Title: "few clients may connect; a few pools of a service use that up", Source: "INFO", Severity: Warning,
				Evidence: fmt.Sprintf("maxclients:%d", limit),
			}, "maxclients", "10000")
		}
	}
	if n, ok := a.number("tcp-keepalive"); ok && n == 0 {
		a.add(Finding{
			ID: "tcp-keepalive-off", Title: "connections of clients that are gone stay for ever", Source: "CONFIG", Severity: Warning, Evidence: "tcp-keepalive 0",
		}, "tcp-keepalive", "300")
	}
	if n, ok := a.number("tcp-backlog"); ok && n < 511 {
		a.add(Finding{
			ID: "tcp-backlog-low", Title: "a burst of connections is refused by the kernel", Source: "CONFIG", Severity: Info, Evidence: fmt.Sprintf("tcp-backlog %d", n),
			Fix: "tcp-backlog 511 in redis.conf, and a restart; net.core.somaxconn must be as large",
		}, "", "")
	}
}

func (a *audit) persistence() {
	p := &a.node.Persistence
	if !p.LastSaveOK.Or(true) {
		a.add(Finding{
			ID: "save-failed", Title: "the last save failed; while save points are set, writes are refused", Source: "INFO", Severity: Critical,
			Evidence: "rdb_last_bgsave_status:err", Fix: "BGSAVE, once the disk has room and the folder may be written",
		}, "", "")
	}
	if !p.LastWriteOK.Or(true) || !p.LastRewriteOK.Or(true) {
		a.add(Finding{
			ID: "aof-failed", Title: "the AOF could not be written", Source: "INFO", Severity: Critical,
			Evidence: a.node.persistenceWords(), Fix: "BGREWRITEAOF, once the disk has room and the folder may be written",
		}, "", "")
	}
	save, saveKnown := a.setting("save")
	aof, aofKnown := a.setting("appendonly")
	if saveKnown && aofKnown && save == "" && aof == "no" {
		a.add(Finding{
			ID: "persistence-off", Title: "a restart begins with nothing; fine for a cache that can be warmed", Source: "CONFIG", Severity: Info,
			Evidence: `save "", appendonly no`,
		}, "save", "3600 1 300 100 60 10000")
	}
	if aof == "yes" {
		switch fsync, _ := a.setting("appendfsync"); fsync {
		case "no":
			a.add(Finding{
				ID: "appendfsync-no", Title: "a crash of the machine loses what the kernel had not written, half a minute or so", Source: "CONFIG", Severity: Warning,
				Evidence: "appendfsync no",
			}, "appendfsync", "everysec")
		case "always":
			a.add(Finding{
				ID: "appendfsync-always", Title: "every write waits for the disk", Source: "CONFIG", Severity: Info, Evidence: "appendfsync always",
			}, "appendfsync", "everysec")
		}
		if v, _ := a.setting("no-appendfsync-on-rewrite"); v == "yes" {
			a.add(Finding{
				ID: "appendfsync-paused", Title: "while a dump or the AOF is written, a crash of the machine loses all that is new", Source: "CONFIG", Severity: Info,
				Evidence: "no-appendfsync-on-rewrite yes",
			}, "no-appendfsync-on-rewrite", "no")
		}
		if n, ok := a.number("auto-aof-rewrite-percentage"); ok && (n == 0 || n > 1000) {
			a.add(Finding{
				ID: "aof-rewrite-off", Title: "the AOF grows without end, and a restart takes ever longer", Source: "CONFIG", Severity: Warning,
				Evidence: fmt.Sprintf("auto-aof-rewrite-percentage %d", n),
			}, "auto-aof-rewrite-percentage", "100")
		}
		if n, ok := a.number("auto-aof-rewrite-min-size"); ok && n < 16*mebibyte {
			a.add(Finding{
				ID: "aof-rewrite-often", Title: "a small AOF is rewritten all the time", Source: "CONFIG", Severity: Info,
				Evidence: fmt.Sprintf("auto-aof-rewrite-min-size %d", n),
			}, "auto-aof-rewrite-min-size", "67108864")
		}
	}
	if v, ok := a.setting("rdbcompression"); ok && v == "no" {
		a.add(Finding{
			ID: "rdbcompression-off", Title: "dumps are larger than they need be", Source: "CONFIG", Severity: Info, Evidence: "rdbcompression no",
		}, "rdbcompression", "yes")
	}
	if v, ok := a.setting("rdbchecksum"); ok && v == "no" {
		a.add(Finding{
			ID: "rdbchecksum-off", Title: "a damaged dump is loaded without a word", Source: "CONFIG", Severity: Warning, Evidence: "rdbchecksum no",
			Fix: "rdbchecksum yes in redis.conf, and a restart",
		}, "", "")
	}
}

func (a *audit) access() {
	bind, bindKnown := a.setting("bind")
	port, portKnown := a.number("port")
	tls, tlsKnown := a.number("tls-port")
	local := portKnown && port == 0 && (!tlsKnown || tls == 0) // a socket of the machine, and nothing else
	open := bindKnown && reachable(bind) && !local
	nopass := a.defaultUser("nopass") && a.defaultUser("on")
	if nopass {
		severity := Warning
		if open {
			severity = Critical
		}
		a.add(Finding{
			ID: "default-user-nopass", Title: "whoever can connect may do what the default user may", Source: "ACL", Severity: severity,
			Evidence: "user default on nopass, bind " + cmp.Or(bind, "unknown"), Fix: "ACL SETUSER default resetpass ><password>",
		}, "", "")
	}
	if len(a.open) > 0 && a.defaultUser("on") {
		a.add(Finding{
			ID: "dangerous-commands", Title: "the default user may run commands that a service has no use for", Source: "ACL", Severity: Info,
			Evidence: "user default " + a.rules() + ": " + strings.Join(a.open, ", "), Fix: "ACL SETUSER default -@dangerous +info +config|get",
		}, "", "")
	}
	for _, name := range []string{"enable-debug-command", "enable-module-command", "enable-protected-configs"} {
		if v, ok := a.setting(name); ok && v != "no" {
			a.add(Finding{
				ID: name, Title: "a client can make the server run or overwrite what it likes", Source: "CONFIG", Severity: Warning, Evidence: name + " " + v,
				Fix: name + " no in redis.conf, and a restart",
			}, "", "")
		}
	}
	if v, ok := a.setting("protected-mode"); ok && v == "no" {
		f := Finding{
			ID: "protected-mode-off", Title: "without a password, other machines are let in", Source: "CONFIG", Severity: Info,
			Evidence: "protected-mode no, bind " + cmp.Or(bind, "unknown"),
		}
		if open && nopass {
			f.Severity = Critical
		}
		// Protected mode turns away whoever comes from another machine while the default user has no password: the service
		// itself, and who would want to undo it.
		if local || bindKnown && !reachable(bind) || a.user != nil && !a.defaultUser("nopass") {
			a.add(f, "protected-mode", "yes")
		} else {
			f.Fix = "ACL SETUSER default resetpass ><password>, and then CONFIG SET protected-mode yes; without a password it locks out all other machines"
			a.add(f, "", "")
		}
	}
	if tlsKnown && tls == 0 && !local {
		severity := Info
		if open {
			severity = Warning
		}
		a.add(Finding{
			ID: "tls-off", Title: "passwords and data cross the network in the clear", Source: "CONFIG", Severity: severity,
			Evidence: "tls-port 0, bind " + cmp.Or(bind, "unknown"), Fix: "tls-port 6379, port 0, tls-cert-file, tls-key-file and tls-ca-cert-file in redis.conf, and a restart",
		}, "", "")
	}
}

func (a *audit) defaultUser(flag string) bool {
	flags, _ := a.user["flags"].([]any)
	return slices.ContainsFunc(flags, func(f any) bool { return f == flag })
}

// reachable tells whether an address beyond the loopback is listened on.
func reachable(bind string) bool {
	if bind == "" {
		return true // all addresses
	}
	for addr := range strings.FieldsSeq(bind) {
		addr = strings.TrimPrefix(addr, "-")
		if addr != "::1" && addr != "localhost" && !strings.HasPrefix(addr, "127.") {
			return true
		}
	}
	return false
}
