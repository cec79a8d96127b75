package model

import (
	"strings"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	for modelType, class := range map[string]string{"t5": "T5", "mt5": "MT5"} {
		Register(modelType, Architecture{Class: class, Kind: head.Seq2SeqLM, New: newT5, Elsewhere: t5Elsewhere, Untie: untieT5,
			Classes:  map[head.Kind]string{head.FeatureExtraction: class + "EncoderModel"},
			Prefixes: map[head.Kind]string{head.SequenceClassification: "transformer.", head.TokenClassification: "transformer."}})
	}
}

// t5Elsewhere says whether a tensor belongs to another head, or to the decoder that a model for vectors or for classes of tokens
// does not have.
func t5Elsewhere(k head.Kind, name string) bool {
	for _, part := range []string{"lm_head.", "qa_outputs.", "classifier.", "classification_head."} {
		if strings.HasPrefix(name, part) {
			return true
		}
	}
	return !t5Decodes(k) && strings.HasPrefix(strings.TrimPrefix(name, "transformer."), "decoder.")
}

// t5Decodes says whether a head reads the decoder's states, and not the encoder's.
func t5Decodes(k head.Kind) bool {
	return k == head.Seq2SeqLM || k == head.SequenceClassification || k == head.QuestionAnswering
}

// untieT5 is Architecture.Untie: without scale_decoder_outputs, T5 takes tie_word_embeddings for that as well.
func untieT5(config map[string]any) {
	if config["model_type"] == "t5" && config["scale_decoder_outputs"] == nil {
		config["scale_decoder_outputs"] = config["tie_word_embeddings"] != false
	}
	config["tie_word_embeddings"] = false
}

// t5 is the encoder and decoder of T5 (Raffel et al. 2020, arXiv 1910.10683) and mT5 (Xue et al. 2021): a norm before each
// part of a layer, no biases, and scores that depend on relative positions, by a table that all layers of a stack share.
type t5 struct {
	nn.Module
	Shared  *Weight  `hf:"@.shared.weight"`
	Encoder *t5Stack `hf:"@.encoder"`
	Decoder *t5Stack `hf:"@.decoder"` // nil where the head reads the encoder

	c    *t5Config
	head *Head
}

// t5Stack is an encoder or a decoder.
type t5Stack struct {
	Words  *Weight    `hf:"embed_tokens.weight"`
	Bias   *Weight    `hf:"block.0.layer.0.SelfAttention.relative_attention_bias.weight"`
	Blocks []*t5Block `hf:"block"`
	Norm   *RMSNorm   `hf:"final_layer_norm"`

	name  string
	shape op.AttentionShape
}

// t5Block is a layer: a *t5Attention, in a decoder another one to the source, and a *t5MLP.
type t5Block struct {
	Parts []any `hf:"layer"`
}

// t5Attention is attention with its norm; one of Self and Cross is nil.
type t5Attention struct {
	Self  *t5Projections `hf:"SelfAttention"`
	Cross *t5Projections `hf:"EncDecAttention"`
	Norm  *RMSNorm       `hf:"layer_norm"`
}

type t5Projections struct {
	Query  *Linear `hf:"q"`
	Key    *Linear `hf:"k"`
	Value  *Linear `hf:"v"`
	Output *Linear `hf:"o"`
}

// t5MLP has Up, or Gate and GatedUp.
type t5MLP struct {
	Up      *Linear  `hf:"DenseReluDense.wi"`
	Gate    *Linear  `hf:"DenseReluDense.wi_0"`
	GatedUp *Linear  `hf:"DenseReluDense.wi_1"`
	Down    *Linear  `hf:"DenseReluDense.wo"`
	Norm    *RMSNorm `hf:"layer_norm"`
}

var _ EncoderDecoder = (*t5)(nil)

func newT5(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &t5Config{VocabSize: 32128, DModel: 512, DKV: 64, DFF: 2048, NumLayers: 6, NumHeads: 8, Buckets: 32, MaxDistance: 128, DropoutRate: 0.1,
		LayerNormEpsilon: 1e-6, FeedForwardProj: "relu", EOSTokenID: tokenIDs{1}}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := c.complete(t5Decodes(want.Kind)); err != nil {
		return nil, nil, err
	}
	m := &t5{Shared: NewWeight(c.VocabSize, c.DModel), c: c}
	m.Encoder = m.stack("encoder", c.NumLayers)
	if t5Decodes(want.Kind) {
		m.Decoder = m.stack("decoder", *c.NumDecoderLayers)
	}
	var err error
	m.head, err = m.newHead(want)
	return m, m.head, err
}

// newHead declares the head of a kind.
func (m *t5) newHead(want head.Config) (*Head, error) {
	c, h := m.c, &Head{Config: want}
	switch want.Kind {
	case head.Seq2SeqLM:
		h.Out = NewLinear(c.VocabSize, c.DModel, false)
		h.Out.Weight.Tie(m.Shared)
		if c.ModelType == "t5" && *c.ScaleDecoderOutputs {
			h.LogitScale = 1 / sqrt32(c.DModel)
		}
		h.Add("lm_head", h.Out)
	case head.SequenceClassification:
		h.Dense, h.Activation = NewLinear(c.DModel, c.DModel, true), op.Tanh
		h.Pooling, h.EOSTokenID = PoolEOS, c.EOSTokenID[0]
		h.Add("classification_head.dense", h.Dense)
		h.addOut("classification_head.out_proj", len(want.Labels), c.DModel, c.ClassifierDropout)
	case head.TokenClassification:
		h.addOut("classifier", len(want.Labels), c.DModel, c.ClassifierDropout)
	case head.QuestionAnswering:
		h.addOut("qa_outputs", 2, c.DModel, 0)
	case head.FeatureExtraction:
	default:
		return nil, noHead(c.ModelType, want.Kind)
	}
	return h, nil
}

// stack declares an encoder or a decoder.
func (m *t5) stack(name string, layers int) *t5Stack {
	c := m.c
	n, inner := c.DModel, c.NumHeads*c.DKV
	norm := func() *RMSNorm { return NewRMSNorm(n, float32(c.LayerNormEpsilon)) }
	project := func() *t5Projections {
		return &t5Projections{NewLinear(inner, n, false), NewLinear(inner, n, false), NewLinear(inner, n, false), NewLinear(n, inner, false)}
	}
	s := &t5Stack{Words: NewWeight(c.VocabSize, n), Bias: NewWeight(c.Buckets, c.NumHeads), Norm: norm(), name: name}
	s.Words.Tie(m.Shared)
	s.shape = op.AttentionShape{Heads: c.NumHeads, KVHeads: c.NumHeads, HeadDim: c.DKV, Bidirectional: name == "encoder", Scale: 1, Dropout: float32(c.DropoutRate)}
	for range layers {
		b := &t5Block{Parts: []any{&t5Attention{Self: project(), Norm: norm()}}}
		if name == "decoder" {
			b.Parts = append(b.Parts, &t5Attention{Cross: project(), Norm: norm()})
		}
		f := &t5MLP{Down: NewLinear(n, c.DFF, false), Norm: norm()}
		if c.gated {
			f.Gate, f.GatedUp = NewLinear(c.DFF, n, false), NewLinear(c.DFF, n, false)
		} else {
			f.Up = NewLinear(c.DFF, n, false)
		}
		b.Parts = append(b.Parts, f)
		s.Blocks = append(s.Blocks, b)
	}
	return s
}

// Config implements Backbone.
func (m *t5) Config() Config {
	c := m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: t5Positions, NumHiddenLayers: max(c.NumLayers, *c.NumDecoderLayers), HiddenSize: c.DModel,
		Dropout: c.DropoutRate, AttentionDropout: c.DropoutRate}
}

// Forward implements Backbone. With a cache, whose sources have been encoded, the batch is tokens of the targets.
func (m *t5) Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	if cache != nil {
		return m.decode(p, nil, b.IDs, b.Bounds(), b, cache)
	}
	if m.Decoder == nil {
		return m.encode(p, b)
	}
	from, bounds := b.IDs, b.Bounds()
	if b.Labels != nil && m.head.Kind == head.Seq2SeqLM {
		from, bounds = b.Labels, b.TargetBounds()
	}
	ids := make([]int32, len(from)) // shifted by one, after the token with which the decoder starts
	for d := range len(bounds) - 1 {
		ids[bounds[d]] = *m.c.DecoderStartTokenID
		for i := bounds[d] + 1; i < bounds[d+1]; i++ {
			if ids[i] = from[i-1]; ids[i] == head.IgnoreIndex {
				ids[i] = m.c.PadTokenID
			}
		}
	}
	return m.decode(p, m.encode(p, b), ids, bounds, b, nil)
}

// encode returns the encoder's states, [tokens of the sources, hidden].
func (m *t5) encode(p *op.Pass, b *Batch) mat.Tensor {
	s := m.Encoder
	shape := s.shape
	shape.AttentionLengths = b.AttentionLengths
	x := m.embed(p, s, b.IDs, b.Bounds())
	for _, l := range s.Blocks {
		x = RunLayer(p, &withBias{l, s.Bias}, x, func(p *op.Pass, x mat.Tensor) mat.Tensor {
			x = m.attend(p, s, shape, l, x, b.Bounds(), nil)
			return m.feedForward(p, l.Parts[1].(*t5MLP), x)
		})
	}
	return m.drop(p, s.Norm.Forward(p, x), s.name+" last")
}

// decode returns the decoder's states. Cross-attention sees memory, the encoder's states of the batch b, or with a cache the
// keys and values that it holds.
func (m *t5) decode(p *op.Pass, memory mat.Tensor, ids []int32, bounds []int, b *Batch, cache *Cache) mat.Tensor {
	s := m.Decoder
	x := m.embed(p, s, ids, bounds)
	for i, l := range s.Blocks {
		x = op.CheckpointWith(p, x, memory, trained(p, &withBias{l, s.Bias}), func(p *op.Pass, x, memory mat.Tensor) mat.Tensor {
			x = m.attend(p, s, s.shape, l, x, bounds, cache.Layer(i))
			x = m.crossAttend(p, l.Parts[1].(*t5Attention), x, memory, bounds, b, cache.Source(i))
			return m.feedForward(p, l.Parts[2].(*t5MLP), x)
		})
	}
	return m.drop(p, s.Norm.Forward(p, x), s.name+" last")
}

func (m *t5) embed(p *op.Pass, s *t5Stack, ids []int32, bounds []int) mat.Tensor {
	x := op.EmbeddingSum(p, s.Words.Lookup(p, ids))
	if s.name == "encoder" {
		x = op.EmbeddingNoise(p, x, bounds)
	}
	return m.drop(p, x, s.name+" embeddings")
}

func (m *t5) drop(p *op.Pass, x mat.Tensor, name string) mat.Tensor {
	return op.Dropout(p, x, float32(m.c.DropoutRate), name)
}

// output adds the last layer of a part, with dropout, to x.
func (m *t5) output(p *op.Pass, x, y mat.Tensor, l *Linear) mat.Tensor {
	return op.Add(p, x, dropOutput(p, op.Linear(p, y, l), float32(m.c.DropoutRate), l))
}

// attend is self-attention.
func (m *t5) attend(p *op.Pass, s *t5Stack, shape op.AttentionShape, l *t5Block, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	a := l.Parts[0].(*t5Attention)
	shape.Name = a.Self.Query.path
	shape.Bias = s.Bias.relativeBias(p, relativeBuckets(m.c.Buckets, m.c.MaxDistance, shape.Bidirectional))
	qkv := op.Linear(p, a.Norm.Forward(p, x), a.Self.Query, a.Self.Key, a.Self.Value)
	return m.output(p, x, op.Attention(p, qkv, bounds, nil, shape, cache), a.Self.Output)
}

// crossAttend is attention to the source.
func (m *t5) crossAttend(p *op.Pass, a *t5Attention, x, memory mat.Tensor, bounds []int, b *Batch, cache []*op.KV) mat.Tensor {
	q := op.Linear(p, a.Norm.Forward(p, x), a.Cross.Query)
	if cache != nil {
		return m.output(p, x, op.CachedCrossAttention(p, q, bounds, m.Decoder.shape, cache), a.Cross.Output)
	}
	shape := m.Decoder.shape
	shape.AttentionLengths, shape.Name = b.AttentionLengths, a.Cross.Query.path
	kv := op.Linear(p, memory, a.Cross.Key, a.Cross.Value)
	return m.output(p, x, op.CrossAttention(p, q, kv, bounds, b.Bounds(), shape), a.Cross.Output)
}

// feedForward is the last part of a layer.
func (m *t5) feedForward(p *op.Pass, l *t5MLP, x mat.Tensor) mat.Tensor {
	h := l.Norm.Forward(p, x)
	if m.c.gated {
		h = op.Gate(p, op.Linear(p, h, l.Gate, l.GatedUp), m.c.act)
	} else {
		h = op.Activate(p, op.Linear(p, h, l.Up), m.c.act)
	}
	return m.output(p, x, m.drop(p, h, l.Down.path+" input"), l.Down)
}

// EncodeSources implements EncoderDecoder.
func (m *t5) EncodeSources(p *op.Pass, b *Batch, cache *Cache) {
	memory := m.encode(p, b)
	for i, l := range m.Decoder.Blocks {
		a := l.Parts[1].(*t5Attention)
		kv := op.Linear(p, memory, a.Cross.Key, a.Cross.Value)
		cache.AddSources(i, op.NewKV(kv, b.Bounds(), m.Decoder.shape))
		p.Free(kv.Value().(*op.Tensor))
	}
}

// NumDecoderLayers implements EncoderDecoder.
func (m *t5) NumDecoderLayers() int {
	if m.Decoder == nil {
		return 0
	}
	return len(m.Decoder.Blocks)
}

// DecoderStartTokenID implements EncoderDecoder.
func (m *t5) DecoderStartTokenID() *int32 { return m.c.DecoderStartTokenID }
