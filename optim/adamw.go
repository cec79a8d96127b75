package optim

import (
	"math"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	Register(Default, func(s Settings, _ *Args) Rule { return AdamW{s.AdamBeta1, s.AdamBeta2, s.AdamEpsilon} })
}

// AdamW is the optimizer of Loshchilov and Hutter (2019, arXiv 1711.05101, Algorithm 2), computed as torch.optim.AdamW does: a
// parameter decays by lr·WeightDecay of itself, and Eps is added to the bias-corrected root.
type AdamW struct{ Beta1, Beta2, Eps float64 }

// State is the first and the second moment.
func (AdamW) State(rows, cols int, _ bool) []StateSpec {
	return []StateSpec{float32s("m", rows, cols), float32s("v", rows, cols)}
}

// bias returns 1−βᵗ for both moments.
func (o AdamW) bias(step int) (bias1, bias2 float64) {
	return 1 - math.Pow(o.Beta1, float64(step)), 1 - math.Pow(o.Beta2, float64(step))
}

// Update moves the parameter.
func (o AdamW) Update(u *Update) {
	bias1, bias2 := o.bias(u.Step)
	w, g, m, v := u.W.Data, u.G.Data, u.State[0].Float32, u.State[1].Float32
	chunks(len(w), func(a, b int) {
		vec.AdamW(w[a:b], g[a:b], m[a:b], v[a:b], u.LR, o.Beta1, o.Beta2, o.Eps, u.WeightDecay, bias1, bias2)
	})
}

// chunk is the number of values that one parallel job updates.
const chunk = 1 << 16

// chunks calls f for parts of n values, in parallel.
func chunks(n int, f func(a, b int)) { tensor.ParallelRanges(n, chunk, f) }
