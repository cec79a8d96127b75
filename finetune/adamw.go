package finetune

import (
	"math"

	"github.com/spagotune/spagotune/internal/gemm"
	"github.com/spagotune/spagotune/internal/op"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
)

// AdamW is the optimizer of Loshchilov and Hutter 2019 (Algorithm 2) with PyTorch's arithmetic: the weight decay is
// lr·WeightDecay of the weight, eps is added to the bias-corrected root. A parameter's RateScale multiplies lr, in the
// weight decay too.
type AdamW struct {
	Beta1, Beta2, Eps, WeightDecay float64

	params []model.Param
	m, v   [][]float32
	step   int
}

// NewAdamW starts with zero moments for params.
func NewAdamW(params []model.Param, beta1, beta2, eps, weightDecay float64) *AdamW {
	o := &AdamW{Beta1: beta1, Beta2: beta2, Eps: eps, WeightDecay: weightDecay, params: params}
	for _, p := range params {
		o.m = append(o.m, make([]float32, p.Size()))
		o.v = append(o.v, make([]float32, p.Size()))
	}
	return o
}

// adamChunk is how many values one job updates.
const adamChunk = 1 << 16

// Step moves every parameter that has a gradient, with learning rate lr.
func (o *AdamW) Step(lr float64) {
	o.step++
	bias1, bias2 := 1-math.Pow(o.Beta1, float64(o.step)), 1-math.Pow(o.Beta2, float64(o.step))
	for i, p := range o.params {
		if !p.HasGrad() {
			continue
		}
		rate := lr
		if p.RateScale != 0 {
			rate *= p.RateScale
		}
		w, g, m, v := op.Data(p.Param).Data, op.Grad(p.Param).Data, o.m[i], o.v[i]
		gemm.Parallel((len(w)+adamChunk-1)/adamChunk, func(c int) {
			a, b := c*adamChunk, min(len(w), (c+1)*adamChunk)
			vec.AdamW(w[a:b], g[a:b], m[a:b], v[a:b], rate, o.Beta1, o.Beta2, o.Eps, o.WeightDecay, bias1, bias2)
		})
	}
}

// zeroGrad forgets the gradients.
func (o *AdamW) zeroGrad() {
	for _, p := range o.params {
		p.ZeroGrad()
	}
}

// gradNorm is the Euclidean norm of all gradients together.
func gradNorm(params []model.Param) float64 {
	sum := 0.0
	for _, p := range params {
		if p.HasGrad() {
			sum += vec.SumSquares(op.Grad(p.Param).Data)
		}
	}
	return math.Sqrt(sum)
}

// clip scales the gradients down to a norm of at most limit, as torch.nn.utils.clip_grad_norm_ does.
func clip(params []model.Param, norm, limit float64) {
	scale := limit / (norm + 1e-6)
	if limit <= 0 || scale >= 1 {
		return
	}
	for _, p := range params {
		if p.HasGrad() {
			g := op.Grad(p.Param).Data
			vec.Scale(g, float32(scale), g)
		}
	}
}
