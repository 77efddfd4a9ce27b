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
	pieceBytes    = 1 << 20 // of a string, in one piece
	pieceElements = 1000    // of anything else
)

// large dumps a key in pieces. It is not of one moment: elements that stay throughout are there, others may be.
func (r *reader) large(ctx context.Context, k key) error {
	w := &pieces{reader: r, key: k}
	var err error
	switch k.typ {
	case "string":
		err = r.largeString(ctx, w)
	case "list":
		err = r.largeList(ctx, w)
	default:
		err = r.largeScan(ctx, w)
	}
	switch {
	case errors.Is(err, errGone), isCode(err, "WRONGTYPE"):
		// It went away, or became another key: what came so far is of no use.
		if w.began {
			if err := r.write(&record{typ: w.typ(), key: k.name, flags: flagContinued | flagTorn | flagAbandoned}); err != nil {
				return err
			}
		}
		if errors.Is(err, errGone) {
			r.count(func(s *Summary) { s.Expired++ })
			return nil
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
	case err != nil:
		return fmt.Errorf("key %s: %w", quote(k.name), err)
	}
	return w.end(ctx)
}

// pieces writes the pieces of one key, holding back the last, which says what is true at the end.
type pieces struct {
	*reader
	key   key
	held  *record
	began bool // a piece is in the file
}

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
	if err := w.release(flagMore); err != nil {
		return err
	}
	w.held = &record{typ: w.typ(), key: w.key.name, elements: elements}
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
		if w.began {
			w.held = nil
			if err := w.write(&record{typ: w.typ(), key: w.key.name, flags: flagContinued | flagTorn | flagAbandoned}); err != nil {
				return err
			}
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
	for from := int64(0); ; from += pieceElements {
		part, err := r.conn.LRange(ctx, w.key.name, from, from+pieceElements-1).Result()
		if err != nil {
			return err
		}
		if len(part) == 0 {
			if w.held == nil {
				return errGone
			}
			return nil
		}
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
			part, cursor, err = r.conn.SScan(ctx, w.key.name, cursor, "", pieceElements).Result()
		case "zset":
			part, cursor, err = r.conn.ZScan(ctx, w.key.name, cursor, "", pieceElements).Result()
		default:
			part, cursor, err = r.conn.HScan(ctx, w.key.name, cursor, "", pieceElements).Result()
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

// withExpiries makes field, value, expiry of field, value.
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
		for j, at := range times {
			if at > 0 && 3*j+2 < len(all) {
				all[3*j+2] = strconv.FormatInt(base+at, 10)
			}
		}
		return all, nil
	}
	r.noFieldTTL = true
	return all, nil
}
