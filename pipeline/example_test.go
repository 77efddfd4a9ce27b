package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/pipeline"
)

type Product struct {
	Name  string
	Cents int
}

func Example() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()

	b, err := pipeline.New(rdb, pipeline.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	products := map[string]Product{"product:1": {"tea", 450}, "product:2": {"salt", 120}}
	report, err := pipeline.Set(ctx, b, maps.All(products), pipeline.SetOptions{TTL: time.Hour})
	fmt.Println(report.Applied, err)

	got, err := pipeline.Get[Product](ctx, b, "product:1", "product:2", "product:3")
	fmt.Println(len(got), got["product:1"].Name, err)

	sold, _, err := b.Increment(ctx, map[string]int64{"sold:1": 3, "sold:2": 1}, pipeline.CounterOptions{})
	fmt.Println(sold["sold:1"], err)
	// Output:
	// 2 <nil>
	// 2 tea <nil>
	// 3 <nil>
}

func ExampleNew() {
	rdb, stop := lardertest.Start()
	defer stop()
	_, err := pipeline.New(rdb, pipeline.Options{Codec: codec.JSON, ChunkSize: 200, Workers: 4, Retries: -1})
	fmt.Println(err)
	_, err = pipeline.New(rdb, pipeline.Options{Workers: -2})
	fmt.Println(err)
	// Output:
	// <nil>
	// pipeline: Options.Workers is -2: it must be -1 or more
}

// A value that cannot be encoded fails alone.
func ExampleSet() {
	rdb, stop := lardertest.Start()
	defer stop()
	b, _ := pipeline.New(rdb, pipeline.Options{Codec: codec.JSON})
	items := func(yield func(string, any) bool) {
		_ = yield("a", 1) && yield("b", make(chan int)) && yield("c", 3)
	}
	report, err := pipeline.Set(context.Background(), b, items, pipeline.SetOptions{TTL: time.Hour, Jitter: 0.1})
	fmt.Println(report.Applied, report.NotSent)
	for _, f := range report.Failures {
		fmt.Println(f.Index, f.Key, f.Outcome)
	}
	var bad *codec.Error
	fmt.Println(errors.As(err, &bad))
	// Output:
	// 2 1
	// 1 b not sent
	// true
}

func ExampleSetOptions() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{Codec: codec.String})
	items := maps.All(map[string]string{"seat:1": "Ada"})
	first, _ := pipeline.Set(ctx, b, items, pipeline.SetOptions{Mode: pipeline.IfAbsent, TTL: time.Minute})
	second, _ := pipeline.Set(ctx, b, items, pipeline.SetOptions{Mode: pipeline.IfAbsent, TTL: time.Minute})
	fmt.Println(first.Applied, second.Skipped)
	// Output: 1 1
}

func ExampleGet() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{Codec: codec.String})
	rdb.MSet(ctx, "a", 1, "b", 2)
	got, err := pipeline.Get[int](ctx, b, "a", "b", "none")
	fmt.Println(got, err)
	// Output: map[a:1 b:2] <nil>
}

// GetSeq reads any number of keys in constant memory.
func ExampleGetSeq() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{Codec: codec.String})
	rdb.MSet(ctx, "a", 1, "b", "two")
	for item, err := range pipeline.GetSeq[int](ctx, b, slices.Values([]string{"a", "b", "none"})) {
		fmt.Println(item.Key, item.Found, item.Value, err != nil)
	}
	// Output:
	// a true 1 false
	// b false 0 true
	// none false 0 false
}

func ExampleBatcher_Delete() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{})
	rdb.MSet(ctx, "a", 1, "b", 2)
	report, err := b.Delete(ctx, "a", "b", "none")
	fmt.Println(report.Applied, report.Missing, err)
	// Output: 2 1 <nil>
}

func ExampleBatcher_Expire() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{})
	rdb.Set(ctx, "a", 1, 0)
	report, err := b.Expire(ctx, time.Hour, "a", "none")
	fmt.Println(report.Applied, report.Missing, err, rdb.TTL(ctx, "a").Val() > 0)
	// Output: 1 1 <nil> true
}

// Each counter is added to exactly once, or said to be unknown.
func ExampleBatcher_Increment() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{})
	rdb.LPush(ctx, "list", "x")
	values, report, err := b.Increment(ctx, map[string]int64{"hits": 2, "list": 1}, pipeline.CounterOptions{TTL: 24 * time.Hour})
	fmt.Println(values, report.Failed, err != nil)
	// Output: map[hits:2] 1 true
}

func ExampleBatcher_IncrementAtomic() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{})
	values, err := b.IncrementAtomic(ctx, map[string]int64{"{shop}:stock": -1, "{shop}:sold": 1}, pipeline.CounterOptions{})
	fmt.Println(values, err)
	// Output: map[{shop}:sold:1 {shop}:stock:-1] <nil>
}

// The same token returns the values of the first run.
func ExampleBatcher_IncrementOnce() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{})
	for range 2 {
		values, err := b.IncrementOnce(ctx, "order 4711", map[string]int64{"sold": 5}, pipeline.CounterOptions{})
		fmt.Println(values, err)
	}
	// Output:
	// map[sold:5] <nil>
	// map[sold:5] <nil>
}

func ExampleBatcher_Do() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{})
	var missing *redis.StringCmd
	report, err := b.Do(ctx, func(p redis.Pipeliner) error {
		p.RPush(ctx, "queue", "a", "b")
		missing = p.Get(ctx, "none")
		p.Incr(ctx, "queue") // not a number
		return nil
	})
	fmt.Println(report.Applied, report.Missing, report.Failed, err != nil)
	fmt.Println(missing.Err())
	fmt.Println(report.Failures[0].Key, report.Failures[0].Outcome)
	// Output:
	// 1 1 1 true
	// redis: nil
	// queue failed
}

// A transfer of money: nothing moves if an account has changed meanwhile.
func ExampleBatcher_Transact() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	b, _ := pipeline.New(rdb, pipeline.Options{})
	rdb.MSet(ctx, "{bank}:ada", 100, "{bank}:bob", 0)
	transfer := func(from, to string, amount int64) error {
		return b.Transact(ctx, func(tx *pipeline.Tx) error {
			have, err := tx.Read().Get(ctx, from).Int64()
			if err != nil {
				return err
			}
			if have < amount {
				return errors.New("not enough money")
			}
			tx.Queue().DecrBy(ctx, from, amount)
			tx.Queue().IncrBy(ctx, to, amount)
			return nil
		}, from, to)
	}
	fmt.Println(transfer("{bank}:ada", "{bank}:bob", 70))
	fmt.Println(transfer("{bank}:ada", "{bank}:bob", 70))
	fmt.Println(rdb.MGet(ctx, "{bank}:ada", "{bank}:bob").Val())
	// Output:
	// <nil>
	// pipeline: transact: not enough money
	// [30 70]
}
