package redistest

import (
	"os"
	"os/exec"
	"testing"
)

// Binary returns the path of redis-server. Without one it skips the test, or fails it if LARDER_REQUIRE_REDIS is 1.
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := binary()
	if err == nil {
		return path
	}
	if os.Getenv("LARDER_REQUIRE_REDIS") == "1" {
		tb.Fatalf("redistest: no redis-server, and LARDER_REQUIRE_REDIS is 1: %v", err)
	}
	tb.Skipf("redistest: skipped, since there is no redis-server (install it, or name it in REDIS_SERVER)")
	return ""
}

func binary() (string, error) {
	if path := os.Getenv("REDIS_SERVER"); path != "" {
		return exec.LookPath(path)
	}
	return exec.LookPath("redis-server")
}
