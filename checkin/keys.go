package checkin

import (
	"strconv"
	"strings"

	"github.com/larder-go/larder/calendar"
)

// The keys, each with its Redis type:
//
//	[<namespace>:]checkin:{<user>}:<year>        string   bit = day of the year - 1
//	[<namespace>:]activity:{<segment>}:<day>     string   65,536 ids of one day: bit = id mod 65,536
//	[<namespace>:]activity:{<day>}:segments      string   which segments the day has: bit = segment
//	[<namespace>:]ids:{names}:map                hash     "=name": its number; "#number": its name
const (
	kindCheckin  = "checkin:{"
	kindActivity = "activity:{"
	kindIDs      = "ids:{names}:map"
)

// escape keeps the hash tag whole: it ends at the first brace that closes. The sign that escapes is escaped as well, so
// that no two users share a key.
var escape = strings.NewReplacer("%", "%25", "}", "%7D")

// yearKeys returns the keys of some years of a user, from one year down to another. All are parts of one string.
func (t *Tracker) yearKeys(user string, from, downTo int) []string {
	if strings.ContainsAny(user, "%}") {
		user = escape.Replace(user)
	}
	n := len(t.namespace) + len(kindCheckin) + len(user) + len("}:2006")
	all := make([]byte, 0, n*(from-downTo+1))
	for year := from; year >= downTo; year-- {
		all = append(all, t.namespace...)
		all = append(all, kindCheckin...)
		all = append(all, user...)
		all = append(all, "}:"...)
		all = strconv.AppendInt(all, int64(year), 10) // four digits: see firstYear and lastYear
	}
	text := string(all)
	keys := make([]string, from-downTo+1)
	for i := range keys {
		keys[i] = text[i*n : (i+1)*n]
	}
	return keys
}

// segmentKey is where the ids of a segment are marked on a day.
func (a *Activity) segmentKey(segment uint32, day calendar.Day) string {
	return a.namespace + kindActivity + strconv.FormatUint(uint64(segment), 10) + "}:" + day.String()
}

// indexKey is where the segments of a day are named.
func (a *Activity) indexKey(day calendar.Day) string {
	return a.namespace + kindActivity + day.String() + "}:segments"
}
