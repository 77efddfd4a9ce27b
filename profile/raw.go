package profile

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// go-redis makes two strings of each field of an HGETALL, and a map that grows. Read raw, a reply costs one string, of which
// the fields are parts, whatever T looks like. What is not a plain reply (an error, such as a redirection within a cluster,
// which go-redis does not see in a raw reply) is asked for again in the ordinary way.

func newRaw(ctx context.Context, key string) *redis.RawCmd {
	cmd := redis.NewRawCmd(ctx, "hgetall", key)
	cmd.SetFirstKeyPos(1)
	return cmd
}

// hgetall reads a hash: one round trip, two if the first answer is an error.
func hgetall(ctx context.Context, rdb redis.UniversalClient, key string) (hash, error) {
	cmd := newRaw(ctx, key)
	if err := rdb.Process(ctx, cmd); err != nil {
		return nil, err
	}
	raw, err := cmd.Result()
	if err != nil {
		return nil, err
	}
	if h, ok := parseRaw(raw, nil); ok {
		return h, nil
	}
	return ordinary(rdb.HGetAll(ctx, key).Result())
}

// few is the memory of hashes of as many fields as most have.
type few [24]pair

var spare = sync.Pool{New: func() any { return new(few) }}

// borrow returns an empty hash, to be given back when it was decoded, or kept.
func borrow() hash {
	f, ok := spare.Get().(*few)
	if !ok {
		return nil
	}
	return f[:0]
}

// giveBack ends the use of a hash.
func giveBack(h hash) {
	if cap(h) == len(few{}) {
		f := (*few)(h[:cap(h)])
		clear(f[:]) // it keeps no text alive
		spare.Put(f)
	}
}

// ordinary makes a hash of what go-redis makes of an HGETALL.
func ordinary(all map[string]string, err error) (hash, error) {
	h := make(hash, 0, len(all))
	for name, text := range all {
		h = append(h, pair{name, text})
	}
	return h, err
}

// parseRaw reads the reply of an HGETALL: an array, or a map in RESP3, of bulk strings. It appends to h, which is empty, or
// borrows one.
func parseRaw(raw []byte, h hash) (hash, bool) {
	text := string(raw)
	n, rest, ok := header(text, '%')
	if !ok {
		if n, rest, ok = header(text, '*'); !ok || n%2 != 0 {
			return nil, false
		}
		n /= 2
	}
	if n > len(rest)/8 { // a field and its text take at least 12 bytes
		return nil, false
	}
	if h == nil && n <= len(few{}) {
		h = borrow()
	}
	h = slices.Grow(h, n)
	for range n {
		var name, value string
		if name, rest, ok = bulk(rest); !ok {
			return nil, false
		}
		if value, rest, ok = bulk(rest); !ok {
			return nil, false
		}
		h = append(h, pair{name, value})
	}
	return h, rest == ""
}

// header reads a line such as "*22".
func header(text string, kind byte) (n int, rest string, ok bool) {
	if text == "" || text[0] != kind {
		return 0, "", false
	}
	line, rest, ok := strings.Cut(text[1:], "\r\n")
	if !ok {
		return 0, "", false
	}
	n, err := strconv.Atoi(line)
	return n, rest, err == nil && n >= 0
}

func bulk(text string) (value, rest string, ok bool) {
	n, rest, ok := header(text, '$')
	if !ok || len(rest)-2 < n || rest[n:n+2] != "\r\n" {
		return "", "", false
	}
	return rest[:n], rest[n+2:], true
}
