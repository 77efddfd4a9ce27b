package hll

import "fmt"

const (
	zeroMax  = 64 // the longest run of a one-byte zero opcode
	valMax   = 32 // the largest value that a sparse sketch can hold
	valRun   = 4  // the longest run of a value opcode
	isXZero  = 0x40
	isVal    = 0x80
	scanning = 5 // how many opcodes Redis looks at when it merges neighbours
)

// opcode takes the opcode at the beginning of ops apart: a run of value (0: zeros), and its length in bytes. ops is not
// empty; size is 0 if it ends within the opcode.
func opcode(ops []byte) (value uint8, run, size int) {
	switch op := ops[0]; {
	case op&isVal != 0:
		return op>>2&0x1f + 1, int(op&3) + 1, 1
	case op&isXZero == 0:
		return 0, int(op&0x3f) + 1, 1
	case len(ops) < 2:
		return 0, 0, 0
	default:
		return 0, int(op&0x3f)<<8 | int(ops[1]) + 1, 2
	}
}

func valOp(value uint8, run int) byte { return isVal | (value-1)<<2 | byte(run-1) }

func appendZeros(ops []byte, run int) []byte {
	if run > zeroMax {
		return append(ops, isXZero|byte((run-1)>>8), byte(run-1))
	}
	return append(ops, byte(run-1))
}

// mergeSparse raises regs to the registers of sparse opcodes, which have to cover them all, and no more.
func mergeSparse(regs *[registers]uint8, ops []byte) error {
	at := 0
	for len(ops) > 0 {
		value, run, size := opcode(ops)
		if size == 0 {
			return fmt.Errorf("%w: it ends within an opcode", ErrCorrupt)
		}
		if at+run > registers {
			return fmt.Errorf("%w: its runs cover more than %d registers", ErrCorrupt, registers)
		}
		if value > 0 {
			for i := at; i < at+run; i++ {
				if regs[i] < value {
					regs[i] = value
				}
			}
		}
		at += run
		ops = ops[size:]
	}
	if at != registers {
		return fmt.Errorf("%w: its runs cover %d of %d registers", ErrCorrupt, at, registers)
	}
	return nil
}

// opcodes returns the opcodes of a sparse sketch. The zero sketch has one run of zeros.
func (s *Sketch) opcodes() []byte {
	if s.sparse == nil {
		return appendZeros(nil, registers)
	}
	return s.sparse
}

// setSparse raises a register of a sparse sketch in the way that Redis does, opcode for opcode, so that a sketch
// becomes dense at the same element. fits is false, and nothing is changed, if it has to become dense first.
func (s *Sketch) setSparse(index int, rank uint8) (changed, fits bool) {
	if rank > valMax {
		return false, false
	}
	ops := s.opcodes()

	// Find the opcode that covers the register, and the one before it.
	var (
		value      uint8
		run, size  int
		first      int // the first register that the opcode covers
		at, before int
	)
	for {
		value, run, size = opcode(ops[at:])
		if index < first+run {
			break
		}
		before = at
		at += size
		first += run
	}
	if value >= rank {
		return false, true
	}

	if run == 1 { // a zero opcode of one register is one byte, as is a value
		s.sparse = ops
		ops[at] = valOp(rank, 1)
	} else {
		// Split the run: what is before the register, the register, what is behind it.
		var room [5]byte
		split := room[:0]
		left, right := index-first, first+run-1-index
		part := func(n int) {
			switch {
			case n == 0:
			case value == 0:
				split = appendZeros(split, n)
			default:
				split = append(split, valOp(value, n))
			}
		}
		part(left)
		split = append(split, valOp(rank, 1))
		part(right)
		if grown := len(split) - size; grown > 0 && headerSize+len(ops)+grown > SparseMaxBytes {
			return false, false
		}
		s.sparse = splice(ops, at, size, split)
	}
	s.join(before)
	return true, true
}

// splice replaces size bytes of ops with others, in place where they fit.
func splice(ops []byte, at, size int, with []byte) []byte {
	grown := len(with) - size
	for range grown {
		ops = append(ops, 0)
	}
	copy(ops[at+len(with):], ops[at+size:len(ops)-max(grown, 0)])
	copy(ops[at:], with)
	return ops[:len(ops)+min(grown, 0)]
}

// join merges neighbours of one value among the few opcodes that begin at from.
func (s *Sketch) join(from int) {
	ops, at := s.sparse, from
	for left := scanning; at < len(ops) && left > 0; left-- {
		value, run, size := opcode(ops[at:])
		if value > 0 && at+1 < len(ops) {
			// Where two become one, the next turn tries to join that one with what follows.
			if next, more, _ := opcode(ops[at+1:]); next == value && run+more <= valRun {
				ops[at+1] = valOp(value, run+more)
				ops = append(ops[:at], ops[at+1:]...)
				continue
			}
		}
		at += size
	}
	s.sparse = ops
}
