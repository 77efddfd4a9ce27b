package demo

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Style is how a word looks on a terminal.
type Style string

// The styles of the programs.
const (
	Title Style = "1;36"
	Good  Style = "32"
	Warn  Style = "33"
	Bad   Style = "1;31"
	Dim   Style = "2"
)

// Paint colours text, or leaves it as it is.
type Paint bool

// Colours says whether an output is a terminal that shows colours, and NO_COLOR does not switch them off.
func Colours(out io.Writer) Paint { return Paint(Terminal(out) && os.Getenv("NO_COLOR") == "") }

// Terminal says whether an output is a terminal that knows more than lines.
func Terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// In returns a text in a style.
func (p Paint) In(s Style, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// Width is the number of columns of a terminal; 0 of what is none.
func Width(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			return columns
		}
	}
	return 0
}

// Wrap breaks a paragraph into lines of at most width columns, where there is a space.
func Wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
