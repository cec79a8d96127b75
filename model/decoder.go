package model

import (
	"fmt"
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// DecoderConfig has the keys of config.json that a Decoder needs. An architecture's config embeds it, and sets transformers'
// defaults before ConfigFile.Decode reads the file.
type DecoderConfig struct {
	ModelType         string `json:"model_type"`
	VocabSize         int    `json:"vocab_size"`
	HiddenSize        int    `json:"hidden_size"`
	IntermediateSize  int    `json:"intermediate_size"`
	NumHiddenLayers   int    `json:"num_hidden_layers"`
	NumAttentionHeads int    `json:"num_attention_heads"`
	// NumKeyValueHeads is by default NumAttentionHeads, HeadDim HiddenSize/NumAttentionHeads.
	NumKeyValueHeads      *int    `json:"num_key_value_heads"`
	HeadDim               *int    `json:"head_dim"`
	MaxPositionEmbeddings int     `json:"max_position_embeddings"`
	RMSNormEps            float64 `json:"rms_norm_eps"`
	HiddenAct             string  `json:"hidden_act"`
	TieWordEmbeddings     bool    `json:"tie_word_embeddings"`
	AttentionDropout      float64 `json:"attention_dropout"`
	PadTokenID            *int32  `json:"pad_token_id"`
	RoPEConfig

	kvHeads, headDim int
	ropeByType       bool        // layers' rotary positions depend on their type: the architecture makes them
	normOffset       float32     // RMSNorm.Offset of the norms
	headBias         bool        // the language-model head has a bias
	spans            bool        // transformers has a class for question answering
	tokenHead        string      // the path of a head for token classification, where not score
	lacks            []head.Kind // heads for which transformers has no class
	activation       op.Activation
	rope             *op.RoPE
	positions        int // the longest document, which some rope types extend beyond MaxPositionEmbeddings
}

// transformerSpans are the prefixes of families whose class for question answering calls the decoder transformer.
var transformerSpans = map[head.Kind]string{head.QuestionAnswering: "transformer."}

// Complete derives what follows from the keys, and says which of them are wrong. NewDecoder and the other New methods need it
// to have been called.
func (c *DecoderConfig) Complete() error {
	if err := positive("vocab_size", c.VocabSize, "hidden_size", c.HiddenSize, "intermediate_size", c.IntermediateSize,
		"num_hidden_layers", c.NumHiddenLayers, "num_attention_heads", c.NumAttentionHeads,
		"max_position_embeddings", c.MaxPositionEmbeddings); err != nil {
		return err
	}
	c.kvHeads = c.NumAttentionHeads
	if c.NumKeyValueHeads != nil {
		c.kvHeads = *c.NumKeyValueHeads
	}
	c.headDim = c.HiddenSize / c.NumAttentionHeads
	if c.HeadDim != nil {
		c.headDim = *c.HeadDim
	} else if c.HiddenSize%c.NumAttentionHeads != 0 {
		return fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	}
	if err := positive("num_key_value_heads", c.kvHeads, "head_dim", c.headDim); err != nil {
		return err
	}
	if c.NumAttentionHeads%c.kvHeads != 0 {
		return fmt.Errorf("config.json: num_attention_heads %d is not a multiple of num_key_value_heads %d", c.NumAttentionHeads, c.kvHeads)
	}
	var err error
	if c.activation, err = parseActivation("hidden_act", c.HiddenAct); err != nil {
		return err
	}
	if c.ropeByType {
		c.positions = c.MaxPositionEmbeddings
		return nil
	}
	c.rope, c.positions, err = c.RoPE(c.headDim, c.MaxPositionEmbeddings, "")
	return err
}

// decodeDecoder reads the file into the config of an architecture, of which c is the part that decoders share, and completes
// that.
func (f *ConfigFile) decodeDecoder(config any, c *DecoderConfig) error {
	if err := f.Decode(config); err != nil {
		return err
	}
	return c.Complete()
}

// NewNorm declares a norm of hidden states.
func (c *DecoderConfig) NewNorm() *RMSNorm { return c.newNorm(c.HiddenSize) }

func (c *DecoderConfig) newNorm(n int) *RMSNorm {
	norm := NewRMSNorm(n, float32(c.RMSNormEps))
	norm.Offset = c.normOffset
	return norm
}

// Decoder is the backbone of a decoder-only language model (Radford et al. 2018): embedded tokens, layers, a norm.
type Decoder struct {
	nn.Module
	Embed  *Weight        `hf:"@.embed_tokens.weight"`
	Layers []DecoderLayer `hf:"@.layers"`
	Norm   Norm           `hf:"@.norm"`
	// EmbeddingScale multiplies the embedded tokens; 0 counts as 1. EmbeddingDropout is the rate of their dropout.
	EmbeddingScale, EmbeddingDropout float32

	c       *DecoderConfig
	auxLoss float32 // the factor of the routers' auxiliary loss
}

// DecoderLayer is a layer of a Decoder: a pointer to a struct with hf tags.
type DecoderLayer interface {
	// Forward maps the hidden states x [tokens, hidden], which nothing else reads, to those after the layer. Document d is
	// rows bounds[d] to bounds[d+1]; cache is for the layer's Attention.
	Forward(p *op.Pass, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor
}

var _ Backbone = (*Decoder)(nil)

// NewDecoder declares a decoder and its head. The config is complete; layer declares layer i.
func NewDecoder(c *DecoderConfig, want head.Config, layer func(i int) DecoderLayer) (*Decoder, *Head, error) {
	d := &Decoder{Embed: NewWeight(c.VocabSize, c.HiddenSize), Norm: c.NewNorm(), c: c}
	for i := range c.NumHiddenLayers {
		d.Layers = append(d.Layers, layer(i))
	}
	h, err := c.newHead(want, d.Embed)
	return d, h, err
}

// newHead declares the head of a decoder with these embeddings.
func (c *DecoderConfig) newHead(want head.Config, embed *Weight) (*Head, error) {
	h := &Head{Config: want, Pooling: PoolLast, unpadded: true}
	switch want.Kind {
	case head.CausalLM:
		h.Out = NewLinear(c.VocabSize, c.HiddenSize, c.headBias)
		if c.TieWordEmbeddings {
			h.Out.Weight.Tie(embed)
		}
		h.Add("lm_head", h.Out)
	case head.SequenceClassification, head.TokenClassification:
		h.Out = NewLinear(len(want.Labels), c.HiddenSize, want.Kind == head.TokenClassification)
		name := "score"
		if want.Kind == head.TokenClassification && c.tokenHead != "" {
			name = c.tokenHead
		}
		h.Add(name, h.Out)
	case head.QuestionAnswering:
		h.addOut("qa_outputs", 2, c.HiddenSize, 0)
		if !c.spans {
			return nil, noHead(c.ModelType, want.Kind)
		}
	case head.FeatureExtraction:
	default:
		return nil, noHead(c.ModelType, want.Kind)
	}
	if slices.Contains(c.lacks, want.Kind) {
		return nil, noHead(c.ModelType, want.Kind)
	}
	return h, nil
}

// Config implements Backbone.
func (d *Decoder) Config() Config { return d.c.sizes() }

// sizes are those of a backbone.
func (c *DecoderConfig) sizes() Config {
	return Config{VocabSize: c.VocabSize, MaxPositionEmbeddings: c.positions, NumHiddenLayers: c.NumHiddenLayers,
		HiddenSize: c.HiddenSize, AttentionDropout: c.AttentionDropout}
}

// newMoEDecoder is NewDecoder for mixtures of experts.
func newMoEDecoder(c *DecoderConfig, m *MoEConfig, want head.Config, layer func(i int) DecoderLayer) (Backbone, *Head, error) {
	d, h, err := NewDecoder(c, want, layer)
	if err == nil && want.Kind == head.CausalLM { // transformers has the auxiliary loss for this head alone
		d.auxLoss = m.auxLoss()
	}
	return d, h, err
}

// Forward implements Backbone.
func (d *Decoder) Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	x := op.Dropout(p, d.embed(p, b), d.EmbeddingDropout, "embeddings")
	return d.Norm.Forward(p, runLayers(p, d.Layers, x, b, cache))
}

// embed looks the batch's tokens up.
func (d *Decoder) embed(p *op.Pass, b *Batch) mat.Tensor {
	return d.c.embed(p, d.Embed, b, d.EmbeddingScale)
}

// embed looks the batch's tokens up in a table, and multiplies them by scale.
func (c *DecoderConfig) embed(p *op.Pass, table *Weight, b *Batch, scale float32) mat.Tensor {
	words := table.Lookup(p, b.IDs)
	words.Scale = scale
	if c.PadTokenID != nil { // as PyTorch's padding_idx
		words.Padding = []int32{*c.PadTokenID}
	}
	return op.EmbeddingNoise(p, op.EmbeddingSum(p, words), b.Bounds())
}

// runLayers runs a decoder's layers one after the other.
func runLayers(p *op.Pass, layers []DecoderLayer, x mat.Tensor, b *Batch, cache *Cache) mat.Tensor {
	for i, l := range layers {
		x = RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor { return l.Forward(p, x, b.Bounds(), cache.Layer(i)) })
	}
	return x
}
