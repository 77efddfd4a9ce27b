package snapshot

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Verify reads a snapshot to its end, without a server, and holds it to its promises: each record's CRC-32C, the
// footer's counts and its SHA-256. It needs memory for one record. A file that is damaged or cut off is ErrCorrupt, one
// whose dump could not read everything ErrIncomplete, with the Summary of what is in it.
func Verify(r io.Reader) (Summary, error) {
	if r == nil {
		return Summary{}, errors.New("snapshot: verify: no reader")
	}
	start := time.Now()
	d, err := newDecoder(r)
	if err != nil {
		return Summary{}, fmt.Errorf("snapshot: verify: %w", err)
	}
	d.skim = true
	s := Summary{At: d.meta.time()}
	open := map[string]bool{} // keys whose pieces are not complete
	for {
		rec, err := d.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = whole(open, rec)
		}
		if err != nil {
			return s, fmt.Errorf("snapshot: verify: %w", err)
		}
		if rec.more() || rec.abandoned() {
			continue
		}
		s.Keys++
		if rec.pieces() {
			s.Torn++
		}
	}
	s.Bytes, s.Elapsed = d.bytes, time.Since(start)
	s.Skipped, s.Expired, s.Partial = d.footer.Skipped, d.footer.Expired, d.footer.Partial
	switch {
	case len(open) > 0:
		return s, fmt.Errorf("snapshot: verify: %w: pieces of a key are missing", ErrCorrupt)
	case s.Keys != d.footer.Keys:
		return s, fmt.Errorf("snapshot: verify: %w: %d keys where the footer says %d", ErrCorrupt, s.Keys, d.footer.Keys)
	case s.Partial:
		return s, fmt.Errorf("snapshot: verify: %w", ErrIncomplete)
	}
	return s, nil
}

// whole follows the pieces of large keys: each begins once and ends once.
func whole(open map[string]bool, r *record) error {
	if !r.pieces() {
		return nil
	}
	if r.continued() != open[r.key] {
		return fmt.Errorf("%w: the pieces of key %s are out of order", ErrCorrupt, quote(r.key))
	}
	if r.more() {
		open[r.key] = true
	} else {
		delete(open, r.key)
	}
	return nil
}
