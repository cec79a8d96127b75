package model

import (
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/op"
)

// t5Config has the keys of config.json for T5, Flan-T5 and mT5.
type t5Config struct {
	ModelType           string   `json:"model_type"`
	VocabSize           int      `json:"vocab_size"`
	DModel              int      `json:"d_model"`
	DKV                 int      `json:"d_kv"`
	DFF                 int      `json:"d_ff"`
	NumLayers           int      `json:"num_layers"`
	NumDecoderLayers    *int     `json:"num_decoder_layers"`
	NumHeads            int      `json:"num_heads"`
	Buckets             int      `json:"relative_attention_num_buckets"`
	MaxDistance         int      `json:"relative_attention_max_distance"`
	DropoutRate         float64  `json:"dropout_rate"`
	ClassifierDropout   float64  `json:"classifier_dropout"`
	LayerNormEpsilon    float64  `json:"layer_norm_epsilon"`
	FeedForwardProj     string   `json:"feed_forward_proj"`
	DenseActFn          string   `json:"dense_act_fn"` // what feed_forward_proj says, in newer files
	IsGatedAct          bool     `json:"is_gated_act"`
	TieWordEmbeddings   *bool    `json:"tie_word_embeddings"`
	ScaleDecoderOutputs *bool    `json:"scale_decoder_outputs"`
	PadTokenID          int32    `json:"pad_token_id"`
	DecoderStartTokenID *int32   `json:"decoder_start_token_id"`
	EOSTokenID          tokenIDs `json:"eos_token_id"`
	IsEncoderDecoder    *bool    `json:"is_encoder_decoder"`
	NPositions          int      `json:"n_positions"` // of pretraining; relative positions have no end
	InitializerFactor   *float64 `json:"initializer_factor"`

	act   op.Activation
	gated bool
}

// minBuckets are two for each direction of the encoder: one for near positions, one for those that lie farther away.
const minBuckets = 4

// t5Positions is the length of documents, which only memory limits.
const t5Positions = 1 << 20

// complete fills in what follows from the keys, and says which of them are wrong.
func (c *t5Config) complete(decodes bool) error {
	if c.NumDecoderLayers == nil {
		c.NumDecoderLayers = &c.NumLayers
	}
	if c.ScaleDecoderOutputs == nil {
		c.ScaleDecoderOutputs = new(c.TieWordEmbeddings == nil || *c.TieWordEmbeddings)
	}
	if len(c.EOSTokenID) == 0 {
		c.EOSTokenID = tokenIDs{1}
	}
	if c.DecoderStartTokenID == nil {
		c.DecoderStartTokenID = &c.PadTokenID
	}
	if err := positive("vocab_size", c.VocabSize, "d_model", c.DModel, "d_kv", c.DKV, "d_ff", c.DFF, "num_layers", c.NumLayers,
		"num_decoder_layers", *c.NumDecoderLayers, "num_heads", c.NumHeads, "relative_attention_num_buckets", c.Buckets,
		"relative_attention_max_distance", c.MaxDistance); err != nil {
		return err
	}
	if c.Buckets < minBuckets {
		return fmt.Errorf("config.json: relative_attention_num_buckets is %d; want %d or more", c.Buckets, minBuckets)
	}
	if err := checkDecoderTokens(c.VocabSize, &c.PadTokenID, c.DecoderStartTokenID); err != nil {
		return err
	}
	act, gated := strings.CutPrefix(c.FeedForwardProj, "gated-")
	if gated && act == "gelu" { // as transformers reads it
		act = "gelu_new"
	}
	c.gated = gated
	var err error
	if c.act, err = parseActivation("feed_forward_proj", act); err != nil {
		return err
	}
	if c.IsEncoderDecoder != nil && !*c.IsEncoderDecoder && decodes {
		return notSupported("config.json: with is_encoder_decoder false %s has no decoder, which this head reads", c.ModelType)
	}
	return nil
}
