package monitor

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

func names(keys []BigKey) []string {
	out := []string{}
	for _, k := range keys {
		out = append(out, k.Name)
	}
	return out
}

// TestBigKeysEverywhere: planted keys are found on every kind of server, with what there is to know of them.
func TestBigKeysEverywhere(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		if e.Kind == redistest.KindAutoPipeline || e.Kind == redistest.KindClusterAutoPipeline {
			_, err := BigKeys(ctx, e.Client, BigKeysOptions{})
			require.ErrorContains(t, err, "AutoPipeliner")
			return
		}
		ns := e.Namespace
		key := func(name string) string { return ns + ":{" + e.ID(name) + "}" }
		for i := range 300 {
			require.NoError(t, e.Client.Set(ctx, key(fmt.Sprint("small", i)), "v", 0).Err())
		}
		require.NoError(t, e.Client.Set(ctx, key("text"), strings.Repeat("x", 2<<20), time.Hour).Err())
		fieldsOf := make(map[string]any)
		for i := range 3000 {
			fieldsOf[fmt.Sprint("field", i)] = strings.Repeat("y", 1000)
		}
		require.NoError(t, e.Client.HSet(ctx, key("hash"), fieldsOf).Err())
		t.Cleanup(func() {
			_ = e.Client.Unlink(context.Background(), key("text")).Err()
			_ = e.Client.Unlink(context.Background(), key("hash")).Err()
		})
		var last BigKeysProgress
		report, err := BigKeys(ctx, e.Client, BigKeysOptions{Match: ns + ":*", Batch: 50, Progress: func(p BigKeysProgress) { last = p }})
		require.NoError(t, err)
		assert.False(t, report.Partial)
		assert.Equal(t, int64(302), report.Scanned)
		assert.GreaterOrEqual(t, report.Total, report.Scanned)
		assert.Equal(t, report.Scanned, last.Scanned)
		if !e.Real() { // its sizes are made up
			return
		}
		require.ElementsMatch(t, []string{key("hash"), key("text")}, names(report.Keys))
		byName := map[string]BigKey{}
		for _, k := range report.Keys {
			byName[k.Name] = k
			assert.GreaterOrEqual(t, k.Bytes, int64(1<<20))
			assert.NotEmpty(t, k.Node)
		}
		text, hash := byName[key("text")], byName[key("hash")]
		assert.Equal(t, []any{"string", "raw", int64(2 << 20)}, []any{text.Type, text.Encoding, text.Length})
		assert.Equal(t, []any{"hash", "hashtable", int64(3000)}, []any{hash.Type, hash.Encoding, hash.Length})
		assert.Greater(t, text.TTL, 30*time.Minute)
		assert.Equal(t, time.Duration(-1), hash.TTL)
		assert.Equal(t, []string{key("hash")}, names(report.WithoutTTL()))
		assert.Equal(t, []string{key("text")}, names(report.ByType["string"]))
		require.NotEmpty(t, report.ByPrefix)
		assert.Equal(t, PrefixUsage{Prefix: ns + ":", Keys: 302, Bytes: report.Bytes}, report.ByPrefix[0])
	})
}

// TestBigKeysModel: random keys beside what MEMORY USAGE says of each.
func TestBigKeysModel(t *testing.T) {
	t.Parallel()
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	r := rand.New(rand.NewPCG(5, 5))
	pipe := rdb.Pipeline()
	for i := range 1500 {
		name := fmt.Sprintf("%s:%c:%d", []string{"user", "cart", "page"}[r.IntN(3)], 'a'+rune(r.IntN(4)), i)
		switch r.IntN(4) {
		case 0:
			pipe.Set(ctx, name, strings.Repeat("x", r.IntN(3000)), time.Duration(r.IntN(2))*time.Hour)
		case 1:
			pipe.RPush(ctx, name, strings.Repeat("x", r.IntN(300)), "b")
		case 2:
			pipe.ZAdd(ctx, name, redis.Z{Score: 1, Member: strings.Repeat("x", r.IntN(900))})
		case 3:
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: name, Values: []string{"k", strings.Repeat("x", r.IntN(500))}})
		}
	}
	_, err := pipe.Exec(ctx)
	require.NoError(t, err)
	all, err := rdb.Keys(ctx, "*").Result()
	require.NoError(t, err)
	for _, c := range []struct {
		threshold int64
		top       int
	}{{-1, 7}, {600, 20}, {1500, 100_000}, {1 << 30, 5}} {
		var want []BigKey
		byType, byPrefix := map[string][]BigKey{}, map[string]PrefixUsage{}
		var total int64
		for _, name := range all {
			size := rdb.MemoryUsage(ctx, name).Val()
			total += size
			prefix := strings.Join(strings.SplitAfter(name, ":")[:2], "")
			p := byPrefix[prefix]
			byPrefix[prefix] = PrefixUsage{Prefix: prefix, Keys: p.Keys + 1, Bytes: p.Bytes + size}
			if size >= c.threshold {
				k := BigKey{Name: name, Bytes: size}
				want = append(want, k)
				kind := rdb.Type(ctx, name).Val()
				byType[kind] = append(byType[kind], k)
			}
		}
		top := func(list []BigKey) []string {
			slices.SortFunc(list, bigger)
			return names(list[:min(len(list), c.top)])
		}
		got, err := BigKeys(ctx, rdb, BigKeysOptions{Threshold: c.threshold, Top: c.top, Batch: 37, Depth: 2})
		require.NoError(t, err)
		assert.Equal(t, int64(len(all)), got.Scanned)
		assert.Equal(t, total, got.Bytes)
		assert.Equal(t, top(want), names(got.Keys))
		assert.Len(t, got.ByType, len(byType))
		for kind, list := range byType {
			assert.Equal(t, top(list), names(got.ByType[kind]), kind)
		}
		assert.Len(t, got.ByPrefix, min(12, c.top))
		for _, p := range got.ByPrefix {
			assert.Equal(t, byPrefix[p.Prefix], p)
		}
	}
	for _, k := range []struct {
		key   string
		depth int
		want  string
	}{{"a:b:c", 1, "a:"}, {"a:b:c", 2, "a:b:"}, {"a:b:c", 9, "a:b:"}, {"abc", 1, ""}, {"", 1, ""}} {
		assert.Equal(t, k.want, prefixOf(k.key, ":", k.depth))
	}
}

// twice is a hook that has each page of SCAN hold its keys twice, and those of the page before.
type twice struct {
	trips
	mu     sync.Mutex
	before []string
}

func (h *twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if scan, ok := cmd.(*redis.ScanCmd); ok && err == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			keys, cursor := scan.Val()
			scan.SetVal(slices.Concat(keys, keys, h.before), cursor)
			h.before = slices.Clone(keys)
		}
		return err
	}
}

// TestBigKeysOnce: a key that SCAN returns again, as it does while a table shrinks, counts once.
func TestBigKeysOnce(t *testing.T) {
	t.Parallel()
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	for i := range 100 {
		require.NoError(t, rdb.Set(t.Context(), fmt.Sprint("k", i), strings.Repeat("x", i*10), 0).Err())
	}
	want, err := BigKeys(t.Context(), rdb, BigKeysOptions{Threshold: -1, Batch: 10})
	require.NoError(t, err)
	rdb.AddHook(&twice{})
	got, err := BigKeys(t.Context(), rdb, BigKeysOptions{Threshold: -1, Batch: 10})
	require.NoError(t, err)
	assert.Equal(t, int64(100), got.Scanned)
	assert.Equal(t, want, got)
}

// TestRanking: beside a list that is sorted at the end, with names that come again as larger and as smaller.
func TestRanking(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	for _, top := range []int{1, 2, 7, 100, 5000} {
		r := &ranking[BigKey]{top: top, order: bigger, id: func(k BigKey) keyID { return keyID{k.Name, k.Node} }}
		largest := map[keyID]BigKey{}
		for range rnd.IntN(4000) {
			k := BigKey{Name: strconv.Itoa(rnd.IntN(900)), Node: strconv.Itoa(rnd.IntN(2)), Bytes: rnd.Int64N(500)}
			r.add(k)
			if have, ok := largest[keyID{k.Name, k.Node}]; !ok || have.Bytes < k.Bytes {
				largest[keyID{k.Name, k.Node}] = k
			}
		}
		want := slices.SortedFunc(maps.Values(largest), bigger)
		assert.Equal(t, want[:min(len(want), top)], r.cut(), top)
		assert.LessOrEqual(t, cap(r.list), 4*top+256)
	}
}

// TestPrefixesAreBounded: of a million prefixes the heavy ones are told, though the heaviest comes last.
func TestPrefixesAreBounded(t *testing.T) {
	b := newBigKeys(BigKeysOptions{Separator: ":", Depth: 1, Top: 4, Batch: 1})
	for i := range 100_000 {
		b.addPrefix(fmt.Sprintf("p%d:x", i), 10)
		if i%1000 == 0 {
			b.addPrefix("often:x", 100)
		}
	}
	b.addPrefix("heavy:x", 1<<30)
	assert.LessOrEqual(t, len(b.prefixes), 2*prefixes)
	b.finish(t.Context(), nil)
	got := b.report.ByPrefix
	require.Len(t, got, 4)
	assert.Equal(t, PrefixUsage{Prefix: "heavy:", Keys: 1, Bytes: 1 << 30}, got[0])
	assert.Equal(t, otherPrefixes, got[1].Prefix)
	assert.Equal(t, got[1].Keys*10, got[1].Bytes)
	assert.Equal(t, PrefixUsage{Prefix: "often:", Keys: 100, Bytes: 10_000}, got[2])
	assert.Equal(t, int64(10), got[3].Bytes)
}

// pages is a hook that notes how long the longest pipeline is.
type pages struct {
	trips
	longest int
}

func (h *pages) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.mu.Lock()
		h.longest = max(h.longest, len(cmds))
		h.mu.Unlock()
		return next(ctx, cmds)
	}
}

// TestBigKeysInPages: however many keys are reported, no pipeline is longer than some pages.
func TestBigKeysInPages(t *testing.T) {
	t.Parallel()
	rdb := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory-policy", "allkeys-lfu"}}).Client()
	pipe := rdb.Pipeline()
	for i := range 3000 {
		pipe.Set(t.Context(), fmt.Sprint("k", i), "v", 0)
	}
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	h := &pages{}
	rdb.AddHook(h)
	report, err := BigKeys(t.Context(), rdb, BigKeysOptions{Threshold: -1, Top: 3000, Batch: 100})
	require.NoError(t, err)
	require.Len(t, report.Keys, 3000)
	for _, k := range report.Keys {
		require.Equal(t, []any{"embstr", int64(1)}, []any{k.Encoding, k.Length})
	}
	hot, err := HotKeys(t.Context(), rdb, HotKeysOptions{Top: 3000, Batch: 100})
	require.NoError(t, err)
	require.Len(t, hot.Keys, 3000)
	for _, k := range hot.Keys {
		require.Equal(t, "string", k.Type)
	}
	assert.LessOrEqual(t, h.longest, 500)
}

// TestBigKeysTTL: what is not known is not told, and what is further than a Duration reaches is far.
func TestBigKeysTTL(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"narrow on >secret ~* +scan +memory|usage +type"}})
	rdb := s.Client()
	require.NoError(t, rdb.Set(t.Context(), "far", strings.Repeat("x", 100), 0).Err())
	require.NoError(t, rdb.Do(t.Context(), "pexpire", "far", "20000000000000").Err())
	require.NoError(t, rdb.Set(t.Context(), "k", "v", 0).Err())
	report, err := BigKeys(t.Context(), rdb, BigKeysOptions{Threshold: -1})
	require.NoError(t, err)
	assert.Greater(t, report.Keys[0].TTL, 292*365*24*time.Hour)
	assert.Equal(t, []string{"k"}, names(report.WithoutTTL()))
	report, err = BigKeys(t.Context(), s.Client(func(o *redis.Options) { o.Username, o.Password = "narrow", "secret" }), BigKeysOptions{Threshold: -1})
	require.NoError(t, err)
	require.Len(t, report.Keys, 2)
	assert.Equal(t, time.Duration(-2), report.Keys[0].TTL)
	assert.Empty(t, report.WithoutTTL())
}

// TestBigKeysNames: a name may hold any bytes.
func TestBigKeysNames(t *testing.T) {
	t.Parallel()
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client(func(o *redis.Options) { o.Protocol = 2 })
	all := []string{"", "a\r\nb", "\x00\xff\xfe", "\x1b[31mred", "*", "user:\x1b]0;x\x07:1", "$5\r\nhello\r\n", strings.Repeat("k", 70_000), "{", "ключ"}
	for _, k := range all {
		require.NoError(t, rdb.Set(t.Context(), k, "v", 0).Err())
	}
	report, err := BigKeys(t.Context(), rdb, BigKeysOptions{Threshold: -1, Batch: 3})
	require.NoError(t, err)
	assert.ElementsMatch(t, all, names(report.Keys))
	for _, k := range report.Keys {
		assert.Equal(t, []any{"string", int64(1), time.Duration(-1)}, []any{k.Type, k.Length, k.TTL})
	}
}

// TestBigKeysWhileSlotsMove: the keys of a slot that is moving are counted where they are, and a master that dies
// leaves a partial report.
func TestBigKeysWhileSlotsMove(t *testing.T) {
	t.Parallel()
	c := redistest.NewCluster(t)
	from := c.MasterOf("{x}")
	to := c.Masters()[0]
	if to == from {
		to = c.Masters()[1]
	}
	rdb := c.Client()
	for i := range 100 {
		require.NoError(t, rdb.Set(t.Context(), fmt.Sprintf("{x}%d", i), "v", 0).Err())
	}
	require.NoError(t, c.Migrate(t.Context(), redistest.Slot("{x}"), from, to))
	host, port, err := net.SplitHostPort(to.Addr())
	require.NoError(t, err)
	for i := range 40 {
		require.NoError(t, from.Client().Do(t.Context(), "migrate", host, port, fmt.Sprintf("{x}%d", i), 0, 60_000).Err())
	}
	for _, protocol := range []int{2, 3} {
		rdb := c.Client(func(o *redis.ClusterOptions) { o.Protocol = protocol })
		report, err := BigKeys(t.Context(), rdb, BigKeysOptions{Threshold: -1, Top: 1000, Batch: 13})
		require.NoError(t, err)
		assert.Equal(t, int64(100), report.Scanned)
		require.Len(t, report.Keys, 100)
		nodes := map[string]int{}
		for _, k := range report.Keys {
			nodes[k.Node]++
			assert.Equal(t, []any{"string", "embstr", int64(1)}, []any{k.Type, k.Encoding, k.Length})
		}
		assert.Equal(t, map[string]int{from.Addr(): 60, to.Addr(): 40}, nodes)
	}
	from.Kill()
	report, err := BigKeys(t.Context(), rdb, BigKeysOptions{Threshold: -1})
	require.Error(t, err)
	assert.True(t, report.Partial)
	top, err := Topology(t.Context(), rdb)
	require.NoError(t, err)
	for _, m := range top.Masters {
		assert.Equal(t, m.Addr != from.Addr(), m.Up, m.Addr)
		if !m.Up {
			assert.Equal(t, m.Slots, top.SlotsMissing, "nobody who lives serves them")
			assert.Equal(t, clusterSlots-(m.Slots[0][1]-m.Slots[0][0]+1), top.SlotsCovered)
		}
	}
}

// TestBigKeysBudget: keys, time and the caller's context end a scan, and what was found by then is reported.
func TestBigKeysBudget(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	pipe := rdb.Pipeline()
	for i := range 2000 {
		pipe.Set(t.Context(), fmt.Sprint("k", i), strings.Repeat("x", 500), 0)
	}
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	opts := BigKeysOptions{Threshold: -1, Top: 5, Batch: 20}
	opts.MaxKeys = 150
	report, err := BigKeys(t.Context(), rdb, opts)
	require.NoError(t, err)
	assert.True(t, report.Partial)
	assert.Equal(t, int64(150), report.Scanned)
	assert.Equal(t, int64(2000), report.Total)
	assert.Len(t, report.Keys, 5)
	opts.MaxKeys, opts.MaxTime = 0, time.Nanosecond
	report, err = BigKeys(t.Context(), rdb, opts)
	require.NoError(t, err)
	assert.True(t, report.Partial)
	assert.Positive(t, report.Scanned)
	assert.Less(t, report.Scanned, int64(2000))
	ctx, cancel := context.WithCancel(t.Context())
	opts.MaxTime = 0
	opts.Pause = time.Millisecond
	opts.Progress = func(p BigKeysProgress) {
		if p.Scanned >= 100 {
			cancel()
		}
	}
	report, err = BigKeys(ctx, rdb, opts)
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, report.Partial)
	assert.GreaterOrEqual(t, report.Scanned, int64(100))
	assert.Len(t, report.Keys, 5)
	report, err = BigKeys(ctx, rdb, opts)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, BigKeysReport{Partial: true, Keys: []BigKey{}, ByType: map[string][]BigKey{}, ByPrefix: []PrefixUsage{}}, report)
	hot, err := HotKeys(ctx, rdb, HotKeysOptions{})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, HotKeysReport{Partial: true, Keys: []HotKey{}}, hot)
}

// TestBigKeysDies: a node that dies leaves what it and the others told.
func TestBigKeysDies(t *testing.T) {
	t.Parallel()
	a, b := redistest.NewServer(t, redistest.ServerOptions{}), redistest.NewServer(t, redistest.ServerOptions{})
	proxy := redistest.NewProxy(t, "tcp", b.Addr())
	for _, s := range []*redistest.Server{a, b} {
		pipe := s.Client().Pipeline()
		for i := range 500 {
			pipe.Set(t.Context(), fmt.Sprint(s.Addr(), i), "v", 0)
		}
		_, err := pipe.Exec(t.Context())
		require.NoError(t, err)
	}
	ring := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"a": a.Addr(), "b": proxy.Addr()}, MaxRetries: -1, DialerRetries: 1, ReadTimeout: 30 * time.Second, HeartbeatFrequency: time.Hour,
	})
	t.Cleanup(func() { _ = ring.Close() })
	report, err := BigKeys(t.Context(), ring, BigKeysOptions{Batch: 20, Threshold: -1, Progress: func(p BigKeysProgress) {
		if p.Scanned >= 200 {
			proxy.Refuse()
			proxy.CloseConnections()
		}
	}})
	node, ok := asNodeError(err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, proxy.Addr(), node.Addr)
	assert.True(t, report.Partial)
	assert.GreaterOrEqual(t, report.Scanned, int64(500))
}

func asNodeError(err error) (*NodeError, bool) {
	type many interface{ Unwrap() []error }
	for err != nil {
		if n, ok := err.(*NodeError); ok { //nolint:errorlint // walks by hand
			return n, true
		}
		if m, ok := err.(many); ok {
			for _, one := range m.Unwrap() {
				if n, ok := asNodeError(one); ok {
					return n, true
				}
			}
			return nil, false
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return nil, false
		}
		err = u.Unwrap()
	}
	return nil, false
}

// TestBigKeysOfSomeKeys: a user who may read some keys learns of those; one who may not ask at all is told so.
func TestBigKeysOfSomeKeys(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{
		"app on >secret ~app:* +@all", "narrow on >secret ~* +scan +memory|usage", "poor on >secret ~* +scan",
	}, Args: []string{"--maxmemory-policy", "allkeys-lfu"}})
	rdb := s.Client()
	for _, name := range []string{"app:1", "app:2", "other:1"} {
		require.NoError(t, rdb.Set(t.Context(), name, strings.Repeat("x", 3000), 0).Err())
	}
	as := func(user string) *redis.Client {
		return s.Client(func(o *redis.Options) { o.Username, o.Password = user, "secret" })
	}
	report, err := BigKeys(t.Context(), as("app"), BigKeysOptions{Threshold: 1000})
	require.NoError(t, err)
	assert.Equal(t, []string{"app:1", "app:2"}, names(report.Keys))
	assert.Equal(t, int64(1), report.Denied)
	assert.Equal(t, int64(2), report.Scanned)
	assert.False(t, report.Partial)
	hot, err := HotKeys(t.Context(), as("app"), HotKeysOptions{})
	require.NoError(t, err)
	assert.Equal(t, int64(1), hot.Denied)
	assert.Len(t, hot.Keys, 2)
	report, err = BigKeys(t.Context(), as("narrow"), BigKeysOptions{Threshold: 1000})
	require.NoError(t, err)
	require.Len(t, report.Keys, 3)
	assert.Equal(t, BigKey{Name: "other:1", Type: "unknown", Node: report.Keys[0].Node, Bytes: report.Keys[0].Bytes, Length: -1, TTL: -2}, report.Keys[0])
	_, err = BigKeys(t.Context(), as("poor"), BigKeysOptions{})
	require.ErrorContains(t, err, "memory usage: NOPERM")
	assert.NotContains(t, err.Error(), "secret")
}

type wrapper struct{ redis.UniversalClient }

// TestBigKeysOfManyPages: an answer about a key says nothing of the key that is asked about with the same command next.
func TestBigKeysOfManyPages(t *testing.T) {
	t.Parallel()
	s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"app on >secret ~app:* +@all"}})
	pipe := s.Client().Pipeline()
	var bytes int64
	for i := range 400 {
		name := fmt.Sprint("app:", i)
		if i%2 == 1 {
			name = fmt.Sprint("other:", i)
		}
		pipe.Set(t.Context(), name, strings.Repeat("x", i), 0)
		if i%2 == 0 {
			pipe.MemoryUsage(t.Context(), name)
		}
	}
	cmds, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	for _, cmd := range cmds {
		if size, ok := cmd.(*redis.IntCmd); ok {
			bytes += size.Val()
		}
	}
	rdb := s.Client(func(o *redis.Options) { o.Username, o.Password = "app", "secret" })
	for i, batch := range []int{1, 7, 0, 7} {
		client := redis.UniversalClient(rdb)
		if i == 3 {
			client = wrapper{rdb} // of a kind that nobody knows
		}
		report, err := BigKeys(t.Context(), client, BigKeysOptions{Threshold: -1, Batch: batch})
		require.NoError(t, err)
		assert.Equal(t, []int64{200, 200, bytes}, []int64{report.Scanned, report.Denied, report.Bytes})
		require.Len(t, report.ByPrefix, 1)
	}
}

func TestBigKeysRefused(t *testing.T) {
	t.Parallel()
	rdb := offline(t)
	for field, opts := range map[string]BigKeysOptions{
		"Threshold": {Threshold: -2}, "Top": {Top: -1}, "Samples": {Samples: -1}, "Depth": {Depth: -1}, "Batch": {Batch: 10_001},
		"Pause": {Pause: -1}, "MaxKeys": {MaxKeys: -1}, "MaxTime": {MaxTime: -1},
	} {
		_, err := BigKeys(t.Context(), rdb, opts)
		require.ErrorContains(t, err, "monitor: BigKeysOptions."+field)
	}
	for _, opts := range []HotKeysOptions{{Top: -1}, {Batch: -1}, {Pause: -1}, {MaxKeys: -1}, {MaxTime: -1}} {
		_, err := HotKeys(t.Context(), rdb, opts)
		require.ErrorContains(t, err, "monitor: HotKeysOptions")
	}
	_, err := BigKeys(t.Context(), nil, BigKeysOptions{})
	require.Error(t, err)
	_, err = BigKeys(t.Context(), rdb, BigKeysOptions{})
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	s := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--rename-command", "MEMORY", ""}})
	require.NoError(t, s.Client().Set(t.Context(), "k", "v", 0).Err())
	report, err := BigKeys(t.Context(), s.Client(), BigKeysOptions{})
	require.ErrorContains(t, err, "unknown command")
	assert.True(t, report.Partial)
}

// TestBigKeysLeavesIdleTimes: scanning makes no cold key hot.
func TestBigKeysLeavesIdleTimes(t *testing.T) {
	t.Parallel()
	rdb := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory-policy", "allkeys-lfu"}}).Client()
	require.NoError(t, rdb.Set(t.Context(), "cold", "v", 0).Err())
	before, err := rdb.ObjectFreq(t.Context(), "cold").Result()
	require.NoError(t, err)
	for range 30 {
		_, err := BigKeys(t.Context(), rdb, BigKeysOptions{})
		require.NoError(t, err)
		_, err = HotKeys(t.Context(), rdb, HotKeysOptions{})
		require.NoError(t, err)
	}
	after, err := rdb.ObjectFreq(t.Context(), "cold").Result()
	require.NoError(t, err)
	assert.LessOrEqual(t, after, before)
}

// TestHotKeys: under an LFU policy what is read most is found; under another there is nothing to find.
func TestHotKeys(t *testing.T) {
	t.Parallel()
	rdb := redistest.NewServer(t, redistest.ServerOptions{Args: []string{"--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"}}).Client()
	pipe := rdb.Pipeline()
	for i := range 300 {
		pipe.HSet(t.Context(), fmt.Sprint("k", i), "f", "v")
	}
	for range 200 {
		pipe.HGet(t.Context(), "k42", "f")
	}
	for range 100 {
		pipe.HGet(t.Context(), "k7", "f")
	}
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	report, err := HotKeys(t.Context(), rdb, HotKeysOptions{Top: 3, Batch: 30})
	require.NoError(t, err)
	require.Len(t, report.Keys, 3)
	assert.Equal(t, []string{"k42", "k7"}, []string{report.Keys[0].Name, report.Keys[1].Name})
	assert.Equal(t, "hash", report.Keys[0].Type)
	assert.Greater(t, report.Keys[0].Frequency, report.Keys[1].Frequency)
	assert.Equal(t, int64(300), report.Scanned)
	report, err = HotKeys(t.Context(), rdb, HotKeysOptions{MaxKeys: 40, Batch: 30, MaxTime: time.Hour})
	require.NoError(t, err)
	assert.True(t, report.Partial)
	assert.Equal(t, int64(40), report.Scanned)
	report, err = HotKeys(t.Context(), redistest.Standalone(t), HotKeysOptions{})
	require.ErrorIs(t, err, ErrNoLFU)
	assert.True(t, report.Partial)
}
