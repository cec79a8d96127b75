package model

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	for modelType, class := range map[string]string{"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"} {
		Register(modelType, Architecture{Class: class, Prefix: "model.", Kind: head.CausalLM, New: newLlama})
	}
}

// llamaConfig has the keys of config.json for the Llama family: llama, mistral, qwen2, qwen3.
type llamaConfig struct {
	ModelType             string          `json:"model_type"`
	VocabSize             int             `json:"vocab_size"`
	HiddenSize            int             `json:"hidden_size"`
	IntermediateSize      int             `json:"intermediate_size"`
	NumHiddenLayers       int             `json:"num_hidden_layers"`
	NumAttentionHeads     int             `json:"num_attention_heads"`
	NumKeyValueHeads      *int            `json:"num_key_value_heads"`
	HeadDim               *int            `json:"head_dim"`
	MaxPositionEmbeddings int             `json:"max_position_embeddings"`
	RMSNormEps            *float64        `json:"rms_norm_eps"`
	HiddenAct             string          `json:"hidden_act"`
	AttentionBias         bool            `json:"attention_bias"`
	MLPBias               bool            `json:"mlp_bias"`
	TieWordEmbeddings     bool            `json:"tie_word_embeddings"`
	AttentionDropout      float64         `json:"attention_dropout"`
	PretrainingTP         int             `json:"pretraining_tp"`
	PadTokenID            *int32          `json:"pad_token_id"`
	RopeTheta             float64         `json:"rope_theta"`
	RopeScaling           json.RawMessage `json:"rope_scaling"`
	RopeParameters        json.RawMessage `json:"rope_parameters"`
	RopeInterleaved       bool            `json:"rope_interleaved"`
	SlidingWindow         json.RawMessage `json:"sliding_window"`
	UseSlidingWindow      bool            `json:"use_sliding_window"`
	MaxWindowLayers       *int            `json:"max_window_layers"`
	LayerTypes            []string        `json:"layer_types"`

	kv, dim int
	eps     float32
	windows []int // by layer; 0: all
}

// llama is the decoder of the Llama family (Touvron et al. 2023): RMSNorm before each half of a layer, rotary grouped
// attention, SwiGLU.
type llama struct {
	nn.Module
	Embed  *Weight       `hf:"@.embed_tokens.weight"`
	Layers []*llamaLayer `hf:"@.layers"`
	Norm   *RMSNorm      `hf:"@.norm"`

	c    llamaConfig
	rope *op.RoPE
}

type llamaLayer struct {
	InputNorm *RMSNorm `hf:"input_layernorm"`
	Query     *Linear  `hf:"self_attn.q_proj"`
	Key       *Linear  `hf:"self_attn.k_proj"`
	Value     *Linear  `hf:"self_attn.v_proj"`
	QueryNorm *Weight  `hf:"self_attn.q_norm.weight"`
	KeyNorm   *Weight  `hf:"self_attn.k_norm.weight"`
	Output    *Linear  `hf:"self_attn.o_proj"`
	PostNorm  *RMSNorm `hf:"post_attention_layernorm"`
	Gate      *Linear  `hf:"mlp.gate_proj"`
	Up        *Linear  `hf:"mlp.up_proj"`
	Down      *Linear  `hf:"mlp.down_proj"`
}

func newLlama(config []byte, want head.Config) (Backbone, *Head, error) {
	m := &llama{}
	c := &m.c
	if err := DecodeConfig(config, c); err != nil {
		return nil, nil, err
	}
	if err := c.complete(); err != nil {
		return nil, nil, err
	}
	rope, err := NewRoPE(c.dim, c.RopeTheta, c.RopeScaling, c.RopeParameters)
	if err != nil {
		return nil, nil, err
	}
	m.rope = rope
	m.Embed = NewWeight(c.VocabSize, c.HiddenSize)
	m.Norm = NewRMSNorm(c.HiddenSize, c.eps)
	qkvBias := c.AttentionBias || c.ModelType == "qwen2"
	for range c.NumHiddenLayers {
		l := &llamaLayer{
			InputNorm: NewRMSNorm(c.HiddenSize, c.eps),
			Query:     NewLinear(c.NumAttentionHeads*c.dim, c.HiddenSize, qkvBias),
			Key:       NewLinear(c.kv*c.dim, c.HiddenSize, qkvBias),
			Value:     NewLinear(c.kv*c.dim, c.HiddenSize, qkvBias),
			Output:    NewLinear(c.HiddenSize, c.NumAttentionHeads*c.dim, c.AttentionBias),
			PostNorm:  NewRMSNorm(c.HiddenSize, c.eps),
			Gate:      NewLinear(c.IntermediateSize, c.HiddenSize, c.MLPBias),
			Up:        NewLinear(c.IntermediateSize, c.HiddenSize, c.MLPBias),
			Down:      NewLinear(c.HiddenSize, c.IntermediateSize, c.MLPBias),
		}
		if c.ModelType == "qwen3" {
			l.QueryNorm, l.KeyNorm = NewWeight(c.dim), NewWeight(c.dim)
		}
		m.Layers = append(m.Layers, l)
	}
	h, err := m.newHead(want)
	return m, h, err
}

// newHead makes the head of a kind.
func (m *llama) newHead(c head.Config) (*Head, error) {
	h := &Head{Config: c, Pooling: PoolLast}
	switch c.Kind {
	case head.CausalLM:
		h.Out = NewLinear(m.c.VocabSize, m.c.HiddenSize, false)
		if m.c.TieWordEmbeddings {
			h.Out.Weight.tied = m.Embed
		}
		h.Add("lm_head", h.Out)
	case head.SequenceClassification, head.TokenClassification:
		h.Out = NewLinear(len(c.Labels), m.c.HiddenSize, c.Kind == head.TokenClassification)
		h.Add("score", h.Out)
	case head.FeatureExtraction:
	default:
		return nil, notSupported("%s has no head for %s", m.c.ModelType, c.Kind)
	}
	return h, nil
}

// complete fills in the defaults that Hugging Face gives the family, and refuses what is not served.
func (c *llamaConfig) complete() error {
	if err := positive("vocab_size", c.VocabSize, "hidden_size", c.HiddenSize, "intermediate_size", c.IntermediateSize,
		"num_hidden_layers", c.NumHiddenLayers, "num_attention_heads", c.NumAttentionHeads); err != nil {
		return err
	}
	c.kv, c.dim, c.eps = c.NumAttentionHeads, c.HiddenSize/c.NumAttentionHeads, 1e-6
	switch c.ModelType {
	case "mistral":
		c.kv = 8
	case "qwen3":
		c.kv, c.dim = 32, 128
	case "qwen2":
		c.kv = 32
	}
	if c.NumKeyValueHeads != nil {
		c.kv = *c.NumKeyValueHeads
	}
	if c.HeadDim != nil {
		c.dim = *c.HeadDim
	} else if c.ModelType != "qwen3" && c.HiddenSize%c.NumAttentionHeads != 0 {
		return fmt.Errorf("config.json: hidden_size %d is no multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	}
	if c.RMSNormEps != nil {
		c.eps = float32(*c.RMSNormEps)
	}
	if c.MaxPositionEmbeddings == 0 {
		c.MaxPositionEmbeddings = map[string]int{"llama": 2048, "mistral": 131072, "qwen2": 32768, "qwen3": 32768}[c.ModelType]
	}
	if err := positive("num_key_value_heads", c.kv, "head_dim", c.dim, "max_position_embeddings", c.MaxPositionEmbeddings); err != nil {
		return err
	}
	switch {
	case c.NumAttentionHeads%c.kv != 0:
		return fmt.Errorf("config.json: num_attention_heads %d is no multiple of num_key_value_heads %d", c.NumAttentionHeads, c.kv)
	case c.HiddenAct != "" && c.HiddenAct != "silu" && c.HiddenAct != "swish":
		return notSupported("config.json: hidden_act %q is not supported; the Llama family has silu", c.HiddenAct)
	case c.AttentionDropout != 0:
		return notSupported("config.json: attention_dropout %g is not supported; set it to 0", c.AttentionDropout)
	case c.PretrainingTP > 1:
		return notSupported("config.json: pretraining_tp %d is not supported; set it to 1", c.PretrainingTP)
	case c.RopeInterleaved:
		return notSupported("config.json: rope_interleaved is not supported")
	case c.AttentionBias && (c.ModelType == "mistral" || c.ModelType == "qwen2"):
		return fmt.Errorf("config.json: attention_bias is no key of %s", c.ModelType)
	case c.MLPBias && c.ModelType != "llama":
		return fmt.Errorf("config.json: mlp_bias is no key of %s", c.ModelType)
	}
	return c.slide()
}

// slide finds how far back each layer sees.
func (c *llamaConfig) slide() error {
	c.windows = make([]int, c.NumHiddenLayers)
	window := 0
	if len(c.SlidingWindow) > 0 {
		if string(c.SlidingWindow) != "null" {
			if err := json.Unmarshal(c.SlidingWindow, &window); err != nil || window < 0 {
				return fmt.Errorf("config.json: sliding_window is %s; want a number of positions or null", c.SlidingWindow)
			}
		}
	} else if c.ModelType != "llama" {
		window = 4096
	}
	if c.ModelType == "llama" && window != 0 {
		return fmt.Errorf("config.json: sliding_window is no key of llama")
	}
	if c.LayerTypes != nil && len(c.LayerTypes) != c.NumHiddenLayers {
		return fmt.Errorf("config.json: layer_types has %d entries for %d layers", len(c.LayerTypes), c.NumHiddenLayers)
	}
	from := 28
	if c.MaxWindowLayers != nil {
		from = *c.MaxWindowLayers
	}
	for i := range c.windows {
		slides := c.ModelType == "mistral" || c.UseSlidingWindow && i >= from
		if c.LayerTypes != nil {
			switch c.LayerTypes[i] {
			case "full_attention":
				slides = false
			case "sliding_attention":
				slides = true
			default:
				return fmt.Errorf("config.json: layer_types has %q; supported are full_attention, sliding_attention", c.LayerTypes[i])
			}
		}
		if slides {
			c.windows[i] = window
		}
	}
	return nil
}

// Config implements Backbone.
func (m *llama) Config() Config {
	c := &m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: c.MaxPositionEmbeddings, NumHiddenLayers: c.NumHiddenLayers, HiddenSize: c.HiddenSize}
}

// Forward implements Backbone.
func (m *llama) Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	words := m.Embed.Lookup(p, b.IDs)
	if m.c.PadTokenID != nil { // as PyTorch's padding_idx
		words.Padding = []int32{*m.c.PadTokenID}
	}
	x := op.EmbeddingSum(p, words)
	for i, l := range m.Layers {
		x = RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return m.layer(p, l, i, x, b, cache) })
	}
	return m.Norm.Forward(p, x)
}

func (m *llama) layer(p *op.Pass, l *llamaLayer, i int, x mat.Tensor, b *Batch, cache *Cache) mat.Tensor {
	qkv := op.Linear(p, l.InputNorm.Forward(p, x), l.Query, l.Key, l.Value)
	if l.QueryNorm != nil {
		qkv = op.GroupRMSNorm(p, qkv, []op.NormGroup{
			{Cols: m.c.dim, Heads: m.c.NumAttentionHeads, Weight: l.QueryNorm.Vector(p.Adapter), Param: l.QueryNorm.Param(p.Adapter)},
			{Cols: m.c.dim, Heads: m.c.kv, Weight: l.KeyNorm.Vector(p.Adapter), Param: l.KeyNorm.Param(p.Adapter)},
			{Cols: m.c.dim, Heads: m.c.kv},
		}, m.c.eps)
	}
	a := op.Attention(p, qkv, b.Bounds(), m.rope, op.AttentionShape{
		Heads: m.c.NumAttentionHeads, KVHeads: m.c.kv, HeadDim: m.c.dim, Window: m.c.windows[i],
		Scale: float32(1 / math.Sqrt(float64(m.c.dim))),
	}, cache.Layer(i))
	x = op.Add(p, x, op.Linear(p, a, l.Output))
	return op.Add(p, x, op.GatedMLP(p, l.PostNorm.Forward(p, x), op.SiLU, l.Gate, l.Up, l.Down))
}
