package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// dirPrefix is followed by the id of the test process, so that a later run can tell whose folder it is.
const dirPrefix = "larder-rt-"

// newDir makes the folder of a server, at a path that leaves room for a socket's name: it has at most 103 bytes on some systems, and
// TMPDIR may be long.
func newDir() (string, error) {
	root := os.TempDir()
	if len(root) > 60 {
		root = "/tmp"
	}
	sweepOnce(root)
	return os.MkdirTemp(root, fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
}

var swept sync.Once

// sweepOnce removes what test processes that were killed have left.
func sweepOnce(root string) {
	swept.Do(func() { sweep(root, runtime.GOOS != "linux") })
}

// sweep removes folders whose test process is gone. A server that still answers is ended where it may be an orphan, and left alone where it
// cannot be one: then its test process only cannot be seen from here, in a container of its own.
func sweep(root string, orphans bool) {
	dirs, err := filepath.Glob(filepath.Join(root, dirPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || pid <= 0 || !gone(pid) {
			continue
		}
		socket := filepath.Join(dir, "s")
		if conn, err := net.DialTimeout("unix", socket, 5*time.Second); err == nil { //nolint:noctx // has a time-out
			_ = conn.Close()
			if !orphans {
				continue
			}
			client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: -1})
			_ = client.ShutdownNoSave(context.Background()).Err()
			_ = client.Close()
		}
		_ = os.RemoveAll(dir)
	}
}
