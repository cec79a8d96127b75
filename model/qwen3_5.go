package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("qwen3_5_text", Architecture{Class: "Qwen3_5", Prefix: "model.", Kind: head.CausalLM, New: newQwen35,
		Classes: map[head.Kind]string{head.SequenceClassification: "Qwen3_5TextForSequenceClassification"}})
}

// qwen35Config has the keys of config.json for the text part of Qwen 3.5.
type qwen35Config struct {
	DecoderConfig
	AttentionBias         bool     `json:"attention_bias"`
	LayerTypes            []string `json:"layer_types"`
	FullAttentionInterval int      `json:"full_attention_interval"`
	LinearConvKernelDim   int      `json:"linear_conv_kernel_dim"`
	LinearKeyHeadDim      int      `json:"linear_key_head_dim"`
	LinearValueHeadDim    int      `json:"linear_value_head_dim"`
	LinearNumKeyHeads     int      `json:"linear_num_key_heads"`
	LinearNumValueHeads   int      `json:"linear_num_value_heads"`
}

const linearAttention = "linear_attention"

// newQwen35 declares the text decoder of Qwen 3.5 (Qwen Team 2026): three of four layers have linear attention by the gated delta
// rule, the others attention with gates.
func newQwen35(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &qwen35Config{
		DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 32768, RMSNormEps: 1e-6, HiddenAct: "silu", NumKeyValueHeads: new(4), HeadDim: new(256),
			normOffset: 1, RoPEConfig: RoPEConfig{PartialRotary: true, PartialRotaryFactor: new(0.25)}},
		FullAttentionInterval: 4, LinearConvKernelDim: 4, LinearKeyHeadDim: 128, LinearValueHeadDim: 128, LinearNumKeyHeads: 16, LinearNumValueHeads: 32,
	}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	return NewDecoder(&c.DecoderConfig, want, func(i int) DecoderLayer {
		l := &qwen35Layer{InputNorm: c.NewNorm(), PostNorm: c.NewNorm(), MLP: c.NewMLP(false)}
		if c.LayerTypes[i] == linearAttention {
			l.Linear = c.newGatedDeltaNet()
		} else {
			l.Attention = c.newQwen35Attention()
		}
		return l
	})
}

// check completes layer_types, and says what is wrong with the keys.
func (c *qwen35Config) check() error {
	if err := positive("full_attention_interval", c.FullAttentionInterval, "linear_conv_kernel_dim", c.LinearConvKernelDim, "linear_key_head_dim", c.LinearKeyHeadDim,
		"linear_value_head_dim", c.LinearValueHeadDim, "linear_num_key_heads", c.LinearNumKeyHeads, "linear_num_value_heads", c.LinearNumValueHeads); err != nil {
		return err
	}
	if c.LayerTypes == nil {
		linear := everyNth(c.FullAttentionInterval)
		for i := range c.NumHiddenLayers {
			c.LayerTypes = append(c.LayerTypes, fullAttention)
			if linear(i) {
				c.LayerTypes[i] = linearAttention
			}
		}
	}
	switch {
	case len(c.LayerTypes) != c.NumHiddenLayers:
		return fmt.Errorf("config.json: layer_types has %d entries for %d layers", len(c.LayerTypes), c.NumHiddenLayers)
	case c.LinearNumValueHeads%c.LinearNumKeyHeads != 0:
		return fmt.Errorf("config.json: linear_num_value_heads %d is not a multiple of linear_num_key_heads %d", c.LinearNumValueHeads, c.LinearNumKeyHeads)
	case c.activation != op.SiLU:
		return notSupported("config.json: hidden_act %q is not supported; Qwen 3.5 has silu", c.HiddenAct)
	}
	for _, t := range c.LayerTypes {
		if t != fullAttention && t != linearAttention {
			return notSupported("config.json: layer_types has %q; supported are %s, %s", t, fullAttention, linearAttention)
		}
	}
	return nil
}

// qwen35Layer has a norm before each half; one of Linear and Attention is nil.
type qwen35Layer struct {
	InputNorm *RMSNorm         `hf:"input_layernorm"`
	Linear    *gatedDeltaNet   `hf:"linear_attn"`
	Attention *qwen35Attention `hf:"self_attn"`
	PostNorm  *RMSNorm         `hf:"post_attention_layernorm"`
	MLP       *GatedMLP        `hf:"mlp"`
}

// Forward implements DecoderLayer.
func (l *qwen35Layer) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	var mix attender = l.Attention
	if l.Linear != nil {
		mix = l.Linear
	}
	x = op.Add(p, x, mix.Forward(p, l.InputNorm.Forward(p, x), bounds, cache))
	return op.Add(p, x, l.MLP.Forward(p, l.PostNorm.Forward(p, x)))
}

// qwen35Attention has a gate for each value of its output: q_proj has, head by head, a query and a gate.
type qwen35Attention struct {
	*Attention `hf:""`
	byKind     []int // the columns of q_proj's halves, all queries before all gates
}

func (c *qwen35Config) newQwen35Attention() *qwen35Attention {
	a := &qwen35Attention{Attention: c.NewAttention(c.AttentionBias, c.AttentionBias)}
	a.Query = NewLinear(2*c.queryCols(), c.HiddenSize, c.AttentionBias)
	a.NormHeads()
	for kind := range 2 {
		for h := range c.NumAttentionHeads {
			a.byKind = append(a.byKind, (2*h+kind)*c.headDim)
		}
	}
	return a
}

// Forward implements attender.
func (a *qwen35Attention) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	n, dim := a.c.queryCols(), a.c.headDim
	kv := 2 * a.c.keyCols()
	all := op.Linear(p, x, a.Query, a.Key, a.Value)
	order := make([]int, 0, len(a.byKind)+kv/dim) // queries, keys and values, gates
	order = append(order, a.byKind[:a.c.NumAttentionHeads]...)
	for h := range kv / dim {
		order = append(order, 2*n+h*dim)
	}
	order = append(order, a.byKind[a.c.NumAttentionHeads:]...)
	all = op.Columns(p, all, order, dim)
	gate, qkv := op.Slice(p, all, n+kv, n), op.Slice(p, all, 0, n+kv)
	qkv = op.GroupRMSNorm(p, qkv, []op.NormGroup{a.QueryNorm.group(p, n), a.KeyNorm.group(p, a.c.keyCols()), a.values()}, a.QueryNorm.Eps)
	return op.Linear(p, op.Modulate(p, a.attend(p, qkv, bounds, cache, a.Query), gate, false), a.Output)
}

// gatedDeltaNet is linear attention by the gated delta rule (Yang et al. 2024, arXiv 2412.06464).
type gatedDeltaNet struct {
	QKV      *Linear  `hf:"in_proj_qkv"`
	Z        *Linear  `hf:"in_proj_z"`
	B        *Linear  `hf:"in_proj_b"`
	A        *Linear  `hf:"in_proj_a"`
	Conv     *Weight  `hf:"conv1d.weight"` // [channels, kernel], in a checkpoint [channels, 1, kernel]
	Decay    *Weight  `hf:"A_log"`
	TimeBias *Weight  `hf:"dt_bias"`
	Norm     *RMSNorm `hf:"norm"`
	Output   *Linear  `hf:"out_proj"`

	shape op.DeltaShape
}

func (c *qwen35Config) newGatedDeltaNet() *gatedDeltaNet {
	n, keys, values := c.HiddenSize, c.LinearNumKeyHeads*c.LinearKeyHeadDim, c.LinearNumValueHeads*c.LinearValueHeadDim
	d := &gatedDeltaNet{
		QKV: NewLinear(2*keys+values, n, false), Z: NewLinear(values, n, false), B: NewLinear(c.LinearNumValueHeads, n, false),
		A: NewLinear(c.LinearNumValueHeads, n, false), Conv: NewWeight(2*keys+values, c.LinearConvKernelDim), Decay: NewWeight(c.LinearNumValueHeads),
		TimeBias: NewWeight(c.LinearNumValueHeads), Norm: NewRMSNorm(c.LinearValueHeadDim, float32(c.RMSNormEps)), Output: NewLinear(n, values, false),
		shape: op.DeltaShape{KeyHeads: c.LinearNumKeyHeads, ValueHeads: c.LinearNumValueHeads, KeyDim: c.LinearKeyHeadDim, ValueDim: c.LinearValueHeadDim,
			Kernel: c.LinearConvKernelDim},
	}
	d.Conv.channelwise = true
	return d
}

// Forward implements attender.
func (d *gatedDeltaNet) Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	a := p.Adapter
	w := op.DeltaWeights{Conv: d.Conv.Values(a), PConv: d.Conv.Param(a), Decay: d.Decay.Vector(a), PDecay: d.Decay.Param(a),
		TimeBias: d.TimeBias.Vector(a), PTimeBias: d.TimeBias.Param(a)}
	y := op.GatedDelta(p, op.Linear(p, x, d.QKV), op.Linear(p, x, d.B, d.A), bounds, w, d.shape, cache)
	y = op.GroupRMSNorm(p, y, []op.NormGroup{d.Norm.group(p, d.shape.ValueHeads*d.shape.ValueDim)}, d.Norm.Eps)
	return op.Linear(p, op.Modulate(p, y, op.Linear(p, x, d.Z), true), d.Output)
}
