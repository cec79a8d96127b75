package op

import (
	"math"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// EmbeddingNoise adds NEFTune's noise to embeddings x [tokens, hidden] where Pass.EmbeddingNoise is α > 0: each value gets a
// uniform number between −m and m, m = α/√(length·hidden) (Jain et al. 2023, arXiv 2310.05914, algorithm 1). A document is
// rows bounds[d] to bounds[d+1], and length the number of its tokens.
func EmbeddingNoise(p *Pass, x mat.Tensor, bounds []int) mat.Tensor {
	if !p.Train || p.Regularization.EmbeddingNoise == 0 {
		return x
	}
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: cols, pure: true,
		Forward: func(y tensor.Matrix) {
			m, key := Matrix(x), p.key("embedding noise")
			for d := range len(bounds) - 1 {
				size := float64(p.Regularization.EmbeddingNoise) / math.Sqrt(float64((bounds[d+1]-bounds[d])*cols))
				for i := bounds[d]; i < bounds[d+1]; i++ {
					out := y.Row(i)
					for j, v := range m.Row(i) {
						unit := float64(mix(key+uint64(i)*uint64(cols)+uint64(j))>>11) / (1 << 53)
						out[j] = v + float32(size*(2*unit-1))
					}
				}
			}
		},
		Backward: func(gy *Tensor) []*Tensor { return []*Tensor{gy} },
	})
}
