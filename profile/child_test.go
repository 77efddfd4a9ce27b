package profile_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/profile"
)

// A second process: this test binary, told what to do by its environment, and when by lines on its standard input.
const (
	childEnv    = "LARDER_PROFILE_CHILD"
	childSocket = "LARDER_PROFILE_SOCKET"
	childSpace  = "LARDER_PROFILE_NAMESPACE"
	childLoad   = "LARDER_PROFILE_LOADTIMEOUT"
)

// child gets the object "id". Its loader says "loading", and goes on when a line comes in. It ends by telling what it got.
func child() {
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: os.Getenv(childSocket), ReadTimeout: time.Minute, PoolTimeout: time.Minute})
	in := bufio.NewReader(os.Stdin)
	timeout, err := time.ParseDuration(os.Getenv(childLoad))
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := profile.New(rdb, profile.Options[user]{
		Namespace: os.Getenv(childSpace), LoadTimeout: timeout, RedisTimeout: time.Minute, OnRedisError: profile.FailClosed,
		Load: func(context.Context, string) (user, error) {
			fmt.Println("loading")
			_, err := in.ReadString('\n')
			return user{Name: "child"}, err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	u, err := s.Get(context.Background(), "id")
	fmt.Println("got", u.Name, err)
}

type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startChild starts the second process.
func startChild(t *testing.T, socket, namespace string, timeout time.Duration) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"=get", childSocket+"="+socket, childSpace+"="+namespace, childLoad+"="+timeout.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return p
}

func (p *process) line(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return line
}

func (p *process) tell(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(p.in, "\n")
	require.NoError(t, err)
}
