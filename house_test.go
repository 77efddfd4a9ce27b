package larder_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
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

// mayImport reads from ARCHITECTURE.md which packages of ours a package may import.
func mayImport(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "## The house\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	all := map[string][]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		imports := []string{}
		for _, name := range backquoted.FindAllStringSubmatch(cells[3], -1) {
			imports = append(imports, name[1])
		}
		all[backquoted.FindStringSubmatch(cells[1])[1]] = imports
	}
	require.Greater(t, len(all), 15)
	return all
}

var backquoted = regexp.MustCompile("`([^`]+)`")

// thirdParty says which modules of others a package may reach directly; go-redis and x/sync are everybody's.
var thirdParty = map[string][]string{
	"codec":              {"github.com/vmihailenco/msgpack/v5"},
	"codec/compressed":   {"github.com/klauspost/compress"},
	"warmup":             {"golang.org/x/time"},
	"warmup/snapshot":    {"golang.org/x/time", "github.com/klauspost/compress"},
	"warmup/bar":         {"github.com/schollz/progressbar/v3", "golang.org/x/term"},
	"monitor/email":      {"github.com/wneessen/go-mail"},
	"lardertest":         {"github.com/alicebob/miniredis/v2"},
	"internal/redistest": {"go.uber.org/goleak"},
}

// forTests are the packages that only tests import.
var forTests = map[string]bool{"lardertest": true, "internal/redistest": true}

// TestImports holds the house's rule of who may import whom, and its table to what is so.
func TestImports(t *testing.T) {
	seen, used := map[string]bool{}, map[string]bool{}
	table := mayImport(t)
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "" || strings.HasPrefix(name, "examples/") {
			continue
		}
		seen[name] = true
		allowed, known := table[name]
		if !assert.Truef(t, known, "package %s is not in the house's table", name) {
			continue
		}
		for _, imported := range p.Imports {
			first, _, _ := strings.Cut(imported, "/")
			switch {
			case strings.HasPrefix(imported, module+"/"):
				ours := strings.TrimPrefix(imported, module+"/")
				assert.Truef(t, slices.Contains(allowed, ours), "%s imports %s", name, ours)
				used[name+" "+ours] = true
			case !strings.Contains(first, "."): // the standard library
				assert.Falsef(t, imported == "testing" && !forTests[name], "%s imports testing", name)
				assert.NotEqualf(t, "log", imported, "%s imports log", name)
			case path.Dir(imported) == "golang.org/x/sync", imported == "github.com/redis/go-redis/v9",
				strings.HasPrefix(imported, "github.com/redis/go-redis/v9/"):
			default:
				ok := slices.ContainsFunc(thirdParty[name], func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") })
				assert.Truef(t, ok, "%s imports %s", name, imported)
			}
		}
	}
	for name, allowed := range table {
		assert.Truef(t, seen[name], "the house's table names %s, which is not there", name)
		for _, ours := range allowed {
			assert.Truef(t, used[name+" "+ours], "the house's table says that %s imports %s, which it does not", name, ours)
		}
	}
}

// TestNoTestCode: what a service links holds no test library, however deep.
func TestNoTestCode(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if strings.HasPrefix(name, "examples/") || forTests[name] {
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
