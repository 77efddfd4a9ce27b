package keyset

// Set is a set of the hashes of keys: odd numbers, so that 0 is a free place. The zero value is empty. It is not safe for
// concurrent use.
type Set struct {
	table []uint64
	n     int
}

// Has says whether a hash is in the set.
func (s *Set) Has(h uint64) bool {
	if s.n == 0 {
		return false
	}
	mask := uint64(len(s.table) - 1)
	for i := h >> 20 & mask; ; i = (i + 1) & mask {
		switch s.table[i] {
		case h:
			return true
		case 0:
			return false
		}
	}
}

// Add puts a hash, which is odd, into the set.
func (s *Set) Add(h uint64) {
	if 2*s.n >= len(s.table) {
		s.grow()
	}
	mask := uint64(len(s.table) - 1)
	i := h >> 20 & mask
	for s.table[i] != 0 {
		if s.table[i] == h {
			return
		}
		i = (i + 1) & mask
	}
	s.table[i] = h
	s.n++
}

func (s *Set) grow() {
	old := s.table
	s.table = make([]uint64, max(16, 2*len(old)))
	s.n = 0
	for _, h := range old {
		if h != 0 {
			s.Add(h)
		}
	}
}

// Reset empties the set, and keeps its memory.
func (s *Set) Reset() {
	clear(s.table)
	s.n = 0
}

// Len is how many hashes are in the set.
func (s *Set) Len() int { return s.n }
