package model

import (
	"fmt"
	"math"

	"github.com/spagotune/spagotune/op"
)

// bartConfig has the keys of config.json for BART, Marian, Pegasus and mBART. Dropout of whole layers is not applied.
type bartConfig struct {
	ModelType                     string   `json:"model_type"`
	VocabSize                     int      `json:"vocab_size"`
	DecoderVocabSize              *int     `json:"decoder_vocab_size"`
	ShareEncoderDecoderEmbeddings *bool    `json:"share_encoder_decoder_embeddings"`
	DModel                        int      `json:"d_model"`
	EncoderLayers                 int      `json:"encoder_layers"`
	EncoderFFNDim                 int      `json:"encoder_ffn_dim"`
	EncoderAttentionHeads         int      `json:"encoder_attention_heads"`
	DecoderLayers                 int      `json:"decoder_layers"`
	DecoderFFNDim                 int      `json:"decoder_ffn_dim"`
	DecoderAttentionHeads         int      `json:"decoder_attention_heads"`
	HiddenSize                    *int     `json:"hidden_size"`
	NumHiddenLayers               *int     `json:"num_hidden_layers"`
	NumAttentionHeads             *int     `json:"num_attention_heads"`
	MaxPositionEmbeddings         int      `json:"max_position_embeddings"`
	ExtraPosEmbeddings            *int     `json:"extra_pos_embeddings"`
	ActivationFunction            string   `json:"activation_function"`
	ScaleEmbedding                bool     `json:"scale_embedding"`
	TieWordEmbeddings             *bool    `json:"tie_word_embeddings"`
	NormalizeBefore               *bool    `json:"normalize_before"`
	NormalizeEmbedding            *bool    `json:"normalize_embedding"`
	AddFinalLayerNorm             *bool    `json:"add_final_layer_norm"`
	StaticPositionEmbeddings      *bool    `json:"static_position_embeddings"`
	AddBiasLogits                 bool     `json:"add_bias_logits"` // not used: final_logits_bias is always added
	IsEncoderDecoder              *bool    `json:"is_encoder_decoder"`
	PadTokenID                    *int32   `json:"pad_token_id"`
	EosTokenID                    tokenIDs `json:"eos_token_id"`
	DecoderStartTokenID           *int32   `json:"decoder_start_token_id"`
	ForceBosTokenToBeGenerated    bool     `json:"force_bos_token_to_be_generated"` // generationConfig reads it
	Dropout                       float64  `json:"dropout"`
	AttentionDropout              float64  `json:"attention_dropout"`
	ActivationDropout             float64  `json:"activation_dropout"`
	ClassifDropout                float64  `json:"classif_dropout"`
	ClassifierDropout             float64  `json:"classifier_dropout"`
	EncoderLayerdrop              float64  `json:"encoder_layerdrop"`
	DecoderLayerdrop              float64  `json:"decoder_layerdrop"`
	InitStd                       float64  `json:"init_std"`
	NumLabels                     *int     `json:"num_labels"`
	OldNumLabels                  *int     `json:"_num_labels"`
	OutputPast                    bool     `json:"output_past"`
	GradientCheckpointing         bool     `json:"gradient_checkpointing"`

	pre, final, normed, static bool // norms before each half, after the last layer, on the embeddings; sinusoids
	sines                      bool // M2M-100's sinusoids, from the row of learned positions on
	logitsBias                 bool // final_logits_bias
	shared                     bool // encoder and decoder have one embedding
	targets                    int  // the size of the decoder's vocabulary
	act                        op.Activation
	scale                      float32 // of token embeddings
}

// maxSinusoids bounds the table of sinusoids, which is computed before there are weights.
const maxSinusoids = 1 << 24

// learnedOffset is the row of the first position in a table of learned ones.
const learnedOffset = 2

// newBartConfig reads config.json with transformers' defaults, and refuses what is not supported.
func newBartConfig(config *ConfigFile) (*bartConfig, error) {
	c := &bartConfig{VocabSize: 50265, DModel: 1024, EncoderLayers: 12, EncoderFFNDim: 4096, EncoderAttentionHeads: 16,
		DecoderLayers: 12, DecoderFFNDim: 4096, DecoderAttentionHeads: 16, MaxPositionEmbeddings: 1024, ActivationFunction: "gelu", Dropout: 0.1}
	if err := config.Decode(c); err != nil {
		return nil, err
	}
	c.defaults()
	if err := positive("vocab_size", c.VocabSize, "decoder_vocab_size", c.targets, "d_model", c.DModel,
		"encoder_layers", c.EncoderLayers, "encoder_ffn_dim", c.EncoderFFNDim, "encoder_attention_heads", c.EncoderAttentionHeads,
		"decoder_layers", c.DecoderLayers, "decoder_ffn_dim", c.DecoderFFNDim, "decoder_attention_heads", c.DecoderAttentionHeads,
		"max_position_embeddings", c.MaxPositionEmbeddings); err != nil {
		return nil, err
	}
	var err error
	if c.act, err = parseActivation("activation_function", c.ActivationFunction); err != nil {
		return nil, err
	}
	c.scale = 1
	if (c.static || c.sines) && c.MaxPositionEmbeddings > maxSinusoids/c.DModel {
		return nil, fmt.Errorf("config.json: max_position_embeddings %d of %d values are more than %d", c.MaxPositionEmbeddings, c.DModel, maxSinusoids)
	}
	if c.ScaleEmbedding {
		c.scale = float32(math.Sqrt(float64(c.DModel)))
	}
	for _, check := range []func() error{c.checkSizes, c.checkLayout, c.checkTokens} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// defaults fills in what the model type decides.
func (c *bartConfig) defaults() {
	pad, eos, start := int32(1), int32(2), int32(2)
	c.logitsBias = c.ModelType != "m2m_100"
	switch c.ModelType {
	case "bart":
		c.normed = true
	case "mbart":
		c.pre, c.final, c.normed = true, true, true
	case "m2m_100":
		c.pre, c.final, c.sines = true, true, true
	case "marian":
		c.static = true
		pad, eos, start = 58100, 0, 58100
	case "pegasus":
		c.pre, c.final, c.static = true, true, true
		pad, eos, start = 0, 1, 0
	}
	if c.PadTokenID == nil {
		c.PadTokenID = &pad
	}
	if len(c.EosTokenID) == 0 {
		c.EosTokenID = tokenIDs{eos}
	}
	if c.DecoderStartTokenID == nil && c.ModelType != "mbart" {
		c.DecoderStartTokenID = &start
	}
	c.targets = c.VocabSize
	c.shared = c.ShareEncoderDecoderEmbeddings == nil || *c.ShareEncoderDecoderEmbeddings
	if !c.shared && c.DecoderVocabSize != nil {
		c.targets = *c.DecoderVocabSize
	}
}

// newPositions declares the positions of a stack.
func (c *bartConfig) newPositions() *Weight {
	rows := c.MaxPositionEmbeddings + c.offset()
	switch {
	case c.static:
		return compute(sinusoids(rows, c.DModel), rows, c.DModel)
	case c.sines:
		return compute(geometricSinusoids(rows, c.DModel), rows, c.DModel)
	}
	return NewWeight(rows, c.DModel)
}

// offset is the row of the first position in the table.
func (c *bartConfig) offset() int {
	if c.static {
		return 0
	}
	return learnedOffset
}

// checkSizes says which sizes contradict each other.
func (c *bartConfig) checkSizes() error {
	for _, s := range []struct {
		alias string
		value *int
		name  string
		want  int
	}{
		{"hidden_size", c.HiddenSize, "d_model", c.DModel}, {"num_hidden_layers", c.NumHiddenLayers, "encoder_layers", c.EncoderLayers},
		{"num_attention_heads", c.NumAttentionHeads, "encoder_attention_heads", c.EncoderAttentionHeads},
	} {
		if s.value != nil && *s.value != s.want {
			return fmt.Errorf("config.json: %s %d is another name of %s, which is %d", s.alias, *s.value, s.name, s.want)
		}
	}
	switch {
	case c.DModel%c.EncoderAttentionHeads != 0:
		return fmt.Errorf("config.json: d_model %d is not a multiple of encoder_attention_heads %d", c.DModel, c.EncoderAttentionHeads)
	case c.DModel%c.DecoderAttentionHeads != 0:
		return fmt.Errorf("config.json: d_model %d is not a multiple of decoder_attention_heads %d", c.DModel, c.DecoderAttentionHeads)
	case c.shared && c.DecoderVocabSize != nil && *c.DecoderVocabSize != c.VocabSize:
		return fmt.Errorf("config.json: decoder_vocab_size %d with share_encoder_decoder_embeddings; want vocab_size, %d", *c.DecoderVocabSize, c.VocabSize)
	case c.ModelType != "marian" && !c.shared:
		return notSupported("config.json: share_encoder_decoder_embeddings false is not supported for %s", c.ModelType)
	}
	return nil
}

// checkLayout refuses keys of older versions for the layout that contradict the model type.
func (c *bartConfig) checkLayout() error {
	for _, k := range []struct {
		name  string
		value *bool
		want  bool
	}{
		{"normalize_before", c.NormalizeBefore, c.pre}, {"normalize_embedding", c.NormalizeEmbedding, c.normed},
		{"add_final_layer_norm", c.AddFinalLayerNorm, c.final}, {"static_position_embeddings", c.StaticPositionEmbeddings, c.static},
		{"is_encoder_decoder", c.IsEncoderDecoder, true},
	} {
		if k.value != nil && *k.value != k.want {
			return notSupported("config.json: %s %v is not supported for %s; want %v", k.name, *k.value, c.ModelType, k.want)
		}
	}
	if e := c.ExtraPosEmbeddings; e != nil && !c.static && *e != learnedOffset {
		return notSupported("config.json: extra_pos_embeddings %d is not supported; want %d", *e, learnedOffset)
	}
	return nil
}

// checkTokens says which special token the vocabulary does not have.
func (c *bartConfig) checkTokens() error {
	return checkDecoderTokens(c.targets, c.PadTokenID, c.DecoderStartTokenID)
}

// tied says whether the embeddings and the LM head are one matrix.
func (c *bartConfig) tied() bool { return c.TieWordEmbeddings == nil || *c.TieWordEmbeddings }
