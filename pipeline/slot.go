package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// slots is how many slots a cluster has.
const slots = 16384

// tag returns the part of a key that decides where it lies: what is between the
// first brace and the next closing one, or the whole key if that is nothing.
func tag(key string) string {
	if i := strings.IndexByte(key, '{'); i >= 0 {
		if n := strings.IndexByte(key[i+1:], '}'); n > 0 {
			return key[i+1 : i+1+n]
		}
	}
	return key
}

// slot returns the slot of a key.
func slot(key string) uint16 {
	var crc uint16
	t := tag(key)
	for i := range len(t) {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^t[i]]
	}
	return crc % slots
}

// crcTable is that of CRC-16/XMODEM.
var crcTable = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8 //nolint:gosec // i is below 256
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()

// together says whether keys can be used in one command, and names two that
// cannot.
func (b *Batcher) together(ctx context.Context, keys []string) error {
	f := b.shape(ctx)
	if len(keys) < 2 || f == single && !b.opts.StrictSlots {
		return nil
	}
	for _, key := range keys[1:] {
		if f == ring && tag(key) != tag(keys[0]) {
			return fmt.Errorf("%w: %.200q and %.200q have different hash tags", ErrCrossSlot, keys[0], key)
		}
		if s, t := slot(keys[0]), slot(key); s != t {
			return fmt.Errorf("%w: %.200q is in slot %d and %.200q in slot %d", ErrCrossSlot, keys[0], s, key, t)
		}
	}
	return nil
}

// tagFor returns a hash tag that leads to the slot of key.
func tagFor(key string) string {
	t := tag(key)
	if t != "" && !strings.ContainsRune(t, '}') {
		return t
	}
	// A key whose hashed part cannot stand between braces: any tag of its slot.
	want := slot(key)
	for i := 0; ; i++ {
		if t := strconv.Itoa(i); slot(t) == want {
			return t
		}
	}
}
