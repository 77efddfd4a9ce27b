package snapshot

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

// heap is what is in use after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// sampler looks at the heap each time that so many bytes have passed.
type sampler struct {
	w     io.Writer
	r     io.Reader
	seen  int64
	step  int64
	worst *atomic.Uint64
}

func (s *sampler) count(n int) {
	if s.seen += int64(n); s.seen > s.step {
		s.seen = 0
		if h := heap(); h > s.worst.Load() {
			s.worst.Store(h)
		}
	}
}

func (s *sampler) Write(p []byte) (int, error) { s.count(len(p)); return s.w.Write(p) }
func (s *sampler) Read(p []byte) (int, error)  { s.count(len(p)); return s.r.Read(p) }

// TestConstantMemory: a million keys, and a hash that is larger than all of them, pass through in the memory of some chunks. With
// the race detector it is a tenth of them.
func TestConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	keys, fields := 1_000_000, 1_500_000
	if raceEnabled {
		keys, fields = 50_000, 100_000
	}
	ctx := t.Context()
	server := redistest.NewServer(t, redistest.ServerOptions{})
	rdb := server.Client()
	require.NoError(t, rdb.Do(ctx, "debug", "populate", keys, "key", 30).Err())
	const script = `for i = 1, ARGV[1] do redis.call('HSET', KEYS[1], 'field:' .. i, 'a value of some length') end return 1`
	require.NoError(t, rdb.Eval(ctx, script, []string{"large"}, fields).Err())

	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	require.NoError(t, err)
	before := heap()
	var worst atomic.Uint64
	s, err := Dump(ctx, rdb, &sampler{w: f, step: 8 << 20, worst: &worst}, Options{})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.Equal(t, int64(keys+1), s.Keys)
	assert.Equal(t, int64(1), s.Torn)
	grown := int64(worst.Load()) - int64(before)
	t.Logf("dump: %d bytes, the heap grew by %d bytes", s.Bytes, grown)
	assert.Less(t, grown, int64(24<<20))

	f, err = os.Open(path)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	require.NoError(t, rdb.FlushAll(ctx).Err())
	before = heap()
	worst.Store(0)
	s, err = Restore(ctx, rdb, &seekSampler{sampler{r: f, step: 8 << 20, worst: &worst}, f}, RestoreOptions{})
	require.NoError(t, err)
	assert.Equal(t, int64(keys+1), s.Keys)
	grown = int64(worst.Load()) - int64(before)
	t.Logf("restore: the heap grew by %d bytes", grown)
	assert.Less(t, grown, int64(24<<20))
	n, err := rdb.HLen(context.Background(), "large").Result()
	require.NoError(t, err)
	assert.Equal(t, int64(fields), n)
}

type seekSampler struct {
	sampler
	io.Seeker
}
