package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/examples/internal/demo"
)

// tour is what a chapter gets: a client, a prefix for its keys, and where to write.
type tour struct {
	rdb   redis.UniversalClient
	out   io.Writer
	dir   string // folder of the pictures; "" = none are written
	ns    string
	paint demo.Paint
	width int // of a line; 0 = unbounded
}

func (t *tour) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, format, args...) // a closed terminal is no reason to stop the chapter
}

// say writes a paragraph, in lines that fit.
func (t *tour) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if t.width > 0 {
		text = demo.Wrap(text, t.width)
	}
	t.printf("%s\n", text)
}

// draw writes a picture into the folder of the pictures.
func (t *tour) draw(name string, svg func(io.Writer) error) error {
	if t.dir == "" {
		return nil
	}
	path := filepath.Join(t.dir, name)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(svg(f), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	t.printf("Chart: %s\n", path)
	return nil
}

// scan hands over the keys of the tour, of every node that has some, in batches.
func (t *tour) scan(ctx context.Context, fn func(ctx context.Context, node redis.Cmdable, keys []string) error) error {
	each := func(ctx context.Context, node redis.Cmdable) error {
		for cursor := uint64(0); ; {
			keys, next, err := node.Scan(ctx, cursor, t.ns+":*", 1000).Result()
			if err == nil && len(keys) > 0 {
				err = fn(ctx, node, keys)
			}
			if err != nil || next == 0 {
				return err
			}
			cursor = next
		}
	}
	if cluster, ok := t.rdb.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return each(ctx, node) })
	}
	return each(ctx, t.rdb)
}

// alone refuses a namespace in which there are keys: the tour would delete them at its end.
func (t *tour) alone(ctx context.Context) error {
	return t.scan(ctx, func(_ context.Context, _ redis.Cmdable, keys []string) error {
		return fmt.Errorf("there are keys in the namespace %s already, such as %q: of another tour, or of one that was killed. "+
			"Delete them, or choose another -namespace", strings.TrimSuffix(t.ns, ":"), keys[0])
	})
}

// clean deletes the keys of the tour, so that a server of the reader's is left as it was.
func (t *tour) clean(ctx context.Context) error {
	return t.scan(ctx, func(ctx context.Context, node redis.Cmdable, keys []string) error {
		_, err := node.Pipelined(ctx, func(p redis.Pipeliner) error { // one by one: a cluster's keys are of many slots
			for _, key := range keys {
				p.Unlink(ctx, key)
			}
			return nil
		})
		return err
	})
}
