package monitor

import "encoding/json"

// Value is a figure that may not be known: a server that does not report it, a user who may not ask. The zero value is
// "not known", which is never the same as 0. In JSON it is null.
type Value[T any] struct {
	v  T
	ok bool
}

// Known returns a Value that holds v.
func Known[T any](v T) Value[T] { return Value[T]{v: v, ok: true} }

// Get returns the figure, and whether it is known.
func (v Value[T]) Get() (T, bool) { return v.v, v.ok }

// Or returns the figure, or def where it is not known.
func (v Value[T]) Or(def T) T {
	if v.ok {
		return v.v
	}
	return def
}

// MarshalJSON writes the figure, or null where it is not known.
func (v Value[T]) MarshalJSON() ([]byte, error) {
	if !v.ok {
		return []byte("null"), nil
	}
	return json.Marshal(v.v)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value[T]) UnmarshalJSON(text []byte) error {
	*v = Value[T]{}
	if string(text) == "null" {
		return nil
	}
	if err := json.Unmarshal(text, &v.v); err != nil {
		return err
	}
	v.ok = true
	return nil
}
