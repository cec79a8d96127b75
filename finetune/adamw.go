package finetune

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// AdamW is the optimizer of Loshchilov and Hutter (2019, arXiv 1711.05101, Algorithm 2), computed as PyTorch does: a
// weight decays by lr·WeightDecay of itself, and Eps is added to the bias-corrected root. A parameter's LRScale
// multiplies lr, in the weight decay too.
type AdamW struct {
	Beta1, Beta2, Eps, WeightDecay float64

	exempt func(model.Param) bool // from weight decay; nil exempts none
	params []model.Param
	decays []bool
	m, v   [][]float32
	steps  []int // taken by each parameter
}

// NewAdamW returns an optimizer of params whose moments are zero.
func NewAdamW(params []model.Param, beta1, beta2, eps, weightDecay float64) *AdamW {
	o := &AdamW{Beta1: beta1, Beta2: beta2, Eps: eps, WeightDecay: weightDecay}
	o.restart(params)
	return o
}

// undecayed matches the lower-case names of parameters that Trainer exempts from weight decay
// (transformers' Trainer.get_decay_parameter_names); besides, it exempts the layers that are LayerNorms.
var undecayed = regexp.MustCompile(`bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)`)

// exemptFromDecay returns a function that tells the parameters which Trainer exempts.
func exemptFromDecay(m *model.Model, adapterName string) func(model.Param) bool {
	norms := map[*nn.Param]bool{}
	m.Weights(func(w *model.Weight) {
		if p := w.Param(adapterName); p != nil && w.OfLayerNorm() {
			norms[p] = true
		}
	})
	return func(p model.Param) bool { return norms[p.Param] || undecayed.MatchString(strings.ToLower(p.Name)) }
}

// restart changes the parameters. Those that it has already keep their moments and step counts, new ones start at zero.
// It returns the number of values of the new ones.
func (o *AdamW) restart(params []model.Param) (reset int) {
	old, at := *o, map[*nn.Param]int{}
	for i, p := range o.params {
		at[p.Param] = i
	}
	o.params, o.decays, o.m, o.v, o.steps = params, nil, nil, nil, nil
	for _, p := range params {
		o.decays = append(o.decays, o.exempt == nil || !o.exempt(p))
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

// adamChunk is the number of values that one parallel job updates.
const adamChunk = 1 << 16

// Step updates every parameter that has a gradient, with learning rate lr.
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
		decay := 0.0
		if o.decays[i] {
			decay = o.WeightDecay
		}
		w, g, m, v := op.Data(p.Param).Data, op.Grad(p.Param).Data, o.m[i], o.v[i]
		tensor.Parallel((len(w)+adamChunk-1)/adamChunk, func(c int) {
			a, b := c*adamChunk, min(len(w), (c+1)*adamChunk)
			vec.AdamW(w[a:b], g[a:b], m[a:b], v[a:b], rate, o.Beta1, o.Beta2, o.Eps, decay, bias1, bias2)
		})
	}
}

// zeroGrad clears the gradients.
func (o *AdamW) zeroGrad() {
	for _, p := range o.params {
		p.ZeroGrad()
	}
}

// gradNorm returns the Euclidean norm of all gradients together.
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

// save writes the moments, as m.NAME and v.NAME, and the step counts, as step.NAME.
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
		steps := make([]float32, 1)
		for prefix, dst := range map[string][]float32{"m.": o.m[i], "v.": o.v[i], "step.": steps} {
			t, ok := f.Get(prefix + p.Name)
			if !ok || t.Size() != len(dst) {
				return fmt.Errorf("%s: %s is missing, or does not have %d values", path, prefix+p.Name, len(dst))
			}
			v, err := t.Float32s()
			if err != nil {
				return err
			}
			copy(dst, v)
		}
		o.steps[i] = int(steps[0])
	}
	return nil
}
