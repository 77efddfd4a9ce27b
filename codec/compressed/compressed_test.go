package compressed_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/codec/compressed"
)

var frame = []byte{0xC1, 'L', 'Z', 1}

func TestRoundTrip(t *testing.T) {
	random := make([]byte, 100_000)
	rng := rand.NewChaCha8([32]byte{1})
	_, err := rng.Read(random)
	require.NoError(t, err)
	for _, inner := range []codec.Codec{codec.Msgpack, codec.JSON, codec.String} {
		for _, threshold := range []int{-1, 0, 1, 50} {
			c := compressed.New(inner, threshold)
			for _, want := range []string{"", "x", strings.Repeat("larder ", 1000), string(frame), string(frame) + "rest", hex.EncodeToString(random)} {
				data, err := c.Marshal(want)
				require.NoError(t, err)
				var got string
				require.NoError(t, c.Unmarshal(data, &got))
				if inner != codec.JSON || utf8.ValidString(want) { // JSON replaces what is not UTF-8
					assert.Equal(t, want, got)
				}
				if threshold < 0 && inner != codec.String {
					assert.False(t, bytes.HasPrefix(data, frame))
				}
			}
			data, err := c.Marshal(random)
			require.NoError(t, err)
			var got []byte
			require.NoError(t, c.Unmarshal(data, &got))
			assert.Equal(t, random, got)
			assert.Falsef(t, bytes.HasPrefix(data, frame), "what does not become shorter is stored as it is")
		}
	}
	assert.Equal(t, "json+s2", compressed.New(codec.JSON, 0).Name())
	assert.Equal(t, "msgpack+s2", compressed.New(nil, 0).Name())
}

func TestThreshold(t *testing.T) {
	c := compressed.New(codec.String, 0)
	short, err := c.Marshal(strings.Repeat("a", compressed.DefaultThreshold-1))
	require.NoError(t, err)
	assert.Len(t, short, compressed.DefaultThreshold-1)
	long, err := c.Marshal(strings.Repeat("a", compressed.DefaultThreshold))
	require.NoError(t, err)
	assert.Less(t, len(long), 100)
}

// TestOldValues: values of before the compression are still read, and compressed ones by a codec that no longer compresses.
func TestOldValues(t *testing.T) {
	text := strings.Repeat("old ", 1000)
	for _, inner := range []codec.Codec{codec.Msgpack, codec.JSON, codec.String} {
		old, err := inner.Marshal(text)
		require.NoError(t, err)
		var got string
		require.NoError(t, compressed.New(inner, 100).Unmarshal(old, &got))
		assert.Equal(t, text, got)
		packed, err := compressed.New(inner, 100).Marshal(text)
		require.NoError(t, err)
		got = ""
		require.NoError(t, compressed.New(inner, -1).Unmarshal(packed, &got))
		assert.Equal(t, text, got)
	}
}

// TestHuge: a value may shrink without bounds, its frame may not, so that a small frame never becomes a large value.
func TestHuge(t *testing.T) {
	c := compressed.New(codec.String, 0)
	zeros := make([]byte, 32<<20)
	data, err := c.Marshal(zeros)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(data), (len(zeros)-64<<10)/compressed.MaxRatio)
	var got []byte
	require.NoError(t, c.Unmarshal(data, &got))
	assert.True(t, bytes.Equal(zeros, got))

	bomb := bytes.TrimRight(data, "\x00")
	require.ErrorContains(t, c.Unmarshal(bomb, &got), "claim")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_ = c.Unmarshal(bomb, new([]byte))
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, (after.TotalAlloc-before.TotalAlloc)/100, uint64(64<<10))
}

// TestDamaged: every byte of a frame matters.
func TestDamaged(t *testing.T) {
	c := compressed.New(codec.Msgpack, 10)
	data, err := c.Marshal(strings.Repeat("damage ", 50))
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(data, frame))
	for i := range data {
		broken := bytes.Clone(data)
		broken[i] ^= 0x41
		err := c.Unmarshal(broken, new(string))
		_, ok := errors.AsType[*codec.Error](err)
		assert.Truef(t, ok, "byte %d: %v", i, err)
		assert.Errorf(t, c.Unmarshal(data[:i], new(string)), "the first %d bytes", i)
	}
}

func TestErrors(t *testing.T) {
	c := compressed.New(codec.JSON, 10)
	_, err := c.Marshal(make(chan int))
	require.ErrorContains(t, err, "chan int")
	require.ErrorContains(t, c.Unmarshal(frame, new(string)), "codec: json+s2: unmarshal *string: ")
	require.ErrorContains(t, c.Unmarshal(frame, nil), "nil")
}

func FuzzCompressed(f *testing.F) {
	c := compressed.New(codec.String, 16)
	for _, s := range []string{"", "short", strings.Repeat("long ", 100), string(frame)} {
		data, err := c.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []byte
		if c.Unmarshal(data, &got) == nil {
			if len(got) > compressed.MaxRatio*(len(data)+1)+64<<10 {
				t.Fatalf("%d bytes became %d", len(data), len(got))
			}
		}
		packed, err := c.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		var back []byte
		if err := c.Unmarshal(packed, &back); err != nil || !bytes.Equal(back, data) {
			t.Fatalf("does not come back: %v", err)
		}
	})
}

func ExampleNew() {
	c := compressed.New(codec.JSON, 100)
	data, err := c.Marshal(strings.Repeat("larder ", 1000))
	fmt.Println(len(data) < 400, err)

	var old string // written before compression was switched on
	err = c.Unmarshal([]byte(`"old"`), &old)
	fmt.Println(old, err)
	// Output:
	// true <nil>
	// old <nil>
}
