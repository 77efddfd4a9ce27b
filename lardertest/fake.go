package lardertest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// fake is a miniredis that answers some commands as a real server does: those that miniredis answers otherwise, or
// not at all. miniredis does not let a registered command be replaced, so that they are caught by its hook, which
// sees every command first.
type fake struct {
	m       *miniredis.Miniredis
	srv     *server.Server
	started time.Time
	closed  chan struct{}

	peers sync.Map // *server.Peer to origin: connections, and our own; whoever is not in it is a script

	mu     sync.Mutex
	info   *info    // nil: miniredis's own
	faults []*fault // the ones in force
}

// The commands by which the functions of this package speak to the fake: any client of it will do.
const (
	cmdCall   = "LARDERTEST.CALL"   // from our own scripts: a command and its packed arguments
	cmdInfo   = "LARDERTEST.INFO"   // what INFO answers from now on
	cmdFaults = "LARDERTEST.FAULTS" // the faults in force from now on
)

// handler answers a command. It is called with the lock of miniredis held, so that nothing comes between what it reads
// and what it writes. An error is the reply's text.
type handler func(f *fake, tx *tx, args []string) (reply any, err error)

// handlers are the commands that are answered here, each with the least number of arguments. With fewer, miniredis says
// what is wrong, in the words of a real server.
var handlers = map[string]struct {
	least int
	serve handler
}{
	"PFADD":   {1, pfAdd},
	"PFCOUNT": {1, pfCount},
	"PFMERGE": {1, pfMerge},
	"INFO":    {0, serveInfo},
}

func (f *fake) dial() (net.Conn, error) {
	select {
	case <-f.closed:
		return nil, net.ErrClosed
	default:
	}
	client, srv := pipe()
	f.srv.ServeConn(srv)
	return client, nil
}

func (f *fake) close() {
	close(f.closed)
	f.m.Close()
}

// hook sees every command before miniredis does, those that scripts call included. It reports whether it has answered.
func (f *fake) hook(c *server.Peer, cmd string, args ...string) bool {
	switch f.origin(c) {
	case fromScript:
		return f.hookScript(c, cmd, args)
	case fromUs:
		return false
	}
	if c.Closed() {
		return true // what stood behind a command that broke the connection is lost with it
	}
	switch cmd {
	case cmdInfo:
		f.setInfo(c, args)
		return true
	case cmdFaults:
		f.setFaults(c, args)
		return true
	}
	if f.strike(c, cmd, args) {
		return true
	}
	script, ours := f.script(cmd, args)
	if ours {
		f.srv.Dispatch(c, script)
	}
	return ours
}

// serves returns the handler of a command that is answered here.
func (f *fake) serves(cmd string, args []string) (handler, bool) {
	h, ours := handlers[cmd]
	if !ours || len(args) < h.least || cmd == "INFO" && !f.hasInfo() {
		return nil, false
	}
	return h.serve, true
}

// script returns the script in whose place a command of ours is executed: it runs with the lock held, waits for its
// EXEC in a transaction, and calls back here. The arguments are packed, since Lua cannot unpack many.
func (f *fake) script(cmd string, args []string) ([]string, bool) {
	if _, ours := f.serves(cmd, args); !ours {
		return nil, false
	}
	return []string{"EVAL", "return redis.pcall('" + cmdCall + "', ARGV[1], ARGV[2])", "0", cmd, pack(args)}, true
}

// hookScript answers what a script calls: one of ours, or a consumer's.
func (f *fake) hookScript(c *server.Peer, cmd string, args []string) bool {
	if cmd == cmdCall && len(args) == 2 {
		cmd, args = args[0], unpack(args[1])
	}
	serve, ours := f.serves(cmd, args)
	if !ours {
		return false
	}
	reply, err := serve(f, &tx{srv: f.srv, ctx: c.Ctx}, args)
	if err != nil {
		c.WriteError(err.Error())
		return true
	}
	switch reply := reply.(type) {
	case int64:
		c.WriteInt(int(reply))
	case string:
		c.WriteBulk(reply)
	default:
		c.WriteOK()
	}
	return true
}

// origin is where a command comes from.
type origin int

const (
	fromClient origin = iota
	fromScript
	fromUs // straight to miniredis
)

// origin tells the peers apart. That of a script has a context from the beginning; that of a connection gets one by
// its first command, which the hook sees before.
func (f *fake) origin(c *server.Peer) origin {
	if o, known := f.peers.Load(c); known {
		o, _ := o.(origin)
		return o
	}
	if c.Ctx != nil {
		return fromScript
	}
	f.peers.Store(c, fromClient)
	c.OnDisconnect(func() { f.peers.Delete(c) })
	return fromClient
}

// execute runs a command of a connection and throws the reply away.
func (f *fake) execute(c *server.Peer, cmd string, args []string) {
	command, ours := f.script(cmd, args)
	if !ours {
		command = append([]string{cmd}, args...)
	}
	peer := server.NewPeer(bufio.NewWriter(io.Discard))
	peer.Ctx = c.Ctx
	f.peers.Store(peer, fromUs)
	defer f.peers.Delete(peer)
	f.srv.Dispatch(peer, command)
	c.Ctx = peer.Ctx
}

// tx runs commands in the place of a script, with miniredis's lock held and in the database of the caller.
type tx struct {
	srv *server.Server
	ctx any
}

func (t *tx) do(args ...string) (any, error) {
	var buf bytes.Buffer
	w := bufio.NewWriter(&buf)
	peer := server.NewPeer(w)
	peer.Ctx = t.ctx
	t.srv.Dispatch(peer, args)
	peer.Flush()
	return server.ParseReply(bufio.NewReader(&buf))
}

// get returns the string at key, and whether there is a key at all.
func (t *tx) get(key string) (value string, found bool, err error) {
	reply, err := t.do("GET", key)
	if err != nil || reply == nil {
		return "", false, err
	}
	value, ok := reply.(string)
	if !ok {
		return "", false, errors.New("ERR lardertest: GET answered no string")
	}
	return value, true, nil
}

// set stores a string and leaves the key's expiry as it is.
func (t *tx) set(key, value string) error {
	_, err := t.do("SET", key, value, "KEEPTTL")
	return err
}

// pack makes one string of many, whatever bytes they hold.
func pack(args []string) string {
	var b strings.Builder
	for _, arg := range args {
		b.WriteString(strconv.Itoa(len(arg)))
		b.WriteByte(':')
		b.WriteString(arg)
	}
	return b.String()
}

func unpack(packed string) []string {
	var args []string
	for packed != "" {
		length, rest, _ := strings.Cut(packed, ":")
		n, err := strconv.Atoi(length)
		if err != nil || n > len(rest) {
			return args
		}
		args = append(args, rest[:n])
		packed = rest[n:]
	}
	return args
}
