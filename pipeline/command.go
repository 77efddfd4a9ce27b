package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// queue is a Pipeliner that only gathers commands.
type queue struct {
	redis.Pipeliner
}

// newQueue returns an empty queue. The pipeline in it is never executed.
func newQueue(rdb redis.UniversalClient) *queue { return &queue{Pipeliner: rdb.Pipeline()} }

func errQueue(name string) error {
	return fmt.Errorf("pipeline: %s of a queue: the batch is sent when the function has returned: %w", name, ErrUnsupported)
}

// Exec is refused: the queue is sent when the function that fills it returns.
func (q *queue) Exec(context.Context) ([]redis.Cmder, error) { return nil, errQueue("Exec") }

// Pipelined queues what fn queues.
func (q *queue) Pipelined(_ context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return nil, fn(q)
}

// TxPipelined is refused: see [Batcher.Transact].
func (q *queue) TxPipelined(context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return nil, errQueue("TxPipelined")
}

// Pipeline returns the queue itself.
func (q *queue) Pipeline() redis.Pipeliner { return q }

// TxPipeline returns the queue itself, whose Exec is refused.
func (q *queue) TxPipeline() redis.Pipeliner { return q }

// name returns the name of a command, in lower case.
func name(cmd redis.Cmder) string { return strings.ToLower(cmd.Name()) }

// refused says why a command has no place in a batch: it changes or leaves its
// connection, waits, or answers more than once.
func refused(cmd redis.Cmder) error {
	n := name(cmd)
	switch n {
	case "multi", "exec", "discard", "watch", "unwatch",
		"subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "monitor", "sync", "psync",
		"select", "auth", "hello", "reset", "quit", "asking", "readonly", "readwrite", "shutdown",
		"blpop", "brpop", "brpoplpush", "blmove", "blmpop", "bzpopmin", "bzpopmax", "bzmpop", "wait", "waitaof":
		return fmt.Errorf("%s: %w", strings.ToUpper(n), ErrUnsupported)
	case "xread", "xreadgroup":
		for i := 1; i < len(cmd.Args()); i++ {
			switch strings.ToLower(word(cmd, i)) {
			case "streams":
				return nil
			case "group":
				i += 2
			case "block":
				return fmt.Errorf("%s BLOCK: %w", strings.ToUpper(n), ErrUnsupported)
			}
		}
	case "client":
		switch strings.ToLower(word(cmd, 1)) {
		case "reply", "tracking", "caching", "setname", "no-evict", "no-touch":
			return fmt.Errorf("CLIENT %s: %w", strings.ToUpper(word(cmd, 1)), ErrUnsupported)
		}
	}
	return nil
}

// word returns an argument of cmd as text.
func word(cmd redis.Cmder, i int) string {
	args := cmd.Args()
	if i >= len(args) {
		return ""
	}
	switch v := args[i].(type) {
	case string:
		return v
	case *string:
		if v != nil {
			return *v
		}
		return ""
	case []byte:
		return string(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	default:
		return fmt.Sprint(v)
	}
}

// keysOf returns the keys of a command, as far as its name tells where they are.
func keysOf(cmd redis.Cmder) []string {
	last := len(cmd.Args()) - 1
	pick := func(from, to, step int) []string {
		var keys []string
		for i := from; i <= min(to, last); i += step {
			keys = append(keys, word(cmd, i))
		}
		return keys
	}
	counted := func(at int) []string {
		n, err := strconv.Atoi(word(cmd, at))
		if err != nil || n < 0 || n > last {
			return nil
		}
		return pick(at+1, at+n, 1)
	}
	switch n := name(cmd); n {
	case "ping", "echo", "time", "info", "dbsize", "randomkey", "scan", "keys", "flushdb", "flushall", "config",
		"client", "cluster", "command", "script", "function", "latency", "slowlog", "acl", "role", "lastsave",
		"save", "bgsave", "bgrewriteaof", "publish", "spublish", "pubsub", "module", "swapdb", "replicaof", "failover":
		if n == "spublish" {
			return pick(1, 1, 1)
		}
		return nil
	case "del", "unlink", "exists", "touch", "mget", "sinter", "sunion", "sdiff", "sinterstore", "sunionstore",
		"sdiffstore", "pfcount", "pfmerge":
		return pick(1, last, 1)
	case "mset", "msetnx":
		return pick(1, last, 2)
	case "msetex": // numkeys key value ...
		n, err := strconv.Atoi(word(cmd, 1))
		if err != nil || n < 0 || n > last {
			return nil
		}
		return pick(2, 2*n, 2)
	case "sort", "georadius", "georadiusbymember":
		keys := pick(1, 1, 1)
		for i := 2; i < last; i++ {
			switch strings.ToLower(word(cmd, i)) {
			case "by", "get": // a pattern follows
				i++
			case "store", "storedist":
				keys = append(keys, word(cmd, i+1))
			}
		}
		return keys
	case "migrate":
		return pick(3, 3, 1)
	case "rename", "renamenx", "copy", "smove", "lmove", "rpoplpush", "lcs", "zrangestore", "geosearchstore":
		return pick(1, 2, 1)
	case "bitop":
		return pick(2, last, 1)
	case "eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro":
		return counted(2)
	case "zinter", "zunion", "zdiff", "zintercard", "sintercard", "lmpop", "zmpop":
		return counted(1)
	case "zinterstore", "zunionstore", "zdiffstore":
		return append(pick(1, 1, 1), counted(2)...)
	case "object", "memory", "xgroup", "xinfo", "debug":
		return pick(2, 2, 1)
	case "xread", "xreadgroup":
		for i := 1; i <= last; i++ {
			if strings.EqualFold(word(cmd, i), "streams") {
				return pick(i+1, i+(last-i)/2, 1)
			}
		}
		return nil
	default:
		return pick(1, 1, 1)
	}
}

// firstKey returns the first key of a command, "" if it has none.
func firstKey(cmd redis.Cmder) string {
	if keys := keysOf(cmd); len(keys) > 0 {
		return keys[0]
	}
	return ""
}
