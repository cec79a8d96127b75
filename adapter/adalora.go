package adapter

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/nn"
	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	Register("adalora", Registration{PEFTType: "ADALORA", Ignores: []string{"r"},
		AtRank: func(r int) map[string]any { return map[string]any{"init_r": r * 3 / 2, "target_r": r} },
		PEFTTargets: map[string]string{
			"t5": "q k v o wi wo", "mt5": "q k v o wi_0 wi_1 wo", "bart": "q_proj k_proj v_proj out_proj fc1 fc2", "gpt2": "c_attn",
			"gpt_neox": "query_key_value", "llama": "q_proj v_proj", "bert": "query value", "roberta": "query key value dense",
			"deberta-v2": "query_proj key_proj value_proj dense", "gemma": "q_proj v_proj", "gemma2": "q_proj v_proj", "gemma3_text": "q_proj v_proj",
			"qwen2": "q_proj v_proj", "qwen3": "q_proj v_proj",
		},
		LearningRate: func(int) LRRange {
			return LRRange{5e-4, 2e-3, "not in the MoRA paper; its paper's for GLUE"}
		},
		New: func() Method {
			return &AdaLoRA{Common: Common{TargetModules: AllLinear}, TargetR: 8, InitR: 12, DeltaT: 1, Beta1: 0.85, Beta2: 0.85,
				OrthRegWeight: new(0.5), Alpha: new(defaultAlpha), Bias: "none"}
		}})
}

// AdaLoRA is adaptive LoRA (Zhang et al. 2023, arXiv 2303.10512, Eq. 3): W' = W + α/r·B·diag(E)·A, in the form of a
// singular value decomposition. Training adds to the loss OrthRegWeight times the mean of ‖A·Aᵀ−I‖ and ‖Bᵀ·B−I‖ over all
// matrices (the norms as in PEFT; Eq. 4 has their squares). While it runs, it takes away triplets, each of which is a row
// of A, an entry of E and a column of B: the least important ones of all layers go first (Algorithm 1).
type AdaLoRA struct {
	Common
	// InitR is the rank that every layer starts with, and TargetR the mean rank that is left at the end.
	InitR   int `json:"init_r"`
	TargetR int `json:"target_r"`
	// TInit is the number of steps before the budget of triplets falls, and TFinal the number of steps after it has fallen.
	// In between it is given out every DeltaT steps.
	TInit  int `json:"tinit"`
	TFinal int `json:"tfinal"`
	DeltaT int `json:"deltaT"`
	// TotalStep is the number of steps of the run that the schedule is for; 0 takes that of the run that trains it.
	TotalStep int `json:"total_step"`
	// Beta1 smooths the importance of a triplet, and Beta2 the uncertainty of the importance.
	Beta1 float64 `json:"beta1"`
	Beta2 float64 `json:"beta2"`
	// OrthRegWeight is the weight of the orthogonality in the loss; nil is 0.5.
	OrthRegWeight *float64 `json:"orth_reg_weight"`
	// RankPattern says, by layer, which of the triplets a file holds: PEFT leaves out the triplets that were taken away.
	RankPattern map[string][]bool `json:"rank_pattern"`
	// Alpha over InitR scales the update. nil is 8; 0 and less count as InitR.
	Alpha *float64 `json:"lora_alpha"`
	// Dropout is the probability with which a value of the adapter's input is zeroed in training.
	Dropout float64 `json:"lora_dropout"`
	// Init says how the adapter starts: by default E is zero; InitRandom draws everything.
	Init Init `json:"init_lora_weights"`
	// Bias says which of the model's own biases train, and are saved: "none", "all", or "lora_only", those of adapted layers.
	Bias string `json:"bias"`
	// FanInFanOut is what PEFT sets for GPT-2. It says nothing: the layer itself knows whether its file is [in, out].
	FanInFanOut bool `json:"fan_in_fan_out"`
}

var (
	_ Method               = (*AdaLoRA)(nil)
	_ Validator            = (*AdaLoRA)(nil)
	_ InputDropper         = (*AdaLoRA)(nil)
	_ TargetPreparer       = (*AdaLoRA)(nil)
	_ ConfigTranslator     = (*AdaLoRA)(nil)
	_ model.Adapter        = (*adalora)(nil)
	_ model.DeltaForwarder = (*adalora)(nil)
	_ model.ApartLimiter   = (*adalora)(nil)
	_ Ranker               = (*adalora)(nil)
	_ SpectrumFactorer     = (*adalora)(nil)
)

// maxSteps bounds a schedule.
const maxSteps = 1 << 30

// Validate implements Validator.
func (c *AdaLoRA) Validate() error {
	if err := c.Init.only("AdaLoRA", InitDefault, InitRandom); err != nil {
		return err
	}
	within := func(v float64) bool { return v > 0 && v < 1 }
	weight := valueOf(c.OrthRegWeight)
	switch {
	case c.InitR < 1 || c.InitR > maxRank:
		return fmt.Errorf("init_r is %d; want 1 to %d", c.InitR, maxRank)
	case c.TargetR < 1 || c.TargetR > c.InitR:
		return fmt.Errorf("target_r is %d; want 1 to init_r, %d", c.TargetR, c.InitR)
	case min(c.TInit, c.TFinal, c.TotalStep) < 0 || max(c.TInit, c.TFinal, c.TotalStep) > maxSteps:
		return fmt.Errorf("tinit is %d, tfinal %d, total_step %d; want 0 to %d", c.TInit, c.TFinal, c.TotalStep, maxSteps)
	case c.DeltaT < 1:
		return fmt.Errorf("deltaT is %d; want 1 or more", c.DeltaT)
	case !within(c.Beta1) || !within(c.Beta2):
		return fmt.Errorf("beta1 is %g, beta2 %g; want numbers between 0 and 1", c.Beta1, c.Beta2)
	case !(weight >= 0) || math.IsInf(weight, 0):
		return fmt.Errorf("orth_reg_weight is %g; want 0 or more", weight)
	case c.Dropout < 0 || c.Dropout >= 1 || math.IsNaN(c.Dropout):
		return fmt.Errorf("lora_dropout is %g; want 0 or more, below 1", c.Dropout)
	case c.TotalStep > 0:
		if err := c.fits(c.TotalStep); err != nil {
			return err
		}
	}
	return validateBias(c.Bias, "lora_only")
}

// fits says whether a run of total steps has room for the schedule.
func (c *AdaLoRA) fits(total int) error {
	if c.TInit >= total-c.TFinal {
		return fmt.Errorf("tinit %d and tfinal %d leave no step of %d for the budget to fall; lower them", c.TInit, c.TFinal, total)
	}
	return nil
}

// InputDropout implements InputDropper.
func (c *AdaLoRA) InputDropout() float32 { return float32(c.Dropout) }

// PrepareTargets implements TargetPreparer: every layer of RankPattern must be there.
func (c *AdaLoRA) PrepareTargets(targets []*model.Linear) (Method, error) {
	known := map[string]bool{}
	for _, l := range targets {
		known[l.Path()+".lora_E"] = true
	}
	for _, k := range slices.Sorted(maps.Keys(c.RankPattern)) {
		if !known[k] {
			return nil, ofKind(ErrNoMatch, fmt.Errorf("rank_pattern: %s is of no adapted layer", strings.TrimSuffix(k, ".lora_E")))
		}
	}
	own := *c
	return &own, nil
}

// ToFile implements ConfigTranslator: PEFT opens no file without a total_step that the schedule fits into.
func (c *AdaLoRA) ToFile(all map[string]any) {
	if c.TotalStep == 0 {
		all["total_step"] = c.TInit + c.TFinal + 1
	}
}

// FromFile implements ConfigTranslator.
func (c *AdaLoRA) FromFile() error { return nil }

// Adapt implements Method.
func (c *AdaLoRA) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	out, in := l.Dims()
	r := c.InitR
	if kept, ok := c.RankPattern[l.Path()+".lora_E"]; ok {
		r = 0
		for _, k := range kept {
			if k {
				r++
			}
		}
	}
	deviation, e := 0.02, make([]float32, r)
	if c.Init == InitRandom {
		deviation, e = 1, normal(rng, r, 1)
	}
	alpha := valueOf(c.Alpha)
	if alpha <= 0 {
		alpha = float64(c.InitR)
	}
	return &adalora{a: op.NewParam(normal(rng, r*in, deviation), r, in), e: op.NewParam(e, r, 1),
		b: op.NewParam(normal(rng, out*r, deviation), out, r), scale: float32(alpha / (float64(c.InitR) + 1e-5))}, nil
}

// adalora is AdaLoRA on one layer.
type adalora struct {
	nn.Module
	a, e, b *nn.Param // [r, in], [r, 1], [out, r]
	scale   float32
}

// Params implements model.Adapter.
func (l *adalora) Params() []model.Param {
	return []model.Param{{Name: "lora_A", Param: l.a}, {Name: "lora_B", Param: l.b}, {Name: "lora_E", Param: l.e}}
}

func (l *adalora) Rank() (symbol string, n int) { return "r", op.Data(l.a).Rows }

// weighted is b·diag(s·E). The rows of b are rows of B, or tokens.
func (l *adalora) weighted(b tensor.Matrix) *scratch {
	s := byColumns(b, op.Data(l.e).Data)
	vec.Scale(s.Data, l.scale, s.Data)
	return s
}

// MergeInto implements model.Adapter: w += s·B[i:]·diag(E)·A[:,j:].
func (l *adalora) MergeInto(w tensor.Matrix, i, j int) {
	a, b := op.Data(l.a), op.Data(l.b)
	if a.Rows == 0 {
		return
	}
	s := l.weighted(b.Slice(i, 0, w.Rows, b.Cols))
	defer s.give()
	tensor.NN(w, s.Matrix, a.Slice(0, j, a.Rows, w.Cols), 1)
}

// down is x·Aᵀ, [tokens, r].
func (l *adalora) down(x tensor.Matrix) *scratch {
	a := op.Data(l.a)
	h := take(x.Rows, a.Rows)
	tensor.NT(h.Matrix, x, a, 0)
	return h
}

// up is gy·B, [tokens, r].
func (l *adalora) up(gy tensor.Matrix) *scratch {
	b := op.Data(l.b)
	g := take(gy.Rows, b.Cols)
	tensor.NN(g.Matrix, gy, b, 0)
	return g
}

// Forward adds x·ΔWᵀ to y.
func (l *adalora) Forward(y, x tensor.Matrix) {
	if op.Data(l.a).Rows == 0 {
		return
	}
	h := l.down(x)
	defer h.give()
	s := l.weighted(h.Matrix)
	defer s.give()
	tensor.NT(y, s.Matrix, op.Data(l.b), 1)
}

// Backward adds gy·ΔW to dx.
func (l *adalora) Backward(dx, gy tensor.Matrix) {
	if op.Data(l.a).Rows == 0 {
		return
	}
	g := l.up(gy)
	defer g.give()
	s := l.weighted(g.Matrix)
	defer s.give()
	tensor.NN(dx, s.Matrix, op.Data(l.a), 1)
}

// ApartRows implements model.ApartLimiter.
func (l *adalora) ApartRows(out, in int) int { return productRows(out, in) }

// Grad implements model.Adapter: with h = x·Aᵀ and g = gy·B, dA += (s·g∘E)ᵀ·x, dB += gyᵀ·(s·h∘E), dE += s·Σₜ g∘h.
func (l *adalora) Grad(x, gy tensor.Matrix) {
	if op.Data(l.a).Rows == 0 {
		return
	}
	h, g := l.down(x), l.up(gy)
	defer h.give()
	defer g.give()
	sh, sg := l.weighted(h.Matrix), l.weighted(g.Matrix)
	defer sh.give()
	defer sg.give()
	tensor.TN(op.Grad(l.a), sg.Matrix, x, 1)
	tensor.TN(op.Grad(l.b), gy, sh.Matrix, 1)
	sum := columnProducts(g.Matrix, h.Matrix)
	defer sum.give()
	vec.Axpy(op.Grad(l.e).Data, l.scale, sum.Data)
}

// SpectrumFactors implements SpectrumFactorer: ΔW is (B·diag(s·E))·A.
func (l *adalora) SpectrumFactors(out, in int) []*mat.Dense {
	b := op.Data(l.b)
	if b.Cols == 0 {
		return nil
	}
	s := l.weighted(b)
	defer s.give()
	return (&lora{a: l.a, b: op.NewParam(s.Data, out, b.Cols), scale: 1}).SpectrumFactors(out, in)
}
