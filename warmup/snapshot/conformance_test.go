package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// TestEverywhere: what is dumped, removed and restored is what was there, on every kind of server and client.
func TestEverywhere(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		prefix := e.Namespace + ":{" + e.ID("a") + "}" // one slot, which may be migrating
		if e.Kind != redistest.KindMigrating {
			prefix = e.Namespace + ":"
		}
		if _, ok := e.Client.(*redis.AutoPipeliner); ok {
			_, err := Dump(ctx, e.Client, &bytes.Buffer{}, Options{})
			require.ErrorIs(t, err, ErrClient)
			require.ErrorContains(t, err, "AutoPipeliner")
			_, err = Restore(ctx, e.Client, bytes.NewReader(sample(t, false)), RestoreOptions{})
			require.ErrorIs(t, err, ErrClient)
			_, err = Compare(ctx, e.Client, bytes.NewReader(sample(t, false)))
			require.ErrorIs(t, err, ErrClient)
			return
		}
		n := 420
		if !e.Real() {
			n = 120
		}
		names := fill(t, e.Client, prefix, n, 7)
		want := content(t, e.Client, names)
		for _, opts := range []Options{{}, {Compress: true, MaxKeyBytes: 150, Workers: 1}} {
			opts.Match = prefix[:len(e.Namespace)] + ":*"
			file, s := dumped(t, e.Client, opts)
			assert.Equal(t, int64(len(want)), s.Keys)
			checked, err := Verify(bytes.NewReader(file))
			require.NoError(t, err)
			assert.Equal(t, s.Keys, checked.Keys)
			assert.Equal(t, s.Torn, checked.Torn)
			remove(t, e.Client, names)
			s, err = Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{})
			require.NoError(t, err)
			assert.Equal(t, int64(len(want)), s.Keys)
			assert.Equal(t, want, content(t, e.Client, names))

			slack := time.Duration(0)
			if !e.Real() {
				slack = time.Minute
			}
			diff, err := CompareWith(ctx, e.Client, bytes.NewReader(file), CompareOptions{Slack: slack})
			require.NoError(t, err)
			assert.Truef(t, diff.Empty(), "%+v", diff)

			s, err = Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{})
			require.NoError(t, err)
			assert.Equal(t, int64(len(want)), s.Skipped, "they are there")
			s, err = Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{Mode: Replace})
			require.NoError(t, err)
			assert.Equal(t, int64(len(want)), s.Keys)
			assert.Equal(t, want, content(t, e.Client, names))
		}
		left, err := temporaries(ctx, e)
		require.NoError(t, err)
		assert.Empty(t, left)
	})
}

func temporaries(ctx context.Context, e redistest.Env) ([]string, error) {
	var all []string
	for _, m := range e.Masters() {
		keys, _, err := m.Scan(ctx, 0, "larder:restore:*", 1e6).Result()
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if strings.Contains(k, e.Namespace) {
				all = append(all, k)
			}
		}
	}
	return all, nil
}

// TestAcrossKinds: a cluster's keys come back on one server, and from there on a fake one, a ring, and a cluster again.
func TestAcrossKinds(t *testing.T) {
	kinds := map[redistest.Kind]redistest.Env{}
	var names []string
	var want map[string]string
	var file []byte
	redistest.On(t, []redistest.Kind{redistest.KindCluster}, func(t *testing.T, e redistest.Env) {
		kinds[e.Kind] = e
		names = fill(t, e.Client, "across:", 600, 8)
		want = content(t, e.Client, names)
		file, _ = dumped(t, e.Client, Options{Match: "across:*"})
		remove(t, e.Client, names)
	})
	if file == nil {
		t.Skip("there is no cluster")
	}
	for _, kind := range []redistest.Kind{redistest.KindStandalone, redistest.KindRing, redistest.KindFailover, redistest.KindMiniredis, redistest.KindCluster} {
		redistest.On(t, []redistest.Kind{kind}, func(t *testing.T, e redistest.Env) {
			_, err := Restore(t.Context(), e.Client, bytes.NewReader(file), RestoreOptions{Prefix: "back:"})
			require.NoError(t, err)
			prefixed := make([]string, len(names))
			for i, name := range names {
				prefixed[i] = "back:" + name
			}
			got := content(t, e.Client, prefixed)
			require.Len(t, got, len(want))
			for name, is := range want {
				if !e.Real() {
					is = is[:strings.LastIndex(is, " expires ")]
				}
				require.True(t, strings.HasPrefix(got["back:"+name], is), name)
			}
			diff, err := CompareWith(t.Context(), e.Client, bytes.NewReader(file), CompareOptions{Prefix: "back:", Slack: time.Minute})
			require.NoError(t, err)
			assert.Truef(t, diff.Empty(), "%+v", diff)
			remove(t, e.Client, prefixed)
		})
	}
}

// TestLarge: keys of every type that are read in pieces.
func TestLarge(t *testing.T) {
	kinds := []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone, redistest.KindCluster, redistest.KindMigrating}
	redistest.On(t, kinds, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		key := func(part string) string { return e.Namespace + ":{" + e.ID("a") + "}" + part }
		n := 3000
		if !e.Real() {
			n = 2500
		}
		pipe := e.Client.Pipeline()
		for i := 0; i < n; i += 500 {
			var members, fields []any
			var scores []redis.Z
			for j := i; j < i+500; j++ {
				members = append(members, fmt.Sprint("m", j))
				fields = append(fields, fmt.Sprint("f", j), fmt.Sprint("v", j))
				scores = append(scores, redis.Z{Score: float64(j) / 7, Member: fmt.Sprint("m", j)})
			}
			pipe.RPush(ctx, key("list}odd"), members...)
			pipe.SAdd(ctx, key("set"), members...)
			pipe.HSet(ctx, key("hash"), fields...)
			pipe.ZAdd(ctx, key("zset"), scores...)
		}
		pipe.Set(ctx, key("string"), strings.Repeat("0123456789", 130_000), 0)
		pipe.PExpire(ctx, key("set"), time.Hour)
		_, err := pipe.Exec(ctx)
		require.NoError(t, err)
		names := []string{key("list}odd"), key("set"), key("hash"), key("zset"), key("string")}
		want := content(t, e.Client, names)
		file, s := dumped(t, e.Client, Options{MaxKeyBytes: 10_000, Match: e.Namespace + "*"})
		assert.Equal(t, int64(5), s.Keys)
		torn := s.Torn
		if e.Real() { // miniredis has ideas of its own of what a key weighs
			assert.Equal(t, int64(5), torn)
		}
		remove(t, e.Client, names)
		s, err = Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{})
		if e.Kind == redistest.KindMigrating {
			// A rename takes two keys, which such a slot does not have in one place.
			require.ErrorContains(t, err, "TRYAGAIN")
			assert.Equal(t, int64(5), s.Failed)
			left, err := temporaries(ctx, e)
			require.NoError(t, err)
			assert.Empty(t, left)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, int64(5), s.Keys)
		assert.Equal(t, torn, s.Torn)
		assert.Equal(t, want, content(t, e.Client, names))
		diff, err := CompareWith(ctx, e.Client, bytes.NewReader(file), CompareOptions{Slack: time.Minute})
		require.NoError(t, err)
		assert.Truef(t, diff.Empty(), "%+v", diff)
		assert.Equal(t, torn, diff.Torn)
		s, err = Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{})
		require.NoError(t, err)
		assert.Equal(t, int64(5), s.Skipped)
		require.NoError(t, e.Client.SRem(ctx, key("set"), "m3").Err())
		require.NoError(t, e.Client.LSet(ctx, key("list}odd"), 1500, "other").Err())
		require.NoError(t, e.Client.SetRange(ctx, key("string"), 1_200_000, "other").Err())
		require.NoError(t, e.Client.ZIncrBy(ctx, key("zset"), 1, "m7").Err())
		require.NoError(t, e.Client.HSet(ctx, key("hash"), "another", "v").Err())
		diff, err = CompareWith(ctx, e.Client, bytes.NewReader(file), CompareOptions{Slack: time.Minute})
		require.NoError(t, err)
		assert.ElementsMatch(t, names, diff.Different)
		s, err = Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{Mode: Replace})
		require.NoError(t, err)
		assert.Equal(t, int64(5), s.Keys)
		assert.Equal(t, want, content(t, e.Client, names))
		left, err := temporaries(ctx, e)
		require.NoError(t, err)
		assert.Empty(t, left)
	})
}

// TestStreams: with all that DUMP knows between servers, by entries and groups to one that has no such DUMP.
func TestStreams(t *testing.T) {
	rdb := redistest.Standalone(t)
	ctx := t.Context()
	name := "streams:a"
	require.NoError(t, rdb.Del(ctx, name).Err())
	for i := range 20 {
		require.NoError(t, rdb.XAdd(ctx, &redis.XAddArgs{Stream: name, ID: fmt.Sprintf("%d-1", i+1), Values: []string{"a", strconv.Itoa(i), "a", "twice"}}).Err())
	}
	require.NoError(t, rdb.XDel(ctx, name, "20-1").Err())
	require.NoError(t, rdb.XGroupCreate(ctx, name, "g", "0").Err())
	require.NoError(t, rdb.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{name, ">"}, Count: 3}).Err())
	require.NoError(t, rdb.PExpire(ctx, name, time.Hour).Err())
	file, s := dumped(t, rdb, Options{Match: "streams:*", PortableStreams: true})
	assert.Equal(t, int64(1), s.Keys)
	require.NoError(t, rdb.Del(ctx, name).Err())
	_, err := Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})
	require.NoError(t, err)
	diff, err := Compare(ctx, rdb, bytes.NewReader(file))
	require.NoError(t, err)
	assert.Truef(t, diff.Empty(), "%+v", diff)
	pending, err := rdb.XPending(ctx, name, "g").Result()
	require.NoError(t, err)
	assert.Equal(t, int64(3), pending.Count, "DUMP keeps what consumers have pending")
	info, err := rdb.XInfoStream(ctx, name).Result()
	require.NoError(t, err)
	assert.Equal(t, "20-1", info.LastGeneratedID)

	require.NoError(t, rdb.XAdd(ctx, &redis.XAddArgs{Stream: name, Values: []string{"a", "b"}}).Err())
	diff, err = Compare(ctx, rdb, bytes.NewReader(file))
	require.NoError(t, err)
	assert.Equal(t, []string{name}, diff.Different)

	redistest.On(t, []redistest.Kind{redistest.KindMiniredis}, func(t *testing.T, e redistest.Env) {
		s, err := Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{})
		require.NoError(t, err)
		assert.Equal(t, int64(1), s.Keys)
		diff, err := CompareWith(ctx, e.Client, bytes.NewReader(file), CompareOptions{Slack: time.Minute})
		require.NoError(t, err)
		assert.Truef(t, diff.Empty(), "%+v", diff)
		again, _ := dumped(t, e.Client, Options{PortableStreams: true})
		require.NoError(t, rdb.Del(ctx, name).Err())
		_, err = Restore(ctx, rdb, bytes.NewReader(again), RestoreOptions{})
		require.NoError(t, err)
		entries, err := rdb.XRange(ctx, name, "-", "+").Result()
		require.NoError(t, err)
		assert.Len(t, entries, 19)
		var file bytes.Buffer
		_, err = Dump(ctx, e.Client, &file, Options{})
		require.ErrorIs(t, err, ErrPartial, "without PortableStreams there is nothing that could be stored")
		_, err = Restore(ctx, rdb, &file, RestoreOptions{})
		require.ErrorIs(t, err, ErrIncomplete)
	})
	require.NoError(t, rdb.Del(ctx, name).Err())
}

// TestFieldExpiry: miniredis knows fields that expire, Redis 7.0 does not, and says so before anything is written.
func TestFieldExpiry(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		require.NoError(t, e.Client.HSet(ctx, "h", "f", "v", "g", "w").Err())
		require.NoError(t, e.Client.HExpire(ctx, "h", 1000*time.Second, "f").Err())
		for _, opts := range []Options{{}, {MaxKeyBytes: 1}} {
			file, s := dumped(t, e.Client, opts)
			require.Equal(t, int64(1), s.Keys)
			require.NoError(t, e.Client.Del(ctx, "h").Err())
			_, err := Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{})
			require.NoError(t, err)
			ttls, err := e.Client.HTTL(ctx, "h", "f", "g").Result()
			require.NoError(t, err)
			assert.InDelta(t, 1000, ttls[0], 120)
			assert.Equal(t, int64(-1), ttls[1])

			rdb := redistest.Standalone(t)
			s, err = Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{Prefix: "fields:", Mode: Replace})
			require.ErrorIs(t, err, ErrFieldExpiry)
			assert.Equal(t, int64(1), s.Failed)
			require.NoError(t, rdb.Exists(ctx, "fields:h").Err())
			assert.Zero(t, rdb.Exists(ctx, "fields:h").Val(), "no field that should expire lives for ever")
		}
	})
}

// TestOlderServers: what a server does not know is found out, and done without.
func TestOlderServers(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{
		"--rename-command", "PEXPIRETIME", "", "--rename-command", "MEMORY", "", "--rename-command", "TIME", "time",
	}})
	rdb := s.Client()
	names := fill(t, rdb, "a:", 300, 9)
	for i := range 3000 {
		require.NoError(t, rdb.RPush(t.Context(), "a:large", i).Err())
	}
	file, sum := dumped(t, rdb, Options{MaxKeyBytes: 100_000})
	assert.Equal(t, int64(301), sum.Keys)
	assert.Equal(t, int64(1), sum.Torn, "its length tells its size")
	diff, err := Compare(t.Context(), rdb, bytes.NewReader(file))
	require.NoError(t, err)
	assert.Truef(t, diff.Empty(), "%+v", diff)
	remove(t, rdb, append(names, "a:large"))
	sum, err = Restore(t.Context(), rdb, bytes.NewReader(file), RestoreOptions{})
	require.NoError(t, err)
	assert.Equal(t, int64(301), sum.Keys)
	diff, err = Compare(t.Context(), rdb, bytes.NewReader(file))
	require.NoError(t, err)
	assert.Truef(t, diff.Empty(), "%+v", diff)
}
