package codec

import (
	"errors"
	"fmt"
	"reflect"
)

// MaxDepth is how deep the values that [Msgpack] takes may be nested. Each array, map, struct or pointer to one within
// another is one level. JSON has its own bound, 10,000 levels, which the standard library sets.
const MaxDepth = 1000

// Codec turns values into bytes and back. Implementations are safe for concurrent use, do not keep data, and do not let
// what they decode share memory with it.
type Codec interface {
	// Marshal returns the bytes of v, which the caller may keep and change.
	Marshal(v any) ([]byte, error)
	// Unmarshal decodes data into what v, a pointer that is not nil, points to. What the bytes do not mention is left as
	// it was, so pass a zero value unless that is what you want. After an error the value may be half filled.
	Unmarshal(data []byte, v any) error
	// Name says which codec this is, for messages: "msgpack".
	Name() string
}

// The codecs. They hold no state.
var (
	// Msgpack is MessagePack, with nil and empty slices and maps told apart. Struct tags are those of
	// github.com/vmihailenco/msgpack/v5 (`msgpack:"name"`). A time keeps its instant, not its zone. Unexported fields are
	// not stored.
	Msgpack Codec = msgpackCodec{}
	// JSON is encoding/json: NaN and infinities are refused, and invalid UTF-8 in strings is replaced.
	JSON Codec = jsonCodec{}
	// String stores strings, []byte, integers, floats and booleans, and types based on those, as plain text; everything
	// else is refused. Booleans are 1 and 0, as go-redis writes them.
	String Codec = stringCodec{}
)

// Error is the error of every codec.
type Error struct {
	Codec string // the codec's name
	Op    string // "marshal" or "unmarshal"
	Type  string // the Go type of the value, such as "*main.User"
	Err   error  // the cause
}

// Error names the codec, the type and the cause.
func (e *Error) Error() string {
	return fmt.Sprintf("codec: %s: %s %s: %v", e.Codec, e.Op, e.Type, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The causes that are this package's own.
var (
	errDepth     = fmt.Errorf("nested deeper than %d levels, or holding itself", MaxDepth)
	errTruncated = errors.New("the bytes end within the value")
	errTrailing  = errors.New("bytes follow after the value")
	errNoBytes   = errors.New("no bytes")
	errPointer   = errors.New("the target is not a pointer that can be decoded into")
	errPointers  = errors.New("a pointer to itself")
)

func marshalError(codec string, v any, err error) error {
	return &Error{Codec: codec, Op: "marshal", Type: typeName(v), Err: err}
}

func unmarshalError(codec string, v any, err error) error {
	return &Error{Codec: codec, Op: "unmarshal", Type: typeName(v), Err: err}
}

func typeName(v any) string {
	if v == nil {
		return "nil"
	}
	return reflect.TypeOf(v).String()
}

// recovered turns a panic into an error: types bring their own methods, and decoders lean on them.
func recovered(err *error) {
	if p := recover(); p != nil {
		if cause, ok := p.(error); ok {
			*err = fmt.Errorf("panic: %w", cause)
		} else {
			*err = fmt.Errorf("panic: %v", p)
		}
	}
}

// target checks that v is a pointer that can be decoded into.
func target(v any) error {
	if rv := reflect.ValueOf(v); rv.Kind() != reflect.Pointer || rv.IsNil() {
		return errPointer
	}
	return pointers(v)
}

// pointers refuses types such as `type P *P`, over whose depth the decoders would recurse for ever.
func pointers(v any) error {
	t := reflect.TypeOf(v)
	for range 16 {
		if t == nil || t.Kind() != reflect.Pointer {
			return nil
		}
		t = t.Elem()
	}
	return errPointers
}
