package warmup_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/warmup"
)

// TestFromRedis copies from every kind of server into another one, and back.
func TestFromRedis(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		prefix := e.Namespace + ":" // over all nodes
		if e.Kind == redistest.KindMigrating {
			prefix = e.Namespace + ":{" + e.ID("c") + "}:"
		}
		random := rand.New(rand.NewPCG(8, 3))
		want := map[string]string{}
		for i := range 60 {
			value := make([]byte, random.IntN(200))
			for k := range value {
				value[k] = byte(random.UintN(256))
			}
			key := prefix + "\x00\xff{" + strconv.Itoa(i)
			want[key] = string(value)
			require.NoError(t, e.Client.Set(ctx, key, value, time.Duration(i%3)*time.Hour).Err())
		}
		require.NoError(t, e.Client.HSet(ctx, prefix+"hash", "f", "v").Err())
		require.NoError(t, e.Client.SAdd(ctx, prefix+"set", "v").Err())
		require.NoError(t, e.Client.Set(ctx, "other"+e.Namespace, "v", time.Minute).Err())

		target := lardertest.New(t)
		report, err := warmer(t, target, warmup.Options{TTL: time.Second}).Run(ctx, warmup.FromRedis(e.Client, prefix+"*"))
		if e.Kind == redistest.KindClusterAutoPipeline {
			require.ErrorIs(t, err, warmup.ErrSource)
			require.ErrorContains(t, err, "AutoPipeliner")
			requireEmpty(t, target)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, 2, report.Skipped)
		assert.GreaterOrEqual(t, report.Stored, len(want)) // SCAN may say a key twice
		assert.EqualValues(t, len(want), target.DBSize(ctx).Val())
		check := func(from, to redis.UniversalClient) {
			t.Helper()
			for key, value := range want {
				require.Equal(t, value, to.Get(ctx, key).Val())
				a, b := from.PTTL(ctx, key).Val(), to.PTTL(ctx, key).Val()
				require.Equal(t, a == -1, b == -1, "what has no expiry has none")
				require.Less(t, (a - b).Abs(), time.Minute)
			}
		}
		check(e.Client, target)

		for key := range want {
			require.NoError(t, e.Client.Del(ctx, key).Err())
		}
		_, err = warmer(t, e.Client, warmup.Options{}).Run(ctx, warmup.FromRedis(target, ""))
		require.NoError(t, err)
		check(target, e.Client)
	})
}

// TestCopiedExpiry: a copy ends when its original does, however long the run took; what ends meanwhile is not copied.
func TestCopiedExpiry(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		ctx := t.Context()
		target, stop := lardertest.Start()
		defer stop()
		const n = 100
		for i := range n {
			ttl := time.Duration(500+100*i) * time.Millisecond
			if i%10 == 0 {
				ttl = 0
			}
			require.NoError(t, rdb.Set(ctx, "k"+strconv.Itoa(i), i, ttl).Err())
		}
		// The slow rate takes 10 seconds, in which some keys end.
		report, err := warmer(t, target, warmup.Options{Rate: 10, Burst: 1, Jitter: 0.9}).Run(ctx, warmup.FromRedis(rdb, "k*"))
		require.NoError(t, err)
		assert.Equal(t, n, report.Stored+report.Skipped)
		assert.Positive(t, report.Skipped)
		assert.Greater(t, report.Stored, 10)
		left := 0
		for i := range n {
			key := "k" + strconv.Itoa(i)
			from, to := rdb.PTTL(ctx, key).Val(), target.PTTL(ctx, key).Val()
			if to == -2 {
				continue // ended before its turn, or since
			}
			left++
			require.Equal(t, from, to, key)
		}
		assert.GreaterOrEqual(t, left, 10)
		time.Sleep(time.Hour)
		assert.EqualValues(t, 10, target.DBSize(ctx).Val(), "no key became immortal")
	})
}

// TestReplacedWhileRead: a key that changes between the looks at it is copied as it was at one moment.
func TestReplacedWhileRead(t *testing.T) {
	ctx := t.Context()
	for _, gap := range []int{1, 2} {
		for _, c := range [][2]time.Duration{{0, time.Hour}, {time.Hour, 0}, {time.Hour, 2 * time.Hour}, {2 * time.Hour, time.Hour}, {0, 0}, {time.Hour, -1}, {0, -1}} {
			source, target := lardertest.New(t), lardertest.New(t)
			require.NoError(t, source.Set(ctx, "k", "old", c[0]).Err())
			opts := *source.Options()
			meddled := redis.NewClient(&opts)
			t.Cleanup(func() { _ = meddled.Close() })
			var once sync.Once
			meddled.AddHook(splitter{at: gap, do: func() {
				once.Do(func() {
					if c[1] < 0 {
						require.NoError(t, source.Del(ctx, "k").Err())
						return
					}
					require.NoError(t, source.Set(ctx, "k", "new", c[1]).Err())
				})
			}})
			report, err := warmer(t, target, warmup.Options{}).Run(ctx, warmup.FromRedis(meddled, ""))
			require.NoError(t, err)
			value, ttl := target.Get(ctx, "k").Val(), target.PTTL(ctx, "k").Val()
			near := func(d time.Duration) bool {
				return d == 0 && ttl == -1 || d > 0 && (ttl-d).Abs() < 20*time.Minute
			}
			switch value {
			case "old":
				assert.True(t, near(c[0]), "%v: old, %v", c, ttl)
			case "new":
				assert.True(t, near(c[1]), "%v: new, %v", c, ttl)
			default:
				assert.Equal(t, time.Duration(-1), c[1])
				assert.Equal(t, 1, report.Skipped)
			}
		}
	}
}

// splitter does something between two commands of a pipeline of reads.
type splitter struct {
	at int
	do func()
}

func (s splitter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s splitter) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (s splitter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() != "pttl" {
			return next(ctx, cmds)
		}
		if err := next(ctx, cmds[:s.at]); err != nil {
			return err
		}
		s.do()
		return next(ctx, cmds[s.at:])
	}
}

// TestKeepsChanging: a key that never rests is one failed item.
func TestKeepsChanging(t *testing.T) {
	ctx := t.Context()
	source := lardertest.New(t)
	require.NoError(t, source.Set(ctx, "k", "0", 0).Err())
	require.NoError(t, source.Set(ctx, "l", "0", 0).Err())
	opts := *source.Options()
	meddled := redis.NewClient(&opts)
	t.Cleanup(func() { _ = meddled.Close() })
	n := 0
	meddled.AddHook(splitter{at: 2, do: func() {
		n++
		require.NoError(t, source.Set(ctx, "k", n, time.Duration(n%2)*time.Hour).Err())
	}})
	target := lardertest.New(t)
	report, err := warmer(t, target, warmup.Options{}).Run(ctx, warmup.FromRedis(meddled, ""))
	require.NoError(t, err)
	assert.Equal(t, []int{1, 1}, []int{report.Stored, report.Failed})
	assert.Equal(t, []string{"l"}, target.Keys(ctx, "*").Val())
}

// TestLargeCopies: values are read in blocks that fit.
func TestLargeCopies(t *testing.T) {
	ctx := t.Context()
	source := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	value := make([]byte, 300<<10)
	for i := range 200 {
		value[0] = byte(i)
		require.NoError(t, source.Set(ctx, "k"+strconv.Itoa(i), value, 0).Err())
	}
	target := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	var most int
	source.AddHook(hook{any: func(cmds []redis.Cmder) {
		if cmds[0].Name() == "pttl" {
			most = max(most, len(cmds))
		}
	}})
	report, err := warmer(t, target, warmup.Options{}).Run(ctx, warmup.FromRedis(source, ""))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, report.Stored, 200)
	assert.LessOrEqual(t, most, 3*64)
	assert.EqualValues(t, 200, target.DBSize(ctx).Val())
}

// TestSourceIsCut: a source that breaks in the midst is told as such; what was read is whole, and nothing is lost of it.
func TestSourceIsCut(t *testing.T) {
	ctx := t.Context()
	s := redistest.NewServer(t, redistest.ServerOptions{})
	fill := s.Client()
	want := map[string]string{}
	for i := range 800 {
		key := "k" + strconv.Itoa(i)
		want[key] = "value" + strconv.Itoa(i)
		require.NoError(t, fill.Set(ctx, key, want[key], time.Hour).Err())
	}
	p := redistest.NewProxy(t, "tcp", s.Addr())
	random := rand.New(rand.NewPCG(8, 4))
	for range 12 {
		source := redis.NewClient(&redis.Options{Addr: p.Addr(), MaxRetries: -1, DialerRetries: 1})
		p.Heal()
		require.NoError(t, source.Ping(ctx).Err())
		p.CutReplyAfter(random.Int64N(20_000))
		target := lardertest.New(t)
		report, err := warmer(t, target, warmup.Options{}).Run(ctx, warmup.FromRedis(source, ""))
		require.ErrorIs(t, err, warmup.ErrSource)
		assert.Zero(t, report.Failed)
		assert.EqualValues(t, report.Stored, target.DBSize(ctx).Val())
		for _, key := range target.Keys(ctx, "*").Val() {
			require.Equal(t, want[key], target.Get(ctx, key).Val())
			require.Positive(t, target.PTTL(ctx, key).Val())
		}
		_ = source.Close()
	}
}

// TestSourceNodeDown: of a cluster of which a master is down the others are read, and the error says so.
func TestSourceNodeDown(t *testing.T) {
	ctx := t.Context()
	c := redistest.NewCluster(t)
	source := c.Client(func(o *redis.ClusterOptions) { o.MaxRedirects, o.DialerRetries = 1, 1 })
	for i := range 300 {
		require.NoError(t, source.Set(ctx, "k"+strconv.Itoa(i), i, 0).Err())
	}
	dead := c.MasterOf("k0")
	lost := dead.Client().DBSize(ctx).Val()
	dead.Kill()
	target := lardertest.New(t)
	report, err := warmer(t, target, warmup.Options{}).Run(ctx, warmup.FromRedis(source, ""))
	require.ErrorIs(t, err, warmup.ErrSource)
	assert.EqualValues(t, 300-lost, report.Stored)
	assert.Zero(t, target.Exists(ctx, "k0").Val())
}

// TestSourceShardDown: a Ring passes over the shards that it knows to be down, and says nothing; the run says so.
func TestSourceShardDown(t *testing.T) {
	ctx := t.Context()
	servers := []*redistest.Server{redistest.NewServer(t, redistest.ServerOptions{}), redistest.NewServer(t, redistest.ServerOptions{})}
	source := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"a": servers[0].Addr(), "b": servers[1].Addr()}, HeartbeatFrequency: 20 * time.Millisecond, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = source.Close() })
	for i := range 50 {
		require.NoError(t, source.Set(ctx, "k"+strconv.Itoa(i), i, 0).Err())
	}
	left := servers[0].Client().DBSize(ctx).Val()
	servers[1].Kill()
	redistest.Poll(t, "the shard is known to be down", func() bool { return source.Len() == 1 })
	report, err := warmer(t, lardertest.New(t), warmup.Options{}).Run(ctx, warmup.FromRedis(source, ""))
	require.ErrorIs(t, err, warmup.ErrSource)
	require.ErrorContains(t, err, servers[1].Addr())
	assert.EqualValues(t, left, report.Stored)

	source.SetAddrs(map[string]string{"c": servers[0].Addr(), "d": redistest.StandaloneServer(t).Addr()})
	_, err = warmer(t, lardertest.New(t), warmup.Options{}).Run(ctx, warmup.FromRedis(source, "k*"))
	require.NoError(t, err, "the shards are others than the options say")
}
