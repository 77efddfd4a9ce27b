package lardertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

// healthy is INFO everything of a Redis 7.0 that is fine.
//
//go:embed info.txt
var healthy string

// SetInfo makes INFO answer as a healthy Redis 7.0 does, except for the fields given here, by section: so a test of a
// monitor's rules says what is wrong, and nothing else. (Before the first SetInfo, INFO has miniredis's own three
// fields.)
//
//	lardertest.SetInfo(rdb, map[string]map[string]string{
//		"memory": {"used_memory": "966367641", "maxmemory": "1073741824"}, // 90 %
//		"stats":  {"evicted_keys": "1200"},
//	})
//
// Sections and fields that Redis 7.0 does not have are added; the names of sections may be in any case. Each call
// begins anew with a healthy server. It has been up since the client was made, and uptime_in_seconds, uptime_in_days
// and server_time_usec follow the clock, in a bubble that of the bubble, unless they are given here. It has 1 GiB of
// maxmemory, of which a quarter is used, and no keys in its Keyspace section.
//
// INFO then takes sections as a real server does: none, several, default, all and everything. rdb is a client of this
// package, or an AutoPipeliner of one. Names and values that hold line ends are errors. One round trip.
func SetInfo(rdb redis.UniversalClient, sections map[string]map[string]string) error {
	for section, fields := range sections {
		for field, value := range fields {
			if section == "" || field == "" || strings.ContainsAny(section+field+value, "\r\n") || strings.Contains(field, ":") {
				return fmt.Errorf("lardertest: set info: field %q of section %q: not a line of INFO", field, section)
			}
		}
	}
	text, err := json.Marshal(sections)
	if err != nil {
		return fmt.Errorf("lardertest: set info: %w", err)
	}
	return tell(rdb, "set info", cmdInfo, "fields", string(text))
}

// SetInfoText makes INFO answer with exactly this text: one copied from a server, or one that no server would send. An
// INFO of some sections is answered with those of them that begin with a line such as "# Memory"; a text without such
// lines is always answered whole. One round trip.
func SetInfoText(rdb redis.UniversalClient, text string) error {
	return tell(rdb, "set info text", cmdInfo, "text", text)
}

// tell sends a command to the fake behind a client.
func tell(rdb redis.UniversalClient, op string, args ...any) error {
	if rdb == nil {
		return fmt.Errorf("lardertest: %s: the client is nil", op)
	}
	if err := rdb.Do(context.Background(), args...).Err(); err != nil {
		if strings.Contains(err.Error(), "unknown command") {
			err = errors.New("not a client of lardertest")
		}
		return fmt.Errorf("lardertest: %s: %w", op, err)
	}
	return nil
}

// info is what INFO answers.
type info struct {
	text   string                       // verbatim, unless
	fields map[string]map[string]string // not nil: a healthy server but for these
}

func (f *fake) hasInfo() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.info != nil
}

func (f *fake) setInfo(c *server.Peer, args []string) {
	if len(args) != 2 {
		c.WriteError("ERR lardertest: wrong number of arguments")
		return
	}
	set := &info{text: args[1]}
	if args[0] == "fields" {
		set = &info{fields: map[string]map[string]string{}}
		if err := json.Unmarshal([]byte(args[1]), &set.fields); err != nil {
			c.WriteError("ERR lardertest: " + err.Error())
			return
		}
		if set.fields == nil {
			set.fields = map[string]map[string]string{}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.info = set
	c.WriteOK()
}

func serveInfo(f *fake, _ *tx, args []string) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.info == nil {
		return "", nil
	}
	text := f.info.text
	if f.info.fields != nil {
		text = f.render(f.info.fields)
	}
	return choose(text, args), nil
}

// render is the healthy text with the fields of the moment, and then those that are given.
func (f *fake) render(given map[string]map[string]string) string {
	now := time.Now()
	up := now.Sub(f.started)
	moment := map[string]string{
		"server_time_usec":   strconv.FormatInt(now.UnixMicro(), 10),
		"uptime_in_seconds":  strconv.FormatInt(int64(up/time.Second), 10),
		"uptime_in_days":     strconv.FormatInt(int64(up/(24*time.Hour)), 10),
		"rdb_last_save_time": strconv.FormatInt(f.started.Unix(), 10),
	}
	left := map[string]map[string]string{} // by section in lower case: what has not been written yet
	title := map[string]string{}
	for section, fields := range given {
		lower := strings.ToLower(section)
		if left[lower] == nil {
			left[lower] = map[string]string{}
		}
		maps.Copy(left[lower], fields)
		title[lower] = strings.ToUpper(lower[:1]) + lower[1:]
	}

	var b strings.Builder
	write := func(field, value string) {
		b.WriteString(field)
		b.WriteByte(':')
		b.WriteString(value)
		b.WriteString("\r\n")
	}
	rest := func(section string) {
		for _, field := range slices.Sorted(maps.Keys(left[section])) {
			write(field, left[section][field])
		}
		delete(left, section)
	}
	for block := range strings.SplitSeq(strings.TrimSpace(healthy), "\n\n") {
		header, lines, _ := strings.Cut(block, "\n")
		section := strings.ToLower(strings.TrimPrefix(header, "# "))
		b.WriteString(header + "\r\n")
		for line := range strings.SplitSeq(lines, "\n") {
			field, value, found := strings.Cut(line, ":")
			if !found {
				continue
			}
			if v, ok := moment[field]; ok {
				value = v
			}
			if v, ok := left[section][field]; ok {
				value = v
				delete(left[section], field)
			}
			write(field, value)
		}
		rest(section)
		b.WriteString("\r\n")
	}
	for _, section := range slices.Sorted(maps.Keys(left)) {
		b.WriteString("# " + title[section] + "\r\n")
		rest(section)
		b.WriteString("\r\n")
	}
	return strings.TrimSuffix(b.String(), "\r\n")
}

// choose picks sections out of a text, as INFO does.
func choose(text string, names []string) string {
	if !strings.HasPrefix(text, "# ") && !strings.Contains(text, "\n# ") {
		return text
	}
	// Without names, and by default, a server leaves out its longest sections.
	wanted, byDefault, all := map[string]bool{}, len(names) == 0, false
	for _, name := range names {
		switch name = strings.ToLower(name); name {
		case "default":
			byDefault = true
		case "all", "everything":
			all = true
		default:
			wanted[name] = true
		}
	}
	if all {
		return text
	}
	var chosen []string
	for block := range strings.SplitSeq("\n"+text, "\n# ") {
		header, _, _ := strings.Cut(block, "\n")
		name := strings.ToLower(strings.TrimSpace(header))
		if name != "" && (wanted[name] || byDefault && name != "commandstats" && name != "latencystats") {
			chosen = append(chosen, "# "+strings.TrimRight(block, "\r\n")+"\r\n")
		}
	}
	return strings.Join(chosen, "\r\n")
}
