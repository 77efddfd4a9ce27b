package hll

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fused matches the instructions that multiply and add in one, on the processors for which Go uses them by itself.
var fused = regexp.MustCompile(`\b(FN?MADD|FN?MSUB|FM[AS]DB?R?|WFN?M[AS])[DS]*\b`)

// TestNoFusedMultiplyAdd compiles the estimator for processors on which Go fuses products with sums, and reads the
// compiler's listing. A fused sum rounds once instead of twice, and counts would be one off here and there.
func TestNoFusedMultiplyAdd(t *testing.T) {
	t.Parallel()
	listing := func(arch, source string) string {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module estimate\n\ngo 1.26\n"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "estimate.go"), []byte(source), 0o600))
		cmd := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-S", ".")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	source, err := os.ReadFile("estimate.go")
	require.NoError(t, err)
	for _, arch := range []string{"arm64", "s390x", "ppc64le", "riscv64"} {
		// That the listing is understood shows in a product that does get fused.
		assert.True(t, fused.MatchString(listing(arch, "package estimate\n\nfunc F(x, y, z float64) float64 { return x*y + z }\n")), arch)
		got := listing(arch, string(source))
		assert.Contains(t, got, "sigma", arch)
		assert.Empty(t, fused.FindAllString(got, -1), arch)
	}
}
