package checkin

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

// IDsOptions are the options of [IDs].
type IDsOptions struct {
	// Namespace is put in front of the key, with a colon. Defaults to none. It may not hold braces. One namespace has one
	// row of numbers.
	Namespace string
}

//go:embed lua/id.lua
var idLua string

var idScript = once.NewScript(idLua)

// IDs gives names dense numbers, from 0, for [Activity]. It is made by [NewIDs]; the zero value answers every call with
// an error. It is safe for concurrent use. Numbers are given for ever: they do not expire, and are never given again. All
// are in one hash, of about 150 bytes a name. If a name is taken out of it by hand, its number may be given again; two
// names never share one.
type IDs struct {
	rdb  redis.UniversalClient
	key  string
	most int64
}

// NewIDs returns IDs on a client of any kind, which stays the caller's. It sends nothing.
func NewIDs(rdb redis.UniversalClient, opts IDsOptions) (*IDs, error) {
	if isNil(rdb) {
		return nil, errors.New("checkin: the client is nil")
	}
	namespace, err := prefix("IDsOptions", opts.Namespace)
	if err != nil {
		return nil, err
	}
	return &IDs{rdb: rdb, key: namespace + kindIDs, most: 1 << 32}, nil
}

// ID returns the number of a name, and gives it the next one if it has none. Of any number of concurrent calls for a
// name, all get the same. A name may hold any bytes, and has at least one. [ErrFull] after 4,294,967,296 names. One
// round trip, one script of one key, O(1).
func (d *IDs) ID(ctx context.Context, name string) (uint32, error) {
	if d == nil || d.rdb == nil {
		return 0, errNew
	}
	if name == "" {
		return 0, fmt.Errorf("checkin: id: %w name", ErrEmpty)
	}
	// A name that has its number keeps it, so the script may run twice.
	reply, err := idScript.Read(ctx, d.rdb, []string{d.key}, name, d.most)
	if err != nil {
		return 0, failed("id of", name, err)
	}
	text, _ := reply.(string)
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, failed("id of", name, fmt.Errorf("%w: %v is not a number", ErrWrongType, reply))
	}
	return uint32(id), nil
}

// Name returns the name that has a number, and [ErrNotFound] if none has. One round trip, O(1).
func (d *IDs) Name(ctx context.Context, id uint32) (string, error) {
	if d == nil || d.rdb == nil {
		return "", errNew
	}
	if err := ctx.Err(); err != nil {
		return "", failed("name of", id, err)
	}
	name, err := d.rdb.HGet(ctx, d.key, "#"+strconv.FormatUint(uint64(id), 10)).Result()
	if errors.Is(err, redis.Nil) {
		err = ErrNotFound
	}
	if err != nil {
		return "", failed("name of", id, err)
	}
	return name, nil
}
