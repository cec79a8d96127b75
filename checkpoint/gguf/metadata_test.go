package gguf

import (
	"errors"
	"math"
	"reflect"
	"testing"
)

func TestMetadataValues(t *testing.T) {
	m := &Metadata{}
	for k, v := range map[string]any{
		"u8": uint8(200), "i64": int64(-5), "u64": uint64(math.MaxUint64), "f32": float32(0.5), "f64": 0.25, "s": "text", "b": true,
		"strings": []string{"a"}, "bools": []bool{true}, "ints": []uint16{1, 2}, "huge": []uint64{1, math.MaxUint64},
		"floats": []float32{1}, "doubles": []float64{2}, "general.architecture": "llama",
	} {
		m.Set(k, v)
	}
	any1 := func(v any, err error) any {
		if err != nil {
			return err.Error()
		}
		return v
	}
	for _, tt := range []struct{ got, want any }{
		{any1(m.Int("u8")), 200},
		{any1(m.Int("i64")), -5},
		{any1(m.Int("u64")), "gguf: key u64 is of type uint64, want an integer"},
		{any1(m.Int("f32")), "gguf: key f32 is of type float32, want an integer"},
		{any1(m.Float("f32")), 0.5},
		{any1(m.Float("f64")), 0.25},
		{any1(m.Float("u8")), 200.0},
		{any1(m.Float("s")), "gguf: key s is of type string, want a number"},
		{any1(m.String("s")), "text"},
		{any1(m.String("b")), "gguf: key b is of type bool, want of type string"},
		{any1(m.Bool("b")), true},
		{any1(m.Strings("strings")), []string{"a"}},
		{any1(m.Strings("ints")), "gguf: key ints is an array of type uint16, want an array of type string"},
		{any1(m.Bools("bools")), []bool{true}},
		{any1(m.Ints("ints")), []int{1, 2}},
		{any1(m.Ints("huge")), "gguf: key huge is an array of type uint64, want an array of integers"},
		{any1(m.Ints("u8")), "gguf: key u8 is of type uint8, want an array of integers"},
		{any1(m.Ints("strings")), "gguf: key strings is an array of type string, want an array of integers"},
		{any1(m.Floats("floats")), []float32{1}},
		{any1(m.Floats("doubles")), []float32{2}},
		{any1(m.Floats("ints")), "gguf: key ints is an array of type uint16, want an array of floating-point numbers"},
		{any1(m.Architecture()), "llama"},
		{any1(m.Int("string")), "gguf: no such key: string; did you mean strings?"},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("got %v, want %v", tt.got, tt.want)
		}
	}
	for name, get := range map[string]func(string) error{
		"String": func(k string) error { _, err := m.String(k); return err }, "Int": func(k string) error { _, err := m.Int(k); return err },
		"Ints": func(k string) error { _, err := m.Ints(k); return err }, "Float": func(k string) error { _, err := m.Float(k); return err },
		"Floats": func(k string) error { _, err := m.Floats(k); return err },
	} {
		if err := get("none"); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: got %v, want ErrNoKey", name, err)
		}
	}
}

func TestMetadataOrder(t *testing.T) {
	var m Metadata
	if m.Has("a") || len(m.Keys()) > 0 {
		t.Error("the zero value is not empty")
	}
	for _, k := range []string{"b", "a", "c", "a"} {
		m.Set(k, k)
	}
	c := m.Clone()
	c.Delete("b")
	c.Delete("none")
	c.Set("d", true)
	if got, want := m.Keys(), []string{"b", "a", "c"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := c.Keys(), []string{"a", "c", "d"}; !reflect.DeepEqual(got, want) || c.Has("b") {
		t.Errorf("got %v, want %v", got, want)
	}
	m.Keys()[0] = "changed"
	if m.Keys()[0] != "b" {
		t.Error("the caller's change reached the metadata")
	}
}
