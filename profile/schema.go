package profile

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/larder-go/larder/codec"
)

// schema is what New compiles of T: how each field is written and read, in the order of the struct. Afterwards nothing
// looks at names or tags again.
type schema struct {
	fields []field
	byName map[string]int
	names  []string // as HMGET takes them
}

type field struct {
	name   string
	arg    any // the name, boxed once
	path   string
	index  []int // for reflect's FieldByIndex
	typ    reflect.Type
	nils   bool // may be nil: what is nil is not stored but named in the meta field
	ptr    bool // a pointer: what it points to is stored
	enc    encodeFunc
	dec    decodeFunc
	packed bool // goes through the codec
}

var errNotStruct = errors.New("not a struct")

func compile(t reflect.Type, c codec.Codec) (*schema, error) {
	if t.Kind() != reflect.Struct || t == timeType {
		return nil, fmt.Errorf("%v: %w", t, errNotStruct)
	}
	s := &schema{byName: map[string]int{}}
	if err := s.add(t, t.String(), nil, c, nil); err != nil {
		return nil, err
	}
	if len(s.fields) == 0 {
		return nil, fmt.Errorf("%v: it has no fields that could be stored", t)
	}
	for _, f := range s.fields {
		s.names = append(s.names, f.name)
	}
	return s, nil
}

func (s *schema) add(t reflect.Type, path string, index []int, c codec.Codec, within []reflect.Type) error {
	if slices.Contains(within, t) {
		return fmt.Errorf("%s: it is embedded in itself", path)
	}
	within = append(within, t)
	for i := range t.NumField() {
		sf := t.Field(i)
		at := path + "." + sf.Name
		tag, tagged := sf.Tag.Lookup("profile")
		if tag == "-" {
			continue
		}
		own := append(append([]int(nil), index...), i)
		if sf.Anonymous && !tagged && sf.Type.Kind() == reflect.Struct && flat(sf.Type) {
			if err := s.add(sf.Type, at, own, c, within); err != nil {
				return err
			}
			continue
		}
		if !sf.IsExported() {
			if sf.Anonymous && sf.Type.Kind() == reflect.Pointer && sf.Type.Elem().Kind() == reflect.Struct {
				return fmt.Errorf("%s: an embedded pointer to a type that is not exported cannot be filled; embed the struct, or tag it profile:\"-\"", at)
			}
			if tagged {
				return fmt.Errorf("%s: the field is not exported, so its tag means nothing", at)
			}
			continue
		}
		name, err := fieldName(sf.Name, tag, tagged)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		if other, taken := s.byName[name]; taken {
			return fmt.Errorf("%s: the name %q is that of %s, too", at, name, s.fields[other].path)
		}
		f := field{name: name, arg: name, path: at, index: own, typ: sf.Type}
		if err := f.compile(c); err != nil {
			return err
		}
		s.byName[name] = len(s.fields)
		s.fields = append(s.fields, f)
	}
	return nil
}

// flat says whether an embedded struct is taken apart: not where it has a form of its own.
func flat(t reflect.Type) bool {
	return !t.ConvertibleTo(timeType) && !opaque(t, "")
}

func fieldName(goName, tag string, tagged bool) (string, error) {
	name := tag
	if !tagged {
		name = snake(goName)
	}
	switch {
	case name == "":
		return "", errors.New("the name in the tag is empty")
	case strings.Contains(name, ","):
		return "", fmt.Errorf("the tag %q has options, and there are none", tag)
	case strings.HasPrefix(name, reserved):
		return "", fmt.Errorf("the name %q begins with %s, which is reserved", name, reserved)
	case !utf8.ValidString(name) || strings.IndexFunc(name, unicode.IsControl) >= 0:
		return "", fmt.Errorf("the name %q cannot be shown", name)
	}
	return name, nil
}

// snake turns UserID into user_id, HTTPServer into http_server and X2 into x2.
func snake(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && runes[i-1] != '_' &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func (f *field) compile(c codec.Codec) error {
	t := f.typ
	if t.Kind() == reflect.Pointer {
		f.ptr, t = true, t.Elem()
	}
	switch f.typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		f.nils = true
	}
	if f.ptr {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			return fmt.Errorf("%s: %v: a pointer to what may itself be nil does not come back exactly", f.path, f.typ)
		}
	}
	var ok bool
	if f.enc, f.dec, ok = plain(t); ok {
		return nil
	}
	if err := storable(t, f.path, c, nil); err != nil {
		return err
	}
	f.packed = true
	f.enc = func(v reflect.Value) (string, error) {
		data, err := c.Marshal(v.Addr().Interface())
		return string(data), err
	}
	f.dec = func(text string, v reflect.Value) error {
		fresh := reflect.New(t) // codecs decode over what is there
		err := c.Unmarshal([]byte(text), fresh.Interface())
		if err == nil {
			v.Set(fresh.Elem())
		}
		return err
	}
	return f.try(t, c)
}

// try lets the codec encode a value of the type, so that a codec that does not store it says so in New.
func (f *field) try(t reflect.Type, c codec.Codec) (err error) {
	value, ok := sample(t, c.Name(), 0)
	if !ok {
		return nil
	}
	addressable := reflect.New(t)
	addressable.Elem().Set(value)
	data, err := c.Marshal(addressable.Interface())
	if err == nil {
		err = c.Unmarshal(data, reflect.New(t).Interface())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	return nil
}

// sample makes a value in which slices and maps have an element. It is not ok where types bring their own form, which may
// refuse any value that it did not make itself.
func sample(t reflect.Type, name string, depth int) (reflect.Value, bool) {
	v := reflect.New(t).Elem()
	if depth > 4 || t.ConvertibleTo(timeType) {
		return v, true
	}
	if opaque(t, name) {
		return v, false
	}
	switch t.Kind() {
	case reflect.Pointer:
		e, ok := sample(t.Elem(), name, depth+1)
		p := reflect.New(t.Elem())
		p.Elem().Set(e)
		v.Set(p)
		return v, ok
	case reflect.Slice:
		e, ok := sample(t.Elem(), name, depth+1)
		v.Set(reflect.Append(v, e))
		return v, ok
	case reflect.Map:
		k, ok := sample(t.Key(), name, depth+1)
		e, ok2 := sample(t.Elem(), name, depth+1)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(k, e)
		return v, ok && ok2
	case reflect.Array:
		if t.Len() > 0 {
			_, ok := sample(t.Elem(), name, depth+1)
			return v, ok
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if !t.Field(i).IsExported() {
				continue
			}
			e, ok := sample(t.Field(i).Type, name, depth+1)
			if !ok {
				return v, false
			}
			v.Field(i).Set(e)
		}
	}
	return v, true
}

// storable refuses the types that no codec brings back, with the path to them.
func storable(t reflect.Type, path string, c codec.Codec, within []reflect.Type) error {
	if slices.Contains(within, t) {
		return nil // a type may hold itself; it has been looked at
	}
	within = append(within, t)
	refuse := func(why string) error { return fmt.Errorf("%s: %v: %s", path, t, why) }
	switch t.Kind() {
	case reflect.Interface:
		return refuse("an interface does not say what to decode into")
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
		return refuse("it has no meaning in another process")
	}
	if opaque(t, c.Name()) || t.ConvertibleTo(timeType) {
		return nil
	}
	switch t.Kind() {
	case reflect.Complex64, reflect.Complex128:
		return refuse("complex numbers are not stored")
	case reflect.Pointer:
		switch t.Elem().Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			return refuse("a pointer to what may itself be nil does not come back exactly")
		}
		return storable(t.Elem(), path, c, within)
	case reflect.Slice, reflect.Array:
		return storable(t.Elem(), path+"[]", c, within)
	case reflect.Map:
		if err := storable(t.Key(), path+"[key]", c, within); err != nil {
			return err
		}
		if e := t.Elem(); e.Kind() != reflect.Pointer && marshals(reflect.PointerTo(e), c.Name()) && !marshals(e, c.Name()) {
			return refuse("the elements of a map cannot be addressed, and " + e.String() + " marshals by pointer; use map[...]*" + e.String())
		}
		return storable(t.Elem(), path+"[]", c, within)
	case reflect.Struct:
		stored := 0
		for sf := range t.Fields() {
			flattened := sf.Anonymous && sf.Type.Kind() == reflect.Struct
			if !sf.IsExported() && !flattened || skipped(sf, c) {
				continue
			}
			stored++
			if err := storable(sf.Type, path+"."+sf.Name, c, within); err != nil {
				return err
			}
		}
		if stored == 0 && t.NumField() > 0 {
			return refuse("it has no exported fields, so nothing of it would be stored")
		}
	}
	return nil
}

// skipped says whether the codec leaves the field out because its tag says so.
func skipped(sf reflect.StructField, c codec.Codec) bool {
	name := strings.TrimSuffix(c.Name(), "+s2")
	return sf.Tag.Get(name) == "-"
}

// opaque says whether a type, or a pointer to it, brings a form of its own and reads it back, which the codec of that name
// would use. The codecs of strangers may use any.
func opaque(t reflect.Type, name string) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	if t.Kind() != reflect.Pointer {
		t = reflect.PointerTo(t)
	}
	return marshals(t, name)
}

func marshals(t reflect.Type, name string) bool {
	p := t
	if t.Kind() != reflect.Pointer {
		p = reflect.PointerTo(t)
	}
	name = strings.TrimSuffix(name, "+s2")
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) && p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	if name != "msgpack" && t.Implements(reflect.TypeFor[json.Marshaler]()) && p.Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return true
	}
	return name != "json" &&
		(t.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()) && p.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]()) ||
			has(t, "EncodeMsgpack") && has(p, "DecodeMsgpack") || has(t, "MarshalMsgpack") && has(p, "UnmarshalMsgpack"))
}

func has(t reflect.Type, method string) bool {
	_, ok := t.MethodByName(method)
	return ok
}

// encode returns the names and texts of all fields of v, a pointer to a T, as arguments of HSET, and the names of those
// that are nil.
func (s *schema) encode(v reflect.Value) (pairs []any, nils []string, err error) {
	v = v.Elem()
	pairs = make([]any, 0, 2*len(s.fields))
	for i := range s.fields {
		f := &s.fields[i]
		text, isNil, err := f.encode(f.within(v))
		if err != nil {
			return nil, nil, err
		}
		if isNil {
			nils = append(nils, f.name)
			continue
		}
		pairs = append(pairs, f.arg, text)
	}
	return pairs, nils, nil
}

func (f *field) encode(v reflect.Value) (text string, isNil bool, err error) {
	if f.nils && v.IsNil() {
		return "", true, nil
	}
	if f.ptr {
		v = v.Elem()
	}
	text, err = f.enc(v)
	if err != nil {
		return "", false, fmt.Errorf("field %q: %w", f.name, err)
	}
	return text, false, nil
}

// decode fills v, a pointer to a zero T, from what was read. Fields of T, or of those that are wanted, which are neither
// there nor nil are an error; what T does not have is passed over.
func (s *schema) decode(h hash, m meta, wanted []*field, v reflect.Value) error {
	v = v.Elem()
	var few [64]bool
	seen := few[:]
	if len(s.fields) > len(few) {
		seen = make([]bool, len(s.fields))
	}
	next := 0 // hashes come mostly in the order in which they were written
	for _, p := range h {
		i, ok := next, true
		if next >= len(s.fields) || s.fields[next].name != p.name {
			if i, ok = s.byName[p.name]; !ok {
				continue
			}
		}
		next = i + 1
		seen[i] = true
		if err := s.fields[i].decode(p.text, v); err != nil {
			return err
		}
	}
	if wanted != nil {
		for _, f := range wanted {
			if err := f.missing(seen[s.byName[f.name]], m); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range s.fields {
		if err := s.fields[i].missing(seen[i], m); err != nil {
			return err
		}
	}
	return nil
}

func (f *field) missing(seen bool, m meta) error {
	if seen || f.nils && m.isNil(f.name) {
		return nil
	}
	return fmt.Errorf("%w: field %q is missing", ErrCorrupt, f.name)
}

// within finds the field in v, a T.
func (f *field) within(v reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return v.Field(f.index[0])
	}
	return v.FieldByIndex(f.index)
}

func (f *field) decode(text string, v reflect.Value) error {
	to := f.within(v)
	if f.ptr {
		fresh := reflect.New(f.typ.Elem())
		to.Set(fresh)
		to = fresh.Elem()
	}
	if err := f.dec(text, to); err != nil {
		return fmt.Errorf("%w: field %q: %w", ErrCorrupt, f.name, err)
	}
	return nil
}

// lookup finds fields by name; its error names all that are unknown.
func (s *schema) lookup(names []string) ([]*field, error) {
	fields := make([]*field, 0, len(names))
	var unknown []string
	for _, name := range names {
		i, ok := s.byName[name]
		if !ok {
			unknown = append(unknown, fmt.Sprintf("%.100q", name))
			continue
		}
		fields = append(fields, &s.fields[i])
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrUnknownField, strings.Join(unknown, ", "))
	}
	return fields, nil
}
