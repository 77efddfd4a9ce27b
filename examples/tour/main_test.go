package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// newTour is a tour on an embedded Redis, whose output is in the buffer.
func newTour(t *testing.T) (*tour, *bytes.Buffer) {
	t.Helper()
	rdb, stop := lardertest.Start()
	t.Cleanup(stop)
	out := &bytes.Buffer{}
	return &tour{rdb: rdb, out: out, dir: t.TempDir(), ns: "tour"}, out
}

// TestTour walks through the whole tour, on an embedded Redis and on a real one, which it leaves as it was.
func TestTour(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pictures")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-out", dir}, &out, ""))
	for _, c := range chapters {
		assert.Contains(t, out.String(), "\n"+c.title+"\n")
	}
	pictures, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	require.NoError(t, err)
	assert.NotEmpty(t, pictures)

	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	require.NoError(t, rdb.Set(t.Context(), "theirs", "v", 0).Err())
	out.Reset()
	require.NoError(t, run(t.Context(), nil, &out, "redis://"+s.Addr()))
	for _, c := range chapters {
		assert.Contains(t, out.String(), "\n"+c.title+"\n")
	}
	left, err := rdb.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	assert.Equal(t, []string{"theirs"}, left)
}

func TestArguments(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), []string{"-only", "nothing"}, &out, ""), "no chapter")
	require.ErrorContains(t, run(t.Context(), nil, &out, "http://x"), "REDIS_URL")
	require.Error(t, run(t.Context(), []string{"-unknown"}, &out, ""))
	require.NoError(t, run(t.Context(), []string{"-h"}, &out, ""))
	require.ErrorContains(t, run(t.Context(), nil, &out, "redis://127.0.0.1:1"), "REDIS_URL")
}
