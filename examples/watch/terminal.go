package main

import (
	"io"
	"os"
	"strconv"
	"strings"
)

// terminal is where the screen is drawn. What is no terminal gets plain text, one block after the other.
type terminal struct {
	out   io.Writer
	file  *os.File // nil where out is no terminal
	color bool
	last  string
}

func newTerminal(out io.Writer) *terminal {
	t := &terminal{out: out}
	if file, ok := out.(*os.File); ok && os.Getenv("TERM") != "dumb" {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			t.file = file
			t.color = os.Getenv("NO_COLOR") == ""
		}
	}
	return t
}

// open takes the terminal's second screen, so that what was on the first one is there again afterwards.
func (t *terminal) open() {
	if t.file != nil {
		t.write("\x1b[?1049h\x1b[?25l")
	}
}

// close gives it back, and leaves the last sample to be read.
func (t *terminal) close() {
	if t.file != nil {
		t.write("\x1b[?25h\x1b[?1049l" + t.last)
	}
}

// draw puts a text over the one before, line by line: a screen that is cleared first flickers.
func (t *terminal) draw(text string) {
	t.last = text
	if t.file == nil {
		t.write(text + "\n")
		return
	}
	t.write("\x1b[H" + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\x1b[K\r\n") + "\x1b[K\x1b[J")
}

func (t *terminal) write(text string) { _, _ = io.WriteString(t.out, text) } // a closed terminal ends by its signal

// size is 0 by 0 where there is no limit.
func (t *terminal) size() (width, height int) {
	if t.file == nil {
		return 0, 0
	}
	width, height = windowSize(t.file)
	if width <= 0 {
		width, _ = strconv.Atoi(os.Getenv("COLUMNS"))
	}
	if width <= 0 {
		width = 80
	}
	return width, height
}
