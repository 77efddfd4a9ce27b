package calendar_test

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkLabel(b *testing.B) {
	at := time.Unix(1795357200, 0)
	for _, name := range []string{"UTC", "Europe/Berlin"} {
		loc := load(b, name)
		for _, p := range periods {
			b.Run(fmt.Sprintf("zone=%s/period=%s", loc, p), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Label(at, loc)
				}
			})
		}
	}
}

func BenchmarkEnd(b *testing.B) {
	at := time.Unix(1795357200, 0)
	for _, name := range []string{"UTC", "Europe/Berlin"} {
		loc := load(b, name)
		for _, p := range periods {
			b.Run(fmt.Sprintf("zone=%s/period=%s", loc, p), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.End(at, loc)
				}
			})
		}
	}
}
