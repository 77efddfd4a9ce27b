package warmup_test

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/warmup"
)

// The names and signatures of the contract, held at compile time.
var (
	_ func(redis.UniversalClient, warmup.Options) (*warmup.Warmer, error)              = warmup.New
	_ func(*warmup.Warmer, context.Context, warmup.Source) (warmup.Report, error)      = (*warmup.Warmer).Run
	_ func(map[string]any) warmup.Source                                               = warmup.FromMap
	_ func([]warmup.Item) warmup.Source                                                = warmup.FromSlice
	_ func(string, int64, iter.Seq2[warmup.Item, error]) warmup.Source                 = warmup.FromSeq
	_ func(iter.Seq[string], func(context.Context, string) (any, error)) warmup.Source = warmup.FromFunc
	_ func(redis.UniversalClient, string) warmup.Source                                = warmup.FromRedis
	_ error                                                                            = warmup.ErrAborted
	_ []error                                                                          = []error{warmup.ErrSource, warmup.ErrCheckpoint, warmup.ErrNotFound}

	_ = warmup.Options{
		Codec: codec.Codec(nil), TTL: time.Duration(0), Jitter: float64(0),
		Workers: int(0), Rate: float64(0), Burst: int(0), BytesPerSecond: int64(0),
		Mode: warmup.Overwrite, DryRun: false, MaxErrors: int(0), MaxErrorRatio: float64(0),
		Checkpoint: "", SlowDown: time.Duration(0), Progress: (func(warmup.Progress))(nil), Logger: (*slog.Logger)(nil),
	}
	_ = warmup.Item{
		Key: "", Value: any(nil), TTL: time.Duration(0), Priority: int(0),
		Load: (func(context.Context) (any, error))(nil),
	}
	_ = warmup.Report{
		Stored: int(0), Skipped: int(0), Failed: int(0), Resumed: int(0),
		Errors: []error(nil), Bytes: int64(0), Elapsed: time.Duration(0),
	}
	_ = warmup.Progress{
		Done: int64(0), Total: int64(0), Bytes: int64(0), Errors: int(0),
		Rate: float64(0), ETA: time.Duration(0), Last: false,
	}
	_ = []warmup.Mode{warmup.Overwrite, warmup.FillMissing}
	_ = warmup.ItemError{Key: "", Err: error(nil)}
)
