package snapshot

import (
	"context"
	"os"

	"github.com/redis/go-redis/v9"
)

// child is a process that dumps into a folder until it is killed, or restores the newest file of it.
func child(dir string) {
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: os.Getenv("SNAPSHOT_SOCKET")})
	ctx := context.Background()
	if file := os.Getenv("SNAPSHOT_FILE"); file != "" {
		f, err := os.Open(file)
		if err != nil {
			os.Exit(3)
		}
		_, _ = Restore(ctx, rdb, f, RestoreOptions{Rate: 500})
		os.Exit(0)
	}
	for {
		if _, _, err := DumpFile(ctx, rdb, dir, Options{Rate: 3000}); err != nil {
			os.Exit(4)
		}
	}
}
