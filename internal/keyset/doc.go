// Package keyset remembers which keys a chunk on its way holds, by their hashes: 8 bytes a key, no allocation once it has
// grown. Two keys with one hash are taken for one, which costs its callers an order that was not needed.
package keyset
