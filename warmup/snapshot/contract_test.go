package snapshot_test

import (
	"context"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/warmup/snapshot"
)

// The names and signatures that other code compiles against.
var (
	_ func(context.Context, redis.UniversalClient, io.Writer, snapshot.Options) (snapshot.Summary, error)        = snapshot.Dump
	_ func(context.Context, redis.UniversalClient, io.Reader, snapshot.RestoreOptions) (snapshot.Summary, error) = snapshot.Restore
	_ func(io.Reader) (snapshot.Summary, error)                                                                  = snapshot.Verify
	_ func(context.Context, redis.UniversalClient, io.Reader) (snapshot.Diff, error)                             = snapshot.Compare
	_ func(context.Context, redis.UniversalClient, string, snapshot.Options) (string, snapshot.Summary, error)   = snapshot.DumpFile
	_ func(string, snapshot.Retention) ([]string, error)                                                         = snapshot.Prune
	_ func(snapshot.Schedule, context.Context, redis.UniversalClient) error                                      = snapshot.Schedule.Run

	_ = snapshot.Options{Match: "", Types: []string{}, Workers: 0, MaxKeyBytes: int64(0), Rate: float64(0), NoTouch: false, Compress: false, PortableStreams: false}
	_ = snapshot.RestoreOptions{Mode: snapshot.SkipExisting, Prefix: "", Rate: float64(0), Salvage: false}
	_ = snapshot.Replace
	_ = snapshot.Retention{Last: 0, Daily: 0, Weekly: 0}
	_ = snapshot.Schedule{Every: time.Hour, Dir: "", Keep: snapshot.Retention{}, Options: snapshot.Options{}, OnError: func(error) {}}
	_ = snapshot.Diff{Missing: []string{}, Extra: []string{}, Different: []string{}}.Empty
	_ = snapshot.Summary{Keys: int64(0), Skipped: int64(0), Expired: int64(0), Bytes: int64(0)}
)
