package gguf

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
)

// open opens a file, which is closed at the end of the test.
func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// floatBytes are the values as a .f32 file has them.
func floatBytes(x []float32) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, x)
	if err != nil {
		panic(err)
	}
	return b
}

// differs counts the values that are not the same to the bit.
func differs(got []float32, want []byte) (n int) {
	for i, x := range got {
		if math.Float32bits(x) != binary.LittleEndian.Uint32(want[4*i:]) {
			n++
		}
	}
	return n
}

// TestGoldenTypes compares the values of a tensor of each type with those of Python's gguf, to the bit.
func TestGoldenTypes(t *testing.T) {
	for _, root := range golden.Roots(t, "gguf") {
		f := open(t, filepath.Join(root, "types.gguf"))
		if len(f.Tensors()) < 15 {
			t.Errorf("%s: %d tensors", root, len(f.Tensors()))
		}
		for _, x := range f.Tensors() {
			want := read(t, filepath.Join(root, "ref_"+x.Type.String()+".f32"))
			got, err := x.Float32s()
			if err != nil {
				t.Error(err)
			} else if n := differs(got, want); n > 0 || 4*len(got) != len(want) {
				t.Errorf("%s: %s: %d of %d values differ", root, x.Name, n, len(want)/4)
			}
			src, err := x.Source()
			if err != nil {
				t.Fatal(err)
			}
			rows, cols := src.Dims()
			if rows != x.Shape[0] || cols != x.Shape[1] {
				t.Errorf("%s: %s: dims %d×%d of shape %v", root, x.Name, rows, cols, x.Shape)
			}
			src.Block(got, cols, 0, 0, rows, cols)
			if n := differs(got, want); n > 0 {
				t.Errorf("%s: %s as a source: %d of %d values differ", root, x.Name, n, len(want)/4)
			}
		}
	}
}

// splitmix64 fills b with the words of SplitMix64, as scripts/golden/gguf_files.py does.
func splitmix64(seed uint64, b []byte) {
	for i := 0; i < len(b); i += 8 {
		seed += 0x9E3779B97F4A7C15
		z := seed
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		copy(b[i:], binary.LittleEndian.AppendUint64(nil, z^z>>31))
	}
}

// scaleOffsets are where a block has half-precision numbers.
var scaleOffsets = map[Type][]int{F16: {0}, Q4_0: {0}, Q4_1: {0, 2}, Q5_0: {0}, Q5_1: {0, 2}, Q8_0: {0}, Q2K: {80, 82}, Q3K: {108},
	Q4K: {0, 2}, Q5K: {0, 2}, Q6K: {208}, IQ4NL: {0}, IQ4XS: {0}, MXFP4: nil}

// randomBlocks are blocks whose values are finite but for MXFP4's largest scales.
func randomBlocks(typ Type, count int) []byte {
	size := typ.BlockBytes()
	b := make([]byte, count*size)
	splitmix64(uint64(typ), b)
	for i := 0; i < len(b); i += size {
		for _, at := range scaleOffsets[typ] {
			if h := &b[i+at+1]; *h&0x7C == 0x7C {
				*h &= 0xBF
			}
		}
	}
	return b
}

// TestGoldenBlocks unpacks 4,000 random blocks of each type and compares the values with those of Python's gguf, to the
// bit.
func TestGoldenBlocks(t *testing.T) {
	var want map[string][]string
	golden.JSON(t, filepath.Join(golden.Repository(t), "testdata", "golden", "gguf", "blocks.json"), &want)
	if len(want) != len(scaleOffsets) {
		t.Errorf("%d types, want %d", len(want), len(scaleOffsets))
	}
	for name, hashes := range want {
		typ, err := ParseType(name)
		if err != nil {
			t.Fatal(err)
		}
		const count, part = 4000, 100
		x := Tensor{Type: typ, Shape: []int{count, typ.BlockValues()}, Data: randomBlocks(typ, count)}
		values, err := x.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		n := part * typ.BlockValues()
		for i, want := range hashes {
			sum := sha256.Sum256(floatBytes(values[i*n : (i+1)*n]))
			if got := hex.EncodeToString(sum[:8]); got != want {
				t.Errorf("%s: blocks %d to %d: values differ", name, i*part, (i+1)*part)
			}
		}
		if len(hashes) != count/part {
			t.Errorf("%s: %d hashes", name, len(hashes))
		}
	}
}

// TestGoldenMetadata reads a value and an array of each kind that Python's gguf wrote.
func TestGoldenMetadata(t *testing.T) {
	dir := filepath.Join(golden.Repository(t), "testdata", "golden", "gguf")
	var want []struct {
		Key, Kind string
		Value     any
	}
	dec := json.NewDecoder(bytes.NewReader(read(t, filepath.Join(dir, "metadata.json"))))
	dec.UseNumber()
	if err := dec.Decode(&want); err != nil {
		t.Fatal(err)
	}
	m := open(t, filepath.Join(dir, "metadata.gguf")).Metadata()
	var keys []string
	for _, w := range want {
		keys = append(keys, w.Key)
		v, ok := m.Get(w.Key)
		if !ok {
			t.Errorf("no key %s", w.Key)
			continue
		}
		if w.Kind != "ARRAY" && nameOf(v) != "of type "+strings.ToLower(w.Kind) {
			t.Errorf("%s is %s, want %s", w.Key, nameOf(v), w.Kind)
		}
		got, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := json.Marshal(w.Value)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(wanted) {
			t.Errorf("%s: got %s, want %s", w.Key, got, wanted)
		}
	}
	if !reflect.DeepEqual(m.Keys(), keys) {
		t.Errorf("got keys %v, want %v", m.Keys(), keys)
	}
}
