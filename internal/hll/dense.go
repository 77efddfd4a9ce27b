package hll

import (
	"encoding/binary"
	"fmt"
)

// Eight registers are worked on at once, as the bytes of one word: a register needs six of its eight bits, so that
// the two above are free for the comparison.
const (
	tops = 0x8080808080808080
	ones = 0x0101010101010101
)

// mergeDense raises regs to the packed registers of a dense sketch. b has denseBytes.
func mergeDense(regs *[registers]uint8, b []byte) error {
	var excess uint64
	const lastWhole = denseBytes/6 - 1
	for i := range denseBytes / 6 {
		var packed uint64
		if i < lastWhole {
			packed = binary.LittleEndian.Uint64(b[i*6 : i*6+8])
		} else {
			// The last six bytes have no two behind them that could be read along.
			packed = binary.LittleEndian.Uint64(b[i*6-2:i*6+6]) >> 16
		}
		w := spread(packed)
		excess |= w + (0x7f-maxRank)*ones // the top bit of every register beyond the largest value
		at := regs[i*8 : i*8+8]
		binary.LittleEndian.PutUint64(at, maxOf(binary.LittleEndian.Uint64(at), w))
	}
	if excess&tops != 0 {
		return fmt.Errorf("%w: a register is beyond %d", ErrCorrupt, maxRank)
	}
	return nil
}

// mergeBytes raises regs to other.
func mergeBytes(regs, other *[registers]uint8) {
	for i := 0; i < registers; i += 8 {
		at, from := regs[i:i+8], other[i:i+8]
		binary.LittleEndian.PutUint64(at, maxOf(binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint64(from)))
	}
}

// spread moves the lowest eight groups of six bits to the eight bytes of a word.
func spread(x uint64) uint64 {
	x = x&0xffffff | x&0xffffff000000<<8
	x = x&0x00000fff00000fff | x&0x00fff00000fff000<<4
	return x&0x003f003f003f003f | x&0x0fc00fc00fc00fc0<<2
}

// maxOf returns the larger of each byte of a and b, all of which are below 128.
func maxOf(a, b uint64) uint64 {
	less := ((a | tops) - b) & tops // the top bit where a >= b
	mask := less - less>>7 | less   // 0xff there
	return a&mask | b&^mask
}

// appendDense packs registers into six bits each.
func appendDense(b []byte, regs *[registers]uint8) []byte {
	for i := 0; i < registers; i += 4 {
		x := uint32(regs[i]) | uint32(regs[i+1])<<6 | uint32(regs[i+2])<<12 | uint32(regs[i+3])<<18
		b = append(b, byte(x), byte(x>>8), byte(x>>16))
	}
	return b
}
