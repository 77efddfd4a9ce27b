package monitor

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// TestTopology: masters and replicas with their lag, seen from either end.
func TestTopology(t *testing.T) {
	t.Parallel()
	master := redistest.NewServer(t, redistest.ServerOptions{})
	replica := redistest.NewReplica(t, master, redistest.ServerOptions{})
	rdb := master.Client()
	require.NoError(t, rdb.Set(t.Context(), "k", "v", 0).Err())
	require.NoError(t, rdb.Wait(t.Context(), 1, time.Minute).Err())
	report, err := Topology(t.Context(), rdb)
	require.NoError(t, err)
	assert.Equal(t, "standalone", report.Mode)
	require.Len(t, report.Masters, 1)
	m := report.Masters[0]
	assert.True(t, m.Up)
	require.Len(t, m.Replicas, 1)
	assert.Equal(t, replica.Addr(), m.Replicas[0].Addr)
	assert.True(t, m.Replicas[0].Up)
	assert.Equal(t, "online", m.Replicas[0].State)
	_, known := m.Replicas[0].Behind.Get()
	assert.True(t, known)
	_, known = m.Replicas[0].Lag.Get()
	assert.True(t, known)
	report, err = Topology(t.Context(), replica.Client())
	require.NoError(t, err)
	require.Len(t, report.Masters, 1)
	assert.Equal(t, master.Addr(), report.Masters[0].Addr)
	assert.Equal(t, Known(true), report.Masters[0].Replicas[0].LinkUp)
	_, err = Topology(t.Context(), rdb, nil)
	require.Error(t, err)
	_, err = Topology(t.Context(), nil)
	require.Error(t, err)
}

// TestTopologyEverywhere: each kind of deployment says what it is.
func TestTopologyEverywhere(t *testing.T) {
	t.Parallel()
	kinds := []redistest.Kind{redistest.KindMiniredis, redistest.KindFailover, redistest.KindCluster, redistest.KindRing}
	redistest.On(t, kinds, func(t *testing.T, e redistest.Env) {
		var sentinels []*redis.SentinelClient
		if e.Sentinels != nil {
			for _, addr := range append(e.Sentinels.Addrs(), "127.0.0.1:1") {
				c := redis.NewSentinelClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, ReadTimeout: time.Minute})
				t.Cleanup(func() { _ = c.Close() })
				sentinels = append(sentinels, c)
			}
		}
		report, err := Topology(t.Context(), e.Client, sentinels...)
		require.NoError(t, err)
		switch e.Kind {
		case redistest.KindMiniredis:
			assert.Equal(t, "standalone", report.Mode)
			assert.Len(t, report.Masters, 1)
		case redistest.KindRing:
			assert.Equal(t, "ring", report.Mode)
			assert.Len(t, report.Masters, 2)
		case redistest.KindFailover:
			require.Len(t, report.Masters, 1)
			assert.Equal(t, e.Sentinels.Master().Addr(), report.Masters[0].Addr, "and not what go-redis calls it")
			assert.Len(t, report.Masters[0].Replicas, 2)
			require.Len(t, report.Sentinels, 4)
			require.Len(t, report.Sentinels[0].Masters, 1)
			assert.Equal(t, redistest.MasterName, report.Sentinels[0].Masters[0].Name)
			assert.Len(t, report.Sentinels[0].Masters[0].ReplicaAddrs, 2)
			assert.NotEmpty(t, report.Sentinels[3].Err)
			one := e.Sentinels.Sentinels()[0].Client() // a plain client of a Sentinel
			report, err = Topology(t.Context(), one)
			require.NoError(t, err)
			assert.Equal(t, "sentinel", report.Mode)
			require.Len(t, report.Sentinels, 1)
			assert.Equal(t, Known(true), report.Sentinels[0].Masters[0].Quorum)
		case redistest.KindCluster:
			assert.Equal(t, "cluster", report.Mode)
			assert.Equal(t, "ok", report.State)
			assert.Equal(t, clusterSlots, report.SlotsCovered)
			assert.Empty(t, report.SlotsMissing)
			require.Len(t, report.Masters, 3)
			for i, m := range report.Masters {
				assert.True(t, m.Up)
				assert.Equal(t, e.Cluster.Masters()[i].Addr(), m.Addr, "in the order of their slots")
				require.Len(t, m.Replicas, 1)
				assert.True(t, m.Replicas[0].Up)
				assert.Equal(t, Known(true), m.Replicas[0].LinkUp)
			}
		}
	})
}

// TestTopologyWithFewRights: a user who may not ask for CLUSTER NODES learns of what CLUSTER SLOTS tells; one who may ask
// for nothing learns which nodes answer.
func TestTopologyWithFewRights(t *testing.T) {
	t.Parallel()
	c := redistest.SharedCluster(t)
	for _, n := range c.Nodes() {
		for user, rights := range map[string][]any{"diag-few": {"+info", "+cluster|slots", "+cluster|info"}, "diag-slots": {"+cluster|slots"}} {
			args := append([]any{"ACL", "SETUSER", user, "reset", "on", ">secret"}, rights...)
			require.NoError(t, n.Client().Do(t.Context(), args...).Err())
		}
	}
	few := c.Client(func(o *redis.ClusterOptions) { o.Username, o.Password = "diag-few", "secret" })
	report, err := Topology(t.Context(), few)
	require.NoError(t, err)
	assert.Equal(t, "cluster", report.Mode)
	assert.Equal(t, "ok", report.State)
	assert.Equal(t, clusterSlots, report.SlotsCovered)
	require.Len(t, report.Masters, 3)
	for i, m := range report.Masters {
		assert.True(t, m.Up)
		assert.Equal(t, c.Masters()[i].Addr(), m.Addr)
		assert.NotEmpty(t, m.ID)
	}
	slots := c.Client(func(o *redis.ClusterOptions) { o.Username, o.Password = "diag-slots", "secret" })
	report, err = Topology(t.Context(), slots)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(report.Masters), 3)
	memory, err := Analyze(t.Context(), slots)
	require.NoError(t, err)
	for _, n := range memory.Nodes {
		assert.Contains(t, n.Err, "NOPERM")
	}
	findings, err := Audit(t.Context(), slots)
	require.NoError(t, err)
	assert.Contains(t, finding(t, findings, "unread").Evidence, "INFO (NOPERM")
}

// TestTopologyOfSlots: what CLUSTER SLOTS tells is as CLUSTER NODES has it.
func TestTopologyOfSlots(t *testing.T) {
	assert.Equal(t, []clusterNode{
		{id: "1", addr: "a:1", flags: []string{"master"}, linked: true, slots: [][2]int{{0, 5}, {9, 9}}},
		{id: "2", addr: "b:1", flags: []string{"slave"}, master: "1", linked: true},
		{id: "3", addr: "c:1", flags: []string{"master"}, linked: true, slots: [][2]int{{6, 8}}},
	}, viewOf([]redis.ClusterSlot{
		{Start: 0, End: 5, Nodes: []redis.ClusterNode{{ID: "1", Addr: "a:1"}, {ID: "2", Addr: "b:1"}}},
		{Start: 6, End: 8, Nodes: []redis.ClusterNode{{ID: "3", Addr: "c:1"}}},
		{Start: 9, End: 9, Nodes: []redis.ClusterNode{{ID: "1", Addr: "a:1"}, {ID: "2", Addr: "b:1"}}},
		{Start: -1, End: 1 << 30, Nodes: []redis.ClusterNode{{ID: "3", Addr: "c:1"}}},
	}))
}

// TestDiagnosisByRESP2: the older protocol says the same.
func TestDiagnosisByRESP2(t *testing.T) {
	t.Parallel()
	c := redistest.SharedCluster(t)
	var ofProtocol [2][]string
	for i := range ofProtocol {
		rdb := c.Client(func(o *redis.ClusterOptions) { o.Protocol = 2 + i })
		findings, err := Audit(t.Context(), rdb)
		require.NoError(t, err)
		ofProtocol[i] = ids(findings)
		report, err := Topology(t.Context(), rdb)
		require.NoError(t, err)
		assert.Len(t, report.Masters, 3)
		_, err = HotKeys(t.Context(), rdb, HotKeysOptions{})
		require.ErrorIs(t, err, ErrNoLFU)
	}
	assert.Equal(t, ofProtocol[1], ofProtocol[0])
	assert.Contains(t, ofProtocol[0], "dangerous-commands")
}

// TestTopologyMissing: slots that nobody serves are named, by a view that a cluster would give.
func TestTopologyMissing(t *testing.T) {
	t.Parallel()
	c := redistest.NewCluster(t)
	for _, n := range c.Nodes() {
		_ = n.Client().ClusterDelSlots(t.Context(), 7, 8, 100).Err() // the others may have heard of it
	}
	rdb := c.Client()
	redistest.Poll(t, "the slots are missing", func() bool {
		report, err := Topology(t.Context(), rdb)
		return err == nil && report.SlotsCovered == clusterSlots-3 && report.State == "fail" &&
			assert.ObjectsAreEqual([][2]int{{7, 8}, {100, 100}}, report.SlotsMissing)
	})
	c.Nodes()[3].Kill()
	redistest.Poll(t, "the dead replica is down, and no other", func() bool {
		report, err := Topology(t.Context(), rdb)
		require.NoError(t, err)
		var down []string
		for _, m := range report.Masters {
			for _, r := range m.Replicas {
				if !r.Up {
					down = append(down, r.Addr)
				}
			}
		}
		return len(down) == 1 && down[0] == c.Nodes()[3].Addr()
	})
}

// TestRingThatLacksAShard: a shard that was down before anybody asked is missed, unless SetAddrs has said that it is none.
func TestRingThatLacksAShard(t *testing.T) {
	t.Parallel()
	a, b := redistest.NewServer(t, redistest.ServerOptions{}), redistest.NewServer(t, redistest.ServerOptions{})
	ring := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"a": a.Addr(), "b": b.Addr()}, HeartbeatFrequency: 20 * time.Millisecond, MaxRetries: -1, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = ring.Close() })
	b.Kill()
	redistest.Poll(t, "the ring takes the shard for down", func() bool { return ring.Len() == 1 })
	report, err := BigKeys(t.Context(), ring, BigKeysOptions{})
	require.ErrorIs(t, err, errShardDown)
	assert.True(t, report.Partial)
	_, err = HotKeys(t.Context(), ring, HotKeysOptions{})
	require.ErrorIs(t, err, errShardDown)
	findings, err := Audit(t.Context(), ring)
	require.ErrorIs(t, err, errShardDown)
	assert.NotEmpty(t, findings, "of the other one")
	topology, err := Topology(t.Context(), ring)
	require.NoError(t, err)
	require.Len(t, topology.Masters, 2)
	for _, m := range topology.Masters {
		assert.Equal(t, m.Addr == a.Addr(), m.Up, m.Addr)
	}
	memory, err := Analyze(t.Context(), ring)
	require.NoError(t, err)
	assert.Len(t, memory.Nodes, 2)
	changes, err := Apply(t.Context(), ring, Finding{ID: "x", Node: b.Addr(), Setting: "save"})
	require.ErrorIs(t, err, errShardDown)
	assert.Len(t, changes, 1)
	c := redistest.NewServer(t, redistest.ServerOptions{})
	ring.SetAddrs(map[string]string{"a": a.Addr(), "c": c.Addr()})
	topology, err = Topology(t.Context(), ring)
	require.NoError(t, err)
	require.Len(t, topology.Masters, 2)
	_, err = BigKeys(t.Context(), ring, BigKeysOptions{})
	require.NoError(t, err)
}
