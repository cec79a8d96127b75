package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/op"
)

// RoPEConfig has the keys of config.json for rotary positions. A config embeds it, sets the architecture's defaults, and calls
// RoPE once it is read.
type RoPEConfig struct {
	// RopeTheta is the base of the frequencies, by default 10000.
	RopeTheta float64 `json:"rope_theta"`
	// RopeScaling and RopeParameters, the newer spelling, have a rope_type and its keys. RopeParameters may have them by layer
	// type.
	RopeScaling    json.RawMessage `json:"rope_scaling"`
	RopeParameters json.RawMessage `json:"rope_parameters"`
	// PartialRotaryFactor is the part of each head that is rotated, by default all.
	PartialRotaryFactor *float64 `json:"partial_rotary_factor"`
	// OriginalMaxPositionEmbeddings is the length for which a model was pretrained, before it was extended.
	OriginalMaxPositionEmbeddings *float64 `json:"original_max_position_embeddings"`
	// PartialRotary says that the architecture has PartialRotaryFactor.
	PartialRotary bool `json:"-"`
}

// ropeParameters are rope_parameters of one layer type, or rope_scaling.
type ropeParameters struct {
	RopeType                      string    `json:"rope_type"`
	Type                          string    `json:"type"` // an older name of rope_type
	RopeTheta                     float64   `json:"rope_theta"`
	Factor                        *float64  `json:"factor"`
	AttentionFactor               *float64  `json:"attention_factor"`
	BetaFast                      float64   `json:"beta_fast"`
	BetaSlow                      float64   `json:"beta_slow"`
	MScale                        float64   `json:"mscale"`
	MScaleAllDim                  float64   `json:"mscale_all_dim"`
	Truncate                      *bool     `json:"truncate"`
	LowFreqFactor                 float64   `json:"low_freq_factor"`
	HighFreqFactor                float64   `json:"high_freq_factor"`
	ShortFactor                   []float64 `json:"short_factor"`
	LongFactor                    []float64 `json:"long_factor"`
	OriginalMaxPositionEmbeddings float64   `json:"original_max_position_embeddings"`
	PartialRotaryFactor           *float64  `json:"partial_rotary_factor"`
	// The following change nothing for text: all sections have the same positions.
	MRopeSection     []int `json:"mrope_section"`
	MRopeInterleaved bool  `json:"mrope_interleaved"`
	Finetuned        bool  `json:"finetuned"`

	key          string // for errors
	headDim, dim int    // values of a head, and those of them that are rotated
	maxPositions int
}

// RoPE makes the rotary positions of the layers of a type, "" where all have the same, for heads of headDim values in a model
// whose max_position_embeddings is maxPositions. positions is the length for which they are made, which dynamic and yarn
// extend beyond maxPositions.
//
// The types are those of transformers' modeling_rope_utils: default, linear, dynamic, yarn, longrope, llama3, proportional.
func (c *RoPEConfig) RoPE(headDim, maxPositions int, layerType string) (rope *op.RoPE, positions int, err error) {
	if headDim%2 != 0 {
		return nil, 0, fmt.Errorf("config.json: head_dim %d is odd; rotary positions need pairs", headDim)
	}
	p, err := c.parameters(layerType, float64(maxPositions))
	if err != nil {
		return nil, 0, err
	}
	p.headDim, p.dim, p.maxPositions = headDim, headDim, maxPositions
	if f := p.PartialRotaryFactor; f != nil && *f != 1 {
		p.dim = int(float64(headDim) * *f)
		switch {
		case !c.PartialRotary:
			return nil, 0, notSupported("config.json: %s: partial_rotary_factor is %g, but this model_type rotates whole heads", p.key, *f)
		case *f < 0 || *f > 1 || p.dim%2 != 0 || p.dim == 0:
			return nil, 0, fmt.Errorf("config.json: %s: partial_rotary_factor %g of head_dim %d is %d values; want an even number from 2 to %d", p.key, *f, headDim, p.dim, headDim)
		}
	}
	fill, ok := ropeTypes[p.RopeType]
	if !ok {
		return nil, 0, notSupported("config.json: %s: rope_type %q is not supported; supported are %s", p.key, p.RopeType,
			strings.Join(slices.Sorted(maps.Keys(ropeTypes)), ", "))
	}
	rope = &op.RoPE{}
	if err := fill(p, rope); err != nil {
		return nil, 0, fmt.Errorf("config.json: %s: %w", p.key, err)
	}
	return rope, max(maxPositions, p.extended()), nil
}

// parameters reads the keys for a layer type, with the defaults that stand beside them (transformers'
// RotaryEmbeddingConfigMixin).
func (c *RoPEConfig) parameters(layerType string, maxPositions float64) (*ropeParameters, error) {
	p := &ropeParameters{key: "rope_scaling"}
	raw := c.RopeScaling
	if len(raw) == 0 || jsonvalue.IsOff(raw) {
		p.key, raw = "rope_parameters", c.RopeParameters
	}
	original := c.OriginalMaxPositionEmbeddings
	if nested, ok := byLayerType(raw); ok {
		if raw, ok = nested[layerType]; !ok {
			return nil, fmt.Errorf("config.json: %s has no entry for layers of type %q; it has %s", p.key, layerType,
				strings.Join(slices.Sorted(maps.Keys(nested)), ", "))
		}
		p.key, original = p.key+"."+layerType, nil
	}
	if len(raw) > 0 && !jsonvalue.IsOff(raw) {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(p); err != nil {
			return nil, fmt.Errorf("config.json: %s: %w", p.key, err)
		}
	}
	if p.RopeTheta == 0 {
		p.RopeTheta = c.RopeTheta
	}
	if p.RopeTheta == 0 {
		p.RopeTheta = 10000
	}
	if p.RopeType == "" {
		p.RopeType = p.Type
	}
	if alias, ok := ropeAliases[p.RopeType]; ok {
		p.RopeType = alias
	}
	if p.PartialRotaryFactor == nil {
		p.PartialRotaryFactor = c.PartialRotaryFactor
	}
	switch {
	case original != nil:
		p.OriginalMaxPositionEmbeddings = *original
	case p.OriginalMaxPositionEmbeddings == 0:
		p.OriginalMaxPositionEmbeddings = maxPositions
	}
	if p.RopeTheta <= 0 || p.OriginalMaxPositionEmbeddings <= 0 {
		return nil, fmt.Errorf("config.json: %s: rope_theta is %g, original_max_position_embeddings %g; want more than 0",
			p.key, p.RopeTheta, p.OriginalMaxPositionEmbeddings)
	}
	return p, nil
}

// byLayerType returns rope_parameters by layer type, where it is an object of objects, of which some may be null.
func byLayerType(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil, false
	}
	objects := 0
	for _, v := range all {
		switch v = bytes.TrimSpace(v); {
		case v[0] == '{':
			objects++
		case !jsonvalue.IsNull(v):
			return nil, false
		}
	}
	return all, objects > 0
}
