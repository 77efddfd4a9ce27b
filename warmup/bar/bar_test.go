package bar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/warmup"
	"github.com/larder-go/larder/warmup/bar"
)

var _ func(warmup.Progress) = bar.New(nil)

// TestLines: what is no terminal gets a line at the beginning, every ten seconds and at the end.
func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		show := bar.New(&out)
		for run := range 2 {
			out.Reset()
			for i := range 250 {
				show(warmup.Progress{Done: int64(i) * 4000, Total: 1_000_000, Rate: 40_000, ETA: time.Minute - time.Duration(i)*100*time.Millisecond, Errors: i / 100})
				time.Sleep(100 * time.Millisecond)
			}
			show(warmup.Progress{Done: 1_000_000, Total: 1_000_000, Rate: 40_000, Errors: 1234, Last: true})
			assert.Equal(t, []string{
				"warming: 0 of 1,000,000 (0%), 40,000/s, 1m0s left",
				"warming: 400,000 of 1,000,000 (40%), 40,000/s, 50s left, 1 error",
				"warming: 800,000 of 1,000,000 (80%), 40,000/s, 40s left, 2 errors",
				"warming: 1,000,000 of 1,000,000 (100%), 40,000/s, 1,234 errors, ended",
			}, strings.Split(strings.TrimSpace(out.String()), "\n"), "run %d", run)
		}
	})
	var out bytes.Buffer
	bar.New(&out)(warmup.Progress{Done: 7, Total: -1, ETA: -1, Rate: 999, Last: true})
	assert.Equal(t, "warming: 7, 999/s, ended\n", out.String())
	bar.New(failing{})(warmup.Progress{Done: 7, Total: 9}) // no panic
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("closed") }

// TestFile: a file is no terminal.
func TestFile(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/log")
	require.NoError(t, err)
	w, err := warmup.New(lardertest.New(t), warmup.Options{Progress: bar.New(f)})
	require.NoError(t, err)
	_, err = w.Run(t.Context(), warmup.FromMap(map[string]any{"a": 1, "b": 2}))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	assert.Contains(t, string(text), "warming: 2 of 2 (100%)")
	assert.NotContains(t, string(text), "\r")
}

func ExampleNew() {
	rdb, stop := lardertest.Start()
	defer stop()
	var out strings.Builder // os.Stderr, in a program
	w, err := warmup.New(rdb, warmup.Options{Progress: bar.New(&out)})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = w.Run(context.Background(), warmup.FromMap(map[string]any{"a": 1, "b": 2, "c": 3}))
	fmt.Println(strings.Contains(out.String(), "warming: 3 of 3 (100%)"), err)
	// Output: true <nil>
}
