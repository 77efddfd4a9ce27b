package hll

import (
	"math/bits"
	"math/rand/v2"
)

// RaiseAtRandom gives registers the values that about 2^lift elements in each would leave.
func RaiseAtRandom(s *Sketch, rng *rand.Rand, lift int) {
	for i := range registers {
		if rng.IntN(lift+1) == 0 && lift < 5 {
			continue
		}
		s.set(i, uint8(min(lift+bits.TrailingZeros64(rng.Uint64()|1<<40)+1, maxRank)))
	}
	s.fresh = false
}
