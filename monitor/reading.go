package monitor

import (
	"slices"
	"strings"
	"time"
)

// reading is an INFO reply: its fields, and what the sections tell whose lines have names of their own.
type reading struct {
	fields
	databases []Database
	commands  []Command
	errors    map[string]int64 // nil where there are none

	hasKeyspace, hasCommands bool // the sections are there, though they may be empty

	size       int // of the text
	statistics []commandLine
	latencies  []commandLine
}

// commandLine is one that tells of a command. Lines are sorted, and not what they say: that is four times as large.
type commandLine struct{ command, text string }

func byCommand(a, b commandLine) int { return strings.Compare(a.command, b.command) }

func (r *reading) header(line string) {
	switch {
	case strings.HasPrefix(line, "# Keyspace"):
		r.hasKeyspace = true
	case strings.HasPrefix(line, "# Commandstats"):
		r.hasCommands = true
	}
}

func (r *reading) line(name, text string) {
	switch name[0] {
	case 'c':
		if command, ok := strings.CutPrefix(name, "cmdstat_"); ok {
			if r.statistics == nil {
				r.statistics = make([]commandLine, 0, 8+r.size/128)
			}
			r.statistics = append(r.statistics, commandLine{command, text})
		}
	case 'l':
		if command, ok := strings.CutPrefix(name, "latency_percentiles_usec_"); ok {
			if r.latencies == nil {
				r.latencies = make([]commandLine, 0, len(r.statistics))
			}
			r.latencies = append(r.latencies, commandLine{command, text})
		}
	case 'e':
		if code, ok := strings.CutPrefix(name, "errorstat_"); ok {
			if n, ok := list(text).count("count").Get(); ok {
				if r.errors == nil {
					r.errors = map[string]int64{}
				}
				r.errors[code] = n
			}
		}
	case 'd':
		if db, ok := databaseNumber(name); ok {
			r.databases = append(r.databases, readDatabase(db, text))
		}
	}
}

// finish sorts, and puts together what came on two lines.
func (r *reading) finish() {
	slices.SortFunc(r.databases, func(a, b Database) int { return a.DB - b.DB })
	slices.SortFunc(r.statistics, byCommand)
	slices.SortFunc(r.latencies, byCommand)
	if len(r.statistics) > 0 {
		r.commands = make([]Command, len(r.statistics))
	}
	rest := r.latencies
	for i := range r.commands {
		l := r.statistics[i]
		c := &r.commands[i]
		c.Name = l.command
		c.readStatistics(l.text)
		for len(rest) > 0 && rest[0].command < c.Name {
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0].command == c.Name {
			c.readLatency(rest[0].text)
		}
	}
	r.statistics, r.latencies = nil, nil
}

// databaseNumber reads the name db7. One that is written otherwise, such as db07, is another's line or garbage.
func databaseNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "db")
	if !ok || digits == "" || len(digits) > 9 || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func readDatabase(db int, text string) Database {
	part := list(text)
	one := Database{DB: db, Keys: part.count("keys"), Expires: part.count("expires")}
	if ttl := part.duration("avg_ttl", time.Millisecond); ttl.v > 0 { // 0: none was looked at yet
		one.AvgTTL = ttl
	}
	return one
}

// readStatistics reads "calls=1,usec=2,usec_per_call=2.00,rejected_calls=0,failed_calls=0".
func (c *Command) readStatistics(text string) {
	for text != "" {
		var field, value string
		field, value, text = cutField(text)
		switch field {
		case "calls":
			c.Calls = parseCount(value)
		case "usec":
			c.Time = durationOf(parseCount(value), time.Microsecond)
		case "rejected_calls":
			c.Rejected = parseCount(value)
		case "failed_calls":
			c.Failed = parseCount(value)
		}
	}
}

// readLatency reads "p50=1.003,p99=2.007,p99.9=2.007".
func (c *Command) readLatency(text string) {
	for text != "" {
		var field, value string
		field, value, text = cutField(text)
		switch field {
		case "p50":
			c.P50 = micros(value)
		case "p99":
			c.P99 = micros(value)
		case "p99.9":
			c.P999 = micros(value)
		}
	}
}

// cutField takes the first "name=value" off a list.
func cutField(text string) (name, value, rest string) {
	part, rest, _ := strings.Cut(text, ",")
	name, value, _ = strings.Cut(part, "=")
	return name, value, rest
}
