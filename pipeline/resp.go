package pipeline

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"unsafe"
)

// errorReply returns the text of a raw reply that is an error.
func errorReply(raw []byte) (text string, ok bool) {
	if len(raw) < 3 || raw[0] != '-' {
		return "", false
	}
	return string(bytes.TrimRight(raw[1:], "\r\n")), true
}

// bulks reads a raw reply that is an array of n strings or nils, and says whether
// it is one. The strings lie in raw, which nobody may change any more.
func bulks(raw []byte, n int, each func(i int, text string, found bool)) bool {
	line, rest, ok := cutLine(raw)
	if !ok || line[0] != '*' || length(line) != n {
		return false
	}
	for i := range n {
		if line, rest, ok = cutLine(rest); !ok {
			return false
		}
		size := length(line)
		switch {
		case line[0] == '_' || line[0] == '$' && size == -1:
			each(i, "", false)
		case line[0] == '$' && size >= 0 && len(rest) >= size+2:
			each(i, unsafe.String(unsafe.SliceData(rest), size), true)
			rest = rest[size+2:]
		default:
			return false
		}
	}
	return len(rest) == 0
}

// cutLine cuts off a line, which is not empty.
func cutLine(raw []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(raw, '\n')
	if i < 2 || raw[i-1] != '\r' {
		return nil, nil, false
	}
	return raw[:i-1], raw[i+1:], true
}

// length reads the number behind a line's first byte, -2 if there is none.
func length(line []byte) int {
	if len(line) == 3 && line[1] == '-' && line[2] == '1' {
		return -1
	}
	n, err := strconv.ParseUint(string(line[1:]), 10, 31)
	if err != nil {
		return -2
	}
	return int(n)
}

// replyBuffer takes a raw reply.
type replyBuffer struct{ b []byte }

// Write appends p.
func (r *replyBuffer) Write(p []byte) (int, error) {
	r.b = append(r.b, p...)
	return len(p), nil
}

// ReadFrom appends what src has: go-redis hands over each value as a reader that
// knows its length.
func (r *replyBuffer) ReadFrom(src io.Reader) (int64, error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{r}, src)
	}
	var total int64
	for limited.N > 0 {
		// By pieces, so that a length that is not true reserves no memory.
		n := int(min(limited.N, 1<<20))
		from := len(r.b)
		r.b = slices.Grow(r.b, n)[:from+n]
		read, err := io.ReadFull(limited, r.b[from:])
		r.b = r.b[:from+read]
		total += int64(read)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
