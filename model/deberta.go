package model

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("deberta-v2", Architecture{Class: "DebertaV2", Prefix: "deberta.", Kind: head.FeatureExtraction, New: newDeBERTa})
}

// debertaConfig has the keys of config.json for DeBERTa v2 and v3.
type debertaConfig struct {
	VocabSize                 int             `json:"vocab_size"`
	HiddenSize                int             `json:"hidden_size"`
	IntermediateSize          int             `json:"intermediate_size"`
	NumHiddenLayers           int             `json:"num_hidden_layers"`
	NumAttentionHeads         int             `json:"num_attention_heads"`
	MaxPositionEmbeddings     int             `json:"max_position_embeddings"`
	TypeVocabSize             int             `json:"type_vocab_size"`
	HiddenAct                 string          `json:"hidden_act"`
	LayerNormEps              float64         `json:"layer_norm_eps"`
	PadTokenID                int32           `json:"pad_token_id"`
	RelativeAttention         bool            `json:"relative_attention"`
	MaxRelativePositions      int             `json:"max_relative_positions"`
	PositionBuckets           int             `json:"position_buckets"`
	NormRelEbd                string          `json:"norm_rel_ebd"`
	ShareAttKey               bool            `json:"share_att_key"`
	PosAttType                json.RawMessage `json:"pos_att_type"`
	PositionBiasedInput       bool            `json:"position_biased_input"`
	PoolerHiddenAct           string          `json:"pooler_hidden_act"`
	PoolerHiddenSize          int             `json:"pooler_hidden_size"`
	PoolerDropout             float64         `json:"pooler_dropout"`
	ClsDropout                *float64        `json:"cls_dropout"`
	HiddenDropoutProb         float64         `json:"hidden_dropout_prob"`
	AttentionProbsDropoutProb float64         `json:"attention_probs_dropout_prob"`
	TieWordEmbeddings         bool            `json:"tie_word_embeddings"`
	Legacy                    bool            `json:"legacy"`
}

// deberta is the encoder of DeBERTa v2 and v3 (He et al. 2021, arXiv 2006.03654 and 2111.09543): a BERT whose attention also
// looks at embeddings of relative positions, which all layers share.
type deberta struct {
	nn.Module
	Words     *Weight         `hf:"@.embeddings.word_embeddings.weight"`
	Positions *Weight         `hf:"@.embeddings.position_embeddings.weight"`
	Types     *Weight         `hf:"@.embeddings.token_type_embeddings.weight"`
	Norm      *LayerNorm      `hf:"@.embeddings.LayerNorm"`
	Layers    []*debertaLayer `hf:"@.encoder.layer"`
	Relative  debertaRelative `hf:"@.encoder"`

	c      debertaConfig
	act    op.Activation
	bucket func(distance int) int
}

// debertaRelative are the embeddings of relative positions.
type debertaRelative struct {
	Table *Weight    `hf:"rel_embeddings.weight"`
	Norm  *LayerNorm `hf:"LayerNorm"`
}

type debertaLayer struct {
	Query         *Linear    `hf:"attention.self.query_proj"`
	Key           *Linear    `hf:"attention.self.key_proj"`
	Value         *Linear    `hf:"attention.self.value_proj"`
	PositionQuery *Linear    `hf:"attention.self.pos_query_proj"` // nil: Query
	PositionKey   *Linear    `hf:"attention.self.pos_key_proj"`   // nil: Key
	Output        *Linear    `hf:"attention.output.dense"`
	AttentionNorm *LayerNorm `hf:"attention.output.LayerNorm"`
	Up            *Linear    `hf:"intermediate.dense"`
	Down          *Linear    `hf:"output.dense"`
	Norm          *LayerNorm `hf:"output.LayerNorm"`
}

var _ Backbone = (*deberta)(nil)

func newDeBERTa(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	m := &deberta{c: debertaConfig{MaxPositionEmbeddings: 512, HiddenAct: "gelu", LayerNormEps: 1e-7, MaxRelativePositions: -1, PositionBuckets: -1,
		PositionBiasedInput: true, PoolerHiddenAct: "gelu", HiddenDropoutProb: 0.1, AttentionProbsDropoutProb: 0.1, TieWordEmbeddings: true, Legacy: true}}
	c := &m.c
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := m.complete(); err != nil {
		return nil, nil, err
	}
	n := c.HiddenSize
	m.Words, m.Norm = NewWeight(c.VocabSize, n), c.newNorm()
	if c.PositionBiasedInput {
		m.Positions = NewWeight(c.MaxPositionEmbeddings, n)
	}
	if c.TypeVocabSize > 0 {
		m.Types = NewWeight(c.TypeVocabSize, n)
	}
	if c.RelativeAttention {
		m.Relative.Table = NewWeight(2*c.span(), n)
	}
	if strings.Contains(strings.ToLower(c.NormRelEbd), "layer_norm") {
		m.Relative.Norm = c.newNorm()
	}
	for range c.NumHiddenLayers {
		l := &debertaLayer{
			Query: NewLinear(n, n, true), Key: NewLinear(n, n, true), Value: NewLinear(n, n, true), Output: NewLinear(n, n, true),
			AttentionNorm: c.newNorm(), Up: NewLinear(c.IntermediateSize, n, true), Down: NewLinear(n, c.IntermediateSize, true), Norm: c.newNorm(),
		}
		if c.RelativeAttention && !c.ShareAttKey {
			l.PositionQuery, l.PositionKey = NewLinear(n, n, true), NewLinear(n, n, true)
		}
		m.Layers = append(m.Layers, l)
	}
	h, err := m.newHead(want)
	return m, h, err
}

func (c *debertaConfig) newNorm() *LayerNorm {
	return NewLayerNorm(c.HiddenSize, float32(c.LayerNormEps))
}

// span is the number of relative positions on either side.
func (c *debertaConfig) span() int {
	if c.PositionBuckets > 0 {
		return c.PositionBuckets
	}
	return c.maxRelative()
}

func (c *debertaConfig) maxRelative() int {
	if c.MaxRelativePositions < 1 {
		return c.MaxPositionEmbeddings
	}
	return c.MaxRelativePositions
}

// complete derives what follows from the keys, and says which of them are wrong.
func (m *deberta) complete() error {
	c := &m.c
	if err := positive("vocab_size", c.VocabSize, "hidden_size", c.HiddenSize, "intermediate_size", c.IntermediateSize, "num_hidden_layers", c.NumHiddenLayers,
		"num_attention_heads", c.NumAttentionHeads, "max_position_embeddings", c.MaxPositionEmbeddings); err != nil {
		return err
	}
	var kinds []string
	if json.Unmarshal(c.PosAttType, &kinds) != nil {
		var text string
		if len(c.PosAttType) > 0 && json.Unmarshal(c.PosAttType, &text) == nil {
			kinds = strings.Split(strings.ToLower(text), "|")
		}
	}
	slices.Sort(kinds)
	switch {
	case c.HiddenSize%c.NumAttentionHeads != 0:
		return fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	case c.RelativeAttention && !slices.Equal(kinds, []string{"c2p", "p2c"}):
		return notSupported("config.json: pos_att_type is %v; supported is c2p with p2c", kinds)
	case !c.RelativeAttention && len(kinds) > 0:
		return notSupported("config.json: pos_att_type is %v without relative_attention", kinds)
	case c.PoolerHiddenSize != 0 && c.PoolerHiddenSize != c.HiddenSize:
		return notSupported("config.json: pooler_hidden_size is %d; supported is hidden_size, %d", c.PoolerHiddenSize, c.HiddenSize)
	case c.RelativeAttention && c.PositionBuckets > 0 && c.PositionBuckets < 4:
		return fmt.Errorf("config.json: position_buckets is %d; want 4 or more, or -1", c.PositionBuckets)
	}
	m.bucket = c.buckets()
	var err error
	if m.act, err = parseActivation("hidden_act", c.HiddenAct); err != nil {
		return err
	}
	return nil
}

// buckets are the rows of the relative positions: one by one up to half the buckets, on a logarithmic scale beyond.
func (c *debertaConfig) buckets() func(distance int) int {
	span, mid := c.span(), c.PositionBuckets/2
	step := math.Log(float64(float32(c.maxRelative()-1) / float32(mid)))
	return func(distance int) int {
		n := max(distance, -distance)
		if c.PositionBuckets > 0 && n > mid {
			n = int(math.Ceil(float64(float32(math.Log(float64(float32(n)/float32(mid))))/float32(step)*float32(mid-1)))) + mid
		}
		if distance < 0 {
			n = -n
		}
		return min(max(n+span, 0), 2*span-1)
	}
}

func (m *deberta) newHead(k head.Config) (*Head, error) {
	c := &m.c
	if k.Kind == head.MaskedLM && !c.Legacy {
		return nil, notSupported("config.json: legacy is false; a masked language model of that kind is not supported")
	}
	heads := encoderHeads{modelType: "deberta-v2", hidden: c.HiddenSize, tokenDropout: c.HiddenDropoutProb, classDropout: c.HiddenDropoutProb,
		dense: "pooler.dense", classes: "classifier", pooler: true,
		masked: maskedHead{dense: "cls.predictions.transform.dense", norm: "cls.predictions.transform.LayerNorm", decoder: "cls.predictions.decoder",
			bias: "cls.predictions.bias", activation: m.act, newNorm: c.newNorm, words: m.Words, untied: !c.TieWordEmbeddings}}
	if c.ClsDropout != nil {
		heads.classDropout = *c.ClsDropout
	}
	if k.Kind == head.SequenceClassification || k.Kind == head.MultipleChoice {
		var err error
		if heads.activation, err = parseActivation("pooler_hidden_act", c.PoolerHiddenAct); err != nil {
			return nil, err
		}
	}
	return heads.declare(k)
}

// Config implements Backbone.
func (m *deberta) Config() Config {
	c := &m.c
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: c.MaxPositionEmbeddings, TypeVocabSize: c.TypeVocabSize, NumHiddenLayers: c.NumHiddenLayers,
		HiddenSize: c.HiddenSize, Dropout: c.HiddenDropoutProb, AttentionDropout: c.AttentionProbsDropoutProb}
}

// Forward implements Backbone.
func (m *deberta) Forward(p *op.Pass, b *Batch, _ *Cache) mat.Tensor {
	words := m.Words.Lookup(p, b.IDs)
	words.Padding = []int32{m.c.PadTokenID}
	parts := []op.EmbeddingPart{words}
	if m.Positions != nil {
		parts = append(parts, m.Positions.Lookup(p, b.positions(0)))
	}
	if m.Types != nil {
		parts = append(parts, m.Types.Lookup(p, b.types()))
	}
	x := m.Norm.Forward(p, op.EmbeddingNoise(p, op.EmbeddingSum(p, parts...), b.Bounds()))
	x = op.ClearRows(p, x, b.Bounds(), b.AttentionLengths)
	x = op.Dropout(p, x, float32(m.c.HiddenDropoutProb), "embeddings")
	for _, l := range m.Layers {
		part := struct {
			Layer    *debertaLayer    `hf:""`
			Relative *debertaRelative `hf:""`
		}{l, &m.Relative}
		x = RunLayer(p, &part, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return m.layer(p, l, x, b) })
	}
	return x
}

func (m *deberta) layer(p *op.Pass, l *debertaLayer, x mat.Tensor, b *Batch) mat.Tensor {
	drop := float32(m.c.HiddenDropoutProb)
	a := op.Linear(p, m.attend(p, l, op.Linear(p, x, l.Query, l.Key, l.Value), b), l.Output)
	x = l.AttentionNorm.Forward(p, op.Add(p, x, dropOutput(p, a, drop, l.Output)))
	return l.Norm.Forward(p, op.Add(p, x, dropOutput(p, op.MLP(p, x, m.act, l.Up, l.Down), drop, l.Down)))
}

func (m *deberta) attend(p *op.Pass, l *debertaLayer, qkv mat.Tensor, b *Batch) mat.Tensor {
	c := &m.c
	s := encoderShape(c.NumAttentionHeads, c.HiddenSize/c.NumAttentionHeads, b, c.AttentionProbsDropoutProb, l.Query)
	if m.Relative.Table == nil {
		return op.Attention(p, qkv, b.Bounds(), nil, s, nil)
	}
	s.Scale = float32(1 / math.Sqrt(3*float64(s.HeadDim)))
	rows := make([]int32, 2*c.span())
	for i := range rows {
		rows[i] = int32(i)
	}
	rel := op.EmbeddingSum(p, m.Relative.Table.Lookup(p, rows))
	if m.Relative.Norm != nil {
		rel = m.Relative.Norm.Forward(p, rel)
	}
	rel = op.Dropout(p, rel, float32(c.HiddenDropoutProb), l.Query.path+" relative")
	query, key := l.PositionQuery, l.PositionKey
	if c.ShareAttKey {
		query, key = l.Query, l.Key
	}
	return op.DisentangledAttention(p, qkv, op.Linear(p, rel, query, key), b.Bounds(), m.bucket, s)
}
