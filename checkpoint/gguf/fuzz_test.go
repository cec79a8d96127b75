package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
)

// FuzzOpen checks that a file that is accepted is what the format promises, and can be written back as it was read.
func FuzzOpen(f *testing.F) {
	for _, file := range hostile() {
		f.Add(file)
	}
	dir := filepath.Join(golden.Repository(f), "testdata", "golden", "gguf")
	f.Add(read(f, filepath.Join(dir, "metadata.gguf")))
	f.Add(read(f, write(f, everyKind(), Quantized("a", Q8_0, ramp(2, 64), 2, 64), Quantized("b", F32, ramp(1, 8), 1, 8))))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := OpenReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		defer file.Close()
		var entries []Entry
		for _, x := range file.Tensors() {
			if err := x.check(); err != nil {
				t.Fatal(err)
			}
			if _, err := x.Source(); (err == nil) != (x.Type.readable() == nil) {
				t.Fatal(err)
			}
			if x.Size() <= 1<<12 {
				_, _ = x.Float32s()
				_, _ = x.Int64s()
			}
			if len(x.Name) <= maxName {
				entries = append(entries, x.Entry())
			}
		}
		writesBack(t, file, entries)
	})
}

func writesBack(t *testing.T, file *File, entries []Entry) {
	h, err := makeHeader(file.metadata, entries)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := writeFile(t.Context(), &out, h, entries); err != nil {
		t.Fatal(err)
	}
	again, err := OpenReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !bytes.Equal(h.bytes, out.Bytes()[:len(h.bytes)]) || !reflect.DeepEqual(again.metadata.Keys(), file.metadata.Keys()) {
		t.Fatal("other metadata")
	}
	for _, e := range entries {
		got, _ := again.Get(e.Name)
		want, _ := file.Get(e.Name)
		if got.Type != want.Type || !reflect.DeepEqual(got.Shape, want.Shape) || !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("%q: got %+v, want %+v", e.Name, got, want)
		}
	}
}

// FuzzUnpack unpacks blocks of any bytes: all types give the same values whole and in parts.
func FuzzUnpack(f *testing.F) {
	for i, l := range layouts {
		if l.use == readable || l.use == writable {
			f.Add(uint8(i), 3, randomBlocks(Type(i), 2))
		}
	}
	f.Fuzz(func(t *testing.T, number uint8, skip int, b []byte) {
		typ := Type(number)
		if typ.readable() != nil {
			return
		}
		l := typ.layout()
		n := min(len(b)/l.bytes, 4) * l.values
		if n == 0 {
			return
		}
		x := Tensor{Type: typ, Shape: []int{1, n}, Data: b[:n/l.values*l.bytes]}
		blocks, err := x.blocks()
		if err != nil {
			t.Fatal(err)
		}
		whole, part := make([]float32, n), make([]float32, n)
		blocks.Block(whole, n, 0, 0, 1, n)
		skip = int(uint(skip) % uint(n))
		blocks.Block(part[:skip], skip, 0, 0, 1, skip)
		blocks.Block(part[skip:], n-skip, 0, skip, 1, n-skip)
		if differs(part, floatBytes(whole)) > 0 {
			t.Fatalf("%s: in two parts from %d on: other values", typ, skip)
		}
	})
}

// FuzzQuantize quantizes floats of any bits: an error, or finite values.
func FuzzQuantize(f *testing.F) {
	for _, typ := range writableTypes() {
		f.Add(uint8(typ), floatBytes(normal(1, typ.BlockValues())))
		f.Add(uint8(typ), floatBytes(make([]float32, typ.BlockValues())))
	}
	f.Fuzz(func(t *testing.T, number uint8, b []byte) {
		typ := Type(number)
		if typ.writable() != nil {
			return
		}
		x := make([]float32, typ.BlockValues())
		for i := range x {
			if len(b) >= 4 {
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i%(len(b)&^3):]))
			}
		}
		dst := make([]byte, typ.BlockBytes())
		if typ.Quantize(dst, x) != nil {
			return
		}
		y := make([]float32, len(x))
		if err := typ.Dequantize(y, dst); err != nil {
			t.Fatal(err)
		}
		for i, v := range y {
			if v-v != 0 {
				t.Fatalf("%s: value %d, %v, came back as %v", typ, i, x[i], v)
			}
		}
	})
}
