package larder_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	testName   = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)\\w*)`")
	testHeader = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
)

// TestPromisesAreProven: docs/promises.md names, for each promise, the tests that prove it, and they are there, in the
// folder of the heading that they stand under.
func TestPromisesAreProven(t *testing.T) {
	text, err := os.ReadFile("docs/promises.md")
	require.NoError(t, err)
	tests := map[string]map[string]bool{} // folder, name
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		if tests[folder] == nil {
			tests[folder] = map[string]bool{}
		}
		for _, found := range testHeader.FindAllStringSubmatch(string(source), -1) {
			tests[folder][found[1]] = true
		}
		return nil
	}))
	var folders []string
	named := 0
	for line := range strings.Lines(string(text)) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			folders = folders[:0]
			for folder := range strings.SplitSeq(heading, ",") {
				folders = append(folders, strings.Trim(strings.TrimSpace(folder), "`"))
			}
			continue
		}
		for _, found := range testName.FindAllStringSubmatch(line, -1) {
			named++
			there := false
			for _, folder := range folders {
				there = there || tests[folder][found[1]]
			}
			assert.Truef(t, there, "docs/promises.md: no %s in %v", found[1], folders)
		}
	}
	assert.Greater(t, named, 50, "names of tests")
}
