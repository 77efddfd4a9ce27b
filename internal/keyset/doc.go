// Package keyset remembers, by their hashes, which keys are in a chunk under way: 8 bytes a key, and no allocation once
// it has grown. Two keys with the same hash are taken for one, which makes a caller wait where it need not.
package keyset
