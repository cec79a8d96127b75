package checkpoint

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fileOf is a safetensors file with this header and n bytes of data.
func fileOf(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func parse(b []byte) ([]entry, map[string]string, int64, error) {
	return readSafetensors(bytes.NewReader(b), int64(len(b)))
}

func TestHeader(t *testing.T) {
	tests := []struct {
		name, header string
		data         int
		want         string // part of the error; empty: no error
	}{
		{"empty", `{}`, 0, ""},
		{"padding", `{}` + "  \n\t", 0, ""},
		{"scalar", `{"x":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4, ""},
		{"unknown field", `{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"later":{"a":[1,{}]}}}`, 1, ""},
		{"any order", `{"b":{"shape":[1],"data_offsets":[1,2],"dtype":"U8"},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 2, ""},
		{"empty tensor between", `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[0],"data_offsets":[1,1]},"c":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2, ""},
		{"six bits", `{"x":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}}`, 3, ""},
		{"name with escapes", `{"\u0061\"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1, ""},
		{"no metadata", `{"__metadata__":null}`, 0, ""},
		{"no header", ``, 0, "does not begin with {"},
		{"space before", ` {}`, 0, "does not begin with {"},
		{"array", `[]`, 0, "does not begin with {"},
		{"two objects", `{}{}`, 0, "not valid JSON"},
		{"zero padding", "{}\x00", 0, "not valid JSON"},
		{"comma", `{"x":{"dtype":"U8","shape":[1,],"data_offsets":[0,1]}}`, 1, "not valid JSON"},
		{"duplicate tensor", `{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0078":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0, `duplicate key "x"`},
		{"duplicate field", `{"x":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0, `tensor "x": duplicate key "dtype"`},
		{"duplicate metadata", `{"__metadata__":{"a":"1","a":"2"}}`, 0, `__metadata__: duplicate key "a"`},
		{"metadata number", `{"__metadata__":{"a":1}}`, 0, `__metadata__: found 1 where a string is expected`},
		{"metadata string", `{"__metadata__":"a"}`, 0, `__metadata__: found a where { is expected`},
		{"tensor null", `{"x":null}`, 0, `tensor "x": found <nil> where { is expected`},
		{"no shape", `{"x":{"dtype":"U8","data_offsets":[0,0]}}`, 0, `tensor "x": shape is missing`},
		{"field case", `{"x":{"DType":"U8","shape":[0],"data_offsets":[0,0]}}`, 0, `dtype is missing`},
		{"dtype number", `{"x":{"dtype":8,"shape":[0],"data_offsets":[0,0]}}`, 0, `dtype: found 8 where a string is expected`},
		{"unknown type", `{"x":{"dtype":"f32","shape":[0],"data_offsets":[0,0]}}`, 0, `unknown element type "f32"`},
		{"negative extent", `{"x":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}`, 0, `shape: -1 is not a whole number`},
		{"fraction", `{"x":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}`, 1, `shape: 1.0 is not a whole number`},
		{"exponent", `{"x":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}`, 1, `shape: 1e0 is not a whole number`},
		{"string extent", `{"x":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}`, 1, `shape: found 1 where a number is expected`},
		{"three offsets", `{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}`, 1, `data_offsets: 3 numbers where 2 are expected`},
		{"huge offsets", `{"x":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775807,9223372036854775808]}}`, 1, `not a whole number below 2^63`},
		{"overflow", `{"x":{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,0]}}`, 0, `is too large to count`},
		{"size", `{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,20]}}`, 20, `tensor "x": shape [2 3] in F32 needs 24 bytes, its data_offsets span 20`},
		{"half a byte", `{"x":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}`, 2, `fills no whole number of bytes`},
		{"beyond", `{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 3, `data_offsets [0 4] reach beyond the 3 bytes of data`},
		{"backwards", `{"x":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}`, 4, `data_offsets [4 0] end before they begin`},
		{"overlap", `{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6, `tensor "y": data_offsets [2 6] overlap those of tensor "x"`},
		{"hole", `{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"y":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3, `tensor "y": data_offsets [2 3] leave a hole: the data before end at 1`},
		{"trailing", `{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 3, `2 bytes after the last tensor`},
	}
	for _, tt := range tests {
		_, _, _, err := parse(fileOf(tt.header, tt.data))
		checkError(t, tt.name, err, tt.want)
	}
}

// checkError compares an error with a part of its text; empty means none.
func checkError(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: got error %q, want none", what, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: got error %v, want one with %q", what, err, want)
	}
}

// A stated length is compared with the file and with the limit before it is used.
func TestHeaderLength(t *testing.T) {
	tests := []struct {
		name string
		file []byte
		size int64 // of the file, which may contain only its beginning
		want string
	}{
		{"nothing", nil, 0, "not a safetensors file: 0 bytes"},
		{"seven bytes", make([]byte, 7), 7, "not a safetensors file: 7 bytes"},
		{"longer than the file", append(binary.LittleEndian.AppendUint64(nil, 3), "{}"...), 10, "a header of 3 bytes is stated, 2 bytes follow"},
		{"wraps around", append(binary.LittleEndian.AppendUint64(nil, 1<<64-8), "{}"...), 10, "a header of 18446744073709551608 bytes"},
		{"over the limit", binary.LittleEndian.AppendUint64(nil, maxHeader+1), 1 << 40, "over the format's limit of 100000000"},
		{"cut off while reading", fileOf("{}", 0)[:9], 10, "read the header: unexpected EOF"},
	}
	for _, tt := range tests {
		_, _, _, err := readSafetensors(bytes.NewReader(tt.file), tt.size)
		checkError(t, tt.name, err, tt.want)
	}
}

// FuzzOpen checks that a file that is accepted is what the format promises, and can be written back as it was.
func FuzzOpen(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("..", "testdata", "golden", "safetensors", "*"))
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range seeds {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, metadata, start, err := parse(b)
		if err != nil {
			return
		}
		at := uint64(start)
		var tensors []Tensor
		for _, e := range entries {
			tensor := Tensor{Name: e.name, DType: e.dtype, Shape: e.shape, Data: b[uint64(start)+e.begin : uint64(start)+e.end]}
			if uint64(start)+e.begin != at {
				t.Fatalf("%q begins at %d, the one before ends at %d", e.name, uint64(start)+e.begin, at)
			}
			at += uint64(len(tensor.Data))
			tensors = append(tensors, tensor)
			if _, err := tensor.Float32s(); err == nil && tensor.DType[0] != 'F' && tensor.DType != DTypeBF16 {
				t.Fatalf("%s read as floats", tensor.DType)
			}
			_, _ = tensor.Int64s()
			tensor.Uint16s()
		}
		if at != uint64(len(b)) {
			t.Fatalf("data end at %d of %d", at, len(b))
		}
		writesBack(t, tensors, metadata)
	})
}

func writesBack(t *testing.T, tensors []Tensor, metadata map[string]string) {
	ordered, header, err := makeHeader(tensors, metadata)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := writeSafetensors(&out, ordered, header); err != nil {
		t.Fatal(err)
	}
	again, _, _, err := parse(out.Bytes())
	if err != nil || len(again) != len(tensors) {
		t.Fatalf("written back: %d tensors of %d, %v", len(again), len(tensors), err)
	}
}

// FuzzIndex: an index is refused, or says for some tensors where they are.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata": {"total_size": 1}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}`))
	f.Add([]byte(`{"weight_map": {"a": "../x", "a": "y"}}`))
	f.Add([]byte(`{"weight_map": {}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if shards, err := readIndex(raw); err == nil && len(shards) == 0 {
			t.Error("no tensor, and no error")
		}
	})
}
