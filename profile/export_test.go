package profile

// What tests of the outside need to see or set.

// Flights is how many loads are under way in this process.
func (s *Store[T]) Flights() int {
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	return len(s.flights.running) + len(s.flights.refreshing)
}

// Key is the key of an object.
func (s *Store[T]) Key(id string) string { return s.key(id) }

// Open says whether reads have given Redis up.
func (s *Store[T]) Open(id string) bool {
	b := s.breaker(s.key(id))
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= opensAfter
}

// Breakers is how many breakers there are.
func (s *Store[T]) Breakers() int { return len(s.breakers) }

// The inner functions that tests look at alone.
var (
	SpreadBy  = spreadBy
	Due       = due
	Slot      = slot
	ParseMeta = func(text string) (string, bool) {
		m, ok := parseMeta(text)
		return m.String(), ok
	}
	ParseRaw = func(raw []byte) (map[string]string, bool) {
		h, ok := parseRaw(raw, nil)
		m := map[string]string{}
		for _, p := range h {
			m[p.name] = p.text
		}
		return m, ok
	}
)
