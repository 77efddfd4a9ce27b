package profile_test

import (
	"encoding/json"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/codec/compressed"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/profile"
)

type (
	colour string
	level  int8
	mask   uint64
	ratio  float32
	onOff  bool
	blob   []byte
	colors []colour
	stamp  time.Time
	tags   map[string]string
)

// upper has its marshaler on the pointer.
type upper struct{ s string }

func (u *upper) MarshalText() ([]byte, error) { return []byte(strings.ToUpper(u.s)), nil }
func (u *upper) UnmarshalText(b []byte) error { u.s = strings.ToLower(string(b)); return nil }

// both has a text form and a binary form, and they differ.
type both struct{ n byte }

func (b both) MarshalText() ([]byte, error)    { return []byte{'t', b.n}, nil }
func (b *both) UnmarshalText(d []byte) error   { b.n = d[1]; return nil }
func (b both) MarshalBinary() ([]byte, error)  { return []byte{b.n, 'b'}, nil }
func (b *both) UnmarshalBinary(d []byte) error { b.n = d[0]; return nil }

// Base is embedded, and flattened.
type Base struct {
	ID      uint64
	Created time.Time
	deeper
}

type deeper struct{ Depth int }

// Part is embedded as a pointer: one field.
type Part struct{ X, Y int }

type inner struct {
	A int
	B []string
	C *inner
	D map[string]any
}

type nested struct {
	A int
	B []string
	C *nested
	D map[string]int
}

type everything struct {
	Base
	*Part
	S     string
	C     colour
	I     int
	L     level
	I16   int16
	I32   int32
	U     uint
	M     mask
	R     ratio
	F     float64
	O     onOff
	T     time.Time
	St    stamp
	D     time.Duration
	B     []byte
	Bl    blob
	Raw   json.RawMessage
	IP    net.IP
	PS    *string
	PI    *int
	PT    *time.Time
	PN    *nested
	Sl    []int
	Cs    colors
	Map   map[string]int
	Tags  tags
	Ints  map[int]nested
	N     nested
	Ns    []*nested
	Arr   [3]int16
	Up    upper
	UpP   *upper
	Both  both
	Addr  netip.Addr
	Big   *big.Int
	Array [2]time.Time
	Named string `profile:"other name"`
	Skip  int    `profile:"-"`
	local int    //nolint:unused // that it is not stored is what it is for
}

func filled() everything {
	at := time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.FixedZone("", -5*3600-1800))
	return everything{
		Base: Base{ID: math.MaxUint64, Created: at.UTC(), deeper: deeper{Depth: 3}}, Part: &Part{1, 2},
		S: "zoë\x00\xff", C: "red", I: math.MinInt, L: -128, I16: 1, I32: math.MinInt32, U: math.MaxUint, M: 1, R: 0.1, F: -1e300, O: true,
		T: at, St: stamp(at), D: -time.Nanosecond, B: []byte{0, 255}, Bl: blob("b"), Raw: json.RawMessage(`{"a":1}`), IP: net.IPv4(1, 2, 3, 4).To4(),
		PS: new(""), PI: new(0), PT: &at, PN: &nested{A: 1, C: &nested{B: []string{""}}}, Sl: []int{1, 2}, Cs: colors{"a", ""},
		Map: map[string]int{"": 1}, Tags: tags{"k": "v"}, Ints: map[int]nested{-3: {A: 1}}, N: nested{D: map[string]int{}}, Ns: []*nested{nil, {A: 5}},
		Arr: [3]int16{1, 2, 3}, Up: upper{"abc"}, UpP: &upper{"x"}, Both: both{7}, Addr: netip.MustParseAddr("fe80::1%eth0"), Big: big.NewInt(-5),
		Array: [2]time.Time{at.UTC(), at.UTC().Add(1)}, Named: "n",
	}
}

// same compares with times by their instants, whatever their zones.
func same(t *testing.T, want, got everything) {
	t.Helper()
	for _, p := range []struct{ want, got *time.Time }{
		{&want.T, &got.T},
		{&want.Created, &got.Created},
		{want.PT, got.PT},
		{&want.Array[0], &got.Array[0]},
		{&want.Array[1], &got.Array[1]},
		{(*time.Time)(&want.St), (*time.Time)(&got.St)},
	} {
		require.Equal(t, p.want == nil, p.got == nil)
		if p.want != nil {
			assert.Truef(t, p.want.Equal(*p.got), "%v and %v", p.want, p.got)
			*p.got = *p.want
		}
	}
	assert.Equal(t, want, got)
}

// TestRoundTrip: every type that is stored comes back exactly, filled, zero, and with all that may be nil empty instead.
func TestRoundTrip(t *testing.T) {
	empty := everything{
		Part: &Part{}, B: []byte{}, Bl: blob{}, Raw: json.RawMessage{}, IP: net.IP{}, PS: new(""), PI: new(0), PT: &time.Time{}, PN: &nested{},
		Sl: []int{}, Cs: colors{}, Map: map[string]int{}, Tags: tags{}, Ints: map[int]nested{}, Ns: []*nested{}, UpP: &upper{}, Big: &big.Int{},
	}
	cases := map[string]everything{"filled": filled(), "zero": {}, "empty": empty}
	redistest.Each(t, func(t *testing.T, e redistest.Env) {
		for _, c := range []codec.Codec{codec.Msgpack, codec.JSON, compressed.New(codec.Msgpack, 1)} {
			for name, want := range cases {
				t.Run(c.Name()+"/"+name, func(t *testing.T) {
					ctx := t.Context()
					s := newStore(t, e.Client, profile.Options[everything]{Namespace: e.Namespace, Codec: c})
					id := e.ID("x")
					require.NoError(t, s.Set(ctx, id, want))
					got, err := s.Get(ctx, id)
					require.NoError(t, err)
					same(t, want, got)
					got, err = s.Modify(ctx, id, func(v *everything) error { v.I = 5; return nil })
					require.NoError(t, err)
					want := want
					want.I = 5
					same(t, want, got)
					got, err = s.Peek(ctx, id)
					require.NoError(t, err)
					same(t, want, got)
				})
			}
		}
	})
}

// TestTimes: every instant comes back, also what RFC 3339 cannot hold.
func TestTimes(t *testing.T) {
	type holder struct{ At time.Time }
	s := newStore(t, lardertest.New(t), profile.Options[holder]{})
	for _, at := range []time.Time{
		{},
		time.Unix(0, 0), time.Unix(0, 1).UTC(), time.Date(2024, 2, 29, 1, 2, 3, 4, time.FixedZone("odd", 1172)),
		time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(12345, 1, 1, 0, 0, 0, 5, time.UTC), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 1, 1, 0, 0, 0, 0, time.FixedZone("", 25*3600)),
		time.Date(2024, 1, 1, 0, 0, 0, 0, time.FixedZone("", -14*3600)), time.Now(),
	} {
		require.NoError(t, s.Set(t.Context(), "x", holder{at}))
		got, err := s.Get(t.Context(), "x")
		require.NoError(t, err)
		assert.Truef(t, at.Equal(got.At), "%v and %v", at, got.At)
		assert.Equal(t, at.IsZero(), got.At.IsZero())
	}
}

func TestFloats(t *testing.T) {
	type holder struct {
		F float64
		G float32
	}
	s := newStore(t, lardertest.New(t), profile.Options[holder]{})
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.SmallestNonzeroFloat64, math.MaxFloat64, 0.1} {
		want := holder{f, float32(f)}
		require.NoError(t, s.Set(t.Context(), "x", want))
		got, err := s.Get(t.Context(), "x")
		require.NoError(t, err)
		assert.Equal(t, math.IsNaN(f), math.IsNaN(got.F))
		if !math.IsNaN(f) {
			assert.Equal(t, math.Float64bits(want.F), math.Float64bits(got.F))
			assert.Equal(t, math.Float32bits(want.G), math.Float32bits(got.G))
		}
	}
}

// TestPlainForms: what other languages read.
func TestPlainForms(t *testing.T) {
	type forms struct {
		UserID int
		HTTPOk bool
		X2     float64
		At     time.Time
		Took   time.Duration
		Data   []byte
		Name   *string
		Nobody *string
	}
	rdb := lardertest.New(t)
	s := newStore(t, rdb, profile.Options[forms]{})
	at := time.Date(2024, 2, 29, 1, 2, 3, 0, time.FixedZone("", 3600))
	require.NoError(t, s.Set(t.Context(), "x", forms{UserID: -5, HTTPOk: true, X2: 0.5, At: at, Took: time.Second, Data: []byte("d"), Name: new("n")}))
	got, err := rdb.HGetAll(t.Context(), s.Key("x")).Result()
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(got["@meta"], " nobody"))
	delete(got, "@meta")
	assert.Equal(t, map[string]string{
		"user_id": "-5", "http_ok": "1", "x2": "0.5", "at": "2024-02-29T01:02:03+01:00", "took": "1000000000", "data": "d", "name": "n",
	}, got)
}

func refused[T any](t *testing.T, rdb redis.UniversalClient, c codec.Codec, path string) {
	t.Helper()
	_, err := profile.New(rdb, profile.Options[T]{Codec: c})
	if assert.Errorf(t, err, "%T", *new(T)) {
		assert.ErrorContains(t, err, path)
		assert.ErrorContains(t, err, "profile: ")
	}
}

type hidden struct{ n int } //nolint:unused // so that nothing of it would be stored

type loop struct{ Next **loop }

// TestTypesRefused: New names the path to what cannot be stored.
func TestTypesRefused(t *testing.T) {
	rdb := lardertest.New(t)
	m := codec.Msgpack
	refused[int](t, rdb, m, "int")
	refused[*user](t, rdb, m, "*profile_test.user")
	refused[time.Time](t, rdb, m, "time.Time")
	refused[map[string]int](t, rdb, m, "map")
	refused[any](t, rdb, m, "interface")
	refused[struct{}](t, rdb, m, "no fields")
	refused[struct{ n int }](t, rdb, m, "no fields")
	refused[struct{ A any }](t, rdb, m, ".A")
	refused[struct{ A error }](t, rdb, m, ".A")
	refused[struct{ A []any }](t, rdb, m, ".A[]")
	refused[struct{ A map[string]any }](t, rdb, m, ".A[]")
	refused[struct{ A inner }](t, rdb, m, ".A.D[]")
	refused[struct{ A []struct{ B chan int } }](t, rdb, m, ".A[].B")
	refused[struct{ A func() }](t, rdb, m, ".A")
	refused[struct{ A uintptr }](t, rdb, m, ".A")
	refused[struct{ A unsafe.Pointer }](t, rdb, m, ".A")
	refused[struct{ A complex128 }](t, rdb, m, ".A")
	refused[struct{ A **int }](t, rdb, m, ".A")
	refused[struct{ A *[]byte }](t, rdb, m, ".A")
	refused[struct{ A *[]int }](t, rdb, m, ".A")
	refused[struct{ A []**int }](t, rdb, m, ".A[]")
	refused[struct{ A loop }](t, rdb, m, ".A.Next")
	refused[struct{ A hidden }](t, rdb, m, ".A")
	refused[struct{ A map[string]upper }](t, rdb, m, "map[...]*")
	refused[struct{ *hidden }](t, rdb, m, ".hidden")
}

// TestTypesOfTheCodec: what the Store's own codec does not store is refused, and what only it stores is not.
func TestTypesOfTheCodec(t *testing.T) {
	rdb := lardertest.New(t)
	refused[struct{ A []int }](t, rdb, codec.String, ".A")
	refused[struct{ A map[[2]int]string }](t, rdb, codec.JSON, ".A")
	refused[struct{ A struct{ B url.Userinfo } }](t, rdb, codec.Msgpack, ".A.B")
	_, err := profile.New(rdb, profile.Options[struct{ A string }]{Codec: codec.String})
	require.NoError(t, err)
	_, err = profile.New(rdb, profile.Options[struct {
		A struct {
			B any `json:"-"`
			C int
		}
	}]{Codec: codec.JSON})
	require.NoError(t, err, "its tag leaves it out")
}

// TestNames: names that would clash, with each other or with ours, are refused.
func TestNames(t *testing.T) {
	rdb := lardertest.New(t)
	m := codec.Msgpack
	refused[struct {
		A int `profile:"@meta"`
	}](t, rdb, m, "reserved")
	refused[struct {
		A int `profile:"@lease"`
	}](t, rdb, m, "reserved")
	refused[struct {
		A int `profile:""`
	}](t, rdb, m, "empty")
	refused[struct {
		A int `profile:"a,omitempty"`
	}](t, rdb, m, "options")
	refused[struct {
		A int `profile:"a\n"`
	}](t, rdb, m, "shown")
	refused[struct {
		A int
		B int `profile:"a"`
	}](t, rdb, m, ".B")
	refused[struct {
		Base
		ID int
	}](t, rdb, m, `"id"`)
	refused[struct {
		A int
		b int `profile:"b"`
	}](t, rdb, m, ".b")
}

// FuzzDecode: a hash may hold anything. A read never panics, and what it returns as a hit can be stored again.
func FuzzDecode(f *testing.F) {
	f.Add("1 v 0 t 1 2 3 tags,email", "age", "5", "tags", "\x91\xa1x")
	f.Add("1 a 0 t 1 2 3", "", "", "", "")
	f.Add("1 v 0 t 1 99999999999999999999 3", "name", "", "visits", "x")
	f.Add("", "@lease", "x 1", "a", "b")
	f.Add("2 v", "@lease", "", "tags", "\xdd\xff\xff\xff\xff")
	rdb, stop := lardertest.Start()
	f.Cleanup(stop)
	s := closed(f, rdb, profile.Options[user]{})
	f.Fuzz(func(t *testing.T, meta, name1, text1, name2, text2 string) {
		key := s.Key("x")
		rdb.Del(t.Context(), key)
		if err := rdb.HSet(t.Context(), key, "name", "n", "age", "1", "visits", "2", "@meta", meta, name1, text1, name2, text2).Err(); err != nil {
			return
		}
		if m, ok := profile.ParseMeta(meta); ok {
			if again, ok := profile.ParseMeta(m); !ok || again != m {
				t.Fatalf("%q became %q", m, again)
			}
		}
		got, err := s.Get(t.Context(), "x")
		if err == nil {
			if err := s.Set(t.Context(), "y", got); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = s.GetFields(t.Context(), "x", "tags", "email")
		_, _ = s.TTL(t.Context(), "x")
		_, _ = s.Touch(t.Context(), "x")
		_, _ = s.Increment(t.Context(), "x", "age", 1)
		_, _ = s.Update(t.Context(), "x", map[string]any{"tags": nil})
		if err := s.Invalidate(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRawReplies: what is read raw is what go-redis reads, and nothing else is taken for a hash.
func TestRawReplies(t *testing.T) {
	want := map[string]string{"a": "1", "": "\r\n", "\x00": ""}
	for _, good := range []string{
		"*6\r\n$1\r\na\r\n$1\r\n1\r\n$0\r\n\r\n$2\r\n\r\n\r\n$1\r\n\x00\r\n$0\r\n\r\n",
		"%3\r\n$1\r\na\r\n$1\r\n1\r\n$0\r\n\r\n$2\r\n\r\n\r\n$1\r\n\x00\r\n$0\r\n\r\n",
	} {
		got, ok := profile.ParseRaw([]byte(good))
		require.True(t, ok)
		assert.Equal(t, want, got)
		for i := range good {
			_, ok := profile.ParseRaw([]byte(good[:i]))
			assert.Falsef(t, ok, "%q", good[:i])
		}
	}
	for _, bad := range []string{
		"-MOVED 1 a:1\r\n", "+OK\r\n", "*-1\r\n", "_\r\n", "*1\r\n$0\r\n\r\n", "*99999999999\r\n", "%99999999\r\n$1\r\n", "*2\r\n:1\r\n:2\r\n",
		"*2\r\n$-1\r\n$-1\r\n", "*0\r\nmore", "$1\r\na\r\n",
	} {
		_, ok := profile.ParseRaw([]byte(bad))
		assert.Falsef(t, ok, "%q", bad)
	}
	for _, none := range []string{"*0\r\n", "%0\r\n"} {
		got, ok := profile.ParseRaw([]byte(none))
		assert.True(t, ok)
		assert.Empty(t, got)
	}
}

// FuzzRaw: no reply panics.
func FuzzRaw(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\na\r\n$1\r\n1\r\n"))
	f.Add([]byte("%1\r\n$1\r\na\r\n$1\r\n1\r\n"))
	f.Fuzz(func(_ *testing.T, raw []byte) { profile.ParseRaw(raw) })
}
