package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// temporaryExpiry is how long a key in pieces outlives a restore that was killed.
const temporaryExpiry = time.Hour

// temporary follows the keys that are being put together from pieces, of which there are as many as workers dumped.
type temporary struct {
	open map[string]string // key: its temporary name, "" = its pieces are of no use
}

// piece writes one piece, and says at the last one what became of the key.
func (w *restorer) piece(ctx context.Context, rec *record) (one result, ended bool, err error) {
	if w.temp.open == nil {
		w.temp.open = map[string]string{}
	}
	one.key = rec.key
	name, known := w.temp.open[rec.key]
	if rec.continued() != known {
		if !w.opts.Salvage {
			return one, false, fmt.Errorf("%w: the pieces of key %s are out of order", ErrCorrupt, quote(rec.key))
		}
		if rec.continued() {
			if !rec.more() && !rec.abandoned() {
				w.sum.Skipped++ // its first pieces are lost
			}
			return one, false, nil
		}
		if err := w.discard(ctx, name); err != nil {
			return one, false, err
		}
		known = false
	}
	if known && name == "" { // the server refused an earlier piece
		if !rec.more() {
			delete(w.temp.open, rec.key)
		}
		return one, false, nil
	}
	if !known {
		name = temporaryName(rec.key)
		w.temp.open[rec.key] = name
	}
	if rec.abandoned() {
		delete(w.temp.open, rec.key)
		return one, false, w.discard(ctx, name)
	}
	mode := "append"
	if !known {
		mode = "first"
	}
	now := w.now()
	args := []any{mode, "", now + temporaryExpiry.Milliseconds(), now}
	kind, args := elementArgs(rec, args, now)
	args[1] = kind
	if len(args) > 4 {
		if _, err := restoreScript.Run(ctx, w.rdb, []string{name}, args...).Result(); err != nil {
			if !isReply(err) {
				return one, false, fmt.Errorf("writing key %s: %w", quote(rec.key), err)
			}
			delete(w.temp.open, rec.key)
			w.temp.refused(rec)
			one.err = explain(err)
			return one, true, w.discard(ctx, name)
		}
	}
	if rec.more() {
		return one, false, nil
	}
	delete(w.temp.open, rec.key)
	if rec.expiry > 0 && rec.expiry <= w.now() {
		one.err = errExpired
		return one, true, w.discard(ctx, name)
	}
	n, err := finishScript.Run(ctx, w.rdb, []string{name, rec.key}, w.mode(), rec.expiry).Int()
	if err != nil && !isReply(err) {
		return one, false, fmt.Errorf("writing key %s: %w", quote(rec.key), err)
	}
	if one.written, one.err = n == 1, err; err != nil {
		if isCode(err, "TRYAGAIN") {
			one.err = fmt.Errorf("its slot is being moved, restore it again afterwards: %w", err)
		}
		return one, true, w.discard(ctx, name)
	}
	return one, true, nil
}

// refused: the pieces that follow belong to a key that was given up.
func (t *temporary) refused(rec *record) {
	if rec.more() {
		t.open[rec.key] = ""
	}
}

func (w *restorer) discard(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	if err := w.rdb.Unlink(ctx, name).Err(); err != nil && !isReply(err) {
		return err
	}
	return nil
}

// unfinished discards keys whose last piece a salvaged file has lost.
func (t *temporary) unfinished(ctx context.Context, w *restorer) error {
	w.sum.Skipped += int64(len(t.open))
	return t.drop(ctx, w)
}

func (t *temporary) drop(ctx context.Context, w *restorer) error {
	var errs []error
	for _, name := range t.open {
		errs = append(errs, w.discard(ctx, name))
	}
	return errors.Join(errs...)
}

// temporaryName is a name of its own in the slot of a key.
func temporaryName(key string) string {
	const prefix = "larder:restore:"
	if tag, ok := hashTag(key); ok {
		return prefix + "{" + tag + "}:" + rand.Text() + ":" + key
	}
	if key != "" && !strings.Contains(key, "}") {
		return prefix + "{" + key + "}:" + rand.Text()
	}
	// The whole key decides its slot, and cannot stand within braces: any other tag of the same slot will do.
	slot := slotOf(key)
	for i := 0; ; i++ {
		if tag := strconv.Itoa(i); slotOf(tag) == slot {
			return prefix + "{" + tag + "}:" + rand.Text()
		}
	}
}

// hashTag is what decides the slot of a key, if not all of it does.
func hashTag(key string) (string, bool) {
	_, rest, ok := strings.Cut(key, "{")
	if !ok {
		return "", false
	}
	tag, _, ok := strings.Cut(rest, "}")
	return tag, ok && tag != ""
}

// slotOf is the hash slot of a text without a tag: CRC16 (XMODEM) modulo 16384, as the cluster specification says.
func slotOf(text string) uint16 {
	var crc uint16
	for i := range len(text) {
		crc ^= uint16(text[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}
