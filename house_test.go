package larder_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/larder-go/larder"

// goPackage is what the go command tells of a package, as far as the house minds.
type goPackage struct {
	ImportPath string
	Name       string
	Imports    []string
	Deps       []string
	GoFiles    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps=false", "-json=ImportPath,Name,Imports,Deps,GoFiles", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		all = append(all, p)
	}
	require.NotEmpty(t, all)
	return all
}

// mayImport says which packages of ours a pattern package may import. Imports point down only.
var mayImport = map[string][]string{
	"calendar":         {},
	"codec":            {},
	"codec/compressed": {"codec"},
	"internal/once":    {},
	"internal/keyset":  {},
	"internal/hll":     {},
	"leaderboard":      {"calendar", "internal/once"},
	"profile":          {"codec", "internal/once"},
	"checkin":          {"calendar", "internal/once", "internal/svg"},
	"visitors":         {"calendar", "internal/once", "internal/hll", "internal/svg"},
	"pipeline":         {"codec", "internal/once", "internal/keyset"},
	"warmup":           {"pipeline", "codec", "internal/once", "internal/keyset"},
	"warmup/bar":       {"warmup"},
	"warmup/snapshot":  {"internal/once"},
	"monitor":          {"internal/once"},
	"monitor/email":    {"monitor"},
}

// thirdParty says which modules of others a package may reach directly; go-redis and x/sync are everybody's.
var thirdParty = map[string][]string{
	"codec":            {"github.com/vmihailenco/msgpack/v5"},
	"codec/compressed": {"github.com/klauspost/compress"},
	"warmup":           {"golang.org/x/time"},
	"warmup/snapshot":  {"golang.org/x/time", "github.com/klauspost/compress"},
	"warmup/bar":       {"github.com/schollz/progressbar/v3", "golang.org/x/term", "github.com/mattn/go-isatty"},
	"monitor/email":    {"github.com/wneessen/go-mail"},
	"internal/once":    {},
}

// TestImports holds the house's rule of who may import whom.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "" || strings.HasPrefix(name, "examples/") || name == "lardertest" || strings.HasPrefix(name, "internal/redistest") {
			continue
		}
		seen[name] = true
		allowed, known := mayImport[name]
		if !assert.Truef(t, known, "package %s is not in the house's table", name) {
			continue
		}
		for _, imported := range p.Imports {
			first, _, _ := strings.Cut(imported, "/")
			switch {
			case strings.HasPrefix(imported, module+"/"):
				ours := strings.TrimPrefix(imported, module+"/")
				assert.Truef(t, slices.Contains(allowed, ours), "%s imports %s", name, ours)
			case !strings.Contains(first, "."): // the standard library
				assert.NotEqualf(t, "testing", imported, "%s imports testing", name)
				assert.NotEqualf(t, "log", imported, "%s imports log", name)
			case path.Dir(imported) == "golang.org/x/sync", imported == "github.com/redis/go-redis/v9",
				strings.HasPrefix(imported, "github.com/redis/go-redis/v9/"):
			default:
				ok := slices.ContainsFunc(thirdParty[name], func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") })
				assert.Truef(t, ok, "%s imports %s", name, imported)
			}
		}
	}
	for name := range mayImport {
		assert.Truef(t, seen[name] || name == "internal/svg", "the house's table names %s, which is not there", name)
	}
}

// TestNoTestCode: what a service links holds no test library, however deep.
func TestNoTestCode(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if strings.HasPrefix(name, "examples/") || name == "lardertest" || strings.HasPrefix(name, "internal/redistest") {
			continue
		}
		for _, dep := range p.Deps {
			for _, banned := range []string{"testing", "github.com/alicebob/miniredis/v2", "github.com/stretchr/testify/assert"} {
				assert.NotEqualf(t, banned, dep, "%s reaches %s", p.ImportPath, dep)
			}
			if name != "monitor/prom" {
				assert.Falsef(t, strings.HasPrefix(dep, "github.com/prometheus/"), "%s reaches %s", p.ImportPath, dep)
			}
		}
	}
}

// TestPackageFiles: who knows one package knows all.
func TestPackageFiles(t *testing.T) {
	for _, p := range packages(t) {
		if p.Name == "main" || len(p.GoFiles) == 0 {
			continue
		}
		assert.Containsf(t, p.GoFiles, "doc.go", "%s", p.ImportPath)
	}
}
