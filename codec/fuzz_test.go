package codec_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/larder-go/larder/codec"
)

type node struct {
	Name  string
	Kids  []*node
	Props map[string]any
	When  time.Time
	Data  []byte
	Any   any
}

func targets() []any {
	return []any{
		new(any), new(string), new([]byte), new(int8), new(uint64), new(float32), new(bool), new(time.Time), new([]string), new([]any),
		new(map[string]any), new(map[string]string), new(map[int][]node), new(node), new(*node), new([3]byte), new([2]node),
		new(everything), new(upper), new(struct{}),
	}
}

// fuzz: no bytes panic, and what was decoded can be encoded and comes back.
func fuzz(f *testing.F, c codec.Codec) {
	f.Helper()
	for _, v := range []any{filled(), 1, "x", []any{1, "2", nil, 3.5}, map[string]any{"a": []int{1}}, node{Name: "n", Kids: []*node{{}}}, time.Unix(1, 2)} {
		if data, err := c.Marshal(v); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0xd4, 0x80, 0x05})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, v := range targets() {
			if c.Unmarshal(data, v) != nil {
				continue
			}
			again, err := c.Marshal(v)
			if err != nil {
				continue // such as a year that JSON does not write
			}
			back := reflect.New(reflect.TypeOf(v).Elem()).Interface()
			if err := c.Unmarshal(again, back); err != nil {
				t.Fatalf("%T: what was decoded does not come back: %v", v, err)
			}
		}
	})
}

func FuzzMsgpack(f *testing.F) { fuzz(f, codec.Msgpack) }
func FuzzJSON(f *testing.F)    { fuzz(f, codec.JSON) }
func FuzzString(f *testing.F)  { fuzz(f, codec.String) }
