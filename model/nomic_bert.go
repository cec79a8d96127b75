package model

import (
	"fmt"
	"strings"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("nomic_bert", Architecture{Class: "NomicBert", Prefix: "nomic_bert.", Kind: head.FeatureExtraction, New: newNomicBERT, Stored: nomicStored})
}

// nomicNames are transformers' names and those that checkpoints have.
var nomicNames = strings.NewReplacer("embeddings.LayerNorm", "emb_ln", "layers.", "encoder.layers.", "self_attn.o_proj", "attn.out_proj",
	"up_proj", "fc11", "gate_proj", "fc12", "down_proj", "fc2", "post_attention_layernorm", "norm1", "post_mlp_layernorm", "norm2")

// nomicStored is where a weight lies in a checkpoint: queries, keys and values in one tensor.
func nomicStored(name string) []StoredPart {
	for i, proj := range []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"} {
		if strings.Contains(name, proj) {
			return []StoredPart{{Name: nomicNames.Replace(strings.Replace(name, proj, "attn.Wqkv", 1)), Index: i, Of: 3}}
		}
	}
	return []StoredPart{{Name: nomicNames.Replace(name)}}
}

// nomicBERTConfig has the keys of config.json for nomic-embed-text.
type nomicBERTConfig struct {
	VocabSize                 int      `json:"vocab_size"`
	HiddenSize                int      `json:"hidden_size"`
	IntermediateSize          int      `json:"intermediate_size"`
	NumHiddenLayers           int      `json:"num_hidden_layers"`
	NumAttentionHeads         int      `json:"num_attention_heads"`
	HeadDim                   *int     `json:"head_dim"`
	MaxPositionEmbeddings     int      `json:"max_position_embeddings"`
	TypeVocabSize             int      `json:"type_vocab_size"`
	HiddenAct                 string   `json:"hidden_act"`
	LayerNormEps              float64  `json:"layer_norm_eps"`
	PadTokenID                int32    `json:"pad_token_id"`
	HiddenDropoutProb         float64  `json:"hidden_dropout_prob"`
	AttentionProbsDropoutProb float64  `json:"attention_probs_dropout_prob"`
	ClassifierDropout         *float64 `json:"classifier_dropout"`
	TieWordEmbeddings         *bool    `json:"tie_word_embeddings"`
	RoPEConfig
}

// nomicBERT is the encoder of nomic-embed-text (Nussbaum et al. 2024, arXiv 2402.01613): a BERT with rotary positions and
// SwiGLU.
type nomicBERT struct {
	nn.Module
	Words  *Weight           `hf:"@.embeddings.word_embeddings.weight"`
	Types  *Weight           `hf:"@.embeddings.token_type_embeddings.weight"`
	Norm   *LayerNorm        `hf:"@.embeddings.LayerNorm"`
	Layers []*nomicBERTLayer `hf:"@.layers"`

	c                  nomicBERTConfig
	act                op.Activation
	headDim, positions int
	rope               *op.RoPE
}

type nomicBERTLayer struct {
	Query         *Linear    `hf:"self_attn.q_proj"`
	Key           *Linear    `hf:"self_attn.k_proj"`
	Value         *Linear    `hf:"self_attn.v_proj"`
	Output        *Linear    `hf:"self_attn.o_proj"`
	AttentionNorm *LayerNorm `hf:"post_attention_layernorm"`
	MLP           *GatedMLP  `hf:"mlp"`
	Norm          *LayerNorm `hf:"post_mlp_layernorm"`
}

var _ Backbone = (*nomicBERT)(nil)

func newNomicBERT(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	m := &nomicBERT{c: nomicBERTConfig{MaxPositionEmbeddings: 2048, TypeVocabSize: 2, HiddenAct: "silu", LayerNormEps: 1e-12, RoPEConfig: RoPEConfig{RopeTheta: 1000}}}
	if err := config.Decode(&m.c); err != nil {
		return nil, nil, err
	}
	if err := m.complete(); err != nil {
		return nil, nil, err
	}
	c, q := &m.c, m.c.NumAttentionHeads*m.headDim
	n := c.HiddenSize
	m.Words, m.Types, m.Norm = NewWeight(c.VocabSize, n), NewWeight(c.TypeVocabSize, n), c.newNorm()
	for range c.NumHiddenLayers {
		m.Layers = append(m.Layers, &nomicBERTLayer{
			Query: NewLinear(q, n, false), Key: NewLinear(q, n, false), Value: NewLinear(q, n, false), Output: NewLinear(n, q, false),
			AttentionNorm: c.newNorm(), Norm: c.newNorm(), MLP: &GatedMLP{Gate: NewLinear(c.IntermediateSize, n, false),
				Up: NewLinear(c.IntermediateSize, n, false), Down: NewLinear(n, c.IntermediateSize, false), Activation: m.act},
		})
	}
	h, err := m.heads().declare(want)
	return m, h, err
}

func (c *nomicBERTConfig) newNorm() *LayerNorm {
	return NewLayerNorm(c.HiddenSize, float32(c.LayerNormEps))
}

// complete derives what follows from the keys, and says which of them are wrong.
func (m *nomicBERT) complete() error {
	c := &m.c
	if err := positive("vocab_size", c.VocabSize, "hidden_size", c.HiddenSize, "intermediate_size", c.IntermediateSize, "num_hidden_layers", c.NumHiddenLayers,
		"num_attention_heads", c.NumAttentionHeads, "max_position_embeddings", c.MaxPositionEmbeddings, "type_vocab_size", c.TypeVocabSize); err != nil {
		return err
	}
	m.headDim = c.HiddenSize / c.NumAttentionHeads
	if c.HeadDim != nil {
		m.headDim = *c.HeadDim
	} else if c.HiddenSize%c.NumAttentionHeads != 0 {
		return fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	}
	if err := positive("head_dim", m.headDim); err != nil {
		return err
	}
	var err error
	if m.act, err = parseActivation("hidden_act", c.HiddenAct); err != nil {
		return err
	}
	m.rope, m.positions, err = c.RoPE(m.headDim, c.MaxPositionEmbeddings, "")
	return err
}

func (m *nomicBERT) heads() *encoderHeads {
	c, drop := &m.c, m.c.HiddenDropoutProb
	if c.ClassifierDropout != nil {
		drop = *c.ClassifierDropout
	}
	return &encoderHeads{modelType: "nomic_bert", hidden: c.HiddenSize, noSpans: true, noChoices: true, tokenDropout: drop, classDropout: drop,
		dense: "@.pooler.dense", classes: "classifier", activation: op.Tanh, pooler: true,
		masked: maskedHead{dense: "cls.predictions.transform.dense", norm: "cls.predictions.transform.layer_norm", decoder: "cls.predictions.decoder",
			bias: "cls.predictions.bias", activation: m.act, newNorm: c.newNorm, words: m.Words, untied: c.TieWordEmbeddings != nil && !*c.TieWordEmbeddings}}
}

// Config implements Backbone.
func (m *nomicBERT) Config() Config {
	c := &m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: m.positions, TypeVocabSize: c.TypeVocabSize, NumHiddenLayers: c.NumHiddenLayers,
		HiddenSize: c.HiddenSize, Dropout: c.HiddenDropoutProb, AttentionDropout: c.AttentionProbsDropoutProb}
}

// Forward implements Backbone.
func (m *nomicBERT) Forward(p *op.Pass, b *Batch, _ *Cache) mat.Tensor {
	x := embedTokens(p, b, m.Words, m.c.PadTokenID, m.Norm, m.c.HiddenDropoutProb, m.Types.Lookup(p, b.types()))
	for _, l := range m.Layers {
		x = RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return m.layer(p, l, x, b) })
	}
	return x
}

func (m *nomicBERT) layer(p *op.Pass, l *nomicBERTLayer, x mat.Tensor, b *Batch) mat.Tensor {
	c, drop := &m.c, float32(m.c.HiddenDropoutProb)
	s := encoderShape(c.NumAttentionHeads, m.headDim, b, c.AttentionProbsDropoutProb, l.Query)
	a := op.Linear(p, op.Attention(p, op.Linear(p, x, l.Query, l.Key, l.Value), b.Bounds(), m.rope, s, nil), l.Output)
	x = l.AttentionNorm.Forward(p, op.Add(p, x, dropOutput(p, a, drop, l.Output)))
	return l.Norm.Forward(p, op.Add(p, x, dropOutput(p, l.MLP.Forward(p, x), drop, l.MLP.Down)))
}
