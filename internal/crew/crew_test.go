package crew_test

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/crew"
)

// ended runs fn in a crew, and tells how Check ended.
func ended(t *testing.T, fn func()) (value any, returned bool) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { value = recover() }()
		var c crew.Crew
		var after atomic.Int32
		for range 3 {
			c.Go(func() {}, func(returned bool) {
				if returned {
					after.Add(1)
				}
			})
		}
		c.Go(fn, func(returned bool) {
			if !returned {
				after.Add(10)
			}
		})
		c.Wait()
		if n := after.Load(); n != 3 && n != 13 {
			panic(n)
		}
		c.Check()
		returned = true
	}()
	<-done
	return value, returned
}

func TestCrew(t *testing.T) {
	value, returned := ended(t, func() {})
	require.Nil(t, value)
	require.True(t, returned)

	cause := errors.New("a cause")
	for range 2 {
		value, returned = ended(t, func() { panic(cause) })
		err, ok := value.(error)
		require.True(t, ok)
		require.ErrorIs(t, err, cause)
		require.ErrorContains(t, err, "crew_test.go")
		require.False(t, returned)
	}

	value, _ = ended(t, func() { panic("text") })
	err, ok := value.(error)
	require.True(t, ok)
	require.ErrorContains(t, err, "text")
	again, _ := ended(t, func() { panic(value) })
	require.Equal(t, value, again, "a crew within a crew")
	require.NoError(t, errors.Unwrap(err))

	value, returned = ended(t, runtime.Goexit)
	require.Nil(t, value)
	require.False(t, returned)
}
