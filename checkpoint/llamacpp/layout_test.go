package llamacpp_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint/llamacpp"
)

// layoutOf makes the layout of a model of four layers with heads of four values, whose tokenizer is missing.
func layoutOf(t *testing.T, modelType, more string) (*llamacpp.Layout, error) {
	t.Helper()
	layout, err := llamacpp.NewLayout([]byte(`{"model_type": "`+modelType+`", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 4,
		"num_attention_heads": 2, "head_dim": 4, "query_pre_attn_scalar": 4`+more+`}`), 64, func(string) []int { return []int{8, 8} })
	if err != nil {
		t.Fatal(err)
	}
	_, err = layout.Metadata(func(string) ([]byte, error) { return nil, nil })
	return layout, err
}

// TestLayoutRefusals: a config.json that llama.cpp computes otherwise is refused, and names the key.
func TestLayoutRefusals(t *testing.T) {
	for _, tt := range []struct{ modelType, more, want string }{
		{"llama", `, "hidden_act": "relu"`, "hidden_act"},
		{"gemma2", `, "hidden_activation": "silu"`, "hidden_activation"},
		{"gemma2", `, "query_pre_attn_scalar": 7`, "query_pre_attn_scalar"},
		{"gemma2", `, "final_logit_softcapping": null`, "final_logit_softcapping"},
		{"gemma2", `, "sliding_window": null`, "sliding_window"},
		{"gemma2", `, "layer_types": ["full_attention", "full_attention", "sliding_attention", "full_attention"]`, "regular"},
		{"smollm3", `, "no_rope_layers": [0, 1, 1, 1]`, "no_rope_layers"},
		{"smollm3", `, "no_rope_layer_interval": 3`, "no_rope_layer_interval"},
		{"exaone4", `, "sliding_window": 8`, "64 layers"},
		{"gpt2", `, "n_head": 2, "n_layer": 4, "n_embd": 8, "scale_attn_by_inverse_layer_idx": true`, "scale_attn_by_inverse_layer_idx"},
		{"qwen3_moe", "", "norm_topk_prob"},
		{"qwen2_moe", `, "mlp_only_layers": [0]`, "mlp_only_layers"},
		{"starcoder2", `, "head_dim": 4, "num_attention_heads": 4`, "as many as hidden_size"},
		{"llama", `, "partial_rotary_factor": 0.5`, "partial_rotary_factor"},
		{"llama", `, "rope_scaling": {"rope_type": "dynamic", "factor": 2}`, "dynamic"},
		{"qwen2", `, "rope_scaling": {"rope_type": "llama3", "factor": 2}`, "llama3"},
		{"olmo3", `, "rope_theta": 10000`, "base 500000"},
	} {
		if tt.modelType == "starcoder2" { // heads of two rows each would be right
			tt.more = `, "num_attention_heads": 3`
		}
		if _, err := layoutOf(t, tt.modelType, tt.more); !errors.Is(err, llamacpp.ErrUnsupported) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s%s: %v; want ErrUnsupported about %s", tt.modelType, tt.more, err, tt.want)
		}
	}
}

// TestLost: what llama.cpp alone ignores is listed.
func TestLost(t *testing.T) {
	for _, tt := range []struct{ modelType, more, want string }{
		{"mistral", `, "sliding_window": 8`, "sliding_window 8"}, {"mixtral", `, "sliding_window": 8`, "sliding_window 8"},
		{"phi3", `, "sliding_window": 8`, "sliding_window 8"}, {"starcoder2", `, "sliding_window": 8`, "sliding_window 8"},
		{"qwen2", `, "sliding_window": 8`, ""}, {"qwen2", `, "sliding_window": 8, "use_sliding_window": true`, "sliding_window 8"},
		{"mistral", `, "sliding_window": 64`, ""}, {"gemma2", `, "sliding_window": 8`, ""},
		{"llama", `, "rope_scaling": {"rope_type": "yarn", "factor": 2}`, ""},
		{"llama", `, "rope_scaling": {"rope_type": "yarn", "factor": 2, "truncate": false}`, "truncate"},
		{"llama", `, "rope_scaling": {"rope_type": "yarn", "factor": 2, "beta_fast": 16}`, "beta_fast 16"},
		{"phi3", `, "rope_scaling": {"type": "longrope", "short_factor": [1, 1], "long_factor": [1, 2]}`, "long_factor"},
	} {
		layout, _ := layoutOf(t, tt.modelType, tt.more) // the tokenizer is missing
		lost := layout.Lost()
		if (len(lost) == 0) != (tt.want == "") || tt.want != "" && !slices.ContainsFunc(lost, func(s string) bool { return strings.Contains(s, tt.want) }) {
			t.Errorf("%s%s: %q; want %q", tt.modelType, tt.more, lost, tt.want)
		}
	}
}
