package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Retention says which snapshots are kept: the union of what each field asks for. Zero keeps all.
type Retention struct {
	Last   int // the newest ones
	Daily  int // the newest of each of so many days (UTC) that have one
	Weekly int // the newest of each of so many ISO weeks that have one
}

func (r Retention) check() error {
	switch {
	case r.Last < 0:
		return fmt.Errorf("snapshot: Retention.Last: %d is negative", r.Last)
	case r.Daily < 0:
		return fmt.Errorf("snapshot: Retention.Daily: %d is negative", r.Daily)
	case r.Weekly < 0:
		return fmt.Errorf("snapshot: Retention.Weekly: %d is negative", r.Weekly)
	}
	return nil
}

// stale is for how long nobody wrote to an unfinished file before Prune takes it for the rest of a dump that was killed.
const stale = 24 * time.Hour

// Prune removes the snapshots of a folder that keep does not ask for, and returns their paths, oldest first. It knows
// them by the names that [DumpFile] gives, and touches nothing else but unfinished ones that nobody wrote to for a day. What another process removes meanwhile is no error. The
// newest snapshot that passes [Verify] is never removed, whatever keep says; to find it, files are read from the newest on.
func Prune(dir string, keep Retention) ([]string, error) {
	return prune(dir, keep, time.Now())
}

// file is a snapshot by its name.
type file struct {
	path string
	at   time.Time
}

func prune(dir string, keep Retention, now time.Time) ([]string, error) {
	if err := keep.check(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("snapshot: prune: %w", err)
	}
	var files []file
	var removed []string
	var errs []error
	remove := func(path string) {
		err := os.Remove(path)
		if errors.Is(err, os.ErrNotExist) {
			return // another one removed it
		}
		if err != nil {
			errs = append(errs, err)
			return
		}
		removed = append(removed, path)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if at, ok := timeOf(strings.TrimSuffix(e.Name(), partSuffix)); ok && e.Type().IsRegular() {
			switch {
			case !strings.HasSuffix(e.Name(), partSuffix):
				files = append(files, file{path, at})
			case now.Sub(at) > stale && untouched(e, now):
				remove(path)
			}
		}
	}
	if keep == (Retention{}) {
		files = nil
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(b.path, a.path) }) // newest first
	kept := kept(files, keep)
	for i := range files {
		// Whatever is newer than the newest good one may go; that one stays.
		if passes(files[i].path) {
			kept[i] = true
			break
		}
	}
	for i, f := range slices.Backward(files) {
		if !kept[i] {
			remove(f.path)
		}
	}
	slices.Sort(removed) // by time
	if err := errors.Join(errs...); err != nil {
		return removed, fmt.Errorf("snapshot: prune: %w", err)
	}
	return removed, nil
}

// untouched says whether nobody has written to a file for long: a dump with a Rate may take days.
func untouched(e os.DirEntry, now time.Time) bool {
	info, err := e.Info()
	return err == nil && now.Sub(info.ModTime()) > stale
}

// kept says which files a retention asks for; they are sorted, the newest first.
func kept(files []file, keep Retention) []bool {
	kept := make([]bool, len(files))
	days, weeks := map[string]bool{}, map[string]bool{}
	for i, f := range files {
		if i < keep.Last {
			kept[i] = true
		}
		if day := f.at.Format(time.DateOnly); !days[day] && len(days) < keep.Daily {
			days[day], kept[i] = true, true
		}
		year, number := f.at.ISOWeek()
		if week := fmt.Sprint(year, "-", number); !weeks[week] && len(weeks) < keep.Weekly {
			weeks[week], kept[i] = true, true
		}
	}
	return kept
}

func timeOf(name string) (time.Time, bool) {
	rest, ok := strings.CutPrefix(name, filePrefix)
	if !ok {
		return time.Time{}, false
	}
	rest, ok = strings.CutSuffix(rest, fileSuffix)
	if !ok {
		return time.Time{}, false
	}
	stamp, _, ok := strings.Cut(rest, "-")
	at, err := time.Parse(fileTime, stamp)
	return at, ok && err == nil
}

func passes(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	_, err = Verify(f)
	return err == nil
}
