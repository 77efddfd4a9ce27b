package snapshot

import (
	"bufio"
	"bytes"
	"cmp"
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
	d, err := newDecoder(file)
	if err != nil {
		return nil, err
	}
	if salvage {
		return &salvager{file: file, decoder: d}, nil
	}
	return verified{d}, nil
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
	packed := s.decoder.body != s.decoder.src
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
		if packed {
			s.ended = true
			return nil, io.EOF
		}
		if found, err := s.resume(position + 1); err != nil || !found {
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
