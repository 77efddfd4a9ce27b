package larder_test

import (
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")
	link    = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	spaces  = regexp.MustCompile(`\s+`)
)

// TestReadmeCode: every piece of Go in the README is the body of an Example that the tests execute.
func TestReadmeCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var examples strings.Builder
	files, err := filepath.Glob("*/example*_test.go")
	require.NoError(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		examples.Write(text)
	}
	all := spaces.ReplaceAllString(examples.String(), " ")
	blocks := goBlock.FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		body := strings.TrimSpace(block[1])
		_, err := format.Source([]byte(body))
		require.NoErrorf(t, err, "%s", body)
		assert.Truef(t, strings.Contains(all, spaces.ReplaceAllString(body, " ")), "no Example holds this code of the README:\n%s", body)
		assert.LessOrEqual(t, strings.Count(body, "\n"), 20, "a quick start is short")
	}
}

// TestLinks: what the documents link to within the repository is there.
func TestLinks(t *testing.T) {
	documents, err := filepath.Glob("*.md")
	require.NoError(t, err)
	more, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, document := range append(documents, more...) {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(document), found[1]))
			assert.NoErrorf(t, err, "%s links to %s", document, found[1])
		}
	}
}

// TestReadmeCommands: the README's two commands stand in blocks that CI runs as they are.
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, command := range []string{"go run ./examples/tour", "go test ./..."} {
		assert.Containsf(t, string(readme), "```sh ci\n"+command+"\n", "%s", command)
	}
}
