package pipeline_test

import (
	"context"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/pipeline"
)

// The names and signatures of the contract, held by the compiler.
var (
	_ = pipeline.Options{Namespace: "", Codec: codec.Msgpack, ChunkSize: 0, ChunkBytes: 0, Workers: 0, Retries: 0, StrictSlots: false}

	_ func(redis.UniversalClient, pipeline.Options) (*pipeline.Batcher, error) = pipeline.New

	_ func(context.Context, *pipeline.Batcher, iter.Seq2[string, int], pipeline.SetOptions) (pipeline.Report, error)        = pipeline.Set[int]
	_ func(context.Context, *pipeline.Batcher, ...string) (map[string]int, error)                                           = pipeline.Get[int]
	_ func(context.Context, *pipeline.Batcher, iter.Seq[string]) iter.Seq2[pipeline.Item[int], error]                       = pipeline.GetSeq[int]
	_ func(*pipeline.Batcher, context.Context, ...string) (pipeline.Report, error)                                          = (*pipeline.Batcher).Delete
	_ func(*pipeline.Batcher, context.Context, time.Duration, ...string) (pipeline.Report, error)                           = (*pipeline.Batcher).Expire
	_ func(*pipeline.Batcher, context.Context, func(redis.Pipeliner) error) (pipeline.Report, error)                        = (*pipeline.Batcher).Do
	_ func(*pipeline.Batcher, context.Context, func(*pipeline.Tx) error, ...string) error                                   = (*pipeline.Batcher).Transact
	_ func(*pipeline.Tx) redis.Cmdable                                                                                      = (*pipeline.Tx).Read
	_ func(*pipeline.Tx) redis.Pipeliner                                                                                    = (*pipeline.Tx).Queue
	_ func(*pipeline.Batcher, context.Context, string, map[string]int64, pipeline.CounterOptions) (map[string]int64, error) = (*pipeline.Batcher).IncrementOnce
	_ func(*pipeline.Batcher, context.Context, map[string]int64, pipeline.CounterOptions) (map[string]int64, error)         = (*pipeline.Batcher).IncrementAtomic

	_ func(*pipeline.Batcher, context.Context, map[string]int64, pipeline.CounterOptions) (map[string]int64, pipeline.Report, error) = (*pipeline.Batcher).Increment

	_ = pipeline.CounterOptions{TTL: time.Hour, TokenTTL: time.Hour}
	_ = pipeline.SetOptions{TTL: time.Hour, Jitter: 0.1, KeepTTL: false, Mode: pipeline.Always}
	_ = []pipeline.Mode{pipeline.Always, pipeline.IfAbsent, pipeline.IfPresent}
	_ = pipeline.Item[int]{Key: "", Value: 0, Found: false}
	_ = [...]pipeline.Outcome{pipeline.Unknown: 0, pipeline.NotSent: 1, pipeline.Failed: 2, pipeline.Applied: 3}
	_ = pipeline.Report{Applied: 0, Failed: 0, Unknown: 0, NotSent: 0, Missing: 0, Skipped: 0, Attempts: 0, Elapsed: 0, Failures: []pipeline.Failure{}, Truncated: false}
	_ = pipeline.Failure{Index: 0, Key: "", Outcome: pipeline.Failed, Err: nil}

	_ error                         = &pipeline.BatchError{Report: pipeline.Report{}}
	_ interface{ Unwrap() []error } = (*pipeline.BatchError)(nil)
	_                               = pipeline.Outcome.String
	_                               = []error{pipeline.ErrOutcomeUnknown, pipeline.ErrConflict, pipeline.ErrCrossSlot, pipeline.ErrUnsupported}
)
