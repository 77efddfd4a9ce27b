package redistest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOrphans: the servers of a test process that is killed end with it, and a later one removes its folder.
func TestOrphans(t *testing.T) {
	Binary(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "REDISTEST_CHILD=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: strings.TrimSpace(line), MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = client.Close() }()
	require.NoError(t, client.Ping(t.Context()).Err())
	mine := NewServer(t, ServerOptions{})
	folder := filepath.Dir(filepath.Dir(strings.TrimSpace(line)))
	require.FileExists(t, filepath.Join(folder, lockName))
	sweep(tempRoot())
	require.DirExists(t, folder, "its process lives")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	Poll(t, "the server ended", func() bool { return client.Ping(t.Context()).Err() != nil })
	sweep(tempRoot())
	assert.NoDirExists(t, folder, "its process is gone")
	assert.DirExists(t, mine.dir, "its process, this one, lives")
	require.NoError(t, mine.Client().Ping(t.Context()).Err())
}
