package snapshot

import (
	"os"
	"testing"

	"github.com/larder-go/larder/internal/redistest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SNAPSHOT_CHILD"); dir != "" {
		child(dir)
	}
	os.Exit(redistest.Main(m))
}
