package larder_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestConsumerGetsWhatItUses makes a module that imports leaderboard alone: neither its go.mod nor its go.sum, its
// vendor folder or its binary may hold what only tests, examples and other packages need.
func TestConsumerGetsWhatItUses(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a module of its own")
	}
	root, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("go.mod", "module example.com/consumer\n\ngo 1.26\n\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+root+"\n")
	write("main.go", `package main

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"`+module+`/leaderboard"
)

func main() {
	board, err := leaderboard.New(redis.NewClient(&redis.Options{}), "scores", leaderboard.Options{})
	fmt.Println(board != nil, err)
}
`)
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		// What the modules' checksums are is not the question, and need not be asked of anybody.
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GONOSUMDB=*")
		out, err := cmd.CombinedOutput()
		require.NoErrorf(t, err, "go %s: %s", strings.Join(args, " "), out)
		return string(out)
	}
	holdsNone := func(names ...string) {
		t.Helper()
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			require.NoError(t, err)
			for _, unwanted := range []string{"miniredis", "testify", "prometheus", "sqlite", "klauspost/compress", "go-mail", "progressbar", "msgpack"} {
				assert.NotContainsf(t, string(text), unwanted, "%s of a consumer of leaderboard", name)
			}
		}
	}
	assert.Equal(t, "true <nil>\n", run("run", "."))
	run("mod", "vendor")
	holdsNone("go.mod", "go.sum", "vendor/modules.txt")
	// Tidy reckons with the tests of what is imported, and keeps the checksums of what those need; nothing more.
	run("mod", "tidy")
	run("mod", "vendor")
	holdsNone("go.mod", "vendor/modules.txt")
	deps := run("list", "-deps", ".")
	assert.NotContains(t, deps, "\ntesting\n")
	assert.NotContains(t, deps, "miniredis")
}
