package model

import (
	"fmt"
	"math"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	for modelType, class := range map[string]string{"bart": "Bart", "mbart": "MBart", "marian": "Marian", "pegasus": "Pegasus", "m2m_100": "M2M100"} {
		f := Architecture{Class: class, Prefix: "model.", Kind: head.Seq2SeqLM, New: newBART}
		if modelType == "marian" {
			f.Classes = map[head.Kind]string{head.Seq2SeqLM: "MarianMTModel"}
		}
		Register(modelType, f)
	}
}

// bart is the encoder and decoder of BART (Lewis et al. 2020), mBART (Liu et al. 2020), Marian (Junczys-Dowmunt et al.
// 2018), Pegasus (Zhang et al. 2020) and M2M-100 (Fan et al. 2020; NLLB too): the Transformer of Vaswani et al. (2017), with norms after each part of a layer or
// before it, and positions that are learned or sinusoids.
type bart struct {
	nn.Module
	Shared  *Weight    `hf:"@.shared.weight"`
	Encoder *bartStack `hf:"@.encoder"`
	Decoder *bartStack `hf:"@.decoder"`

	c         *bartConfig
	head      *Head
	positions tensor.Source // Cybertron's, or nil
	rotates   bool          // the decoder reads a source's last token first, as in Cybertron
}

// bartStack is an encoder or a decoder.
type bartStack struct {
	Words         *Weight      `hf:"embed_tokens.weight"`
	Positions     *Weight      `hf:"embed_positions.weight"`
	EmbeddingNorm *LayerNorm   `hf:"layernorm_embedding"`
	Layers        []*bartLayer `hf:"layers"`
	Norm          *LayerNorm   `hf:"layer_norm"`

	name  string
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

// bartEps is the constant of all norms.
const bartEps = 1e-5

func newBART(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
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
	m.Encoder.Positions, m.Decoder.Positions = c.newPositions(), c.newPositions()
	m.head, err = m.newHead(want)
	return m, m.head, err
}

// stack declares an encoder or a decoder without its embeddings.
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
	s := &bartStack{name: "encoder", EmbeddingNorm: norm(m.c.normed), Norm: norm(m.c.final)}
	s.shape = op.AttentionShape{Heads: heads, KVHeads: heads, HeadDim: h / heads, Bidirectional: !decoder,
		Scale: float32(1 / math.Sqrt(float64(h/heads))), Dropout: float32(m.c.AttentionDropout)}
	if decoder {
		s.name = "decoder"
	}
	for range layers {
		l := &bartLayer{Self: attention(), SelfNorm: norm(true), Up: NewLinear(ffn, h, true), Down: NewLinear(h, ffn, true), Norm: norm(true)}
		if decoder {
			l.Cross, l.CrossNorm = attention(), norm(true)
		}
		s.Layers = append(s.Layers, l)
	}
	return s
}

// newHead declares the head of a kind.
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
		h.Add("lm_head", h.Out)
		if !c.logitsBias {
			break
		}
		bias := compute(make([]float32, c.targets), 1, c.targets)
		h.Out.Bias = &Weight{Shape: []int{c.targets}, tied: bias, nameless: true}
		h.Add("final_logits_bias", bias)
	case k.Kind == head.SequenceClassification && classes:
		h.Dense, h.Activation, h.Out = NewLinear(c.DModel, c.DModel, true), op.Tanh, NewLinear(len(k.Labels), c.DModel, true)
		h.Pooling, h.EOSTokenID, h.Dropout = PoolEOS, c.EosTokenID[0], float32(c.ClassifierDropout+c.ClassifDropout)
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
		NumHiddenLayers: max(c.EncoderLayers, c.DecoderLayers), HiddenSize: c.DModel,
		Dropout: c.Dropout, AttentionDropout: c.AttentionDropout}
}

// SetNumerics implements NumericsSetter.
func (m *bart) SetNumerics(name string) error {
	c := m.c
	switch {
	case name == "" || name == HuggingFace:
		return nil
	case name != Cybertron:
		return fmt.Errorf("numerics %q is not known; known are %s, %s", name, HuggingFace, Cybertron)
	case c.ModelType == "mbart" || !c.shared:
		return notSupported("numerics %q: Cybertron has BART, Marian and Pegasus with one embedding for both sides", name)
	}
	if c.act == op.GELU {
		c.act = op.GELUTanh
	}
	if c.static {
		m.positions = tensor.View(sinusoids32(c.MaxPositionEmbeddings, c.DModel), c.MaxPositionEmbeddings, c.DModel)
	}
	if m.head.Pooling == PoolEOS {
		m.head.Pooling, m.rotates = PoolLast, true
	}
	return nil
}

// Forward implements Backbone. With a cache, whose sources have been encoded, the batch is tokens of the targets.
func (m *bart) Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	if cache != nil {
		return m.decode(p, nil, b.IDs, b.Bounds(), b, cache)
	}
	ids, bounds := m.inputs(b)
	return m.decode(p, m.encode(p, b), ids, bounds, b, nil)
}

// encode returns the encoder's states, [tokens of the sources, hidden].
func (m *bart) encode(p *op.Pass, b *Batch) mat.Tensor {
	s, bounds := m.Encoder, b.Bounds()
	shape := s.shape
	shape.AttentionLengths = b.AttentionLengths
	x := m.embed(p, s, b.IDs, bounds, nil)
	for _, l := range s.Layers {
		x = RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor {
			return m.feedForward(p, l, m.attend(p, shape, l, x, bounds, nil))
		})
	}
	return m.last(p, s, x)
}

// decode returns the decoder's states. Cross-attention sees memory, the encoder's states of the batch b, or with a cache the
// keys and values that it holds.
func (m *bart) decode(p *op.Pass, memory mat.Tensor, ids []int32, bounds []int, b *Batch, cache *Cache) mat.Tensor {
	s := m.Decoder
	x := m.embed(p, s, ids, bounds, cache)
	for i, l := range s.Layers {
		x = op.CheckpointWith(p, x, memory, trained(p, l), func(p *op.Pass, x, memory mat.Tensor) mat.Tensor {
			x = m.attend(p, s.shape, l, x, bounds, cache.Layer(i))
			x = m.half(p, l.CrossNorm, x, func(h mat.Tensor) mat.Tensor {
				return m.crossAttend(p, l, h, memory, bounds, b, cache.Source(i))
			})
			return m.feedForward(p, l, x)
		})
	}
	return m.last(p, s, x)
}

// embed sums the embeddings of tokens and positions of a stack; a decoder's positions continue those in its cache.
func (m *bart) embed(p *op.Pass, s *bartStack, ids []int32, bounds []int, cache *Cache) mat.Tensor {
	positions := make([]int32, len(ids))
	for d := range len(bounds) - 1 {
		at := m.c.offset()
		if cache != nil {
			at += cache.Len(d)
		}
		for i := bounds[d]; i < bounds[d+1]; i++ {
			positions[i] = int32(at + i - bounds[d])
		}
	}
	words, at := s.Words.Lookup(p, ids), s.Positions.Lookup(p, positions)
	words.Scale, words.Padding = m.c.scale, []int32{*m.c.PadTokenID}
	if m.positions != nil {
		at.Table = m.positions
	}
	x := op.EmbeddingSum(p, words, at)
	if s.EmbeddingNorm != nil {
		x = s.EmbeddingNorm.Forward(p, x)
	}
	return op.Dropout(p, x, float32(m.c.Dropout), s.name+" embeddings")
}

// last is the norm after the last layer.
func (m *bart) last(p *op.Pass, s *bartStack, x mat.Tensor) mat.Tensor {
	if s.Norm == nil {
		return x
	}
	return s.Norm.Forward(p, x)
}

// half is a part f of a layer with its norm and residual: x + f(norm(x)) where norms come first, else norm(x + f(x)).
func (m *bart) half(p *op.Pass, norm *LayerNorm, x mat.Tensor, f func(h mat.Tensor) mat.Tensor) mat.Tensor {
	if m.c.pre {
		return op.Add(p, x, f(norm.Forward(p, x)))
	}
	return norm.Forward(p, op.Add(p, x, f(x)))
}

// attend is self-attention.
func (m *bart) attend(p *op.Pass, shape op.AttentionShape, l *bartLayer, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	return m.half(p, l.SelfNorm, x, func(h mat.Tensor) mat.Tensor {
		qkv := op.Linear(p, h, l.Self.Query, l.Self.Key, l.Self.Value)
		shape.Name = l.Self.Query.path
		return m.output(p, op.Attention(p, qkv, bounds, nil, shape, cache), l.Self.Output)
	})
}

// crossAttend is attention to the source.
func (m *bart) crossAttend(p *op.Pass, l *bartLayer, h, memory mat.Tensor, bounds []int, b *Batch, cache []*op.KV) mat.Tensor {
	q := op.Linear(p, h, l.Cross.Query)
	if cache != nil {
		return m.output(p, op.CachedCrossAttention(p, q, bounds, m.Decoder.shape, cache), l.Cross.Output)
	}
	shape := m.Decoder.shape
	shape.AttentionLengths, shape.Name = b.AttentionLengths, l.Cross.Query.path
	kv := op.Linear(p, memory, l.Cross.Key, l.Cross.Value)
	return m.output(p, op.CrossAttention(p, q, kv, bounds, b.Bounds(), shape), l.Cross.Output)
}

// output is the last layer l of a part, with dropout.
func (m *bart) output(p *op.Pass, x mat.Tensor, l *Linear) mat.Tensor {
	return dropOutput(p, op.Linear(p, x, l), float32(m.c.Dropout), l)
}

// feedForward is the other half of a layer.
func (m *bart) feedForward(p *op.Pass, l *bartLayer, x mat.Tensor) mat.Tensor {
	return m.half(p, l.Norm, x, func(h mat.Tensor) mat.Tensor {
		a := op.Activate(p, op.Linear(p, h, l.Up), m.c.act)
		return m.output(p, dropOutput(p, a, float32(m.c.ActivationDropout), l.Up), l.Down)
	})
}

var (
	_ EncoderDecoder = (*bart)(nil)
	_ NumericsSetter = (*bart)(nil)
)

// EncodeSources implements EncoderDecoder.
func (m *bart) EncodeSources(p *op.Pass, b *Batch, cache *Cache) {
	memory := m.encode(p, b)
	for i, l := range m.Decoder.Layers {
		kv := op.Linear(p, memory, l.Cross.Key, l.Cross.Value)
		cache.AddSources(i, op.NewKV(kv, b.Bounds(), m.Decoder.shape))
		p.Free(kv.Value().(*op.Tensor))
	}
}

// NumDecoderLayers implements EncoderDecoder.
func (m *bart) NumDecoderLayers() int { return len(m.Decoder.Layers) }

// DecoderStartTokenID implements EncoderDecoder.
func (m *bart) DecoderStartTokenID() *int32 { return m.c.DecoderStartTokenID }
