package checkin

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/larder-go/larder/calendar"
)

// Measures of the heat map, in pixels.
const (
	cell, pitch          = 11, 14 // a day, and from one to the next
	mapLeft, mapRight    = 44, 20
	mapTop, mapBottom    = 58, 34 // of the whole picture
	blockTop, blockBelow = 18, 14 // of the months above a year, and of the space below it
)

// heat are the colors of a day: not checked in, and by how long the streak is on that day.
var heat = []struct {
	from  int // length of the streak
	color string
}{
	{0, "#ebedf0"},
	{1, "#9be9a8"},
	{3, "#40c463"},
	{7, "#30a14e"},
	{30, "#216e39"},
}

// block is a calendar year of a heat map, or the part of it that the range has.
type block struct {
	first, last calendar.Day
	monday      calendar.Day // of the week of the first day
	weeks       int
}

// SVG draws the range as a heat map, a block for each calendar year, a column for each week, which begins on Monday. The
// darker a day, the longer its streak was by then. A year is a picture of some 40 KB and 806 by 208 pixels. A Calendar
// without days is an error.
func (c Calendar) SVG(w io.Writer) error {
	if c.empty() || len(c.Checked) != c.To.Sub(c.From)+1 {
		return fmt.Errorf("checkin: draw %v to %v: %w: it takes a day each", c.From, c.To, ErrRange)
	}
	var blocks []block
	width := 0
	for first := c.From; !first.After(c.To); {
		last := calendar.Day{Year: first.Year, Month: time.December, Day: 31}
		if last.After(c.To) {
			last = c.To
		}
		monday := first.Add(-weekday(first))
		b := block{first: first, last: last, monday: monday, weeks: last.Sub(monday)/7 + 1}
		blocks = append(blocks, b)
		width = max(width, b.weeks)
		first = last.Add(1)
	}
	const blockHeight = blockTop + 7*pitch + blockBelow
	w0, h0 := mapLeft+max(width*pitch, legend)+mapRight, mapTop+len(blocks)*blockHeight+mapBottom-blockBelow

	var out bytes.Buffer
	title := fmt.Sprintf("%v to %v", c.From, c.To)
	if c.From.YearDay() == 1 && c.To.Year == c.From.Year && c.To.YearDay() == calendar.DaysInYear(c.To.Year) {
		title = strconv.Itoa(c.From.Year)
	}
	if c.From == c.To {
		title = c.From.String()
	}
	if c.From.Day == 1 && c.To == c.From.Add(calendar.DaysInMonth(c.From.Year, c.From.Month)-1) {
		title = fmt.Sprintf("%v %d", c.From.Month, c.From.Year)
	}
	summary := fmt.Sprintf("%d of %s, longest streak %d", c.Count, plural(len(c.Checked), "day"), c.Longest)
	openSVG(&out, w0, h0, "Check-ins of "+title+": "+summary)
	fmt.Fprintf(&out, `<text x="%d" y="24" class="t">%s</text>`+"\n", mapLeft, title)
	fmt.Fprintf(&out, `<text x="%d" y="42" class="l">%s</text>`+"\n", mapLeft, summary)
	streak := 0
	for i, b := range blocks {
		streak = c.drawBlock(&out, b, mapTop+i*blockHeight, len(blocks) > 1, streak)
	}
	drawLegend(&out, w0-mapRight-legend, h0-mapBottom/2-4)
	out.WriteString("</svg>\n")
	_, err := w.Write(out.Bytes())
	return err
}

// drawBlock draws a year, and returns how long the streak at its end is.
func (c Calendar) drawBlock(out *bytes.Buffer, b block, top int, named bool, streak int) int {
	if named {
		fmt.Fprintf(out, `<text x="%d" y="%d" class="l" font-weight="bold">%d</text>`+"\n", 8, top+10, b.first.Year)
	}
	names := [...]string{0: "Mon", 2: "Wed", 4: "Fri", 6: ""}
	for i, name := range names {
		if name != "" {
			fmt.Fprintf(out, `<text x="%d" y="%d" class="l" text-anchor="end">%s</text>`+"\n", mapLeft-8, top+blockTop+i*pitch+9, name)
		}
	}
	free := mapLeft // where the next name of a month may begin
	for day := b.first; !day.After(b.last); day = day.Add(1) {
		at := day.Sub(b.monday)
		x, y := mapLeft+at/7*pitch, top+blockTop+at%7*pitch
		// A month is named above its first whole week, and the first month above its first days, if there is room.
		if (day.Day <= 7 && at%7 == 0 || day == b.first) && x >= free {
			if day != b.first || at/7 == 0 && (day.Day <= 7 || calendar.DaysInMonth(day.Year, day.Month)-day.Day >= 14 || b.weeks < 4) {
				fmt.Fprintf(out, `<text x="%d" y="%d" class="l">%s</text>`+"\n", x, top+10, monthName(day.Month))
				free = x + 28
			}
		}
		color, text := heat[0].color, day.String()
		if c.has(day) {
			streak++
			text += fmt.Sprintf(": day %d", streak)
			for _, h := range heat[1:] {
				if streak >= h.from {
					color = h.color
				}
			}
		} else {
			streak = 0
		}
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="%d" height="%d" rx="2" fill="%s"><title>%s</title></rect>`+"\n", x, y, cell, cell, color, text)
	}
	return streak
}

// legend is how wide the legend is: five colors with what they say, and what it is about.
const legend = len("days in a row:")*6 + 5*36

// drawLegend draws what the colors say, from a left edge.
func drawLegend(out *bytes.Buffer, x, y int) {
	fmt.Fprintf(out, `<text x="%d" y="%d" class="l">days in a row:</text>`+"\n", x, y+9)
	x += len("days in a row:") * 6
	for i, h := range heat {
		text := strconv.Itoa(h.from)
		if i == len(heat)-1 {
			text += "+"
		}
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="%d" height="%d" rx="2" fill="%s"/>`+"\n", x, y, cell, cell, h.color)
		fmt.Fprintf(out, `<text x="%d" y="%d" class="l">%s</text>`+"\n", x+cell+4, y+9, text)
		x += 36
	}
}

// openSVG begins a picture on a white ground.
func openSVG(out *bytes.Buffer, width, height int, title string) {
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" font-family="Helvetica, Arial, sans-serif">`+"\n", width, height, width, height)
	fmt.Fprintf(out, "<title>%s</title>\n", title)
	out.WriteString(`<style>.t{font-size:15px;font-weight:bold;fill:#1f2328}.l{font-size:11px;fill:#59636e}.n{font-size:11px;fill:#1f2328}</style>` + "\n")
	fmt.Fprintf(out, `<rect width="%d" height="%d" rx="6" fill="#ffffff"/>`+"\n", width, height)
}
