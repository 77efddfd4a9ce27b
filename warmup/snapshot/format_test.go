package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sample is a small snapshot with a record of each type, and a key in pieces.
func sample(t testing.TB, compress bool) []byte {
	t.Helper()
	var file bytes.Buffer
	e, err := newEncoder(&file, compress, meta{At: 1_700_000_000_000, Match: "a*", Types: []string{"string"}})
	require.NoError(t, err)
	for _, r := range sampleRecords() {
		require.NoError(t, e.record(r))
	}
	require.NoError(t, e.close(footer{Keys: 10, Skipped: 3, Expired: 4, Torn: 1}))
	return file.Bytes()
}

func sampleRecords() []*record {
	return []*record{
		{typ: typeString, key: "s", elements: []string{"v"}},
		{typ: typeString, key: "", elements: []string{""}, expiry: 1_800_000_000_123},
		{typ: typeList, key: "l", elements: []string{"a", "", "\x00\xff"}},
		{typ: typeSet, key: "S", elements: []string{"m"}},
		{typ: typeHash, key: "big", elements: []string{"f", "v"}, flags: flagMore | flagTorn, total: 0},
		{typ: typeZSet, key: "z", elements: []string{"m", "0.1", "n", "-inf"}},
		{typ: typeHash, key: "h", elements: []string{"f", "v"}},
		{typ: typeHash, key: "big", elements: []string{"g", "w"}, flags: flagContinued | flagTorn, total: 2},
		{typ: typeHashTTL, key: "H", elements: []string{"f", "v", "0", "g", "w", "1800000000000"}},
		{typ: typeDumped, key: "d", name: "MBbloom--", payload: "\x00\x01"},
		{typ: typeStream, key: "x", payload: "p", stream: &stream{
			lastID: "2-0", digest: strings.Repeat("d", 32), portable: true,
			entries: []entry{{id: "1-0", values: []string{"a", "b", "a", "c"}}},
			groups:  []group{{name: "g", lastID: "1-0"}},
		}},
	}
}

func TestFormat(t *testing.T) {
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprint("compress=", compress), func(t *testing.T) {
			file := sample(t, compress)
			d, err := newDecoder(bytes.NewReader(file))
			require.NoError(t, err)
			assert.Equal(t, meta{At: 1_700_000_000_000, Match: "a*", Types: []string{"string"}}, d.meta)
			for _, want := range sampleRecords() {
				got, err := d.next()
				require.NoError(t, err)
				assert.Equal(t, want, got)
			}
			_, err = d.next()
			require.ErrorIs(t, err, io.EOF)
			s, err := Verify(bytes.NewReader(file))
			require.NoError(t, err)
			assert.Equal(t, int64(10), s.Keys)
			assert.Equal(t, int64(3), s.Skipped)
			assert.Equal(t, int64(4), s.Expired)
			assert.Equal(t, int64(1), s.Torn)
			assert.Equal(t, int64(1_700_000_000_000), s.At.UnixMilli())
		})
	}
}

// TestTruncated: no part of a snapshot passes for one.
func TestTruncated(t *testing.T) {
	for _, compress := range []bool{false, true} {
		file := sample(t, compress)
		for n := range len(file) {
			_, err := Verify(bytes.NewReader(file[:n]))
			require.ErrorIsf(t, err, ErrCorrupt, "%d of %d bytes", n, len(file))
		}
		_, err := Verify(bytes.NewReader(append(bytes.Clone(file), 'x')))
		require.ErrorIs(t, err, ErrCorrupt)
		_, err = Verify(bytes.NewReader(append(bytes.Clone(file), file...)))
		if !compress { // a packed stream may be continued by another: the second header is no frame
			require.ErrorIs(t, err, ErrCorrupt)
		}
		require.Error(t, err)
	}
}

// TestEveryByte: no bit can change unseen.
func TestEveryByte(t *testing.T) {
	for _, compress := range []bool{false, true} {
		file := sample(t, compress)
		for i := range file {
			for _, flip := range []byte{1, 0x80, 0xff} {
				bad := bytes.Clone(file)
				bad[i] ^= flip
				_, err := Verify(bytes.NewReader(bad))
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
					t.Fatalf("compress %v: byte %d of %d flipped by %x: %v", compress, i, len(file), flip, err)
				}
			}
		}
	}
}

// TestOtherFiles: what to do is said.
func TestOtherFiles(t *testing.T) {
	newer := sample(t, false)
	newer[8] = formatVersion + 1
	binary.LittleEndian.PutUint32(newer[12:], crc32.Checksum(newer[:12], castagnoli))
	_, err := Verify(bytes.NewReader(newer))
	require.ErrorIs(t, err, ErrVersion)
	assert.Contains(t, err.Error(), "update the module")

	flags := sample(t, false)
	flags[9] = 0x40
	binary.LittleEndian.PutUint32(flags[12:], crc32.Checksum(flags[:12], castagnoli))
	_, err = Verify(bytes.NewReader(flags))
	require.ErrorIs(t, err, ErrVersion)

	for _, text := range []string{"", "x", "REDIS0011 and more of it, to be long enough", strings.Repeat("\x00", 100)} {
		_, err := Verify(strings.NewReader(text))
		require.ErrorIs(t, err, ErrCorrupt)
	}
	_, err = Verify(nil)
	require.Error(t, err)
	fault := errors.New("the disk is gone")
	_, err = Verify(io.MultiReader(bytes.NewReader(sample(t, false)[:60]), errorReader{fault}))
	require.ErrorIs(t, err, fault)
	require.NotErrorIs(t, err, ErrCorrupt)
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

// TestIncomplete: a snapshot that says itself that something is missing is refused.
func TestIncomplete(t *testing.T) {
	var file bytes.Buffer
	e, err := newEncoder(&file, false, meta{})
	require.NoError(t, err)
	require.NoError(t, e.record(&record{typ: typeString, key: "s", elements: []string{"v"}}))
	require.NoError(t, e.close(footer{Keys: 1, Partial: true}))
	s, err := Verify(&file)
	require.ErrorIs(t, err, ErrIncomplete)
	assert.Equal(t, int64(1), s.Keys)
	assert.True(t, s.Partial)
}

// TestPiecesInOrder: a key in pieces begins once and ends once.
func TestPiecesInOrder(t *testing.T) {
	piece := func(flags byte) *record {
		return &record{typ: typeSet, key: "k", elements: []string{"m"}, flags: flags}
	}
	for name, records := range map[string][]*record{
		"no end":    {piece(flagMore)},
		"no begin":  {piece(flagContinued)},
		"two heads": {piece(flagMore), piece(flagMore), piece(flagContinued)},
	} {
		var file bytes.Buffer
		e, err := newEncoder(&file, false, meta{})
		require.NoError(t, err)
		for _, r := range records {
			require.NoError(t, e.record(r))
		}
		require.NoError(t, e.close(footer{Keys: 1}))
		_, err = Verify(&file)
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

// TestRecordsRoundTrip: random records come back as they were, and no change of their bytes makes the parser panic.
func TestRecordsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		for _, want := range sampleRecords() {
			want.expiry = rng.Int64N(1 << 50)
			data := want.encode(nil)
			got, err := decodeRecord(data[1:], false)
			require.NoError(t, err)
			require.Equal(t, want, got)
			data[1+rng.IntN(len(data)-1)] ^= byte(1 + rng.UintN(255))
			_, _ = decodeRecord(data[1:], false)
			_, _ = decodeRecord(data[1:1+rng.IntN(len(data))], true)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(sample(f, false))
	f.Add(sample(f, true))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Verify(bytes.NewReader(data))
		if err == nil && s.Partial {
			t.Fatal("an incomplete snapshot passed")
		}
	})
}

func FuzzRecord(f *testing.F) {
	for _, r := range sampleRecords() {
		f.Add(r.encode(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		r, err := decodeRecord(data[1:], false)
		if err != nil {
			return
		}
		again, err := decodeRecord(r.encode(nil)[1:], false)
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
