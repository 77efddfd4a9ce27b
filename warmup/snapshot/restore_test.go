package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// TestPiecesSentTwice: wherever an answer is lost, and go-redis sends the command again, no piece is written twice, and
// what is counted as restored is whole.
func TestPiecesSentTwice(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	ctx := t.Context()
	var records []*record
	for i, key := range []string{"list", "string"} {
		typ := "ls"[i]
		records = append(
			records, &record{typ: typ, key: key, elements: []string{"first"}, flags: flagMore | flagTorn},
			&record{typ: typ, key: key, elements: []string{"second"}, flags: flagMore | flagContinued | flagTorn},
			&record{typ: typ, key: key, elements: []string{"third"}, flags: flagContinued | flagTorn, total: 3},
		)
	}
	names := []string{"list", "string"}
	file := stored(t, records...)
	require.NoError(t, run1(Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})))
	want := content(t, rdb, names)
	require.Equal(t, "firstsecondthird", rdb.Get(ctx, "string").Val())
	require.NoError(t, restoreScript.Load(ctx, rdb).Err()) // replies of pieces are short
	p := redistest.NewProxy(t, "unix", s.Socket())
	again, replies := 0, int64(4096)
	for cut := int64(0); cut < replies; cut += 3 { // less than a reply has
		require.NoError(t, rdb.FlushAll(ctx).Err())
		p.Heal()
		_, before := p.Bytes()
		p.CutReplyAfter(cut)
		dials := 0
		client := s.Client(func(o *redis.Options) {
			o.Protocol, o.DisableIdentity, o.MinRetryBackoff = 2, true, -1
			o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
				if dials++; dials > 1 {
					p.Heal()
				}
				return new(net.Dialer).DialContext(ctx, "tcp", p.Addr())
			}
		})
		sum, err := Restore(ctx, client, bytes.NewReader(file), RestoreOptions{})
		if _, after := p.Bytes(); dials < 2 {
			replies = after - before // nothing was cut
		}
		if err == nil {
			again++
			require.Equal(t, int64(2), sum.Keys, "cut after %d bytes", cut)
			require.Equal(t, want, content(t, rdb, names), "cut after %d bytes", cut)
			continue
		}
		for name, is := range content(t, rdb, names) {
			require.Equal(t, want[name], is, "cut after %d bytes", cut)
		}
		require.NoError(t, run1(Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})))
		require.Equal(t, want, content(t, rdb, names), "cut after %d bytes", cut)
	}
	t.Logf("%d times, %d bytes of replies", again, replies)
	assert.Less(t, replies, int64(1000))
	assert.Greater(t, again, 10, "go-redis sends again, and goes on")
}

// TestTemporaryKeyGone: a key whose pieces went away meanwhile, evicted or expired, is refused, not restored in part.
func TestTemporaryKeyGone(t *testing.T) {
	for _, kind := range []string{"list", "set", "zset", "hash"} {
		s := redistest.NewServer(t, redistest.ServerOptions{})
		rdb, other := s.Client(), s.Client()
		ctx := t.Context()
		for i := range 3500 {
			switch kind {
			case "list":
				other.RPush(ctx, "large", i)
			case "set":
				other.SAdd(ctx, "large", i)
			case "zset":
				other.ZAdd(ctx, "large", redis.Z{Member: i})
			case "hash":
				other.HSet(ctx, "large", i, i)
			}
		}
		file, _ := dumped(t, other, Options{MaxKeyBytes: 100})
		require.NoError(t, other.FlushAll(ctx).Err())
		calls := 0
		rdb.AddHook(between{"evalsha", func() {
			if calls++; calls == 3 {
				require.NoError(t, other.FlushAll(ctx).Err())
			}
		}})
		sum, err := Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})
		require.ErrorContains(t, err, "GONE", kind)
		assert.Equal(t, int64(1), sum.Failed)
		assert.Zero(t, other.DBSize(ctx).Val(), kind)
	}
}

// TestStaleOnTheWay: an expiry that comes while the command is on its way deletes no live key either.
func TestStaleOnTheWay(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb, other := s.Client(), s.Client()
	ctx := t.Context()
	require.NoError(t, other.Set(ctx, "payload", "old", 0).Err())
	payload, err := other.Dump(ctx, "payload").Result()
	require.NoError(t, err)
	names := []string{"string", "list", "hash", "dumped", "stream", "pieces"}
	for _, name := range names {
		require.NoError(t, other.Set(ctx, name, "live", 0).Err())
	}
	var soon time.Time
	records := func(of string) []byte {
		soon = time.Now().Add(1500 * time.Millisecond)
		expiry := soon.UnixMilli()
		if of == "pieces" {
			return stored(
				t, &record{typ: typeList, key: "pieces", elements: []string{"a"}, flags: flagMore | flagTorn, expiry: expiry},
				&record{typ: typeList, key: "pieces", elements: []string{"b"}, flags: flagContinued | flagTorn, expiry: expiry, total: 2},
			)
		}
		return stored(
			t, &record{typ: typeString, key: "string", elements: []string{"old"}, expiry: expiry},
			&record{typ: typeList, key: "list", elements: []string{"old"}, expiry: expiry},
			&record{typ: typeHash, key: "hash", elements: []string{"f", "old"}, expiry: expiry},
			&record{typ: typeDumped, name: "string", key: "dumped", payload: payload, expiry: expiry},
			&record{typ: typeStream, key: "stream", expiry: expiry, stream: &stream{portable: true, entries: []entry{{id: "1-1", values: []string{"f", "v"}}}}},
		)
	}
	scripts, waitAt := 0, 1
	wait := func() {
		if scripts++; scripts >= waitAt {
			redistest.Poll(t, "the expiry has come", func() bool { return other.Time(ctx).Val().After(soon) })
		}
	}
	rdb.AddHook(between{"evalsha", wait})
	for of, want := range map[string]int64{"whole": 5, "pieces": 1} {
		if scripts, waitAt = 0, 1; of == "pieces" {
			require.NoError(t, restoreScript.Load(ctx, other).Err())
			waitAt = 3 // what puts it in its place
		}
		sum, err := Restore(ctx, rdb, bytes.NewReader(records(of)), RestoreOptions{Mode: Replace})
		require.NoError(t, err)
		assert.Equal(t, want, sum.Expired)
	}
	for _, name := range names {
		assert.Equal(t, "live", other.Get(ctx, name).Val(), name)
	}
}

// TestNearExpiry: what is restored through a script because its expiry is near is what a command would have written.
func TestNearExpiry(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis, redistest.KindStandalone}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		names := fill(t, e.Client, e.Namespace+":", 60, 21)
		for _, name := range names {
			require.NoError(t, e.Client.PExpire(ctx, name, 5*time.Minute).Err())
		}
		if e.Real() {
			stream := e.Namespace + ":stream"
			names = append(names, stream)
			require.NoError(t, e.Client.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []string{"f", "v"}}).Err())
			require.NoError(t, e.Client.PExpire(ctx, stream, 5*time.Minute).Err())
		}
		want := content(t, e.Client, names)
		file, _ := dumped(t, e.Client, Options{Match: e.Namespace + ":*", PortableStreams: true})
		for range 2 {
			sum, err := Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{Mode: Replace})
			require.NoError(t, err)
			assert.Equal(t, int64(len(want)), sum.Keys)
			assert.Equal(t, want, content(t, e.Client, names))
			remove(t, e.Client, names)
			if e.Real() { // a script that is not there does not make a stream lose what its consumers have
				require.NoError(t, e.Client.ScriptFlush(ctx).Err())
			}
		}
	})
}

// TestDenied: a user who may not do all that a restore does loses no live key, and leaves none that lives for ever.
func TestDenied(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{
		"noexpiry on >secret ~* +@all -pexpireat", "nowrite on >secret ~* +@all -rpush -hset -restore -xadd -rename",
	}})
	rdb := s.Client()
	ctx := t.Context()
	names := []string{"list", "hash", "pieces", "dumped", "stream"}
	expiry := time.Now().Add(time.Minute).UnixMilli()
	require.NoError(t, rdb.Set(ctx, "x", "v", 0).Err())
	payload := rdb.Dump(ctx, "x").Val()
	file := stored(
		t, &record{typ: typeList, key: "list", elements: []string{"old"}, expiry: expiry},
		&record{typ: typeHash, key: "hash", elements: []string{"f", "old"}, expiry: expiry},
		&record{typ: typeSet, key: "pieces", elements: []string{"a"}, flags: flagMore | flagTorn, expiry: expiry},
		&record{typ: typeSet, key: "pieces", elements: []string{"b"}, flags: flagContinued | flagTorn, expiry: expiry, total: 2},
		&record{typ: typeDumped, name: "string", key: "dumped", payload: payload, expiry: expiry},
		&record{typ: typeStream, key: "stream", expiry: expiry, stream: &stream{portable: true, entries: []entry{{id: "1-1", values: []string{"f", "v"}}}}},
	)
	for _, user := range []string{"noexpiry", "nowrite"} {
		client := s.Client(func(o *redis.Options) { o.Username, o.Password = user, "secret" })
		for _, there := range []bool{true, false} {
			require.NoError(t, rdb.FlushAll(ctx).Err())
			for _, name := range names {
				if there {
					require.NoError(t, rdb.Set(ctx, name, "live", 0).Err())
				}
			}
			sum, err := Restore(ctx, client, bytes.NewReader(file), RestoreOptions{Mode: Replace})
			require.ErrorContains(t, err, "NOPERM", user)
			assert.Equal(t, int64(5), sum.Failed, user)
			for _, name := range names {
				if there {
					assert.Equal(t, "live", rdb.Get(ctx, name).Val(), "%s: %s", user, name)
				} else {
					assert.Equal(t, time.Duration(-2), rdb.PTTL(ctx, name).Val(), "%s: %s", user, name)
				}
			}
			left, err := rdb.Keys(ctx, temporaryPrefix+"*").Result()
			require.NoError(t, err)
			assert.Empty(t, left, user)
		}
	}
}

// TestOutOfMemory: a server that is full refuses, key by key, and holds neither more nor less than before.
func TestOutOfMemory(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	ctx := t.Context()
	names := fill(t, rdb, "a:", 60, 22)
	want := content(t, rdb, names)
	file, _ := dumped(t, rdb, Options{})
	require.NoError(t, rdb.FlushAll(ctx).Err())
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory", "1").Err())
	sum, err := Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})
	require.ErrorContains(t, err, "OOM")
	assert.Equal(t, int64(len(want)), sum.Failed)
	assert.Zero(t, rdb.DBSize(ctx).Val())
}

// TestFieldsAllExpired: a hash whose fields have all expired has itself expired.
func TestFieldsAllExpired(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	require.NoError(t, rdb.Set(ctx, "whole", "live", 0).Err())
	past := strconv.FormatInt(time.Now().Add(-time.Hour).UnixMilli(), 10)
	file := stored(
		t, &record{typ: typeHashTTL, key: "whole", elements: []string{"f", "v", past}},
		&record{typ: typeHashTTL, key: "pieces", elements: []string{"f", "v", past}, flags: flagMore | flagTorn},
		&record{typ: typeHashTTL, key: "pieces", elements: []string{"g", "v", past}, flags: flagContinued | flagTorn, total: 2},
		&record{typ: typeHashTTL, key: "late", elements: []string{"f", "v", past}, flags: flagMore | flagTorn},
		&record{typ: typeHashTTL, key: "late", elements: []string{"g", "w", "0"}, flags: flagContinued | flagTorn, total: 2},
	)
	sum, err := Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{Mode: Replace})
	require.NoError(t, err)
	assert.Equal(t, int64(2), sum.Expired)
	assert.Equal(t, int64(1), sum.Keys)
	assert.Equal(t, "live", rdb.Get(ctx, "whole").Val())
	assert.Equal(t, map[string]string{"g": "w"}, rdb.HGetAll(ctx, "late").Val())
}

// TestRestoreCancelled: a context that ends in the middle ends the restore, and what it wrote is whole.
func TestRestoreCancelled(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb, other := s.Client(), s.Client()
	names := fill(t, other, "a:", 1500, 23)
	want := content(t, other, names)
	file, _ := dumped(t, other, Options{})
	require.NoError(t, other.FlushAll(t.Context()).Err())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rdb.AddHook(between{"evalsha", func() {
		if other.DBSize(t.Context()).Val() > 0 {
			cancel()
		}
	}})
	_, err := Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})
	require.ErrorIs(t, err, context.Canceled)
	for name, is := range content(t, other, names) {
		require.Equal(t, want[name], is)
	}
	assert.Less(t, other.DBSize(t.Context()).Val(), int64(len(want)))
}

// TestSalvageWhileWriting: keys that lost their beginning are counted while others are being written.
func TestSalvageWhileWriting(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	var records []*record
	for i := range 3000 {
		records = append(records, &record{typ: typeString, key: fmt.Sprint("k", i), elements: []string{"v"}})
		if i%3 == 0 {
			records = append(records, &record{typ: typeList, key: fmt.Sprint("l", i), elements: []string{"v"}, flags: flagContinued | flagTorn, total: 2})
		}
	}
	sum, err := Restore(t.Context(), rdb, bytes.NewReader(stored(t, records...)), RestoreOptions{Salvage: true})
	require.NoError(t, err)
	assert.Equal(t, int64(3000), sum.Keys)
	assert.Equal(t, int64(1000), sum.Skipped)
	sum, err = Restore(t.Context(), rdb, bytes.NewReader(stored(t, records...)), RestoreOptions{Salvage: true})
	require.NoError(t, err)
	assert.Equal(t, int64(4000), sum.Skipped, "lost, or there already")
}

// TestSalvageHead: a damage in the header, or in the frame behind it, takes no key with it.
func TestSalvageHead(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	for _, compress := range []bool{false, true} {
		file := sample(t, compress)
		end := headerSize
		if !compress {
			end = bytes.Index(file[headerSize+1:], marker) + headerSize + 1
		}
		for at := range end {
			require.NoError(t, rdb.FlushAll(ctx).Err())
			_, err := Restore(ctx, rdb, bytes.NewReader(flip(file, at)), RestoreOptions{})
			require.Error(t, err)
			require.Zero(t, rdb.DBSize(ctx).Val())
			sum, err := Restore(ctx, rdb, bytes.NewReader(flip(file, at)), RestoreOptions{Salvage: true})
			require.NotErrorIs(t, err, ErrCorrupt, "byte %d", at)
			// A payload that DUMP did not give, and a field that expires, are refused here; the rest is there.
			require.Equal(t, int64(8), sum.Keys, "byte %d, compress %v: %+v", at, compress, sum)
		}
	}
	_, err := Restore(ctx, rdb, strings.NewReader(strings.Repeat("no snapshot ", 10)), RestoreOptions{Salvage: true})
	require.ErrorIs(t, err, ErrCorrupt)
}

// TestSalvageInjection: a value that looks like a part of a snapshot does not become keys when its record is damaged.
func TestSalvageInjection(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	inner := stored(t, &record{typ: typeString, key: "admin", elements: []string{"yes"}})
	file := stored(
		t, &record{typ: typeString, key: "first", elements: []string{"v"}},
		&record{typ: typeString, key: "upload", elements: []string{string(inner)}},
		&record{typ: typeString, key: "last", elements: []string{"v"}},
	)
	at := bytes.Index(file, []byte("upload"))
	sum, err := Restore(ctx, rdb, bytes.NewReader(flip(file, at)), RestoreOptions{Salvage: true})
	require.NoError(t, err)
	assert.Equal(t, int64(2), sum.Keys)
	assert.Equal(t, int64(1), sum.Skipped)
	keys, err := rdb.Keys(ctx, "*").Result()
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"first", "last"}, keys)
}

// TestStreamTaken: a string that another client wrote in place of a stream that was just restored is left alone.
func TestStreamTaken(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	require.NoError(t, rdb.XAdd(ctx, &redis.XAddArgs{Stream: "x", Values: []string{"f", "v"}}).Err())
	file, _ := dumped(t, rdb, Options{})
	require.NoError(t, rdb.FlushAll(ctx).Err())
	rdb.AddHook(taking{"type", "string"})
	_, err := Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})
	require.NoError(t, err)
	assert.Equal(t, int64(1), rdb.Exists(ctx, "x").Val())
}

// taking answers a command of a pipeline with something else.
type taking struct{ command, reply string }

func (taking) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (taking) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h taking) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			if status, ok := cmd.(*redis.StatusCmd); ok && cmd.Name() == h.command {
				status.SetVal(h.reply)
			}
		}
		return err
	}
}

// TestBomb: what a file of some kilobytes unpacks to allocates nothing out of proportion.
func TestBomb(t *testing.T) {
	var file bytes.Buffer
	e, err := newEncoder(&file, true, meta{})
	require.NoError(t, err)
	payload := []byte{kindRecord, typeList, 0, 1, 'k', 0}
	payload = appendStrings(payload, nil)
	payload = payload[:len(payload)-1]
	const empty = maxElements + 1
	payload = append(payload, 0x81, 0x80, 0x80, 0x08) // maxElements + 1
	payload = append(payload, make([]byte, empty)...)
	require.NoError(t, e.frame(payload))
	e.records++
	require.NoError(t, e.close(footer{Keys: 1}))
	require.Less(t, file.Len(), 2<<20)
	_, err = Verify(bytes.NewReader(file.Bytes()))
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "too many elements")
	for _, length := range []uint64{maxPayload + 1, 1 << 34} {
		head := append(bytes.Clone(sample(t, false)[:headerSize]), marker...)
		for length >= 0x80 {
			head = append(head, byte(length)|0x80)
			length >>= 7
		}
		head = append(head, byte(length))
		_, err := Verify(bytes.NewReader(head))
		require.ErrorIs(t, err, ErrCorrupt)
	}
}

// TestFlags: flags that contradict each other, or that are not known, are refused.
func TestFlags(t *testing.T) {
	for _, r := range []*record{
		{typ: typeString, key: "k", elements: []string{"v"}, flags: flagAbandoned},
		{typ: typeString, key: "k", elements: []string{"v"}, flags: flagAbandoned | flagContinued | flagMore},
		{typ: typeString, key: "k", elements: []string{"v"}, flags: flagAbandoned << 1},
		{typ: typeDumped, key: "k", name: "m", payload: "p", flags: flagMore},
		{typ: typeStream, key: "k", payload: "p", stream: &stream{}, flags: flagContinued},
		{typ: typeString, key: "k", elements: []string{"v", "w"}, flags: flagAbandoned | flagContinued | flagAbandoned<<2},
	} {
		for _, skim := range []bool{false, true} {
			_, err := decodeRecord(r.encode(nil)[1:], skim)
			require.ErrorIs(t, err, ErrCorrupt, "%+v", r)
		}
	}
	_, err := decodeRecord((&record{typ: typeString, key: "k", flags: flagAbandoned | flagContinued}).encode(nil)[1:], false)
	require.NoError(t, err)
}
