package warmup

import (
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryByteOfACheckpoint: no changed, missing or added byte goes unnoticed.
func TestEveryByteOfACheckpoint(t *testing.T) {
	m := mark{Source: "seq:products", Done: 1500, Stored: 1400, Skipped: 60, Failed: 40, Bytes: 1 << 33, Keys: 1<<64 - 59}
	data, err := m.encode()
	require.NoError(t, err)
	got, err := decode(data)
	require.NoError(t, err)
	assert.Equal(t, m, got)
	for i := range data {
		for bit := range 8 {
			damaged := []byte(string(data))
			damaged[i] ^= 1 << bit
			_, err := decode(damaged)
			require.Error(t, err, "byte %d, bit %d", i, bit)
		}
		_, err = decode(data[:i])
		require.ErrorIs(t, err, errDamaged)
	}
	_, err = decode(append(data, '\n'))
	require.ErrorIs(t, err, errDamaged)

	seal := func(text string) []byte {
		return fmt.Appendf(nil, "%s%08x\n", text, crc32.Checksum([]byte(text), castagnoli))
	}
	_, err = decode(seal("larder warmup checkpoint 2\nsomething else\n"))
	require.ErrorIs(t, err, errNewer)
	_, err = decode(seal("larder warmup checkpoint 1\n{\"done\":5,\"stored\":4}\n"))
	require.ErrorIs(t, err, errDamaged, "counts that do not add up")
	_, err = decode(seal("larder warmup checkpoint 1\nnothing\n"))
	require.ErrorIs(t, err, errDamaged)
}

// TestHashKey: keys that run together are told apart.
func TestHashKey(t *testing.T) {
	seen := map[uint64][]string{}
	for _, keys := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"\x01a"}, {"a\x01b"}, {"ab", ""}, {"", "ab"}} {
		h := uint64(fnvOffset)
		for _, key := range keys {
			h = hashKey(h, key)
		}
		require.NotContains(t, seen, h, "%q", keys)
		seen[h] = keys
	}
}

func FuzzCheckpoint(f *testing.F) {
	for _, m := range []mark{{}, {Source: "map", Done: 3, Stored: 1, Skipped: 1, Failed: 1, Bytes: 9, Keys: 7}} {
		data, err := m.encode()
		require.NoError(f, err)
		f.Add(data, m.Done, m.Source)
	}
	f.Fuzz(func(t *testing.T, data []byte, done int64, source string) {
		if m, err := decode(data); err == nil {
			again, err := m.encode()
			require.NoError(t, err)
			same, err := decode(again)
			require.NoError(t, err)
			require.Equal(t, m, same)
		}
		_, err := decode(fmt.Appendf(nil, "larder warmup checkpoint 1\n%s\n%08x\n", data, crc32.Checksum(data, castagnoli)))
		_ = err // whatever it is: no panic
		m := mark{Source: source, Done: max(done, 0), Stored: max(done, 0)}
		written, err := m.encode()
		require.NoError(t, err)
		_, err = decode(written)
		require.NoError(t, err)
	})
}
