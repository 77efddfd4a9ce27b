package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/larder-go/larder/internal/once"
)

// temporaryExpiry is how long a key in pieces outlives a restore that was killed.
const temporaryExpiry = time.Hour

// temporaryPrefix begins the names of keys that are being put together from pieces. They are nobody's data.
const temporaryPrefix = "larder:restore:"

func temporaryKey(key string) bool { return strings.HasPrefix(key, temporaryPrefix) }

// temporary follows the keys that are being put together from pieces, of which there are as many as workers dumped.
type temporary struct {
	open map[string]*assembly
	lost int64 // keys of a salvaged file some of whose pieces are not there
}

// assembly is a key of which pieces came.
type assembly struct {
	name    string // of the temporary key
	written int64  // elements, or bytes of a string
	there   bool   // a piece was written
	refused bool   // by the server: the pieces that follow are of no use
}

// piece writes one piece, and says at the last one what became of the key.
func (w *restorer) piece(ctx context.Context, rec *record) (one result, ended bool, err error) {
	if w.temp.open == nil {
		w.temp.open = map[string]*assembly{}
	}
	one.key, one.torn = rec.key, true
	made := w.temp.open[rec.key]
	if rec.continued() != (made != nil) {
		if !w.opts.Salvage {
			return one, false, fmt.Errorf("%w: the pieces of key %s are out of order", ErrCorrupt, quote(rec.key))
		}
		if rec.continued() { // its first pieces are lost
			if !rec.more() && !rec.abandoned() {
				w.temp.lost++
			}
			return one, false, nil
		}
		w.temp.lost++ // its last pieces are lost, and here it begins again
		if err := w.discard(ctx, made); err != nil {
			return one, false, err
		}
		made = nil
	}
	if made == nil {
		made = &assembly{name: temporaryName(rec.key)}
		w.temp.open[rec.key] = made
	}
	if !rec.more() {
		delete(w.temp.open, rec.key)
	}
	switch {
	case made.refused:
		return one, false, nil
	case rec.abandoned():
		return one, false, w.discard(ctx, made)
	}
	if err := w.add(ctx, made, rec); err != nil {
		if !isReply(err) {
			return one, false, fmt.Errorf("writing key %s: %w", quote(rec.key), err)
		}
		made.refused, one.err = true, explain(err)
		return one, true, w.discard(ctx, made)
	}
	if rec.more() {
		return one, false, nil
	}
	if !made.there || (rec.expiry > 0 && rec.expiry <= w.now()) { // not there: all its fields have expired
		one.err = errExpired
		return one, true, w.discard(ctx, made)
	}
	reply, err := finishScript.Run(ctx, w.rdb, []string{made.name, rec.key}, w.mode(), rec.expiry, w.now())
	if once.IsUnknown(err) {
		return one, false, fmt.Errorf("whether key %s was written is not known, restore again: %w", quote(rec.key), err)
	}
	if err != nil && !isReply(err) {
		return one, false, fmt.Errorf("writing key %s: %w", quote(rec.key), err)
	}
	if err != nil {
		if one.err = err; isCode(err, "TRYAGAIN") {
			one.err = fmt.Errorf("its slot is being moved, restore it again afterwards: %w", err)
		}
		return one, true, w.discard(ctx, made)
	}
	n, _ := reply.(int64)
	one.written, one.err = outcome(n)
	return one, true, nil
}

// add writes the elements of a piece. Their place is told, so that a piece that is sent twice is not written twice, and
// one whose temporary key went away meanwhile is refused.
func (w *restorer) add(ctx context.Context, made *assembly, rec *record) error {
	mode, now := "first", w.now()
	if made.there {
		mode = "append"
	}
	kind, args := elementArgs(rec, []any{mode, "", now + temporaryExpiry.Milliseconds(), now, made.written}, now)
	if args[1] = kind; len(args) == 5 {
		return nil // fields that have expired
	}
	n, err := restoreScript.Run(ctx, w.rdb, []string{made.name}, args...).Int()
	if err != nil {
		return err
	}
	if n != replyWritten {
		return refused(fmt.Sprintf("ERR the script returned %d for a piece", n))
	}
	made.there = true
	if rec.typ == typeString {
		made.written += int64(len(rec.elements[0]))
	} else {
		made.written += int64(len(rec.elements) / rec.width())
	}
	return nil
}

func (w *restorer) discard(ctx context.Context, made *assembly) error {
	if err := w.rdb.Unlink(ctx, made.name).Err(); err != nil && !isReply(err) {
		return err
	}
	return nil
}

// unfinished discards keys whose last piece a salvaged file has lost.
func (t *temporary) unfinished(ctx context.Context, w *restorer) error {
	t.lost += int64(len(t.open))
	return t.drop(ctx, w)
}

func (t *temporary) drop(ctx context.Context, w *restorer) error {
	var errs []error
	for _, made := range t.open {
		errs = append(errs, w.discard(ctx, made))
	}
	return errors.Join(errs...)
}

// temporaryName is a name of its own in the slot of a key.
func temporaryName(key string) string {
	const prefix = temporaryPrefix
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
