package gguf

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/tensor"
)

// matrix is a tensor of random blocks.
func matrix(typ Type, rows, cols int) Tensor {
	return Tensor{Name: "w", Type: typ, Shape: []int{rows, cols}, Data: randomBlocks(typ, rows*cols/typ.BlockValues())}
}

// finite is a random matrix of finite values: blocks of random bytes, but F32 and F64 of random numbers.
func finite(t testing.TB, typ Type, rows, cols int) Tensor {
	t.Helper()
	w := matrix(typ, rows, cols)
	switch typ {
	case F32:
		w.Data = floatBytes(ramp(rows, cols).Data)
	case F64:
		for i, x := range ramp(rows, cols).Data {
			copy(w.Data[8*i:], raw(float64(x)))
		}
	case BF16:
		pack(BF16, w.Data, ramp(rows, cols).Data)
	}
	return w
}

// TestBlock reads blocks of any place and size and compares them with the whole.
func TestBlock(t *testing.T) {
	const rows, cols = 5, 768
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range readableTypes() {
		b, err := finite(t, typ, rows, cols).blocks()
		if err != nil {
			t.Fatal(err)
		}
		whole := make([]float32, rows*cols)
		b.Block(whole, cols, 0, 0, rows, cols)
		for range 300 {
			i, j := rng.IntN(rows), rng.IntN(cols)
			m, n := 1+rng.IntN(rows-i), 1+rng.IntN(cols-j)
			ld := n + rng.IntN(3)
			got := make([]float32, m*ld)
			b.Block(got, ld, i, j, m, n)
			for r := range m {
				want := append(slices.Clone(whole[(i+r)*cols+j:][:n]), make([]float32, ld-n)...)
				if differs(got[r*ld:(r+1)*ld], floatBytes(want)) > 0 {
					t.Fatalf("%s: rows %d+%d, columns %d+%d, stride %d: row %d is wrong", typ, i, m, j, n, ld, r)
				}
			}
		}
	}
}

// TestSourceKinds wants the types that tensor multiplies without a copy where there are such.
func TestSourceKinds(t *testing.T) {
	for _, typ := range readableTypes() {
		src, err := finite(t, typ, 2, 256).Source()
		if err != nil {
			t.Fatal(err)
		}
		var direct bool
		switch s := src.(type) {
		case tensor.Matrix:
			direct = typ == F32
		case tensor.F16:
			direct = typ == F16
		case tensor.BF16:
			direct = typ == BF16
		case Blocks:
			direct = s.Type() == typ && typ != F32 && typ != F16 && typ != BF16
		}
		if !direct {
			t.Errorf("%s is a %T", typ, src)
		}
	}
	experts := finite(t, Q4_0, 6, 64)
	experts.Shape = []int{2, 3, 64}
	vector := Tensor{Type: F32, Shape: []int{8}, Data: make([]byte, 32)}
	scalar := Tensor{Type: F32, Shape: nil, Data: make([]byte, 4)}
	for _, tt := range []struct {
		x          Tensor
		rows, cols int
	}{{experts, 6, 64}, {vector, 1, 8}, {scalar, 1, 1}} {
		src, err := tt.x.Source()
		if err != nil {
			t.Fatal(err)
		}
		if rows, cols := src.Dims(); rows != tt.rows || cols != tt.cols {
			t.Errorf("shape %v is %d×%d, want %d×%d", tt.x.Shape, rows, cols, tt.rows, tt.cols)
		}
	}
}

// TestProduct multiplies with a weight as it is stored and with its values: the same bits, for few rows and for many.
func TestProduct(t *testing.T) {
	const n, k = 70, 768
	for _, typ := range readableTypes() {
		if typ == MXFP4 {
			continue // random scales overflow
		}
		w := finite(t, typ, n, k)
		values, err := w.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		src, err := w.Source()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []int{1, 5, 33} {
			x, got, want := ramp(m, k), tensor.New(m, n), tensor.New(m, n)
			tensor.NT(got, x, src, 0)
			tensor.NT(want, x, tensor.View(values, n, k), 0)
			if _, ok := src.(Blocks); ok && !slices.Equal(got.Data, want.Data) {
				t.Errorf("%s, %d rows: X·Wᵀ differs", typ, m)
			}
			golden.Close(t, typ.String(), got.Data, want.Data, 1e-5, true)
			y, back, wantBack := ramp(m, n), tensor.New(m, k), tensor.New(m, k)
			tensor.NN(back, y, src, 0)
			tensor.NN(wantBack, y, tensor.View(values, n, k), 0)
			golden.Close(t, typ.String(), back.Data, wantBack.Data, 1e-5, true)
		}
	}
}

func TestBlockAllocatesNothing(t *testing.T) {
	dst := make([]float32, 2*500)
	for _, typ := range readableTypes() {
		src, err := finite(t, typ, 2, 768).Source()
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(10, func() { src.Block(dst, 500, 0, 100, 2, 500) }); n > 0 {
			t.Errorf("%s: %v allocations", typ, n)
		}
	}
}

// TestRow hands out the blocks of one row.
func TestRow(t *testing.T) {
	w := finite(t, Q6K, 3, 512)
	b, err := w.blocks()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 512)
	if err := b.Type().Dequantize(got, b.Row(1)); err != nil {
		t.Fatal(err)
	}
	want := make([]float32, 512)
	b.Block(want, 512, 1, 0, 1, 512)
	if !slices.Equal(got, want) || len(b.Row(1)) != 420 {
		t.Errorf("%d bytes", len(b.Row(1)))
	}
}

func TestTypes(t *testing.T) {
	for i := range layouts {
		typ := Type(i)
		got, err := ParseType(typ.String())
		if (err == nil) != (typ.stored() == nil) || got != typ {
			t.Errorf("%s: got %s, %v", typ, got, err)
		}
		if typ.stored() == nil && (typ.BlockValues() < 1 || typ.BlockBytes() < 1 || typ.Quantized() != (typ.BlockValues() > 1)) {
			t.Errorf("%s: %d values in %d bytes", typ, typ.BlockValues(), typ.BlockBytes())
		}
	}
	if got, err := ParseType("q4_k"); got != Q4K || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	_, err := ParseType("Q4_KM")
	checkError(t, "unknown", err, `gguf: unknown type "Q4_KM"; did you mean Q4_K?`)
	if Type(1000).String() != "type 1000" {
		t.Errorf("got %s", Type(1000))
	}
}

func TestDequantizeErrors(t *testing.T) {
	checkError(t, "values", Q4_0.Dequantize(make([]float32, 31), make([]byte, 18)), "31 values in 18 bytes; Q4_0 has blocks of 32 values in 18 bytes")
	checkError(t, "bytes", Q4_0.Dequantize(make([]float32, 32), make([]byte, 17)), "32 values in 17 bytes")
	checkError(t, "type", Type(17).Dequantize(make([]float32, 256), make([]byte, 74)), "IQ2_XS is not read as floats")
	checkError(t, "unknown", Type(1000).Dequantize(nil, nil), "type 1000 is not read as floats")
}
