package checkin

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Measures of the triangle, in pixels.
const (
	cellWidth, cellHeight  = 52, 26
	tableTop, tableBottom  = 62, 16
	tableLeft, tableMargin = 100, 16
	digitWidth             = 7
)

// SVG draws the table as a triangle: a row for each cohort with its size, a column for each number of days after it,
// and in each cell the share that came back, the darker the larger. A table without rows is an error.
func (t Table) SVG(w io.Writer) error {
	if len(t.Rows) == 0 {
		return fmt.Errorf("checkin: draw a table: %w: it has no rows", ErrRange)
	}
	var columns []Retained // of the longest row
	widest := len("users")
	for _, r := range t.Rows {
		if len(r.Cells) > len(columns) {
			columns = r.Cells
		}
		widest = max(widest, len(grouped(r.Size)))
	}
	sizeRight := tableLeft + widest*digitWidth
	left := sizeRight + 12
	width := max(left+len(columns)*cellWidth, 260) + tableMargin
	height := tableTop + len(t.Rows)*cellHeight + tableBottom

	var out bytes.Buffer
	title := fmt.Sprintf("Retention of %s, %v", plural(len(t.Rows), "cohort"), t.Rows[0].Cohort)
	if n := len(t.Rows); n > 1 {
		title += fmt.Sprintf(" to %v", t.Rows[n-1].Cohort)
	}
	openSVG(&out, width, height, title)
	t.describe(&out)
	fmt.Fprintf(&out, `<text x="%d" y="26" class="t">Retention</text>`+"\n", tableMargin)
	fmt.Fprintf(&out, `<text x="%d" y="%d" class="l">cohort</text>`+"\n", tableMargin, tableTop-8)
	fmt.Fprintf(&out, `<text x="%d" y="%d" class="l" text-anchor="end">users</text>`+"\n", sizeRight, tableTop-8)
	for k, c := range columns {
		unit := ""
		if k == 0 {
			unit = "day "
		}
		fmt.Fprintf(&out, `<text x="%d" y="%d" class="l" text-anchor="middle">%s%d</text>`+"\n", left+k*cellWidth+cellWidth/2, tableTop-8, unit, c.After)
	}
	for i, r := range t.Rows {
		top := tableTop + i*cellHeight
		base := top + cellHeight/2 + 4
		fmt.Fprintf(&out, `<text x="%d" y="%d" class="n">%v</text>`+"\n", tableMargin, base, r.Cohort)
		fmt.Fprintf(&out, `<text x="%d" y="%d" class="n" text-anchor="end">%s</text>`+"\n", sizeRight, base, grouped(r.Size))
		for k, c := range r.Cells {
			x := left + k*cellWidth
			if r.Size == 0 {
				fmt.Fprintf(&out, `<rect x="%d" y="%d" width="%d" height="%d" rx="3" fill="#f6f8fa"/>`+"\n", x+1, top+1, cellWidth-2, cellHeight-2)
				continue
			}
			color, ink := shade(c.Rate)
			fmt.Fprintf(&out, `<rect x="%d" y="%d" width="%d" height="%d" rx="3" fill="%s"><title>%v, day %d: %s of %s</title></rect>`+"\n",
				x+1, top+1, cellWidth-2, cellHeight-2, color, r.Cohort, c.After, grouped(c.Count), grouped(r.Size))
			fmt.Fprintf(&out, `<text x="%d" y="%d" font-size="11" fill="%s" text-anchor="middle">%s</text>`+"\n", x+cellWidth/2, base, ink, percent(c.Rate))
		}
	}
	out.WriteString("</svg>\n")
	_, err := w.Write(out.Bytes())
	return err
}

// describe says what the picture shows to those who cannot see it.
func (t Table) describe(out *bytes.Buffer) {
	out.WriteString("<desc>")
	for _, r := range t.Rows {
		fmt.Fprintf(out, "%v, users: %s", r.Cohort, grouped(r.Size))
		for _, c := range r.Cells {
			if c.After > 0 && r.Size > 0 {
				fmt.Fprintf(out, ", day %d %s", c.After, percent(c.Rate))
			}
		}
		out.WriteString(". ")
	}
	out.WriteString("</desc>\n")
}

// percent is a share in text; a tenth is shown only where it matters.
func percent(rate float64) string {
	p := rate * 100
	if p > 0 && p < 9.95 {
		return fmt.Sprintf("%.1f%%", p)
	}
	return fmt.Sprintf("%.0f%%", p)
}

// shade is the color of a share, from a pale to a deep blue, and that of the letters on it.
func shade(rate float64) (fill, ink string) {
	if rate = min(max(rate, 0), 1); math.IsNaN(rate) { // in a Table that was made by hand
		rate = 0
	}
	mix := func(pale, deep float64) int { return int(pale + (deep-pale)*rate + 0.5) }
	red, green, blue := mix(0xea, 0x0b), mix(0xf3, 0x4f), mix(0xff, 0xa8)
	ink = "#000000"
	if luminance(red, green, blue) < evenInk {
		ink = "#ffffff"
	}
	return fmt.Sprintf("#%02x%02x%02x", red, green, blue), ink
}

// evenInk is the luminance on which black and white can be read equally well, with a contrast of 4.6 to 1.
const evenInk = 0.179

// luminance is how light a color is, from 0 to 1, as WCAG 2 defines it.
func luminance(red, green, blue int) float64 {
	linear := func(c int) float64 {
		v := float64(c) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(red) + 0.7152*linear(green) + 0.0722*linear(blue)
}

// grouped writes a number with a comma after each three digits.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	if n < 0 {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
