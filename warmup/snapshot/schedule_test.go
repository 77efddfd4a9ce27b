package snapshot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScheduleRefuses(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer func() { _ = rdb.Close() }()
	good := Schedule{Every: time.Hour, Dir: t.TempDir()}
	for text, bad := range map[string]func(*Schedule){
		"Schedule.Every":  func(s *Schedule) { s.Every = 0 },
		"Schedule.Dir":    func(s *Schedule) { s.Dir = "" },
		"Options.Workers": func(s *Schedule) { s.Options.Workers = -1 },
		"Retention.Daily": func(s *Schedule) { s.Keep.Daily = -1 },
	} {
		s := good
		bad(&s)
		require.ErrorContains(t, s.Run(t.Context(), rdb), text)
	}
	require.ErrorIs(t, good.Run(t.Context(), nil), ErrClient)
}

// TestScheduleError: the first error ends a schedule that has nobody to tell.
func TestScheduleError(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = rdb.Close() }()
	dir := t.TempDir()
	require.Error(t, Schedule{Every: time.Hour, Dir: dir}.Run(t.Context(), rdb))
	ctx, cancel := context.WithCancel(t.Context())
	var seen []error
	err := Schedule{Every: time.Millisecond, Dir: dir, OnError: func(err error) {
		if seen = append(seen, err); len(seen) == 3 {
			cancel()
		}
	}}.Run(ctx, rdb)
	require.NoError(t, err)
	assert.Len(t, seen, 3)
	for _, err := range seen {
		require.ErrorIs(t, err, ErrPartial)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries, "a server that is down does not fill a disk")
}

// TestFilesOnly: a dump that cannot write leaves nothing that passes for a snapshot.
func TestFilesOnly(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = rdb.Close() }()
	_, _, err := DumpFile(t.Context(), rdb, "", Options{})
	require.Error(t, err)
	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	_, _, err = DumpFile(t.Context(), rdb, blocked, Options{})
	require.Error(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	dir := t.TempDir()
	_, _, err = DumpFile(ctx, rdb, dir, Options{})
	require.ErrorIs(t, err, context.Canceled)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}
