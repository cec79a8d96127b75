package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// put writes the files of a folder: a string as it is, tensors as a safetensors file.
func put(t *testing.T, files map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o777)
		if text, ok := content.(string); ok && err == nil {
			err = os.WriteFile(path, []byte(text), 0o666)
		} else if err == nil {
			err = Write(path, content.([]Tensor), map[string]string{"file": name, "in " + name: "yes"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func one(names ...string) []Tensor {
	var tensors []Tensor
	for _, name := range names {
		tensors = append(tensors, F32(name, []float32{float32(len(name))}, 1))
	}
	return tensors
}

func TestOpenPaths(t *testing.T) {
	index := `{"metadata":{"total_size":8},"weight_map":{"a":"1.safetensors","bb":"sub/2.safetensors"}}`
	tests := []struct {
		name, path string
		files      map[string]any
		want       []string
	}{
		{"file", "any.bin", map[string]any{"any.bin": one("a")}, []string{"a"}},
		{"folder", ".", map[string]any{"model.safetensors": one("b", "a")}, []string{"a", "b"}},
		{"adapter", ".", map[string]any{"adapter_model.safetensors": one("a")}, []string{"a"}},
		{"one file before shards", ".", map[string]any{"model.safetensors": one("x"), "model.safetensors.index.json": "{"}, []string{"x"}},
		{"shards", ".", map[string]any{"model.safetensors.index.json": index, "1.safetensors": one("a"), "sub/2.safetensors": one("bb", "more")}, []string{"a", "bb", "more"}},
		{"index", "x.index.json", map[string]any{"x.index.json": index, "1.safetensors": one("a"), "sub/2.safetensors": one("bb")}, []string{"a", "bb"}},
	}
	for _, tt := range tests {
		c, err := Open(filepath.Join(put(t, tt.files), tt.path))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := c.Names(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got names %v, want %v", tt.name, got, tt.want)
		}
		for _, name := range c.Names() {
			x, _ := c.Get(name)
			if v, err := x.Float32s(); err != nil || v[0] != float32(len(name)) {
				t.Errorf("%s: %s: got %v, %v", tt.name, name, v, err)
			}
			if _, err := os.Stat(x.File); err != nil {
				t.Errorf("%s: %s: %v", tt.name, name, err)
			}
		}
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, ok := c.Get(tt.want[0]); ok {
			t.Errorf("%s: a tensor after Close", tt.name)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	index := func(weights string) string { return `{"weight_map":{` + weights + `}}` }
	const name = "model.safetensors.index.json"
	tests := []struct {
		name    string
		files   map[string]any
		missing bool
		want    string
	}{
		{"empty folder", nil, true, "holds none of model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json, adapter_model.safetensors, adapter_model.bin"},
		{"a folder as the file", map[string]any{"model.safetensors/x": ""}, false, "not a regular file"},
		{"bad file", map[string]any{"model.safetensors": "0123456789"}, false, "model.safetensors: not a safetensors file"},
		{"missing shards", map[string]any{name: index(`"a":"1","b":"2","c":"3"`), "1": one("a")}, true, "missing shards: 2, 3"},
		{"missing tensors", map[string]any{name: index(`"a":"1","b":"1","c":"2"`), "1": one("a", "c"), "2": one("d")}, false, `tensor "b" is missing in 1; tensor "c" is missing in 2`},
		{"twice", map[string]any{name: index(`"a":"1","b":"2"`), "1": one("a", "b", "x"), "2": one("b", "x")}, false, `tensor "b" is in each of 1, 2; tensor "x" is in each of 1, 2`},
		{"bad shard", map[string]any{name: index(`"a":"1"`), "1": "{}"}, false, "1: not a safetensors file: 2 bytes"},
		{"outside", map[string]any{name: index(`"a":"../1"`)}, false, `shard "../1" is outside of the folder`},
		{"absolute", map[string]any{name: index(`"a":"/etc/passwd"`)}, false, `shard "/etc/passwd" is outside of the folder`},
		{"no weights", map[string]any{name: `{"metadata":{}}`}, false, "weight_map is missing or empty"},
		{"not JSON", map[string]any{name: `{`}, false, "index.json: not valid JSON"},
		{"duplicate", map[string]any{name: index(`"a":"1","a":"1"`)}, false, `duplicate key "a"`},
		{"no string", map[string]any{name: index(`"a":1`)}, false, `found 1 where a string is expected`},
	}
	for _, tt := range tests {
		c, err := Open(put(t, tt.files))
		checkError(t, tt.name, err, tt.want)
		if c != nil || errors.Is(err, fs.ErrNotExist) != tt.missing {
			t.Errorf("%s: got %v, %v; fs.ErrNotExist should be %v", tt.name, c, err, tt.missing)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestMetadata(t *testing.T) {
	dir := put(t, map[string]any{
		"model.safetensors.index.json": `{"weight_map":{"a":"1","b":"2"}}`, "1": one("a"), "2": one("b"),
	})
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, want := c.Metadata(), map[string]string{"file": "1", "in 1": "yes", "in 2": "yes"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got["file"] = "changed"
	if c.Metadata()["file"] != "1" {
		t.Error("the caller's change reached the checkpoint")
	}
}

// TestReadData tests what replaces memory-mapping where there is none.
func TestReadData(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("0123456789"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for start, want := range map[int64]string{0: "0123456789", 8: "89", 10: ""} {
		for name, read := range map[string]func() ([]byte, func() error, error){
			"read":   func() ([]byte, func() error, error) { return readData(f, start, 10) },
			"mapped": func() ([]byte, func() error, error) { return mapFile(f, start, 10) },
		} {
			got, unmap, err := read()
			if err != nil || string(got) != want {
				t.Errorf("%s from %d: got %q, %v, want %q", name, start, got, err, want)
			} else if err := unmap(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, _, err := readData(f, 0, 11); err == nil {
		t.Error("a file that is too short: got no error")
	}
}

// TestMap maps an open file, which may then be closed, and reads what is not a file.
func TestMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("0123456789"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []io.ReaderAt{bytes.NewReader([]byte("0123456789")), f} {
		got, unmap, err := Map(r, 10)
		if err != nil {
			t.Fatal(err)
		}
		if r == f {
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if string(got) != "0123456789" {
			t.Errorf("got %q", got)
		}
		if err := unmap(); err != nil {
			t.Error(err)
		}
	}
	_, _, err = Map(bytes.NewReader(nil), -1)
	checkError(t, "negative", err, "a size of -1 bytes")
	_, _, err = Map(bytes.NewReader(nil), 1)
	checkError(t, "too short", err, "read the data")
}

// TestOpenReader opens files as bytes in memory and as open files.
func TestOpenReader(t *testing.T) {
	dir := put(t, map[string]any{"model.safetensors": one("a", "bb")})
	for path, names := range map[string][]string{
		filepath.Join(dir, "model.safetensors"):                                          {"a", "bb"},
		filepath.Join("..", "testdata", "golden", "torch", "views", "pytorch_model.bin"): nil,
	} {
		want, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []io.ReaderAt{bytes.NewReader(raw), f} {
			c, err := OpenReader(r, int64(len(raw)))
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Names(); !slices.Equal(got, want.Names()) || names != nil && !slices.Equal(got, names) {
				t.Errorf("%s: got %v, want %v", path, got, want.Names())
			}
			for _, name := range c.Names() {
				x, _ := c.Get(name)
				y, _ := want.Get(name)
				if x.DType != y.DType || !slices.Equal(x.Shape, y.Shape) || !bytes.Equal(x.Data, y.Data) || x.File != "" {
					t.Errorf("%s: %s: got %+v, want %+v", path, name, x, y)
				}
			}
			if _, err := OpenReader(r, int64(len(raw))-1); err == nil {
				t.Errorf("%s: cut off, but no error", path)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(f.Close(), want.Close()); err != nil {
			t.Error(err)
		}
	}
	if _, err := OpenReader(bytes.NewReader(nil), -1); err == nil {
		t.Error("a negative size is accepted")
	}
}
