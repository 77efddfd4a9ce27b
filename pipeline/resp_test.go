package pipeline

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBulks(t *testing.T) {
	read := func(raw string, n int) (texts []string, ok bool) {
		ok = bulks([]byte(raw), n, func(_ int, text string, found bool) {
			if !found {
				text = "nil"
			}
			texts = append(texts, text)
		})
		return texts, ok
	}
	texts, ok := read("*4\r\n$1\r\na\r\n$-1\r\n_\r\n$0\r\n\r\n", 4)
	require.True(t, ok)
	require.Equal(t, []string{"a", "nil", "nil", ""}, texts)
	for _, raw := range []string{
		"", "*", "*1", "*1\r\n", "*2\r\n$1\r\na\r\n", "*1\r\n$2\r\na\r\n", "*1\r\n$1\r\na\r\nx", "*1\r\n:1\r\n", "$1\r\na\r\n",
		"*1\r\n$-2\r\n", "*1\r\n$99999999999999999999\r\n", "*-1\r\n", "\n", "\r\n",
	} {
		_, ok := read(raw, 1)
		require.False(t, ok, raw)
	}
	text, bad := errorReply([]byte("-WRONGTYPE x\r\n"))
	require.True(t, bad)
	require.Equal(t, "WRONGTYPE x", text)
	_, bad = errorReply([]byte("*1\r\n"))
	require.False(t, bad)
}

func FuzzBulks(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\na\r\n_\r\n"), uint8(2))
	f.Add([]byte("-ERR x\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, n uint8) {
		total, count := 0, 0
		ok := bulks(raw, int(n), func(i int, text string, _ bool) {
			require.Equal(t, count, i)
			count++
			total += len(text)
		})
		require.LessOrEqual(t, total, len(raw))
		require.True(t, !ok || count == int(n))
		errorReply(raw)
	})
}

// TestTags: the tag that leads to a key's slot, whatever the key.
func TestTags(t *testing.T) {
	require.EqualValues(t, 12182, slot("foo")) // from the specification
	require.EqualValues(t, 12739, slot("123456789"))
	for _, key := range []string{"a", "a}b", "{}x", "{}", "{a}b", "x{tag}y", "a{b", "{a}}", "{{a}}", "\x00}", "}{", "é}"} {
		require.Equal(t, slot(key), slot("ns:pipeline:{"+tagFor(key)+"}:once:{t}"), key)
	}
}
