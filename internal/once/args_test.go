package once_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/once"
)

type marshaler struct{ err error }

func (m marshaler) MarshalBinary() ([]byte, error) { return []byte("x"), m.err }

func TestCheck(t *testing.T) {
	ctx := context.Background()
	n := 7
	var none *marshaler
	for _, arg := range []any{nil, "a", []byte("a"), 1, &n, uint8(1), 1.5, float32(1), true, time.Now(), time.Second, net.IP{1, 2, 3, 4}, marshaler{}} {
		require.NoError(t, once.Check(redis.NewCmd(ctx, "echo", arg)), "%T", arg)
	}
	for _, arg := range []any{struct{}{}, []int{1}, map[string]int{}, make(chan int), marshaler{errors.New("no")}, none} {
		require.ErrorIs(t, once.Check(redis.NewCmd(ctx, "echo", arg)), once.ErrEncode, "%T", arg)
	}
	require.ErrorIs(t, once.Check(redis.NewCmd(ctx)), once.ErrEncode)
	require.Len(t, once.NewScript("return 1").Hash(), 40)
	require.Contains(t, once.NewScript("return 1").Cmd(ctx, nil).String(), once.NewScript("return 1").Hash())
	require.Empty(t, once.Unpipelined(nil))
	require.Empty(t, once.Unpipelined(errors.New("x")))
	require.Equal(t, "dbsize", once.Unpipelined(errors.New(`redis: cannot pipeline command "dbsize" with`)))
}

// TestSlab: commands that need no wrapper say the same.
func TestSlab(t *testing.T) {
	rdb, m := client(t)
	ctx := t.Context()
	slab := make([]once.Status, 3)
	fill := func(args ...any) {
		for i := range slab {
			slab[i].Init(ctx, append([]any{"set", string(rune('a' + i)), i}, args...))
		}
	}
	var b once.Batch
	fill()
	require.Nil(t, b.ExecStatus(ctx, rdb, slab))
	require.Nil(t, b.ExecStatus(ctx, rdb, nil))
	m.Del("b")
	fill("nx")
	require.Equal(t, []once.Outcome{once.Applied, once.Applied, once.Applied}, b.ExecStatus(ctx, rdb, slab))
	require.ErrorIs(t, slab[0].Err(), redis.Nil)
	require.NoError(t, slab[1].Err())
	ended, cancel := context.WithCancel(ctx)
	cancel()
	fill()
	require.Equal(t, []once.Outcome{once.NotSent, once.NotSent, once.NotSent}, b.ExecStatus(ended, rdb, slab))
	m.Close()
	fill()
	require.Equal(t, []once.Outcome{once.NotSent, once.NotSent, once.NotSent}, b.ExecStatus(ctx, rdb, slab))
	bulks := make([]once.Bulk, 1)
	bulks[0].Init(ctx, []any{"get", "a"})
	require.Equal(t, []once.Outcome{once.NotSent}, once.Exec(ctx, rdb, []redis.Cmder{&bulks[0]}))
}
