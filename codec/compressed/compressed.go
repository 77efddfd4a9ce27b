package compressed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"

	"github.com/klauspost/compress/s2"

	"github.com/larder-go/larder/codec"
)

// MaxRatio is the most that a frame may grow when it is decompressed.
const MaxRatio = 512

// DefaultThreshold is the length in bytes from which values are compressed, where [New] is told 0.
const DefaultThreshold = 1024

const slack = 64 << 10

var (
	magic      = []byte{0xC1, 'L', 'Z', 1}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errDamaged = errors.New("a damaged frame")
)

// New returns a codec that writes what c writes, compressed where that is at least threshold bytes long and becomes
// shorter by it. A threshold of 0 is [DefaultThreshold], a negative one compresses nothing (and still reads what is
// compressed). A nil c is [codec.Msgpack]. The codec is safe for concurrent use if c is; its name is that of c with "+s2".
func New(c codec.Codec, threshold int) codec.Codec {
	if c == nil {
		c = codec.Msgpack
	}
	if threshold == 0 {
		threshold = DefaultThreshold
	}
	return compressor{inner: c, threshold: threshold}
}

type compressor struct {
	inner     codec.Codec
	threshold int
}

func (c compressor) Name() string { return c.inner.Name() + "+s2" }

func (c compressor) Marshal(v any) ([]byte, error) {
	plain, err := c.inner.Marshal(v)
	if err != nil {
		return nil, err
	}
	ambiguous := bytes.HasPrefix(plain, magic) // it would be taken for a frame
	if !ambiguous && (c.threshold < 0 || len(plain) < c.threshold) {
		return plain, nil
	}
	most := s2.MaxEncodedLen(len(plain))
	if most < 0 {
		return nil, c.failure("marshal", v, errors.New("too long to be compressed"))
	}
	block := s2.Encode(make([]byte, most), plain)
	frame := make([]byte, 0, len(magic)+4+binary.MaxVarintLen64+len(block))
	frame = append(frame, magic...)
	frame = binary.BigEndian.AppendUint32(frame, crc32.Checksum(plain, castagnoli))
	frame = binary.AppendUvarint(frame, uint64(len(block)))
	frame = append(frame, block...)
	if least := (len(plain) - slack + MaxRatio - 1) / MaxRatio; len(frame) < least {
		frame = append(frame, make([]byte, least-len(frame))...)
	}
	if !ambiguous && len(frame) >= len(plain) {
		return plain, nil
	}
	return frame, nil
}

func (c compressor) Unmarshal(data []byte, v any) error {
	if !bytes.HasPrefix(data, magic) {
		return c.inner.Unmarshal(data, v)
	}
	plain, err := open(data)
	if err != nil {
		return c.failure("unmarshal", v, err)
	}
	return c.inner.Unmarshal(plain, v)
}

func open(frame []byte) ([]byte, error) {
	rest := frame[len(magic):]
	if len(rest) < 4 {
		return nil, errDamaged
	}
	sum := binary.BigEndian.Uint32(rest)
	rest = rest[4:]
	length, width := binary.Uvarint(rest)
	if width <= 0 || length > uint64(len(rest)-width) {
		return nil, errDamaged
	}
	block, padding := rest[width:width+int(length)], rest[width+int(length):]
	if len(bytes.TrimLeft(padding, "\x00")) > 0 {
		return nil, errDamaged
	}
	size, err := s2.DecodedLen(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if (size-slack)/MaxRatio > len(frame) {
		return nil, fmt.Errorf("%w: %d bytes claim to be %d", errDamaged, len(frame), size)
	}
	plain, err := s2.Decode(nil, block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if crc32.Checksum(plain, castagnoli) != sum {
		return nil, fmt.Errorf("%w: its checksum is another", errDamaged)
	}
	return plain, nil
}

func (c compressor) failure(op string, v any, err error) error {
	name := "nil"
	if v != nil {
		name = reflect.TypeOf(v).String()
	}
	return &codec.Error{Codec: c.Name(), Op: op, Type: name, Err: err}
}
