package codec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/larder-go/larder/codec"
)

type (
	colour  string
	level   int8
	mask    uint64
	ratio   float32
	onOff   bool
	blob    []byte
	colours []colour
)

// upper has its marshaler on the pointer.
type upper struct{ S string }

func (u *upper) MarshalText() ([]byte, error) { return []byte(strings.ToUpper(u.S)), nil }
func (u *upper) UnmarshalText(b []byte) error { u.S = strings.ToLower(string(b)); return nil }

type inner struct {
	A int
	B []string
}

type embedded struct{ E uint16 }

type everything struct {
	embedded
	S    string
	C    colour
	L    level
	M    mask
	R    ratio
	O    onOff
	B    blob
	F    float64
	P    *int
	Q    *string
	Sl   []int
	Cs   colours
	Map  map[string]int
	Ints map[int]inner
	In   inner
	Ins  []*inner
	Raw  json.RawMessage
	IP   net.IP
	Addr netip.Addr
	T    time.Time
	D    time.Duration
	U    *upper
	Arr  [3]int16
}

func filled() everything {
	return everything{
		embedded: embedded{E: 7}, S: "zoë\x00", C: "red", L: -128, M: math.MaxUint64, R: 0.1, O: true, B: blob{0, 255}, F: -1e300,
		P: new(0), Q: new(""), Sl: []int{math.MinInt, 0, math.MaxInt}, Cs: colours{"a", ""}, Map: map[string]int{"": 1, "x": -1},
		Ints: map[int]inner{-3: {A: 1}}, In: inner{A: 2, B: []string{"b", ""}}, Ins: []*inner{nil, {A: 1}},
		Raw: json.RawMessage(`{"a":1}`), IP: net.IPv4(1, 2, 3, 4), Addr: netip.MustParseAddr("fe80::1"),
		T: time.Date(2024, 2, 29, 12, 0, 0, 123456789, time.UTC), D: -time.Nanosecond, U: &upper{S: "ab"}, Arr: [3]int16{1, 2, 3},
	}
}

// TestStructsComeBack: msgpack and JSON give back what they were given.
func TestStructsComeBack(t *testing.T) {
	for _, c := range []codec.Codec{codec.Msgpack, codec.JSON} {
		for name, want := range map[string]everything{"filled": filled(), "zero": {T: time.Time{}.UTC()}} {
			t.Run(c.Name()+"/"+name, func(t *testing.T) {
				want := want
				if c == codec.Msgpack {
					want.embedded = embedded{} // of an unexported type, whose fields JSON alone takes
				} else if want.Raw == nil {
					want.Raw = json.RawMessage("null")
				}
				data, err := c.Marshal(&want)
				require.NoError(t, err)
				var got everything
				require.NoError(t, c.Unmarshal(data, &got))
				assert.True(t, want.T.Equal(got.T))
				want.T, got.T = time.Time{}, time.Time{}
				assert.Equal(t, want, got)
			})
		}
	}
}

// TestNilAndEmpty: nil and empty are told apart, and so are nil and zero behind a pointer.
func TestNilAndEmpty(t *testing.T) {
	type holder struct {
		S []string
		I []int
		B []byte
		M map[string]string
		N map[int]bool
		P *int
	}
	for _, c := range []codec.Codec{codec.Msgpack, codec.JSON} {
		for _, want := range []holder{
			{},
			{S: []string{}, I: []int{}, B: []byte{}, M: map[string]string{}, N: map[int]bool{}, P: new(0)},
		} {
			data, err := c.Marshal(want)
			require.NoError(t, err)
			var got holder
			require.NoError(t, c.Unmarshal(data, &got))
			assert.Equalf(t, want, got, "%s", c.Name())
		}
	}
}

func TestFloats(t *testing.T) {
	for _, c := range []codec.Codec{codec.Msgpack, codec.String} {
		for _, want := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1)} {
			data, err := c.Marshal(want)
			require.NoError(t, err)
			var got float64
			require.NoError(t, c.Unmarshal(data, &got))
			assert.Equalf(t, math.Float64bits(want), math.Float64bits(got), "%s of %v", c.Name(), want)
		}
	}
	_, err := codec.JSON.Marshal(math.NaN())
	assert.Error(t, err)
}

func TestString(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{"plain", "plain"},
		{"", ""},
		{[]byte{0, 1}, "\x00\x01"},
		{[]byte(nil), ""},
		{blob("b"), "b"},
		{colour("red"), "red"},
		{level(-5), "-5"},
		{uint64(math.MaxUint64), "18446744073709551615"},
		{mask(3), "3"},
		{int64(math.MinInt64), "-9223372036854775808"},
		{float32(0.1), "0.1"},
		{1e100, "1e+100"},
		{true, "1"},
		{onOff(false), "0"},
		{new(42), "42"},
		{time.Second, "1000000000"},
		{math.NaN(), "NaN"},
		{math.Inf(-1), "-Inf"},
	} {
		data, err := codec.String.Marshal(c.v)
		require.NoErrorf(t, err, "%T", c.v)
		assert.Equalf(t, c.want, string(data), "%T", c.v)
	}
	var (
		s colour
		b blob
		l level
		m mask
		o onOff
		r ratio
		p *int
		n string
	)
	for text, v := range map[string]any{"red": &s, "\xff": &b, "-128": &l, "18446744073709551615": &m, "1": &o, "0.5": &r, "9": &p, "": &n} {
		require.NoErrorf(t, codec.String.Unmarshal([]byte(text), v), "%T", v)
	}
	assert.Equal(t, colour("red"), s)
	assert.Equal(t, blob{0xff}, b)
	assert.Equal(t, level(-128), l)
	assert.Equal(t, mask(math.MaxUint64), m)
	assert.Equal(t, onOff(true), o)
	assert.InDelta(t, 0.5, float64(r), 0)
	assert.Equal(t, 9, *p)

	for text, v := range map[string]any{"128": &l, "x": &o, "1.5": &m, "": &l, strings.Repeat("1", 1<<20): &r, "a": &struct{}{}, "b": &[]int{}} {
		err := codec.String.Unmarshal([]byte(text), v)
		require.Errorf(t, err, "%T", v)
		assert.Less(t, len(err.Error()), 200)
	}
}

// TestRefused: what a codec cannot store is an *Error that names the codec and the type.
func TestRefused(t *testing.T) {
	type self *self
	for _, c := range []codec.Codec{codec.Msgpack, codec.JSON, codec.String} {
		for name, v := range map[string]any{"chan": make(chan int), "func": func() {}, "complex": 1i, "self": self(nil)} {
			_, err := c.Marshal(v)
			refused, ok := errors.AsType[*codec.Error](err)
			require.Truef(t, ok, "%s of %s: %v", c.Name(), name, err)
			assert.Equal(t, c.Name(), refused.Codec)
			assert.Equal(t, "marshal", refused.Op)
			assert.Contains(t, err.Error(), refused.Type)
			assert.Contains(t, err.Error(), "codec: "+c.Name()+": ")
		}
		for name, v := range map[string]any{"nil": nil, "value": 1, "nil pointer": (*int)(nil), "nil *string": (*string)(nil), "nil *[]byte": (*[]byte)(nil), "self": new(self)} {
			err := c.Unmarshal([]byte("1"), v)
			_, ok := errors.AsType[*codec.Error](err)
			assert.Truef(t, ok, "%s into %s: %v", c.Name(), name, err)
		}
	}
	_, err := codec.String.Marshal(struct{}{})
	assert.Error(t, err)
	_, err = codec.String.Marshal(nil)
	assert.Error(t, err)
}

// TestDepth: what is nested too deep, or holds itself, is refused in both directions, and nobody's stack ends.
func TestDepth(t *testing.T) {
	type list struct{ Next *list }
	nested := func(n int) *list {
		var l *list
		for range n {
			l = &list{Next: l}
		}
		return l
	}
	data, err := codec.Msgpack.Marshal(nested(codec.MaxDepth))
	require.NoError(t, err)
	var back *list
	require.NoError(t, codec.Msgpack.Unmarshal(data, &back))
	assert.Equal(t, nested(codec.MaxDepth), back)
	_, err = codec.Msgpack.Marshal(nested(codec.MaxDepth + 1))
	require.ErrorContains(t, err, "deeper")

	ring := &list{}
	ring.Next = ring
	type tree []tree
	self := tree{nil}
	self[0] = self
	loop := map[string]any{}
	loop["x"] = loop
	for _, c := range []codec.Codec{codec.Msgpack, codec.JSON} {
		for _, v := range []any{ring, self, loop} {
			_, err := c.Marshal(v)
			assert.Errorf(t, err, "%s of %T", c.Name(), v)
		}
	}

	for name, hostile := range map[string][]byte{
		"arrays":     bytes.Repeat([]byte{0x91}, 8<<20),
		"maps":       bytes.Repeat([]byte{0x81}, 8<<20),
		"long array": bytes.Repeat([]byte{0xdd, 0, 0, 0, 1}, 1<<20),
		"json":       bytes.Repeat([]byte{'['}, 8<<20),
	} {
		for _, c := range []codec.Codec{codec.Msgpack, codec.JSON} {
			for _, v := range []any{new(any), new(tree), new(list)} {
				assert.Errorf(t, c.Unmarshal(hostile, v), "%s: %s into %T", c.Name(), name, v)
			}
		}
	}
}

// TestHostileLengths: a length that the bytes do not bear out allocates nothing.
func TestHostileLengths(t *testing.T) {
	for name, hostile := range map[string][]byte{
		"array":         {0xdd, 0xff, 0xff, 0xff, 0xff},
		"map":           {0xdf, 0xff, 0xff, 0xff, 0xff},
		"string":        {0xdb, 0xff, 0xff, 0xff, 0xff, 'x'},
		"bytes":         {0xc6, 0x7f, 0xff, 0xff, 0xff, 'x'},
		"extension":     {0xc9, 0xff, 0xff, 0xff, 0xff, 1},
		"nested arrays": bytes.Repeat([]byte{0xdd, 0, 0, 0x10, 0}, 900),
		"short":         {0xdc, 0x10},
		"never used":    {0xc1},
		"two values":    {1, 2},
		"nothing":       {},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []any{new(any), new([]int), new([]any), new(map[string]string), new(string), new([]byte), new(time.Time), new(everything)} {
				require.Errorf(t, codec.Msgpack.Unmarshal(hostile, v), "%T", v)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range 100 {
				_ = codec.Msgpack.Unmarshal(hostile, new([]any))
			}
			runtime.ReadMemStats(&after)
			assert.Less(t, (after.TotalAlloc-before.TotalAlloc)/100, uint64(64<<10))
		})
	}
}

type liar struct{} //nolint:recvcheck // decoding needs the pointer, and encoding shall do without

func (liar) EncodeMsgpack(e *msgpack.Encoder) error { return e.EncodeArrayLen(5) }
func (*liar) DecodeMsgpack(*msgpack.Decoder) error  { panic("liar") }

type grump struct{}

func (grump) MarshalText() ([]byte, error) { panic(errors.ErrUnsupported) }
func (*grump) UnmarshalText([]byte) error  { panic("grump") }

// TestPanicsAndLiesAreErrors: a type's own methods may panic, and may write what cannot be read.
func TestPanicsAndLiesAreErrors(t *testing.T) {
	_, err := codec.Msgpack.Marshal(liar{})
	require.Error(t, err, "five elements are announced, none follows")
	for _, c := range []codec.Codec{codec.Msgpack, codec.JSON} {
		_, err := c.Marshal(grump{})
		require.ErrorIs(t, err, errors.ErrUnsupported)
		data, err := c.Marshal("x")
		require.NoError(t, err)
		require.ErrorContains(t, c.Unmarshal(data, new(grump)), "grump")
	}
	require.ErrorContains(t, codec.Msgpack.Unmarshal([]byte{0x90}, new(liar)), "liar")
	// What follows is not disturbed by what broke.
	data, err := codec.Msgpack.Marshal(42)
	require.NoError(t, err)
	var n int
	require.NoError(t, codec.Msgpack.Unmarshal(data, &n))
	assert.Equal(t, 42, n)
}

// TestNothingIsShared: the decoded value does not change when the bytes do, nor the bytes when the value does.
func TestNothingIsShared(t *testing.T) {
	for _, c := range []codec.Codec{codec.Msgpack, codec.JSON, codec.String} {
		in := []byte("abc")
		data, err := c.Marshal(in)
		require.NoError(t, err)
		kept := bytes.Clone(data)
		in[0] = 'X'
		assert.Equal(t, kept, data)
		var out []byte
		require.NoError(t, c.Unmarshal(data, &out))
		clear(data)
		assert.Equal(t, "abc", string(out))
	}
}

func TestConcurrent(t *testing.T) {
	done := make(chan error, 8)
	for range 8 {
		go func() {
			for range 200 {
				want := filled()
				data, err := codec.Msgpack.Marshal(want.In)
				if err != nil {
					done <- err
					return
				}
				var got inner
				if err := codec.Msgpack.Unmarshal(data, &got); err != nil || got.A != want.In.A {
					done <- errors.Join(err, errors.New("another value came back"))
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		require.NoError(t, <-done)
	}
}

// Embedded embeds itself, which Go and encoding/json allow.
type Embedded struct {
	N int
	*Embedded
}

type (
	oneOfTwo struct{ *TwoOfTwo }
	TwoOfTwo struct{ *oneOfTwo }
	// written holds itself, and writes itself.
	written struct{ *written }
	// apart holds itself as a field.
	apart struct {
		*apart `msgpack:",noinline"`
		Next   *apart
	}
)

func (written) MarshalText() ([]byte, error)  { return []byte("x"), nil }
func (*written) UnmarshalText(_ []byte) error { return nil }

// TestEmbeddedInItself: the msgpack package would recurse over such a type until the stack ends, which kills the process.
func TestEmbeddedInItself(t *testing.T) {
	for _, v := range []any{Embedded{}, &Embedded{}, []Embedded{{}}, map[string][]*Embedded{"a": {{}}}, oneOfTwo{}, struct{ In struct{ E Embedded } }{}} {
		for range 2 {
			_, err := codec.Msgpack.Marshal(v)
			var e *codec.Error
			require.ErrorAs(t, err, &e, "%T", v)
			require.ErrorContains(t, err, "embeds itself")
		}
	}
	require.ErrorContains(t, codec.Msgpack.Unmarshal([]byte{0x80}, &Embedded{}), "embeds itself")
	for _, v := range []any{written{}, apart{}, &apart{Next: &apart{}}, nil, any(nil), 1} {
		_, err := codec.Msgpack.Marshal(v)
		require.NoError(t, err, "%T", v)
	}
}
