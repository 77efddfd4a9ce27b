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
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	for _, want := range []string{
		"201 keys, ", "whole: 201 keys", "201 keys restored, 0 left alone", `different: "user:7"`, "nothing was written", "3 files removed",
	} {
		assert.Contains(t, out.String(), want)
	}
	assert.Equal(t, 1, strings.Count(out.String(), "different:"))
}

// TestCommands: each command on a real server.
func TestCommands(t *testing.T) {
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb, ctx, dir := s.Client(), t.Context(), t.TempDir()
	require.NoError(t, rdb.MSet(ctx, "a", "1", "b", "2").Err())
	do := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		require.NoError(t, run(ctx, append([]string{"-redis", "redis://" + s.Addr(), "-dir", dir, "-last", "1"}, args...), &out))
		return out.String()
	}
	assert.Contains(t, do("dump"), "2 keys, ")
	files, err := filepath.Glob(filepath.Join(dir, "*.lard"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	assert.Contains(t, do("verify", files[0]), "whole: 2 keys")
	assert.Contains(t, do("compare", files[0]), "holds what the snapshot holds")
	require.NoError(t, rdb.Del(ctx, "a").Err())
	require.NoError(t, rdb.Set(ctx, "b", "3", 0).Err())
	var diff bytes.Buffer
	require.ErrorIs(t, run(ctx, []string{"-redis", s.Addr(), "compare", files[0]}, &diff), errDiffers)
	assert.Equal(t, "missing: \"a\"\ndifferent: \"b\"\n", diff.String())
	assert.Contains(t, do("restore", files[0]), "1 keys restored, 1 left alone")
	assert.Contains(t, do("-replace", "restore", files[0]), "2 keys restored")
	assert.Equal(t, "2", rdb.Get(ctx, "b").Val())
	do("dump")
	assert.Contains(t, do("prune"), "removed "+files[0])

	scheduled, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	var out bytes.Buffer
	go func() {
		done <- run(scheduled, []string{"-redis", "redis://" + s.Addr(), "-dir", dir, "-every", "1ms", "-last", "1", "schedule"}, &out)
	}()
	before, err := filepath.Glob(filepath.Join(dir, "*.lard"))
	require.NoError(t, err)
	redistest.Poll(t, "the schedule wrote a file and removed the one before", func() bool {
		_, err := os.Stat(before[0])
		return os.IsNotExist(err)
	})
	cancel()
	require.NoError(t, <-done)
	assert.NotContains(t, out.String(), "not this time")

	for _, args := range [][]string{{"verify", "absent"}, {"-redis", "x://", "dump"}, {"restore", "absent"}} {
		require.Error(t, run(ctx, args, &out))
	}
	for _, args := range [][]string{{"nothing"}, {"verify"}, {"verify", "a", "b"}, {"dump", "-match", "x"}, {"-unknown"}, {"-redis", "", "dump"}, {"verify FILE"}} {
		require.ErrorIs(t, run(ctx, args, &out), demo.ErrUsage, args)
	}
	require.ErrorContains(t, run(ctx, []string{"-dir", dir, "-last", "-1", "prune"}, &out), "Retention.Last")
}
