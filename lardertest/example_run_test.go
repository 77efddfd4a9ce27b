package lardertest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/lardertest"
)

// Invitations is a service of yours: an invitation is good for three days, and once.
type Invitations struct {
	rdb redis.UniversalClient
}

// Invite stores an invitation, and returns when it ends.
func (i *Invitations) Invite(ctx context.Context, code, guest string) (time.Time, error) {
	end := time.Now().AddDate(0, 0, 3)
	return end, i.rdb.SetArgs(ctx, "invitation:"+code, guest, redis.SetArgs{ExpireAt: end}).Err()
}

// Accept returns who was invited, or redis.Nil.
func (i *Invitations) Accept(ctx context.Context, code string) (string, error) {
	return i.rdb.GetDel(ctx, "invitation:"+code).Result()
}

// TestInvitations waits for three days, and takes none of them.
func TestInvitations(t *testing.T) {
	lardertest.Run(t, func(t *testing.T, rdb *redis.Client) {
		service := &Invitations{rdb: rdb}
		for _, c := range []struct {
			code  string
			after time.Duration
			want  error
		}{
			{"in time", 71 * time.Hour, nil},
			{"too late", 73 * time.Hour, redis.Nil},
		} {
			end, err := service.Invite(t.Context(), c.code, "ann")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(c.after) // moves time.Now and the expiry of the key
			if _, err := service.Accept(t.Context(), c.code); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.code, err, c.want)
			}
			if late := time.Now().After(end); late != (c.want != nil) {
				t.Errorf("%s: the service's clock is not the key's", c.code)
			}
		}
	})
}

// The test above is a whole one, as it stands in a service's own tests. It passes.
func ExampleRun() {
	fmt.Println(passes(TestInvitations))
	// Output:
	// true
}

// passes runs a test as go test does, which is more than an Example needs to show.
func passes(test func(*testing.T)) bool {
	// Verbose tests write into the Example's output.
	if verbose := flag.Lookup("test.v"); verbose != nil {
		defer func(was string) { _ = verbose.Value.Set(was) }(verbose.Value.String())
		_ = verbose.Value.Set("false")
	}
	return testing.RunTests(
		func(_, _ string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "TestInvitations", F: test}},
	)
}
