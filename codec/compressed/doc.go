// Package compressed adds compression to a codec, for repetitive values of some hundred bytes and more.
//
//	opts.Codec = compressed.New(codec.JSON, 1024)
//
// It is a package of its own, so that a service that does not compress does not link the compressor (S2, of
// github.com/klauspost/compress). Do not use it for values that are small or already compressed: that costs processor
// time and gains nothing. Values below the threshold, and those that compression makes longer, are stored as the inner
// codec writes them.
//
// # Format
//
// A compressed value is a frame: the four bytes C1 4C 5A 01, the CRC-32C of the inner bytes (4 bytes, big endian), one
// S2 block, and zero or more bytes 00 behind it, as the length of the block, a varint after the checksum, tells.
// Everything that does not begin with those four bytes is read as the inner codec's own bytes, so that compression can
// be switched on while old values are there. No value in MessagePack or JSON begins with C1; what codec.String writes
// may, and is then put into a frame whatever its length.
//
// # Hostile bytes
//
// A frame never decodes to more than [MaxRatio] times its own length plus 64 KiB: this is checked before anything is
// allocated. Values that would be smaller than that are padded.
package compressed
