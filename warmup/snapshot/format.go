package snapshot

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"github.com/klauspost/compress/s2"
)

const (
	magic         = "LARDSNAP"
	formatVersion = 1
	headerSize    = 16

	headerCompressed = 1                        // flag of the header
	packedMagic      = "\xff\x06\x00\x00S2sTwO" // begins an S2 stream

	kindMeta   = 'M'
	kindRecord = 'K'
	kindFooter = 'F'

	maxPayload  = 1<<29 + 1<<20 // a string of Redis has at most 512 MiB, and so has what RESTORE takes
	maxElements = 1 << 24       // of a record: what a file of some kilobytes can make a reader allocate is bounded
)

var errTooLarge = errors.New("it is too large for a record: lower Options.MaxKeyBytes")

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	marker     = []byte{0xF5, 'L', 'R'} // begins a frame, so that a damaged file can be entered again
)

// meta says what a dump was asked for.
type meta struct {
	At    int64    `json:"at"` // milliseconds since 1970
	Match string   `json:"match,omitempty"`
	Types []string `json:"types,omitempty"`
}

// footer closes a snapshot; a file without one is not whole.
type footer struct {
	Records int64  `json:"records"` // frames of kind 'K'
	Keys    int64  `json:"keys"`
	Skipped int64  `json:"skipped"`
	Expired int64  `json:"expired"`
	Torn    int64  `json:"torn"`
	Partial bool   `json:"partial,omitempty"`
	SHA256  []byte `json:"sha256"`
}

// encoder writes a snapshot. It is not safe for concurrent use.
type encoder struct {
	sink    *bufio.Writer // to the file
	body    io.Writer     // sink, or a compressor in front of it
	packer  *s2.Writer
	sum     hash.Hash
	bytes   int64 // of the body, uncompressed
	records int64
	buf     []byte
}

func newEncoder(w io.Writer, compress bool, m meta) (*encoder, error) {
	e := &encoder{sink: bufio.NewWriterSize(w, 256<<10), sum: sha256.New()}
	header := make([]byte, 0, headerSize)
	header = append(header, magic...)
	header = append(header, formatVersion, 0, 0, 0)
	if compress {
		header[9] = headerCompressed
	}
	header = binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, castagnoli))
	e.sum.Write(header)
	if _, err := e.sink.Write(header); err != nil {
		return nil, err
	}
	e.body = e.sink
	if compress {
		e.packer = s2.NewWriter(e.sink, s2.WriterConcurrency(1))
		e.body = e.packer
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return e, e.frame(append([]byte{kindMeta}, text...))
}

// frame writes one payload with its marker, length and checksum.
func (e *encoder) frame(payload []byte) error {
	head := make([]byte, 0, len(marker)+binary.MaxVarintLen64)
	head = append(head, marker...)
	head = binary.AppendUvarint(head, uint64(len(payload)))
	var tail [4]byte
	binary.LittleEndian.PutUint32(tail[:], crc32.Checksum(payload, castagnoli))
	for _, part := range [][]byte{head, payload, tail[:]} {
		e.sum.Write(part)
		e.bytes += int64(len(part))
		if _, err := e.body.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) record(r *record) error {
	if len(r.elements) > maxElements {
		return errTooLarge
	}
	e.buf = r.encode(e.buf[:0])
	if len(e.buf) > maxPayload {
		e.buf = nil
		return errTooLarge
	}
	e.records++
	err := e.frame(e.buf)
	if cap(e.buf) > 4<<20 {
		e.buf = nil // one large value is no reason to hold on to its memory
	}
	return err
}

// close writes the footer, without which nothing passes for a snapshot.
func (e *encoder) close(f footer) error {
	f.Records = e.records
	f.SHA256 = e.sum.Sum(nil)
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := e.frame(append([]byte{kindFooter}, text...)); err != nil {
		return err
	}
	if e.packer != nil {
		if err := e.packer.Close(); err != nil {
			return err
		}
	}
	return e.sink.Flush()
}

// decoder reads a snapshot frame by frame and holds it to its checksums.
type decoder struct {
	src     *bufio.Reader
	body    *bufio.Reader
	meta    meta
	sum     hash.Hash
	bytes   int64
	records int64
	buf     bytes.Buffer
	footer  *footer
	top     [len("\xF5LR") + 5]byte // the marker of a frame, and its length at its longest
	skim    bool                    // records are checked, and come without their elements; each is valid until the next call
	skimmed record
}

func newDecoder(r io.Reader) (*decoder, error) {
	d, err := openDecoder(r, false)
	if err != nil {
		return nil, err
	}
	return d, d.begin()
}

// openDecoder reads the header. Who salvages wants to go on behind a damaged one.
func openDecoder(r io.Reader, salvage bool) (*decoder, error) {
	d := &decoder{src: bufio.NewReaderSize(r, 256<<10), sum: sha256.New()}
	var header [headerSize]byte
	if _, err := io.ReadFull(d.src, header[:]); err != nil {
		return nil, broken(err, "no header")
	}
	packed := header[9]&headerCompressed != 0
	switch {
	case crc32.Checksum(header[:12], castagnoli) != binary.LittleEndian.Uint32(header[12:]) || string(header[:8]) != magic:
		if !salvage {
			return nil, fmt.Errorf("%w: no header of a snapshot", ErrCorrupt)
		}
		// What follows tells what the header said.
		next, _ := d.src.Peek(len(packedMagic))
		packed = string(next) == packedMagic
		if !packed && !bytes.HasPrefix(next, marker) {
			return nil, fmt.Errorf("%w: no header of a snapshot, nor its content", ErrCorrupt)
		}
	case header[8] != formatVersion:
		return nil, fmt.Errorf("%w (version %d; this one reads %d): update the module", ErrVersion, header[8], formatVersion)
	case header[9]&^headerCompressed != 0 || header[10] != 0 || header[11] != 0:
		return nil, fmt.Errorf("%w (flags %d): update the module", ErrVersion, header[9])
	}
	d.sum.Write(header[:])
	d.body = d.src
	if packed {
		d.body = bufio.NewReaderSize(s2.NewReader(d.src, s2.ReaderMaxBlockSize(4<<20)), 256<<10)
	}
	return d, nil
}

// begin reads what the dump was asked for.
func (d *decoder) begin() error {
	payload, err := d.frame()
	if err != nil {
		return err
	}
	if payload[0] != kindMeta || json.Unmarshal(payload[1:], &d.meta) != nil {
		return fmt.Errorf("%w: the first frame is not that of a snapshot", ErrCorrupt)
	}
	return nil
}

// broken tells a file that ends early or cannot be unpacked from a reader that fails.
func broken(err error, what string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %s", ErrCorrupt, what)
	}
	if errors.Is(err, s2.ErrCorrupt) || errors.Is(err, s2.ErrCRC) || errors.Is(err, s2.ErrTooLarge) || errors.Is(err, s2.ErrUnsupported) {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, what, err)
	}
	return fmt.Errorf("snapshot: reading: %w", err)
}

// frame reads one payload, which is valid until the next call and never empty.
func (d *decoder) frame() ([]byte, error) {
	size, length, err := d.head(d.top[:])
	if err != nil {
		return nil, err
	}
	all, err := d.take(int64(length) + 4)
	if err != nil {
		return nil, err
	}
	payload, tail := all[:length], all[length:]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(tail) {
		return nil, fmt.Errorf("%w: a frame's checksum", ErrCorrupt)
	}
	if payload[0] == kindFooter {
		return payload, d.finish(payload[1:], d.sum.Sum(nil)) // of what came before this frame
	}
	d.sum.Write(d.top[:size])
	d.sum.Write(all)
	d.bytes += int64(size + len(all))
	return payload, nil
}

// head reads what stands before a payload, and says how many bytes that was.
func (d *decoder) head(head []byte) (size int, length uint64, err error) {
	next, err := d.body.Peek(len(head)) // a frame has more bytes than that, unless it is the last one
	copy(head, next)
	if len(next) <= len(marker) {
		return 0, 0, broken(cmp.Or(err, io.EOF), "it ends without a footer")
	}
	if !bytes.HasPrefix(next, marker) {
		return 0, 0, fmt.Errorf("%w: no frame where one has to begin", ErrCorrupt)
	}
	length, size = binary.Uvarint(next[len(marker):])
	switch {
	case size == 0 && len(next) < len(head):
		return 0, 0, broken(cmp.Or(err, io.EOF), "a frame ends early")
	case size <= 0 || length == 0 || length > maxPayload:
		return 0, 0, fmt.Errorf("%w: a frame's length", ErrCorrupt)
	}
	size += len(marker)
	_, err = d.body.Discard(size)
	return size, length, err
}

// take reads n bytes, without a copy where they fit into the buffer of the reader.
func (d *decoder) take(n int64) ([]byte, error) {
	if n <= int64(d.body.Size()) {
		all, err := d.body.Peek(int(n))
		if err != nil {
			return nil, broken(err, "a frame ends early")
		}
		_, err = d.body.Discard(int(n)) // what was peeked at stays until the next read
		return all, err
	}
	if d.buf.Cap() > 4<<20 {
		d.buf = bytes.Buffer{}
	}
	d.buf.Reset()
	// CopyN grows as bytes come, so that a length that lies allocates nothing.
	if _, err := io.CopyN(&d.buf, d.body, n); err != nil {
		return nil, broken(err, "a frame ends early")
	}
	return d.buf.Bytes(), nil
}

// finish holds the file to its footer.
func (d *decoder) finish(text, sum []byte) error {
	f := &footer{}
	if err := json.Unmarshal(text, f); err != nil {
		return fmt.Errorf("%w: the footer", ErrCorrupt)
	}
	d.footer = f
	if !bytes.Equal(f.SHA256, sum) {
		return fmt.Errorf("%w: its SHA-256 is not that of its content", ErrCorrupt)
	}
	if f.Records != d.records {
		return fmt.Errorf("%w: %d records where the footer says %d", ErrCorrupt, d.records, f.Records)
	}
	if _, err := d.body.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the footer", ErrCorrupt)
	}
	return nil
}

// next returns the next record, or io.EOF after a footer that is right.
func (d *decoder) next() (*record, error) {
	payload, err := d.frame()
	if err != nil {
		return nil, err
	}
	switch payload[0] {
	case kindFooter:
		return nil, io.EOF
	case kindRecord:
		rec := &d.skimmed
		if !d.skim {
			rec = &record{}
		}
		if err := rec.decode(payload[1:], d.skim); err != nil {
			return nil, err
		}
		d.records++
		return rec, nil
	}
	return nil, fmt.Errorf("%w: a frame of an unknown kind", ErrCorrupt)
}

func (m meta) time() time.Time { return time.UnixMilli(m.At) }
