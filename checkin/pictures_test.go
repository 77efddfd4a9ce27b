package checkin

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/larder-go/larder/calendar"
)

var update = flag.Bool("update", false, "write the golden files anew; look at them before you commit them")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o644)) //nolint:gosec // a file of the repository
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

// wellFormed reads a picture as XML.
func wellFormed(t *testing.T, picture []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// habit is a calendar of somebody who checks in mostly.
func habit(from, to string, seed uint64) Calendar {
	r := rand.New(rand.NewPCG(seed, 1))
	c := Calendar{From: day(from), To: day(to)}
	run, idle := 0, 0
	for range c.To.Sub(c.From) + 1 {
		if idle == 0 && r.IntN(14) == 0 {
			idle = 1 + r.IntN(6)
		}
		here := idle == 0
		idle = max(idle-1, 0)
		run++
		if !here {
			run = 0
		} else {
			c.Count++
		}
		c.Longest = max(c.Longest, run)
		c.Checked = append(c.Checked, here)
	}
	return c
}

// full is a calendar of all or none of the days.
func full(from, to string, checked bool) Calendar {
	c := Calendar{From: day(from), To: day(to)}
	c.Checked = make([]bool, c.To.Sub(c.From)+1)
	for i := range c.Checked {
		c.Checked[i] = checked
	}
	if checked {
		c.Count, c.Longest = len(c.Checked), len(c.Checked)
	}
	return c
}

func TestGoldenCalendars(t *testing.T) {
	for name, c := range map[string]Calendar{
		"year":    habit("2026-01-01", "2026-12-31", 3),
		"leap":    habit("2024-01-01", "2024-12-31", 4), // begins on a Monday
		"sunday":  full("2023-01-01", "2023-12-31", true),
		"empty":   full("2025-01-01", "2025-12-31", false),
		"month":   habit("2026-11-01", "2026-11-30", 5),
		"day":     full("2026-11-22", "2026-11-22", true),
		"winters": habit("2024-10-12", "2026-03-20", 6),
	} {
		var b bytes.Buffer
		require.NoError(t, c.SVG(&b))
		wellFormed(t, b.Bytes())
		golden(t, name+".svg", b.Bytes())
		golden(t, name+".txt", []byte(c.String()))
	}
}

// retentionTable is a table as of a product that loses fewer of each later cohort.
func retentionTable(n, width int, first int64) Table {
	var table Table
	for i := range n {
		row := CohortRow{Cohort: day("2026-09-07").Add(i * width), Size: first + int64(i)*first/7}
		for k := range n - i {
			share := 1.0
			if k > 0 {
				share = (0.45 + 0.03*float64(i)) / (1 + 0.35*float64(k-1))
			}
			row.Cells = append(row.Cells, retained(k*width, int64(float64(row.Size)*share), row.Size))
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

func TestGoldenTriangle(t *testing.T) {
	odd := retentionTable(4, 1, 3)
	odd.Rows[1] = CohortRow{Cohort: odd.Rows[1].Cohort, Cells: []Retained{{}, {After: 1}, {After: 2}}} // an empty cohort
	for name, table := range map[string]Table{
		"weeks": retentionTable(12, 7, 1234),
		"days":  odd,
		"one":   retentionTable(1, 30, 4_000_000_000),
	} {
		var b bytes.Buffer
		require.NoError(t, table.SVG(&b))
		wellFormed(t, b.Bytes())
		golden(t, "cohorts-"+name+".svg", b.Bytes())
	}
}

// TestPicturesRefuse: no days, days that are not there, no rows, and a writer that fails.
func TestPicturesRefuse(t *testing.T) {
	for _, c := range []Calendar{
		{},
		{From: day("2026-01-02"), To: day("2026-01-01"), Checked: make([]bool, 1)},
		{From: day("2026-01-01"), To: day("2026-01-31"), Checked: make([]bool, 30)},
		{From: calendar.Day{Year: 2026, Month: 2, Day: 30}, To: day("2026-03-31"), Checked: make([]bool, 30)},
	} {
		var b bytes.Buffer
		require.ErrorIs(t, c.SVG(&b), ErrRange)
		assert.Zero(t, b.Len())
		assert.NotPanics(t, func() { _ = c.String() })
	}
	assert.Empty(t, Calendar{}.String())
	require.ErrorIs(t, Table{}.SVG(io.Discard), ErrRange)
	full := full("2026-01-01", "2026-01-31", true)
	require.ErrorIs(t, full.SVG(broken{}), io.ErrShortWrite)
	require.ErrorIs(t, retentionTable(2, 1, 5).SVG(broken{}), io.ErrShortWrite)
	assert.NotPanics(t, func() { _ = Table{Rows: make([]CohortRow, 2)}.SVG(io.Discard) })
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// TestStringIsTidy: no blanks at the ends of lines, whatever the range.
func TestStringIsTidy(t *testing.T) {
	for n := range 40 {
		c := habit("2026-01-28", day("2026-01-28").Add(n).String(), uint64(n))
		for line := range strings.Lines(c.String()) {
			assert.Equal(t, strings.TrimRight(line, " \n")+"\n", line)
		}
	}
}

// contrast is that of two colors, as WCAG counts it.
func contrast(a, b string) float64 {
	light := func(color string) float64 {
		var c [3]int
		_, _ = fmt.Sscanf(color, "#%02x%02x%02x", &c[0], &c[1], &c[2])
		return luminance(c[0], c[1], c[2])
	}
	la, lb := light(a), light(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// TestContrast: each share can be read on its color, and each color is one, whatever a Table that was made by hand holds.
func TestContrast(t *testing.T) {
	t.Parallel()
	assert.InDelta(t, 21, contrast("#000000", "#ffffff"), 1e-9)
	for i := range 1001 {
		fill, ink := shade(float64(i) / 1000)
		assert.GreaterOrEqual(t, contrast(fill, ink), 4.5, "%v on %v", ink, fill)
	}
	for _, rate := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -7, 7} {
		table := Table{Rows: []CohortRow{{Size: 1, Cells: []Retained{{Rate: rate}}}}}
		var b strings.Builder
		require.NoError(t, table.SVG(&b))
		assert.Regexp(t, `rx="3" fill="#[0-9a-f]{6}"`, b.String(), "%v", rate)
	}
}
