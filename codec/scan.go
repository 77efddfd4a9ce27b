package codec

import (
	"encoding/binary"
	"fmt"
)

// scan goes over MessagePack without recursion and without allocation, but for its stack, and says whether every value is
// whole, no deeper than MaxDepth, and holds no more elements than there are bytes. The decoder trusts lengths (it makes a
// slice of the length that an array announces) and recurses for each level, so it is let only at what passed. Several values
// may follow each other, since a type's own encoder may write several. With whole false, the bytes may end anywhere.
func scan(data []byte, whole bool) error {
	if len(data) == 0 && whole {
		return errNoBytes
	}
	var few [32]uint64
	open := few[:0] // for each level, how many values it still lacks
	for i := 0; i < len(data); {
		code := data[i]
		rest := data[i+1:]
		var skip, elements uint64 // bytes of this value after its code, values within it
		switch {
		case code <= 0x7f, code >= 0xe0, code == 0xc0, code == 0xc2, code == 0xc3: // small numbers, nil, booleans
		case code <= 0x8f:
			elements = 2 * uint64(code&0x0f)
		case code <= 0x9f:
			elements = uint64(code & 0x0f)
		case code <= 0xbf:
			skip = uint64(code & 0x1f)
		case code == 0xc1:
			return fmt.Errorf("no value begins with the byte %#x", code)
		case code >= 0xd4 && code <= 0xd8: // extensions of 1, 2, 4, 8, 16 bytes after their type
			skip = 1 + 1<<(code-0xd4)
		default:
			width := lengthWidth[code-0xc4]
			if width < 0 { // numbers: what follows has a fixed size
				skip = uint64(-width)
				break
			}
			if len(rest) < width {
				return cut(whole)
			}
			var n uint64
			switch width {
			case 1:
				n = uint64(rest[0])
			case 2:
				n = uint64(binary.BigEndian.Uint16(rest))
			default:
				n = uint64(binary.BigEndian.Uint32(rest))
			}
			skip = uint64(width)
			switch code {
			case 0xdc, 0xdd:
				elements = n
			case 0xde, 0xdf:
				elements = 2 * n
			case 0xc7, 0xc8, 0xc9:
				skip += 1 + n
			default:
				skip += n
			}
		}
		if whole && elements > uint64(len(rest)) {
			return errTruncated
		}
		if skip > uint64(len(rest)) {
			return cut(whole)
		}
		i += 1 + int(skip) // not more than the bytes that are there
		if elements > 0 {
			if len(open) == MaxDepth {
				return errDepth
			}
			open = append(open, elements)
			continue
		}
		for len(open) > 0 {
			open[len(open)-1]--
			if open[len(open)-1] > 0 {
				break
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return cut(whole)
	}
	return nil
}

func cut(whole bool) error {
	if whole {
		return errTruncated
	}
	return nil
}

// lengthWidth tells, for each code less 0xc4, how many bytes of length follow, or with a minus sign, how many bytes of
// value.
var lengthWidth = [...]int{
	0x00: 1, 0x01: 2, 0x02: 4, // bytes
	0x03: 1, 0x04: 2, 0x05: 4, // extensions
	0x06: -4, 0x07: -8, // floats
	0x08: -1, 0x09: -2, 0x0a: -4, 0x0b: -8, // unsigned
	0x0c: -1, 0x0d: -2, 0x0e: -4, 0x0f: -8, // signed
	0x15: 1, 0x16: 2, 0x17: 4, // strings
	0x18: 2, 0x19: 4, // arrays
	0x1a: 2, 0x1b: 4, // maps
}
