package model

import (
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	Register("eurobert", Architecture{Class: "EuroBert", Prefix: "model.", Kind: head.FeatureExtraction, New: newEuroBERT})
}

// euroBERTConfig has the keys of config.json for EuroBERT.
type euroBERTConfig struct {
	DecoderConfig
	AttentionBias     bool   `json:"attention_bias"`
	MLPBias           bool   `json:"mlp_bias"`
	PretrainingTP     int    `json:"pretraining_tp"`
	ClassifierPooling string `json:"classifier_pooling"`
	ClmLossRatio      int    `json:"clm_loss_ratio"`
}

// newEuroBERT declares the encoder of EuroBERT (Boizard et al. 2025, arXiv 2503.05500): a Llama in which every token sees its
// whole document.
func newEuroBERT(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &euroBERTConfig{DecoderConfig: DecoderConfig{MaxPositionEmbeddings: 8192, RMSNormEps: 1e-5, HiddenAct: "silu", PadTokenID: new(int32(128001))},
		ClassifierPooling: "late"}
	if err := config.decodeDecoder(c, &c.DecoderConfig); err != nil {
		return nil, nil, err
	}
	if c.PretrainingTP > 1 {
		return nil, nil, notSupported("config.json: pretraining_tp %d is not supported; set it to 1", c.PretrainingTP)
	}
	none := head.Config{Kind: head.FeatureExtraction}
	d, _, err := NewDecoder(&c.DecoderConfig, none, func(int) DecoderLayer {
		a := c.NewAttention(c.AttentionBias, c.AttentionBias)
		a.Bidirectional = true
		return &preNormLayer{InputNorm: c.NewNorm(), Attention: a, PostNorm: c.NewNorm(), MLP: c.NewMLP(c.MLPBias)}
	})
	if err != nil {
		return nil, nil, err
	}
	h, err := c.newEuroBERTHead(want, d.Embed)
	return d, h, err
}

func (c *euroBERTConfig) newEuroBERTHead(k head.Config, words *Weight) (*Head, error) {
	h, n := &Head{Config: k}, c.HiddenSize
	switch k.Kind {
	case head.FeatureExtraction:
	case head.TokenClassification:
		h.addOut("classifier", len(k.Labels), n, 0)
	case head.SequenceClassification:
		h.Dense, h.Activation, h.DenseIsPooler = NewLinear(n, n, true), op.GELU, true
		h.Add("dense", h.Dense)
		h.addOut("classifier", len(k.Labels), n, 0)
		switch c.ClassifierPooling {
		case "bos":
		case "mean":
			h.Pooling = PoolMean
		case "late":
			h.Pooling, h.PoolsLate = PoolMean, true
		default:
			return nil, notSupported("config.json: classifier_pooling %q is not supported; supported are bos, mean, late", c.ClassifierPooling)
		}
	case head.MaskedLM:
		h.Out = NewLinear(c.VocabSize, n, c.MLPBias)
		if c.TieWordEmbeddings {
			h.Out.Weight.Tie(words)
		}
		h.Add("lm_head", h.Out)
	default:
		return nil, noHead(c.ModelType, k.Kind)
	}
	return h, nil
}
