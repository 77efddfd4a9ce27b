package visitors

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
)

var update = flag.Bool("update", false, "write the golden files anew")

func instant(s string, loc *time.Location) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, loc)
	if err != nil {
		panic(err)
	}
	return t
}

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(tb, err)
	return loc
}

// series makes points with counts that go up and down, always the same.
func series(per calendar.Period, from time.Time, n int, most int64) []Point {
	var points []Point
	at := from
	for i := range n {
		points = append(points, Point{Start: at, Count: most * int64((i*i*7+i*3)%11+i%7) / 16})
		at = per.Next(at, from.Location())
	}
	return points
}

func charts(tb testing.TB) map[string]Chart {
	tb.Helper()
	berlin := zone(tb, "Europe/Berlin")
	return map[string]Chart{
		"empty":  {Title: "A page without data"},
		"zero":   {Title: "A page that nobody reads", Points: series(calendar.Daily, instant("2026-11-01 00:00", time.UTC), 7, 0)},
		"point":  {Title: "One day", Points: []Point{{instant("2026-11-22 00:00", time.UTC), 1234}}},
		"month":  {Title: "Visitors of /prices in November 2026", Points: series(calendar.Daily, instant("2026-11-01 00:00", time.UTC), 30, 48_000)},
		"hours":  {Title: "The night of the 25th hour <Berlin & others>", Points: series(calendar.Hourly, instant("2026-10-25 00:00", berlin), 25, 97)},
		"week":   {Title: "Seven days by the hour", Points: series(calendar.Hourly, instant("2026-11-16 00:00", berlin), 168, 2_500)},
		"months": {Title: "A year", Points: series(calendar.Monthly, instant("2026-01-01 00:00", time.UTC), 13, 3_000_000)},
		"long":   {Title: strings.Repeat("A title that is far too long for the picture ", 4), Points: series(calendar.Yearly, instant("2001-01-01 00:00", time.UTC), 26, 6)},
	}
}

func draw(tb testing.TB, c Chart) []byte {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, c.SVG(&b))
	return b.Bytes()
}

// TestChart compares the pictures with golden files, which were looked at. With -update they are written anew.
func TestChart(t *testing.T) {
	for name, c := range charts(t) {
		got := draw(t, c)
		file := filepath.Join("testdata", name+".svg")
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(file, got, 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), string(got), file)
	}
}

// TestChartIsSound holds that a picture is well-formed whatever is in the title and the points, and that errors of the
// writer are returned.
func TestChartIsSound(t *testing.T) {
	for _, c := range []Chart{
		{},
		{Title: "</svg> & \x00\xff \" ' <script>"},
		{Points: []Point{{Count: -5}}},
		{Points: []Point{{Count: 1<<63 - 1}, {Count: -1 << 63}}},
		{Points: make([]Point, 1000)},
	} {
		svg := draw(t, c)
		dec := xml.NewDecoder(bytes.NewReader(svg))
		for {
			_, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, string(svg))
		}
		assert.NotContains(t, string(svg), "NaN")
		assert.NotContains(t, string(svg), "Inf")
	}
	full := errors.New("the disk is full")
	assert.ErrorIs(t, Chart{}.SVG(failingWriter{full}), full)
	assert.Equal(t, []string{"0", "12", "123", "1,234", "123,456", "1,234,567", "-123", "-1,234"},
		[]string{group(0), group(12), group(123), group(1234), group(123456), group(1234567), group(-123), group(-1234)})
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

var middle = regexp.MustCompile(`<text x="([0-9.]+)" y="300" text-anchor="middle" fill="#6b7280">([^<]*)</text>`)

// TestChartLabels holds, for 1 to 80 points of every period and some larger numbers, that the times below are inside
// the picture, clear of one another, and of points that are there.
func TestChartLabels(t *testing.T) {
	for _, per := range []calendar.Period{calendar.Hourly, calendar.Daily, calendar.Weekly, calendar.Monthly, calendar.Yearly} {
		from := per.Start(instant("1926-11-20 05:00", time.UTC), time.UTC)
		points := series(per, from, 900, 5_000_000)
		for _, n := range append(upTo(80), 168, 365, 720, 900) {
			svg := string(draw(t, Chart{Points: points[:n]}))
			found := middle.FindAllStringSubmatch(svg, -1)
			require.NotEmpty(t, found, "%v, %d points", per, n)
			if n >= 12 {
				require.GreaterOrEqual(t, len(found), 4, "%v, %d points", per, n)
			}
			end := 0.0
			for _, m := range found {
				x, err := strconv.ParseFloat(m[1], 64)
				require.NoError(t, err)
				half := textWidth(m[2]) / 2
				name := fmt.Sprintf("%v, %d points, %q", per, n, m[2])
				require.GreaterOrEqual(t, x-half, end, name)
				require.LessOrEqual(t, x+half, float64(chartWidth), name)
				end = x + half + 4
			}
		}
	}
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}
