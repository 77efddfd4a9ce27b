package warmup

// keyset is a set of the hashes of a chunk's keys: odd numbers, so that 0 is a
// free place.
type keyset struct {
	table []uint64
	n     int
}

func (s *keyset) has(h uint64) bool {
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

func (s *keyset) add(h uint64) {
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

func (s *keyset) grow() {
	old := s.table
	s.table = make([]uint64, max(16, 2*len(old)))
	s.n = 0
	for _, h := range old {
		if h != 0 {
			s.add(h)
		}
	}
}

func (s *keyset) reset() {
	clear(s.table)
	s.n = 0
}
