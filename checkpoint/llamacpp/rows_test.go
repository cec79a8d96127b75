package llamacpp

import (
	"bytes"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/tensor"
)

// TestRows: both orders are permutations, and each undoes the other.
func TestRows(t *testing.T) {
	for _, d := range []int{2, 4, 64} {
		for i := range 3 * d {
			if got := halfRow(pairRow(i, d), d); got != i {
				t.Errorf("heads of %d: row %d becomes %d", d, i, got)
			}
			if got := pairRow(halfRow(i, d), d); got != i {
				t.Errorf("heads of %d: row %d becomes %d", d, i, got)
			}
		}
	}
	if pairRow(0, 64) != 0 || pairRow(1, 64) != 2 || pairRow(32, 64) != 1 || pairRow(33, 64) != 3 || pairRow(64+33, 64) != 67 {
		t.Error("value j of a head is rotated with value j+32, in llama.cpp 2j with 2j+1")
	}
}

// TestReorderedDot wants a product of one row with reordered blocks to have the bits of the product with their values.
func TestReorderedDot(t *testing.T) {
	const heads, headDim, cols = 3, 16, 96
	w := tensor.New(heads*headDim, cols)
	for i := range w.Data {
		w.Data[i] = float32(i%23) - 11
	}
	var data bytes.Buffer
	shape := []int{heads * headDim, cols}
	if err := gguf.Quantized("w", gguf.Q8_0, w, shape...).Data(&data); err != nil {
		t.Fatal(err)
	}
	blocks, err := gguf.Tensor{Type: gguf.Q8_0, Shape: shape, Data: data.Bytes()}.Source()
	if err != nil {
		t.Fatal(err)
	}
	x := tensor.New(1, cols)
	for i := range x.Data {
		x.Data[i] = float32(i%7) - 2.5
	}
	r := reordered{blocks, heads * headDim, func(row int) int { return pairRow(row, headDim) }}
	values := tensor.New(heads*headDim, cols)
	r.Block(values.Data, cols, 0, 0, heads*headDim, cols)
	got, want := tensor.New(1, heads*headDim), tensor.New(1, heads*headDim)
	tensor.NT(want, x, values, 0)
	tensor.NT(got, x, r, 0)
	if !slices.Equal(got.Data, want.Data) {
		t.Errorf("products are %v, want %v", got.Data, want.Data)
	}
}
