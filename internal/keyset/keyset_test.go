package keyset

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSet holds the set to a map, also for hashes that all want the same place.
func TestSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, hash := range []func() uint64{
		func() uint64 { return rng.Uint64() | 1 },
		func() uint64 { return rng.Uint64N(300)<<1 | 1 },
	} {
		s, want := Set{}, map[uint64]bool{}
		require.False(t, s.Has(1))
		for round := range 3000 {
			h := hash()
			require.Equal(t, want[h], s.Has(h))
			s.Add(h)
			want[h] = true
			require.True(t, s.Has(h))
			require.Equal(t, len(want), s.Len())
			if round%1000 == 999 {
				s.Reset()
				clear(want)
				require.False(t, s.Has(h))
			}
		}
	}
}
