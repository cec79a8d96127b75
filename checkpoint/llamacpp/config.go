package llamacpp

import (
	"errors"
	"fmt"
	"math"

	"github.com/spagotune/spagotune/checkpoint/gguf"
)

// ropeFactors is the tensor with the divisors of the rotary frequencies, for Llama 3.1's scaling.
const ropeFactors = "rope_freqs.weight"

// settings reads keys that begin with the architecture's name, and keeps the first error.
type settings struct {
	m    *gguf.Metadata
	arch string
	err  error
}

// has says whether there is such a key.
func (s *settings) has(key string) bool { return s.m.Has(s.arch + "." + key) }

func (s *settings) int(key string) int {
	n, err := s.m.Int(s.arch + "." + key)
	s.err = errors.Join(s.err, err)
	return n
}

// optional is a number, or otherwise if the key is missing.
func (s *settings) optional(key string, otherwise int) int {
	if !s.has(key) {
		return otherwise
	}
	return s.int(key)
}

// float is a float32, so that JSON has its shortest form.
func (s *settings) float(key string, otherwise float32) float32 {
	if !s.has(key) {
		return otherwise
	}
	v, err := s.m.Float(s.arch + "." + key)
	s.err = errors.Join(s.err, err)
	return float32(v)
}

// makeConfig makes the keys of config.json.
func (m *Model) makeConfig() (map[string]any, error) {
	s := &settings{m: m.meta, arch: m.arch.name}
	embed, ok := m.file.Get("token_embd.weight")
	if !ok || len(embed.Shape) != 2 {
		return nil, errors.New(`no tensor "token_embd.weight" with rows and columns`)
	}
	c := map[string]any{
		"model_type": m.arch.modelType, "architectures": []string{m.arch.class}, "vocab_size": embed.Shape[0],
		"hidden_size": s.int("embedding_length"), "intermediate_size": s.int("feed_forward_length"),
		"num_hidden_layers": s.int("block_count"), "num_attention_heads": s.int("attention.head_count"),
		"max_position_embeddings": s.int("context_length"),
	}
	if s.err != nil {
		return nil, s.err
	}
	if layers, most := c["num_hidden_layers"].(int), len(m.names); layers > most {
		return nil, fmt.Errorf("%s.block_count is %d, and the file has %d tensors", s.arch, layers, most)
	}
	if n := s.optional("expert_count", 0); n > 0 {
		return nil, fmt.Errorf("%s.expert_count is %d: experts are %w", s.arch, n, ErrUnsupported)
	}
	heads := c["num_attention_heads"].(int)
	if heads <= 0 {
		return nil, fmt.Errorf("%s.attention.head_count is %d; want 1 or more", s.arch, heads)
	}
	m.headDim = s.optional("attention.key_length", c["hidden_size"].(int)/heads)
	if m.headDim <= 0 || m.headDim%2 != 0 && !m.arch.encoder {
		return nil, fmt.Errorf("%s: heads of %d values; want an even number", s.arch, m.headDim)
	}
	if m.arch.encoder {
		m.bertConfig(s, c)
	} else if err := m.decoderConfig(s, c); err != nil {
		return nil, err
	}
	for key, name := range map[string]string{"bos": "bos_token_id", "eos": "eos_token_id", "padding": "pad_token_id"} {
		if id, err := m.meta.Int("tokenizer.ggml." + key + "_token_id"); err == nil && id < embed.Shape[0] {
			c[name] = id
		}
	}
	return c, s.err
}

// decoderConfig adds the keys of decoder-only models.
func (m *Model) decoderConfig(s *settings, c map[string]any) error {
	c["num_key_value_heads"] = s.optional("attention.head_count_kv", c["num_attention_heads"].(int))
	c["head_dim"] = m.headDim
	c["rms_norm_eps"] = s.float("attention.layer_norm_rms_epsilon", 1e-5)
	c["rope_theta"] = s.float("rope.freq_base", 10000)
	c["hidden_act"] = "silu"
	_, untied := m.file.Get("output.weight")
	c["tie_word_embeddings"] = !untied
	_, bias := m.file.Get("blk.0.attn_q.bias")
	if m.arch.modelType != "qwen2" {
		c["attention_bias"] = bias
	}
	if _, bias := m.file.Get("blk.0.ffn_up.bias"); bias {
		c["mlp_bias"] = true
	}
	if n := s.optional("rope.dimension_count", m.headDim); n != m.headDim {
		return fmt.Errorf("%s.rope.dimension_count is %d of %d: partly rotated heads are %w", s.arch, n, m.headDim, ErrUnsupported)
	}
	if n := s.optional("attention.value_length", m.headDim); n != m.headDim {
		return fmt.Errorf("%s.attention.value_length is %d, and key_length %d: %w", s.arch, n, m.headDim, ErrUnsupported)
	}
	return m.ropeScaling(s, c)
}

// ropeScaling adds rope_scaling.
func (m *Model) ropeScaling(s *settings, c map[string]any) error {
	kind, err := m.meta.String(s.arch + ".rope.scaling.type")
	if err != nil {
		kind = "none"
	}
	t, ok := m.file.Get(ropeFactors)
	switch {
	case ok && kind == "none":
		factors, err := t.Float32s()
		if err != nil {
			return err
		}
		scaling, err := llama3Scaling(factors, float64(s.float("rope.freq_base", 10000)), m.headDim)
		c["rope_scaling"] = scaling
		return err
	case ok:
		return fmt.Errorf("%s.rope.scaling.type %q beside the tensor %s: %w", s.arch, kind, ropeFactors, ErrUnsupported)
	case kind == "none":
	case kind == "linear":
		c["rope_scaling"] = map[string]any{"rope_type": "linear", "factor": s.float("rope.scaling.factor", 1)}
	default:
		return fmt.Errorf("%s.rope.scaling.type %q is %w; supported are none, linear", s.arch, kind, ErrUnsupported)
	}
	return nil
}

// llama3Scaling finds the settings of Llama 3.1's scaling from the divisors that it gives. The released models have these
// limits, and differ in the factor, which is the largest divisor.
func llama3Scaling(factors []float32, theta float64, headDim int) (map[string]any, error) {
	const low, high, positions = 1.0, 4.0, 8192
	if len(factors) != headDim/2 {
		return nil, fmt.Errorf("tensor %s has %d values; heads of %d have %d frequencies", ropeFactors, len(factors), headDim, headDim/2)
	}
	largest := float64(factors[len(factors)-1])
	want := llama3Factors(largest, low, high, positions, theta, headDim)
	for i, f := range factors {
		if math.Abs(float64(f-want[i])) > 1e-4*largest || !(largest >= 1) {
			return nil, fmt.Errorf("tensor %s has divisors that are not those of Llama 3.1's scaling from %d positions on: %w", ropeFactors, positions, ErrUnsupported)
		}
	}
	return map[string]any{"rope_type": "llama3", "factor": float32(largest), "low_freq_factor": low, "high_freq_factor": high,
		"original_max_position_embeddings": positions}, nil
}

// llama3Factors are the divisors of the rotary frequencies, as llama.cpp's converter computes them.
func llama3Factors(factor, low, high, positions, theta float64, headDim int) []float32 {
	out := make([]float32, headDim/2)
	for i := range out {
		wave := 2 * math.Pi * math.Pow(theta, float64(2*i)/float64(headDim))
		switch {
		case wave < positions/high:
			out[i] = 1
		case wave > positions/low:
			out[i] = float32(factor)
		default:
			smooth := (positions/wave - low) / (high - low)
			out[i] = float32(1 / ((1-smooth)/factor + smooth))
		}
	}
	return out
}

// bertConfig adds the keys of BERT.
func (m *Model) bertConfig(s *settings, c map[string]any) {
	c["layer_norm_eps"] = s.float("attention.layer_norm_epsilon", 1e-12)
	c["hidden_act"] = "gelu"
	c["type_vocab_size"] = 1
	if t, ok := m.file.Get("token_types.weight"); ok {
		c["type_vocab_size"] = t.Size() / max(1, c["hidden_size"].(int))
	}
}
