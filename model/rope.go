package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/op"
)

// ropeConfig has the keys of rope_scaling, which stands beside rope_theta, and of rope_parameters, which has both.
type ropeConfig struct {
	RopeType string `json:"rope_type"`
	// Type is the older name of RopeType.
	Type                          string  `json:"type"`
	RopeTheta                     float64 `json:"rope_theta"`
	Factor                        float64 `json:"factor"`
	LowFreqFactor                 float64 `json:"low_freq_factor"`
	HighFreqFactor                float64 `json:"high_freq_factor"`
	OriginalMaxPositionEmbeddings float64 `json:"original_max_position_embeddings"`
	PartialRotaryFactor           float64 `json:"partial_rotary_factor"`
}

// NewRoPE makes the rotary positions for a head size, from the keys rope_theta (0: absent), rope_scaling and rope_parameters
// of config.json. The types default, linear and llama3 are supported.
func NewRoPE(headDim int, theta float64, scaling, parameters json.RawMessage) (*op.RoPE, error) {
	if headDim%2 != 0 {
		return nil, fmt.Errorf("config.json: head_dim %d is odd; rotary positions need pairs", headDim)
	}
	key, raw := "rope_parameters", parameters
	if jsonvalue.IsOff(raw) || len(raw) == 0 {
		key, raw = "rope_scaling", scaling
	}
	c := ropeConfig{}
	if len(raw) > 0 && !jsonvalue.IsOff(raw) {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return nil, fmt.Errorf("config.json: %s: %w", key, err)
		}
	}
	if c.RopeTheta == 0 {
		c.RopeTheta = theta
	}
	if c.RopeTheta == 0 {
		c.RopeTheta = 10000
	}
	if c.RopeType == "" {
		c.RopeType = c.Type
	}
	if c.RopeTheta < 0 || c.PartialRotaryFactor != 0 && c.PartialRotaryFactor != 1 {
		return nil, notSupported("config.json: %s: rope_theta %g, partial_rotary_factor %g are not supported", key, c.RopeTheta, c.PartialRotaryFactor)
	}
	f := make([]float32, headDim/2)
	for i := range f {
		f[i] = 1 / float32(math.Pow(c.RopeTheta, float64(float32(2*i)/float32(headDim))))
	}
	if err := c.scale(key, f); err != nil {
		return nil, err
	}
	return &op.RoPE{InvFreq: f}, nil
}

// scale changes the frequencies as the rope type says.
func (c ropeConfig) scale(key string, f []float32) error {
	switch c.RopeType {
	case "", "default":
	case "linear":
		if c.Factor < 1 {
			return fmt.Errorf("config.json: %s: factor is %g; want 1 or more", key, c.Factor)
		}
		for i := range f {
			f[i] /= float32(c.Factor)
		}
	case "llama3":
		if c.Factor < 1 || c.LowFreqFactor <= 0 || c.HighFreqFactor <= c.LowFreqFactor || c.OriginalMaxPositionEmbeddings <= 0 {
			return fmt.Errorf("config.json: %s: llama3 needs factor ≥ 1, 0 < low_freq_factor < high_freq_factor and original_max_position_embeddings", key)
		}
		for i := range f {
			f[i] = c.llama3(f[i])
		}
	default:
		return notSupported("config.json: %s: rope_type %q is not supported; supported are default, linear, llama3", key, c.RopeType)
	}
	return nil
}

// llama3 is Llama 3.1's scaling: long waves are stretched by factor, short ones stay, and those between are interpolated.
func (c ropeConfig) llama3(f float32) float32 {
	wave := 2 * math.Pi / float64(f)
	low, high := c.OriginalMaxPositionEmbeddings/c.LowFreqFactor, c.OriginalMaxPositionEmbeddings/c.HighFreqFactor
	switch {
	case wave > low:
		return f / float32(c.Factor)
	case wave < high:
		return f
	}
	smooth := float32((c.OriginalMaxPositionEmbeddings/wave - c.LowFreqFactor) / (c.HighFreqFactor - c.LowFreqFactor))
	return (1-smooth)*f/float32(c.Factor) + smooth*f
}
