package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/examples/internal/demo"
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
	assert.Regexp(t, `(?s)^A tour of Larder, on Redis \S+ at `+s.Addr()+`\..*\nThe tour took \S+ on Redis`, out.String())
	assert.NotContains(t, out.String(), "\x1b", "a file has no colours")
	left, err := rdb.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	assert.Equal(t, []string{"theirs"}, left)

	// What somebody else has under its prefix is not the tour's to delete.
	require.NoError(t, rdb.Set(t.Context(), "app:theirs", "v", 0).Err())
	require.ErrorContains(t, run(t.Context(), []string{"-namespace", "app"}, &out, s.Addr()), `keys in the namespace app already, such as "app:theirs"`)
	assert.EqualValues(t, 2, rdb.DBSize(t.Context()).Val())
}

// TestTourOnACluster, of which one node is named: it leaves nothing behind, on none of the nodes.
func TestTourOnACluster(t *testing.T) {
	c := redistest.SharedCluster(t)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-namespace", "TestTourOnACluster"}, &out, c.Nodes()[0].Addr()))
	assert.Contains(t, out.String(), "on a cluster of Redis")
	for _, c := range chapters {
		assert.Contains(t, out.String(), "\n"+c.title+"\n")
	}
	for _, node := range c.Masters() {
		left, err := node.Client().Keys(t.Context(), "TestTourOnACluster*").Result()
		require.NoError(t, err)
		assert.Empty(t, left)
	}
}

// interrupting is an output that ends a context once it was told something.
type interrupting struct {
	bytes.Buffer

	at     string
	cancel func()
}

func (i *interrupting) Write(p []byte) (int, error) {
	if strings.Contains(string(p), i.at) {
		i.cancel()
	}
	return i.Buffer.Write(p)
}

// TestInterrupted: ctrl-C in the midst of a chapter leaves nothing behind, either.
func TestInterrupted(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	out := &interrupting{at: "A shop of 400 products", cancel: cancel}
	require.ErrorIs(t, run(ctx, []string{"-only", "warmup"}, out, s.Addr()), context.Canceled)
	assert.NotContains(t, out.String(), "The database goes away")
	assert.Zero(t, s.Client().DBSize(t.Context()).Val())
}

func TestArguments(t *testing.T) {
	var out bytes.Buffer
	require.ErrorContains(t, run(t.Context(), []string{"-only", "nothing"}, &out, ""), "no chapter")
	require.ErrorContains(t, run(t.Context(), nil, &out, "http://x"), "REDIS_URL")
	for _, args := range [][]string{{"-unknown"}, {"visitors"}, {"-only", "nothing"}, {"-namespace", "a*"}, {"-namespace", ""}} {
		require.ErrorIs(t, run(t.Context(), args, &out, ""), demo.ErrUsage)
	}
	assert.Empty(t, out.String())
	require.NoError(t, run(t.Context(), []string{"-h"}, &out, ""))
	assert.Contains(t, out.String(), "-namespace prefix")
	require.ErrorContains(t, run(t.Context(), nil, &out, "redis://127.0.0.1:1"), "REDIS_URL")
}
