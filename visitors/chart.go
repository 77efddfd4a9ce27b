package visitors

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Chart draws a series as a line. The zero value draws an empty frame.
type Chart struct {
	// Title is written above the line. One that is longer than the picture is wide is cut, with an ellipsis, and is
	// whole in what the picture says to those who cannot see it.
	Title string
	// Points are the values, in order, evenly spaced whatever the length of their periods, as [Counter.Series] returns
	// them.
	Points []Point
}

// The picture, in pixels.
const (
	chartWidth  = 800
	chartHeight = 320
	top         = 56 // of the plot
	bottom      = chartHeight - 40
	right       = chartWidth - 28
	titleSize   = 18
	labelSize   = 12
	// letter is how wide a letter of size 1 is taken to be. Letters of figures and dates are narrower.
	letter   = 0.62
	apart    = 18 // between two labels
	tickMark = 5
)

// SVG writes the chart as one SVG picture of 800 by 320 pixels, on white, the same bytes for the same chart. It asks
// nothing of Redis.
func (c Chart) SVG(w io.Writer) error {
	var b bytes.Buffer
	scale := newScale(c.Points)
	left := 28 + textWidth(group(scale.top))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" font-family="Helvetica, Arial, sans-serif" font-size="%d">`+"\n",
		chartWidth, chartHeight, chartWidth, chartHeight, labelSize)
	if c.Title != "" {
		fmt.Fprintf(&b, "<title>%s</title>\n", escapeXML(c.Title))
	}
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, chartHeight)
	if c.Title != "" {
		fmt.Fprintf(&b, `<text x="24" y="32" font-size="%d" font-weight="bold" fill="#1f2937">%s</text>`+"\n", titleSize, escapeXML(shorten(c.Title)))
	}

	// The horizontal lines, and their values.
	y := func(n int64) float64 {
		return bottom - (bottom-top)*float64(min(max(n, 0), scale.top))/float64(scale.top)
	}
	for n := int64(0); n <= scale.top; n += scale.step {
		colour := "#e5e7eb"
		if n == 0 {
			colour = "#9ca3af"
		}
		fmt.Fprintf(&b, `<path d="M%s %sH%d" stroke="%s"/>`, number(left), number(y(n)), right, colour)
		fmt.Fprintf(&b, `<text x="%s" y="%s" text-anchor="end" fill="#6b7280">%s</text>`+"\n", number(left-8), number(y(n)+4), group(n))
	}

	if len(c.Points) == 0 {
		fmt.Fprintf(&b, `<text x="%s" y="%d" text-anchor="middle" fill="#6b7280">no data</text>`+"\n", number((left+right)/2), (top+bottom)/2)
	} else {
		c.line(&b, left, y)
	}
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

// line draws the points, and the times below them.
func (c Chart) line(b *bytes.Buffer, left float64, y func(int64) float64) {
	last := len(c.Points) - 1
	x := func(i int) float64 {
		if last == 0 {
			return (left + right) / 2
		}
		return left + 12 + (right-left-24)*float64(i)/float64(last)
	}
	var path strings.Builder
	for i, p := range c.Points {
		if i > 0 {
			path.WriteByte('L')
		}
		path.WriteString(number(x(i)) + " " + number(y(p.Count)))
	}
	fmt.Fprintf(b, `<path d="M%s %dL%sL%s %dZ" fill="#2563eb" fill-opacity="0.12"/>`+"\n", number(x(0)), bottom, path.String(), number(x(last)), bottom)
	fmt.Fprintf(b, `<path d="M%s" fill="none" stroke="#2563eb" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>`+"\n", path.String())
	if last < 62 { // two months of days; beyond, dots would run into each other
		for i, p := range c.Points {
			fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="3" fill="#2563eb"><title>%s: %s</title></circle>`+"\n",
				number(x(i)), number(y(p.Count)), escapeXML(when(p.Start)), group(p.Count))
		}
	}
	for _, l := range labels(c.Points, x, left) {
		fmt.Fprintf(b, `<path d="M%s %dv%d" stroke="#9ca3af"/>`, number(l.tick), bottom, tickMark)
		fmt.Fprintf(b, `<text x="%s" y="%d" text-anchor="middle" fill="#6b7280">%s</text>`+"\n", number(l.x), bottom+20, l.text)
	}
}

// label is a time below the line. Its text is centred at x, which is not its tick where the picture ends.
type label struct {
	tick, x float64
	text    string
}

// labels chooses every nth point, so that no two texts touch, and none leaves the picture.
func labels(points []Point, x func(int) float64, left float64) []label {
	texts := timeTexts(points)
	widest := 0.0
	for _, text := range texts {
		widest = max(widest, textWidth(text))
	}
	every := 1
	for _, n := range []int{1, 2, 3, 4, 6, 7, 12, 14, 24, 28, 48, 72, 96, 120, 168, 336, 672} {
		every = n
		if len(points) < 2 || (x(1)-x(0))*float64(n) >= widest+apart {
			break
		}
	}
	for len(points) > 1 && (x(1)-x(0))*float64(every) < widest+apart {
		every *= 2
	}
	var chosen []label
	for i := 0; i < len(points); i += every {
		half := textWidth(texts[i]) / 2
		at := min(max(x(i), left-20+half), chartWidth-6-half)
		if n := len(chosen); n > 0 && at-half < chosen[n-1].x+textWidth(chosen[n-1].text)/2+apart/2 {
			continue
		}
		chosen = append(chosen, label{tick: x(i), x: at, text: texts[i]})
	}
	return chosen
}

// timeTexts writes the times as shortly as their distances allow.
func timeTexts(points []Point) []string {
	texts := make([]string, len(points))
	step := 24 * time.Hour
	if len(points) > 1 {
		// The longest distance: hours and days beside a change of the clock are longer or shorter, and months differ.
		step = points[1].Start.Sub(points[0].Start)
		for i := 2; i < len(points); i++ {
			step = max(step, points[i].Start.Sub(points[i-1].Start))
		}
	}
	for i, p := range points {
		layout := "2006"
		switch {
		case p.Start.IsZero():
			texts[i] = "all time"
			continue
		case step <= 3*time.Hour && p.Start.Hour() == 0 && p.Start.Minute() == 0:
			layout = "2 Jan"
		case step <= 3*time.Hour:
			layout = "15:04"
		case step < 20*24*time.Hour:
			layout = "2 Jan"
		case step < 200*24*time.Hour:
			layout = "Jan 2006"
		}
		texts[i] = p.Start.Format(layout)
	}
	return texts
}

func when(t time.Time) string {
	if t.IsZero() {
		return "all time"
	}
	return t.Format("Mon 2 Jan 2006 15:04 MST")
}

// scale is the values that have a line.
type scale struct{ top, step int64 }

// newScale chooses three to six lines at round numbers.
func newScale(points []Point) scale {
	most := int64(1)
	for _, p := range points {
		most = max(most, p.Count)
	}
	most = min(most, 1e17)
	for step := int64(1); ; step *= 10 {
		for _, s := range []int64{step, 2 * step, 5 * step} {
			if lines := (most + s - 1) / s; lines <= 5 {
				return scale{top: lines * s, step: s}
			}
		}
	}
}

// textWidth is how wide a label is at most.
func textWidth(s string) float64 { return letter * labelSize * float64(utf8.RuneCountInString(s)) }

// shorten cuts a title that does not fit. Bold letters are wider.
func shorten(s string) string {
	most := int(math.Floor((chartWidth - 48) / (letter * titleSize)))
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return strings.TrimRight(string([]rune(s)[:most-1]), " ") + "…"
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes everything
	return b.String()
}

// number writes a coordinate with one decimal at most.
func number(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

// group writes a number with commas between the thousands.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := len(s) - len(strings.TrimPrefix(s, "-"))
	for at := len(s) - 3; at > sign; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}
