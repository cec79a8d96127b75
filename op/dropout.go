package op

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// drops says whether the model's own dropout applies.
func (p *Pass) drops() bool { return p.Train && p.ModelDropout }

// Dropout is the dropout of a model's config (Srivastava et al. 2014), which only a pass with ModelDropout applies: it zeroes
// values of x with probability rate and scales the others by 1/(1−rate). The name tells its mask from others'.
func Dropout(p *Pass, x mat.Tensor, rate float32, name string) mat.Tensor {
	if rate == 0 || !p.drops() {
		return x
	}
	rows, cols := dims(x)
	return p.Apply(Operator{
		Operands: []mat.Tensor{x}, Rows: rows, Cols: cols, pure: true, inPlace: true,
		Forward: func(y tensor.Matrix) {
			defer p.Time("dropout")()
			p.Dropout(y, Matrix(x), rate, name)
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("dropout")()
			g := p.Exclusive(gy)
			p.Dropout(g.m, g.m, rate, name)
			return []*Tensor{g}
		},
	})
}

// Dropout writes x to dst, which may be x: it zeroes each value with probability rate and scales the others by 1/(1−rate). The
// mask depends only on the pass's seed, the name of the layer and the value's index, so the backward pass can make it again.
func (p *Pass) Dropout(dst, x tensor.Matrix, rate float32, name string) {
	key := p.key(name)
	byRows(x.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			mask(dst.Row(i), x.Row(i), rate, key+uint64(i)*uint64(x.Cols))
		}
	})
}

// mask is Dropout for a row whose first value has the number base: the key of the mask and the value's index.
func mask(dst, x []float32, rate float32, base uint64) {
	keep := 1 / (1 - rate)
	limit := uint64(float64(rate) * (1 << 32))
	for j, v := range x {
		if mix(base+uint64(j))>>32 < limit {
			dst[j] = 0
		} else {
			dst[j] = keep * v
		}
	}
}

// key is the seed of what has a name (FNV-1).
func (p *Pass) key(name string) uint64 {
	key := p.Seed
	for i := range len(name) {
		key = (key ^ uint64(name[i])) * 0x100000001b3
	}
	return key
}

// mix is the finaliser of splitmix64 (Steele, Lea and Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
