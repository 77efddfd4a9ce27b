package monitor

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func infoText(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/info-7.0.15.txt")
	require.NoError(t, err)
	return string(text)
}

// TestInfo: all sections of a real reply are read.
func TestInfo(t *testing.T) {
	raw := infoText(t)
	var n Node
	n.fill(readInfo(raw), nil)
	assert.Equal(t, "7.0.15", n.Server.Version.Or(""))
	assert.Equal(t, "redis", n.Server.Name.Or(""))
	assert.Len(t, n.Server.RunID.Or(""), 40)
	_, known := n.Server.Time.Get()
	assert.True(t, known)
	assert.Equal(t, "master", n.Role)
	assert.Equal(t, int64(10000), n.Clients.Max.Or(0))
	assert.Equal(t, int64(0), n.Memory.Max.Or(-1), "no limit is known, and 0")
	assert.Positive(t, n.Memory.Used.Or(0))
	assert.Positive(t, n.Memory.Fragmentation.Or(0))
	assert.Equal(t, int64(3), n.Stats.Misses.Or(-1))
	assert.Equal(t, int64(3), n.Stats.Hits.Or(-1))
	assert.Equal(t, map[string]int64{"WRONGTYPE": 3}, n.Stats.Errors)
	assert.True(t, n.Persistence.LastSaveOK.Or(false))
	assert.Equal(t, Value[bool]{}, n.Replication.LinkUp, "a master has no link")
	assert.Equal(t, Value[time.Duration]{}, n.Persistence.LastSaveTook, "-1 is not known")
	databases, known := n.Keyspace.Get()
	require.True(t, known)
	require.Len(t, databases, 2)
	assert.Equal(t, []int{0, 3}, []int{databases[0].DB, databases[1].DB})
	assert.Equal(t, int64(3), databases[0].Expires.Or(0))
	assert.Equal(t, Value[time.Duration]{}, databases[1].AvgTTL)
	commands, known := n.Commands.Get()
	require.True(t, known)
	names := map[string]Command{}
	for _, c := range commands {
		names[c.Name] = c
	}
	assert.Equal(t, int64(6), names["get"].Calls.Or(0))
	assert.Equal(t, int64(3), names["lpush"].Failed.Or(0))
	assert.Equal(t, int64(1), names["config|get"].Calls.Or(0))
	assert.Positive(t, names["get"].P99.Or(0))
	assert.False(t, n.Cluster.Enabled.Or(true))
	assert.Equal(t, Value[string]{}, n.Cluster.State)
}

// TestInfoReplica: both ends of replication, in the server's older words.
func TestInfoReplica(t *testing.T) {
	replica := "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\n" +
		"master_sync_in_progress:0\r\nslave_repl_offset:14\r\nmaster_link_down_since_seconds:7\r\nslave_read_only:1\r\nconnected_slaves:0\r\n"
	var n Node
	n.fill(readInfo(replica), nil)
	assert.Equal(t, "replica", n.Role)
	assert.False(t, n.Replication.LinkUp.Or(true))
	assert.Equal(t, 7*time.Second, n.Replication.LinkDown.Or(0))
	assert.Equal(t, Value[time.Duration]{}, n.Replication.LastIO)
	assert.Equal(t, int64(14), n.Replication.Offset.Or(0))
	assert.True(t, n.Replication.ReadOnly.Or(false))
	assert.Equal(t, Value[[]Database]{}, n.Keyspace, "a reply without the section does not say that there are no keys")

	master := "role:master\r\nconnected_slaves:2\r\nslave0:ip=10.0.0.2,port=6380,state=online,offset=90,lag=1\r\nslave1:ip=::1,port=6381,state=wait_bgsave,offset=0,lag=-1\r\n" +
		"master_repl_offset:100\r\n"
	n = Node{}
	n.fill(readInfo(master), nil)
	require.Len(t, n.Replication.Replicas, 2)
	assert.Equal(t, Replica{Addr: "10.0.0.2:6380", State: "online", Offset: Known[int64](90), Behind: Known[int64](10), Lag: Known(time.Second)}, n.Replication.Replicas[0])
	assert.Equal(t, "[::1]:6381", n.Replication.Replicas[1].Addr)
	assert.Equal(t, Value[time.Duration]{}, n.Replication.Replicas[1].Lag)
}

func TestInfoGarbage(t *testing.T) {
	for _, text := range []string{
		"", "\r\n", "no colon", ":", ":x", "# only a header", strings.Repeat(":", 100), "connected_slaves:99999999999\r\nrole:slave",
		"used_memory:many\r\nmaxmemory:-5\r\nmem_fragmentation_ratio:nan\r\nuptime_in_seconds:9223372036854775807",
		"db0:\r\ndb:keys=1\r\ndb-1:keys=1\r\ndbx:keys=2\r\ncmdstat_:calls\r\nlatency_percentiles_usec_get:p50=-1,p99=1e300,p99.9=x\r\nerrorstat_X:count=y",
		"rdb_last_save_time:99999999999999\r\nserver_time_usec:-1", "slave0:ip=a\r\nconnected_slaves:1\r\nrole:slave", "<html><body>502: Bad Gateway</body></html>",
	} {
		var n Node
		n.fill(readInfo(text), parseInfo(text))
		for m := range metrics {
			if v, ok := n.Figure(m); ok && m != MetricUp && m != MetricKeys {
				t.Errorf("%q: %s = %v", text, m, v)
			}
		}
	}
	twice := readInfo("# Keyspace\r\ndb1:keys=1\r\ndb01:keys=2\r\ndb+1:keys=3\r\ndb1:keys=4\r\ndb1234567890:keys=5\r\n" +
		"cmdstat_get:calls=1\r\ncmdstat_get:calls=2\r\nlatency_percentiles_usec_get:p50=1\r\nlatency_percentiles_usec_nosuch:p50=1\r\nerrorstat_A:count=1\r\nerrorstat_A:count=2\r\n")
	assert.Equal(t, []Database{{DB: 1, Keys: Known[int64](1)}}, twice.databases, "no database twice")
	assert.Equal(t, []Command{{Name: "get", Calls: Known[int64](1), P50: Known(time.Microsecond)}}, twice.commands)
	assert.Equal(t, map[string]int64{"A": 1}, twice.errors)
	assert.Equal(t, fields{"a": "1"}, parseInfo("a:1\na:2"), "the first counts")
	assert.Equal(t, fields{"a": "1", "b": "x:y"}, parseInfo("# A\r\na:1\r\n\r\nb:x:y\r\n"))
}

func FuzzInfo(f *testing.F) {
	text, err := os.ReadFile("testdata/info-7.0.15.txt")
	require.NoError(f, err)
	f.Add(string(text))
	f.Add("role:slave\r\nconnected_slaves:3\r\nslave0:ip=,port=,lag=\r\ndb0:keys=1,expires=0,avg_ttl=-1\r\ncmdstat_x:calls=1,usec=99999999999999999999")
	f.Add("master0:name=a,b,status=ok,address=1:2,slaves=1,sentinels=x\r\nmaster1:")
	f.Fuzz(func(t *testing.T, text string) {
		info := parseInfo(text)
		for name := range info {
			if name == "" || strings.ContainsAny(name, "\n:") {
				t.Fatalf("a field is named %q", name)
			}
		}
		n := Node{Addr: "a"}
		n.fill(readInfo(text), info)
		n.Sentinel.Masters = Known(sentinelMasters(info))
		for m := range metrics {
			v, ok := n.Figure(m)
			if v != v {
				t.Fatalf("%s is no number", m)
			}
			if m := metrics[m]; ok && m.kind == gauge && v < 0 {
				t.Fatalf("%v: a figure of %v", m, v)
			}
		}
		if _, err := n.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
		s := sampleOf(&n)
		ratesBetween(&s, &s)
	})
}

func TestClusterNodes(t *testing.T) {
	view := "07c37df 127.0.0.1:30004@31004,host-4 slave e7d1eec 0 1426238317239 4 connected\n" +
		"67ed2db 127.0.0.1:30002@31002 master,fail - 0 1426238316232 2 disconnected 5461-10922 3 [93-<-292f8b3]\n" +
		"e7d1eec ::1:30001@31001 myself,master - 0 0 1 connected 0-5460\n" +
		"bad line\n" + "824fe11 :0@0 master,noaddr,fail - 0 0 0 disconnected 9-8 x-9 16384 1-\n"
	nodes := parseClusterNodes(view)
	require.Len(t, nodes, 4)
	assert.Equal(t, clusterNode{id: "07c37df", addr: "127.0.0.1:30004", master: "e7d1eec", flags: []string{"slave"}, linked: true}, nodes[0])
	assert.Equal(t, [][2]int{{5461, 10922}, {3, 3}}, nodes[1].slots)
	assert.True(t, nodes[1].is("fail"))
	assert.Equal(t, "[::1]:30001", nodes[2].addr)
	assert.Empty(t, nodes[3].slots)
	self := make([]Node, 1)
	assert.Empty(t, newMonitor(t, offline(t), Options{}).identify(self, []string{view}), "a client of one server reaches that one")
	assert.Equal(t, "e7d1eec", self[0].ID)
}

func FuzzClusterNodes(f *testing.F) {
	f.Add("67ed2db 127.0.0.1:30002@31002,h master,fail - 0 1 2 disconnected 5461-10922 [93-<-292f8b3]")
	f.Add("a :: x - 0 1 2 y -1 1- 99999")
	f.Fuzz(func(t *testing.T, text string) {
		for _, n := range parseClusterNodes(text) {
			for _, s := range n.slots {
				if s[0] < 0 || s[1] < s[0] || s[1] >= clusterSlots {
					t.Fatalf("slots %v", s)
				}
			}
		}
	})
}

func TestSentinelMasters(t *testing.T) {
	info := parseInfo("sentinel_masters:2\r\nmaster0:name=two,status=ok,address=10.0.0.1:6379,slaves=2,sentinels=3\r\nmaster1:name=a,status=x,b,status=odown,address=[::1]:1,slaves=0,sentinels=1\r\n")
	assert.Equal(t, []SentinelMaster{
		{Name: "a,status=x,b", Status: "odown", Addr: "[::1]:1", Sentinels: 1},
		{Name: "two", Status: "ok", Addr: "10.0.0.1:6379", Replicas: 2, Sentinels: 3},
	}, sentinelMasters(info))
	assert.Empty(t, sentinelMasters(parseInfo("master0:status=ok")))
}
