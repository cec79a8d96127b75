package gguf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/tensor"
)

// checkError wants an error of one line that holds a text.
func checkError(t *testing.T, name string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got error %v, want %q", name, err, want)
	} else if strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: more than one line: %q", name, err)
	}
}

// everyKind are metadata with a value and an array of every kind.
func everyKind() *Metadata {
	m := &Metadata{}
	for _, v := range []any{
		uint8(1), int8(-1), uint16(math.MaxUint16), int16(math.MinInt16), uint32(math.MaxUint32), int32(math.MinInt32), uint64(math.MaxUint64),
		int64(math.MinInt64), float32(0.5), math.Pi, true, false, "text", "",
		[]uint8{1, 2}, []int8{-1}, []uint16{3}, []int16{-3}, []uint32{4}, []int32{-4}, []uint64{5}, []int64{-5}, []float32{1.5}, []float64{2.5},
		[]bool{true, false}, []string{"a", "", "ü"}, []string{}, []any{}, []any{[]string{"x"}, []int32{1}, []any{[]bool{true}}},
	} {
		m.Set(fmt.Sprintf("key.%d", len(m.Keys())), v)
	}
	return m
}

func write(t testing.TB, m *Metadata, entries ...Entry) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := Write(t.Context(), path, m, entries); err != nil {
		t.Fatal(err)
	}
	return path
}

// ramp is a matrix of small numbers, all different.
func ramp(rows, cols int) tensor.Matrix {
	m := tensor.New(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(math.Sin(float64(i)*0.7)) / 8
	}
	return m
}

func TestWriteAndOpen(t *testing.T) {
	m, x := everyKind(), ramp(6, 512)
	vector := Tensor{Name: "norm", Type: F32, Shape: []int{3}, Data: floatBytes([]float32{1, 2, 3})}
	numbers := Tensor{Name: "ids", Type: I32, Shape: []int{}, Data: []byte{7, 0, 0, 0}}
	path := write(t, m, vector.Entry(), Quantized("w", Q8_0, x, 2, 3, 512), numbers.Entry(), Quantized("v", BF16, x, 6, 512))
	f := open(t, path)
	if got := f.Metadata(); !reflect.DeepEqual(got, m) {
		t.Errorf("got metadata %v, want %v", got, m)
	}
	if got, want := f.Names(), []string{"ids", "norm", "v", "w"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got names %v, want %v", got, want)
	}
	for i, want := range []struct {
		name  string
		typ   Type
		shape []int
	}{{"norm", F32, []int{3}}, {"w", Q8_0, []int{2, 3, 512}}, {"ids", I32, []int{}}, {"v", BF16, []int{6, 512}}} {
		got := f.Tensors()[i]
		if got.Name != want.name || got.Type != want.typ || !reflect.DeepEqual(got.Shape, want.shape) || got.File != path {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	w, ok := f.Get("w")
	if !ok {
		t.Fatal("no w")
	}
	values, err := w.Float32s()
	golden.Close(t, "w", values, x.Data, 0.125/127/2+0.125/2048, false) // half a step, and the rounding of the scale
	if err != nil || w.Size() != 6*512 {
		t.Errorf("got %d values, %v", w.Size(), err)
	}
	ids, _ := f.Get("ids")
	if got, err := ids.Int64s(); err != nil || !reflect.DeepEqual(got, []int64{7}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, ok := f.Get("none"); ok {
		t.Error("there is no such tensor")
	}
}

// TestWriteIsStable writes the same bytes again, from what was read, over the file that is read, and as Python's gguf did.
func TestWriteIsStable(t *testing.T) {
	paths := []string{write(t, everyKind(), Quantized("a", Q4K, ramp(3, 256), 3, 256), Quantized("b", Q5_1, ramp(5, 32), 5, 32))}
	for _, root := range golden.Roots(t, "gguf") {
		files, err := filepath.Glob(filepath.Join(root, "*.gguf"))
		if err != nil || files == nil {
			t.Fatal(root, err)
		}
		paths = append(paths, files...)
	}
	for _, path := range paths {
		want := read(t, path)
		again := filepath.Join(t.TempDir(), "again.gguf")
		if err := os.WriteFile(again, want, 0o666); err != nil {
			t.Fatal(err)
		}
		f := open(t, again)
		var entries []Entry
		for _, x := range f.Tensors() {
			entries = append(entries, x.Entry())
		}
		if err := Write(t.Context(), again, f.Metadata(), entries); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, again), want) {
			t.Errorf("%s: other bytes when written again", path)
		}
	}
}

func TestWriteAlignment(t *testing.T) {
	for _, n := range []int{8, 32, 4096} {
		m := &Metadata{}
		m.Set(alignmentKey, uint32(n))
		one := func(name string) Entry {
			return Tensor{Name: name, Type: I8, Shape: []int{5}, Data: []byte(name + name + name + name + name)}.Entry()
		}
		f := open(t, write(t, m, one("a"), one("b")))
		for _, x := range f.Tensors() {
			if string(x.Data) != strings.Repeat(x.Name, 5) {
				t.Errorf("alignment %d: %s is %q", n, x.Name, x.Data)
			}
		}
		size := len(read(t, f.tensors[0].File))
		if size%n != 0 {
			t.Errorf("alignment %d: a file of %d bytes", n, size)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	set := func(key string, value any) *Metadata {
		m := &Metadata{}
		m.Set(key, value)
		return m
	}
	x := ramp(2, 64)
	nan := tensor.View([]float32{0, float32(math.NaN())}, 1, 2)
	failed := errors.New("failed")
	tests := []struct {
		name    string
		m       *Metadata
		entries []Entry
		want    string
	}{
		{"Go's int", set("k", 1), nil, `metadata key "k": a value of Go's type int; GGUF has uint8`},
		{"nothing", set("k", nil), nil, "a value of Go's type <nil>"},
		{"a struct in an array", set("k", []any{struct{}{}}), nil, "element 0 is of Go's type struct {}"},
		{"a number in an array of arrays", set("k", []any{uint8(1)}), nil, "element 0 is of type uint8; those of []any must be slices"},
		{"deep", set("k", []any{[]any{[]any{[]any{[]int8{}}}}}), nil, "more than 4 deep"},
		{"no key", set("", true), nil, "a key of 0 bytes"},
		{"long key", set(strings.Repeat("k", 1<<16), true), nil, "a key of 65536 bytes"},
		{"alignment", set(alignmentKey, uint32(24)), nil, "general.alignment is 24, want a power of two from 8"},
		{"alignment's type", set(alignmentKey, int32(32)), nil, "general.alignment is of type int32, want one of type uint32"},
		{"no name", &Metadata{}, []Entry{Quantized("", F32, x, 2, 64)}, "a name of 0 bytes"},
		{"long name", &Metadata{}, []Entry{Quantized(strings.Repeat("x", 64), F32, x, 2, 64)}, "a name of 64 bytes, want 1 to 63"},
		{"twice", &Metadata{}, []Entry{Quantized("x", F32, x, 2, 64), Quantized("x", F32, x, 2, 64)}, `tensor "x": another tensor has the same name`},
		{"row", &Metadata{}, []Entry{Quantized("x", Q4K, x, 2, 64)}, "rows of 64 values are not a whole number of Q4_K's blocks of 256"},
		{"dimensions", &Metadata{}, []Entry{Quantized("x", F32, x, 1, 1, 1, 2, 64)}, "5 dimensions; there are up to 4"},
		{"extent", &Metadata{}, []Entry{Quantized("x", F32, x, 0, 64)}, "an extent below 1"},
		{"overflow", &Metadata{}, []Entry{Quantized("x", F32, x, math.MaxInt, 64)}, "too large to count"},
		{"shape", &Metadata{}, []Entry{Quantized("x", F32, x, 4, 32)}, "does not fit values of 2 rows and 64 columns"},
		{"unwritten type", &Metadata{}, []Entry{Quantized("x", Q2K, ramp(1, 256), 1, 256)}, "unsupported type: Q2_K is not written; F32, F16, Q4_0"},
		{"removed type", &Metadata{}, []Entry{Quantized("x", 4, x, 2, 64)}, "Q4_2 was removed from the format"},
		{"unknown type", &Metadata{}, []Entry{Quantized("x", 99, x, 2, 64)}, "99 is no type that this program knows"},
		{"NaN", &Metadata{}, []Entry{Quantized("x", F16, nan, 1, 2)}, `tensor "x": from row 0 on: value 1 is NaN, which F16 cannot hold`},
		{"too few data", &Metadata{}, []Entry{{Name: "x", Type: F32, Shape: []int{2}, Data: func(io.Writer) error { return nil }}}, `tensor "x": its data have 0 bytes; shape [2] in F32 needs 8`},
		{"wrong tensor", &Metadata{}, []Entry{Tensor{Name: "x", Type: F32, Shape: []int{2}, Data: []byte{1}}.Entry()}, "shape [2] in F32 needs 8 bytes, its data has 1"},
		{"failing data", &Metadata{}, []Entry{{Name: "x", Type: F32, Shape: []int{2}, Data: func(io.Writer) error { return failed }}}, `tensor "x": failed`},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		path := filepath.Join(dir, "x.gguf")
		err := Write(t.Context(), path, tt.m, tt.entries)
		checkError(t, tt.name, err, tt.want)
		if err != nil && !strings.Contains(err.Error(), "write "+path+": ") {
			t.Errorf("%s: %q does not name the file", tt.name, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: files are left: %v, %v", tt.name, left, err)
		}
	}
	err := Write(t.Context(), filepath.Join(t.TempDir(), "x"), &Metadata{}, []Entry{Quantized("x", Q2K, ramp(1, 256), 1, 256)})
	if !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
}

func TestWriteCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := write(t, &Metadata{}, Quantized("old", F32, ramp(1, 2), 1, 2))
	stop := Entry{Name: "new", Type: F32, Shape: []int{1}, Data: func(w io.Writer) error {
		cancel()
		_, err := w.Write(make([]byte, 4))
		return err
	}}
	if err := Write(ctx, path, &Metadata{}, []Entry{stop}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if _, ok := open(t, path).Get("old"); !ok {
		t.Error("the old file is gone")
	}
}
