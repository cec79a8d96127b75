package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/process"
)

// TestUnknownKeys: a key is refused where it is known to change the computation, and noted otherwise.
func TestUnknownKeys(t *testing.T) {
	for _, tt := range []struct {
		key   string
		value any
		want  string // "refused", "noted" or "" for neither
	}{
		{"attn_logit_softcapping", 50, "refused"}, {"logit_scale", 2, "refused"}, {"embedding_multiplier", 12, "refused"}, {"alibi", true, "refused"},
		{"num_experts", 8, "refused"}, {"use_qk_norm", true, "refused"}, {"qk_layernorm", true, "refused"}, {"no_rope_layers", []int{1, 0}, "refused"},
		{"partial_rotary", 0.5, "refused"}, {"attention_chunk_size", 8192, "refused"}, {"is_causal", true, "refused"}, {"clip_qkv", 8, "refused"},
		{"parallel_attn", true, "refused"}, {"hidden_activation", "gelu", "refused"}, {"text_config", object{"a": 1}, "refused"},
		{"attn_logit_softcapping", nil, ""}, {"num_experts", 0, ""}, {"use_qk_norm", false, ""}, {"vision_config", object{}, ""},
		{"directionality", "bidi", "noted"}, {"pooler_fc_size", 768, "noted"}, {"sbert_ce_default_activation_function", "torch.nn.Identity", "noted"},
		{"output_past", true, "noted"}, {"resid_pdrop", 0.1, "noted"}, {"gate_dropout", 0.1, "noted"}, {"router_aux_loss_coef", 0.001, "noted"},
		{"layer_norm_eps", 1e-5, "noted"}, {"ffn_act_dtype", "float32", "noted"}, {"scaled", "is no word of the list", "noted"}, {"num_labels", 3, "noted"},
		{"transformers_version", "5", ""}, {"torch_dtype", "float32", ""},
	} {
		m, err := NewMeta(with(t, tt.key, tt.value))
		got := ""
		switch {
		case errors.Is(err, ErrUnsupported) && strings.Contains(err.Error(), "not supported: "+tt.key+" = "):
			got = "refused"
		case err != nil:
			t.Errorf("%s = %v: %v", tt.key, tt.value, err)
		case slices.Equal(m.Warnings, []string{"config.json: keys that are not used: " + tt.key}):
			got = "noted"
		case len(m.Warnings) > 0:
			t.Errorf("%s = %v: warnings %q", tt.key, tt.value, m.Warnings)
		}
		if got != tt.want {
			t.Errorf("%s = %v is %q, want %q", tt.key, tt.value, got, tt.want)
		}
	}
	m, err := NewMeta(with(t, "b", 1, "a", 1))
	if want := "config.json: keys that are not used: a, b"; err != nil || !slices.Equal(m.Warnings, []string{want}) {
		t.Errorf("two keys: %v, %v, want one note: %s", m, err, want)
	}
}

// TestKeysThatChangeTheComputation compares the patterns with what transformers computes (scripts/golden/config_keys.py).
func TestKeysThatChangeTheComputation(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(golden.Roots(t, "config")[0], "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]struct {
		Classes, Weights, Same int
		Changes                []string
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	// Keys that change the computation and are passed over all the same, where an architecture does not read them.
	passed := map[string]string{
		"layer_norm_eps": "a norm's constant changes little, and files name one that their architecture does not read", "layer_norm_epsilon": "the same",
		"norm_eps": "the same", "norm_epsilon": "the same", "rms_norm_eps": "the same",
		"original_max_position_embeddings": "it counts only beside rotary positions, whose keys are refused",
		"pad_token_id":                     "every file has it; the architectures that count positions from it read it",
		"tie_word_embeddings":              "what it ties shows in the weights",
	}
	// Keys that match a pattern, though they change none of the tiny models: there they need another key.
	idle := strings.Fields(`_sliding_window_pattern decoder_vocab_size feed_forward_proj global_attn_every_n_layers max_relative_positions max_window_layers
		no_rope_layer_interval partial_rotary_factor pos_att_type sinusoidal_pos_embds sliding_window_pattern sparse_pred_ignore_index sparse_prediction`)
	measured := 0
	for key, k := range all {
		_, ok := passed[key]
		switch refused := changes(key) && !slices.Contains(usual, key); {
		case len(k.Changes) > 0:
			measured++
			if refused == ok {
				t.Errorf("%s changes %v: refused %t", key, k.Changes, refused)
			}
		case k.Same > 0 && k.Weights == 0 && refused && !slices.Contains(idle, key):
			t.Errorf("%s is refused, and changes nothing in %d models", key, k.Same)
		}
	}
	if len(all) < 800 || measured < 40 {
		t.Errorf("%d keys, of which %d change the computation", len(all), measured)
	}
}

// TestPublishedConfigs: config.json files as they were found in public code, logs and notes open, and the notes are those keys
// that say nothing.
func TestPublishedConfigs(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "published.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]struct {
		Config json.RawMessage
		Unused []string
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for name, c := range all {
		m, err := NewMeta(c.Config)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var want []string
		if len(c.Unused) > 0 {
			want = []string{"config.json: keys that are not used: " + strings.Join(c.Unused, ", ")}
		}
		if !slices.Equal(m.Warnings, want) {
			t.Errorf("%s: notes %q, want %q", name, m.Warnings, want)
		}
	}
}

// TestSizesAreChecked: what a config.json asks for is looked at before memory is taken.
func TestSizesAreChecked(t *testing.T) {
	const rest = `"model_type":"llama","intermediate_size":8,"num_attention_heads":4,"max_position_embeddings":64,`
	for _, c := range []struct{ config, want string }{
		{`{` + rest + `"vocab_size":16,"hidden_size":8,"num_hidden_layers":65536}`, "num_hidden_layers is 65536; want a number from 1 to 1024"},
		{`{` + rest + `"vocab_size":16777216,"hidden_size":16777216,"num_hidden_layers":1}`, "this machine has"},
		{`{"model_type":"gpt2","vocab_size":16,"n_layer":65536}`, "is 65536; want"},
		{`{` + rest + `"vocab_size":16}`, "hidden_size is 0 or missing; want"},
		{`{` + rest + `"vocab_size":16,"hidden_size":-8}`, "hidden_size is -8; want"},
		{`{"model_type":"bert","vocab_size":16,"hidden_size":8,"intermediate_size":8,"num_attention_heads":2,"num_hidden_layers":16777216}`, "num_hidden_layers is 16777216; want"},
		{`{"model_type":"bart","encoder_layers":16777216}`, "encoder_layers is 16777216; want"},
		{`{"model_type":"mixtral","vocab_size":16,"hidden_size":8,"intermediate_size":8,"num_attention_heads":2,"num_key_value_heads":1,"num_hidden_layers":1024,"num_local_experts":1024}`,
			"num_hidden_layers 1024 times num_experts 1024 is 1048576; want at most 65536"},
	} {
		if _, err := New([]byte(c.config), Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.config, err, c.want)
		}
	}
}

// TestBF16TakesHalf: a model that does not fit the machine in float32 may fit in bfloat16.
func TestBF16TakesHalf(t *testing.T) {
	const vocab = 1 << 24
	hidden := process.Memory() * 3 / 2 / (4 * vocab) &^ 7
	if hidden == 0 {
		t.Skip("the machine's memory is not known, or less than 512 MiB")
	}
	config := fmt.Sprintf(`{"model_type": "llama", "vocab_size": %d, "hidden_size": %d, "intermediate_size": 8, "num_attention_heads": 4, "num_hidden_layers": 1,
		"max_position_embeddings": 64, "tie_word_embeddings": true}`, vocab, hidden)
	for _, bf16 := range []bool{false, true} {
		m, err := build([]byte(config), Options{BF16: bf16})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.fitsMachine(); (err == nil) != bf16 {
			t.Errorf("bfloat16 %t: %v", bf16, err)
		}
	}
}

// TestValuesAreChecked: a norm needs a number above 0 that float32 has, rotary positions a base, and each key a value of its type.
func TestValuesAreChecked(t *testing.T) {
	for _, c := range []struct{ modelType, key, value, want string }{
		{"llama", "rms_norm_eps", "0", "config.json: rms_norm_eps is 0; want a number above 0"},
		{"llama", "rms_norm_eps", "-1e-5", "rms_norm_eps is -1e-05; want"},
		{"bert", "layer_norm_eps", "1e39", "layer_norm_eps is 1e+39; want"},
		{"gpt2", "layer_norm_epsilon", "-1", "layer_norm_epsilon is -1; want"},
		{"llama", "rope_theta", "0", "config.json: rope_theta is 0; want a number above 0"},
		{"cohere2", "logit_scale", "0", "config.json: logit_scale is 0; want another number"},
		{"llama", "num_hidden_layers", "2.5", "config.json: num_hidden_layers is 2.5; want a whole number"},
		{"llama", "architectures", `"LlamaModel"`, "config.json: architectures is a string; want a list"},
	} {
		if _, err := NewMeta([]byte(fmt.Sprintf(`{"vocab_size": 16, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "model_type": %q, %q: %s}`,
			c.modelType, c.key, c.value))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
