package profile

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// meta is the field that tells what the others do not. As text, with spaces between:
//
//	1 <kind> <schema> <version> <written> <expiry> <cost> <nil fields>
//
// The kind is v for a value and a for absence. The version is a random token, new with each write. Written and expiry are
// Unix times in milliseconds, the cost of the load is in microseconds. The names of the fields that are nil follow, with
// commas between. The scripts read and write the same text.
type meta struct {
	kind    byte
	schema  string
	version string
	written int64
	expiry  int64
	cost    int64
	nils    string
}

const (
	kindValue  = 'v'
	kindAbsent = 'a'
)

func (m meta) String() string {
	b := make([]byte, 0, 96+len(m.nils))
	b = append(b, '1', ' ', m.kind, ' ')
	b = append(b, m.schema...)
	b = append(b, ' ')
	b = append(b, m.version...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, m.written, 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, m.expiry, 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, m.cost, 10)
	if m.nils != "" {
		b = append(b, ' ')
		b = append(b, m.nils...)
	}
	return string(b)
}

func parseMeta(text string) (m meta, ok bool) {
	rest, ok := strings.CutPrefix(text, "1 ")
	if !ok || len(rest) < 2 || rest[1] != ' ' || rest[0] != kindValue && rest[0] != kindAbsent {
		return meta{}, false
	}
	m.kind, rest = rest[0], rest[2:]
	if m.schema, rest, ok = strings.Cut(rest, " "); !ok {
		return meta{}, false
	}
	if m.version, rest, ok = strings.Cut(rest, " "); !ok || m.version == "" {
		return meta{}, false
	}
	for i, to := range []*int64{&m.written, &m.expiry, &m.cost} {
		word, after, more := strings.Cut(rest, " ")
		if !more && i < 2 {
			return meta{}, false
		}
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil || n < 0 {
			return meta{}, false
		}
		*to, rest = n, after
	}
	m.nils = rest
	return m, true
}

// isNil says whether the field of that name is nil.
func (m meta) isNil(name string) bool {
	for rest := m.nils; rest != ""; {
		var one string
		one, rest, _ = strings.Cut(rest, ",")
		if one == name {
			return true
		}
	}
	return false
}

func joinNils(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ",")
}

// lease is who is loading: a token and until when, in milliseconds.
type lease struct {
	token    string
	deadline int64
}

func parseLease(text string) lease {
	token, deadline, ok := strings.Cut(text, " ")
	n, err := strconv.ParseInt(deadline, 10, 64)
	if !ok || err != nil {
		return lease{}
	}
	return lease{token: token, deadline: n}
}

// token returns 128 random bits as text without spaces. A token is never used for two writes, or for two leases.
func token() string {
	b := make([]byte, 0, 26)
	b = strconv.AppendUint(b, rand.Uint64(), 36)
	b = strconv.AppendUint(b, rand.Uint64(), 36)
	return string(b)
}

func milli(t time.Time) int64 { return t.UnixMilli() }
