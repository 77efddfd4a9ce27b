package lardertest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/lardertest"
)

// fields reads an INFO as a consumer does, and refuses lines that a server would not send.
func fields(t *testing.T, text string) (map[string]string, []string) {
	t.Helper()
	values, sections := map[string]string{}, []string{}
	for line := range strings.SplitSeq(text, "\r\n") {
		assert.NotContains(t, line, "\n")
		if name, ok := strings.CutPrefix(line, "# "); ok {
			sections = append(sections, name)
		} else if line != "" {
			field, value, found := strings.Cut(line, ":")
			assert.True(t, found, line)
			assert.NotContains(t, values, field)
			values[field] = value
		}
	}
	return values, sections
}

func TestSetInfo(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		require.NoError(t, rdb.Set(ctx, "k", "v", 0).Err())
		time.Sleep(time.Hour)
		require.NoError(t, lardertest.SetInfo(rdb, map[string]map[string]string{
			"memory":      {"used_memory": "966367641"},
			"STATS":       {"evicted_keys": "1200", "rejected_connections": "7"},
			"Replication": {"slave0": "ip=10.0.0.1,port=6379,state=online,offset=1,lag=1"},
			"keyspace":    {"db0": "keys=1,expires=0,avg_ttl=0"},
			"errorstats":  {"errorstat_OOM": "count=3"},
			"fantasy":     {"b": "2", "a": ""},
		}))
		time.Sleep(30 * time.Hour)
		values, sections := fields(t, rdb.Info(ctx, "everything").Val())
		assert.Equal(t, []string{
			"Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules", "Commandstats", "Errorstats",
			"Latencystats", "Cluster", "Keyspace", "Fantasy",
		}, sections)
		for field, want := range map[string]string{
			"used_memory": "966367641", "maxmemory": "1073741824", "evicted_keys": "1200", "rejected_connections": "7",
			"db0": "keys=1,expires=0,avg_ttl=0", "errorstat_OOM": "count=3", "a": "", "b": "2", "role": "master",
			"uptime_in_seconds": "111600", "uptime_in_days": "1", "rdb_last_save_time": "946684800", "server_time_usec": "946796400000000",
			"slave0": "ip=10.0.0.1,port=6379,state=online,offset=1,lag=1", "config_file": "",
		} {
			assert.Equal(t, want, values[field], field)
		}

		// Sections as a real server chooses them.
		for _, c := range []struct {
			ask  []string
			want string
		}{
			{nil, "Server Clients Memory Persistence Stats Replication CPU Modules Errorstats Cluster Keyspace Fantasy"},
			{[]string{"default"}, "Server Clients Memory Persistence Stats Replication CPU Modules Errorstats Cluster Keyspace Fantasy"},
			{[]string{"MEMORY"}, "Memory"},
			{[]string{"stats", "nosuch", "clients"}, "Clients Stats"},
			{[]string{"nosuch"}, ""},
			{[]string{"default", "commandstats"}, "Server Clients Memory Persistence Stats Replication CPU Modules Commandstats Errorstats Cluster Keyspace Fantasy"},
			{[]string{"memory", "all"}, strings.Join(sections, " ")},
		} {
			_, got := fields(t, rdb.Info(ctx, c.ask...).Val())
			assert.Equal(t, c.want, strings.Join(got, " "), c.ask)
		}
		assert.True(t, strings.HasPrefix(rdb.Info(ctx, "memory").Val(), "# Memory\r\nused_memory:966367641\r\n"))

		// In a transaction, by a script, through an AutoPipeliner, by another client.
		cmds, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Ping(ctx)
			p.Info(ctx, "memory")
			return nil
		})
		require.NoError(t, err)
		text, ok := cmds[1].(*redis.StringCmd)
		require.True(t, ok)
		assert.Equal(t, rdb.Info(ctx, "memory").Val(), text.Val())
		byScript, err := rdb.Eval(ctx, "return redis.call('INFO', 'memory')", nil).Text()
		require.NoError(t, err)
		assert.Equal(t, text.Val(), byScript)
		auto, err := rdb.AutoPipeline()
		require.NoError(t, err)
		require.NoError(t, lardertest.SetInfo(auto, map[string]map[string]string{"memory": {"used_memory": "1"}, "server": {"uptime_in_seconds": "5"}}))
		require.NoError(t, auto.Close())
		values, _ = fields(t, rdb.Info(ctx, "memory", "stats", "server").Val())
		assert.Equal(t, "1", values["used_memory"])
		assert.Equal(t, "5", values["uptime_in_seconds"])
		assert.Equal(t, "0", values["evicted_keys"], "each call begins anew")
		require.NoError(t, lardertest.SetInfo(rdb, nil))
		values, _ = fields(t, rdb.Info(ctx).Val())
		assert.Equal(t, "268435456", values["used_memory"])
	})
}

func TestSetInfoText(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	ctx := t.Context()
	assert.Contains(t, rdb.Info(ctx).Val(), "total_commands_processed", "miniredis's own")
	for _, text := range []string{"", "garbage", "no:header\r\n", "\x00\xff\r\n\r\n"} {
		require.NoError(t, lardertest.SetInfoText(rdb, text))
		assert.Equal(t, text, rdb.Info(ctx).Val())
		assert.Equal(t, text, rdb.Info(ctx, "memory").Val())
	}
	copied := "# Server\r\nredis_version:6.2.16\r\n\r\n# Commandstats\r\ncmdstat_get:calls=1\r\n\r\n# Keyspace\r\ndb0:keys=1\r\n"
	require.NoError(t, lardertest.SetInfoText(rdb, copied))
	assert.Equal(t, copied, rdb.Info(ctx, "everything").Val())
	assert.Equal(t, "# Server\r\nredis_version:6.2.16\r\n\r\n# Keyspace\r\ndb0:keys=1\r\n", rdb.Info(ctx).Val())
	assert.Equal(t, "# Keyspace\r\ndb0:keys=1\r\n", rdb.Info(ctx, "keyspace").Val())
}

func TestSetInfoRefuses(t *testing.T) {
	t.Parallel()
	rdb := lardertest.New(t)
	for _, bad := range []map[string]map[string]string{
		{"memory": {"used_memory": "1\r\nmaxmemory:2"}},
		{"memory": {"used\nmemory": "1"}},
		{"memory": {"": "1"}},
		{"memory": {"a:b": "1"}},
		{"": {"a": "1"}},
		{"me\nmory": {"a": "1"}},
	} {
		require.ErrorContains(t, lardertest.SetInfo(rdb, bad), "lardertest: set info: field")
	}
	require.EqualError(t, lardertest.SetInfo(nil, nil), "lardertest: set info: the client is nil")
	require.ErrorContains(t, rdb.Do(t.Context(), "LARDERTEST.INFO", "fields", "{").Err(), "lardertest")
	require.ErrorContains(t, rdb.Do(t.Context(), "LARDERTEST.INFO").Err(), "wrong number")
}
