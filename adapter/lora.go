package adapter

import (
	"fmt"
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
	Register("lora", Registration{PEFTType: "LORA", New: func() Method { return newLoRA() }})
	Register("rslora", Registration{PEFTType: "LORA", New: func() Method {
		c := newLoRA()
		c.RSLoRA = true
		return c
	}})
}

// LoRA is low-rank adaptation (Hu et al. 2021, arXiv 2106.09685, Eq. 3): W' = W + α/r·B·A with trained A [r, in] and
// B [out, r].
type LoRA struct {
	Common
	// R is the rank.
	R int `json:"r"`
	// Alpha over R scales the update.
	Alpha float64 `json:"lora_alpha"`
	// Dropout is the probability with which a value of the adapter's input is zeroed in training.
	Dropout float64 `json:"lora_dropout"`
	// RankPattern and AlphaPattern give some layers another rank or alpha.
	RankPattern  Pattern[int]     `json:"rank_pattern"`
	AlphaPattern Pattern[float64] `json:"alpha_pattern"`
	// Init says how the adapter starts.
	Init Init `json:"init_lora_weights"`
	// Bias says which of the model's own biases train, and are saved: "none", "all", or "lora_only", those of adapted layers.
	Bias string `json:"bias"`
	// FanInFanOut is what PEFT sets for GPT-2. It says nothing: the layer itself knows whether its file is [in, out].
	FanInFanOut bool `json:"fan_in_fan_out"`
	// RSLoRA scales by α/√r instead of α/r (Kalajdzievski 2023, arXiv 2312.03732).
	RSLoRA bool `json:"use_rslora"`
	// LoRABias trains a bias beside B, too: W'·x gets α/r·(B·A·x + b). It can be merged only into layers that have a bias.
	LoRABias bool `json:"lora_bias"`
	// TargetParameters are ends of the paths of experts' parameters, such as "mlp.experts.down_proj", that are adapted beside
	// TargetModules: each expert has an A and a B of its own. To adapt nothing else, TargetModules is Suffixes().
	TargetParameters stringList `json:"target_parameters"`
	// ConvertedFrom says that a file holds PiSSA or OLoRA as a LoRA of twice the rank. Only files set it.
	ConvertedFrom Init `json:"converted_from"`
}

var (
	_ Method               = (*LoRA)(nil)
	_ Validator            = (*LoRA)(nil)
	_ InputDropper         = (*LoRA)(nil)
	_ MethodNamer          = (*LoRA)(nil)
	_ LinearFilter         = (*LoRA)(nil)
	_ PatternLister        = (*LoRA)(nil)
	_ model.Adapter        = (*lora)(nil)
	_ model.DeltaForwarder = (*lora)(nil)
	_ model.ApartLimiter   = (*lora)(nil)
	_ model.BiasAdder      = (*lora)(nil)
	_ Ranker               = (*lora)(nil)
	_ SpectrumFactorer     = (*lora)(nil)
)

func newLoRA() *LoRA {
	return &LoRA{Common: Common{TargetModules: AllLinear}, R: defaultRank, Alpha: defaultAlpha, Bias: "none",
		RankPattern: Pattern[int]{}, AlphaPattern: Pattern[float64]{}}
}

// MethodName implements MethodNamer: PiSSA and OLoRA are LoRA with another start.
func (c *LoRA) MethodName() string {
	name := "LoRA"
	switch {
	case c.Init == InitOLoRA:
		name = "OLoRA"
	case c.Init.residual():
		name = "PiSSA"
	}
	if c.RSLoRA {
		return "rs" + name
	}
	return name
}

func (c *LoRA) lowRank() lowRank {
	return lowRank{c.R, c.Alpha, c.Dropout, c.RankPattern, c.AlphaPattern, c.Init, c.Bias, c.RSLoRA}
}

// Validate implements Validator.
func (c *LoRA) Validate() error {
	if c.LoRABias && c.Init != InitDefault && c.Init != InitRandom {
		return ofKind(ErrUnsupported, fmt.Errorf("lora_bias: init_lora_weights is %q; want true or false", string(c.Init)))
	}
	if err := c.validateParameters(); err != nil {
		return err
	}
	return c.lowRank().validateScaled()
}

// InputDropout implements InputDropper.
func (c *LoRA) InputDropout() float32 { return float32(c.Dropout) }

// LayerPatterns implements PatternLister.
func (c *LoRA) LayerPatterns() map[string][]string { return c.lowRank().patterns() }

// Adapt implements Method.
func (c *LoRA) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	low, err := newLora(c.lowRank(), l, rng)
	if err != nil {
		return nil, err
	}
	if c.LoRABias {
		out, _ := l.Dims()
		v := make([]float32, out)
		if c.Init == InitRandom {
			v = kaiming(rng, out, op.Data(low.a).Rows)
		}
		low.bias = op.NewParam(v, 1, out)
	}
	if !c.Init.residual() {
		return low, nil
	}
	return c.residual(low, l, rng)
}

// lora is LoRA on one layer.
type lora struct {
	nn.Module
	a, b  *nn.Param // [r, in], [out, r]
	bias  *nn.Param // [1, out], or nil
	scale float32
	ratio float64 // the learning rate of B over that of A; 0 counts as 1
}

// newLora draws A and B of a layer.
func newLora(s lowRank, l *model.Linear, rng *rand.Rand) (*lora, error) {
	r, alpha, err := s.on(keyPath(l))
	if err == nil {
		err = s.start.drawn(rng)
	}
	if err != nil {
		return nil, err
	}
	out, in := l.Dims()
	a, b := kaiming(rng, r*in, in), make([]float32, out*r)
	switch s.start {
	case InitRandom:
		b = kaiming(rng, out*r, r)
	case InitGaussian:
		a = normal(rng, r*in, 1/float64(r))
	}
	return &lora{a: op.NewParam(a, r, in), b: op.NewParam(b, out, r), scale: s.scale(r, alpha)}, nil
}

// Params implements model.Adapter.
func (l *lora) Params() []model.Param {
	ps := []model.Param{{Name: "lora_A.weight", Param: l.a}, {Name: "lora_B.weight", Param: l.b, LRScale: l.ratio}}
	if l.bias != nil {
		ps = append(ps, model.Param{Name: "lora_B.bias", Param: l.bias, LRScale: l.ratio})
	}
	return ps
}

// StoredTensors implements TensorStorer: PEFT's bias has one extent.
func (l *lora) StoredTensors() []StoredTensor {
	all := asStored(l.Params())
	if l.bias != nil {
		all[2].Shape = all[2].Shape[1:]
	}
	return all
}

// AddBias implements model.BiasAdder: b += s·bias.
func (l *lora) AddBias(b []float32) bool {
	if l.bias == nil {
		return false
	}
	vec.Axpy(b, l.scale, op.Data(l.bias).Data)
	return true
}

// Rank implements Ranker.
func (l *lora) Rank() (symbol string, n int) { return "r", op.Data(l.a).Rows }

// MergeInto implements model.Adapter: w += s·B[i:]·A[:,j:].
func (l *lora) MergeInto(w tensor.Matrix, i, j int) {
	a, b := op.Data(l.a), op.Data(l.b)
	s := take(w.Rows, b.Cols)
	defer s.give()
	vec.Scale(s.Data, l.scale, b.Data[i*b.Cols:(i+w.Rows)*b.Cols])
	tensor.NN(w, s.Matrix, a.Slice(0, j, a.Rows, w.Cols), 1)
}

// down is s·x·Aᵀ, [tokens, r].
func (l *lora) down(x tensor.Matrix) *scratch {
	a := op.Data(l.a)
	h := take(x.Rows, a.Rows)
	tensor.NT(h.Matrix, x, a, 0)
	vec.Scale(h.Data, l.scale, h.Data)
	return h
}

// up is s·gy·B, [tokens, r].
func (l *lora) up(gy tensor.Matrix) *scratch {
	b := op.Data(l.b)
	g := take(gy.Rows, b.Cols)
	tensor.NN(g.Matrix, gy, b, 0)
	vec.Scale(g.Data, l.scale, g.Data)
	return g
}

// Forward adds x·ΔWᵀ to y.
func (l *lora) Forward(y, x tensor.Matrix) {
	h := l.down(x)
	defer h.give()
	tensor.NT(y, h.Matrix, op.Data(l.b), 1)
}

// Backward adds gy·ΔW to dx.
func (l *lora) Backward(dx, gy tensor.Matrix) {
	g := l.up(gy)
	defer g.give()
	tensor.NN(dx, g.Matrix, op.Data(l.a), 1)
}

// ApartRows implements model.ApartLimiter.
func (l *lora) ApartRows(out, in int) int { return productRows(out, in) }

// SpectrumFactors implements SpectrumFactorer.
func (l *lora) SpectrumFactors(_, _ int) []*mat.Dense {
	return []*mat.Dense{spectrum.LowRank(op.Data(l.b), op.Data(l.a), l.scale)}
}

// Grad implements model.Adapter: dB += gyᵀ·(s·x·Aᵀ), dA += (s·gy·B)ᵀ·x, and for a bias db += s·Σ gy. It computes dBᵀ = s·(A·xᵀ)·gy, in which the
// narrow matrices are operands of few rows, so that no kernel packs x and gy.
func (l *lora) Grad(x, gy tensor.Matrix) {
	if l.bias != nil && op.RequiresGrad(l.bias) {
		for t := range gy.Rows {
			vec.Axpy(op.Grad(l.bias).Data, l.scale, gy.Row(t))
		}
	}
	l.gradFactors(x, gy, nil)
}

// gradFactors adds the gradients of A and B for a gy whose column i is scaled by factors[i], if there are any.
func (l *lora) gradFactors(x, gy tensor.Matrix, factors []float32) {
	a, b := op.Data(l.a), op.Data(l.b)
	scale := func(m tensor.Matrix) { // [r, out]
		if factors == nil {
			return
		}
		for k := range m.Rows {
			vec.Mul(m.Row(k), m.Row(k), factors)
		}
	}
	tensor.Parallel(2, func(i int) {
		switch {
		case i == 0 && op.RequiresGrad(l.b):
			d := take(a.Rows, gy.Cols)
			defer d.give()
			l.narrow(d.Matrix, a, x, gy, 0)
			scale(d.Matrix)
			addTransposed(op.Grad(l.b), d.Matrix)
		case i == 1 && op.RequiresGrad(l.a):
			bt := take(b.Cols, b.Rows)
			defer bt.give()
			clear(bt.Data)
			addTransposed(bt.Matrix, b)
			scale(bt.Matrix)
			l.narrow(op.Grad(l.a), bt.Matrix, gy, x, 1)
		}
	})
}

// narrow computes d = s·(m·pᵀ)·q + beta·d for a matrix m of few rows.
func (l *lora) narrow(d, m, p, q tensor.Matrix, beta float32) {
	h := take(m.Rows, p.Rows)
	defer h.give()
	const rows = 8 // as many as package tensor multiplies without packing p
	for i := 0; i < m.Rows; i += rows {
		n := min(rows, m.Rows-i)
		tensor.NT(h.Slice(i, 0, n, h.Cols), m.Slice(i, 0, n, m.Cols), p, 0)
	}
	vec.Scale(h.Data, l.scale, h.Data)
	tensor.NN(d, h.Matrix, q, beta)
}

// addTransposed adds mᵀ to d.
func addTransposed(d, m tensor.Matrix) {
	for i := range m.Rows {
		for j, v := range m.Row(i) {
			d.Data[j*d.Stride+i] += v
		}
	}
}
