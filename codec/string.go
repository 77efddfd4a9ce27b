package codec

import (
	"errors"
	"reflect"
	"strconv"
)

var errPlain = errors.New("not a string, []byte, number or boolean")

type stringCodec struct{}

func (stringCodec) Name() string { return "string" }

func (c stringCodec) Marshal(v any) ([]byte, error) {
	switch v := v.(type) { // the common ones without reflection
	case string:
		return []byte(v), nil
	case []byte:
		return append([]byte{}, v...), nil
	case int:
		return strconv.AppendInt(nil, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(nil, v, 10), nil
	}
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer && !rv.IsNil() && rv.Type().Elem().Kind() != reflect.Pointer {
		rv = rv.Elem()
	}
	switch rv.Kind() {
	case reflect.String:
		return []byte(rv.String()), nil
	case reflect.Bool:
		if rv.Bool() {
			return []byte{'1'}, nil
		}
		return []byte{'0'}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(nil, rv.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(nil, rv.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return strconv.AppendFloat(nil, rv.Float(), 'g', -1, rv.Type().Bits()), nil
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			return append([]byte{}, rv.Bytes()...), nil
		}
	}
	return nil, marshalError(c.Name(), v, errPlain)
}

func (c stringCodec) Unmarshal(data []byte, v any) error {
	if err := decodeString(data, v); err != nil {
		return unmarshalError(c.Name(), v, err)
	}
	return nil
}

func decodeString(data []byte, v any) error {
	switch v := v.(type) {
	case *string:
		if v == nil {
			return errPointer
		}
		*v = string(data)
		return nil
	case *[]byte:
		if v == nil {
			return errPointer
		}
		*v = append([]byte{}, data...)
		return nil
	}
	if err := target(v); err != nil {
		return err
	}
	rv := reflect.ValueOf(v).Elem()
	if rv.Kind() == reflect.Pointer && rv.Type().Elem().Kind() != reflect.Pointer { // a **int gets an int of its own
		fresh := reflect.New(rv.Type().Elem())
		if err := setPlain(data, fresh.Elem()); err != nil {
			return err
		}
		rv.Set(fresh)
		return nil
	}
	return setPlain(data, rv)
}

func setPlain(data []byte, rv reflect.Value) error {
	switch rv.Kind() {
	case reflect.String:
		rv.SetString(string(data))
	case reflect.Bool:
		b, err := strconv.ParseBool(number(data))
		if err != nil {
			return cause(err)
		}
		rv.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(number(data), 10, rv.Type().Bits())
		if err != nil {
			return cause(err)
		}
		rv.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(number(data), 10, rv.Type().Bits())
		if err != nil {
			return cause(err)
		}
		rv.SetUint(n)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(number(data), rv.Type().Bits())
		if err != nil {
			return cause(err)
		}
		rv.SetFloat(f)
	case reflect.Slice:
		if rv.Type().Elem().Kind() != reflect.Uint8 {
			return errPlain
		}
		rv.SetBytes(append([]byte{}, data...))
	default:
		return errPlain
	}
	return nil
}

// number makes a string of what may be a number. A megabyte of digits is none.
func number(data []byte) string {
	const longest = 1100 // the longest exact decimal form of a float64 has fewer characters
	if len(data) > longest {
		return ""
	}
	return string(data)
}

// cause drops the text that strconv's errors repeat: it came from the server, and may be long or secret.
func cause(err error) error {
	if number, ok := errors.AsType[*strconv.NumError](err); ok {
		return number.Err
	}
	return err
}
