package adapter

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	Register("ia3", Registration{PEFTType: "IA3", Needs: []string{"feedforward_modules"}, Without: []string{"trainable_token_indices", "layers_to_transform", "layers_pattern"},
		PEFTTargets: ia3PEFT,
		LearningRate: func(int) LRRange {
			return LRRange{1e-3, 1e-2, "not in the MoRA paper; around the 3e-3 of its paper"}
		},
		New: func() Method {
			return &IA3{Common: Common{TargetModules: ia3Targets}, FeedForward: ia3FeedForward}
		}})
}

// The places of the paper, by the names that the architectures of package model give them: keys, values, also where one
// layer has both, and the inside of the feed-forward part.
var (
	ia3FeedForward = TargetModules{Expr: `.*\.(?:` + ia3Down + `)`}
	ia3Targets     = TargetModules{Expr: `.*\.(?:k_proj|v_proj|key|value|key_proj|value_proj|k_lin|v_lin|k|v|qkv_proj|in_proj_qkv|query_key_value|c_attn|Wqkv|` + ia3Down + `)`}
)

const ia3Down = `(?:mlp|shared_expert)\.down_proj|fc2|\d+\.output\.dense|mlp\.c_proj|dense_4h_to_h|DenseReluDense\.wo|ffn\.lin2|ffn_output|mlp\.Wo`

// ia3PEFT is Registration.PEFTTargets. PEFT's w2 for mixtral is of an earlier transformers.
var ia3PEFT = map[string]string{
	"t5": "k v | wo", "mt5": "k v wi_1 |", "gpt2": "c_attn | mlp.c_proj", "roberta": "key value | output.dense", "gpt_neox": "query_key_value | dense_4h_to_h",
	"bart": "q_proj v_proj | fc2", "llama": "k_proj v_proj | down_proj", "mistral": "k_proj v_proj | down_proj", "mixtral": "k_proj v_proj | w2",
	"bert": "key value | output.dense", "deberta-v2": "key_proj value_proj | output.dense", "phi": "q_proj v_proj | fc2",
	"gemma": "q_proj v_proj | down_proj", "gemma2": "q_proj v_proj | down_proj", "gemma3_text": "q_proj v_proj | down_proj",
	"qwen2": "q_proj v_proj | down_proj", "qwen3": "q_proj v_proj | down_proj",
}

// IA3 is IA³ (Liu et al. 2022, arXiv 2205.05638, section 3.3). It scales a layer's outputs by a trained vector l [out],
// W' = diag(l)·W, or in a feed-forward module its inputs by l [in], W' = W·diag(l).
type IA3 struct {
	Common
	// FeedForward chooses, among the target modules, those whose inputs are scaled. The zero value has the paper's modules,
	// and Suffixes() none.
	FeedForward TargetModules `json:"feedforward_modules"`
	// Init says how l starts: as ones, or for InitRandom as random numbers.
	Init Init `json:"init_ia3_weights"`
	// FanInFanOut is what PEFT sets for GPT-2. It says nothing: the layer itself knows whether its file is [in, out].
	FanInFanOut bool `json:"fan_in_fan_out"`
}

var (
	_ Method                  = (*IA3)(nil)
	_ Validator               = (*IA3)(nil)
	_ MethodNamer             = (*IA3)(nil)
	_ ConfigTranslator        = (*IA3)(nil)
	_ model.Adapter           = (*ia3Outputs)(nil)
	_ model.OutputTransformer = (*ia3Outputs)(nil)
	_ model.OutputGradder     = (*ia3Outputs)(nil)
	_ model.BiasMerger        = (*ia3Outputs)(nil)
	_ model.Adapter           = (*ia3Inputs)(nil)
)

// Validate implements Validator.
func (c *IA3) Validate() error {
	if c.Init != InitDefault && c.Init != InitRandom {
		return fmt.Errorf("init_ia3_weights is %q; want true or false", string(c.Init))
	}
	for _, f := range c.FeedForward.List {
		if c.TargetModules.Expr == "" && !slices.Contains(c.TargetModules.List, f) {
			return fmt.Errorf("feedforward_modules: %q is not among target_modules", f)
		}
	}
	return validateBias("none", "none")
}

// MethodName implements MethodNamer.
func (c *IA3) MethodName() string { return "IA³" }

// ToFile implements ConfigTranslator: no modules are an empty list, since PEFT takes null for a choice by the type of
// model.
func (c *IA3) ToFile(all map[string]any) {
	if c.FeedForward.empty() {
		all["feedforward_modules"] = []string{}
	}
}

// FromFile implements ConfigTranslator.
func (c *IA3) FromFile() error { return nil }

// feedsForward says whether a layer's inputs are scaled. Here PEFT compares the entries of a list with the end of the
// path, and not with whole components of it as it does elsewhere.
func (c *IA3) feedsForward(path string) (bool, error) {
	if c.FeedForward.Expr == "" {
		return slices.ContainsFunc(c.FeedForward.List, func(s string) bool { return strings.HasSuffix(path, s) }), nil
	}
	ok, err := c.FeedForward.matches(path)
	if err != nil {
		return false, fmt.Errorf("feedforward_modules: %w", err)
	}
	return ok, nil
}

// Adapt implements Method.
func (c *IA3) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	inputs, err := c.feedsForward(l.Path())
	if err != nil {
		return nil, err
	}
	n, in := l.Dims()
	if inputs {
		n = in
	}
	v := normal(rng, n, 1)
	if c.Init == InitDefault {
		for i := range v {
			v[i] = 1
		}
	}
	if inputs {
		return &ia3Inputs{base: l, l: op.NewParam(v, 1, n)}, nil
	}
	return &ia3Outputs{base: l, l: op.NewParam(v, n, 1)}, nil
}

// ia3Outputs scales a layer's outputs.
type ia3Outputs struct {
	nn.Module
	base *model.Linear
	l    *nn.Param // [out, 1]
}

// Params implements model.Adapter.
func (a *ia3Outputs) Params() []model.Param { return []model.Param{{Name: "ia3_l", Param: a.l}} }

// MergeInto implements model.Adapter.
func (a *ia3Outputs) MergeInto(w tensor.Matrix, i, _ int) {
	for r, s := range op.Data(a.l).Data[i : i+w.Rows] {
		vec.Scale(w.Row(r), s, w.Row(r))
	}
}

// MergeBias implements model.BiasMerger: the bias is scaled as the outputs are.
func (a *ia3Outputs) MergeBias(b []float32) { vec.Mul(b, b, op.Data(a.l).Data) }

// BiasGrad implements model.BiasMerger: dlᵢ += bᵢ·Σₜ gyₜᵢ.
func (a *ia3Outputs) BiasGrad(b []float32, gy tensor.Matrix) {
	sum := take(1, gy.Cols)
	defer sum.give()
	clear(sum.Data)
	for t := range gy.Rows {
		vec.Add(sum.Data, sum.Data, gy.Row(t))
	}
	vec.Mul(sum.Data, sum.Data, b)
	vec.Add(op.Grad(a.l).Data, op.Grad(a.l).Data, sum.Data)
}

// TransformOutput implements model.OutputTransformer: x·W'ᵀ = l ∘ y.
func (a *ia3Outputs) TransformOutput(y, _ tensor.Matrix) {
	for t := range y.Rows {
		vec.Mul(y.Row(t), y.Row(t), op.Data(a.l).Data)
	}
}

// Grad implements model.Adapter: dlᵢ = Σₜ gyₜᵢ·(x·Wᵀ)ₜᵢ.
func (a *ia3Outputs) Grad(x, gy tensor.Matrix) {
	y := take(gy.Rows, gy.Cols)
	defer y.give()
	tensor.NT(y.Matrix, x, a.base.Weight.Source(""), 0)
	sum := columnProducts(gy, y.Matrix)
	defer sum.give()
	vec.Add(op.Grad(a.l).Data, op.Grad(a.l).Data, sum.Data)
}

// GradOutput implements model.OutputGradder: x·Wᵀ is y over l, unless an element of l is too small for that.
func (a *ia3Outputs) GradOutput(x, y, gy tensor.Matrix) {
	l := op.Data(a.l).Data
	for _, s := range l {
		if math.Abs(float64(s)) < small {
			a.Grad(x, gy)
			return
		}
	}
	sum := columnProducts(gy, y)
	defer sum.give()
	grad := op.Grad(a.l).Data
	for i, v := range sum.Data {
		grad[i] += v / l[i]
	}
}

// ia3Inputs scales a layer's inputs.
type ia3Inputs struct {
	nn.Module
	base *model.Linear
	l    *nn.Param // [1, in]
}

// Params implements model.Adapter.
func (a *ia3Inputs) Params() []model.Param { return []model.Param{{Name: "ia3_l", Param: a.l}} }

// MergeInto implements model.Adapter.
func (a *ia3Inputs) MergeInto(w tensor.Matrix, _, j int) {
	for r := range w.Rows {
		vec.Mul(w.Row(r), w.Row(r), op.Data(a.l).Data[j:j+w.Cols])
	}
}

// Grad implements model.Adapter: dlⱼ = Σₜ xₜⱼ·(gy·W)ₜⱼ.
func (a *ia3Inputs) Grad(x, gy tensor.Matrix) {
	g := take(x.Rows, x.Cols)
	defer g.give()
	tensor.NN(g.Matrix, gy, a.base.Weight.Source(""), 0)
	sum := columnProducts(x, g.Matrix)
	defer sum.give()
	vec.Add(op.Grad(a.l).Data, op.Grad(a.l).Data, sum.Data)
}

// columnProducts is Σₜ aₜⱼ·bₜⱼ by column, [1, cols].
func columnProducts(a, b tensor.Matrix) *scratch {
	s := take(1, a.Cols)
	clear(s.Data)
	product := take(1, a.Cols)
	defer product.give()
	for t := range a.Rows {
		vec.Mul(product.Data, a.Row(t), b.Row(t))
		vec.Add(s.Data, s.Data, product.Data)
	}
	return s
}
