package llamacpp_test

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/tensor"
)

// sizes are the metadata of a small Llama.
func sizes() *gguf.Metadata {
	m := &gguf.Metadata{}
	m.Set("general.architecture", "llama")
	for key, n := range map[string]uint32{"block_count": 1, "context_length": 64, "embedding_length": 8, "feed_forward_length": 16, "attention.head_count": 2} {
		m.Set("llama."+key, n)
	}
	m.Set("llama.attention.layer_norm_rms_epsilon", float32(1e-5))
	return m
}

// open writes a file with these metadata, embeddings and further tensors, and opens it.
func open(t *testing.T, m *gguf.Metadata, more ...gguf.Entry) (*llamacpp.Model, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.gguf")
	entries := append([]gguf.Entry{gguf.Quantized("token_embd.weight", gguf.F16, tensor.New(10, 8), 10, 8)}, more...)
	if err := gguf.Write(t.Context(), path, m, entries); err != nil {
		t.Fatal(err)
	}
	f, err := llamacpp.Open(path)
	if err == nil {
		t.Cleanup(func() { _ = f.Close() })
	}
	return f, err
}

func vector(name string, v ...float32) gguf.Entry {
	return gguf.Quantized(name, gguf.F32, tensor.View(v, 1, len(v)), len(v))
}

// set changes one key.
func set(key string, value any) func(m *gguf.Metadata) {
	return func(m *gguf.Metadata) { m.Set(key, value) }
}

// TestRefusals: what a file asks for and nothing here does is one clear error.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(m *gguf.Metadata)
		more   []gguf.Entry
		other  bool // no ErrUnsupported
	}{
		{want: "general.architecture", change: func(m *gguf.Metadata) { m.Set("general.architecture", "rwkv7") }},
		{want: "general.type", change: func(m *gguf.Metadata) { m.Set("general.type", "adapter") }},
		{want: "experts are", change: func(m *gguf.Metadata) {
			m.Set("general.architecture", "qwen3")
			for _, key := range m.Keys() {
				v, _ := m.Get(key)
				m.Set(strings.Replace(key, "llama.", "qwen3.", 1), v)
			}
			m.Set("qwen3.expert_count", uint32(8))
		}},
		{want: "expert_used_count", change: func(m *gguf.Metadata) { m.Set("llama.expert_count", uint32(8)) }, other: true}, // a Mixtral
		{want: "longrope", change: func(m *gguf.Metadata) { m.Set("llama.rope.scaling.type", "longrope") }},                 // without its tensors
		{want: "yarn_log_multiplier", change: func(m *gguf.Metadata) {
			m.Set("llama.rope.scaling.type", "yarn")
			m.Set("llama.rope.scaling.yarn_log_multiplier", float32(0.1))
		}},
		{want: "partly rotated", change: func(m *gguf.Metadata) { m.Set("llama.rope.dimension_count", uint32(2)) }},
		{want: "blk.0.ssm_a", more: []gguf.Entry{vector("blk.0.ssm_a", 1, 2)}},
		{want: "divisors", more: []gguf.Entry{vector("rope_freqs.weight", 3, 1)}},
		{want: "block_count", change: func(m *gguf.Metadata) { m.Set("llama.block_count", uint32(1<<24)) }, other: true},
		{want: "head_count", change: func(m *gguf.Metadata) { m.Set("llama.attention.head_count", uint32(0)) }, other: true},
		{want: "embedding_length", change: func(m *gguf.Metadata) { m.Delete("llama.embedding_length") }, other: true},
		{want: "2 frequencies", more: []gguf.Entry{vector("rope_freqs.weight", 1, 1, 1)}, other: true},
		{want: "llama.attention.layer_norm_rms_epsilon is 0; want a finite number above 0", change: set("llama.attention.layer_norm_rms_epsilon", float32(0)), other: true},
		{want: "llama.attention.layer_norm_rms_epsilon is -1e-05", change: set("llama.attention.layer_norm_rms_epsilon", float32(-1e-5)), other: true},
		{want: "llama.attention.layer_norm_rms_epsilon is NaN; want a finite number", change: set("llama.attention.layer_norm_rms_epsilon", float32(math.NaN())), other: true},
		{want: "llama.rope.freq_base is 0; want a finite number above 0", change: set("llama.rope.freq_base", float32(0)), other: true},
		{want: "llama.rope.freq_base is +Inf; want a finite number", change: set("llama.rope.freq_base", float32(math.Inf(1))), other: true},
		{want: "tokenizer.ggml.bos_token_id is 10; want a token of the vocabulary, 0 to 9", change: set("tokenizer.ggml.bos_token_id", uint32(10)), other: true},
		{want: "tokenizer.ggml.eot_token_id is 99", change: set("tokenizer.ggml.eot_token_id", uint32(99)), other: true},
		{want: "tokenizer.ggml.eos_token_id is -2", change: set("tokenizer.ggml.eos_token_id", int32(-2)), other: true},
		{want: "llama.vocab_size is 12, and token_embd.weight has 10 rows", change: set("llama.vocab_size", uint32(12)), other: true},
		{want: "tokenizer.ggml.tokens has 2 tokens, and token_embd.weight 10 rows", change: set("tokenizer.ggml.tokens", []string{"a", "b"}), other: true},
	} {
		m := sizes()
		if tt.change != nil {
			tt.change(m)
		}
		_, err := open(t, m, tt.more...)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || errors.Is(err, llamacpp.ErrUnsupported) == tt.other {
			t.Errorf("%v; want one line about %s", err, tt.want)
		}
	}
}

// TestConfig: the keys of config.json, in their shortest form.
func TestConfig(t *testing.T) {
	m := sizes()
	m.Set("tokenizer.ggml.eos_token_id", uint32(7))
	m.Set("tokenizer.ggml.bos_token_id", uint32(math.MaxUint32)) // which is none
	f, err := open(t, m, vector("rope_freqs.weight", 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	config := string(f.Config())
	for _, want := range []string{`"rms_norm_eps": 0.00001`, `"rope_theta": 10000`, `"head_dim": 4`, `"num_key_value_heads": 2`, `"vocab_size": 10`,
		`"tie_word_embeddings": true`, `"eos_token_id": 7`, `"rope_type": "llama3"`} {
		if !strings.Contains(config, want) {
			t.Errorf("config.json has no %s:\n%s", want, config)
		}
	}
	if strings.Contains(config, "bos_token_id") {
		t.Error("bos_token_id is none")
	}
}

// TestUnknownTokenizer: the model opens, and its tokenizer's error names what is missing.
func TestUnknownTokenizer(t *testing.T) {
	for _, tt := range []struct{ model, pre, want string }{{"rwkv", "default", "rwkv"}, {"gpt2", "qwen3", "did you mean qwen2"}, {"gpt2", "", "convert the model again"}} {
		m := sizes()
		m.Set("tokenizer.ggml.model", tt.model)
		m.Set("tokenizer.ggml.tokens", strings.Split("abcdefghij", ""))
		m.Set("tokenizer.ggml.merges", []string{})
		if tt.pre != "" {
			m.Set("tokenizer.ggml.pre", tt.pre)
		}
		f, err := open(t, m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.Files().Open("tokenizer.json"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v; want %s", err, tt.want)
		}
	}
}
