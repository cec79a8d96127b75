package adapter

import (
	"math/rand/v2"

	"github.com/nlpodyssey/spago/nn"
	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	Register("loraxs", Registration{
		PEFTType: "LORAXS",
		LearningRate: func(int) LRRange {
			return LRRange{2e-3, 4e-3, "not in the MoRA paper; its authors' scripts take 2e-3 and 4e-3 for language models"}
		},
		New: func() Method {
			return &LoRAXS{Common: Common{TargetModules: AllLinear}, R: defaultRank, Alpha: defaultAlpha, Bias: "none",
				RankPattern: Pattern[int]{}, AlphaPattern: Pattern[float64]{}}
		},
	})
}

// LoRAXS is LoRA-XS (Bałazy et al. 2024, arXiv 2405.17604, section 3): W' = W + α/r·B·R·A. Only R [r, r] is trained, so a
// layer of any size has r² trained numbers. B = U [out, r] and A = Σ·Vᵀ [r, in] are frozen; they come from the r largest
// singular values of W = U·Σ·Vᵀ. (The paper has weights as [in, out], and so the other way round: A = U·Σ and B = Vᵀ.)
//
// R starts at 0, which leaves the model's output as it is; R has a gradient there. The paper draws R from a normal
// distribution with deviation 1e-5; that is the Init "gaussian".
//
// Files hold A, B and R, so that Load decomposes nothing. PEFT has no such method: it refuses the peft_type LORAXS, and
// opens the adapter only merged into its model. The authors' code saves a file of peft_type LORA with tensors named
// PATH_lora_latent_mapping.weight besides; Load refuses such a file and names those tensors as unexpected.
type LoRAXS struct {
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
	// Init says how R starts: InitDefault, InitGaussian or InitRandom.
	Init Init `json:"init_lora_weights"`
	// Bias says which of the model's own biases train, and are saved: "none", "all", or "lora_only", those of adapted layers.
	Bias string `json:"bias"`
	// FanInFanOut is what PEFT sets for GPT-2. It says nothing: the layer itself knows whether its file is [in, out].
	FanInFanOut bool `json:"fan_in_fan_out"`
}

var (
	_ Method               = (*LoRAXS)(nil)
	_ Validator            = (*LoRAXS)(nil)
	_ InputDropper         = (*LoRAXS)(nil)
	_ LinearFilter         = (*LoRAXS)(nil)
	_ PatternLister        = (*LoRAXS)(nil)
	_ MethodNamer          = (*LoRAXS)(nil)
	_ model.Adapter        = (*loraxs)(nil)
	_ model.DeltaForwarder = (*loraxs)(nil)
	_ model.ApartLimiter   = (*loraxs)(nil)
	_ TensorStorer         = (*loraxs)(nil)
	_ Ranker               = (*loraxs)(nil)
	_ SpectrumFactorer     = (*loraxs)(nil)
)

// MethodName implements MethodNamer.
func (c *LoRAXS) MethodName() string { return "LoRA-XS" }

func (c *LoRAXS) lowRank() lowRank {
	return lowRank{c.R, c.Alpha, c.Dropout, c.RankPattern, c.AlphaPattern, c.Init, c.Bias, false}
}

// Validate implements Validator.
func (c *LoRAXS) Validate() error {
	if err := c.Init.only("LoRA-XS", InitDefault, InitGaussian, InitRandom); err != nil {
		return err
	}
	return c.lowRank().validateScaled()
}

// InputDropout implements InputDropper.
func (c *LoRAXS) InputDropout() float32 { return float32(c.Dropout) }

// LayerPatterns implements PatternLister.
func (c *LoRAXS) LayerPatterns() map[string][]string { return c.lowRank().patterns() }

// TakesLinear implements LinearFilter: a gate with one output has no more than one singular value.
func (c *LoRAXS) TakesLinear(l *model.Linear) bool { return severalOutputs(l) }

// Adapt implements Method.
func (c *LoRAXS) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	r, alpha, err := c.lowRank().on(l.Path())
	if err != nil {
		return nil, err
	}
	if err := hasSingularValues(l, r); err != nil {
		return nil, err
	}
	out, in := l.Dims()
	a, b, core := tensor.New(r, in), tensor.New(out, r), make([]float32, r*r)
	if rng != nil { // else Load fills all three
		svd, err := spectrum.Truncated(l.Weight.Source(""), r)
		if err != nil {
			return nil, err
		}
		for k := range r {
			for j, v := range svd.Right.RawRowView(k) {
				a.Row(k)[j] = float32(svd.Values[k] * v)
			}
			for i, v := range svd.Left.RawRowView(k) {
				b.Row(i)[k] = float32(v)
			}
		}
	}
	switch c.Init {
	case InitGaussian:
		core = normal(rng, r*r, 1e-5)
	case InitRandom:
		core = normal(rng, r*r, 1)
	}
	return &loraxs{a: frozen(a.Data, r, in), b: frozen(b.Data, out, r), r: op.NewParam(core, r, r), scale: float32(alpha / float64(r))}, nil
}

// loraxs is LoRA-XS on one layer.
type loraxs struct {
	nn.Module
	a, b  *nn.Param // [r, in], [out, r], frozen
	r     *nn.Param // [r, r]
	scale float32
}

// Params implements model.Adapter.
func (l *loraxs) Params() []model.Param { return []model.Param{{Name: "lora_R.weight", Param: l.r}} }

// StoredTensors implements TensorStorer: the frozen factors are saved too.
func (l *loraxs) StoredTensors() []StoredTensor {
	return asStored([]model.Param{{Name: "lora_A.weight", Param: l.a}, {Name: "lora_B.weight", Param: l.b}, {Name: "lora_R.weight", Param: l.r}})
}

// Rank implements Ranker.
func (l *loraxs) Rank() (symbol string, n int) { return "r", op.Data(l.r).Rows }

// left is s·B·R for rows [i, i+n) of B, [n, r].
func (l *loraxs) left(i, n int) *scratch {
	b, r := op.Data(l.b), op.Data(l.r)
	t := take(n, r.Rows)
	tensor.NN(t.Matrix, b.Slice(i, 0, n, b.Cols), r, 0)
	vec.Scale(t.Data, l.scale, t.Data)
	return t
}

// MergeInto implements model.Adapter: w += s·B[i:]·R·A[:,j:].
func (l *loraxs) MergeInto(w tensor.Matrix, i, j int) {
	a, t := op.Data(l.a), l.left(i, w.Rows)
	defer t.give()
	tensor.NN(w, t.Matrix, a.Slice(0, j, a.Rows, w.Cols), 1)
}

// down is x·Aᵀ, [tokens, r].
func (l *loraxs) down(x tensor.Matrix) *scratch {
	h := take(x.Rows, op.Data(l.a).Rows)
	tensor.NT(h.Matrix, x, op.Data(l.a), 0)
	return h
}

// up is s·gy·B, [tokens, r].
func (l *loraxs) up(gy tensor.Matrix) *scratch {
	g := take(gy.Rows, op.Data(l.b).Cols)
	tensor.NN(g.Matrix, gy, op.Data(l.b), 0)
	vec.Scale(g.Data, l.scale, g.Data)
	return g
}

// Forward adds x·ΔWᵀ to y.
func (l *loraxs) Forward(y, x tensor.Matrix) {
	h := l.down(x)
	defer h.give()
	t := take(h.Rows, h.Cols)
	defer t.give()
	tensor.NT(t.Matrix, h.Matrix, op.Data(l.r), 0)
	vec.Scale(t.Data, l.scale, t.Data)
	tensor.NT(y, t.Matrix, op.Data(l.b), 1)
}

// Backward adds gy·ΔW to dx.
func (l *loraxs) Backward(dx, gy tensor.Matrix) {
	g := l.up(gy)
	defer g.give()
	t := take(g.Rows, g.Cols)
	defer t.give()
	tensor.NN(t.Matrix, g.Matrix, op.Data(l.r), 0)
	tensor.NN(dx, t.Matrix, op.Data(l.a), 1)
}

// ApartRows implements model.ApartLimiter.
func (l *loraxs) ApartRows(out, in int) int { return productRows(out, in) }

// Grad implements model.Adapter: dR += (s·gy·B)ᵀ·(x·Aᵀ).
func (l *loraxs) Grad(x, gy tensor.Matrix) {
	h, g := l.down(x), l.up(gy)
	defer h.give()
	defer g.give()
	tensor.TN(op.Grad(l.r), g.Matrix, h.Matrix, 1)
}

// SpectrumFactors implements SpectrumFactorer.
func (l *loraxs) SpectrumFactors(out, _ int) []*mat.Dense {
	t := l.left(0, out)
	defer t.give()
	return []*mat.Dense{spectrum.LowRank(t.Matrix, op.Data(l.a), 1)}
}
