// Package codec turns values into bytes and back, for the values that Larder's other packages store in Redis.
//
// A [Codec] is what the options of profile, pipeline and warmup take; the zero value of those options is [Msgpack].
// Choose by who else has to read the bytes:
//
//   - [Msgpack] is the smallest and fastest for structs, and every language has a library for it.
//   - [JSON] is for values that people read in redis-cli, or that another service already writes as JSON.
//   - [String] stores strings, bytes, numbers and booleans as they are, so that GET and INCR of any client understand them.
//
// Package codec/compressed wraps any of them in compression.
//
//	data, err := codec.Msgpack.Marshal(user)
//	err = codec.Msgpack.Unmarshal(data, &user)
//
// Do not use it for data that has to be readable in ten years: it stores the exported fields of a Go type as they are
// named on the day of writing, and a renamed field is a new field.
//
// # Hostile bytes
//
// Bytes out of a cache may be anything. Unmarshal never panics, whatever the bytes are, and does not allocate out of
// proportion to them: lengths are checked against what is there, and values nested deeper than [MaxDepth] are refused
// before a decoder sees them. Marshal refuses what Unmarshal would refuse, and values that contain themselves.
//
// # Errors
//
// Every error is an [*Error], which names the codec and the type, never the value. A panic in a type's own methods is
// returned as one, too.
package codec
