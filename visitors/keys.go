package visitors

import "strings"

// Keys, all of a page in one slot:
//
//	[<namespace>:]visitors:{<page>}:<bucket label>    string (HyperLogLog)
const kind = "visitors"

// escape keeps the hash tag whole: it ends at the first brace that closes. The sign that escapes is escaped as well, so
// that no two pages share a key.
var escape = strings.NewReplacer("%", "%25", "}", "%7D")

// prefix is what all keys of a page begin with.
func (c *Counter) prefix(page string) string {
	return c.lead + escape.Replace(page) + "}:"
}

// pattern matches the keys of a page, in a SCAN.
func (c *Counter) pattern(page string) string {
	return globs.Replace(c.prefix(page)) + "*"
}

var globs = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)
