package profile

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// The plain forms: what redis-cli and other languages can read.

var (
	timeType = reflect.TypeFor[time.Time]()

	errTime = errors.New("not a time")
	errBool = errors.New("not a boolean")
)

type (
	encodeFunc func(v reflect.Value) (string, error) // v can be addressed
	decodeFunc func(text string, v reflect.Value) error
)

// plain returns how values of t are written plainly; ok is false for types that go through the codec. Kinds decide, not
// methods: an int with a MarshalText is stored as the number that it is, which comes back exactly.
func plain(t reflect.Type) (enc encodeFunc, dec decodeFunc, ok bool) {
	bits := 0
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value) (string, error) { return v.String(), nil },
			func(text string, v reflect.Value) error { v.SetString(text); return nil }, true
	case reflect.Bool:
		return encodeBool, decodeBool, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits = t.Bits()
		return func(v reflect.Value) (string, error) { return strconv.FormatInt(v.Int(), 10), nil },
			func(text string, v reflect.Value) error {
				n, err := strconv.ParseInt(text, 10, bits)
				v.SetInt(n)
				return cause(err)
			}, true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		bits = t.Bits()
		return func(v reflect.Value) (string, error) { return strconv.FormatUint(v.Uint(), 10), nil },
			func(text string, v reflect.Value) error {
				n, err := strconv.ParseUint(text, 10, bits)
				v.SetUint(n)
				return cause(err)
			}, true
	case reflect.Float32, reflect.Float64:
		bits = t.Bits()
		return func(v reflect.Value) (string, error) { return strconv.FormatFloat(v.Float(), 'g', -1, bits), nil },
			func(text string, v reflect.Value) error {
				f, err := strconv.ParseFloat(text, bits)
				if err != nil {
					return cause(err)
				}
				v.SetFloat(f)
				return nil
			}, true
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return func(v reflect.Value) (string, error) { return string(v.Bytes()), nil },
				func(text string, v reflect.Value) error {
					v.SetBytes(append([]byte{}, text...))
					return nil
				}, true
		}
	case reflect.Struct:
		if t == timeType {
			return encodeTime, decodeTime, true
		}
		if t.ConvertibleTo(timeType) { // a type of its own with time.Time beneath
			return func(v reflect.Value) (string, error) { return encodeTime(v.Convert(timeType)) },
				func(text string, v reflect.Value) error {
					at, err := parseTime(text)
					v.Set(reflect.ValueOf(at).Convert(t))
					return err
				}, true
		}
	}
	return nil, nil, false
}

func encodeBool(v reflect.Value) (string, error) {
	if v.Bool() {
		return "1", nil
	}
	return "0", nil
}

func decodeBool(text string, v reflect.Value) error {
	switch text {
	case "1", "true":
		v.SetBool(true)
	case "0", "false":
		v.SetBool(false)
	default:
		return errBool
	}
	return nil
}

// encodeTime writes RFC 3339 with all digits, which keeps the instant and the offset. What that form cannot hold (offsets
// of seconds, or of a day and more) is written in UTC, and years that have not four digits as seconds since 1970 behind @.
func encodeTime(v reflect.Value) (string, error) {
	t, ok := reflect.TypeAssert[time.Time](v)
	if !ok {
		return "", errTime
	}
	if _, offset := t.Zone(); offset%60 != 0 || offset <= -24*3600 || offset >= 24*3600 {
		t = t.UTC()
	}
	if y, z := t.Year(), t.UTC().Year(); y < 0 || y > 9999 || z < 0 || z > 9999 {
		return "@" + strconv.FormatInt(t.Unix(), 10) + "." + strconv.Itoa(t.Nanosecond()), nil
	}
	return t.Format(time.RFC3339Nano), nil
}

func decodeTime(text string, v reflect.Value) error {
	t, err := parseTime(text)
	if err != nil {
		return err
	}
	if to, ok := reflect.TypeAssert[*time.Time](v.Addr()); ok {
		*to = t
	}
	return nil
}

func parseTime(text string) (time.Time, error) {
	if rest, ok := strings.CutPrefix(text, "@"); ok {
		whole, part, _ := strings.Cut(rest, ".")
		sec, err := strconv.ParseInt(whole, 10, 64)
		nano, err2 := strconv.ParseInt(part, 10, 32)
		if err != nil || err2 != nil || nano < 0 || nano >= 1e9 {
			return time.Time{}, errTime
		}
		return time.Unix(sec, nano).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, errTime // the text is the server's, and may be long
	}
	return t, nil
}

// cause drops the text that strconv's errors repeat.
func cause(err error) error {
	if number, ok := errors.AsType[*strconv.NumError](err); ok {
		return number.Err
	}
	return err
}
