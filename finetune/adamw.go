package finetune

import (
	"fmt"
	"math"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// AdamW is the optimizer of Loshchilov and Hutter 2019 (Algorithm 2) with PyTorch's arithmetic: the weight decay is
// lr·WeightDecay of the weight, eps is added to the bias-corrected root. A parameter's RateScale multiplies lr, in the
// weight decay too.
type AdamW struct {
	Beta1, Beta2, Eps, WeightDecay float64

	params []model.Param
	m, v   [][]float32
	steps  []int // steps of each parameter
}

// NewAdamW starts with zero moments for params.
func NewAdamW(params []model.Param, beta1, beta2, eps, weightDecay float64) *AdamW {
	o := &AdamW{Beta1: beta1, Beta2: beta2, Eps: eps, WeightDecay: weightDecay}
	o.restart(params)
	return o
}

// restart goes on with other parameters: those that it has already keep their moments and steps, the others start at
// zero. It returns how many values start so.
func (o *AdamW) restart(params []model.Param) (reset int) {
	old, at := *o, map[*nn.Param]int{}
	for i, p := range o.params {
		at[p.Param] = i
	}
	o.params, o.m, o.v, o.steps = params, nil, nil, nil
	for _, p := range params {
		if i, ok := at[p.Param]; ok {
			o.m, o.v, o.steps = append(o.m, old.m[i]), append(o.v, old.v[i]), append(o.steps, old.steps[i])
			continue
		}
		n := p.Size()
		reset += n
		o.m, o.v, o.steps = append(o.m, make([]float32, n)), append(o.v, make([]float32, n)), append(o.steps, 0)
	}
	return reset
}

// adamChunk is how many values one job updates.
const adamChunk = 1 << 16

// Step moves every parameter that has a gradient, with learning rate lr.
func (o *AdamW) Step(lr float64) {
	for i, p := range o.params {
		o.steps[i]++
		bias1, bias2 := 1-math.Pow(o.Beta1, float64(o.steps[i])), 1-math.Pow(o.Beta2, float64(o.steps[i]))
		if !p.HasGrad() {
			continue
		}
		rate := lr
		if p.LRScale != 0 {
			rate *= p.LRScale
		}
		w, g, m, v := op.Data(p.Param).Data, op.Grad(p.Param).Data, o.m[i], o.v[i]
		tensor.Parallel((len(w)+adamChunk-1)/adamChunk, func(c int) {
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

// save writes the moments, m.NAME and v.NAME, and the steps, step.NAME.
func (o *AdamW) save(path string) error {
	var ts []checkpoint.Tensor
	for i, p := range o.params {
		s := p.Shape()
		ts = append(ts, checkpoint.F32("m."+p.Name, o.m[i], s...), checkpoint.F32("v."+p.Name, o.v[i], s...),
			checkpoint.F32("step."+p.Name, []float32{float32(o.steps[i])}, 1))
	}
	return checkpoint.Write(path, ts, nil)
}

// load reads what save wrote.
func (o *AdamW) load(path string) error {
	f, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for i, p := range o.params {
		since := make([]float32, 1)
		for prefix, dst := range map[string][]float32{"m.": o.m[i], "v.": o.v[i], "step.": since} {
			t, ok := f.Get(prefix + p.Name)
			if !ok || t.Size() != len(dst) {
				return fmt.Errorf("%s: no moment of %s in its shape", path, p.Name)
			}
			v, err := t.Float32s()
			if err != nil {
				return err
			}
			copy(dst, v)
		}
		o.steps[i] = int(since[0])
	}
	return nil
}
