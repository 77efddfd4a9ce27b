package snapshot

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// The types of a record, as they stand in the file.
const (
	typeString   = 's'
	typeList     = 'l'
	typeSet      = 'S'
	typeZSet     = 'z'
	typeHash     = 'h'
	typeHashTTL  = 'H' // a hash some of whose fields expire: field, value, expiry
	typeStream   = 'x'
	typeDumped   = 'd' // a module's type: name, payload of DUMP
	maxQuotedKey = 60
)

// The flags of a record.
const (
	flagMore      = 1 << iota // more pieces of this key follow
	flagContinued             // not the first piece
	flagTorn                  // read in pieces, so not of one moment
	flagAbandoned             // the key went away while it was read: discard its pieces
)

// record is one key, or one piece of a large one.
type record struct {
	typ    byte
	flags  byte
	key    string
	expiry int64 // milliseconds since 1970, 0 = none
	// elements: the value of a string; the members of a list or set; member and score of a sorted set (a score is its
	// shortest text); field and value of a hash, with the expiry in milliseconds as a third for typeHashTTL.
	elements []string
	total    int64 // of the last piece: how many elements the key had at the end

	name    string // of typeDumped: what TYPE says
	payload string // of typeDumped and typeStream: what DUMP gives; "" = the server had no DUMP for it
	stream  *stream
}

// stream is the logical content of a stream: what is compared, and what PortableStreams restores.
type stream struct {
	lastID   string
	digest   string // SHA-256 over entries and groups, so that a comparison needs no entries
	portable bool   // entries are there
	entries  []entry
	groups   []group
}

type entry struct {
	id     string
	values []string // field, value, field, value
}

type group struct{ name, lastID string }

func (r *record) more() bool      { return r.flags&flagMore != 0 }
func (r *record) continued() bool { return r.flags&flagContinued != 0 }
func (r *record) pieces() bool    { return r.flags&(flagMore|flagContinued) != 0 }
func (r *record) abandoned() bool { return r.flags&flagAbandoned != 0 }

// width is how many of r.elements make one element of the key.
func (r *record) width() int {
	switch r.typ {
	case typeZSet, typeHash:
		return 2
	case typeHashTTL:
		return 3
	}
	return 1
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendStrings(b []byte, all []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = appendString(b, s)
	}
	return b
}

// encode appends the payload of a record's frame.
func (r *record) encode(b []byte) []byte {
	b = append(b, kindRecord, r.typ, r.flags)
	b = appendString(b, r.key)
	b = binary.AppendUvarint(b, uint64(r.expiry))
	if r.pieces() {
		b = binary.AppendUvarint(b, uint64(r.total))
	}
	switch r.typ {
	case typeDumped:
		b = appendString(b, r.name)
		b = appendString(b, r.payload)
	case typeStream:
		b = appendString(b, r.payload)
		b = appendString(b, r.stream.lastID)
		b = appendString(b, r.stream.digest)
		if !r.stream.portable {
			return append(b, 0)
		}
		b = append(b, 1)
		b = binary.AppendUvarint(b, uint64(len(r.stream.entries)))
		for _, e := range r.stream.entries {
			b = appendString(b, e.id)
			b = appendStrings(b, e.values)
		}
		b = binary.AppendUvarint(b, uint64(len(r.stream.groups)))
		for _, g := range r.stream.groups {
			b = appendString(b, g.name)
			b = appendString(b, g.lastID)
		}
	default:
		b = appendStrings(b, r.elements)
	}
	return b
}

// parser takes a payload apart. After the first fault it returns zero values, and err says what was wrong. Its strings
// are parts of the payload, so that a record is one allocation, and one of its elements.
type parser struct {
	data string
	err  error
}

func (p *parser) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s", ErrCorrupt, what)
	}
	p.data = ""
}

func (p *parser) byte() byte {
	if p.data == "" {
		p.fail("a record ends early")
		return 0
	}
	c := p.data[0]
	p.data = p.data[1:]
	return c
}

func (p *parser) uvarint() uint64 {
	n, shift := uint64(0), 0
	for i := range min(len(p.data), binary.MaxVarintLen64) {
		c := p.data[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break // more than 64 bits
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			p.data = p.data[i+1:]
			return n
		}
		shift += 7
	}
	p.fail("a record has a broken number")
	return 0
}

func (p *parser) int64() int64 {
	n := p.uvarint()
	if n > math.MaxInt64 {
		p.fail("a record has a number out of range")
		return 0
	}
	return int64(n)
}

func (p *parser) string() string {
	n := p.uvarint()
	if n > uint64(len(p.data)) {
		p.fail("a record ends early")
		return ""
	}
	s := p.data[:n]
	p.data = p.data[n:]
	return s
}

// count reads a number of things each of which takes a byte at least, so that a lie allocates nothing, and the truth not
// out of proportion.
func (p *parser) count() int {
	n := p.uvarint()
	switch {
	case n > uint64(len(p.data)):
		p.fail("a record ends early")
		return 0
	case n > maxElements:
		p.fail("a record of too many elements")
		return 0
	}
	return int(n)
}

func (p *parser) strings() []string {
	all := make([]string, p.count())
	for i := range all {
		all[i] = p.string()
	}
	return all
}

// decodeRecord reads what encode wrote, without its first byte. It never panics, whatever the bytes are. Who only wants to
// know whether the record is one skims it: the elements are checked, but not kept.
func decodeRecord(data []byte, skim bool) (*record, error) {
	r := &record{}
	return r, r.decode(data, skim)
}

func (r *record) decode(data []byte, skim bool) error {
	p := parser{data: string(data)}
	*r = record{typ: p.byte(), flags: p.byte(), key: p.string(), expiry: p.int64()}
	if r.pieces() {
		r.total = p.int64()
	}
	r.checkFlags(&p)
	switch r.typ {
	case typeDumped:
		r.name, r.payload = p.string(), p.string()
	case typeStream:
		r.payload = p.string()
		r.stream = &stream{lastID: p.string(), digest: p.string(), portable: p.byte() != 0}
		if r.stream.portable {
			r.stream.decode(&p, skim)
		}
		if p.err == nil && r.payload == "" && !r.stream.portable {
			p.fail("a stream without a value")
		}
	case typeString, typeList, typeSet, typeZSet, typeHash, typeHashTTL:
		r.decodeElements(&p, skim)
	default:
		p.fail("a record of an unknown type")
	}
	if p.err == nil && p.data != "" {
		p.fail("a record is too long")
	}
	return p.err
}

// checkFlags refuses flags that contradict each other, or that this version does not know.
func (r *record) checkFlags(p *parser) {
	switch {
	case p.err != nil:
	case r.flags >= flagAbandoned<<1:
		p.fail("a record with unknown flags")
	case r.abandoned() && r.flags&(flagContinued|flagMore) != flagContinued:
		p.fail("a record is given up that did not begin, or goes on")
	case r.pieces() && (r.typ == typeDumped || r.typ == typeStream):
		p.fail("pieces of a type that has none")
	}
}

func (s *stream) decode(p *parser, skim bool) {
	for range p.count() {
		e := entry{id: p.string()}
		if skim {
			for range p.count() {
				p.string()
			}
			continue
		}
		e.values = p.strings()
		s.entries = append(s.entries, e)
	}
	for range p.count() {
		s.groups = append(s.groups, group{name: p.string(), lastID: p.string()})
	}
}

// decodeElements refuses elements that Restore could not write.
func (r *record) decodeElements(p *parser, skim bool) {
	n := p.count()
	switch {
	case p.err != nil:
		return
	case n%r.width() != 0 || (r.typ == typeString && n != 1 && !r.abandoned()):
		p.fail("a record with a wrong number of elements")
		return
	case n == 0 && !r.pieces():
		p.fail("a record without elements")
		return
	case !skim:
		r.elements = make([]string, n)
	}
	for i, column := 0, 0; i < n && p.err == nil; i, column = i+1, column+1 {
		if column == r.width() {
			column = 0
		}
		e := p.string()
		if !skim {
			r.elements[i] = e
		}
		if p.err != nil {
			return
		}
		switch {
		case r.typ == typeZSet && column == 1:
			if f, err := strconv.ParseFloat(e, 64); err != nil || math.IsNaN(f) {
				p.fail("a score that is no number")
			}
		case r.typ == typeHashTTL && column == 2:
			if at, err := strconv.ParseInt(e, 10, 64); err != nil || at < 0 {
				p.fail("a field's expiry that is no number")
			}
		}
	}
}

// quote shows a key in an error, shortened.
func quote(key string) string {
	if len(key) > maxQuotedKey {
		return strconv.Quote(key[:maxQuotedKey]) + "..."
	}
	return strconv.Quote(key)
}
