package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/internal/redistest"
	"github.com/larder-go/larder/lardertest"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// TestLoad: without the cache each caller costs a query; with it, the crowd costs one.
func TestLoad(t *testing.T) {
	urls := map[string]string{"embedded": "", "real": "redis://" + redistest.NewServer(t, redistest.ServerOptions{}).Addr()}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, run(t.Context(), []string{"-load", "-callers", "50", "-slow", "300ms"}, &out, url))
			assert.Regexp(t, `without a cache: +50 callers, +50 queries`, out.String())
			assert.Regexp(t, `cold: +50 callers, +\d queries`, out.String(), "one, unless the machine is so busy that Redis seems dead")
			assert.Contains(t, out.String(), "cached:")
		})
	}
}

// TestService: users are read through the cache, a rename is seen at once, and one who is not there is a 404.
func TestService(t *testing.T) {
	s, err := newService(lardertest.New(t), "test", newDatabase(0))
	require.NoError(t, err)
	server := httptest.NewServer(s.routes())
	defer server.Close()
	ask := func(method, path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		require.NoError(t, err)
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		defer res.Body.Close() //nolint:errcheck // it was read
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, strings.TrimSpace(string(body))
	}
	for range 2 {
		status, body := ask("GET", "/users/7")
		assert.Equal(t, http.StatusOK, status)
		assert.JSONEq(t, `{"name":"user-7","city":"Lahore","friends":["8"]}`, body)
	}
	status, _ := ask("POST", "/users/7?name=Ada")
	assert.Equal(t, http.StatusNoContent, status)
	_, body := ask("GET", "/users/7")
	assert.JSONEq(t, `{"name":"Ada","city":"Lahore","friends":["8"]}`, body)
	status, _ = ask("GET", "/users/nobody")
	assert.Equal(t, http.StatusNotFound, status)
	status, _ = ask("POST", "/users/nobody?name=x")
	assert.Equal(t, http.StatusNotFound, status)
	status, body = ask("GET", "/stats")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"misses":3`)
}

// TestServe: it serves until it is told to stop.
func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-addr", "127.0.0.1:0", "-slow", "1ms"}, w, "") }()
	line := make([]byte, 100)
	n, err := r.Read(line)
	require.NoError(t, err)
	_, url, ok := strings.Cut(strings.TrimSpace(string(line[:n])), "http")
	require.True(t, ok)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http"+url, nil)
	require.NoError(t, err)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	_ = res.Body.Close()
	assert.Equal(t, http.StatusOK, res.StatusCode)
	stop()
	require.NoError(t, <-done)
}

func TestArguments(t *testing.T) {
	require.NoError(t, run(t.Context(), []string{"-h"}, io.Discard, ""))
	require.Error(t, run(t.Context(), []string{"-no"}, io.Discard, ""))
	require.ErrorContains(t, run(t.Context(), nil, io.Discard, "http://x"), "REDIS_URL")
	require.Error(t, run(t.Context(), []string{"-addr", "nowhere:x"}, io.Discard, ""))
}
