package profile_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/codec"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/profile"
)

// User is what the examples cache.
type User struct {
	Name   string
	Age    int
	Visits int64
	Tags   []string
}

// database is a map that takes the part of one.
var database = map[string]User{"42": {Name: "Ada", Age: 36}}

func loadUser(_ context.Context, id string) (User, error) {
	fmt.Println("loading", id)
	u, ok := database[id]
	if !ok {
		return User{}, profile.ErrNotFound
	}
	return u, nil
}

func Example() {
	rdb, stop := lardertest.Start() // redis.NewClient(...) in a service
	defer stop()
	ctx := context.Background()

	users, err := profile.New(rdb, profile.Options[User]{TTL: time.Hour, Load: loadUser})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		u, err := users.Get(ctx, "42")
		fmt.Println(u.Name, err)
	}
	_, err = users.Get(ctx, "43")
	fmt.Println(errors.Is(err, profile.ErrNotFound))
	// Output:
	// loading 42
	// Ada <nil>
	// Ada <nil>
	// loading 43
	// true
}

func ExampleNew() {
	rdb, stop := lardertest.Start()
	defer stop()
	_, err := profile.New(rdb, profile.Options[struct {
		Name string
		Data struct{ Any any }
	}]{})
	fmt.Println(err)
	// Output: profile: struct { Name string; Data struct { Any interface {} } }.Data.Any: interface {}: an interface does not say what to decode into
}

func ExampleOptions() {
	rdb, stop := lardertest.Start()
	defer stop()
	users, err := profile.New(rdb, profile.Options[User]{
		Namespace:    "shop",
		TTL:          time.Hour,
		Load:         loadUser,
		NegativeTTL:  time.Minute,      // an absent user is asked for once a minute
		RefreshAhead: 1,                // loaded anew before it expires
		StaleOnError: 10 * time.Minute, // and served that much longer while the database is down
		Codec:        codec.JSON,       // for Tags
		Hooks:        profile.Hooks{Error: func(op, id string, err error) { fmt.Println(op, id, err) }},
	})
	fmt.Println(users != nil, err)
	// Output: true <nil>
}

// Client-side caching beneath a Store: hits are served from this process's memory until the object changes.
func ExampleOptions_clientSideCaching() {
	rdb := redis.NewClient(&redis.Options{
		Addr:                  "127.0.0.1:6379",
		Protocol:              3,
		ContextTimeoutEnabled: true,
		ClientSideCacheConfig: &redis.ClientSideCacheConfig{MaxEntries: 10_000},
	})
	defer rdb.Close() //nolint:errcheck // an example
	users, err := profile.New(rdb, profile.Options[User]{
		Load:           loadUser,
		ReadYourWrites: true, // its own writes are seen at once
	})
	fmt.Println(users != nil, err)
	// Output: true <nil>
}

func ExampleHooks() {
	rdb, stop := lardertest.Start()
	defer stop()
	users, err := profile.New(rdb, profile.Options[User]{
		Load: func(context.Context, string) (User, error) { return User{}, nil },
		Hooks: profile.Hooks{
			Hit:  func(id string) { fmt.Println("hit", id) },
			Miss: func(id string) { fmt.Println("miss", id) },
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		_, _ = users.Get(context.Background(), "42")
	}
	// Output:
	// miss 42
	// hit 42
}

func ExampleStore() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	users, err := profile.New(rdb, profile.Options[User]{Namespace: "app"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(users.Set(ctx, "42", User{Name: "Ada", Age: 36}))
	name, err := rdb.HGet(ctx, "app:profile:{42}", "name").Result() // as any language can
	fmt.Println(name, err)
	// Output:
	// <nil>
	// Ada <nil>
}

// newUsers is the Store of the examples below, with one user in it.
func newUsers() (users *profile.Store[User], stop func()) {
	rdb, stop := lardertest.Start()
	users, err := profile.New(rdb, profile.Options[User]{Jitter: -1})
	if err != nil {
		fmt.Println(err)
	}
	if err := users.Set(context.Background(), "42", User{Name: "Ada", Age: 36, Visits: 7}); err != nil {
		fmt.Println(err)
	}
	return users, stop
}

func ExampleStore_Get() {
	users, stop := newUsers()
	defer stop()
	u, err := users.Get(context.Background(), "42")
	fmt.Println(u.Name, u.Age, err)
	_, err = users.Get(context.Background(), "43")
	fmt.Println(err)
	// Output:
	// Ada 36 <nil>
	// profile: get "43": profile: not cached
}

func ExampleStore_GetMany() {
	rdb, stop := lardertest.Start()
	defer stop()
	users, err := profile.New(rdb, profile.Options[User]{
		LoadMany: func(_ context.Context, ids []string) (map[string]User, error) {
			fmt.Println("one query for", len(ids))
			return map[string]User{"1": {Name: "Ada"}, "2": {Name: "Bob"}}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		got, err := users.GetMany(context.Background(), "1", "2", "3")
		fmt.Println(len(got), got["2"].Name, err)
	}
	// Output:
	// one query for 3
	// 2 Bob <nil>
	// 2 Bob <nil>
}

func ExampleStore_GetFields() {
	users, stop := newUsers()
	defer stop()
	u, err := users.GetFields(context.Background(), "42", "age", "visits")
	fmt.Printf("%+v %v\n", u, err)
	// Output: {Name: Age:36 Visits:7 Tags:[]} <nil>
}

func ExampleStore_Peek() {
	users, stop := newUsers()
	defer stop()
	_, err := users.Peek(context.Background(), "43")
	fmt.Println(errors.Is(err, profile.ErrNotCached))
	// Output: true
}

func ExampleStore_Set() {
	users, stop := newUsers()
	defer stop()
	fmt.Println(users.Set(context.Background(), "43", User{Name: "Bob"}))
	// Output: <nil>
}

func ExampleStore_SetMany() {
	users, stop := newUsers()
	defer stop()
	fmt.Println(users.SetMany(context.Background(), map[string]User{"43": {Name: "Bob"}, "44": {Name: "Eve"}}))
	// Output: <nil>
}

func ExampleStore_Update() {
	users, stop := newUsers()
	defer stop()
	ctx := context.Background()
	done, err := users.Update(ctx, "42", map[string]any{"age": 37, "tags": []string{"admin"}})
	fmt.Println(done, err)
	_, err = users.Update(ctx, "42", map[string]any{"agee": 38})
	fmt.Println(err)
	// Output:
	// true <nil>
	// profile: update "42": profile: unknown field: "agee"
}

func ExampleStore_Increment() {
	users, stop := newUsers()
	defer stop()
	fmt.Println(users.Increment(context.Background(), "42", "visits", 1))
	// Output: 8 <nil>
}

func ExampleStore_Modify() {
	users, stop := newUsers()
	defer stop()
	u, err := users.Modify(context.Background(), "42", func(u *User) error {
		if len(u.Tags) > 10 {
			return errors.New("too many tags")
		}
		u.Tags = append(u.Tags, "new")
		return nil
	})
	fmt.Println(u.Tags, err)
	// Output: [new] <nil>
}

func ExampleStore_Invalidate() {
	users, stop := newUsers()
	defer stop()
	ctx := context.Background()
	fmt.Println(users.Invalidate(ctx, "42", "43")) // after the commit
	_, err := users.Peek(ctx, "42")
	fmt.Println(errors.Is(err, profile.ErrNotCached))
	// Output:
	// <nil>
	// true
}

func ExampleStore_Touch() {
	users, stop := newUsers()
	defer stop()
	fmt.Println(users.Touch(context.Background(), "42"))
	// Output: true <nil>
}

func ExampleStore_TTL() {
	users, stop := newUsers()
	defer stop()
	ttl, err := users.TTL(context.Background(), "42")
	fmt.Println(ttl.Round(time.Minute), err)
	// Output: 1h0m0s <nil>
}

func ExampleManyError() {
	users, stop := newUsers()
	defer stop()
	err := users.Invalidate(context.Background(), "42", "")
	fmt.Println(err)
	many := &profile.ManyError{Op: "get", Errs: map[string]error{"43": profile.ErrWrongType}}
	fmt.Println(errors.Is(many, profile.ErrWrongType), many)
	// Output:
	// profile: invalidate: the id is empty
	// true profile: get: 1 failed; "43": profile: the key holds another type than a hash
}

func ExamplePanicError() {
	rdb, stop := lardertest.Start()
	defer stop()
	users, err := profile.New(rdb, profile.Options[User]{Load: func(context.Context, string) (User, error) { panic("oh") }})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = users.Get(context.Background(), "42")
	fmt.Println(err)
	// Output: profile: get "42": the loader panicked: oh
}

func ExamplePolicy() {
	rdb, stop := lardertest.Start()
	defer stop()
	sessions, err := profile.New(rdb, profile.Options[User]{Load: loadUser, OnRedisError: profile.FailClosed})
	fmt.Println(sessions != nil, err)
	// Output: true <nil>
}
