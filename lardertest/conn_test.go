package lardertest

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestConn: a connection in memory does what go-redis and miniredis ask of one.
func TestConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe()
		big := bytes.Repeat([]byte("x"), 1<<20)
		n, err := a.Write(big) // nobody reads yet
		require.NoError(t, err)
		assert.Equal(t, len(big), n)
		got := make([]byte, len(big))
		_, err = io.ReadFull(b, got)
		require.NoError(t, err)
		assert.Equal(t, big, got)

		// Deadlines: to come, moved away while somebody waits, gone by.
		start := time.Now()
		require.NoError(t, a.SetDeadline(start.Add(time.Minute)))
		_, err = a.Read(got)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(start))
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Minute)))
		go func() {
			time.Sleep(30 * time.Second)
			assert.NoError(t, a.SetReadDeadline(time.Now().Add(time.Hour)))
		}()
		_, err = a.Read(got)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Hour+90*time.Second, time.Since(start))
		require.NoError(t, a.SetWriteDeadline(start))
		require.NoError(t, a.SetReadDeadline(time.Time{}))
		n, err = a.Read(nil)
		require.NoError(t, err)
		assert.Zero(t, n)

		// A reader that waits is woken by a write, and by the end.
		go func() {
			time.Sleep(time.Second)
			_, err := b.Write([]byte("late"))
			assert.NoError(t, err)
			time.Sleep(time.Second)
			_, err = b.Write([]byte("last"))
			assert.NoError(t, err)
			assert.NoError(t, b.Close())
		}()
		n, err = a.Read(got)
		require.NoError(t, err)
		assert.Equal(t, "late", string(got[:n]))
		rest, err := io.ReadAll(a)
		require.NoError(t, err)
		assert.Equal(t, "last", string(rest))
		_, err = a.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe, "the other end has closed")
		_, err = b.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = b.Read(got)
		require.ErrorIs(t, err, net.ErrClosed)
		assert.Equal(t, "memory", a.LocalAddr().Network())
		assert.Equal(t, "lardertest", a.RemoteAddr().String())
	})
}

func FuzzPack(f *testing.F) {
	f.Add("a", "", "3:x")
	f.Add("\x00\xff", ":", "\r\n")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		require.Equal(t, []string{a, b, c}, unpack(pack([]string{a, b, c})))
		require.Empty(t, unpack(pack(nil)))
		_ = unpack(a) // whatever it is
	})
}
