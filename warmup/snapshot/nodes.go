package snapshot

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/redis/go-redis/v9"
)

// node is one server that holds keys of its own.
type node struct {
	addr   string
	client *redis.Client
}

// usable refuses clients that cannot show all keys.
func usable(rdb redis.UniversalClient) error {
	if rdb == nil {
		return fmt.Errorf("%w: it is nil", ErrClient)
	}
	if v := reflect.ValueOf(rdb); v.Kind() == reflect.Pointer && v.IsNil() {
		return fmt.Errorf("%w: it is nil", ErrClient)
	}
	if _, ok := rdb.(*redis.AutoPipeliner); ok {
		return fmt.Errorf("%w: *redis.AutoPipeliner hides a cluster's nodes; hand over the client beneath", ErrClient)
	}
	return nil
}

// nodes returns the masters whose keys make up the whole.
func nodes(ctx context.Context, rdb redis.UniversalClient) ([]node, error) {
	var mu sync.Mutex
	var found []node
	collect := func(_ context.Context, client *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		found = append(found, node{addr: client.Options().Addr, client: client})
		return nil
	}
	var err error
	switch client := rdb.(type) {
	case *redis.Client:
		return []node{{addr: client.Options().Addr, client: client}}, nil
	case *redis.ClusterClient:
		err = client.ForEachMaster(ctx, collect)
	case *redis.Ring:
		err = client.ForEachShard(ctx, collect)
		if err == nil && len(found) < len(client.Options().Addrs) {
			err = errors.New("a shard of the ring is down")
		}
	default:
		return nil, fmt.Errorf("%w: %T is none of go-redis's Client, ClusterClient and Ring", ErrClient, rdb)
	}
	return found, err
}
