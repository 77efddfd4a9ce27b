package snapshot

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// records is where Restore gets its records from: a file that was verified, or one that is salvaged.
type records interface {
	next() (*record, error)
	at() time.Time
	rest() (lost, read int64) // what is known to be lost, and how much was read
}

func recordsOf(file io.ReadSeeker, salvage bool) (records, error) {
	if salvage {
		return newSalvager(file)
	}
	d, err := newDecoder(file)
	return verified{d}, err
}

type verified struct{ *decoder }

func (v verified) at() time.Time        { return v.meta.time() }
func (v verified) rest() (int64, int64) { return 0, v.bytes }

// salvager reads what is whole of a damaged file. Where a frame is broken it goes on at the next marker that begins a
// whole one; within a packed file nothing can be found behind the damage.
type salvager struct {
	file    io.ReadSeeker
	decoder *decoder
	lost    int64 // broken stretches
	ended   bool
}

func newSalvager(file io.ReadSeeker) (*salvager, error) {
	d, err := openDecoder(file, true)
	if err != nil {
		return nil, err
	}
	s := &salvager{file: file, decoder: d}
	position, err := s.position()
	if err != nil {
		return nil, err
	}
	if err := d.begin(); err == nil || !errors.Is(err, ErrCorrupt) {
		return s, err
	}
	// The records do not depend on what the first frame says.
	if s.packed() {
		s.ended, s.lost = true, 1
		return s, nil
	}
	found, err := s.resume(position + 1)
	s.ended = !found
	return s, err
}

// packed says whether what is behind a damage cannot be found.
func (s *salvager) packed() bool { return s.decoder.body != s.decoder.src }

func (s *salvager) at() time.Time { return s.decoder.meta.time() }

func (s *salvager) rest() (lost, read int64) {
	if f := s.decoder.footer; f != nil {
		return max(f.Records-s.decoder.records, 0), s.decoder.bytes
	}
	return s.lost, s.decoder.bytes
}

func (s *salvager) next() (*record, error) {
	if s.ended {
		return nil, io.EOF
	}
	for {
		position, err := s.position()
		if err != nil {
			return nil, err
		}
		rec, err := s.decoder.next()
		switch {
		case err == nil:
			return rec, nil
		case s.decoder.footer != nil: // whole or not: nothing follows it
			s.ended = true
			return nil, io.EOF
		case !errors.Is(err, ErrCorrupt):
			return nil, err
		}
		s.lost++
		if s.packed() {
			s.ended = true
			return nil, io.EOF
		}
		if found, err := s.behind(position); err != nil || !found {
			s.ended = true
			return nil, cmp.Or(err, io.EOF)
		}
	}
}

// position is where in the file the next frame begins.
func (s *salvager) position() (int64, error) {
	at, err := s.file.Seek(0, io.SeekCurrent)
	return at - int64(s.decoder.src.Buffered()), err
}

// behind goes to the frame that follows a broken one. Where the broken one's length still leads to a frame, or to the end,
// it is believed: a value may hold what looks like a frame, and whoever wrote that value must not write keys.
func (s *salvager) behind(position int64) (bool, error) {
	if _, err := s.file.Seek(position, io.SeekStart); err != nil {
		return false, err
	}
	var head [3 + binary.MaxVarintLen64]byte
	n, err := io.ReadFull(s.file, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false, err
	}
	length, size := binary.Uvarint(head[min(len(marker), n):n])
	if bytes.HasPrefix(head[:n], marker) && size > 0 && length <= maxPayload {
		next := position + int64(len(marker)+size) + int64(length) + 4
		if _, err := s.file.Seek(next, io.SeekStart); err != nil {
			return false, err
		}
		var window [3]byte
		switch n, err := io.ReadFull(s.file, window[:]); {
		case n == 0 && errors.Is(err, io.EOF):
			end, err := s.file.Seek(0, io.SeekEnd)
			if err != nil {
				return false, err
			}
			if end == next {
				return false, nil
			}
		case bytes.Equal(window[:], marker):
			return s.resume(next)
		}
	}
	return s.resume(position + 1)
}

// resume goes to the next marker at or behind a position.
func (s *salvager) resume(position int64) (bool, error) {
	if _, err := s.file.Seek(position, io.SeekStart); err != nil {
		return false, err
	}
	src := bufio.NewReaderSize(s.file, 256<<10)
	s.decoder.src, s.decoder.body = src, src
	for {
		window, err := src.Peek(len(marker))
		if err != nil {
			return false, nil //nolint:nilerr // the end of the file: nothing more to find
		}
		if bytes.Equal(window, marker) {
			return true, nil
		}
		if _, err := src.Discard(1); err != nil {
			return false, err
		}
	}
}
