package warmup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// mark is how far a run is: so many items from the beginning are done.
type mark struct {
	Source  string `json:"source"`
	Done    int64  `json:"done"`
	Stored  int64  `json:"stored"`
	Skipped int64  `json:"skipped"`
	Failed  int64  `json:"failed"`
	Bytes   int64  `json:"bytes"`
	// Keys is a hash of the keys of the items that are done, which tells another
	// source, or the same in another order.
	Keys uint64 `json:"keys,string"`
}

// The checkpoint's file: a line that says what it is, the mark as JSON, and a
// CRC-32C of both.
const (
	noteTitle   = "larder warmup checkpoint "
	noteVersion = "1"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns the bytes of a checkpoint.
func (m *mark) encode() ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, "%s%s\n%s\n", noteTitle, noteVersion, body)
	return fmt.Appendf(text, "%08x\n", crc32.Checksum(text, castagnoli)), nil
}

var (
	errDamaged = errors.New("it is damaged: remove it, to begin from the beginning")
	errNewer   = errors.New("it is of another version of this package: finish the run with that, or remove it, to begin from the beginning")
)

// decode reads a checkpoint, every byte of which must be as it was written.
func decode(data []byte) (mark, error) {
	var m mark
	const tail = len("01234567\n")
	if len(data) <= tail || !bytes.HasPrefix(data, []byte(noteTitle)) {
		return m, errDamaged
	}
	text := data[:len(data)-tail]
	if string(data[len(text):]) != fmt.Sprintf("%08x\n", crc32.Checksum(text, castagnoli)) {
		return m, errDamaged
	}
	version, body, _ := bytes.Cut(text[len(noteTitle):], []byte("\n"))
	if string(version) != noteVersion {
		return m, errNewer
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, errDamaged
	}
	if min(m.Done, m.Stored, m.Skipped, m.Failed, m.Bytes) < 0 || m.Done != m.Stored+m.Skipped+m.Failed {
		return m, errDamaged
	}
	return m, nil
}

// syncEvery is how often a checkpoint is forced onto the disk. A killed process
// loses nothing without it; a machine that loses its power may.
const syncEvery = time.Second

// notebook is the file of a checkpoint.
type notebook struct {
	path string

	mu     sync.Mutex
	done   int64 // of the newest mark that is written
	synced time.Time
}

// read returns the mark, and false if there is none.
func (n *notebook) read() (mark, bool, error) {
	data, err := os.ReadFile(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, false, nil
	}
	if err != nil {
		return mark{}, false, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	m, err := decode(data)
	if err != nil {
		return mark{}, false, fmt.Errorf("%w %s: %w", ErrCheckpoint, n.path, err)
	}
	n.done = m.Done
	return m, true, nil
}

// write replaces the file, unless it is newer.
func (n *notebook) write(m mark, first bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m.Done <= n.done && !first {
		return nil
	}
	data, err := m.encode()
	if err == nil {
		force := first || time.Since(n.synced) >= syncEvery
		if err = replace(n.path, data, force); err == nil && force {
			n.synced = time.Now()
		}
	}
	if err != nil {
		return fmt.Errorf("%w cannot be written: %w", ErrCheckpoint, err)
	}
	n.done = m.Done
	return nil
}

// replace puts data in the place of a file at once: whoever reads it sees the old
// bytes or the new ones.
func replace(path string, data []byte, force bool) (err error) {
	temp := path + ".tmp" // always the same, so that kills leave one file at most
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp)
		}
	}()
	_, err = f.Write(data)
	if err == nil && force {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err == nil && force {
		syncFolder(filepath.Dir(path))
	}
	return err
}

// syncFolder forces a rename onto the disk, where the system can do that.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// remove ends the notes of a run that has done everything.
func (n *notebook) remove() error {
	if err := os.Remove(n.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: all is done, but it cannot be removed: %w", ErrCheckpoint, err)
	}
	return nil
}

// The hash of keys is FNV-1a, each key with its length before it.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func hashKey(h uint64, key string) uint64 {
	for n := uint64(len(key)); ; n >>= 8 {
		h = (h ^ n&0xff) * fnvPrime
		if n < 0x100 {
			break
		}
	}
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * fnvPrime
	}
	return h
}
