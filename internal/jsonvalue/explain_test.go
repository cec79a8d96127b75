package jsonvalue

import (
	"encoding/json"
	"testing"
)

// Shared is embedded, as the parts of a config.json are.
type Shared struct {
	Layers int      `json:"num_hidden_layers"`
	Scale  float32  `json:"logit_scale"`
	Heads  *int     `json:"num_key_value_heads"`
	Types  []string `json:"layer_types"`
	On     bool     `json:"use_cache"`
	Pad    int32    `json:"pad_token_id"`
	Rope   struct {
		Theta float64 `json:"rope_theta"`
	} `json:"rope_parameters"`
}

func TestExplain(t *testing.T) {
	for raw, want := range map[string]string{
		`{"num_hidden_layers": 2.5}`:                   "num_hidden_layers is 2.5; want a whole number",
		`{"num_hidden_layers": "2"}`:                   "num_hidden_layers is a string; want a whole number",
		`{"num_key_value_heads": true}`:                "num_key_value_heads is true or false; want a whole number",
		`{"pad_token_id": 3000000000}`:                 "pad_token_id is 3000000000; want a whole number of 32 bits",
		`{"logit_scale": [1]}`:                         "logit_scale is a list; want a number",
		`{"layer_types": "full"}`:                      "layer_types is a string; want a list",
		`{"layer_types": [1]}`:                         "layer_types is a number; want a string",
		`{"use_cache": {}}`:                            "use_cache is an object; want true or false",
		`{"rope_parameters": {"rope_theta": "10000"}}`: "rope_parameters.rope_theta is a string; want a number",
		`[]`: "is a list; want an object",
		`{`:  "unexpected end of JSON input",
	} {
		var c struct{ Shared }
		if err := Explain(json.Unmarshal([]byte(raw), &c)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %q", raw, err, want)
		}
	}
}
