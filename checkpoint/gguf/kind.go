package gguf

import (
	"fmt"
	"reflect"
)

// kind is the type of a metadata value, by the format's number.
type kind uint32

const (
	kindString kind = 8
	kindArray  kind = 9
)

// kinds are the types of values. A string takes at least its length, an array its elements' kind and its length.
var kinds = [...]struct {
	name        string
	value, many reflect.Type // what a value and an array are in Go
	leastBytes  int
}{
	{"uint8", reflect.TypeFor[uint8](), reflect.TypeFor[[]uint8](), 1},
	{"int8", reflect.TypeFor[int8](), reflect.TypeFor[[]int8](), 1},
	{"uint16", reflect.TypeFor[uint16](), reflect.TypeFor[[]uint16](), 2},
	{"int16", reflect.TypeFor[int16](), reflect.TypeFor[[]int16](), 2},
	{"uint32", reflect.TypeFor[uint32](), reflect.TypeFor[[]uint32](), 4},
	{"int32", reflect.TypeFor[int32](), reflect.TypeFor[[]int32](), 4},
	{"float32", reflect.TypeFor[float32](), reflect.TypeFor[[]float32](), 4},
	{"bool", reflect.TypeFor[bool](), reflect.TypeFor[[]bool](), 1},
	{"string", reflect.TypeFor[string](), reflect.TypeFor[[]string](), 8},
	{"array", nil, reflect.TypeFor[[]any](), 12},
	{"uint64", reflect.TypeFor[uint64](), reflect.TypeFor[[]uint64](), 8},
	{"int64", reflect.TypeFor[int64](), reflect.TypeFor[[]int64](), 8},
	{"float64", reflect.TypeFor[float64](), reflect.TypeFor[[]float64](), 8},
}

// kindOf is the kind of a value, or of the elements of a slice. A value that the format does not have is not ok.
func kindOf(v any) (k kind, slice, ok bool) {
	t := reflect.TypeOf(v)
	for i, known := range kinds {
		if t != nil && (t == known.value || t == known.many) {
			return kind(i), t == known.many, true
		}
	}
	return 0, false, false
}

// nameOf is a value's type in words.
func nameOf(v any) string {
	k, slice, ok := kindOf(v)
	switch {
	case !ok:
		return fmt.Sprintf("of Go's type %T", v)
	case !slice:
		return "of type " + kinds[k].name
	}
	return "an array of type " + kinds[k].name
}

// integerOf is v as an int, where it is an integer that fits.
func integerOf(v reflect.Value) (int, bool) {
	switch {
	case v.CanInt():
		n := v.Int()
		return int(n), int64(int(n)) == n
	case v.CanUint():
		n := v.Uint()
		return int(n), int(n) >= 0 && uint64(int(n)) == n
	}
	return 0, false
}
