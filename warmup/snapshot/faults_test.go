package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// between runs something before each pipeline that holds a certain command.
type between struct {
	command string
	run     func()
}

func (between) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == b.command {
			b.run()
		}
		return next(ctx, cmd)
	}
}

func (b between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if cmd.Name() == b.command {
				b.run()
				break
			}
		}
		return next(ctx, cmds)
	}
}

// TestOneMoment: value and expiry are of one moment, though both change between the first look at a key and each read.
func TestOneMoment(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	rdb, other := server.Client(), server.Client()
	ctx := t.Context()
	const keys = 50
	base := time.Now().Add(time.Hour).UnixMilli()
	generation := int64(0)
	change := func() {
		generation++
		for i := range keys {
			require.NoError(t, other.Do(ctx, "set", fmt.Sprint("moment:", i), generation, "pxat", base+generation).Err())
		}
	}
	change()
	rdb.AddHook(between{"getrange", change})
	rdb.AddHook(between{"get", change}) // in the transaction
	file, s := dumped(t, rdb, Options{Workers: 1})
	assert.Equal(t, int64(keys), s.Keys)
	assert.Greater(t, generation, int64(3), "each read was overtaken, and tried again")
	d, err := newDecoder(bytes.NewReader(file))
	require.NoError(t, err)
	for range keys {
		rec, err := d.next()
		require.NoError(t, err)
		assert.Equal(t, strconv.FormatInt(rec.expiry-base, 10), rec.elements[0])
	}
}

// TestVanishing: keys that go, expire or become others while they are read are counted, and never restored as immortal.
func TestVanishing(t *testing.T) {
	server := redistest.NewServer(t, redistest.ServerOptions{})
	rdb, other := server.Client(), server.Client()
	ctx := t.Context()
	for i := range 60 {
		require.NoError(t, other.Set(ctx, fmt.Sprint("vanish:", i), "v", time.Hour).Err())
	}
	var done atomic.Bool
	rdb.AddHook(between{"getrange", func() {
		if done.Swap(true) {
			return
		}
		for i := range 20 {
			require.NoError(t, other.Del(ctx, fmt.Sprint("vanish:", i)).Err())
			require.NoError(t, other.Del(ctx, fmt.Sprint("vanish:", 20+i)).Err())
			require.NoError(t, other.RPush(ctx, fmt.Sprint("vanish:", 20+i), "x").Err())
		}
	}})
	file, s := dumped(t, rdb, Options{})
	assert.Equal(t, int64(40), s.Keys)
	assert.Equal(t, int64(20), s.Expired)
	checked, err := Verify(bytes.NewReader(file))
	require.NoError(t, err)
	assert.Equal(t, int64(40), checked.Keys)
	diff, err := Compare(ctx, other, bytes.NewReader(file))
	require.NoError(t, err)
	assert.Truef(t, diff.Empty(), "%+v", diff)
}

// TestVanishingInPieces: the pieces of a key that goes while it is read are discarded.
func TestVanishingInPieces(t *testing.T) {
	rdb, other := redistest.Standalone(t), redistest.Standalone(t)
	ctx := t.Context()
	fillLists := func() {
		for _, key := range []string{"pieces:a", "pieces:b"} {
			require.NoError(t, other.Del(ctx, key).Err())
			for range 5 {
				require.NoError(t, other.RPush(ctx, key, anys(strings.Split(strings.Repeat("x,", 999)+"x", ","), 1)...).Err())
			}
		}
	}
	for _, becomes := range []string{"nothing", "string"} {
		fillLists()
		reads := 0
		client := redistest.StandaloneServer(t).Client()
		client.AddHook(between{"lrange", func() {
			if reads++; reads == 3 {
				require.NoError(t, other.Del(ctx, "pieces:a", "pieces:b").Err())
				if becomes == "string" {
					require.NoError(t, other.MSet(ctx, "pieces:a", "1", "pieces:b", "1").Err())
				}
			}
		}})
		file, s := dumped(t, client, Options{Match: "pieces:*", MaxKeyBytes: 1000, Workers: 1})
		if becomes == "nothing" {
			assert.Equal(t, int64(0), s.Keys)
			assert.Equal(t, int64(2), s.Expired)
		} else {
			assert.Equal(t, int64(2), s.Keys)
		}
		_, err := Verify(bytes.NewReader(file))
		require.NoError(t, err)
		sum, err := Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{Prefix: "restored:"})
		require.NoError(t, err)
		assert.Equal(t, s.Keys, sum.Keys)
		keys, err := rdb.Keys(ctx, "*restore*").Result()
		require.NoError(t, err)
		assert.Len(t, keys, int(s.Keys))
		for _, k := range append(keys, "pieces:a", "pieces:b") {
			require.NoError(t, rdb.Del(ctx, k).Err())
		}
	}
}

// stored makes a snapshot of records.
func stored(t *testing.T, records ...*record) []byte {
	t.Helper()
	var file bytes.Buffer
	e, err := newEncoder(&file, false, meta{At: 1})
	require.NoError(t, err)
	keys := int64(0)
	for _, r := range records {
		require.NoError(t, e.record(r))
		if !r.more() && !r.abandoned() {
			keys++
		}
	}
	require.NoError(t, e.close(footer{Keys: keys}))
	return file.Bytes()
}

// TestStale: a record whose expiry has come is not written, and deletes nothing.
func TestStale(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		if _, ok := e.Client.(*redis.AutoPipeliner); ok {
			t.Skip("refused, as TestEverywhere shows")
		}
		ctx := t.Context()
		past := time.Now().Add(-time.Second).UnixMilli()
		key := func(s string) string { return e.Namespace + ":{" + e.ID("a") + "}" + s }
		file := stored(
			t, &record{typ: typeString, key: key("s"), elements: []string{"old"}, expiry: past},
			&record{typ: typeList, key: key("l"), elements: []string{"old"}, expiry: past},
			&record{typ: typeDumped, name: "string", key: key("d"), payload: "x", expiry: past},
			&record{typ: typeString, key: key("live"), elements: []string{"new"}, expiry: time.Now().Add(time.Hour).UnixMilli()},
		)
		for _, k := range []string{"s", "l", "d"} {
			require.NoError(t, e.Client.Set(ctx, key(k), "live", 0).Err())
		}
		s, err := Restore(ctx, e.Client, bytes.NewReader(file), RestoreOptions{Mode: Replace})
		require.NoError(t, err)
		assert.Equal(t, int64(1), s.Keys)
		assert.Equal(t, int64(3), s.Expired)
		for _, k := range []string{"s", "l", "d"} {
			got, err := e.Client.Get(ctx, key(k)).Result()
			require.NoError(t, err)
			assert.Equal(t, "live", got)
		}
	})
}

// TestRefusedBeforeWriting: nothing is written of a file that is not whole.
func TestRefusedBeforeWriting(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	good := sample(t, false)
	for name, file := range map[string][]byte{"cut": good[:len(good)-1], "flipped": flip(good, len(good)/2), "none": []byte("what?")} {
		for _, reader := range []func() interface{ Read([]byte) (int, error) }{
			func() interface{ Read([]byte) (int, error) } { return bytes.NewReader(file) },
			func() interface{ Read([]byte) (int, error) } { return bytes.NewBuffer(file) }, // cannot seek
		} {
			_, err := Restore(ctx, rdb, reader(), RestoreOptions{Mode: Replace})
			require.ErrorIs(t, err, ErrCorrupt, name)
			require.ErrorContains(t, err, "nothing was written")
			_, err = Compare(ctx, rdb, reader())
			require.ErrorIs(t, err, ErrCorrupt, name)
		}
	}
	n, err := rdb.DBSize(ctx).Result()
	require.NoError(t, err)
	assert.Zero(t, n)
	_, err = Restore(ctx, rdb, nil, RestoreOptions{})
	require.Error(t, err)
	_, err = Restore(ctx, rdb, bytes.NewReader(good), RestoreOptions{Rate: -1})
	require.ErrorContains(t, err, "RestoreOptions.Rate")
	_, err = Restore(ctx, rdb, bytes.NewReader(good), RestoreOptions{Mode: 7})
	require.ErrorContains(t, err, "RestoreOptions.Mode")
	_, err = Restore(ctx, nil, bytes.NewReader(good), RestoreOptions{})
	require.ErrorIs(t, err, ErrClient)
	var typed *redis.Client
	_, err = Dump(ctx, typed, &bytes.Buffer{}, Options{})
	require.ErrorIs(t, err, ErrClient)
	_, err = Dump(ctx, rdb, nil, Options{})
	require.Error(t, err)
	for text, bad := range map[string]Options{
		"Options.Workers": {Workers: -1}, "Options.MaxKeyBytes": {MaxKeyBytes: -1}, "Options.Rate": {Rate: -1}, "Options.Types": {Types: []string{""}},
	} {
		_, err = Dump(ctx, rdb, &bytes.Buffer{}, bad)
		require.ErrorContains(t, err, text)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = Dump(cancelled, rdb, &bytes.Buffer{}, Options{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = Restore(cancelled, rdb, bytes.NewReader(good), RestoreOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

func flip(file []byte, at int) []byte {
	bad := bytes.Clone(file)
	bad[at] ^= 0x10
	return bad
}

// TestSalvage: what is whole of a damaged file comes back; what is lost is counted.
func TestSalvage(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	var records []*record
	for i := range 200 {
		records = append(records, &record{typ: typeString, key: fmt.Sprint("k", i), elements: []string{strings.Repeat("v", 50)}})
	}
	file := stored(t, records...)
	restore := func(file []byte) Summary {
		t.Helper()
		require.NoError(t, rdb.FlushAll(ctx).Err())
		s, err := Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{Salvage: true})
		require.NoError(t, err)
		n, err := rdb.DBSize(ctx).Result()
		require.NoError(t, err)
		require.Equal(t, n, s.Keys)
		return s
	}
	assert.Equal(t, int64(200), restore(file).Keys)
	for at := 200; at < len(file)-250; at += 997 {
		s := restore(flip(file, at))
		assert.Equal(t, int64(199), s.Keys, "one record is damaged")
		assert.Equal(t, int64(1), s.Skipped)
		s = restore(file[:at])
		assert.Positive(t, s.Keys)
		assert.Equal(t, int64(1), s.Skipped, "where it ends")
	}
	hole := append(bytes.Clone(file[:1000]), file[2000:]...)
	s := restore(hole)
	assert.Greater(t, s.Keys, int64(180))
	assert.Equal(t, int64(200), s.Keys+s.Skipped, "the footer tells how many there were")

	// Pieces without their end, and without their beginning.
	piece := func(key string, flags byte) *record {
		return &record{typ: typeList, key: key, elements: []string{"x"}, flags: flags | flagTorn, total: 2}
	}
	s = restore(stored(t, piece("a", flagMore), piece("b", flagContinued), piece("c", flagMore), piece("c", flagContinued)))
	assert.Equal(t, int64(1), s.Keys)
	assert.Equal(t, int64(2), s.Skipped)
}

// failing is a disk that is full after some bytes.
type failing struct {
	bytes.Buffer
	left int
}

var errFull = errors.New("no space left on device")

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.left {
		n, _ := f.Buffer.Write(p[:f.left])
		f.left = 0
		return n, errFull
	}
	f.left -= len(p)
	return f.Buffer.Write(p)
}

// TestDiskFull: wherever the disk is full, the error is told, and what was written passes for nothing.
func TestDiskFull(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	fill(t, rdb, "a:", 300, 3)
	for _, compress := range []bool{false, true} {
		whole, _ := dumped(t, rdb, Options{Compress: compress})
		for left := 0; left < len(whole)-20; left += len(whole)/20 + 1 { // the counts of the footer may differ by some digits
			w := &failing{left: left}
			_, err := Dump(t.Context(), rdb, w, Options{Compress: compress})
			require.ErrorIs(t, err, errFull)
			_, err = Verify(&w.Buffer)
			require.ErrorIs(t, err, ErrCorrupt)
		}
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = Dump(t.Context(), rdb, f, Options{})
		require.Error(t, err)
		require.NoError(t, f.Close())
	}
}

// TestDumpCut: wherever a connection is cut, there is either a whole snapshot or one that says what it is not.
func TestDumpCut(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	names := fill(t, s.Client(), "a:", 600, 4)
	want := content(t, s.Client(), names)
	p := redistest.NewProxy(t, "unix", s.Socket())
	client := func(o *redis.Options) {
		o.Network, o.Addr = "tcp", p.Addr()
		o.MaxRetries = -1
	}
	incomplete := 0
	for cut := int64(0); cut < 80_000; cut += 3777 {
		rdb := s.Client(client)
		p.Heal()
		p.CutReplyAfter(cut)
		var file bytes.Buffer
		_, err := Dump(t.Context(), rdb, &file, Options{})
		_, verified := Verify(bytes.NewReader(file.Bytes()))
		if err == nil {
			require.NoError(t, verified)
			continue
		}
		incomplete++
		require.ErrorIs(t, err, ErrPartial)
		require.ErrorIs(t, verified, ErrIncomplete)
		other := redistest.Standalone(t)
		sum, err := Restore(t.Context(), other, &file, RestoreOptions{Salvage: true, Prefix: "cut:", Mode: Replace})
		require.NoError(t, err)
		for name := range want {
			require.NoError(t, other.Del(t.Context(), "cut:"+name).Err())
		}
		assert.LessOrEqual(t, sum.Keys, int64(len(want)))
	}
	assert.Positive(t, incomplete)
}

// TestRestoreCut: wherever a connection is cut, each key is whole with its expiry or not there, and restoring again
// brings everything.
func TestRestoreCut(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	ctx := t.Context()
	names := fill(t, rdb, "a:", 300, 5)
	for i := range 3000 {
		require.NoError(t, rdb.RPush(ctx, "a:large", i).Err())
	}
	require.NoError(t, rdb.PExpire(ctx, "a:large", time.Hour).Err())
	names = append(names, "a:large")
	want := content(t, rdb, names)
	file, _ := dumped(t, rdb, Options{MaxKeyBytes: 3000})
	p := redistest.NewProxy(t, "unix", s.Socket())
	cutAt := 0
	for cut := int64(1); cut < 60_000; cut += 5003 {
		require.NoError(t, rdb.FlushAll(ctx).Err())
		client := s.Client(func(o *redis.Options) {
			o.Network, o.Addr, o.MaxRetries = "tcp", p.Addr(), -1
		})
		p.Heal()
		p.CutRequestAfter(cut)
		_, err := Restore(ctx, client, bytes.NewReader(file), RestoreOptions{})
		if err != nil {
			cutAt++
		}
		for name, is := range content(t, rdb, names) {
			require.Equal(t, want[name], is)
		}
		left, _, err := rdb.Scan(ctx, 0, "larder:restore:*", 1e6).Result()
		require.NoError(t, err)
		for _, k := range left {
			ttl, err := rdb.PTTL(ctx, k).Result()
			require.NoError(t, err)
			require.Positive(t, ttl, "a temporary key goes by itself")
		}
		_, err = Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})
		require.NoError(t, err)
		require.Equal(t, want, content(t, rdb, names))
	}
	assert.Positive(t, cutAt)
}

// TestKilled: a process that is killed while it dumps leaves no file that passes for a snapshot and is none; one that is
// killed while it restores leaves whole keys alone.
func TestKilled(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	ctx := t.Context()
	names := fill(t, rdb, "a:", 2000, 6)
	want := content(t, rdb, names)
	run := func(env ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), append(env, "SNAPSHOT_SOCKET="+s.Socket())...)
		require.NoError(t, cmd.Start())
		return cmd
	}
	var whole string
	for round := range 4 {
		dir := t.TempDir()
		cmd := run("SNAPSHOT_CHILD=" + dir)
		redistest.Poll(t, "the child dumps", func() bool {
			parts, _ := filepath.Glob(filepath.Join(dir, "*"+partSuffix))
			files, _ := filepath.Glob(filepath.Join(dir, "*"+fileSuffix))
			return len(parts) > 0 && len(files) >= round%2
		})
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		files, err := filepath.Glob(filepath.Join(dir, "*"+fileSuffix))
		require.NoError(t, err)
		for _, path := range files {
			require.True(t, passes(path))
			whole = path
		}
	}
	require.NotEmpty(t, whole)
	for range 2 {
		require.NoError(t, rdb.FlushAll(ctx).Err())
		cmd := run("SNAPSHOT_CHILD=x", "SNAPSHOT_FILE="+whole)
		redistest.Poll(t, "the child restores", func() bool { return rdb.DBSize(ctx).Val() > 0 })
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		for name, is := range content(t, rdb, names) {
			require.Equal(t, want[name], is)
		}
	}
	f, err := os.Open(whole)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	_, err = Restore(ctx, rdb, f, RestoreOptions{})
	require.NoError(t, err)
	require.Equal(t, want, content(t, rdb, names))
}

// TestNodeDown: a node that is down is named; the others' keys are kept, in a file that says that it is incomplete.
func TestNodeDown(t *testing.T) {
	c := redistest.NewCluster(t)
	rdb := c.Client(func(o *redis.ClusterOptions) { o.MaxRetries = -1; o.DialerRetries = 1 })
	ctx := t.Context()
	fill(t, rdb, "a:", 600, 10)
	down := c.Masters()[1]
	lost, err := down.Client().DBSize(ctx).Result()
	require.NoError(t, err)
	down.Kill()
	var file bytes.Buffer
	s, err := Dump(ctx, rdb, &file, Options{})
	require.ErrorIs(t, err, ErrPartial)
	require.ErrorContains(t, err, down.Addr())
	var dial *net.OpError
	require.ErrorAs(t, err, &dial)
	assert.Equal(t, 600-lost, s.Keys)
	assert.True(t, s.Partial)
	other := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	_, err = Restore(ctx, other, bytes.NewReader(file.Bytes()), RestoreOptions{})
	require.ErrorIs(t, err, ErrIncomplete)
	n, err := other.DBSize(ctx).Result()
	require.NoError(t, err)
	require.Zero(t, n)
	s, err = Restore(ctx, other, bytes.NewReader(file.Bytes()), RestoreOptions{Salvage: true})
	require.NoError(t, err)
	assert.Equal(t, 600-lost, s.Keys)
}
