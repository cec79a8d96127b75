package llamacpp

import "github.com/spagotune/spagotune/tensor"

// Hugging Face rotates value j of a head with value j+d/2, llama.cpp's Llama value 2j with value 2j+1. So row j of the one is
// row 2j of the other, and row j+d/2 is row 2j+1, for each head of d rows.

// pairRow is llama.cpp's row of Hugging Face's row i.
func pairRow(i, headDim int) int {
	head, j := i/headDim*headDim, i%headDim
	if half := headDim / 2; j >= half {
		return head + 2*(j-half) + 1
	}
	return head + 2*j
}

// halfRow is Hugging Face's row of llama.cpp's row i.
func halfRow(i, headDim int) int {
	head, j := i/headDim*headDim, i%headDim
	return head + j/2 + j%2*headDim/2
}

// reordered is a matrix whose row i is row at(i, headDim) of another.
type reordered struct {
	tensor.Source
	headDim int
	at      func(i, headDim int) int
}

// Block implements tensor.Source.
func (r reordered) Block(dst []float32, ld, i, j, m, n int) {
	for k := range m {
		r.Source.Block(dst[k*ld:], ld, r.at(i+k, r.headDim), j, 1, n)
	}
}
