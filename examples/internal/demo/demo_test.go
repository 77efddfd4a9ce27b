package demo

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// TestOpen: what every form of an address becomes.
func TestOpen(t *testing.T) {
	for addr, want := range map[string]redis.Options{
		"cache:6379":                        {Network: "tcp", Addr: "cache:6379"},
		"redis://:secret@cache:7000/3":      {Network: "tcp", Addr: "cache:7000", Password: "secret", DB: 3},
		"unix:///run/redis.sock":            {Network: "unix", Addr: "/run/redis.sock"},
		"unix://me:secret@/run/redis.sock":  {Network: "unix", Addr: "/run/redis.sock", Username: "me", Password: "secret"},
		"redis://me:secret@cache:6379?db=2": {Network: "tcp", Addr: "cache:6379", Username: "me", Password: "secret", DB: 2},
	} {
		rdb, err := Open(addr)
		require.NoError(t, err, addr)
		client, ok := rdb.(*redis.Client)
		require.True(t, ok, addr)
		o := client.Options()
		assert.Equal(t, want, redis.Options{Network: o.Network, Addr: o.Addr, Username: o.Username, Password: o.Password, DB: o.DB}, addr)
		assert.True(t, o.ContextTimeoutEnabled)
		require.NoError(t, rdb.Close())
	}
	for addr, addrs := range map[string]string{
		"a:1,b:2, c:3": "a:1 b:2 c:3",
		"a:1,":         "a:1",
		"rediss://me:secret@a:1,b:2,rediss://me:secret@c:3/": "a:1 b:2 c:3",
	} {
		rdb, err := Open(addr)
		require.NoError(t, err, addr)
		client, ok := rdb.(*redis.ClusterClient)
		require.True(t, ok, addr)
		assert.Equal(t, addrs, strings.Join(client.Options().Addrs, " "), addr)
		if strings.HasPrefix(addr, "rediss") {
			assert.Equal(t, "secret", client.Options().Password)
			assert.NotNil(t, client.Options().TLSConfig)
		}
		require.NoError(t, rdb.Close())
	}
	for _, addr := range []string{"http://me:secret@cache", "redis://me:secret@cache:port", "redis://me:secret%@cache", "a:1,,b:2", "http://me:secret@a,b", "unix://"} {
		_, err := Open(addr)
		require.Error(t, err, addr)
		assert.NotContains(t, err.Error(), "secret", addr)
	}
}

// TestConnect to servers of each kind, and to none.
func TestConnect(t *testing.T) {
	ctx := t.Context()
	embedded, err := Connect(ctx, "")
	require.NoError(t, err)
	assert.True(t, embedded.Embedded)
	embedded.Close()

	s := redistest.NewServer(t, redistest.ServerOptions{Users: []string{"shy on >secret ~* +@all -info", "default resetpass >secret"}})
	for addr, want := range map[string]string{
		"redis://:secret@" + s.Addr():    " at " + s.Addr(),
		"redis://shy:secret@" + s.Addr(): "Redis at " + s.Addr(),
		"unix://:secret@" + s.Socket():   " at " + s.Socket(),
	} {
		server, err := Connect(ctx, addr)
		require.NoError(t, err, addr)
		assert.True(t, strings.HasPrefix(server.Name, "Redis"), server.Name)
		assert.True(t, strings.HasSuffix(server.Name, want), server.Name)
		server.Close()
	}
	_, err = Connect(ctx, s.Addr())
	require.ErrorContains(t, err, "NOAUTH")
	_, err = Connect(ctx, "redis://:wrong@"+s.Addr())
	require.ErrorContains(t, err, "WRONGPASS")

	c := redistest.SharedCluster(t)
	for _, addr := range []string{c.Nodes()[4].Addr(), c.Nodes()[0].Addr() + "," + c.Nodes()[1].Addr()} {
		server, err := Connect(ctx, addr)
		require.NoError(t, err, addr)
		assert.IsType(t, &redis.ClusterClient{}, server.UniversalClient)
		assert.Contains(t, server.Name, "a cluster of Redis")
		server.Close()
	}
}

func TestMainCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{nil, 0, ""},
		{errors.New("no server"), 1, "x: no server\n"},
		{context.Canceled, 1, "x: context canceled\n"}, // nobody has interrupted
		{Usage(errors.New("no such flag")), 2, "x: no such flag; -h shows how it is used\n"},
	} {
		var stderr bytes.Buffer
		assert.Equal(t, c.code, Main("x", &stderr, func(context.Context) error { return c.err }))
		assert.Equal(t, c.text, stderr.String())
	}
}

func TestParse(t *testing.T) {
	var out bytes.Buffer
	parse := func(words string, args ...string) (bool, error) {
		out.Reset()
		flags := flag.NewFlagSet("x", flag.ContinueOnError)
		flags.Int("n", 3, "how `many`")
		return Parse(flags, &out, args, words, "Counts.")
	}
	for _, args := range [][]string{{"-m"}, {"-n", "x"}, {"word"}} {
		done, err := parse("", args...)
		assert.True(t, done)
		require.ErrorIs(t, err, ErrUsage)
		assert.Empty(t, out.String())
	}
	done, err := parse("[word]", "-n", "4", "word")
	require.NoError(t, err)
	assert.False(t, done)
	done, err = parse("", "-h")
	require.NoError(t, err)
	assert.True(t, done)
	assert.Equal(t, "usage: x [flags]\nCounts.\n\n  -n many\n    \thow many (default 3)\n", out.String())
}

func TestPaintAndWrap(t *testing.T) {
	assert.Equal(t, "\x1b[32mwell\x1b[0m", Paint(true).In(Good, "well"))
	assert.Equal(t, "well", Paint(false).In(Good, "well"))
	assert.False(t, bool(Colours(&bytes.Buffer{})))
	assert.Zero(t, Width(&bytes.Buffer{}))
	assert.Equal(t, "one two\nthree\nextraordinary\nfour", Wrap("one  two three extraordinary four", 7))
}
