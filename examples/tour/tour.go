package main

import (
	"context"
	"fmt"
	"io"

	"github.com/redis/go-redis/v9"
)

// tour is what a chapter gets: a client, a prefix for its keys, and where to write.
type tour struct {
	rdb redis.UniversalClient
	out io.Writer
	dir string // folder of the pictures; "" = none are written
	ns  string
}

func (t *tour) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, format, args...) // a closed terminal is no reason to stop the chapter
}

// clean deletes the keys of the tour, so that a server of the reader's is left as it was.
func (t *tour) clean(ctx context.Context) error {
	keys := t.rdb.Scan(ctx, 0, t.ns+":*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := t.rdb.Unlink(ctx, keys.Val()).Err(); err != nil {
			return err
		}
	}
	return keys.Err()
}
