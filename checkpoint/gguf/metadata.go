package gguf

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/internal/wording"
)

// ErrNoKey is the error of a key that the metadata do not have.
var ErrNoKey = errors.New("no such key")

// Metadata is a file's keys and values, in the order in which the file has them. The zero value is empty and ready for
// use. A value is one of
//
//	uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64 bool string
//
// or a slice of one of these, or []any: an array of arrays, each of them a slice again. Slices are shared with the
// caller; nobody may change them.
type Metadata struct {
	keys   []string
	values map[string]any
}

// Keys returns the keys in order.
func (m *Metadata) Keys() []string { return slices.Clone(m.keys) }

// Get returns a key's value, and whether it is there.
func (m *Metadata) Get(key string) (any, bool) {
	v, ok := m.values[key]
	return v, ok
}

// Has says whether there is such a key.
func (m *Metadata) Has(key string) bool {
	_, ok := m.values[key]
	return ok
}

// Set gives a key a value. A new key is the last one; one that is there keeps its place. Write refuses a value that is
// not of one of the types above.
func (m *Metadata) Set(key string, value any) {
	if !m.Has(key) {
		m.keys = append(m.keys, key)
	}
	if m.values == nil {
		m.values = map[string]any{}
	}
	m.values[key] = value
}

// Delete removes a key, if it is there.
func (m *Metadata) Delete(key string) {
	if m.Has(key) {
		delete(m.values, key)
		m.keys = slices.DeleteFunc(m.keys, func(k string) bool { return k == key })
	}
}

// Clone returns a copy, to which keys can be added.
func (m *Metadata) Clone() *Metadata {
	return &Metadata{keys: slices.Clone(m.keys), values: maps.Clone(m.values)}
}

// String returns a string. Here and below, a missing key is ErrNoKey, and a value of another type is an error too.
func (m *Metadata) String(key string) (string, error) { return valueOf[string](m, key) }

// Bool returns a truth value.
func (m *Metadata) Bool(key string) (bool, error) { return valueOf[bool](m, key) }

// Strings returns an array of strings.
func (m *Metadata) Strings(key string) ([]string, error) { return valueOf[[]string](m, key) }

// Bools returns an array of truth values.
func (m *Metadata) Bools(key string) ([]bool, error) { return valueOf[[]bool](m, key) }

// Int returns an integer of any type.
func (m *Metadata) Int(key string) (int, error) {
	v, err := m.lookup(key)
	if err != nil {
		return 0, err
	}
	if n, ok := integerOf(reflect.ValueOf(v)); ok {
		return n, nil
	}
	return 0, wrongType(key, v, "an integer")
}

// Float returns a floating-point number of any type. An integer is no error.
func (m *Metadata) Float(key string) (float64, error) {
	v, err := m.lookup(key)
	if err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case float32:
		return float64(v), nil
	case float64:
		return v, nil
	}
	if n, ok := integerOf(reflect.ValueOf(v)); ok {
		return float64(n), nil
	}
	return 0, wrongType(key, v, "a number")
}

// Ints returns a copy of an array of integers of any type.
func (m *Metadata) Ints(key string) ([]int, error) {
	v, err := m.lookup(key)
	if err != nil {
		return nil, err
	}
	array := reflect.ValueOf(v)
	if array.Kind() != reflect.Slice {
		return nil, wrongType(key, v, "an array of integers")
	}
	out := make([]int, array.Len())
	for i := range out {
		n, ok := integerOf(array.Index(i))
		if !ok {
			return nil, wrongType(key, v, "an array of integers")
		}
		out[i] = n
	}
	return out, nil
}

// Floats returns an array of floating-point numbers, as float32.
func (m *Metadata) Floats(key string) ([]float32, error) {
	v, err := m.lookup(key)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []float32:
		return v, nil
	case []float64:
		out := make([]float32, len(v))
		for i, x := range v {
			out[i] = float32(x)
		}
		return out, nil
	}
	return nil, wrongType(key, v, "an array of floating-point numbers")
}

// Architecture returns general.architecture, which other keys begin with: llama, as in llama.block_count.
func (m *Metadata) Architecture() (string, error) { return m.String("general.architecture") }

func (m *Metadata) lookup(key string) (any, error) {
	v, ok := m.Get(key)
	if ok {
		return v, nil
	}
	near := ""
	if n := suggest.Nearest(key, m.keys); n != "" {
		near = fmt.Sprintf("; did you mean %s?", wording.Clip(n, maxQuoted))
	}
	return nil, fmt.Errorf("gguf: %w: %s%s", ErrNoKey, key, near)
}

func valueOf[T any](m *Metadata, key string) (T, error) {
	var want T
	v, err := m.lookup(key)
	if err != nil {
		return want, err
	}
	if t, ok := v.(T); ok {
		return t, nil
	}
	return want, wrongType(key, v, nameOf(want))
}

func wrongType(key string, v any, want string) error {
	return fmt.Errorf("gguf: key %s is %s, want %s", key, nameOf(v), want)
}
