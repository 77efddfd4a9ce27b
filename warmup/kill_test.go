package warmup_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/warmup"
)

// The job of the child process: "stage at socket namespace checkpoint".
const childJob = "WARMUP_TEST_CHILD"

const (
	killItems   = 5000
	killWorkers = 3
	killChunk   = 50
)

// child is a process that warms, says when it is at the place that it was told, and stops there to be killed.
func child() {
	job := strings.Fields(os.Getenv(childJob))
	stage, socket, ns, path := job[0], job[2], job[3], job[4]
	at, err := strconv.ParseInt(job[1], 10, 64)
	if err != nil {
		panic(err)
	}
	here := func() {
		fmt.Println("here")
		select {}
	}
	ctx := context.Background()
	log := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	var loaded, before, after atomic.Int64
	rdb.AddHook(hook{
		before: func([]redis.Cmder) {
			if before.Add(1) >= at && stage == "store" {
				here()
			}
		},
		after: func([]redis.Cmder) {
			if after.Add(1) >= at && stage == "note" {
				here()
			}
		},
	})
	w, err := warmup.New(rdb, warmup.Options{Codec: codec.String, Workers: killWorkers, Rate: 1e9, Burst: killChunk, Checkpoint: path})
	if err != nil {
		panic(err)
	}
	report, err := w.Run(ctx, warmup.FromFunc(slices.Values(keysOf(ns+":", killItems)), func(ctx context.Context, id string) (any, error) {
		if loaded.Add(1) >= at && stage == "load" {
			here()
		}
		return "v" + id, log.RPush(ctx, ns+".log", id).Err()
	}))
	fmt.Println("done", report.Stored, report.Skipped, report.Failed, report.Resumed, err)
}

// TestKilled kills a process that warms, again and again, at each stage: the next one goes on, loads no more than
// Workers chunks again, and in the end all is there.
func TestKilled(t *testing.T) {
	s := redistest.StandaloneServer(t)
	rdb := redistest.Standalone(t)
	ns := fmt.Sprintf("kill%d", os.Getpid())
	path := filepath.Join(t.TempDir(), "checkpoint")
	start := func(stage string, at int) (*exec.Cmd, *bufio.Reader) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childJob+"="+strings.Join([]string{stage, strconv.Itoa(at), s.Socket(), ns, path}, " "))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		return cmd, bufio.NewReader(out)
	}
	const seed = 8
	random := rand.New(rand.NewPCG(seed, seed))
	kills := 25
	for kill := range kills {
		stage := []string{"load", "store", "note"}[kill%3]
		at := 1 + random.IntN(180) // of 200 items a round: enough are left for each
		if stage != "load" {
			at = 1 + random.IntN(4)
		}
		cmd, out := start(stage, at)
		line, err := out.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "here\n", line, "seed %d, kill %d at %s %d", seed, kill, stage, at)
		require.NoError(t, cmd.Process.Kill())
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // it was killed
	}
	cmd, out := start("never", 0)
	text, err := io.ReadAll(out)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	var put, skipped, failed, resumed int
	_, err = fmt.Sscan(string(text), new(string), &put, &skipped, &failed, &resumed)
	require.NoError(t, err, string(text))
	assert.Equal(t, []int{killItems, 0, 0}, []int{put, skipped, failed})
	assert.Positive(t, resumed)
	keys := keysOf(ns+":", killItems)
	assert.Equal(t, values(keys), stored(t, rdb, keys))
	log, err := rdb.LRange(t.Context(), ns+".log", 0, -1).Result()
	require.NoError(t, err)
	assert.LessOrEqual(t, len(log)-killItems, kills*killWorkers*killChunk)
	slices.Sort(log)
	assert.Equal(t, keys, slices.Compact(log), "each was loaded")
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Empty(t, left)
}
