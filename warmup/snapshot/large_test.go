package snapshot

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// TestTwiceAtOnce: a large key that SCAN returns twice is not mixed up by the two workers that read it.
func TestTwiceAtOnce(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb, other := s.Client(), s.Client()
	ctx := t.Context()
	for i := range 5000 {
		require.NoError(t, other.RPush(ctx, "large", i).Err())
	}
	var file bytes.Buffer
	enc, err := newEncoder(&file, false, meta{})
	require.NoError(t, err)
	d := &dumper{enc: enc}
	first, second := &reader{dumper: d, conn: rdb}, &reader{dumper: d, conn: other}
	large := key{name: "large", typ: "list", expiry: noExpiry}
	reads := 0
	rdb.AddHook(between{"lrange", func() {
		if reads++; reads == 7 { // some pieces are in the file
			require.NoError(t, second.large(ctx, large))
		}
	}})
	require.NoError(t, first.large(ctx, large))
	sum, err := d.finish(ctx, time.Now())
	require.NoError(t, err)
	assert.Equal(t, int64(1), sum.Keys)
	_, err = Verify(&file)
	require.NoError(t, err)
	assert.Empty(t, d.open)
}

// TestFieldGone: a field that goes between the reading of its value and that of its expiry does not become immortal.
func TestFieldGone(t *testing.T) {
	redistest.On(t, []redistest.Kind{redistest.KindMiniredis}, func(t *testing.T, e redistest.Env) {
		ctx := t.Context()
		for i := range 20 {
			require.NoError(t, e.Client.HSet(ctx, "h", "f"+strconv.Itoa(i), "v").Err())
		}
		require.NoError(t, e.Client.HExpire(ctx, "h", time.Hour, "f7", "f8").Err())
		gone := func() { require.NoError(t, e.Client.HDel(ctx, "h", "f7").Err()) }
		client, ok := e.Client.(*redis.Client)
		require.True(t, ok)
		client.AddHook(between{"hpexpiretime", gone})
		client.AddHook(between{"hpttl", gone})
		file, _ := dumped(t, e.Client, Options{MaxKeyBytes: 1})
		d, err := newDecoder(bytes.NewReader(file))
		require.NoError(t, err)
		rec, err := d.next()
		require.NoError(t, err)
		assert.Len(t, rec.elements, 3*19)
		for i := 0; i < len(rec.elements); i += 3 {
			assert.NotEqual(t, "f7", rec.elements[i])
			assert.Equal(t, rec.elements[i] == "f8", rec.elements[i+2] != "0")
		}
	})
}

// TestPieceSize: pieces are of about a mebibyte, whatever the elements weigh.
func TestPieceSize(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	heavy := strings.Repeat("x", 300_000)
	for i := range 12 {
		require.NoError(t, rdb.RPush(ctx, "list", heavy).Err())
		require.NoError(t, rdb.SAdd(ctx, "set", heavy+strconv.Itoa(i)).Err())
		require.NoError(t, rdb.HSet(ctx, "hash", strconv.Itoa(i), heavy).Err())
		require.NoError(t, rdb.ZAdd(ctx, "zset", redis.Z{Member: heavy + strconv.Itoa(i)}).Err())
	}
	names := []string{"list", "set", "hash", "zset"}
	want := content(t, rdb, names)
	file, sum := dumped(t, rdb, Options{})
	assert.Equal(t, int64(4), sum.Torn)
	d, err := newDecoder(bytes.NewReader(file))
	require.NoError(t, err)
	for {
		rec, err := d.next()
		if err != nil {
			break
		}
		assert.Less(t, size(rec.elements), 3*pieceBytes/2+pieceBytes)
	}
	remove(t, rdb, names)
	require.NoError(t, run1(Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})))
	assert.Equal(t, want, content(t, rdb, names))
}

// TestTooLarge: a record that no reader would take is that key's own failure.
func TestTooLarge(t *testing.T) {
	var file bytes.Buffer
	enc, err := newEncoder(&file, false, meta{})
	require.NoError(t, err)
	d := &dumper{enc: enc}
	require.NoError(t, d.write(&record{typ: typeString, key: "a", elements: []string{"v"}}))
	require.NoError(t, d.write(&record{typ: typeSet, key: "b", elements: make([]string, maxElements+1)}))
	require.NoError(t, d.write(&record{typ: typeString, key: "c", elements: []string{"v"}}))
	sum, err := d.finish(t.Context(), time.Now())
	require.ErrorIs(t, err, ErrPartial)
	require.ErrorContains(t, err, "MaxKeyBytes")
	assert.Equal(t, int64(2), sum.Keys)
	assert.Equal(t, int64(1), sum.Failed)
	_, err = Verify(&file)
	require.ErrorIs(t, err, ErrIncomplete)
}

// TestTemporaryKeysStay: what a Restore of another process is putting together is nobody's data.
func TestTemporaryKeysStay(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := context.Background()
	require.NoError(t, rdb.Set(ctx, "a", "v", 0).Err())
	require.NoError(t, rdb.RPush(ctx, temporaryName("big"), "x").Err())
	file, sum := dumped(t, rdb, Options{})
	assert.Equal(t, int64(1), sum.Keys)
	assert.Equal(t, int64(1), sum.Skipped)
	diff, err := Compare(ctx, rdb, bytes.NewReader(file))
	require.NoError(t, err)
	assert.Truef(t, diff.Empty(), "%+v", diff)
}

// TestLengths: strings about the length up to which they are read at once, and a chunk of larger ones.
func TestLengths(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	var names []string
	for _, length := range []int{0, 1, shortBytes - 1, shortBytes, shortBytes + 1, shortBytes + 2, 1 << 20, 1<<20 + 1, 3 << 20} {
		name := strconv.Itoa(length)
		names = append(names, name)
		require.NoError(t, rdb.Set(ctx, name, strings.Repeat("x", length), 0).Err())
	}
	for i := range 1200 {
		name := "many:" + strconv.Itoa(i)
		names = append(names, name)
		require.NoError(t, rdb.Set(ctx, name, strings.Repeat("y", 3000), time.Hour).Err())
	}
	want := content(t, rdb, names)
	file, sum := dumped(t, rdb, Options{})
	assert.Equal(t, int64(len(names)), sum.Keys)
	assert.Equal(t, int64(2), sum.Torn)
	remove(t, rdb, names)
	require.NoError(t, run1(Restore(ctx, rdb, bytes.NewReader(file), RestoreOptions{})))
	assert.Equal(t, want, content(t, rdb, names))
}

// TestGuess: where all keys were strings, keys are taken for strings, which one that is none survives, and refuses few
// commands: a wrong guess makes the next one wait.
func TestGuess(t *testing.T) {
	rdb := redistest.NewServer(t, redistest.ServerOptions{}).Client()
	ctx := t.Context()
	pipe := rdb.Pipeline()
	for i := range 12_000 {
		if i%3000 == 0 {
			pipe.RPush(ctx, strconv.Itoa(i), "v")
			continue
		}
		pipe.Set(ctx, strconv.Itoa(i), "v", time.Duration(i%2)*time.Hour)
	}
	_, err := pipe.Exec(ctx)
	require.NoError(t, err)
	require.NoError(t, rdb.ConfigResetStat(ctx).Err())
	file, sum := dumped(t, rdb, Options{Workers: 1})
	assert.GreaterOrEqual(t, sum.Keys, int64(12_000))
	stats, err := rdb.Info(ctx, "commandstats").Result()
	require.NoError(t, err)
	_, line, _ := strings.Cut(stats, "cmdstat_getrange:")
	_, failed, _ := strings.Cut(strings.SplitN(line, "\n", 2)[0], "failed_calls=")
	n, err := strconv.Atoi(strings.TrimSpace(failed))
	require.NoError(t, err)
	assert.LessOrEqual(t, n, 4)
	_, line, _ = strings.Cut(stats, "cmdstat_type:calls=")
	types, _, _ := strings.Cut(line, ",")
	n, err = strconv.Atoi(types)
	require.NoError(t, err)
	assert.Less(t, n, 12_000, "most of the time nothing was asked")
	diff, err := Compare(ctx, rdb, bytes.NewReader(file))
	require.NoError(t, err)
	assert.Truef(t, diff.Empty(), "%+v", diff)

	g := guess{strings: true}
	wrong := 0
	for range 10_000 { // every guess is wrong
		if g.right() {
			wrong++
			g.wrong()
		}
		g.strings = true
	}
	assert.LessOrEqual(t, wrong, 11)
}

// TestMomentOfGuesses: a guessed string and its expiry are of one moment too.
func TestMomentOfGuesses(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb, other := s.Client(), s.Client()
	ctx := t.Context()
	base := time.Now().Add(time.Hour).UnixMilli()
	const keys = 3000
	change := func(generation int64) {
		pipe := other.Pipeline()
		for i := range keys {
			pipe.Do(ctx, "set", i, generation, "pxat", base+generation)
		}
		_, err := pipe.Exec(ctx)
		require.NoError(t, err)
	}
	change(1)
	generation := int64(1)
	rdb.AddHook(between{"getrange", func() { generation++; change(generation) }})
	file, sum := dumped(t, rdb, Options{Workers: 1})
	assert.GreaterOrEqual(t, sum.Keys, int64(keys))
	d, err := newDecoder(bytes.NewReader(file))
	require.NoError(t, err)
	for range sum.Keys {
		rec, err := d.next()
		require.NoError(t, err)
		require.Equal(t, strconv.FormatInt(rec.expiry-base, 10), rec.elements[0])
	}
}

// TestLargeAgain: a key that becomes another large one while its pieces are read is in the snapshot, as what it became; one
// that a guess took for a string is read in pieces as well.
func TestLargeAgain(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb, other := s.Client(), s.Client()
	ctx := t.Context()
	fields := make([]any, 0, 8000)
	for i := range 4000 {
		fields = append(fields, "f"+strconv.Itoa(i), "v")
	}
	require.NoError(t, other.RPush(ctx, "large", fields...).Err())
	reads := 0
	rdb.AddHook(between{"lrange", func() {
		if reads++; reads == 8 {
			require.NoError(t, other.Del(ctx, "large").Err())
			require.NoError(t, other.HSet(ctx, "large", fields...).Err())
		}
	}})
	file, sum := dumped(t, rdb, Options{MaxKeyBytes: 5000})
	assert.Equal(t, int64(1), sum.Keys)
	assert.Equal(t, int64(1), sum.Torn)
	diff, err := Compare(ctx, other, bytes.NewReader(file))
	require.NoError(t, err)
	assert.Truef(t, diff.Empty(), "%+v", diff)

	var out bytes.Buffer
	enc, err := newEncoder(&out, false, meta{})
	require.NoError(t, err)
	d := &dumper{enc: enc, opts: Options{MaxKeyBytes: 5000}}
	r := &reader{dumper: d, conn: other, guess: guess{strings: true}}
	require.NoError(t, r.chunk(ctx, []string{"large"}))
	assert.Equal(t, int64(1), d.sum.Keys)
	assert.Equal(t, int64(1), d.sum.Torn)
	assert.Positive(t, r.guess.wait)
}
