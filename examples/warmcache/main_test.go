package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// stopAt makes this binary the program itself, which stops after so many products, to be killed.
const stopAt = "WARMCACHE_TEST_STOP_AT"

func TestMain(m *testing.M) {
	at, err := strconv.Atoi(os.Getenv(stopAt))
	if err != nil {
		os.Exit(redistest.Main(m))
	}
	p := program{out: os.Stdout, url: os.Getenv("REDIS_URL"), loaded: func(n int) {
		if n == at {
			fmt.Println("\nhere")
			select {}
		}
	}}
	if err := p.run(context.Background(), os.Args[1:]); err != nil {
		fmt.Println(err)
	}
}

// TestKilledAndResumed kills the program in the midst of 100,000 products, twice, and runs it again.
func TestKilledAndResumed(t *testing.T) {
	n := 100_000
	if raceEnabled || testing.Short() {
		n = 10_000
	}
	s := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := s.Client()
	url := "redis://" + s.Addr()
	dir := t.TempDir()
	checkpoint := filepath.Join(dir, "warm.checkpoint")
	args := []string{"-products", strconv.Itoa(n), "-db", filepath.Join(dir, "shop.db"), "-checkpoint", checkpoint}

	for _, at := range []int{n * 3 / 10, n * 7 / 10} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), stopAt+"="+strconv.Itoa(at), "REDIS_URL="+url)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "here" {
		}
		require.Equal(t, "here", lines.Text())
		require.NoError(t, cmd.Process.Kill())
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // it was killed
		require.FileExists(t, checkpoint)
		assert.Less(t, rdb.DBSize(t.Context()).Val(), int64(at+1))
	}

	var out bytes.Buffer
	require.NoError(t, program{out: &out, url: url}.run(t.Context(), args))
	assert.Contains(t, out.String(), fmt.Sprintf("%d stored, 0 skipped, 0 failed", n))
	assert.Contains(t, out.String(), "were done by an earlier run")
	assert.NoFileExists(t, checkpoint)
	assert.EqualValues(t, n, rdb.DBSize(t.Context()).Val())

	// What is cached is what is in the database.
	shop, err := openShop(t.Context(), filepath.Join(dir, "shop.db"), n)
	require.NoError(t, err)
	defer func() { require.NoError(t, shop.Close()) }()
	for id := int64(1); id <= int64(n); id += int64(n)/100 - 1 {
		want := product{ID: id}
		require.NoError(t, shop.QueryRowContext(t.Context(), "SELECT name, cents, stock FROM products WHERE id = ?", id).Scan(&want.Name, &want.Cents, &want.Stock))
		var got product
		data, err := rdb.Get(t.Context(), want.key()).Bytes()
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &got))
		assert.Equal(t, want, got)
		assert.Greater(t, rdb.TTL(t.Context(), want.key()).Val(), 5*time.Hour)
	}

	// Once more: nothing is missing.
	out.Reset()
	require.NoError(t, program{out: &out, url: url}.run(t.Context(), append(args, "-missing", "-dry-run")))
	assert.Contains(t, out.String(), fmt.Sprintf("0 stored, %d skipped, 0 failed", n))
}

// TestEmbedded: without a server it works, too, and shows how far it is.
func TestEmbedded(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, program{out: &out}.run(t.Context(), []string{"-products", "700", "-rate", "1e9"}))
	assert.Contains(t, out.String(), "warming: 700 of 700 (100%)")
	assert.Contains(t, out.String(), "700 stored, 0 skipped, 0 failed")

	// Stopped, it says what to do.
	out.Reset()
	dir := t.TempDir()
	args := []string{"-products", "2000", "-db", filepath.Join(dir, "shop.db"), "-checkpoint", filepath.Join(dir, "checkpoint")}
	ctx, cancel := context.WithCancel(t.Context())
	p := program{out: &out, loaded: func(n int) {
		if n == 1500 {
			cancel()
		}
	}}
	require.ErrorIs(t, p.run(ctx, args), context.Canceled)
	assert.Contains(t, out.String(), "Run it again")
}

// TestDatabaseFails: a database that is none is said to be so.
func TestDatabaseFails(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, []byte(strings.Repeat("garbage ", 1000)), 0o600))
	var out bytes.Buffer
	require.ErrorContains(t, program{out: &out}.run(t.Context(), []string{"-db", garbage}), "not a database")
	require.Error(t, program{out: &out}.run(t.Context(), []string{"-db", filepath.Join(dir, "none", "shop.db")}))

	// A database that was only half made does not pass for one.
	half := filepath.Join(dir, "half.db")
	require.NoError(t, os.WriteFile(half+".new", []byte("half"), 0o600))
	require.NoError(t, program{out: &out}.run(t.Context(), []string{"-db", half, "-products", "10"}))
	assert.NoFileExists(t, half+".new")
}

func TestArguments(t *testing.T) {
	var out bytes.Buffer
	run := func(url string, args ...string) error { return program{out: &out, url: url}.run(t.Context(), args) }
	require.NoError(t, run("", "-h"))
	assert.Contains(t, out.String(), "-checkpoint")
	require.Error(t, run("", "-unknown"))
	require.ErrorContains(t, run("", "-products", "0"), "0 products")
	require.ErrorContains(t, run("", "-products", "1", "-rate", "-5"), "Rate")
	require.ErrorContains(t, run("http://x", "-products", "1"), "REDIS_URL")
	require.ErrorContains(t, run("redis://127.0.0.1:1", "-products", "1"), "REDIS_URL")
}
