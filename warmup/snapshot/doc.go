// Package snapshot backs up the keys of a Redis into a portable file and restores them. Files can be verified, compared
// with a server, and rotated.
//
//	path, summary, err := snapshot.DumpFile(ctx, rdb, "/var/backups/cache", snapshot.Options{Match: "app:*"})
//	...
//	f, err := os.Open(path)
//	summary, err = snapshot.Restore(ctx, rdb, f, snapshot.RestoreOptions{Mode: snapshot.Replace})
//
// [Dump] reads every master of a cluster, [Restore] writes to whatever it is given: a dump of a cluster comes back on
// one server, and the other way round. [Verify] reads a file without a server, [Compare] holds one against a server,
// [DumpFile] writes one atomically, [Prune] removes old ones, and a [Schedule] does all of that for as long as it runs.
//
// Do not use it where Redis's own persistence is enough: an RDB file holds a whole server at one moment, and is faster
// to make. A snapshot holds each key at a moment of its own, but needs neither access to the machine nor the same
// version of Redis.
//
// # Format
//
// A header of 16 bytes: "LARDSNAP", the version (1), flags (1: the rest is an S2 stream), two zero bytes, CRC-32C of
// those twelve bytes in little endian. Then frames: the bytes F5 4C 52, the length of the payload as an unsigned varint,
// the payload, its CRC-32C. The first payload begins with 'M' and is followed by JSON: when the dump began, and its
// Match and Types. Each further one is a record: 'K', a type (s, l, S, z, h, H, x, d), flags (1: more pieces follow,
// 2: not the first piece, 4: not of one moment, 8: given up, discard what came), the key, its expiry in milliseconds
// since 1970 (0: none), its elements; strings are a varint of their length and their bytes. The last payload begins with
// 'F' and is followed by JSON: the counts, whether something is missing, and the SHA-256 of all bytes before the frame,
// uncompressed.
//
// Strings, lists, sets, sorted sets and hashes are stored by their elements, so that older servers, and miniredis, take
// them back. Streams and the types of modules are stored as DUMP gives them, which a server of the same or a newer
// version reads; [Options.PortableStreams] stores the entries and the groups of a stream as well.
//
// # Keys
//
// A key read in pieces (see [Options.MaxKeyBytes]) is restored into a temporary key `larder:restore:{tag}:...` in its
// slot, which expires an hour after its last piece came, and is renamed at the end. Nothing else is written but what
// was dumped. [Dump] and [Compare] skip such keys, which another process may be working on.
//
// # Time
//
// Expiries are absolute, to the millisecond. A key that has expired since it was dumped is not restored, but counted as
// [Summary.Expired]. Where an expiry is near, a script asks the server for the time at the moment of the write: a
// record that is late by a millisecond would otherwise delete a live key. Servers before 7.0 only tell how long a key
// still has, so that an expiry is exact to about a round trip.
//
// # Errors
//
// [ErrCorrupt]: the file is damaged or cut off. [ErrIncomplete]: the snapshot itself says that a node or a key is
// missing. [ErrVersion]: the format is newer than this package. All three are found before the first write.
// [ErrPartial]: a dump could not read everything; what it could read is in the file. [ErrClient]: the client hides its
// nodes.
//
// # Cluster
//
// Each master is read by itself. A master that cannot be read is named in an error wrapping [ErrPartial]; the keys of
// the others are kept. A key that moves to another node while it is read makes a snapshot partial. *redis.AutoPipeliner
// is refused, since it hides a cluster's nodes: hand over the client beneath.
package snapshot
