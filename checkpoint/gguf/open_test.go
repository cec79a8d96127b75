package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
)

// raw builds a file byte by byte: integers in their own size, strings with their length, bytes as they are.
func raw(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = appendString(b, p)
		case []byte:
			b = append(b, p...)
		default:
			var err error
			if b, err = binary.Append(b, binary.LittleEndian, p); err != nil {
				panic(err)
			}
		}
	}
	return b
}

// start is the beginning of a file.
func start(version uint32, tensors, keys uint64) []byte {
	return raw([]byte(magic), version, tensors, keys)
}

// tensorInfo is what a header says of a tensor; its shape is in the file's order.
func tensorInfo(name string, typ Type, offset uint64, shape ...uint64) []byte {
	b := raw(name, uint32(len(shape)))
	return append(append(b, raw(shape)...), raw(uint32(typ), offset)...)
}

// whole pads a header and adds a number of bytes of data.
func whole(header []byte, data int) []byte {
	return append(header, make([]byte, (32-len(header)%32)%32+data)...)
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func TestVersions(t *testing.T) {
	for version, want := range map[uint32]string{1: "GGUF version 1; versions 2 and 3 are read", 2: "", 3: "", 4: "GGUF version 4", 3 << 24: "a big-endian GGUF file"} {
		file := whole(join(start(version, 1, 1), raw("k", uint32(8), "v"), tensorInfo("x", F32, 0, 2, 3)), 24)
		f, err := OpenReader(bytes.NewReader(file), int64(len(file)))
		if want != "" {
			checkError(t, fmt.Sprint(version), err, want)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		x, _ := f.Get("x")
		if v, err := f.Metadata().String("k"); v != "v" || err != nil || !slices.Equal(x.Shape, []int{3, 2}) || x.File != "" {
			t.Errorf("version %d: got %q, %v, %+v", version, v, err, x)
		}
		if err := errors.Join(f.Close(), f.Close()); err != nil {
			t.Error(err)
		}
		if _, ok := f.Get("x"); ok {
			t.Error("a tensor after Close")
		}
	}
}

// hostile are files that must be refused, each with a part of its message.
func hostile() map[string][]byte {
	const many = 1 << 62
	key := func(kind uint32, rest ...any) []byte { return join(start(3, 0, 1), raw("k", kind), raw(rest...)) }
	one := func(info []byte, data int) []byte { return whole(join(start(3, 1, 0), info), data) }
	two := func(a, b []byte, data int) []byte { return whole(join(start(3, 2, 0), a, b), data) }
	deep := bytes.Repeat(raw(uint32(9), uint64(1)), 1000) // an array of one array, again and again
	return map[string][]byte{
		"not a GGUF file: it has 0 bytes":                        {},
		`not a GGUF file: it has 8 bytes and begins with "gguf"`: []byte("gguf\x03\x00\x00\x00"),
		"the file is cut off: it has 4 bytes":                    []byte(magic),
		"the file is cut off: it has 7 bytes":                    append([]byte(magic), 3, 0, 0),
		"the number of tensors needs 8 bytes, 4 follow":          append([]byte(magic), 3, 0, 0, 0, 0, 0, 0, 0),
		"4611686018427387904 tensors need at least 25 bytes":     start(3, many, 0),
		"4611686018427387904 keys need at least 14 bytes":        start(3, 0, many),
		"2 keys need at least 14 bytes each, 27 follow":          append(start(3, 0, 2), make([]byte, 27)...),
		"the key needs 4611686018427387904 bytes":                join(start(3, 0, 1), raw(uint64(many)), make([]byte, 20)),
		"a key of 0 bytes, want 1 to 65535":                      join(start(3, 0, 1), raw("", uint32(0), uint8(1)), make([]byte, 20)),
		`"k" is there twice`:                                     join(start(3, 0, 2), raw("k", uint32(0), uint8(1), "k", uint32(0), uint8(1))),
		`"k": a value of type 13; types are 0 to 12`:             key(13, uint64(0)),
		`"k": a string needs 9223372036854775807 bytes`:          key(8, uint64(1<<63-1)),
		"4611686018427387904 elements of type int8 need":         key(9, uint32(1), uint64(many)),
		"4611686018427387904 elements of type string need":       key(9, uint32(8), uint64(many)),
		"element 2 of 2: a string needs 9 bytes":                 key(9, uint32(8), uint64(2), "ok", uint64(9)),
		"an array of type 77":                                    key(9, uint32(77), uint64(0)),
		"4611686018427387904 elements of type array":             key(9, uint32(9), uint64(many)),
		"arrays in arrays, more than 4 deep":                     key(9, deep),
		"general.alignment is 0, want a power of two":            whole(join(start(3, 0, 1), raw(alignmentKey, uint32(4), uint32(0))), 0),
		"general.alignment is of type uint64":                    whole(join(start(3, 0, 1), raw(alignmentKey, uint32(10), uint64(32))), 0),
		"general.alignment is 33":                                whole(join(start(3, 0, 1), raw(alignmentKey, uint32(4), uint32(33))), 0),
		"tensor 1 of 1: a name of 0 bytes":                       one(tensorInfo("", F32, 0, 1), 32),
		`tensor 1 of 1, "x": 5 dimensions; there are up to 4`:    one(tensorInfo("x", F32, 0, 1, 1, 1, 1, 1), 32),
		`"x": an extent of 18446744073709551615 is too large`:    one(tensorInfo("x", F32, 0, 1<<64-1), 32),
		`"x": shape [4611686018427387904 2] is too large`:        one(tensorInfo("x", I8, 0, 2, many), 32),
		`"x": shape [0 1] has an extent below 1`:                 one(tensorInfo("x", F32, 0, 1, 0), 32),
		`"x": unsupported type: 43 is no type`:                   one(tensorInfo("x", 43, 0, 1), 32),
		`"x": unsupported type: Q4_3 was removed`:                one(tensorInfo("x", 5, 0, 32), 32),
		`"x": unsupported type: Q8_K is for computations`:        one(tensorInfo("x", 15, 0, 256), 320),
		`"x": rows of 33 values are not a whole number of Q8_0`:  one(tensorInfo("x", Q8_0, 0, 33), 64),
		`tensor 2 of 2, "x": another tensor has the same name`:   two(tensorInfo("x", F32, 0, 1), tensorInfo("x", F32, 32, 1), 64),
		`"x": the offset 4 is not a multiple of 32`:              one(tensorInfo("x", F32, 4, 1), 32),
		`"x": 400 bytes from offset 0 on reach beyond the 96`:    one(tensorInfo("x", F32, 0, 100), 96),
		`offset 18446744073709551584 on reach beyond the 96`:     one(tensorInfo("x", F32, 1<<64-32, 1), 96),
		"bytes from offset 0 on reach beyond the 0":              join(start(3, 1, 0), tensorInfo("x", F32, 0, 1)),
		`tensor "y": its data overlap those of "x"`:              two(tensorInfo("x", F32, 0, 9), tensorInfo("y", F32, 32, 1), 96),
		`tensor "b": its data overlap those of "a"`:              two(tensorInfo("b", F32, 0, 1), tensorInfo("a", F32, 0, 1), 96),
	}
}

// TestHostile wants one clear line for each, and no memory on the file's word.
func TestHostile(t *testing.T) {
	for want, file := range hostile() {
		var before, after runtime.MemStats
		r := bytes.NewReader(file)
		runtime.ReadMemStats(&before)
		f, err := OpenReader(r, int64(len(file)))
		runtime.ReadMemStats(&after)
		checkError(t, want, err, want)
		if f != nil {
			t.Errorf("%s: got a file and an error", want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(1<<16+8*len(file)) {
			t.Errorf("%s: took %d bytes for a file of %d", want, took, len(file))
		}
	}
}

// TestCutOff cuts a file at every byte.
func TestCutOff(t *testing.T) {
	file := read(t, write(t, everyKind(), Quantized("a", Q8_0, ramp(2, 64), 2, 64), Quantized("b", F32, ramp(1, 8), 1, 8)))
	for n := range len(file) {
		_, err := OpenReader(bytes.NewReader(file[:n]), int64(n))
		if err == nil {
			t.Fatalf("cut at %d of %d: no error", n, len(file))
		}
		checkError(t, fmt.Sprint(n), err, "gguf: ")
	}
	if _, err := OpenReader(bytes.NewReader(file), int64(len(file))); err != nil {
		t.Error(err)
	}
}

// TestLargeHeader is about a file whose header would have to be larger than one may be.
func TestLargeHeader(t *testing.T) {
	if testing.Short() || runtime.GOOS == "windows" {
		t.Skip("makes a sparse file of 1 GB")
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := os.WriteFile(path, join(start(3, 0, 1), raw("k", uint32(9), uint32(8), uint64(1<<26))), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Skip(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Open(path)
	runtime.ReadMemStats(&after)
	checkError(t, "sparse", err, "left of the 268435456 that a header may have")
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("took %d bytes", took)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none.gguf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	_, err := Open(dir)
	checkError(t, "a folder", err, "gguf: "+dir+": not a regular file")
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, []byte("no"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	checkError(t, "no GGUF", err, "gguf: "+path+": not a GGUF file")
	_, err = OpenReader(bytes.NewReader(nil), -1)
	checkError(t, "a negative size", err, "a size of -1 bytes")
}

// TestUnreadTypes opens a file with a type whose values are not read: its size is known, its values are refused by name.
func TestUnreadTypes(t *testing.T) {
	file := whole(join(start(3, 2, 0), tensorInfo("x", 17, 0, 256), tensorInfo("n", I16, 96, 2)), 128)
	f, err := OpenReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, _ := f.Get("x")
	_, err = x.Float32s()
	checkError(t, "values", err, `gguf: tensor "x": unsupported type: IQ2_XS is not read as floats; F32, F16, Q4_0`)
	if len(x.Data) != 74 || !errors.Is(err, ErrUnsupported) {
		t.Errorf("%d bytes, %v", len(x.Data), err)
	}
	_, err = x.Source()
	checkError(t, "source", err, "IQ2_XS is not read as floats")
	_, err = x.Int64s()
	checkError(t, "integers", err, "IQ2_XS is not read as integers; I8, I16, I32 and I64 are")
	n, _ := f.Get("n")
	_, err = n.Float32s()
	checkError(t, "floats of integers", err, "I16 is not read as floats")
	if v, err := n.Int64s(); err != nil || !slices.Equal(v, []int64{0, 0}) {
		t.Errorf("got %v, %v", v, err)
	}
}

// shard writes a file of a split model with one tensor.
func shard(t *testing.T, dir, name string, set map[string]any, tensor string) string {
	t.Helper()
	m := &Metadata{}
	m.Set("general.name", name)
	for k, v := range set {
		m.Set(k, v)
	}
	path := filepath.Join(dir, name)
	if err := Write(t.Context(), path, m, []Entry{Quantized(tensor, F32, ramp(1, 8), 1, 8)}); err != nil {
		t.Fatal(err)
	}
	return path
}

func splitKeys(no, count, tensors int) map[string]any {
	return map[string]any{splitNoKey: uint16(no), splitCountKey: uint16(count), splitTensorsKey: int32(tensors)}
}

func TestSplit(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i := range 3 {
		paths = append(paths, shard(t, dir, fmt.Sprintf("m-%05d-of-00003.gguf", i+1), splitKeys(i, 3, 3), string(rune('c'-i))))
	}
	for _, path := range paths {
		f := open(t, path)
		var names []string
		for i, x := range f.Tensors() {
			names = append(names, x.Name)
			if got, ok := f.Get(x.Name); !ok || got.File != paths[i] {
				t.Errorf("%s: %s is of %s, want %s", path, x.Name, got.File, paths[i])
			}
			if v, err := x.Float32s(); err != nil || golden.MaxAbs(v, ramp(1, 8).Data) != 0 {
				t.Errorf("got %v, %v", v, err)
			}
		}
		if !slices.Equal(names, []string{"c", "b", "a"}) {
			t.Errorf("got %v", names)
		}
		if got := f.Metadata().Keys(); !slices.Equal(got, []string{"general.name"}) {
			t.Errorf("got keys %v", got)
		}
		if name, err := f.Metadata().String("general.name"); name != filepath.Base(paths[0]) || err != nil {
			t.Errorf("got %s, %v; want the first file's", name, err)
		}
	}
	b := read(t, paths[1])
	f, err := OpenReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || !slices.Equal(f.Names(), []string{"b"}) {
		t.Errorf("one shard alone: %v", err)
	}
}

func TestSplitErrors(t *testing.T) {
	two := splitKeys(0, 2, 2)
	second := func(set map[string]any, tensor string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { shard(t, dir, "m-00002-of-00002.gguf", set, tensor) }
	}
	tests := []struct {
		name    string
		file    string
		set     map[string]any
		more    func(*testing.T, string)
		missing bool
		want    string
	}{
		{"missing", "m-00001-of-00002.gguf", two, nil, true, "missing files of the split model: m-00002-of-00002.gguf: file does not exist"},
		{"many missing", "m-00001-of-65535.gguf", splitKeys(0, 65535, 2), nil, true, "and 65524 more: file does not exist"},
		{"name", "m.gguf", two, nil, false, "it is file 1 of 2, so its name must end in -00001-of-00002.gguf"},
		{"other number", "m-00002-of-00002.gguf", two, nil, false, "so its name must end in -00001-of-00002.gguf"},
		{"number", "m-00001-of-00002.gguf", splitKeys(2, 2, 2), nil, false, "split.no is 2 and split.count 2"},
		{"negative", "m-00001-of-00002.gguf", map[string]any{splitNoKey: int32(-1), splitCountKey: int32(2)}, nil, false, "split.no is -1"},
		{"type", "m-00001-of-00002.gguf", map[string]any{splitNoKey: "a", splitCountKey: int32(2)}, nil, false, "key split.no is of type string, want an integer"},
		{"count's type", "m-00001-of-00002.gguf", map[string]any{splitCountKey: true}, nil, false, "key split.count is of type bool, want an integer"},
		{"no number", "m-00001-of-00002.gguf", map[string]any{splitCountKey: int32(2)}, nil, false, "no such key: split.no"},
		{"second is the first", "m-00001-of-00002.gguf", two, second(two, "y"), false, "split.no is 0 and split.count 2, want 1 and 2"},
		{"second is whole", "m-00001-of-00002.gguf", two, second(nil, "y"), false, "split.no is 0 and split.count 1, want 1 and 2"},
		{"same tensor", "m-00001-of-00002.gguf", two, second(splitKeys(1, 2, 2), "x"), false, `m-00002-of-00002.gguf: tensor "x" is in `},
		{"tensors", "m-00001-of-00002.gguf", splitKeys(0, 2, 3), second(splitKeys(1, 2, 3), "y"), false, "the model has 3 tensors, its 2 files hold 2"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		path := shard(t, dir, tt.file, tt.set, "x")
		if tt.more != nil {
			tt.more(t, dir)
		}
		_, err := Open(path)
		checkError(t, tt.name, err, tt.want)
		if errors.Is(err, fs.ErrNotExist) != tt.missing || err != nil && !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v; fs.ErrNotExist should be %v", tt.name, err, tt.missing)
		}
	}
}
