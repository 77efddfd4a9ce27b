package monitor

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

func ids(findings []Finding) []string {
	out := []string{}
	for _, f := range findings {
		out = append(out, f.ID)
	}
	return out
}

func finding(t *testing.T, findings []Finding, id string) Finding {
	t.Helper()
	i := slices.IndexFunc(findings, func(f Finding) bool { return f.ID == id })
	require.GreaterOrEqual(t, i, 0, "%s is not among %v", id, ids(findings))
	return findings[i]
}

// planted are settings that deserve findings, and what is to be found.
var planted = []string{
	"--maxclients", "200", "--tcp-keepalive", "0", "--tcp-backlog", "100", "--appendonly", "yes", "--appendfsync", "no",
	"--no-appendfsync-on-rewrite", "yes", "--auto-aof-rewrite-percentage", "0", "--auto-aof-rewrite-min-size", "1mb", "--rdbcompression", "no", "--rdbchecksum", "no",
	"--hash-max-listpack-entries", "100000", "--zset-max-listpack-value", "5000", "--set-max-intset-entries", "0", "--list-max-listpack-size", "9000",
	"--maxmemory", "200mb", "--maxmemory-policy", "volatile-ttl", "--enable-module-command", "yes",
}

// TestAuditPlanted: each planted setting is found, with evidence, source and command; Apply mends what can be mended by
// CONFIG SET, which a second audit confirms, and nothing else.
func TestAuditPlanted(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{Args: planted})
	rdb := s.Client()
	require.NoError(t, rdb.Set(t.Context(), "k", "v", 0).Err())
	before, err := rdb.ConfigGet(t.Context(), "*").Result()
	require.NoError(t, err)
	findings, err := Audit(t.Context(), rdb)
	require.NoError(t, err)
	after, err := rdb.ConfigGet(t.Context(), "*").Result()
	require.NoError(t, err)
	assert.Equal(t, before, after, "an audit changes nothing")
	mendable := map[string]string{
		"maxclients-low":                     "CONFIG SET maxclients 10000",
		"tcp-keepalive-off":                  "CONFIG SET tcp-keepalive 300",
		"appendfsync-no":                     "CONFIG SET appendfsync everysec",
		"appendfsync-paused":                 "CONFIG SET no-appendfsync-on-rewrite no",
		"aof-rewrite-off":                    "CONFIG SET auto-aof-rewrite-percentage 100",
		"aof-rewrite-often":                  "CONFIG SET auto-aof-rewrite-min-size 67108864",
		"rdbcompression-off":                 "CONFIG SET rdbcompression yes",
		"encoding-hash-max-listpack-entries": "CONFIG SET hash-max-listpack-entries 512",
		"encoding-zset-max-listpack-value":   "CONFIG SET zset-max-listpack-value 64",
		"encoding-set-max-intset-entries":    "CONFIG SET set-max-intset-entries 512",
		"encoding-list-max-listpack-size":    "CONFIG SET list-max-listpack-size -2",
		"policy-volatile":                    "CONFIG SET maxmemory-policy allkeys-lru",
		"protected-mode-off":                 "CONFIG SET protected-mode yes",
	}
	others := []string{
		"tcp-backlog-low", "rdbchecksum-off", "default-user-nopass", "dangerous-commands", "enable-debug-command", "enable-module-command", "tls-off",
	}
	want := slices.Clone(others)
	for id, fix := range mendable {
		want = append(want, id)
		f := finding(t, findings, id)
		assert.Equal(t, fix, f.Fix)
		assert.NotEmpty(t, f.Setting)
	}
	assert.ElementsMatch(t, want, ids(findings))
	for i, f := range findings {
		assert.NotEmpty(t, f.Title, f.ID)
		assert.NotEmpty(t, f.Evidence, f.ID)
		assert.NotEmpty(t, f.Fix, f.ID)
		assert.Equal(t, rdb.Options().Addr, f.Node)
		assert.Contains(t, []string{"INFO", "CONFIG", "ACL"}, f.Source)
		if i > 0 {
			assert.GreaterOrEqual(t, weight(findings[i-1].Severity), weight(f.Severity), "the most pressing first")
		}
	}
	assert.Contains(t, finding(t, findings, "dangerous-commands").Evidence, "flushall")

	one := finding(t, findings, "tcp-keepalive-off")
	changes, err := Apply(t.Context(), rdb, one)
	require.NoError(t, err)
	assert.Equal(t, []Change{{Finding: one.ID, Node: one.Node, Setting: "tcp-keepalive", Before: "0", After: "300"}}, changes)
	again, err := Audit(t.Context(), rdb)
	require.NoError(t, err)
	assert.NotContains(t, ids(again), one.ID)
	assert.Len(t, again, len(findings)-1, "what was not chosen stays")

	changes, err = Apply(t.Context(), rdb, again...)
	require.ErrorIs(t, err, ErrNotApplicable)
	assert.Len(t, changes, len(again))
	for _, c := range changes {
		if slices.Contains(others, c.Finding) {
			require.ErrorIs(t, c.Err, ErrNotApplicable, c.Finding)
		} else {
			require.NoError(t, c.Err, c.Finding)
		}
	}
	last, err := Audit(t.Context(), rdb)
	require.NoError(t, err)
	assert.ElementsMatch(t, others, ids(last))
}

// TestAuditMore: memory without a limit, a cache that refuses writes, no persistence, and a password.
func TestAuditMore(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory", "1", "--maxmemory-policy", "noeviction"}})
	rdb := s.Client()
	findings, err := Audit(t.Context(), rdb)
	require.NoError(t, err)
	f := finding(t, findings, "policy-noeviction")
	assert.Equal(t, Critical, f.Severity, "it is full")
	assert.Equal(t, Info, finding(t, findings, "persistence-off").Severity)
	require.NoError(t, rdb.ConfigSet(t.Context(), "maxmemory", "0").Err())
	findings, err = Audit(t.Context(), rdb)
	require.NoError(t, err)
	f = finding(t, findings, "maxmemory-unset")
	assert.Equal(t, Warning, f.Severity)
	_, err = Apply(t.Context(), rdb, f, finding(t, findings, "persistence-off"))
	require.NoError(t, err)
	got, err := rdb.ConfigGet(t.Context(), "save").Result()
	require.NoError(t, err)
	assert.Equal(t, "3600 1 300 100 60 10000", got["save"])

	require.NoError(t, rdb.Do(t.Context(), "ACL", "SETUSER", "default", "resetpass", ">geheim", "-@dangerous", "+info", "+config|get", "+acl|getuser", "+command").Err())
	findings, err = Audit(t.Context(), s.Client(func(o *redis.Options) { o.Password = "geheim" }))
	require.NoError(t, err)
	assert.NotContains(t, ids(findings), "default-user-nopass")
	assert.NotContains(t, ids(findings), "dangerous-commands")
	for _, f := range findings {
		assert.NotContains(t, f.Evidence+f.Fix, "geheim")
	}
	for _, c := range []struct {
		used, system, want int64
		ok                 bool
	}{{10, 1000, 750, true}, {700, 1000, 770, true}, {850, 1000, 0, false}, {1, 0, 0, false}} {
		got, ok := sensibleLimit(c.used, c.system)
		assert.Equal(t, c.ok, ok, "%+v", c)
		if ok {
			assert.Equal(t, c.want, got, "%+v", c)
		}
	}
	for bind, open := range map[string]bool{
		"127.0.0.1 -::1": false, "": true, "0.0.0.0": true, "* -::*": true, "10.0.0.1 127.0.0.1": true, "localhost": false,
	} {
		assert.Equal(t, open, reachable(bind), bind)
	}
	assert.Equal(t, "allkeys-lfu", allkeys("volatile-lfu"))
}

// TestAuditDangers: what is only loopback's on a test server, judged by what a server in the open would answer.
func TestAuditDangers(t *testing.T) {
	a := &audit{
		node: Node{Addr: "a", Clients: Clients{Connected: Known[int64](900), Max: Known[int64](1000)}},
		config: map[string]string{
			"bind": "* -::*", "protected-mode": "no", "tls-port": "0", "appendonly": "yes", "appendfsync": "always", "hash-max-ziplist-entries": "5000",
		},
		user: map[string]any{"flags": []any{"on", "nopass"}, "commands": "+@all -flushall"}, open: []string{"keys"},
	}
	a.node.Persistence = Persistence{LastSaveOK: Known(false), LastWriteOK: Known(false)}
	a.node.Memory = Memory{Used: Known[int64](95), System: Known[int64](100), Max: Known[int64](0)}
	a.judge(t.Context())
	for _, id := range []string{"default-user-nopass", "protected-mode-off", "maxclients-near", "save-failed", "aof-failed", "maxmemory-unset"} {
		assert.Equal(t, Critical, finding(t, a.findings, id).Severity, id)
	}
	assert.NotContains(t, finding(t, a.findings, "maxmemory-unset").Fix, "CONFIG SET maxmemory 1", "no limit beyond the machine")
	assert.Equal(t, Warning, finding(t, a.findings, "tls-off").Severity)
	assert.NotContains(t, finding(t, a.findings, "dangerous-commands").Evidence, ": flushall")
	assert.Equal(t, "CONFIG SET hash-max-ziplist-entries 512", finding(t, a.findings, "encoding-hash-max-ziplist-entries").Fix, "under the name that the server has")
	finding(t, a.findings, "appendfsync-always")
}

// TestAuditLocal: a server that other machines cannot reach is in no danger from them.
func TestAuditLocal(t *testing.T) {
	for _, config := range []map[string]string{
		{"bind": "* -::*", "port": "0", "tls-port": "0"},
		{"bind": "127.0.0.1 -::1", "port": "6379", "tls-port": "0"},
	} {
		config["protected-mode"] = "no"
		a := &audit{node: Node{Addr: "a"}, config: config, user: map[string]any{"flags": []any{"on", "nopass"}}}
		a.judge(t.Context())
		for _, f := range a.findings {
			assert.NotEqual(t, Critical, f.Severity, f.ID)
		}
		assert.Equal(t, config["port"] != "0", slices.Contains(ids(a.findings), "tls-off"), "a socket of the machine needs none")
		assert.Equal(t, "protected-mode", finding(t, a.findings, "protected-mode-off").Setting)
	}
}

// TestAuditLocksNobodyOut: protected mode turns away all other machines, the service's among them, unless there is a
// password; then Apply leaves it alone.
func TestAuditLocksNobodyOut(t *testing.T) {
	flags := func(of ...any) map[string]any { return map[string]any{"flags": of} }
	for _, c := range []struct {
		bind string
		user map[string]any
		may  bool
	}{
		{"* -::*", flags("on", "nopass"), false},
		{"* -::*", flags("off", "nopass"), false},
		{"* -::*", nil, false},
		{"", flags("on", "nopass"), false},
		{"* -::*", flags("on"), true},
		{"127.0.0.1", flags("on", "nopass"), true},
		{"127.0.0.1", nil, true},
	} {
		a := &audit{node: Node{Addr: "a"}, config: map[string]string{"bind": c.bind, "port": "6379", "protected-mode": "no"}, user: c.user}
		a.judge(t.Context())
		f := finding(t, a.findings, "protected-mode-off")
		assert.Equal(t, c.may, f.Setting != "", "%+v", c)
		if !c.may {
			assert.Contains(t, f.Fix, "resetpass")
		}
	}
	unknown := &audit{node: Node{Addr: "a"}, config: map[string]string{"protected-mode": "no"}, user: flags("on", "nopass")}
	unknown.judge(t.Context())
	assert.Empty(t, finding(t, unknown.findings, "protected-mode-off").Setting)
}

// TestAuditCommands: what the default user may run is what the server says that it may, by whatever rules.
func TestAuditCommands(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"boss on >secret ~* +@all", "narrow on >secret ~* +@all -acl|dryrun"}})
	rdb := s.Client(func(o *redis.Options) { o.Username, o.Password = "boss", "secret" })
	told := func(client *redis.Client) string {
		a := &audit{node: Node{Addr: "a"}, client: client}
		require.NoError(t, a.read(t.Context()))
		assert.Empty(t, a.unread)
		a.judge(t.Context())
		i := slices.IndexFunc(a.findings, func(f Finding) bool { return f.ID == "dangerous-commands" })
		if i < 0 {
			return ""
		}
		_, list, _ := strings.Cut(a.findings[i].Evidence, ": ")
		return list
	}
	all := strings.Join(dangerous, ", ")
	for rules, want := range map[string]string{
		"on +@all":                               all,
		"off +@all":                              "",
		"on +@all -@dangerous":                   "",
		"on +@all -@dangerous +info +config|get": "",
		"on +@all -@dangerous +keys":             "keys",
		"on +@all -@admin":                       "flushall, flushdb, keys",
		"on +@all -@admin +config":               "flushall, flushdb, keys, config",
		"on +@all -config +config|get":           "flushall, flushdb, keys, debug, shutdown, replicaof, module",
		"on +@all -@slow":                        "",
		"on +@all -@write":                       "keys, config, debug, shutdown, replicaof, module",
		"on +@all -flushall -flushdb":            "keys, config, debug, shutdown, replicaof, module",
		"on -@all +@read":                        "keys",
		"on -@all +@write":                       "flushall, flushdb",
		"on -@all +@admin":                       "config, debug, shutdown, replicaof, module",
		"on -@all +get":                          "",
	} {
		args := []any{"ACL", "SETUSER", "default", "reset", "nopass", "~*", "&*"}
		for word := range strings.FieldsSeq(rules) {
			args = append(args, word)
		}
		require.NoError(t, rdb.Do(t.Context(), args...).Err(), rules)
		assert.Equal(t, want, told(rdb), rules)
	}
	// Without ACL DRYRUN the rules are read, so that what is usual is understood.
	narrow := s.Client(func(o *redis.Options) { o.Username, o.Password = "narrow", "secret" })
	for rules, want := range map[string]string{
		"+@all": all, "-@dangerous": "", "-@admin": "flushall, flushdb, keys", "-flushall": strings.TrimPrefix(all, "flushall, "), "-@all": "",
	} {
		require.NoError(t, rdb.Do(t.Context(), "ACL", "SETUSER", "default", "reset", "on", "nopass", "+@all", rules).Err())
		assert.Equal(t, want, told(narrow), rules)
	}
}

// answers is a hook that answers CONFIG SET with an error, and sends it nowhere.
type answers struct {
	trips
	err error
}

func (h *answers) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "config" {
			cmd.SetErr(h.err)
			return h.err
		}
		return next(ctx, cmd)
	}
}

// TestAuditDefrag: active defragmentation is advised where it would help and the build can, and the question changes nothing.
func TestAuditDefrag(t *testing.T) {
	t.Parallel()
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	suffering := Node{Addr: "a", Memory: Memory{Fragmentation: Known(2.5), FragmentationBytes: Known[int64](300 << 20)}}
	can := rdb.ConfigSet(t.Context(), "activedefrag", "yes").Err() == nil
	require.NoError(t, rdb.ConfigSet(t.Context(), "activedefrag", "no").Err())
	a := &audit{node: suffering, client: rdb, config: map[string]string{"activedefrag": "no"}}
	a.defrag(t.Context())
	assert.Equal(t, can, len(a.findings) == 1, "%v", a.findings)
	got, err := rdb.ConfigGet(t.Context(), "activedefrag").Result()
	require.NoError(t, err)
	assert.Equal(t, "no", got["activedefrag"])
	for _, c := range []struct {
		err  error
		want int
	}{
		{refusalError("CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer"), 1},
		{refusalError("CONFIG SET failed (possibly related to argument 'activedefrag') - Active defragmentation cannot be enabled"), 0},
		{refusalError("unknown command"), 0},
		{errors.New("maxclients: connection reset"), 0},
	} {
		client := offline(t)
		client.AddHook(&answers{err: c.err})
		a := &audit{node: suffering, client: client, config: map[string]string{"activedefrag": "no"}}
		a.defrag(t.Context())
		assert.Len(t, a.findings, c.want, "%v", c.err)
	}
	fine := &audit{node: Node{}, client: nil, config: map[string]string{"activedefrag": "no"}}
	fine.defrag(t.Context())
	assert.Empty(t, fine.findings)
}

// TestAuditWithFewRights: what may not be read is said, and the rest is judged.
func TestAuditWithFewRights(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{Args: planted, Users: []string{"few on >secret -@all +info +ping"}})
	rdb := s.Client(func(o *redis.Options) { o.Username, o.Password = "few", "secret" })
	require.NoError(t, s.Client().Set(t.Context(), "k", "v", 0).Err())
	findings, err := Audit(t.Context(), rdb)
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"maxclients-low", "policy-volatile", "unread"}, ids(findings))
	f := finding(t, findings, "unread")
	assert.Contains(t, f.Evidence, "CONFIG GET (NOPERM")
	assert.Contains(t, f.Evidence, "ACL GETUSER (NOPERM")
	assert.Contains(t, f.Evidence, "COMMAND INFO (NOPERM")
	changes, err := Apply(t.Context(), rdb, findings...)
	require.ErrorContains(t, err, "NOPERM")
	assert.Len(t, changes, 3)
	managed := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--rename-command", "CONFIG", "", "--rename-command", "ACL", ""}})
	findings, err = Audit(t.Context(), managed.Client())
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"maxmemory-unset", "unread"}, ids(findings))
	assert.Contains(t, finding(t, findings, "unread").Evidence, "unknown command")
}

// TestAuditEverywhere: every node of a cluster is judged, and Apply reaches the one that is meant.
func TestAuditEverywhere(t *testing.T) {
	t.Parallel()
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindAutoPipeline, redistest.KindCluster, redistest.KindRing}, func(t *testing.T, e redistest.Env) {
		findings, err := Audit(t.Context(), e.Client)
		if e.Kind == redistest.KindAutoPipeline {
			require.ErrorContains(t, err, "AutoPipeliner")
			_, err = Apply(t.Context(), e.Client)
			require.ErrorContains(t, err, "AutoPipeliner")
			_, err = Analyze(t.Context(), e.Client)
			require.ErrorContains(t, err, "AutoPipeliner")
			_, err = Topology(t.Context(), e.Client)
			require.ErrorContains(t, err, "AutoPipeliner")
			return
		}
		require.NoError(t, err)
		nodes := map[string]bool{}
		for _, f := range findings {
			nodes[f.Node] = true
		}
		switch e.Kind {
		case redistest.KindCluster:
			assert.Len(t, nodes, 6)
		case redistest.KindRing:
			assert.Len(t, nodes, 2)
		default:
			assert.Equal(t, []string{"unread"}, ids(findings))
			return
		}
		i := slices.IndexFunc(findings, func(f Finding) bool { return f.ID == "protected-mode-off" })
		require.GreaterOrEqual(t, i, 0)
		changes, err := Apply(t.Context(), e.Client, findings[i])
		require.NoError(t, err)
		assert.Equal(t, "yes", changes[0].After)
		again, err := Audit(t.Context(), e.Client)
		require.NoError(t, err)
		assert.Len(t, again, len(findings)-1)
		undo := findings[i]
		undo.Value = "no"
		_, err = Apply(t.Context(), e.Client, undo)
		require.NoError(t, err)
	})
	_, err := Audit(t.Context(), offline(t))
	require.Error(t, err)
	changes, err := Apply(t.Context(), offline(t), Finding{ID: "x", Node: "nowhere", Setting: "save"})
	require.ErrorContains(t, err, "no such node")
	assert.Len(t, changes, 1)
	rdb := redistest.Standalone(t)
	changes, err = Apply(t.Context(), rdb, Finding{ID: "maxmemory-unset", Node: rdb.Options().Addr, Setting: "dir", Value: "/"})
	require.ErrorIs(t, err, ErrNotApplicable)
	assert.Equal(t, []Change{{Finding: "maxmemory-unset", Node: rdb.Options().Addr, Setting: "dir", Err: ErrNotApplicable}}, changes)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Apply(ctx, offline(t), Finding{ID: "x", Node: "127.0.0.1:1", Setting: "save"})
	require.ErrorIs(t, err, context.Canceled)
}

// TestAnalyze: where the memory goes on a real server, by its own figures.
func TestAnalyze(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory", "8mb", "--maxmemory-policy", "volatile-lru"}})
	rdb := s.Client()
	other := s.Client(func(o *redis.Options) { o.DB = 3 })
	require.NoError(t, rdb.SetRange(t.Context(), "big", 5<<20, "x").Err())
	require.NoError(t, other.Set(t.Context(), "k", "v", 0).Err())
	report, err := Analyze(t.Context(), rdb)
	require.NoError(t, err)
	require.Len(t, report.Nodes, 1)
	n := report.Nodes[0]
	assert.Equal(t, "master", n.Role)
	assert.Equal(t, Known[int64](2), n.Keys)
	assert.Equal(t, Known[int64](0), n.Expires)
	assert.Len(t, n.Databases.Or(nil), 2)
	assert.Greater(t, n.PerKey.Or(0), int64(1<<20))
	assert.Greater(t, n.Memory.Used.Or(0), int64(5<<20))
	assert.Positive(t, n.Memory.Peak.Or(0))
	assert.Positive(t, n.Memory.RSS.Or(0))
	assert.NotEmpty(t, n.Memory.Allocator.Or(""))
	require.Len(t, n.Advice, 3, "%v", n.Advice)
	assert.Contains(t, n.Advice[0], "of maxmemory 8.0 MiB are in use")
	assert.Contains(t, n.Advice[1], "nothing can be evicted: the policy is volatile-lru, and none of 2 keys has a time to live")
	assert.Contains(t, n.Advice[2], "2 of 2 keys never expire")
	s.Kill()
	report, err = Analyze(t.Context(), s.Client(func(o *redis.Options) { o.MaxRetries, o.DialerRetries = -1, 1 }))
	require.Error(t, err)
	require.Len(t, report.Nodes, 1)
	assert.NotEmpty(t, report.Nodes[0].Err)
}

// TestAdvicePlanted: what a real server can be brought to is told of it, and nothing that it is not.
func TestAdvicePlanted(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory-policy", "noeviction"}})
	rdb := s.Client()
	ctx := t.Context()
	advice := func() string {
		report, err := Analyze(ctx, rdb)
		require.NoError(t, err)
		return strings.Join(report.Nodes[0].Advice, "\n")
	}
	assert.Contains(t, advice(), "maxmemory is not set")

	require.NoError(t, rdb.SetRange(ctx, "big", 50<<20, "x").Err())
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte(strings.Repeat("GET big\r\n", 3))) // and it does not read
	require.NoError(t, err)
	redistest.Poll(t, "the buffers are told", func() bool { return strings.Contains(advice(), "are buffers of clients") })
	assert.NotContains(t, advice(), "overhead", "a buffer does not go away when keys are put inside hashes")
	require.NoError(t, conn.Close())
	require.NoError(t, rdb.Del(ctx, "big").Err())
	redistest.Poll(t, "the peak is told", func() bool {
		return strings.Contains(advice(), "were at the peak: leave room for it") && !strings.Contains(advice(), "buffers")
	})

	require.NoError(t, rdb.ScriptLoad(ctx, "return 1 --"+strings.Repeat("x", 11<<20)).Err())
	assert.Contains(t, advice(), "are cached scripts")
	require.NoError(t, rdb.ScriptFlush(ctx).Err())

	require.NoError(t, rdb.SetRange(ctx, "big", 30<<20, "x").Err())
	report, err := Analyze(ctx, rdb)
	require.NoError(t, err)
	used := report.Nodes[0].Memory.Used.Or(0)
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory", strconv.FormatInt(used+used/10, 10)).Err())
	assert.Contains(t, advice(), "at 100 % writes are refused")
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory-policy", "allkeys-lfu").Err())
	assert.Contains(t, advice(), "keys are evicted by allkeys-lfu")
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory-policy", "volatile-ttl").Err())
	assert.Contains(t, advice(), "none of 1 keys has a time to live")
}

// TestAdvice: each advice, and none where all is well.
func TestAdvice(t *testing.T) {
	const gb = 1 << 30
	fine := Memory{
		Used: Known[int64](gb), RSS: Known[int64](gb), Peak: Known[int64](gb), Overhead: Known[int64](gb / 10), Dataset: Known[int64](gb / 2),
		Max: Known[int64](4 * gb), System: Known[int64](8 * gb), Policy: Known("allkeys-lru"), Fragmentation: Known(1.1), FragmentationBytes: Known[int64](gb / 10),
	}
	assert.Empty(t, analyze(&Node{Memory: fine}).Advice)
	for want, change := range map[string]func(*Memory){
		"at 100 % writes are refused, since the policy is noeviction": func(m *Memory) {
			m.Used, m.Policy, m.Peak = Known[int64](4*gb-1), Known("noeviction"), Known[int64](4*gb)
		},
		"keys are evicted by allkeys-lru":    func(m *Memory) { m.Used, m.Peak = Known[int64](4*gb-1), Known[int64](4*gb) },
		"maxmemory is not set":               func(m *Memory) { m.Max = Known[int64](0) },
		"lost to fragmentation (ratio 2.00)": func(m *Memory) { m.Fragmentation, m.FragmentationBytes = Known(2.0), Known[int64](gb) },
		"the machine swaps":                  func(m *Memory) { m.Fragmentation, m.FragmentationBytes = Known(0.5), Known[int64](-gb/2) },
		"leave room for it":                  func(m *Memory) { m.Peak = Known[int64](3 * gb) },
		"60 % of the memory is overhead":     func(m *Memory) { m.Overhead = Known[int64](gb/10*6 + 6) },
		"are buffers of clients":             func(m *Memory) { m.ClientsNormal = Known[int64](gb / 5) },
		"are cached scripts":                 func(m *Memory) { m.Scripts = Known[int64](gb / 50) },
	} {
		m := fine
		change(&m)
		advice := analyze(&Node{Memory: m}).Advice
		require.Len(t, advice, 1, want)
		assert.Contains(t, advice[0], want)
	}
	assert.Empty(t, analyze(&Node{}).Advice, "nothing is known, and nothing said")
}
