package bar

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/larder-go/larder/warmup"
)

// How often something is shown.
const (
	drawEvery = 100 * time.Millisecond
	lineEvery = 10 * time.Second
)

// New returns a function for warmup.Options.Progress that draws a progress bar if w
// is a terminal, and writes lines if it is not: at the beginning, every ten seconds
// and at the end. It may be used for one run after the other. It is safe for
// concurrent use, and makes no round trips.
func New(w io.Writer) func(warmup.Progress) {
	s := &shown{w: w}
	draw := s.line
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		draw = s.draw
	}
	return func(p warmup.Progress) {
		s.mu.Lock()
		defer s.mu.Unlock()
		draw(p)
	}
}

// shown is what is seen.
type shown struct {
	w io.Writer

	mu   sync.Mutex
	bar  *progressbar.ProgressBar
	last time.Time
}

// draw moves the bar. It is throttled here, since the library's own throttle would
// swallow the last word of a run that ends early, and a full bar is drawn once only.
func (s *shown) draw(p warmup.Progress) {
	if !p.Last && (time.Since(s.last) < drawEvery || p.Done == p.Total) {
		return
	}
	s.last = time.Now()
	if s.bar == nil {
		s.bar = progressbar.NewOptions64(p.Total,
			progressbar.OptionSetWriter(s.w),
			progressbar.OptionSetDescription("warming"),
			progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(30),
			// Its own guess would take what earlier runs did for speed.
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false),
		)
	}
	s.bar.Describe(trouble("warming "+pace(p), p))
	if 0 <= p.Total && p.Total < p.Done { // or the bar would stand still
		s.bar.ChangeMax64(p.Done)
	}
	_ = s.bar.Set64(p.Done)
	if p.Last {
		_ = s.bar.Exit() // leaves it as it is: a run that ended early is not at its end
		_, _ = fmt.Fprintln(s.w)
		s.bar, s.last = nil, time.Time{}
	}
}

// line writes a line, if it is time.
func (s *shown) line(p warmup.Progress) {
	if !p.Last && !s.last.IsZero() && time.Since(s.last) < lineEvery {
		return
	}
	s.last = time.Now()
	text := "warming: " + number(p.Done)
	if p.Total > 0 {
		text += fmt.Sprintf(" of %s (%d%%)", number(p.Total), 100*p.Done/p.Total)
	}
	text = trouble(text+", "+pace(p), p)
	if p.Last {
		text += ", ended"
		s.last = time.Time{}
	}
	_, _ = fmt.Fprintln(s.w, text)
}

// pace says how fast it goes, and how long the rest takes.
func pace(p warmup.Progress) string {
	text := number(int64(p.Rate)) + "/s"
	if p.ETA > 0 && !p.Last {
		text += ", " + p.ETA.Round(time.Second).String() + " left"
	}
	return text
}

// trouble adds the errors.
func trouble(text string, p warmup.Progress) string {
	switch p.Errors {
	case 0:
		return text
	case 1:
		return text + ", 1 error"
	default:
		return text + ", " + number(int64(p.Errors)) + " errors"
	}
}

// number writes 1234567 as 1,234,567.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var s strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			s.WriteByte(',')
		}
		s.WriteRune(d)
	}
	return s.String()
}
