package model

import (
	"encoding/json"
	"strings"

	"github.com/spagotune/spagotune/head"
)

func init() {
	Register("gemma3", Architecture{Class: "Gemma3", Prefix: gemma3Prefix, Kind: head.CausalLM, New: newGemma3WithImages,
		Classes: map[head.Kind]string{head.CausalLM: "Gemma3ForConditionalGeneration"}, Stored: gemma3Stored,
		CopiedThrough: []string{"vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."}})
	Register("gemma3_text", Architecture{Class: "Gemma3", Prefix: "model.", Kind: head.CausalLM, New: newGemma3,
		Classes: map[head.Kind]string{head.SequenceClassification: "Gemma3TextForSequenceClassification"}})
}

// gemma3Config has the keys of config.json for the text part of Gemma 3.
type gemma3Config struct {
	gemma2Config
	SlidingWindowPattern    int     `json:"sliding_window_pattern"`
	OldSlidingWindowPattern int     `json:"_sliding_window_pattern"` // a copy in newer files
	RopeLocalBaseFreq       float64 `json:"rope_local_base_freq"`
}

// newGemma3 declares the text decoder of Gemma 3 (Gemma Team 2025, arXiv 2503.19786): Gemma 2 with norms of queries and keys
// in place of soft caps, windows in five of six layers, and rotary positions by type of layer.
func newGemma3(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &gemma3Config{gemma2Config: newGemma2Config(), SlidingWindowPattern: 6, RopeLocalBaseFreq: 10000}
	c.MaxPositionEmbeddings, c.RopeTheta, c.ropeByType = 131072, 1e6, true
	c.lacks = []head.Kind{head.TokenClassification}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if err := positive("sliding_window_pattern", c.SlidingWindowPattern); err != nil {
		return nil, nil, err
	}
	if err := c.complete2(everyNth(c.SlidingWindowPattern)); err != nil {
		return nil, nil, err
	}
	ropes, err := c.ropesByType(c.RopeLocalBaseFreq)
	if err != nil {
		return nil, nil, err
	}
	return c.decoder(want, func(i int, a *Attention) {
		a.NormHeads()
		a.RoPE, a.SoftCap = ropes[c.LayerTypes[i]], 0
	})
}

// gemma3Prefix begins the names of the text part in a model that also reads images.
const gemma3Prefix = "model.language_model."

// gemma3Stored is the older prefix of those names, which checkpoints have.
func gemma3Stored(name string) []StoredPart {
	if strings.HasPrefix(name, "score.") {
		return nil
	}
	if strings.HasPrefix(name, "lm_head.") {
		return []StoredPart{{Name: "language_model." + name}}
	}
	return []StoredPart{{Name: "language_model.model." + strings.TrimPrefix(name, gemma3Prefix)}}
}

// gemma3ImageConfig has the keys of config.json for a Gemma 3 that also reads images.
type gemma3ImageConfig struct {
	VocabSize         int                        `json:"vocab_size"` // where the number of tokens was changed
	TextConfig        map[string]json.RawMessage `json:"text_config"`
	VisionConfig      json.RawMessage            `json:"vision_config"`
	TieWordEmbeddings bool                       `json:"tie_word_embeddings"`
	MMTokensPerImage  int                        `json:"mm_tokens_per_image"`
	BOITokenIndex     int                        `json:"boi_token_index"`
	EOITokenIndex     int                        `json:"eoi_token_index"`
	ImageTokenIndex   int                        `json:"image_token_index"`
}

// newGemma3WithImages declares the text part of a Gemma 3 that also reads images.
func newGemma3WithImages(config *ConfigFile, want head.Config) (Backbone, *Head, error) {
	c := &gemma3ImageConfig{TieWordEmbeddings: true}
	if err := config.Decode(c); err != nil {
		return nil, nil, err
	}
	if c.TextConfig == nil {
		return nil, nil, notSupported("config.json: text_config is missing")
	}
	for key, v := range map[string]any{"tie_word_embeddings": c.TieWordEmbeddings, "vocab_size": c.VocabSize} {
		if key == "vocab_size" && c.VocabSize == 0 {
			continue
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, nil, err
		}
		c.TextConfig[key] = raw
	}
	raw, err := json.Marshal(c.TextConfig)
	if err != nil {
		return nil, nil, err
	}
	return newGemma3(&ConfigFile{raw: raw}, want)
}
