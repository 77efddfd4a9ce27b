package hll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Errors of this package. Decode and Union.Add wrap them.
var (
	// ErrNotSketch says that a string is not a HyperLogLog: Redis answers WRONGTYPE.
	ErrNotSketch = errors.New("hll: not a HyperLogLog")
	// ErrCorrupt says that a string is a HyperLogLog whose registers are damaged: Redis answers INVALIDOBJ.
	ErrCorrupt = errors.New("hll: corrupt HyperLogLog")
)

const (
	headerSize = 16
	denseBytes = registers * 6 / 8

	encodingDense  = 0
	encodingSparse = 1

	// staleBit, in the last byte of the cached count, says that it is not to be used.
	staleBit = 0x80

	// SparseMaxBytes is how long a sparse sketch may grow, its header included, before it becomes a dense one:
	// the default of a server's hll-sparse-max-bytes.
	SparseMaxBytes = 3000

	// Size is the length of a dense sketch in bytes, the most that any sketch takes.
	Size = headerSize + denseBytes
)

const magic = "HYLL"

// Sketch is the value of one HyperLogLog key. The zero value is an empty sketch, ready to use, and encodes to what
// PFADD without an element creates. A Sketch is not safe for concurrent use, except for reading (Count, Encode, Sparse,
// Clone).
type Sketch struct {
	card   [8]byte // the cached count as the server holds it, without the stale bit
	fresh  bool    // whether card is to be used; stale is what the stale bit says
	sparse []byte  // opcodes, while dense is nil; nil is one run of zeros
	dense  []uint8 // one byte a register
}

// check looks at the header, as strictly as Redis does before every PF command, and says whether b is dense.
func check(b []byte) (dense bool, err error) {
	switch {
	case len(b) < headerSize:
		return false, fmt.Errorf("%w: %d bytes are shorter than a header", ErrNotSketch, len(b))
	case string(b[:4]) != magic:
		return false, fmt.Errorf("%w: it does not begin with %s", ErrNotSketch, magic)
	case b[4] > encodingSparse:
		return false, fmt.Errorf("%w: unknown encoding %d", ErrNotSketch, b[4])
	case b[4] == encodingDense && len(b) != Size:
		return false, fmt.Errorf("%w: dense, with %d bytes instead of %d", ErrNotSketch, len(b), Size)
	}
	return b[4] == encodingDense, nil
}

// Decode reads a sketch from what GET answers for its key. An absent key is an empty sketch to Redis; here no bytes
// are ErrNotSketch, and the caller decides. b is not kept.
func Decode(b []byte) (*Sketch, error) {
	isDense, err := check(b)
	if err != nil {
		return nil, err
	}
	s := &Sketch{card: [8]byte(b[8:headerSize]), fresh: b[headerSize-1]&staleBit == 0}
	s.card[7] &^= staleBit
	if isDense {
		s.dense = make([]uint8, registers)
		return s, mergeDense((*[registers]uint8)(s.dense), b[headerSize:])
	}
	var sink [registers]uint8
	if err := mergeSparse(&sink, b[headerSize:]); err != nil {
		return nil, err
	}
	s.sparse = slices.Clone(b[headerSize:])
	return s, nil
}

// Encode returns the bytes that a server would hold for the sketch: sparse or dense, with the cached count and its
// stale bit.
func (s *Sketch) Encode() []byte {
	b := make([]byte, headerSize, Size)
	copy(b, magic)
	copy(b[8:], s.card[:])
	if !s.fresh {
		b[headerSize-1] |= staleBit
	}
	if s.dense != nil {
		b[4] = encodingDense
		return appendDense(b, (*[registers]uint8)(s.dense))
	}
	b[4] = encodingSparse
	return append(b, s.opcodes()...)
}

// Sparse says whether the sketch is still sparse.
func (s *Sketch) Sparse() bool { return s.dense == nil }

// Clone returns a sketch of the same contents that shares nothing with s.
func (s *Sketch) Clone() *Sketch {
	return &Sketch{card: s.card, fresh: s.fresh, sparse: slices.Clone(s.sparse), dense: slices.Clone(s.dense)}
}

// Add counts an element, and says whether a register has changed. PFADD answers 1 if Add says so of any of its
// elements, or if the key was not there before. An unchanged sketch does not mean that the element was counted before.
func (s *Sketch) Add(element string) bool {
	index, rank := position(element)
	if !s.set(index, rank) {
		return false
	}
	s.fresh = false
	return true
}

// Merge makes s the union of itself and the others, as PFMERGE does: dense if any of them is, else sparse as
// long as that fits. The others are not changed.
func (s *Sketch) Merge(others ...*Sketch) {
	var all Union
	anyDense := s.dense != nil
	all.merge(s)
	for _, o := range others {
		anyDense = anyDense || o.dense != nil
		all.merge(o)
	}
	if anyDense {
		s.promote()
	}
	for i, v := range all.max {
		if v > 0 {
			s.set(i, v)
		}
	}
	s.fresh = false // PFMERGE says so although nothing may have changed
}

// Count returns the number of different elements, as PFCOUNT of the one key: the cached count unless it is stale.
func (s *Sketch) Count() int64 {
	if s.fresh {
		return int64(binary.LittleEndian.Uint64(s.card[:]))
	}
	var u Union
	u.merge(s)
	return u.Count()
}

// Refresh counts as Count does and, as PFCOUNT of one key, keeps the count in the sketch.
func (s *Sketch) Refresh() int64 {
	n := s.Count()
	binary.LittleEndian.PutUint64(s.card[:], uint64(n))
	s.fresh = true
	return n
}

// set raises a register, and says whether it was lower.
func (s *Sketch) set(index int, rank uint8) bool {
	if s.dense == nil {
		changed, fits := s.setSparse(index, rank)
		if fits {
			return changed
		}
		s.promote()
	}
	if s.dense[index] >= rank {
		return false
	}
	s.dense[index] = rank
	return true
}

// promote makes a sparse sketch a dense one. The cached count stays as it is.
func (s *Sketch) promote() {
	if s.dense != nil {
		return
	}
	var u Union
	u.merge(s)
	s.dense, s.sparse = slices.Clone(u.max[:]), nil
}

// Union counts the different elements of many sketches without making a sketch of them: one PFCOUNT of many keys.
// The zero value counts nothing, and is ready to use. A Union is not safe for concurrent use. It takes 16 KiB.
type Union struct {
	max [registers]uint8
}

// Add takes the bytes of one sketch, as GET answers them. After an error the union is not to be used, since a part of
// the sketch may be in it.
func (u *Union) Add(b []byte) error {
	isDense, err := check(b)
	if err != nil {
		return err
	}
	if isDense {
		return mergeDense(&u.max, b[headerSize:])
	}
	return mergeSparse(&u.max, b[headerSize:])
}

// Merge takes what another union has taken.
func (u *Union) Merge(other *Union) { mergeBytes(&u.max, &other.max) }

// Count returns what PFCOUNT of all the keys would return.
func (u *Union) Count() int64 {
	var histogram [64]int
	for _, v := range &u.max {
		histogram[v&63]++
	}
	return estimate(&histogram)
}

// merge takes a sketch, whose registers are known to be sound.
func (u *Union) merge(s *Sketch) {
	if s.dense != nil {
		mergeBytes(&u.max, (*[registers]uint8)(s.dense))
		return
	}
	if err := mergeSparse(&u.max, s.opcodes()); err != nil {
		panic("hll: a sketch that was decoded became corrupt: " + err.Error())
	}
}
