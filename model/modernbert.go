package model

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("modernbert", Architecture{Class: "ModernBert", Prefix: "model.", Kind: head.FeatureExtraction, New: newModernBERT})
}

// modernBERTConfig has the keys of config.json for ModernBERT.
type modernBERTConfig struct {
	VocabSize             int      `json:"vocab_size"`
	HiddenSize            int      `json:"hidden_size"`
	IntermediateSize      int      `json:"intermediate_size"`
	NumHiddenLayers       int      `json:"num_hidden_layers"`
	NumAttentionHeads     int      `json:"num_attention_heads"`
	HiddenActivation      string   `json:"hidden_activation"`
	MaxPositionEmbeddings int      `json:"max_position_embeddings"`
	NormEps               float64  `json:"norm_eps"`
	LayerNormEps          float64  `json:"layer_norm_eps"` // an older copy of norm_eps
	NormBias              bool     `json:"norm_bias"`
	PadTokenID            int32    `json:"pad_token_id"`
	AttentionBias         bool     `json:"attention_bias"`
	AttentionDropout      float64  `json:"attention_dropout"`
	LayerTypes            []string `json:"layer_types"`
	GlobalAttnEveryN      int      `json:"global_attn_every_n_layers"`
	LocalAttention        int      `json:"local_attention"`
	GlobalRopeTheta       float64  `json:"global_rope_theta"`
	LocalRopeTheta        float64  `json:"local_rope_theta"`
	EmbeddingDropout      float64  `json:"embedding_dropout"`
	MLPBias               bool     `json:"mlp_bias"`
	MLPDropout            float64  `json:"mlp_dropout"`
	DecoderBias           bool     `json:"decoder_bias"`
	ClassifierPooling     string   `json:"classifier_pooling"`
	ClassifierDropout     float64  `json:"classifier_dropout"`
	ClassifierBias        bool     `json:"classifier_bias"`
	ClassifierActivation  string   `json:"classifier_activation"`
	TieWordEmbeddings     bool     `json:"tie_word_embeddings"`
	SparsePrediction      bool     `json:"sparse_prediction"` // whether only scored tokens are projected, as here
	SparsePredIgnoreIndex int      `json:"sparse_pred_ignore_index"`
	PositionEmbeddingType string   `json:"position_embedding_type"` // a note in older files
	RoPEConfig
}

// modernBERT is the encoder of ModernBERT (Warner et al. 2024, arXiv 2412.13663): a norm before each half, GeGLU, rotary
// positions, and windows in two of three layers.
type modernBERT struct {
	nn.Module
	Words     *Weight            `hf:"@.embeddings.tok_embeddings.weight"`
	Norm      *LayerNorm         `hf:"@.embeddings.norm"`
	Layers    []*modernBERTLayer `hf:"@.layers"`
	FinalNorm *LayerNorm         `hf:"@.final_norm"`

	c         modernBERTConfig
	act       op.Activation
	ropes     map[string]*op.RoPE
	positions int
}

type modernBERTLayer struct {
	AttentionNorm *LayerNorm `hf:"attn_norm"` // nil in the first layer
	QKV           *Linear    `hf:"attn.Wqkv"`
	Output        *Linear    `hf:"attn.Wo"`
	MLPNorm       *LayerNorm `hf:"mlp_norm"`
	GateUp        *Linear    `hf:"mlp.Wi"`
	Down          *Linear    `hf:"mlp.Wo"`
}

var _ Backbone = (*modernBERT)(nil)

func newModernBERT(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	m := &modernBERT{c: modernBERTConfig{
		HiddenActivation: "gelu", MaxPositionEmbeddings: 8192, NormEps: 1e-5, PadTokenID: 50283, GlobalAttnEveryN: 3, LocalAttention: 128,
		GlobalRopeTheta: 160000, LocalRopeTheta: 10000, DecoderBias: true, ClassifierPooling: "cls", ClassifierActivation: "gelu", TieWordEmbeddings: true,
	}}
	if err := config.Decode(&m.c); err != nil {
		return nil, nil, err
	}
	if err := m.complete(); err != nil {
		return nil, nil, err
	}
	c := &m.c
	n := c.HiddenSize
	m.Words, m.Norm, m.FinalNorm = NewWeight(c.VocabSize, n), c.newNorm(), c.newNorm()
	for i := range c.NumHiddenLayers {
		l := &modernBERTLayer{
			QKV: NewLinear(3*n, n, c.AttentionBias), Output: NewLinear(n, n, c.AttentionBias), MLPNorm: c.newNorm(),
			GateUp: NewLinear(2*c.IntermediateSize, n, c.MLPBias), Down: NewLinear(n, c.IntermediateSize, c.MLPBias),
		}
		if i > 0 {
			l.AttentionNorm = c.newNorm()
		}
		m.Layers = append(m.Layers, l)
	}
	h, err := m.newHead(want)
	return m, h, err
}

func (c *modernBERTConfig) newNorm() *LayerNorm {
	if c.NormBias {
		return NewLayerNorm(c.HiddenSize, float32(c.NormEps))
	}
	return newBiaslessNorm(c.HiddenSize, float32(c.NormEps))
}

// complete derives what follows from the keys, and says which of them are wrong.
func (m *modernBERT) complete() error {
	c := &m.c
	if err := positive("vocab_size", c.VocabSize, "hidden_size", c.HiddenSize, "intermediate_size", c.IntermediateSize,
		"num_hidden_layers", c.NumHiddenLayers, "num_attention_heads", c.NumAttentionHeads, "max_position_embeddings", c.MaxPositionEmbeddings,
		"local_attention", c.LocalAttention, "global_attn_every_n_layers", c.GlobalAttnEveryN); err != nil {
		return err
	}
	if c.HiddenSize%c.NumAttentionHeads != 0 {
		return fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	}
	var err error
	if m.act, err = parseActivation("hidden_activation", c.HiddenActivation); err != nil {
		return err
	}
	w := WindowConfig{LayerTypes: c.LayerTypes}
	if err := w.complete(c.NumHiddenLayers, func(i int) bool { return i%c.GlobalAttnEveryN != 0 }); err != nil {
		return err
	}
	c.LayerTypes = w.LayerTypes
	if c.ClassifierPooling != "cls" && c.ClassifierPooling != "mean" {
		return notSupported("config.json: classifier_pooling %q is not supported; supported are cls, mean", c.ClassifierPooling)
	}
	m.ropes, m.positions = map[string]*op.RoPE{}, c.MaxPositionEmbeddings
	for name, theta := range map[string]float64{fullAttention: c.GlobalRopeTheta, slidingAttention: c.LocalRopeTheta} {
		r := c.RoPEConfig
		if r.RopeTheta == 0 {
			r.RopeTheta = theta
		}
		rope, positions, err := r.RoPE(c.HiddenSize/c.NumAttentionHeads, c.MaxPositionEmbeddings, name)
		if err != nil {
			return err
		}
		m.ropes[name], m.positions = rope, max(m.positions, positions)
	}
	return nil
}

func (m *modernBERT) newHead(k head.Config) (*Head, error) {
	h, c, n := &Head{Config: k}, &m.c, m.c.HiddenSize
	if k.Kind == head.FeatureExtraction {
		return h, nil
	}
	var err error
	if h.Activation, err = parseActivation("classifier_activation", c.ClassifierActivation); err != nil {
		return nil, err
	}
	h.Dense, h.DenseIsPooler, h.Norm = NewLinear(n, n, c.ClassifierBias), true, c.newNorm()
	h.Add("head.dense", h.Dense)
	h.Add("head.norm", h.Norm)
	switch k.Kind {
	case head.QuestionAnswering:
		h.addOut("classifier", 2, n, c.ClassifierDropout)
	case head.TokenClassification, head.SequenceClassification, head.MultipleChoice:
		outputs := len(k.Labels)
		if k.Kind == head.MultipleChoice {
			outputs = 1
		}
		h.addOut("classifier", outputs, n, c.ClassifierDropout)
		if k.Kind != head.TokenClassification && c.ClassifierPooling == "mean" {
			h.Pooling = PoolMean
		}
	case head.MaskedLM:
		h.addTied("decoder", "", m.Words, !c.TieWordEmbeddings)
		if !c.DecoderBias {
			h.Out.Bias = nil
		}
	default:
		return nil, noHead("modernbert", k.Kind)
	}
	return h, nil
}

// Config implements Backbone.
func (m *modernBERT) Config() Config {
	c := &m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: m.positions, NumHiddenLayers: c.NumHiddenLayers, HiddenSize: c.HiddenSize,
		Dropout: c.MLPDropout, AttentionDropout: c.AttentionDropout}
}

// Forward implements Backbone.
func (m *modernBERT) Forward(p *op.Pass, b *Batch, _ *Cache) mat.Tensor {
	x := embedTokens(p, b, m.Words, m.c.PadTokenID, m.Norm, m.c.EmbeddingDropout)
	for i, l := range m.Layers {
		x = RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return m.layer(p, l, x, b, m.c.LayerTypes[i]) })
	}
	return m.FinalNorm.Forward(p, x)
}

func (m *modernBERT) layer(p *op.Pass, l *modernBERTLayer, x mat.Tensor, b *Batch, layerType string) mat.Tensor {
	c, h := &m.c, x
	if l.AttentionNorm != nil {
		h = l.AttentionNorm.Forward(p, x)
	}
	s := encoderShape(c.NumAttentionHeads, c.HiddenSize/c.NumAttentionHeads, b, c.AttentionDropout, l.QKV)
	if layerType == slidingAttention {
		s.Window = c.LocalAttention / 2
	}
	a := op.Linear(p, op.Attention(p, op.Linear(p, h, l.QKV), b.Bounds(), m.ropes[layerType], s, nil), l.Output)
	x = op.Add(p, x, dropOutput(p, a, float32(c.AttentionDropout), l.Output))
	y := op.Gate(p, op.Linear(p, l.MLPNorm.Forward(p, x), l.GateUp), m.act)
	return op.Add(p, x, op.Linear(p, op.Dropout(p, y, float32(c.MLPDropout), l.Down.path+" input"), l.Down))
}
