package lardertest

import (
	"errors"

	"github.com/larder-go/larder/internal/hll"
)

// The HyperLogLog commands as a real server has them: sketches are plain strings, byte for byte the same, and
// PFCOUNT of several keys counts their union. (miniredis keeps them as a type of its own, and adds the counts.)

// replyError is an error in Redis's words.
type replyError string

func (e replyError) Error() string { return string(e) }

const (
	errNotSketch replyError = "WRONGTYPE Key is not a valid HyperLogLog string value."
	errCorrupt   replyError = "INVALIDOBJ Corrupted HLL object detected"
)

// sketch reads the sketch at key, nil if there is none, with the bytes it was read from.
func sketch(tx *tx, key string) (*hll.Sketch, string, error) {
	raw, found, err := tx.get(key)
	if err != nil || !found {
		return nil, "", err
	}
	s, err := hll.Decode([]byte(raw))
	switch {
	case errors.Is(err, hll.ErrNotSketch):
		return nil, "", errNotSketch
	case err != nil:
		return nil, "", errCorrupt
	}
	return s, raw, nil
}

func pfAdd(_ *fake, tx *tx, args []string) (any, error) {
	key, elements := args[0], args[1:]
	s, _, err := sketch(tx, key)
	if err != nil {
		return nil, err
	}
	changed := s == nil
	if s == nil {
		s = new(hll.Sketch)
	}
	for _, e := range elements {
		if s.Add(e) {
			changed = true
		}
	}
	if !changed {
		return int64(0), nil
	}
	return int64(1), tx.set(key, string(s.Encode()))
}

func pfCount(_ *fake, tx *tx, args []string) (any, error) {
	if len(args) > 1 {
		var union hll.Union
		for _, key := range args {
			_, raw, err := sketch(tx, key)
			if err != nil {
				return nil, err
			}
			if raw == "" {
				continue
			}
			if err := union.Add([]byte(raw)); err != nil {
				return nil, errCorrupt
			}
		}
		return union.Count(), nil
	}
	s, raw, err := sketch(tx, args[0])
	if err != nil || s == nil {
		return int64(0), err
	}
	count := s.Refresh()
	if kept := string(s.Encode()); kept != raw {
		// Redis keeps the count in the key, too: this read writes.
		return count, tx.set(args[0], kept)
	}
	return count, nil
}

func pfMerge(_ *fake, tx *tx, args []string) (any, error) {
	var target *hll.Sketch
	others := make([]*hll.Sketch, 0, len(args))
	for i, key := range args {
		s, _, err := sketch(tx, key)
		switch {
		case err != nil:
			return nil, err
		case i == 0:
			target = s
		case s != nil:
			others = append(others, s)
		}
	}
	if target == nil {
		target = new(hll.Sketch)
	}
	target.Merge(others...)
	return nil, tx.set(args[0], string(target.Encode()))
}
