package golden

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
)

// File is an opened file of named golden values. It is closed at the end of the test that opened it.
type File struct {
	path string
	c    *checkpoint.Checkpoint
}

// Open opens a file or folder, as checkpoint.Open does. If it cannot, the test fails.
func Open(t testing.TB, path string) *File {
	t.Helper()
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &File{path: path, c: c}
}

// Names returns the names of all values, sorted.
func (f *File) Names() []string { return f.c.Names() }

// Has says whether there is a value of that name.
func (f *File) Has(name string) bool {
	_, ok := f.c.Get(name)
	return ok
}

// Float32 returns a copy of the named floats. Like the methods below, it fails the test if they are missing or of
// another type.
func (f *File) Float32(t testing.TB, name string) []float32 {
	t.Helper()
	values, err := f.get(t, name).Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// Int returns a copy of the named integers or booleans.
func (f *File) Int(t testing.TB, name string) []int {
	t.Helper()
	values, err := f.get(t, name).Int64s()
	if err != nil {
		t.Fatal(err)
	}
	ints := make([]int, len(values))
	for i, v := range values {
		ints[i] = int(v)
	}
	return ints
}

// Shape returns a copy of the shape of the named value. A scalar has none.
func (f *File) Shape(t testing.TB, name string) []int {
	t.Helper()
	return slices.Clone(f.get(t, name).Shape)
}

func (f *File) get(t testing.TB, name string) checkpoint.Tensor {
	t.Helper()
	value, ok := f.c.Get(name)
	if !ok {
		t.Fatalf("golden: %s has no %q; it has %q", f.path, name, f.Names())
	}
	return value
}

// JSON reads a JSON file into v, a pointer.
func JSON(t testing.TB, path string, v any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("golden: %s: %v", path, err)
	}
}
