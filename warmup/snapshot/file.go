package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	filePrefix = "snapshot-"
	fileSuffix = ".lard"
	partSuffix = ".part"
	// fileTime is in the name of each file, so that names sort by time.
	fileTime = "20060102T150405.000Z"
)

// DumpFile writes a snapshot into a folder, which it makes, and returns its path: snapshot-<UTC time>-<random>.lard. The
// file gets its name when it is whole and on the disk (temporary file, fsync, rename, fsync of the folder): one that
// passes for a snapshot is one. A dump that could not read everything is kept, too, since what it has may be all there
// is; it is marked as incomplete, and the error wraps [ErrPartial]. One that read nothing at all leaves no file, and no path.
func DumpFile(ctx context.Context, rdb redis.UniversalClient, dir string, opts Options) (path string, s Summary, err error) {
	if dir == "" {
		return "", Summary{}, errors.New("snapshot: dump: no folder")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", Summary{}, fmt.Errorf("snapshot: dump: %w", err)
	}
	name := filePrefix + time.Now().UTC().Format(fileTime) + "-" + strings.ToLower(rand.Text()[:8]) + fileSuffix
	path = filepath.Join(dir, name)
	f, err := os.OpenFile(path+partSuffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", Summary{}, fmt.Errorf("snapshot: dump: %w", err)
	}
	s, dumped := Dump(ctx, rdb, f, opts)
	if dumped != nil && (!errors.Is(dumped, ErrPartial) || s.Keys == 0) {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return "", s, dumped
	}
	err = f.Sync()
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", s, fmt.Errorf("snapshot: dump: %w", err)
	}
	if err := syncFolder(dir); err != nil {
		return path, s, fmt.Errorf("snapshot: dump: %w", err)
	}
	return path, s, dumped
}
