package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// zipOf packs names and contents, which alternate.
func zipOf(t testing.TB, method uint16, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: files[i], Method: method})
		if err == nil {
			_, err = f.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Pieces of pickles.

func pString(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func pInts(xs ...int64) string {
	out := ""
	for _, x := range xs {
		out += "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(x)))
	}
	return out
}

func pStorage(class string, n int64) string {
	return "(" + pString("storage") + "ctorch\n" + class + "\n" + pString("0") + pString("cpu") + pInts(n) + "tQ"
}

func pTensor(storage string, offset int64, shape, stride []int64) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + pInts(offset) + "(" + pInts(shape...) + "t(" + pInts(stride...) + "t\x89NtR"
}

// pDict is a whole pickle: a dict with a value for each key.
func pDict(pairs ...string) string {
	out := "\x80\x02}("
	for i := 0; i < len(pairs); i += 2 {
		out += pString(pairs[i]) + pairs[i+1]
	}
	return out + "u."
}

// torchFile is a file with this pickle and one storage of 6 float32.
func torchFile(t testing.TB, pickle string) []byte {
	return zipOf(t, zip.Store, "m/data.pkl", pickle, "m/data/0", strings.Repeat("\x00\x00\x80\x3f", 6))
}

var six = pStorage("FloatStorage", 6)

// pickleTest is a pickle and part of the error that it causes; empty: none.
type pickleTest struct{ name, pickle, want string }

// checkPickles reads each of them with a storage of 6 float32, in less than 1 MB of memory.
func checkPickles(t *testing.T, tests []pickleTest) {
	t.Helper()
	for _, tt := range tests {
		file := torchFile(t, tt.pickle)
		var err error
		if used := allocated(func() { _, err = readTorch("f", file) }); used > 1<<20 {
			t.Errorf("%s: took %d bytes of memory", tt.name, used)
		}
		checkError(t, tt.name, err, tt.want)
	}
}

func TestTorchGlobals(t *testing.T) {
	good := pTensor(six, 0, []int64{2, 3}, []int64{3, 1})
	checkPickles(t, []pickleTest{
		{"good", pDict("w", good), ""},
		{"other values", pDict("w", good, "n", "N", "x", "K\x01", "f", "G01234567", "b", "\x88", "l", "]K\x01a"), ""},
		{"a list within itself", pDict("w", good, "l", "]q\x01h\x01a"), ""},
		{"pairs", "\x80\x02ccollections\nOrderedDict\n]]" + pString("w") + "a" + good + "aa\x85R.", ""},
		{"attributes", "\x80\x02}" + pString("w") + good + "s}b.", ""},
		{"cuda", pDict("w", strings.Replace(good, "ctorch\nFloat", "ctorch.cuda\nFloat", 1)), ""},

		{"global", pDict("w", good, "x", "cos\nsystem\n"), `asks for "os.system", which a state dict does not need`},
		{"global on the stack", pDict("x", pString("builtins")+pString("eval")+"\x93"), `asks for "builtins.eval"`},
		{"global like ours", pDict("x", "cevil.torch\nFloatStorage\n"), `asks for "evil.torch.FloatStorage"`},
		{"dotted global", pDict("x", "ctorch\nx.FloatStorage\n"), `asks for "torch.x.FloatStorage"`},
		{"long global", pDict("x", "c"+strings.Repeat("x", 100000)+"\ny\n"), `xxx"…, which`},
		{"instance", "\x80\x02(ios\nsystem\n.", "byte 3: opcode 0x69 is not one"},
		{"extension", "\x80\x02\x82\x01.", "opcode 0x82"},
	})
}

func TestTorchTensors(t *testing.T) {
	good := pTensor(six, 0, []int64{2, 3}, []int64{3, 1})
	dims := make([]int64, 65)
	checkPickles(t, []pickleTest{
		{"empty beyond the storage", pDict("w", pTensor(six, 99, []int64{0, 3}, []int64{3, 1})), ""},
		{"storage too large", pDict("w", pTensor(pStorage("FloatStorage", 1<<40), 0, []int64{1 << 40}, []int64{1})), "the pickle states 4398046511104 bytes, the file has 24"},
		{"storage too small", pDict("w", pTensor(pStorage("FloatStorage", 5), 0, []int64{5}, []int64{1})), "the pickle states 20 bytes, the file has 24"},
		{"storage beyond counting", pDict("w", pTensor(pStorage("FloatStorage", 1<<62), 0, []int64{1}, []int64{1})), "too many to count"},
		{"negative storage", pDict("w", pTensor(pStorage("FloatStorage", -6), 0, []int64{1}, []int64{1})), "a storage with"},
		{"storage twice", pDict("w", good, "x", pStorage("HalfStorage", 6)), "is stated as 24 bytes of F32 and as 12 bytes of F16"},
		{"no such storage", pDict("w", strings.Replace(good, pString("0"), pString("../0"), 1)), `zip: "m/data/../0" is missing`},
		{"no storage", pDict("w", pTensor("N", 0, nil, nil)), "a tensor over None; want a storage"},

		{"too long", pDict("w", pTensor(six, 0, []int64{7}, []int64{1})), "does not fit in a storage of 6 elements"},
		{"offset", pDict("w", pTensor(six, 1, []int64{2, 3}, []int64{3, 1})), "from element 1 on does not fit"},
		{"negative offset", pDict("w", pTensor(six, -1, []int64{2}, []int64{1})), "negative offset -1"},
		{"negative stride", pDict("w", pTensor(six, 0, []int64{2}, []int64{-1})), "is not a count"},
		{"negative extent", pDict("w", pTensor(six, 0, []int64{-2}, []int64{1})), "is not a count"},
		{"stride overflow", pDict("w", pTensor(six, 0, []int64{3, 3}, []int64{1<<63 - 1, 1<<63 - 1})), "does not fit in a storage"},
		{"extent overflow", pDict("w", pTensor(six, 0, []int64{1 << 40, 1 << 40}, []int64{0, 0})), "too large to count"},
		{"repeated", pDict("w", pTensor(six, 0, []int64{1 << 20, 3}, []int64{0, 1})), "call contiguous() before saving"},
		{"strides", pDict("w", pTensor(six, 0, []int64{2, 3}, []int64{1})), "2 extents with 1 strides"},
		{"dims", pDict("w", pTensor(six, 0, dims, dims)), "65 extents with 65 strides; want as many, and at most 64"},
		{"name twice", pDict("w", good, "w", good), `tensor "w" is there twice`},
		{"name", "\x80\x02}K\x01" + good + "s.", "a tensor under an integer; want a name"},
	})
}

func TestPickleErrors(t *testing.T) {
	good := pTensor(six, 0, []int64{2, 3}, []int64{3, 1})
	checkPickles(t, []pickleTest{
		{"no dict", "\x80\x02" + good + ".", "the file holds a tensor; want a state dict"},
		{"key", "\x80\x02})Ns.", "a tuple of 0 as the key of a dict"},
		{"odd", "\x80\x02}(Nu.", "a key without a value"},
		{"set a list", "\x80\x02]NNs.", "set an item of a list"},
		{"append", "\x80\x02}Na.", "append to a dict"},
		{"call", "\x80\x02})R.", "a call of a dict"},
		{"call with a list", "\x80\x02ccollections\nOrderedDict\n]R.", "a call with a list; want a tuple"},
		{"attributes of a string", "\x80\x02" + pString("s") + "}b.", `attributes of the string "s"`},
		{"stack", "\x80\x02a.", "byte 2: the stack is empty"},
		{"below the mark", "\x80\x02N(0.", "the stack is empty"},
		{"nothing", "\x80\x02.", "the stack is empty"},
		{"mark", "\x80\x02t.", "no mark on the stack"},
		{"memo", "\x80\x02h\x05.", "nothing was stored as 5"},
		{"protocol", "\x80\x06.", "pickle protocol 6"},
		{"cut string", "\x80\x02X\xff\xff\xff\xffabc", "the pickle ends early"},
		{"cut long string", "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc", "the pickle ends early"},
		{"no stop", "\x80\x02}", "the pickle ends early"},
		{"persistent id", "\x80\x02NQ.", "a persistent id that is None"},
		{"module", "\x80\x02(" + pString("module") + "NNNNtQ.", "a persistent id that is a tuple of 5"},
	})
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Reading does not multiply what the pickle shares.
func TestTorchAmplification(t *testing.T) {
	pairs := "](" + strings.Repeat("("+pString("k")+"Nt", 1000) + "eq\x01"
	calls := strings.Repeat("ccollections\nOrderedDict\nh\x01\x85R0", 1000)
	side := strings.Repeat("\x00\x00\x80\x3f", 100*100)
	tensor := pTensor(pStorage("FloatStorage", 100*100), 0, []int64{100, 100}, []int64{1, 100})
	var many []string
	for i := range 100 {
		many = append(many, strings.Repeat("n", i+1), tensor)
	}
	tests := []struct {
		name, want string
		file       []byte
	}{
		{"lists", "more items in OrderedDicts than the pickle has bytes", torchFile(t, "\x80\x02"+pairs+calls+".")},
		{"transposed", "transposed tensors that are more than the file in all", zipOf(t, zip.Store, "m/data.pkl", pDict(many...), "m/data/0", side)},
	}
	for _, tt := range tests {
		var err error
		if used := allocated(func() { _, err = readTorch("f", tt.file) }); used > uint64(100*len(tt.file)) {
			t.Errorf("%s: a file of %d bytes took %d", tt.name, len(tt.file), used)
		}
		checkError(t, tt.name, err, tt.want)
	}
}

func TestTorchZips(t *testing.T) {
	good := pDict("w", pTensor(six, 0, []int64{2, 3}, []int64{3, 1}))
	data := strings.Repeat("\x00\x00\x80\x3f", 6)
	encrypted := torchFile(t, good)
	for _, mark := range []string{"PK\x03\x04", "PK\x01\x02"} {
		at := bytes.Index(encrypted, []byte(mark)) + 6 + 2*strings.Count(mark, "\x01")
		encrypted[at] |= 1
	}
	larger := torchFile(t, good) // its directory states that data/0 has 2³¹ bytes
	at := bytes.LastIndex(larger, []byte("PK\x01\x02"))
	for _, field := range []int{20, 24} {
		binary.LittleEndian.PutUint32(larger[at+field:], 1<<31)
	}
	tests := []struct {
		name, want string
		file       []byte
	}{
		{"good", "", torchFile(t, good)},
		{"little-endian", "", zipOf(t, zip.Store, "m/data.pkl", good, "m/byteorder", "little", "m/data/0", data)},
		{"bomb", "zip: \"m/data.pkl\" is compressed, which torch.save never does", zipOf(t, zip.Deflate, "m/data.pkl", good+strings.Repeat("\x00", 8<<20), "m/data/0", data)},
		{"large pickle", "data.pkl of 16777217 bytes, over the limit of 16777216", zipOf(t, zip.Store, "m/data.pkl", strings.Repeat("N", maxPickle+1))},
		{"encrypted", "is encrypted", encrypted},
		{"size in the directory", `zip: "m/data/0": 2147483648 bytes from byte`, larger},
		{"big-endian", `byte order "big"; want "little"`, zipOf(t, zip.Store, "m/data.pkl", good, "m/byteorder", "big", "m/data/0", data)},
		{"no pickle", "no NAME/data.pkl", zipOf(t, zip.Store, "data.pkl", good, "m/x/data.pkl", good, "m/xdata.pkl", good)},
		{"two pickles", `data.pkl both in "m/" and in "n/"`, zipOf(t, zip.Store, "m/data.pkl", good, "n/data.pkl", good)},
		{"entry twice", `"m/data/0" is there twice`, zipOf(t, zip.Store, "m/data.pkl", good, "m/data/0", data, "m/data/0", data)},
		{"no storage", `"m/data/0" is missing`, zipOf(t, zip.Store, "m/data.pkl", good)},
	}
	for _, tt := range tests {
		var err error
		if used := allocated(func() { _, err = readTorch("f", tt.file) }); used > 1<<20 {
			t.Errorf("%s: took %d bytes of memory", tt.name, used)
		}
		checkError(t, tt.name, err, tt.want)
	}
}

// A file is refused at whatever byte it is cut off.
func TestTorchCut(t *testing.T) {
	for _, name := range []string{"views", "views_legacy"} {
		raw, err := os.ReadFile(filepath.Join("..", "testdata", "golden", "torch", name, "pytorch_model.bin"))
		if err != nil {
			t.Fatal(err)
		}
		for n := 16; n < len(raw); n++ {
			if _, err := readTorch("f", raw[:n:n]); err == nil {
				t.Errorf("%s: read from %d of %d bytes", name, n, len(raw))
			}
		}
	}
}

func TestTorchLegacyErrors(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "golden", "torch", "views_legacy", "pytorch_model.bin"))
	if err != nil {
		t.Fatal(err)
	}
	const version, little = "M\xe9\x03.", "little_endianq\x02\x88"
	tests := []struct{ name, old, put, want string }{
		{"version", version, "M\xea\x03.", "an integer where version 1001 is expected"},
		{"system", version + "\x80\x02}", version + "\x80\x02]", "set an item of a list"},
		{"big-endian", little, "little_endianq\x02\x89", "byte order is not little-endian"},
		{"count", "\x18\x00\x00\x00\x00\x00\x00\x00", "\x19\x00\x00\x00\x00\x00\x00\x00", "the pickle states 24 elements, the data 25"},
	}
	for _, tt := range tests {
		if bytes.Count(raw, []byte(tt.old)) != 1 {
			t.Fatalf("%s: %q is in the file %d times, want once", tt.name, tt.old, bytes.Count(raw, []byte(tt.old)))
		}
		_, err := readTorch("f", bytes.Replace(raw, []byte(tt.old), []byte(tt.put), 1))
		checkError(t, tt.name, err, tt.want)
	}
}

// Storages stay in the file, so a model larger than memory opens at once.
func TestTorchInPlace(t *testing.T) {
	file := torchFile(t, pDict("w", pTensor(six, 0, []int64{2, 3}, []int64{3, 1}), "v", pTensor(six, 3, []int64{3}, []int64{1})))
	tensors, err := readTorch("f", file)
	if err != nil || len(tensors) != 2 {
		t.Fatal(tensors, err)
	}
	if &tensors[0].Data[12] != &tensors[1].Data[0] {
		t.Error("two tensors of a storage do not share it")
	}
	at := bytes.LastIndex(file, tensors[0].Data)
	if &file[at] != &tensors[0].Data[0] {
		t.Error("the data were copied")
	}
}

// Numbers are as Python 3.11's pickle.loads gives them.
func TestPickleValues(t *testing.T) {
	tests := []struct {
		pickle string
		want   any
	}{
		{"\x80\x02K\xff.", int64(255)},
		{"\x80\x02M\xff\xff.", int64(65535)},
		{"\x80\x02J\xfe\xff\xff\xff.", int64(-2)},
		{"\x80\x02\x8a\x00.", int64(0)},
		{"\x80\x02\x8a\x02\xff\x00.", int64(255)},
		{"\x80\x02\x8a\x01\xff.", int64(-1)},
		{"\x80\x02\x8a\x05\x00\x00\x00\x00\x80.", int64(-1 << 39)},
		{"\x80\x02G\xbf\xf8\x00\x00\x00\x00\x00\x00.", -1.5},
		{"\x80\x02U\x02ab.", "ab"},
		{"\x80\x04\x8c\x01a\x94N0h\x00.", "a"},
		{"\x80\x02N(K\x011.", nil},
	}
	for _, tt := range tests {
		p := &pickleReader{raw: []byte(tt.pickle)}
		got, err := p.load()
		if err != nil || got != tt.want {
			t.Errorf("%q: got %v, %v, want %v", tt.pickle, got, err, tt.want)
		}
	}
}

func FuzzTorch(f *testing.F) {
	for _, pattern := range []string{"torch/*/*.bin", "torch_bad/*.bin"} {
		seeds, err := filepath.Glob(filepath.Join("..", "testdata", "golden", filepath.FromSlash(pattern)))
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
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !isTorch(b) {
			return
		}
		tensors, err := readTorch("f", b)
		if err != nil {
			return
		}
		var names []string
		for _, x := range tensors {
			if err := x.check(); err != nil {
				t.Error(err)
			}
			names = append(names, x.Name)
		}
		if slices.Sort(names); len(slices.Compact(names)) != len(tensors) {
			t.Errorf("names are not unique: %q", names)
		}
	})
}

// FuzzPickle runs pickles alone. A mutation of a zip file seldom reaches them.
func FuzzPickle(f *testing.F) {
	f.Add([]byte(pDict("w", pTensor(six, 0, []int64{2, 3}, []int64{3, 1}))))
	f.Add([]byte("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01w\x94]\x94(K\x01M\x02\x01J\xff\xff\xff\xffG01234567\x88\x89NeC\x02ab\x8a\x01\xff\x85\x86u."))
	data := map[string][]byte{"0": make([]byte, 24)}
	f.Fuzz(func(t *testing.T, b []byte) {
		storages := storageSet{}
		p := &pickleReader{raw: b, global: torchGlobals(len(b)), persistent: func(id any) (any, error) { return storages.find(id) }}
		v, err := p.load()
		if err != nil {
			return
		}
		d, err := stateDict(v)
		if err != nil {
			return
		}
		tensors, err := d.tensors("f", data, copies(len(b)))
		if err != nil {
			return
		}
		for _, x := range tensors {
			if err := x.check(); err != nil {
				t.Error(err)
			}
		}
	})
}
