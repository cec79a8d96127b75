package adapter

import (
	"math"
	"math/rand/v2"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	Register("dora", Registration{PEFTType: "LORA", Flag: "use_dora", New: func() Method {
		return &DoRA{Common: Common{TargetModules: AllLinear}, R: defaultRank, Alpha: defaultAlpha, Bias: "none",
			RankPattern: Pattern[int]{}, AlphaPattern: Pattern[float64]{}}
	}})
}

// DoRA is weight-decomposed LoRA (Liu et al. 2024, arXiv 2402.09353, Eq. 5): W' = m ∘ V/‖V‖ by rows, with V = W + s·B·A
// and a trained magnitude m [out]. The gradient takes the norm as a constant (section 4.3), as PEFT does.
type DoRA struct {
	Common
	// R is the rank.
	R int `json:"r"`
	// Alpha over R scales the update.
	Alpha float64 `json:"lora_alpha"`
	// Dropout is the probability with which a value of the adapter's input is zeroed in training.
	Dropout float64 `json:"lora_dropout"`
	// RankPattern and AlphaPattern are LoRA's.
	RankPattern  Pattern[int]     `json:"rank_pattern"`
	AlphaPattern Pattern[float64] `json:"alpha_pattern"`
	// Init says how A and B start: InitDefault, InitGaussian or InitRandom. The magnitudes start as the norms of W's rows.
	Init Init `json:"init_lora_weights"`
	// Bias says which of the model's own biases train, and are saved: "none", "all", or "lora_only", those of adapted layers.
	Bias string `json:"bias"`
	// FanInFanOut is what PEFT sets for GPT-2. It says nothing: the layer itself knows whether its file is [in, out].
	FanInFanOut bool `json:"fan_in_fan_out"`
	// RSLoRA scales by α/√r instead of α/r.
	RSLoRA bool `json:"use_rslora"`
}

var (
	_ Method                  = (*DoRA)(nil)
	_ Validator               = (*DoRA)(nil)
	_ InputDropper            = (*DoRA)(nil)
	_ PatternLister           = (*DoRA)(nil)
	_ model.Adapter           = (*dora)(nil)
	_ model.OutputTransformer = (*dora)(nil)
	_ model.OutputGradder     = (*dora)(nil)
	_ model.ParamsObserver    = (*dora)(nil)
	_ TensorStorer            = (*dora)(nil)
	_ Ranker                  = (*dora)(nil)
)

// Validate implements Validator.
func (c *DoRA) Validate() error {
	if err := c.Init.only("DoRA", append([]Init{InitDefault, InitRandom, InitGaussian}, fromFile...)...); err != nil {
		return err
	}
	return c.lowRank().validateScaled()
}

func (c *DoRA) lowRank() lowRank {
	return lowRank{c.R, c.Alpha, c.Dropout, c.RankPattern, c.AlphaPattern, c.Init, c.Bias, c.RSLoRA}
}

// InputDropout implements InputDropper.
func (c *DoRA) InputDropout() float32 { return float32(c.Dropout) }

// LayerPatterns implements PatternLister.
func (c *DoRA) LayerPatterns() map[string][]string { return c.lowRank().patterns() }

// Adapt implements Method.
func (c *DoRA) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	low, err := newLora(c.lowRank(), l, rng)
	if err != nil {
		return nil, err
	}
	out, _ := l.Dims()
	d := &dora{low: low, base: l, m: op.NewParam(make([]float32, out), 1, out), norm: make([]float32, out)}
	d.ParamsChanged()
	copy(op.Data(d.m).Data, d.norm)
	return d, nil
}

// dora is DoRA on one layer.
type dora struct {
	nn.Module
	low  *lora
	base *model.Linear
	m    *nn.Param // [1, out]
	norm []float32 // ‖V‖ by row, as ParamsChanged last computed it
}

// Params implements model.Adapter.
func (d *dora) Params() []model.Param {
	return append(d.low.Params(), model.Param{Name: magnitude, Param: d.m})
}

// storedMagnitude lists low-rank factors and a magnitude [1, n] as tensors of a file, in which PEFT's magnitudes have one extent.
func storedMagnitude(low []model.Param, m *nn.Param) []StoredTensor {
	return append(asStored(low), StoredTensor{Name: magnitude, Shape: []int{op.Data(m).Cols}, Param: m})
}

// StoredTensors implements TensorStorer.
func (d *dora) StoredTensors() []StoredTensor {
	return storedMagnitude(d.low.Params(), d.m)
}

// Rank implements Ranker.
func (d *dora) Rank() (symbol string, n int) { return d.low.Rank() }

// direction writes blocks of V = W + s·B·A.
type direction struct{ *dora }

func (v direction) Block(dst []float32, ld, i, j, m, n int) {
	v.base.Weight.Source("").Block(dst, ld, i, j, m, n)
	v.low.MergeInto(tensor.Matrix{Data: dst, Rows: m, Cols: n, Stride: ld}, i, j)
}

// ParamsChanged implements model.ParamsObserver: it computes the norms of V's rows. It must not run during a pass.
func (d *dora) ParamsChanged() {
	out, in := d.base.Dims()
	byRows(out, 4*in, func(from, to int) {
		v := take(to-from, in)
		defer v.give()
		direction{d}.Block(v.Data, in, from, 0, to-from, in)
		for i := from; i < to; i++ {
			d.norm[i] = float32(math.Sqrt(float64(vec.SumSquares(v.Row(i - from)))))
		}
	})
}

// factor is mᵢ/‖Vᵢ‖; it is 0 for a row of zeros, which stays zero whatever its magnitude.
func (d *dora) factor(i int) float32 {
	if d.norm[i] == 0 {
		return 0
	}
	return op.Data(d.m).Data[i] / d.norm[i]
}

// MergeInto implements model.Adapter.
func (d *dora) MergeInto(w tensor.Matrix, i, j int) {
	d.low.MergeInto(w, i, j)
	for r := range w.Rows {
		vec.Scale(w.Row(r), d.factor(i+r), w.Row(r))
	}
}

// TransformOutput implements model.OutputTransformer: x·W'ᵀ = m/‖V‖ ∘ (y + s·x·Aᵀ·Bᵀ).
func (d *dora) TransformOutput(y, x tensor.Matrix) {
	d.low.Forward(y, x)
	factors := d.factors()
	defer factors.give()
	for t := range y.Rows {
		vec.Mul(y.Row(t), y.Row(t), factors.Data)
	}
}

// factors are the factors of all rows, [1, out].
func (d *dora) factors() *scratch {
	f := take(1, len(d.norm))
	for i := range f.Data {
		f.Data[i] = d.factor(i)
	}
	return f
}

// changed is W' as a matrix.
type changed struct{ *dora }

func (c changed) Dims() (rows, cols int) { return c.base.Dims() }

func (c changed) Block(dst []float32, ld, i, j, m, n int) {
	c.base.Weight.Source("").Block(dst, ld, i, j, m, n)
	c.MergeInto(tensor.Matrix{Data: dst, Rows: m, Cols: n, Stride: ld}, i, j)
}

// Grad implements model.Adapter.
func (d *dora) Grad(x, gy tensor.Matrix) {
	y := take(gy.Rows, gy.Cols)
	defer y.give()
	tensor.NT(y.Matrix, x, changed{d}, 0)
	d.GradOutput(x, y.Matrix, gy)
}

// GradOutput implements model.OutputGradder. The gradients of A and B are LoRA's for a gy whose column i is scaled by
// mᵢ/‖Vᵢ‖.
func (d *dora) GradOutput(x, y, gy tensor.Matrix) {
	if op.RequiresGrad(d.m) {
		d.magnitudeGrad(x, y, gy)
	}
	factors := d.factors()
	defer factors.give()
	d.low.gradFactors(x, gy, factors.Data)
}

// small is the factor below which y says too little about V·x: there the gradient is computed from V itself.
const small = 1e-3

// magnitudeGrad adds dmᵢ = Σₜ gyₜᵢ·(Vᵢ·xₜ)/‖Vᵢ‖, where Vᵢ·xₜ = yₜᵢ·‖Vᵢ‖/mᵢ.
func (d *dora) magnitudeGrad(x, y, gy tensor.Matrix) {
	sum := take(2, gy.Cols)
	defer sum.give()
	clear(sum.Data)
	total, product := sum.Row(0), sum.Row(1)
	for t := range gy.Rows {
		vec.Mul(product, gy.Row(t), y.Row(t))
		vec.Add(total, total, product)
	}
	grad, m := op.Grad(d.m).Data, op.Data(d.m).Data
	for i, norm := range d.norm {
		switch {
		case norm == 0:
		case math.Abs(float64(d.factor(i))) < small:
			grad[i] += d.rowGrad(i, x, gy) / norm
		default:
			grad[i] += total[i] / m[i]
		}
	}
}

// rowGrad is Σₜ gyₜᵢ·(Vᵢ·xₜ) = Vᵢ·Σₜ gyₜᵢ·xₜ.
func (d *dora) rowGrad(i int, x, gy tensor.Matrix) float32 {
	s := take(2, x.Cols)
	defer s.give()
	clear(s.Data)
	v, weighted := s.Row(0), s.Row(1)
	direction{d}.Block(v, x.Cols, i, 0, 1, x.Cols)
	for t := range x.Rows {
		vec.Axpy(weighted, gy.Row(t)[i], x.Row(t))
	}
	return vec.Dot(v, weighted)
}
