package codec

import (
	"encoding"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

var errEmbeds = errors.New("a struct that embeds itself")

// embeds remembers what embedding found out, as an error or nil.
var embeds sync.Map

// embedding refuses types in which a struct embeds itself by pointer, over which the msgpack package recurses until the stack
// ends, which nothing could recover from. It looks at each type once.
func embedding(v any) error {
	t := reflect.TypeOf(v)
	if t == nil {
		return nil
	}
	known, ok := embeds.Load(t)
	if !ok {
		known, _ = embeds.LoadOrStore(t, embedsItself(t, map[reflect.Type]bool{}))
	}
	if known == true {
		return errEmbeds
	}
	return nil
}

// embedsItself goes through all types of which a value of t may be made, but for what interfaces hold.
func embedsItself(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return embedsItself(t.Elem(), seen)
	case reflect.Map:
		return embedsItself(t.Key(), seen) || embedsItself(t.Elem(), seen)
	case reflect.Struct:
		if endless(t, nil) {
			return true
		}
		for f := range t.Fields() {
			if (f.IsExported() || f.Anonymous) && embedsItself(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// endless says whether the fields of a struct, with those of the structs that it embeds in their place, have no end.
func endless(t reflect.Type, within []reflect.Type) bool {
	if slices.Contains(within, t) {
		return true
	}
	if ownForm(t) {
		return false
	}
	within = append(within, t)
	for f := range t.Fields() {
		tag := f.Tag.Get("msgpack")
		if !f.Anonymous || tag == "-" || strings.HasPrefix(tag, "-,") || strings.Contains(tag, ",noinline") {
			continue
		}
		e := f.Type
		for e.Kind() == reflect.Pointer {
			e = e.Elem()
		}
		if e.Kind() == reflect.Struct && endless(e, within) {
			return true
		}
	}
	return false
}

var ownForms = []reflect.Type{
	reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.Marshaler](),
	reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.TextMarshaler](),
}

// ownForm says whether the type writes itself, so that its fields do not matter.
func ownForm(t reflect.Type) bool {
	return slices.ContainsFunc(ownForms, func(form reflect.Type) bool {
		return t.Implements(form) || reflect.PointerTo(t).Implements(form)
	})
}
