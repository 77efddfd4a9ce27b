//go:build linux

package bar_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/warmup"
	"github.com/larder-go/larder/warmup/bar"
)

// terminal opens a pseudo-terminal, and returns its screen and what is written to it.
func terminal(t *testing.T) (tty *os.File, written func() string) {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		t.Skip("no pseudo-terminals here")
	}
	require.NoError(t, err)
	fd := int(pty.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: 120}))
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	var mu sync.Mutex
	var out bytes.Buffer
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := pty.Read(buf)
			mu.Lock()
			out.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return // the other end was closed
			}
		}
	})
	t.Cleanup(func() {
		_ = tty.Close()
		wg.Wait()
		_ = pty.Close()
	})
	return tty, func() string {
		mu.Lock()
		defer mu.Unlock()
		return out.String()
	}
}

func TestTerminal(t *testing.T) {
	tty, written := terminal(t)
	show := bar.New(tty)
	for _, run := range []string{"first", "second"} {
		_, err := io.WriteString(tty, run+"\n")
		require.NoError(t, err)
		for i := range 5 {
			show(warmup.Progress{Done: int64(i), Total: 10, Rate: 1234, Errors: i})
		}
		show(warmup.Progress{Done: 5, Total: 10, Rate: 1234, Errors: 5, Last: true})
	}
	_, err := io.WriteString(tty, "the end\n")
	require.NoError(t, err)
	redistest.Poll(t, "all is on the screen", func() bool { return strings.Contains(written(), "the end") })
	first, second, _ := strings.Cut(written(), "second")
	for _, screen := range []string{first, second} {
		assert.Contains(t, screen, "warming 1,234/s")
		assert.Contains(t, screen, "5 errors")
		assert.Contains(t, screen, "/10")
		assert.Contains(t, screen, "\r")
	}
	assert.Contains(t, second, "\nthe end", "on a line of its own")

	// Without a total there is a spinner.
	show(warmup.Progress{Done: 77, Total: -1, ETA: -1})
	show(warmup.Progress{Done: 78, Total: -1, ETA: -1, Last: true})
	redistest.Poll(t, "the spinner is on the screen", func() bool { return strings.Contains(written(), "78") })

	// A source that has more than it has promised.
	show(warmup.Progress{Done: 50, Total: 100})
	show(warmup.Progress{Done: 155, Total: 100, Last: true})
	redistest.Poll(t, "all of it is on the screen", func() bool { return strings.Contains(written(), "155/") })
}
