package once

import (
	"context"
	"crypto/sha1" //nolint:gosec // the name that Redis gives to a script is its SHA-1
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Script is a Lua script, sent by its hash first, and whole where the server does
// not have it. It is safe for concurrent use.
type Script struct {
	src string
	sha scriptSHA
}

// scriptSHA is the hash of a script as an argument. A pointer to it tells the
// script of a command that was refused with NOSCRIPT.
type scriptSHA struct {
	hex    string
	bytes  []byte // the same, which nobody changes
	script *Script
}

// MarshalBinary returns the hash. An AutoPipeliner asks for it to know its size, and again to write it.
func (s *scriptSHA) MarshalBinary() ([]byte, error) { return s.bytes, nil }

// String shows the hash.
func (s *scriptSHA) String() string { return s.hex }

// NewScript makes a script of its source.
func NewScript(src string) *Script {
	sum := sha1.Sum([]byte(src)) //nolint:gosec // see the import
	s := &Script{src: src}
	text := hex.EncodeToString(sum[:])
	s.sha = scriptSHA{hex: text, bytes: []byte(text), script: s}
	return s
}

// Hash returns the SHA-1 of the source in hexadecimal.
func (s *Script) Hash() string { return s.sha.hex }

// Run runs a script that writes: EVALSHA once, and EVAL once where the server
// does not know the script. It returns the reply, (nil, nil) for a nil reply, the
// error of the server, an [UnknownError] when no answer came, and any other error
// when nothing was sent. One round trip, two the first time on a server.
func (s *Script) Run(ctx context.Context, rdb redis.UniversalClient, keys []string, args ...any) (any, error) {
	cmd := s.Cmd(ctx, keys, args...)
	err := Process(ctx, rdb, cmd)
	if Code(err) == "NOSCRIPT" && !IsUnknown(err) {
		cmd = s.eval(ctx, cmd)
		err = Process(ctx, rdb, cmd)
	}
	return value(cmd, err)
}

// Read runs a script that writes nothing. A lost answer is asked for again: by
// go-redis for a script of one key, and here for one of several, as go-redis
// would answer the TRYAGAIN of a slot on the move by sending all neighbours of an
// AutoPipeliner's batch again. One round trip, two the first time on a server.
func (s *Script) Read(ctx context.Context, rdb redis.UniversalClient, keys []string, args ...any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cmd := s.Cmd(ctx, keys, args...)
	if err := Check(cmd); err != nil {
		return nil, err
	}
	err := read(ctx, rdb, cmd, len(keys) > 1)
	if Code(err) == "NOSCRIPT" {
		cmd = s.eval(ctx, cmd)
		err = read(ctx, rdb, cmd, len(keys) > 1)
	}
	return value(cmd, err)
}

// reads is how often a lost answer of a script of several keys is asked for.
const reads = 4

func read(ctx context.Context, rdb redis.UniversalClient, cmd *redis.Cmd, several bool) error {
	if !several {
		err := rdb.Process(ctx, cmd)
		if own := cmd.Err(); err == nil {
			err = own
		}
		return err
	}
	var err error
	for i := range reads {
		if i > 0 {
			if slept := Sleep(ctx, 8*time.Millisecond<<i); slept != nil {
				break
			}
		}
		again := redis.NewCmd(ctx, cmd.Args()...)
		again.SetFirstKeyPos(3)
		err = Process(ctx, rdb, again)
		if o := outcomeOf(err, false); !IsUnknown(err) && (o == Applied || o == Failed) {
			cmd.SetVal(again.Val())
			return err
		}
		if ctx.Err() != nil || errors.Is(err, ErrEncode) || errors.Is(err, redis.ErrClosed) {
			break
		}
	}
	if unknown, ok := errors.AsType[*UnknownError](err); ok {
		err = unknown.Err // nothing was to be changed, so nothing is unknown
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	return err
}

// Cmd returns the script as a command for a batch of [Exec], which mends a
// NOSCRIPT. The keys must be of one slot.
func (s *Script) Cmd(ctx context.Context, keys []string, args ...any) *redis.Cmd {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, "evalsha", &s.sha, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	cmd := redis.NewCmd(ctx, append(all, args...)...)
	if len(keys) > 0 {
		cmd.SetFirstKeyPos(3)
	}
	return cmd
}

// eval returns the command that sends the script of cmd whole.
func (s *Script) eval(ctx context.Context, cmd redis.Cmder) *redis.Cmd {
	all := append([]any(nil), cmd.Args()...)
	all[0], all[1] = "eval", s.src
	whole := redis.NewCmd(ctx, all...)
	if n, ok := all[2].(int); ok && n > 0 {
		whole.SetFirstKeyPos(3)
	}
	return whole
}

func value(cmd *redis.Cmd, err error) (any, error) {
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return cmd.Val(), nil
	}
}

// scriptOf returns the script that cmd runs, if it was made by [Script.Cmd].
func scriptOf(cmd redis.Cmder) *Script {
	if args := cmd.Args(); len(args) > 2 {
		if sha, ok := args[1].(*scriptSHA); ok {
			return sha.script
		}
	}
	return nil
}
