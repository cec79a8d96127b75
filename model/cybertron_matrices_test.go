package model

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
)

// param is a matrix as a file of gob has it.
type param struct{ W mat.Matrix }

// gobbed returns a file with a 2×3 matrix, and its FlatBuffers table within.
func gobbed(t testing.TB) (file, table []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := nn.Dump(&param{mat.NewDense[float32](mat.WithShape(2, 3), mat.WithBacking([]float32{1, 2, 3, 4, 5, 6}))}, &b); err != nil {
		t.Fatal(err)
	}
	file = b.Bytes()
	const name = "*mat.Dense[float32]"
	table, ok := gobMatrix(file[bytes.Index(file, []byte(name))+len(name):])
	if !ok {
		t.Fatal("there is no matrix")
	}
	return file, table
}

// TestCheckMatrices: lengths and shapes beyond the bytes are refused before anything is decoded.
func TestCheckMatrices(t *testing.T) {
	file, _ := gobbed(t)
	if err := checkMatrices(file); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field, at int // the place in the vector: -4 is its length
		value     uint32
		want      string
	}{
		{fieldShape, -4, 0x61a80000, "does not lie within its bytes"},
		{fieldData, -4, 0xffffffff, "does not lie within its bytes"},
		{fieldShape, 0, 0x7fffffff, "more elements than"},
		{fieldShape, 0, 0x80000000, "more elements than"},
		{fieldShape, 0, 1, "has 3 elements, and it holds 6"},
	} {
		file, table := gobbed(t)
		v, err := tableVector(table, uint64(c.field), 4)
		if err != nil {
			t.Fatal(err)
		}
		start := cap(table) - cap(v) // of the vector in the table
		binary.LittleEndian.PutUint32(table[start+c.at:], c.value)
		if err := checkMatrices(file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	_, table := gobbed(t)
	for i := range table {
		for _, bad := range []byte{0x00, 0x7f, 0x80, 0xff} {
			damaged := bytes.Clone(table)
			damaged[i] = bad
			_ = checkMatrix(damaged, 4) // does not panic
			_ = checkMatrix(damaged[:i], 4)
		}
	}
}

// FuzzCybertron reads damaged files of matrices: any error, no panic but those of Spago's decoder, and no memory beyond the file's
// size. A whole model is left out: gob takes 30 ms to make a decoder for its types.
func FuzzCybertron(f *testing.F) {
	file, table := gobbed(f)
	f.Add(file)
	f.Add(table)
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_ = checkMatrix(raw, 4)
		if checkMatrices(raw) != nil {
			return
		}
		defer func() { _ = recover() }() // as readCybertron does
		_, _ = nn.Load[*param](bytes.NewReader(raw))
	})
}
