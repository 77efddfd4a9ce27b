package hll

import (
	"strconv"
	"testing"
)

func BenchmarkUnion(b *testing.B) {
	for name, n := range map[string]int{"sparse": 500, "dense": 20_000} {
		raw := numbered(n).Encode()
		b.Run("add="+name, func(b *testing.B) {
			var u Union
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if err := u.Add(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("count", func(b *testing.B) {
		var u Union
		u.merge(numbered(20_000))
		for b.Loop() {
			u.Count()
		}
	})
}

func BenchmarkSketch(b *testing.B) {
	names := make([]string, 4096)
	for i := range names {
		names[i] = "visitor:" + strconv.Itoa(i)
	}
	for name, n := range map[string]int{"sparse": 500, "dense": 20_000} {
		s := numbered(n)
		b.Run("add="+name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				s.Add(names[i%n%len(names)])
				i++
			}
		})
		raw := s.Encode()
		b.Run("decode="+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Decode(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
