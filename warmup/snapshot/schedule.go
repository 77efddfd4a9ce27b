package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// Schedule dumps into a folder again and again, verifies each file that it wrote, and removes old ones.
type Schedule struct {
	// Every is the time from the beginning of one dump to that of the next. Must be positive. A dump that takes longer
	// is followed by the next at once.
	Every time.Duration
	// Dir is the folder of the files. Must be given.
	Dir string
	// Keep says which files stay. Defaults to all.
	Keep Retention
	// Options are those of each dump.
	Options Options
	// OnError is told of a dump, a verification or a removal that failed; the schedule goes on. Defaults to nil: the
	// first error ends it.
	OnError func(error)
}

func (s Schedule) check(rdb redis.UniversalClient) error {
	if err := usable(rdb); err != nil {
		return err
	}
	if s.Every <= 0 {
		return fmt.Errorf("snapshot: Schedule.Every: %v is not positive", s.Every)
	}
	if s.Dir == "" {
		return errors.New("snapshot: Schedule.Dir: no folder")
	}
	if _, err := s.Options.complete(); err != nil {
		return err
	}
	return s.Keep.check()
}

// Run dumps at once, and then every Every, until ctx ends, which is no error. It owns no goroutine beyond its return.
// Old files are only removed after a dump that was verified. Two Runs into one folder do each other no harm.
func (s Schedule) Run(ctx context.Context, rdb redis.UniversalClient) error {
	if err := s.check(rdb); err != nil {
		return err
	}
	ticker := time.NewTicker(s.Every)
	defer ticker.Stop()
	for {
		if err := s.once(ctx, rdb); err != nil && ctx.Err() == nil {
			if s.OnError == nil {
				return err
			}
			s.OnError(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (s Schedule) once(ctx context.Context, rdb redis.UniversalClient) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, _, err := DumpFile(ctx, rdb, s.Dir, s.Options)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // another Run in the same folder has a newer one, and keeps no more
	}
	if err != nil {
		return fmt.Errorf("snapshot: schedule: %w", err)
	}
	_, err = Verify(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("snapshot: schedule: %s: %w", path, err)
	}
	_, err = Prune(s.Dir, s.Keep)
	return err
}
