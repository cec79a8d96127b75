package adapter

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"

	"github.com/nlpodyssey/spago/nn"
	"gonum.org/v1/gonum/mathext/prng"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	Register("vera", Registration{PEFTType: "VERA", Without: []string{"trainable_token_indices", "exclude_modules"},
		PEFTTargets: veraPEFT(),
		LearningRate: func(int) LRRange {
			return LRRange{1e-3, 2e-2, "not in the MoRA paper; its paper's for GLUE; it trains vectors, which need more than matrices"}
		},
		New: func() Method {
			return &VeRA{Common: Common{TargetModules: AllLinear}, R: 256, SaveProjection: new(true), DInitial: new(0.1), Bias: "none"}
		}})
}

// veraPEFT is Registration.PEFTTargets: LoRA's, without the feed-forward modules.
func veraPEFT() map[string]string {
	all := maps.Clone(peftTargets)
	all["phi"] = "q_proj v_proj"
	return all
}

// VeRA is vector-based random matrix adaptation (Kopiczko et al. 2024, arXiv 2310.11454, Eq. 2):
// W' = W + diag(b)·B·diag(d)·A. A [r, in] and B [out, r] are random, frozen, and shared by all layers: each layer takes as
// many of the first columns of A and of the first rows of B as it needs. The vectors b [out], which starts at zero, and
// d [r] are trained.
type VeRA struct {
	Common
	// R is the rank.
	R int `json:"r"`
	// PRNGKey is the seed of A and B. They are the matrices that PyTorch draws from that seed.
	PRNGKey int `json:"projection_prng_key"`
	// SaveProjection says whether the file holds A and B: nil and true say yes. After new(false), whoever opens the file
	// draws them again.
	SaveProjection *bool `json:"save_projection"`
	// Dropout is the probability with which a value of the adapter's input is zeroed in training.
	Dropout float64 `json:"vera_dropout"`
	// DInitial is the value that d starts with; nil is 0.1.
	DInitial *float64 `json:"d_initial"`
	// Init says how b and d start: by default b is zero; for InitRandom b is one and d is random.
	Init Init `json:"init_weights"`
	// Bias says which of the model's own biases train, and are saved: "none", "all", or "vera_only", those of adapted layers.
	Bias string `json:"bias"`
	// FanInFanOut is what PEFT sets for GPT-2. It says nothing: the layer itself knows whether its file is [in, out].
	FanInFanOut bool `json:"fan_in_fan_out"`

	a, b *nn.Param // for the layers that PrepareTargets has seen; else nil
}

var (
	_ Method               = (*VeRA)(nil)
	_ Validator            = (*VeRA)(nil)
	_ InputDropper         = (*VeRA)(nil)
	_ TargetPreparer       = (*VeRA)(nil)
	_ SharedTensorStorer   = (*VeRA)(nil)
	_ model.Adapter        = (*vera)(nil)
	_ model.DeltaForwarder = (*vera)(nil)
	_ model.ApartLimiter   = (*vera)(nil)
	_ TensorStorer         = (*vera)(nil)
	_ Ranker               = (*vera)(nil)
)

// Validate implements Validator.
func (c *VeRA) Validate() error {
	switch {
	case c.R < 1 || c.R > maxRank:
		return fmt.Errorf("r is %d; want 1 to %d", c.R, maxRank)
	case c.PRNGKey < 0 || c.PRNGKey > math.MaxUint32:
		return fmt.Errorf("projection_prng_key is %d; want 0 to %d", c.PRNGKey, math.MaxUint32)
	case c.Dropout < 0 || c.Dropout >= 1 || math.IsNaN(c.Dropout):
		return fmt.Errorf("vera_dropout is %g; want 0 or more, below 1", c.Dropout)
	case c.Init != InitDefault && c.Init != InitRandom:
		return fmt.Errorf("init_weights is %q; want true or false", string(c.Init))
	}
	return validateBias(c.Bias, "vera_only")
}

// InputDropout implements InputDropper.
func (c *VeRA) InputDropout() float32 { return float32(c.Dropout) }

// PrepareTargets implements TargetPreparer: it draws A and B as large as the largest layers need them.
func (c *VeRA) PrepareTargets(targets []*model.Linear) (Method, error) {
	rows, cols := 0, 0
	for _, l := range targets {
		out, in := l.Dims()
		rows, cols = max(rows, out), max(cols, in)
	}
	own, rng := *c, prng.NewMT19937()
	rng.Seed(uint64(c.PRNGKey))
	own.a = frozen(torchKaiming(rng, c.R*cols, cols), c.R, cols)
	own.b = frozen(torchKaiming(rng, rows*c.R, c.R), rows, c.R)
	return &own, nil
}

// torchKaiming draws n numbers, uniform within ±√(6/in), as PyTorch does on the CPU from its generator MT19937
// (Matsumoto and Nishimura 1998). The arithmetic is PyTorch's: float32 but for a fused multiplication and addition. On
// processors without that instruction PyTorch's own last bit may differ.
func torchKaiming(rng *prng.MT19937, n, in int) []float32 {
	bound := math.Sqrt(3) * (math.Sqrt2 / math.Sqrt(float64(in)))
	low, high := float32(-bound), float32(bound)
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.FMA(float64(rng.Uint32()&(1<<24-1))/(1<<24), float64(high-low), float64(low)))
	}
	return v
}

// frozen is a parameter that does not train.
func frozen(v []float32, rows, cols int) *nn.Param {
	p := op.NewParam(v, rows, cols)
	p.SetRequiresGrad(false)
	return p
}

// SharedTensors implements SharedTensorStorer.
func (c *VeRA) SharedTensors() []StoredTensor {
	if !valueOf(c.SaveProjection) {
		return nil
	}
	return asStored([]model.Param{{Name: "base_model.vera_A", Param: c.a}, {Name: "base_model.vera_B", Param: c.b}})
}

// Adapt implements Method. Without PrepareTargets a layer has matrices of just its own size.
func (c *VeRA) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	out, in := l.Dims()
	if c.a == nil || op.Data(c.a).Cols < in || op.Data(c.b).Rows < out {
		own, err := c.PrepareTargets([]*model.Linear{l})
		if err != nil {
			return nil, err
		}
		return own.Adapt(l, rng)
	}
	b, d := make([]float32, out), normal(rng, c.R, 1)
	for i := range b {
		if c.Init == InitRandom {
			b[i] = 1
		}
	}
	for i := range d {
		if c.Init == InitDefault {
			d[i] = float32(valueOf(c.DInitial))
		}
	}
	return &vera{a: op.Data(c.a).Slice(0, 0, c.R, in), projection: op.Data(c.b).Slice(0, 0, out, c.R),
		lambdaB: op.NewParam(b, 1, out), lambdaD: op.NewParam(d, 1, c.R)}, nil
}

// vera is VeRA on one layer.
type vera struct {
	nn.Module
	a, projection    tensor.Matrix // A [r, in], B [out, r]
	lambdaB, lambdaD *nn.Param     // b [1, out], d [1, r]
}

// Params implements model.Adapter.
func (v *vera) Params() []model.Param {
	return []model.Param{{Name: "vera_lambda_d", Param: v.lambdaD}, {Name: "vera_lambda_b", Param: v.lambdaB}}
}

// StoredTensors implements TensorStorer: PEFT's vectors have one extent.
func (v *vera) StoredTensors() []StoredTensor {
	return []StoredTensor{{Name: "vera_lambda_b", Shape: []int{v.projection.Rows}, Param: v.lambdaB},
		{Name: "vera_lambda_d", Shape: []int{v.a.Rows}, Param: v.lambdaD}}
}

// Rank implements Ranker.
func (v *vera) Rank() (symbol string, n int) { return "r", v.a.Rows }

// MergeInto implements model.Adapter: w += diag(b[i:])·B[i:]·diag(d)·A[:,j:].
func (v *vera) MergeInto(w tensor.Matrix, i, j int) {
	s := take(w.Rows, v.a.Rows)
	defer s.give()
	b, d := op.Data(v.lambdaB).Data, op.Data(v.lambdaD).Data
	for r := range w.Rows {
		vec.Mul(s.Row(r), v.projection.Row(i+r), d)
		vec.Scale(s.Row(r), b[i+r], s.Row(r))
	}
	tensor.NN(w, s.Matrix, v.a.Slice(0, j, v.a.Rows, w.Cols), 1)
}

// down is x·Aᵀ, [tokens, r].
func (v *vera) down(x tensor.Matrix) *scratch {
	h := take(x.Rows, v.a.Rows)
	tensor.NT(h.Matrix, x, v.a, 0)
	return h
}

// up is (gy∘b)·B, [tokens, r].
func (v *vera) up(gy tensor.Matrix) *scratch {
	g := take(gy.Rows, v.a.Rows)
	tensor.NN(g.Matrix, gy, v.scaled(), 0)
	return g
}

// byColumns is m with column j scaled by s[j].
func byColumns(m tensor.Matrix, s []float32) *scratch {
	p := take(m.Rows, m.Cols)
	for t := range m.Rows {
		vec.Mul(p.Row(t), m.Row(t), s)
	}
	return p
}

// rowsScaled is a matrix with row i scaled by s[i].
type rowsScaled struct {
	tensor.Matrix
	s []float32
}

func (m rowsScaled) Block(dst []float32, ld, i, j, rows, cols int) {
	for r := range rows {
		vec.Scale(dst[r*ld:r*ld+cols], m.s[i+r], m.Row(i + r)[j:j+cols])
	}
}

// scaled is diag(b)·B.
func (v *vera) scaled() rowsScaled { return rowsScaled{v.projection, op.Data(v.lambdaB).Data} }

// Forward adds x·ΔWᵀ to y. It takes some rows at a time, whose products with B it scales: for one token diag(b)·B costs more.
func (v *vera) Forward(y, x tensor.Matrix) {
	h := v.down(x)
	defer h.give()
	s := byColumns(h.Matrix, op.Data(v.lambdaD).Data)
	defer s.give()
	const rows = 256
	p := take(min(rows, y.Rows), y.Cols)
	defer p.give()
	b := op.Data(v.lambdaB).Data
	for from := 0; from < y.Rows; from += rows {
		n := min(rows, y.Rows-from)
		tensor.NT(p.Slice(0, 0, n, y.Cols), s.Slice(from, 0, n, s.Cols), v.projection, 0)
		for t := range n {
			vec.Mul(p.Row(t), p.Row(t), b)
			vec.Add(y.Row(from+t), y.Row(from+t), p.Row(t))
		}
	}
}

// Backward adds gy·ΔW to dx.
func (v *vera) Backward(dx, gy tensor.Matrix) {
	g := v.up(gy)
	defer g.give()
	s := byColumns(g.Matrix, op.Data(v.lambdaD).Data)
	defer s.give()
	tensor.NN(dx, s.Matrix, v.a, 1)
}

// ApartRows implements model.ApartLimiter.
func (v *vera) ApartRows(out, in int) int { return productRows(out, in) }

// Grad implements model.Adapter: dbᵢ = Bᵢ·(gyᵀ·(x·Aᵀ∘d))ᵢ, dd = Σₜ (x·Aᵀ)∘((gy∘b)·B).
func (v *vera) Grad(x, gy tensor.Matrix) {
	h, g := v.down(x), v.up(gy)
	defer h.give()
	defer g.give()
	sum := columnProducts(h.Matrix, g.Matrix)
	defer sum.give()
	vec.Add(op.Grad(v.lambdaD).Data, op.Grad(v.lambdaD).Data, sum.Data)
	m := byColumns(h.Matrix, op.Data(v.lambdaD).Data)
	defer m.give()
	outer := take(gy.Cols, m.Cols)
	defer outer.give()
	tensor.TN(outer.Matrix, gy, m.Matrix, 0)
	for i, db := 0, op.Grad(v.lambdaB).Data; i < len(db); i++ {
		db[i] += vec.Dot(v.projection.Row(i), outer.Row(i))
	}
}
