package model

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/op"
)

// Layers' types in config.json.
const (
	fullAttention    = "full_attention"
	slidingAttention = "sliding_attention"
)

// WindowConfig has the keys of config.json for sliding windows (Beltagy et al. 2020). A config embeds it and sets the
// architecture's default window.
type WindowConfig struct {
	SlidingWindow *int     `json:"sliding_window"`
	LayerTypes    []string `json:"layer_types"`
}

// complete checks the keys for a number of layers. Where layer_types is missing slides says which layers have the window.
func (c *WindowConfig) complete(layers int, slides func(i int) bool) error {
	if c.window() < 0 {
		return fmt.Errorf("config.json: sliding_window is %d; want a number of tokens or null", c.window())
	}
	if c.LayerTypes == nil {
		for i := range layers {
			t := fullAttention
			if slides(i) {
				t = slidingAttention
			}
			c.LayerTypes = append(c.LayerTypes, t)
		}
	}
	if len(c.LayerTypes) != layers {
		return fmt.Errorf("config.json: layer_types has %d entries for %d layers", len(c.LayerTypes), layers)
	}
	if c.SlidingWindow != nil && c.window() == 0 && slices.Contains(c.LayerTypes, slidingAttention) {
		return errors.New("config.json: sliding_window is 0; want a number of tokens, or null for all")
	}
	for _, t := range c.LayerTypes {
		if t != fullAttention && t != slidingAttention {
			return notSupported("config.json: layer_types has %q; supported are %s, %s", t, fullAttention, slidingAttention)
		}
	}
	return nil
}

// window is the number of tokens that a token of a layer with a window sees; 0 is all.
func (c *WindowConfig) window() int {
	if c.SlidingWindow == nil {
		return 0
	}
	return *c.SlidingWindow
}

// slides says whether layer i has the window.
func (c *WindowConfig) slides(i int) bool { return c.LayerTypes[i] == slidingAttention }

// windowOf is the Window of layer i's attention.
func (c *WindowConfig) windowOf(i int) int {
	if c.slides(i) {
		return c.window()
	}
	return 0
}

// everyNth picks each layer but every n-th.
func everyNth(n int) func(i int) bool {
	return func(i int) bool { return (i+1)%n != 0 }
}

// ropesByType makes the rotary positions of layers with and without a window. RopeTheta and RopeScaling, and RopeParameters
// where they are not by type, are those without; localTheta is the base of those with, where RopeParameters name none.
func (c *DecoderConfig) ropesByType(localTheta float64) (map[string]*op.RoPE, error) {
	full, sliding := c.RoPEConfig, RoPEConfig{RopeTheta: localTheta}
	if _, ok := byLayerType(c.RopeParameters); ok {
		sliding.RopeParameters = c.RopeParameters
	}
	ropes := map[string]*op.RoPE{}
	for name, config := range map[string]*RoPEConfig{fullAttention: &full, slidingAttention: &sliding} {
		r, positions, err := config.RoPE(c.headDim, c.MaxPositionEmbeddings, name)
		if err != nil {
			return nil, err
		}
		ropes[name], c.positions = r, max(c.positions, positions)
	}
	return ropes, nil
}
