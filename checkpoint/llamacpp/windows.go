package llamacpp

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/checkpoint/gguf"
)

// slidingKey is the number of tokens that a layer with a window sees, periodKey the period of the layers without one.
const (
	slidingKey = "attention.sliding_window"
	periodKey  = "attention.sliding_window_pattern"
)

// expertsKey is the number of experts.
const expertsKey = "expert_count"

// Layers' types in config.json.
const (
	fullAttention    = "full_attention"
	slidingAttention = "sliding_attention"
)

// layerTypes are the types of layers of which every period-th sees all tokens; with period 0 none does.
func layerTypes(layers, period int) []string {
	types := make([]string, layers)
	for i := range types {
		types[i] = slidingAttention
		if period > 0 && (i+1)%period == 0 {
			types[i] = fullAttention
		}
	}
	return types
}

// read adds the windows to config.json.
func (w windows) read(s *settings, c map[string]any) error {
	layers := c["num_hidden_layers"].(int)
	switch {
	case w.period == 0:
		return nil
	case w.layers > 0 && layers != w.layers, w.optional && s.optional(slidingKey, 0) == 0:
		c["sliding_window"] = nil
		return nil
	case !s.has(slidingKey):
		return fmt.Errorf("no such key: %s.%s", s.arch, slidingKey)
	}
	c["sliding_window"] = s.int(slidingKey)
	types := layerTypes(layers, w.period)
	if v, ok := s.m.Get(s.arch + "." + periodKey); ok {
		switch v := v.(type) {
		case []bool:
			if len(v) < layers {
				return fmt.Errorf("%s.%s has %d entries for %d layers", s.arch, periodKey, len(v), layers)
			}
			for i := range types {
				types[i] = fullAttention
				if v[i] {
					types[i] = slidingAttention
				}
			}
		default:
			types = layerTypes(layers, s.int(periodKey))
		}
	}
	c["layer_types"] = types
	return nil
}

// windowKeys are config.json's keys of windows.
type windowKeys struct {
	Window     *int     `json:"sliding_window"`
	Use        bool     `json:"use_sliding_window"`
	Pattern    any      `json:"sliding_window_pattern"`
	LayerTypes []string `json:"layer_types"`
	Layers     int      `json:"num_hidden_layers"`
}

// write adds the windows to the metadata.
func (w windows) write(m *gguf.Metadata, arch string, k windowKeys) error {
	switch {
	case w.period == 0:
		return nil
	case w.layers > 0 && (k.Window != nil) != (k.Layers == w.layers):
		return fmt.Errorf("config.json: llama.cpp's %s has windows with %d layers and no others; this model has %d layers, sliding_window says otherwise: %w",
			arch, w.layers, k.Layers, ErrUnsupported)
	case k.Window == nil && w.optional:
		return nil
	case k.Window == nil || *k.Window <= 0:
		return fmt.Errorf("config.json: no sliding_window, without which llama.cpp has no %s: %w", arch, ErrUnsupported)
	}
	period, err := w.periodOf(k)
	if err != nil {
		return err
	}
	m.Set(arch+"."+slidingKey, uint32(*k.Window))
	if period != w.period {
		m.Set(arch+"."+periodKey, uint32(period))
	}
	return nil
}

// periodOf finds the period of the layers that see all tokens.
func (w windows) periodOf(k windowKeys) (int, error) {
	if n, ok := k.Pattern.(float64); ok && k.LayerTypes == nil {
		k.LayerTypes = layerTypes(k.Layers, max(1, int(n))) // with 0, transformers gives none a window
	}
	if k.LayerTypes == nil {
		return w.period, nil
	}
	for _, period := range slices.Concat([]int{w.period}, sequence(k.Layers), []int{0}) {
		if slices.Equal(k.LayerTypes, layerTypes(k.Layers, period)) {
			return period, nil
		}
	}
	return 0, fmt.Errorf("config.json: the layers without a window among layer_types do not come at regular distances, as llama.cpp has them: %w", ErrUnsupported)
}

// sequence is 1 to n.
func sequence(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// lost says that llama.cpp has no windows where config.json has.
func (w windows) lost(k windowKeys, positions int) []string {
	if w.period == 0 && k.Window != nil && *k.Window > 0 && *k.Window < positions && (k.Use || w.unread) {
		return []string{fmt.Sprintf("sliding_window %d (llama.cpp attends to all tokens before)", *k.Window)}
	}
	return nil
}

// checkNoRope says that other layers than every period-th have no rotary positions.
func checkNoRope(period int, c map[string]json.RawMessage) error {
	if period == 0 {
		return nil
	}
	var k struct {
		Layers   int   `json:"num_hidden_layers"`
		Rotated  []int `json:"no_rope_layers"`
		Interval *int  `json:"no_rope_layer_interval"`
	}
	raw, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	if err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	want := make([]int, k.Layers)
	for i := range want {
		if (i+1)%period != 0 {
			want[i] = 1
		}
	}
	if k.Rotated != nil && !slices.Equal(k.Rotated, want) || k.Rotated == nil && k.Interval != nil && *k.Interval != period {
		return fmt.Errorf("config.json: in llama.cpp every layer but the %dth ones has rotary positions; no_rope_layers or no_rope_layer_interval say otherwise: %w", period, ErrUnsupported)
	}
	return nil
}
