package leaderboard

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// MaxData is the most bytes that [Board.SetData] takes: 16 KiB.
const MaxData = 16 << 10

// dataChunk is how many payloads one reply carries: 16 MiB at most.
const dataChunk = 1000

// SetData keeps a small payload beside a member's score, a display name for instance, in the place of an earlier one. It
// lives as long as the member is on the board, whichever way that ends, and expires with the board. Empty data removes
// it. [ErrNotFound] for an absent member, [ErrDataSize] for more than [MaxData] bytes. One round trip, O(log N).
func (b *Board) SetData(ctx context.Context, member string, data []byte) error {
	return wrap(b.setData(ctx, member, data), "set data of %q", member)
}

func (b *Board) setData(ctx context.Context, member string, data []byte) error {
	if err := b.ready(ctx); err != nil {
		return err
	}
	if err := checkMember(member); err != nil {
		return err
	}
	if len(data) > MaxData {
		return fmt.Errorf("%d bytes, at most %d: %w", len(data), MaxData, ErrDataSize)
	}
	s, err := b.writable(b.now())
	if err != nil {
		return err
	}
	u := s.unit(member)
	reply, err := b.write(ctx, u, &b.scripts.setData, []any{s.expireAt, member, string(data)})
	if err != nil {
		return err
	}
	rows, found, err := pair(reply)
	if err == nil {
		err = b.empty(ctx, s, rows)
	}
	if err != nil {
		return err
	}
	if found == 0 {
		return ErrNotFound
	}
	return b.slideOthers(ctx, s, u)
}

// Data returns the payloads of members; those without one are not in the map. One round trip for each 1,000, O(M); on
// shards one fan-out.
func (b *Board) Data(ctx context.Context, members ...string) (map[string][]byte, error) {
	data, err := b.dataOf(ctx, members)
	return data, wrap(err, "data")
}

func (b *Board) dataOf(ctx context.Context, members []string) (map[string][]byte, error) {
	s, err := b.current(ctx)
	if err != nil {
		return nil, err
	}
	asked := make([][]string, len(s.units))
	for i, member := range members {
		if err := checkMember(member); err != nil {
			return nil, fmt.Errorf("member %d: %w", i, err)
		}
		k := shardOf(member, len(asked))
		asked[k] = append(asked[k], member)
	}
	data := make(map[string][]byte, len(members))
	for more := len(members) > 0; more; {
		more = false
		part := make([][]string, len(asked))
		for i := range asked {
			n := min(len(asked[i]), dataChunk)
			part[i], asked[i] = asked[i][:n], asked[i][n:]
			more = more || len(asked[i]) > 0
		}
		err := b.commands(ctx, s, func(u *unit) redis.Cmder {
			if len(part[u.shard]) == 0 {
				return nil
			}
			args := make([]any, 0, 2+len(part[u.shard]))
			args = append(args, "hmget", u.data())
			for _, member := range part[u.shard] {
				args = append(args, member)
			}
			return redis.NewSliceCmd(ctx, args...)
		}, func(u *unit, cmd redis.Cmder) error {
			c, ok := cmd.(*redis.SliceCmd)
			if !ok || len(c.Val()) != len(part[u.shard]) {
				return errReply
			}
			for i, v := range c.Val() {
				if text, ok := v.(string); ok {
					data[part[u.shard][i]] = []byte(text)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(members) == 0 {
		return data, nil
	}
	return data, b.empty(ctx, s, int64(len(data)))
}
