// Package hll reads, writes and counts the HyperLogLog sketches of Redis, byte for byte and number for number.
//
// A [Sketch] is one key: it can be decoded from what GET answers, grown as PFADD grows it, merged as PFMERGE
// merges it, counted as PFCOUNT counts it, and encoded to the very bytes that a server would hold. A [Union]
// only counts: it takes the raw bytes of any number of sketches and answers what PFCOUNT over all of their keys
// would have answered, which is what a client needs whose keys lie on several nodes, or which may not write.
//
// # Format
//
// A sketch is a string: the magic "HYLL", an encoding (0 dense, 1 sparse), three zero bytes, the cached count in eight
// bytes, little endian, whose top bit says that it is stale, and then the 16384 registers. Dense registers have six
// bits each, least significant bit first (12304 bytes with the header). Sparse registers are opcodes: 00xxxxxx is a run
// of x+1 zeros, 01xxxxxx yyyyyyyy a run of xy+1 zeros, and 1vvvvvxx the value v+1, x+1 times.
//
// # Exactness
//
// The estimator is Ertl's, as in Redis since 5.0, in the same order of operations; no product is fused with a sum (Go
// fuses on some platforms, and Redis's own builds do not), so that the numbers are equal to the last visitor.
//
// # Errors
//
// Bytes that are not a sketch are [ErrNotSketch], where Redis answers WRONGTYPE. A sketch whose registers are
// damaged is [ErrCorrupt], where Redis answers INVALIDOBJ, or counts nonsense.
package hll
