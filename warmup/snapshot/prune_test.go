package snapshot

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func place(t *testing.T, dir string, at time.Time, good bool) string {
	t.Helper()
	path := filepath.Join(dir, filePrefix+at.UTC().Format(fileTime)+"-abcd"+fileSuffix)
	data := sample(t, false)
	if !good {
		data = data[:len(data)-5]
	}
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// TestPruneModel holds Prune to a naive reading of what Retention says.
func TestPruneModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 60 {
		dir := t.TempDir()
		now := time.Date(2026, 1, 3, 12, 0, 0, 0, time.UTC)
		var paths []string // newest first
		at := now
		good := map[string]bool{}
		for range rng.IntN(30) {
			at = at.Add(-time.Duration(1+rng.IntN(40)) * time.Hour)
			ok := rng.IntN(4) > 0
			path := place(t, dir, at, ok)
			good[path] = ok
			paths = append(paths, path)
		}
		other := filepath.Join(dir, "notes.txt")
		require.NoError(t, os.WriteFile(other, nil, 0o600))
		keep := Retention{Last: rng.IntN(4), Daily: rng.IntN(5), Weekly: rng.IntN(4)}

		want := map[string]bool{}
		var days, weeks []string
		for i, path := range paths {
			stamp, ok := timeOf(filepath.Base(path))
			require.True(t, ok)
			y, w := stamp.ISOWeek()
			day, week := stamp.Format("20060102"), time.Date(y, 1, w, 0, 0, 0, 0, time.UTC).String()
			if keep == (Retention{}) || i < keep.Last {
				want[path] = true
			}
			if !slices.Contains(days, day) && len(days) < keep.Daily {
				days, want[path] = append(days, day), true
			}
			if !slices.Contains(weeks, week) && len(weeks) < keep.Weekly {
				weeks, want[path] = append(weeks, week), true
			}
		}
		if i := slices.IndexFunc(paths, func(p string) bool { return good[p] }); i >= 0 {
			want[paths[i]] = true
		}
		removed, err := prune(dir, keep, now)
		require.NoError(t, err)
		assert.True(t, slices.IsSorted(removed))
		for _, path := range paths {
			_, err := os.Stat(path)
			assert.Equalf(t, want[path], err == nil, "%+v: %s", keep, path)
			assert.Equalf(t, !want[path], slices.Contains(removed, path), "%+v: %s", keep, path)
		}
		assert.FileExists(t, other)
	}
}

func TestPruneRests(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 3, 12, 0, 0, 0, time.UTC)
	old := place(t, dir, now.Add(-25*time.Hour), true)
	fresh := place(t, dir, now.Add(-time.Hour), true)
	require.NoError(t, os.Rename(old, old+partSuffix))
	require.NoError(t, os.Rename(fresh, fresh+partSuffix))
	removed, err := prune(dir, Retention{}, now)
	require.NoError(t, err)
	assert.Empty(t, removed, "one that began long ago is being written still")
	require.NoError(t, os.Chtimes(old+partSuffix, time.Time{}, now.Add(-25*time.Hour)))
	removed, err = prune(dir, Retention{}, now)
	require.NoError(t, err)
	assert.Equal(t, []string{old + partSuffix}, removed)
	assert.FileExists(t, fresh+partSuffix, "a dump may be writing it")

	_, err = Prune(filepath.Join(dir, "absent"), Retention{Last: 1})
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, bad := range []Retention{{Last: -1}, {Daily: -1}, {Weekly: -1}} {
		_, err = Prune(dir, bad)
		require.ErrorContains(t, err, "is negative")
	}
}

// TestPruneTogether: processes that remove the same files at once are in nobody's way.
func TestPruneTogether(t *testing.T) {
	now := time.Date(2026, 1, 3, 12, 0, 0, 0, time.UTC)
	for range 10 {
		dir := t.TempDir()
		for i := range 60 {
			place(t, dir, now.Add(-time.Duration(i)*time.Hour), true)
		}
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = prune(dir, Retention{Last: 2}, now) })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		assert.Len(t, filesIn(t, dir), 2)
	}
}
