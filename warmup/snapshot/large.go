package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	pieceBytes    = 1 << 20 // in one piece, about
	pieceElements = 1000    // in one piece, at most
	firstElements = 4       // in the first piece, whose elements may be large
)

// large dumps a key in pieces. It is not of one moment: elements that stay throughout are there, others may be.
func (r *reader) large(ctx context.Context, k key) error {
	again, err := r.inOrder(ctx, k)
	if err != nil || !again {
		return err
	}
	looked, err := r.look(ctx, []string{k.name})
	if err != nil {
		return err
	}
	for _, k := range looked {
		if err := r.transaction(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// inOrder reads the pieces of a key, or says that it became another one, and has to be read again.
func (r *reader) inOrder(ctx context.Context, k key) (again bool, err error) {
	if !r.begin(k.name) {
		return false, nil // SCAN returned it twice, and another worker is at it
	}
	defer r.done(k.name)
	w := &pieces{reader: r, key: k}
	switch k.typ {
	case "string":
		err = r.largeString(ctx, w)
	case "list":
		err = r.largeList(ctx, w)
	default:
		err = r.largeScan(ctx, w)
	}
	switch { // of a key that went away, or became another one, what came so far is of no use
	case err == nil:
		return false, w.end(ctx)
	case errors.Is(err, errTooLarge):
		r.count(func(s *Summary) { s.fail(k.name, err) })
		return false, w.abandon()
	case errors.Is(err, errGone):
		r.count(func(s *Summary) { s.Expired++ })
		return false, w.abandon()
	case isCode(err, "WRONGTYPE"):
		return true, w.abandon()
	}
	return false, fmt.Errorf("key %s: %w", quote(k.name), err)
}

// pieces writes the pieces of one key, holding back the last, which says what is true at the end.
type pieces struct {
	*reader
	key   key
	held  *record
	bytes int   // of held's elements
	began bool  // a piece is in the file
	next  int64 // how many elements to ask for
}

// step is how many elements to ask for, so that a piece is of pieceBytes, whatever their size is.
func (w *pieces) step() int64 {
	if w.next == 0 {
		w.next = firstElements
	}
	return w.next
}

// adapt learns from a piece how large the elements are.
func (w *pieces) adapt(elements []string) {
	mean := max(int64(size(elements)/max(len(elements)/w.width(), 1)), 1)
	w.next = max(min(pieceBytes/mean, 8*w.step(), pieceElements), 1)
}

func size(elements []string) (bytes int) {
	for _, e := range elements {
		bytes += len(e)
	}
	return bytes
}

func (w *pieces) width() int { return (&record{typ: w.typ()}).width() }

func (w *pieces) typ() byte {
	switch w.key.typ {
	case "string":
		return typeString
	case "list":
		return typeList
	case "set":
		return typeSet
	case "zset":
		return typeZSet
	}
	return typeHashTTL
}

func (w *pieces) add(elements []string) error {
	bytes := size(elements)
	if w.held != nil && w.key.typ != "string" && w.bytes+bytes <= pieceBytes &&
		len(w.held.elements)+len(elements) <= pieceElements*w.width() {
		w.held.elements = append(w.held.elements, elements...)
		w.bytes += bytes
		w.adapt(elements)
		return nil
	}
	if err := w.release(flagMore); err != nil {
		return err
	}
	w.held, w.bytes = &record{typ: w.typ(), key: w.key.name, elements: elements}, bytes
	w.adapt(elements)
	return nil
}

func (w *pieces) release(flag byte) error {
	if w.held == nil {
		return nil
	}
	w.held.flags = flagTorn | flag
	if w.began {
		w.held.flags |= flagContinued
	}
	if w.key.expiry > 0 {
		w.held.expiry = w.key.expiry
	}
	err := w.write(w.held)
	w.held, w.began = nil, true
	return err
}

// abandon says in the file that the pieces so far are of no use.
func (w *pieces) abandon() error {
	w.held = nil
	if !w.began {
		return nil
	}
	return w.write(&record{typ: w.typ(), key: w.key.name, flags: flagContinued | flagTorn | flagAbandoned})
}

// end writes the last piece, with the expiry and the number of elements of now.
func (w *pieces) end(ctx context.Context) error {
	pipe := w.conn.TxPipeline()
	size := length(ctx, pipe, w.key.typ, w.key.name)
	expiry := w.expiry(ctx, pipe, w.key.name)
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		return fmt.Errorf("key %s: %w", quote(w.key.name), err)
	}
	at, err := expiry()
	if err == nil {
		err = size.Err()
	}
	if moved(err) {
		return fmt.Errorf("key %s: %w", quote(w.key.name), err)
	}
	if err != nil || at == noKey || w.held == nil {
		if err := w.abandon(); err != nil {
			return err
		}
		w.count(func(s *Summary) { s.Expired++ })
		return nil
	}
	w.key.expiry = at
	w.held.total = size.Val()
	if !w.began {
		// It shrank to one piece: of one moment after all, though not with its expiry.
		w.held.flags = flagTorn
		if at > 0 {
			w.held.expiry = at
		}
		return w.write(w.held)
	}
	return w.release(0)
}

func (r *reader) largeString(ctx context.Context, w *pieces) error {
	for from := int64(0); ; from += pieceBytes {
		part, err := r.conn.GetRange(ctx, w.key.name, from, from+pieceBytes-1).Result()
		if err != nil {
			return err
		}
		if part == "" {
			if w.held == nil {
				return errGone
			}
			return nil
		}
		if err := w.add([]string{part}); err != nil {
			return err
		}
	}
}

func (r *reader) largeList(ctx context.Context, w *pieces) error {
	for from := int64(0); ; {
		part, err := r.conn.LRange(ctx, w.key.name, from, from+w.step()-1).Result()
		if err != nil {
			return err
		}
		if len(part) == 0 {
			if w.held == nil {
				return errGone
			}
			return nil
		}
		from += int64(len(part))
		if err := w.add(part); err != nil {
			return err
		}
	}
}

// largeScan reads sets, sorted sets and hashes. What a scan returns twice is restored twice, which changes nothing.
func (r *reader) largeScan(ctx context.Context, w *pieces) error {
	var cursor uint64
	for {
		var part []string
		var err error
		switch w.key.typ {
		case "set":
			part, cursor, err = r.conn.SScan(ctx, w.key.name, cursor, "", w.step()).Result()
		case "zset":
			part, cursor, err = r.conn.ZScan(ctx, w.key.name, cursor, "", w.step()).Result()
		default:
			part, cursor, err = r.conn.HScan(ctx, w.key.name, cursor, "", w.step()).Result()
			if err == nil {
				part, err = r.withExpiries(ctx, w.key.name, part)
			}
		}
		if err != nil {
			return err
		}
		if len(part) > 0 {
			if err := w.add(part); err != nil {
				return err
			}
		}
		if cursor == 0 {
			if w.held == nil {
				return errGone
			}
			return nil
		}
	}
}

// withExpiries makes field, value, expiry of field, value. A field that went meanwhile is left out: without its expiry it
// would live for ever.
func (r *reader) withExpiries(ctx context.Context, name string, pairs []string) ([]string, error) {
	all := make([]string, 0, len(pairs)/2*3)
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, pairs[i], pairs[i+1], "0")
	}
	if r.noFieldTTL || len(all) == 0 {
		return all, nil
	}
	for i, command := range []string{"hpexpiretime", "hpttl"} {
		args := []any{command, name, "fields", len(all) / 3}
		for j := 0; j < len(all); j += 3 {
			args = append(args, all[j])
		}
		cmd := redis.NewIntSliceCmd(ctx, args...)
		_ = r.conn.Process(ctx, cmd) // the command keeps the error
		times, err := cmd.Result()
		if unknown(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		base := int64(0)
		if i > 0 {
			base = time.Now().UnixMilli()
		}
		if len(times) != len(all)/3 {
			return nil, fmt.Errorf("expiries of %d fields for %d", len(times), len(all)/3)
		}
		kept := all[:0]
		for j, at := range times {
			switch {
			case at > 0:
				all[3*j+2] = strconv.FormatInt(base+at, 10)
			case at == noKey:
				continue
			}
			kept = append(kept, all[3*j:3*j+3]...)
		}
		return kept, nil
	}
	r.noFieldTTL = true
	return all, nil
}
