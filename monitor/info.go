package monitor

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// fields are the lines of an INFO reply by name. Names are unique across sections, so that sections are not kept.
type fields map[string]string

// parseInfo reads an INFO reply. Whatever it does not understand it leaves out: a proxy or a managed service may answer
// with anything, and a line that cannot be read is a figure that is not known. A name that comes twice keeps its first text.
func parseInfo(text string) fields { return readInfo(text).fields }

// readInfo is parseInfo with the lines whose names are not known beforehand, in one pass: INFO of a busy server has hundreds
// of them, in each sample.
func readInfo(text string) *reading {
	r := &reading{fields: make(fields, strings.Count(text, "\n")+1), size: len(text)}
	if !r.read(text, false) { // rare enough to begin again, so that the usual line is looked up once
		*r = reading{fields: make(fields, len(r.fields)), size: len(text)}
		r.read(text, true)
	}
	return r
}

// read takes the lines in. Unless it is careful it gives up at a name that comes twice.
func (r *reading) read(text string, careful bool) bool {
	for len(text) > 0 {
		line := text
		if i := strings.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = ""
		}
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		if line[0] == '#' {
			r.header(line)
			continue
		}
		i := strings.IndexByte(line, ':')
		if i <= 0 {
			continue
		}
		name, value := line[:i], line[i+1:]
		if careful {
			if _, twice := r.fields[name]; twice {
				continue
			}
		}
		before := len(r.fields)
		r.fields[name] = value
		if len(r.fields) == before {
			return false
		}
		switch name[0] { // most names are none of these
		case 'c', 'd', 'e', 'l':
			r.line(name, value)
		}
	}
	r.finish()
	return true
}

func (f fields) text(name string) Value[string] {
	if s, ok := f[name]; ok {
		return Known(s)
	}
	return Value[string]{}
}

// own copies a text that outlives its INFO, all of which it would keep alive.
func own(v Value[string]) Value[string] {
	v.v = strings.Clone(v.v)
	return v
}

func (f fields) int(name string) Value[int64] {
	s, ok := f[name]
	if !ok {
		return Value[int64]{}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return Value[int64]{}
	}
	return Known(n)
}

// count is a number that is never negative: -1 is how Redis says "not yet".
func (f fields) count(name string) Value[int64] {
	s, ok := f[name]
	if !ok {
		return Value[int64]{}
	}
	return parseCount(s)
}

func parseCount(s string) Value[int64] {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return Value[int64]{}
	}
	return Known(n)
}

func (f fields) float(name string) Value[float64] {
	s, ok := f[name]
	if !ok {
		return Value[float64]{}
	}
	return parseFloat(strings.TrimSuffix(s, "%"))
}

func parseFloat(s string) Value[float64] {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return Value[float64]{}
	}
	return Known(n)
}

func (f fields) bool(name string) Value[bool] {
	switch f[name] {
	case "1":
		return Known(true)
	case "0":
		return Known(false)
	}
	return Value[bool]{}
}

// is tells whether a field has the text; a missing one is not known.
func (f fields) is(name, text string) Value[bool] {
	s, ok := f[name]
	if !ok {
		return Value[bool]{}
	}
	return Known(s == text)
}

// duration reads a whole number of units; -1 is not known, and so is what a Duration cannot hold.
func (f fields) duration(name string, unit time.Duration) Value[time.Duration] {
	return durationOf(f.count(name), unit)
}

func durationOf(v Value[int64], unit time.Duration) Value[time.Duration] {
	n, ok := v.Get()
	if !ok || n > math.MaxInt64/int64(unit) {
		return Value[time.Duration]{}
	}
	return Known(time.Duration(n) * unit)
}

// list is a line "a=1,b=2", as keyspace and replicas have them.
type list string

func (l list) get(name string) (string, bool) {
	for rest := string(l); rest != ""; {
		part := rest
		if i := strings.IndexByte(rest, ','); i >= 0 {
			part, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		if len(part) > len(name) && part[len(name)] == '=' && part[:len(name)] == name {
			return part[len(name)+1:], true
		}
	}
	return "", false
}

func (l list) text(name string) string {
	s, _ := l.get(name)
	return s
}

func (l list) count(name string) Value[int64] {
	s, ok := l.get(name)
	if !ok {
		return Value[int64]{}
	}
	return parseCount(s)
}

func (l list) duration(name string, unit time.Duration) Value[time.Duration] {
	return durationOf(l.count(name), unit)
}

// micros reads microseconds with decimals.
func micros(s string) Value[time.Duration] {
	n, ok := parseFloat(s).Get()
	if !ok || n < 0 || n > 1e15 {
		return Value[time.Duration]{}
	}
	return Known(time.Duration(n * float64(time.Microsecond)))
}
