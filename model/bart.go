package model

import (
	"fmt"
	"math"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	for modelType, class := range map[string]string{"bart": "Bart", "mbart": "MBart", "marian": "Marian", "pegasus": "Pegasus"} {
		f := Architecture{Class: class, Prefix: "model.", Kind: head.Seq2SeqLM, New: newBART}
		if modelType == "marian" {
			f.Classes = map[head.Kind]string{head.Seq2SeqLM: "MarianMTModel"}
		}
		Register(modelType, f)
	}
}

// bart is the encoder and decoder of BART (Lewis et al. 2020), mBART (Liu et al. 2020), Marian (Junczys-Dowmunt et al.
// 2018) and Pegasus (Zhang et al. 2020): the Transformer of Vaswani et al. (2017) with the norms behind each part of a
// layer, or before it, and positions that are learned, or sinusoids.
type bart struct {
	nn.Module
	Shared  *Weight    `hf:"@.shared.weight"`
	Encoder *bartStack `hf:"@.encoder"`
	Decoder *bartStack `hf:"@.decoder"`

	c       *bartConfig
	head    *Head
	places  tensor.Source // the positions as Cybertron computes them, or nil
	rotates bool          // the decoder reads a source's last token first, as in Cybertron
}

// bartStack is an encoder or a decoder.
type bartStack struct {
	Words         *Weight      `hf:"embed_tokens.weight"`
	Positions     *Weight      `hf:"embed_positions.weight"`
	EmbeddingNorm *LayerNorm   `hf:"layernorm_embedding"`
	Layers        []*bartLayer `hf:"layers"`
	Norm          *LayerNorm   `hf:"layer_norm"`

	shape op.AttentionShape
}

type bartLayer struct {
	Self      *bartAttention `hf:"self_attn"`
	SelfNorm  *LayerNorm     `hf:"self_attn_layer_norm"`
	Cross     *bartAttention `hf:"encoder_attn"`
	CrossNorm *LayerNorm     `hf:"encoder_attn_layer_norm"`
	Up        *Linear        `hf:"fc1"`
	Down      *Linear        `hf:"fc2"`
	Norm      *LayerNorm     `hf:"final_layer_norm"`
}

type bartAttention struct {
	Key    *Linear `hf:"k_proj"`
	Value  *Linear `hf:"v_proj"`
	Query  *Linear `hf:"q_proj"`
	Output *Linear `hf:"out_proj"`
}

// bartEps is the epsilon of all norms.
const bartEps = 1e-5

func newBART(config []byte, want head.Config) (Backbone, *Head, error) {
	c, err := newBartConfig(config)
	if err != nil {
		return nil, nil, err
	}
	m := &bart{c: c}
	m.Encoder = m.stack(c.EncoderLayers, c.EncoderFFNDim, c.EncoderAttentionHeads, false)
	m.Decoder = m.stack(c.DecoderLayers, c.DecoderFFNDim, c.DecoderAttentionHeads, true)
	m.Encoder.Words, m.Decoder.Words = NewWeight(c.VocabSize, c.DModel), NewWeight(c.targets, c.DModel)
	if c.shared {
		m.Shared = NewWeight(c.VocabSize, c.DModel)
		for _, w := range []*Weight{m.Encoder.Words, m.Decoder.Words} {
			w.tied, w.loose = m.Shared, !c.tied()
		}
	}
	if m.Encoder.Positions = NewWeight(c.MaxPositionEmbeddings+learnedOffset, c.DModel); c.static {
		values := sinusoids(c.MaxPositionEmbeddings, c.DModel)
		m.Encoder.Positions = compute(values, c.MaxPositionEmbeddings, c.DModel)
		m.Decoder.Positions = compute(values, c.MaxPositionEmbeddings, c.DModel)
	} else {
		m.Decoder.Positions = NewWeight(c.MaxPositionEmbeddings+learnedOffset, c.DModel)
	}
	m.head, err = m.newHead(want)
	return m, m.head, err
}

// tied says whether the tables of words and the LM head are one.
func (c *bartConfig) tied() bool { return c.TieWordEmbeddings == nil || *c.TieWordEmbeddings }

// stack declares an encoder or a decoder, without its tables.
func (m *bart) stack(layers, ffn, heads int, decoder bool) *bartStack {
	h := m.c.DModel
	norm := func(has bool) *LayerNorm {
		if !has {
			return nil
		}
		return NewLayerNorm(h, bartEps)
	}
	attention := func() *bartAttention {
		return &bartAttention{NewLinear(h, h, true), NewLinear(h, h, true), NewLinear(h, h, true), NewLinear(h, h, true)}
	}
	s := &bartStack{EmbeddingNorm: norm(m.c.normed), Norm: norm(m.c.final)}
	s.shape = op.AttentionShape{Heads: heads, KVHeads: heads, HeadDim: h / heads, Bidirectional: !decoder,
		Scale: float32(1 / math.Sqrt(float64(h/heads)))}
	for range layers {
		l := &bartLayer{Self: attention(), SelfNorm: norm(true), Up: NewLinear(ffn, h, true), Down: NewLinear(h, ffn, true), Norm: norm(true)}
		if decoder {
			l.Cross, l.CrossNorm = attention(), norm(true)
		}
		s.Layers = append(s.Layers, l)
	}
	return s
}

// sinusoids are fixed positions (Vaswani et al. 2017, section 3.5): the sines in the first half of a row, the cosines in
// the second.
func sinusoids(positions, n int) []float32 {
	v := make([]float32, positions*n)
	half := (n + 1) / 2
	for p := range positions {
		row := v[p*n:]
		for j := range n {
			angle := float64(p) / math.Pow(10000, float64(2*(j/2))/float64(n))
			if j%2 == 0 {
				row[j/2] = float32(math.Sin(angle))
			} else {
				row[half+j/2] = float32(math.Cos(angle))
			}
		}
	}
	return v
}

// newHead makes the head of a kind.
func (m *bart) newHead(k head.Config) (*Head, error) {
	c := m.c
	h := &Head{Config: k}
	classes := c.ModelType == "bart" || c.ModelType == "mbart"
	switch {
	case k.Kind == head.FeatureExtraction && c.shared:
	case k.Kind == head.Seq2SeqLM:
		h.Out = NewLinear(c.targets, c.DModel, false)
		if c.tied() {
			h.Out.Weight.tied = m.Shared
			if !c.shared {
				h.Out.Weight.tied = m.Decoder.Words
			}
		}
		bias := compute(make([]float32, c.targets), 1, c.targets)
		h.Out.Bias = &Weight{Shape: []int{c.targets}, tied: bias, nameless: true}
		h.Add("lm_head", h.Out)
		h.Add("final_logits_bias", bias)
	case k.Kind == head.SequenceClassification && classes:
		h.Dense, h.Activation, h.Out = NewLinear(c.DModel, c.DModel, true), op.Tanh, NewLinear(len(k.Labels), c.DModel, true)
		h.Pooling, h.EOSTokenID = PoolEOS, c.EosTokenID[0]
		h.Add("classification_head.dense", h.Dense)
		h.Add("classification_head.out_proj", h.Out)
	case k.Kind == head.QuestionAnswering && classes:
		h.Out = NewLinear(2, c.DModel, true)
		h.Add("qa_outputs", h.Out)
	default:
		return nil, noHead(c.ModelType, k.Kind)
	}
	return h, nil
}

// Config implements Backbone.
func (m *bart) Config() Config {
	c := m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: c.MaxPositionEmbeddings,
		NumHiddenLayers: max(c.EncoderLayers, c.DecoderLayers), HiddenSize: c.DModel}
}

// SetNumerics chooses Hugging Face's computation or Cybertron's.
func (m *bart) SetNumerics(name string) error {
	c := m.c
	switch {
	case name == "" || name == HuggingFace:
		return nil
	case name != Cybertron:
		return fmt.Errorf("numerics %q is not known; known are %s, %s", name, HuggingFace, Cybertron)
	case c.ModelType == "mbart" || !c.shared:
		return notSupported("numerics %q: Cybertron serves BART, Marian and Pegasus with one table of words for both sides", name)
	}
	if c.act == op.GELU {
		c.act = op.GELUTanh
	}
	if c.static {
		m.places = tensor.View(sinusoids32(c.MaxPositionEmbeddings, c.DModel), c.MaxPositionEmbeddings, c.DModel)
	}
	if m.head.Pooling == PoolEOS {
		m.head.Pooling, m.rotates = PoolLast, true
	}
	return nil
}

// sinusoids32 are the positions as Cybertron computes them, in float32.
func sinusoids32(positions, n int) []float32 {
	v := make([]float32, positions*n)
	half := (n + 1) / 2
	for p := range positions {
		row := v[p*n:]
		for j := range n {
			angle := float32(p) / float32(math.Pow(10000, float64(2*float32(j/2)/float32(n))))
			if j%2 == 0 {
				row[j/2] = float32(math.Sin(float64(angle)))
			} else {
				row[half+j/2] = float32(math.Cos(float64(angle)))
			}
		}
	}
	return v
}
