package hll

import "math/bits"

// seed is the one that Redis hashes all elements with.
const seed = 0xadc83b19

// position returns the register of an element, and the value that it asks of it: one more than the zeros that its
// hash ends in, above the bits of the register.
func position(element string) (index int, rank uint8) {
	h := murmur64A(element, seed)
	index = int(h & (registers - 1))
	h = h>>precision | 1<<(64-precision)
	return index, uint8(bits.TrailingZeros64(h) + 1)
}

// murmur64A is MurmurHash64A, which reads little endian on every platform, as Redis's does.
func murmur64A(s string, seed uint64) uint64 {
	const (
		m = 0xc6a4a7935bd1e995
		r = 47
	)
	h := seed ^ uint64(len(s))*m
	for ; len(s) >= 8; s = s[8:] {
		k := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		k *= m
		k ^= k >> r
		k *= m
		h ^= k
		h *= m
	}
	if len(s) > 0 {
		for i := range len(s) {
			h ^= uint64(s[i]) << (8 * i)
		}
		h *= m
	}
	h ^= h >> r
	h *= m
	h ^= h >> r
	return h
}
