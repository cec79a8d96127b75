package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// reference is what safetensors 0.8.0 for Python writes for the same tensors.
const reference = "H\x01\x00\x00\x00\x00\x00\x00" + `{"__metadata__":{"format":"pt"},"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},` +
	`"a<é>\n":{"dtype":"F32","shape":[],"data_offsets":[8,12]},"z":{"dtype":"F32","shape":[1,2],"data_offsets":[12,20]},` +
	`"b.half":{"dtype":"BF16","shape":[2],"data_offsets":[20,24]},"none":{"dtype":"F16","shape":[0,3],"data_offsets":[24,24]}}    ` +
	"\xf9\xff\xff\xff\xff\xff\xff\xff\x00\x00@@\x00\x00\xc0?\x00\x00\x00\xc0\x80?\x00\xc0"

func referenceTensors() []Tensor {
	return []Tensor{
		BF16FromFloat32("b.half", []float32{1, -2}, 2),
		F32("z", []float32{1.5, -2}, 1, 2),
		F32("a<é>\n", []float32{3}),
		I64("ids", []int64{-7}, 1),
		F16("none", nil, 0, 3),
	}
}

func TestWriteAsReference(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := Write(path, referenceTensors(), map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != reference {
		t.Errorf("got %q, %v, want %q", got, err, reference)
	}
}

func TestWriteThenOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	tests := [][]Tensor{nil, referenceTensors(), {{Name: "raw", DType: "F8_E4M3", Shape: []int{2}, Data: []byte{1, 2}}}}
	for _, tensors := range tests {
		if err := Write(path, tensors, nil); err != nil {
			t.Fatal(err)
		}
		c, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Names()) != len(tensors) || len(c.Metadata()) != 0 {
			t.Errorf("got %v and metadata %v", c.Names(), c.Metadata())
		}
		for _, want := range tensors {
			got, _ := c.Get(want.Name)
			if got.DType != want.DType || got.Size() != want.Size() || len(got.Shape) != len(want.Shape) || !bytes.Equal(got.Data, want.Data) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A file can be rewritten from its own mapped tensors.
func TestWriteOverItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := Write(path, referenceTensors(), nil); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	z, _ := c.Get("z")
	z.Name = "renamed"
	if err := Write(path, []Tensor{z}, nil); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	got, _ := again.Get("renamed")
	if v, err := got.Float32s(); err != nil || !reflect.DeepEqual(v, []float32{1.5, -2}) {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestWriteErrors(t *testing.T) {
	x := F32("x", []float32{1}, 1)
	tests := []struct {
		name     string
		tensors  []Tensor
		metadata map[string]string
		want     string
	}{
		{"size", []Tensor{F32("x", []float32{1, 2}, 2, 3)}, nil, `tensor "x": shape [2 3] in F32 needs 24 bytes, its data has 8`},
		{"twice", []Tensor{x, x}, nil, `two tensors have the name "x"`},
		{"reserved", []Tensor{F32(metadataKey, []float32{1})}, nil, `cannot have the name "__metadata__"`},
		{"not UTF-8", []Tensor{F32("\xff", []float32{1})}, nil, `cannot have the name "\xff"`},
		{"type", []Tensor{{Name: "x", DType: "Q4"}}, nil, `unknown element type "Q4"`},
		{"metadata", nil, map[string]string{"a": "\xff"}, "metadata is not valid UTF-8"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		path := filepath.Join(dir, "model.safetensors")
		err := Write(path, tt.tensors, tt.metadata)
		checkError(t, tt.name, err, tt.want)
		checkError(t, tt.name, err, "checkpoint: write "+path+": ")
		checkFolder(t, dir, nil)
	}
}

// limited takes n bytes and then fails as a full disk does.
type limited struct {
	w io.Writer
	n int
}

var errFull = errors.New("no space left")

func (l *limited) Write(b []byte) (int, error) {
	if len(b) > l.n {
		return 0, errFull
	}
	l.n -= len(b)
	return l.w.Write(b)
}

// Wherever the disk runs full, the old file stays, and nothing else remains.
func TestFullDisk(t *testing.T) {
	ordered, header, err := makeHeader(referenceTensors(), map[string]string{"format": "pt"})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(reference); n += 9 {
		dir := put(t, map[string]any{"m": "old"})
		err := AtomicFile(filepath.Join(dir, "m"), func(w io.Writer) error {
			return writeSafetensors(&limited{w, n}, ordered, header)
		})
		if !errors.Is(err, errFull) {
			t.Fatalf("room for %d bytes: got %v", n, err)
		}
		checkFolder(t, dir, map[string]string{"m": "old"})
	}
}

// checkFolder compares all files of a folder with what they should be.
func checkFolder(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(b)
	}
	if len(got) != len(want) || (len(want) > 0 && !reflect.DeepEqual(got, want)) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
}
