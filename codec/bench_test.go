package codec_test

import (
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/larder-go/larder/codec"
)

func BenchmarkMarshal(b *testing.B) {
	v := filled()
	b.Run("codec=msgpack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = codec.Msgpack.Marshal(&v)
		}
	})
	b.Run("codec=bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = msgpack.Marshal(&v)
		}
	})
	b.Run("codec=json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = codec.JSON.Marshal(&v)
		}
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	v := filled()
	data, err := codec.Msgpack.Marshal(&v)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("codec=msgpack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = codec.Msgpack.Unmarshal(data, new(everything))
		}
	})
	b.Run("codec=bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = msgpack.Unmarshal(data, new(everything))
		}
	})
}
