package lardertest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/lardertest"
)

func ExampleStart() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()

	rdb.PFAdd(ctx, "visitors:mon", "ann", "bob", "cho")
	rdb.PFAdd(ctx, "visitors:tue", "cho", "dee")
	fmt.Println(rdb.PFCount(ctx, "visitors:mon", "visitors:tue").Val(), "visitors on two days")
	// Output:
	// 4 visitors on two days
}

func ExampleSetInfo() {
	rdb, stop := lardertest.Start()
	defer stop()

	// All is well, but for the memory.
	err := lardertest.SetInfo(rdb, map[string]map[string]string{
		"memory": {"used_memory": "966367641", "maxmemory": "1073741824"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	memory := rdb.InfoMap(context.Background(), "memory").Item("Memory", "used_memory")
	fmt.Println("used:", memory)
	// Output:
	// used: 966367641
}

func ExampleSetFaults() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()

	err := lardertest.SetFaults(rdb, lardertest.Fault{
		Commands: []string{"SET"},
		Error:    "OOM command not allowed when used memory > 'maxmemory'.",
		Times:    1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rdb.Set(ctx, "k", "v", 0).Err())
	fmt.Println(rdb.Set(ctx, "k", "v", 0).Err())
	// Output:
	// OOM command not allowed when used memory > 'maxmemory'.
	// <nil>
}

func ExampleSetFaults_lostReply() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()

	// The server counts, and the connection breaks before it says so: go-redis sends the INCR again.
	err := lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"INCR"}, Lost: true, Times: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := rdb.Incr(ctx, "n").Result()
	fmt.Println(n, err)
	// Output:
	// 2 <nil>
}

// Other options than those of the client at hand: copy them, and keep the Dialer.
func ExampleStart_options() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()

	opts := *rdb.Options()
	opts.ReadTimeout = 2 * time.Second
	opts.DB = 1
	other := redis.NewClient(&opts)
	defer func() {
		if err := other.Close(); err != nil {
			fmt.Println(err)
		}
	}()
	other.Set(ctx, "k", "v", 0)
	fmt.Println(other.DBSize(ctx).Val(), rdb.DBSize(ctx).Val())
	// Output:
	// 1 0
}
