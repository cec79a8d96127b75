package llamacpp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spagotune/spagotune/checkpoint/gguf"
)

// Layout is how a model of Hugging Face's is kept in GGUF.
type Layout struct {
	arch      architecture
	raw       map[string]json.RawMessage
	config    configKeys
	rope      ropeKeys
	windows   windowKeys
	positions int
	headDim   int
	kvHeads   int
	vocab     int
}

// configKeys are the usual keys of config.json that metadata are made of.
type configKeys struct {
	HiddenSize       int    `json:"hidden_size"`
	IntermediateSize int    `json:"intermediate_size"`
	Layers           int    `json:"num_hidden_layers"`
	Heads            int    `json:"num_attention_heads"`
	KVHeads          int    `json:"num_key_value_heads"`
	HeadDim          int    `json:"head_dim"`
	HiddenAct        string `json:"hidden_act"`

	QueryPreAttnScalar float64 `json:"query_pre_attn_scalar"`
}

// NewLayout makes the layout of a model from its config.json. shape gives the shapes of weights by Hugging Face's names, nil
// for one that is not there; positions is the model's length. A model type without a place in GGUF is ErrUnsupported.
func NewLayout(config json.RawMessage, positions int, shape func(name string) []int) (*Layout, error) {
	var kind struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(config, &kind); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	arch, err := byModelType(kind.ModelType)
	if err != nil {
		return nil, err
	}
	l := &Layout{arch: arch, positions: positions}
	if l.raw, err = arch.usual(config); err != nil {
		return nil, err
	}
	usual, err := json.Marshal(l.raw)
	for _, keys := range []any{&l.config, &l.rope, &l.windows} {
		if err == nil {
			err = json.Unmarshal(usual, keys)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	if l.config.Heads <= 0 {
		return nil, fmt.Errorf("config.json: %s is %d; want 1 or more", arch.key("num_attention_heads"), l.config.Heads)
	}
	return l, l.readShapes(shape)
}

// readShapes takes sizes that config.json may leave out from the weights.
func (l *Layout) readShapes(shape func(name string) []int) error {
	of := func(gguf string) ([]int, error) {
		name := l.arch.hf(gguf)
		if s := shape(name); name == "" || len(s) == 2 {
			return s, nil
		}
		return nil, fmt.Errorf("no weight %s with rows and columns", name)
	}
	words, err := of("token_embd")
	if err != nil {
		return err
	}
	down, err := of("blk.0.ffn_down")
	if err != nil {
		return err
	}
	l.vocab, l.headDim, l.kvHeads = words[0], l.config.HeadDim, l.config.KVHeads
	if l.config.IntermediateSize == 0 && down != nil {
		l.config.IntermediateSize = down[1]
	}
	if l.headDim == 0 {
		l.headDim = l.config.HiddenSize / l.config.Heads
	}
	if l.kvHeads == 0 {
		l.kvHeads = l.config.Heads
	}
	if l.arch.encoder || l.arch.learned {
		return nil
	}
	q, err := of("blk.0.attn_q")
	if err != nil || q == nil {
		return err
	}
	k, err := of("blk.0.attn_k")
	if err != nil {
		return err
	}
	if l.headDim = q[0] / l.config.Heads; l.headDim == 0 {
		return fmt.Errorf("%s has %d rows for %d heads", l.arch.hf("blk.0.attn_q"), q[0], l.config.Heads)
	}
	l.kvHeads = k[0] / l.headDim
	return nil
}

// check says what llama.cpp computes otherwise, so that the file would be another model.
func (l *Layout) check() error {
	a, c := l.arch, l.config
	only := a.activations
	if only == nil {
		only = []string{"silu"}
	}
	switch q := a.queryScalar; {
	case !slices.Contains(only, c.HiddenAct):
		return fmt.Errorf("config.json: %s %q: llama.cpp's %s has %s: %w", a.key("hidden_act"), c.HiddenAct, a.name, only[0], ErrUnsupported)
	case a.square && l.headDim*c.Heads != c.HiddenSize:
		return fmt.Errorf("config.json: %d heads of %d values: llama.cpp's %s has as many as hidden_size, %d: %w", c.Heads, l.headDim, a.name, c.HiddenSize, ErrUnsupported)
	case q.layers > 0 && c.QueryPreAttnScalar != float64(q.of(c.Layers, c.HiddenSize/c.Heads, l.headDim)):
		return fmt.Errorf("config.json: query_pre_attn_scalar is %g; llama.cpp's %s with %d layers has %d: %w", c.QueryPreAttnScalar, a.name, c.Layers,
			q.of(c.Layers, c.HiddenSize/c.Heads, l.headDim), ErrUnsupported)
	}
	if err := checkNoRope(a.noRope, l.raw); err != nil {
		return err
	}
	return a.checkMust(l.raw)
}

// Lost are the settings of config.json that GGUF has no place for.
func (l *Layout) Lost() []string {
	lost := l.arch.window.lost(l.windows, l.positions)
	if r, err := l.rope.of(fullAttention, l.positions); err == nil && !l.arch.encoder && !l.arch.learned {
		lost = append(lost, r.lost()...)
	}
	return lost
}

// Extra are the tensors that follow from config.json: the divisors of rotary frequencies.
func (l *Layout) Extra() []gguf.Entry {
	r, err := l.rope.of(fullAttention, l.positions)
	if err != nil || l.arch.encoder || l.arch.learned {
		return nil
	}
	return r.tensors(l.headDim)
}

// settings are the metadata of config.json.
func (l *Layout) settings(m *gguf.Metadata) error {
	if err := l.check(); err != nil {
		return err
	}
	key := func(name string) string { return l.arch.name + "." + name }
	m.Set("general.architecture", l.arch.name)
	m.Set("general.type", "model")
	for _, s := range []struct {
		name  string
		value int
	}{
		{"block_count", l.config.Layers}, {"context_length", l.positions}, {"embedding_length", l.config.HiddenSize},
		{"feed_forward_length", l.config.IntermediateSize}, {"attention.head_count", l.config.Heads}, {"vocab_size", l.vocab},
	} {
		if s.value <= 0 || s.value > math.MaxInt32 {
			return fmt.Errorf("config.json: %s would be %d; want 1 or more", key(s.name), s.value)
		}
		m.Set(key(s.name), uint32(s.value))
	}
	for _, t := range slices.Concat([]setting{l.arch.epsilon()}, l.arch.settings, l.arch.copies) {
		if err := t.write(m, l.arch.name, l.raw); err != nil {
			return err
		}
	}
	if l.arch.encoder {
		m.Set(key("attention.causal"), false)
		return nil
	}
	if l.arch.learned {
		return nil
	}
	m.Set(key("attention.head_count_kv"), uint32(l.kvHeads))
	m.Set(key("attention.key_length"), uint32(l.headDim))
	m.Set(key("attention.value_length"), uint32(l.headDim))
	if err := l.arch.window.write(m, l.arch.name, l.windows); err != nil {
		return err
	}
	return l.ropeSettings(m, key)
}

// ropeSettings are the metadata of rotary positions.
func (l *Layout) ropeSettings(m *gguf.Metadata, key func(string) string) error {
	r, err := l.rope.of(fullAttention, l.positions)
	if err != nil {
		return err
	}
	rotated := r.rotated(l.headDim)
	if rotated != l.headDim && !l.arch.partial {
		return fmt.Errorf("config.json: partial_rotary_factor %g: llama.cpp's %s rotates whole heads: %w", *r.Partial, l.arch.name, ErrUnsupported)
	}
	m.Set(key("rope.dimension_count"), uint32(rotated))
	m.Set(key("rope.freq_base"), float32(r.Theta))
	if l.arch.local != localSame && l.windows.Window != nil {
		local, err := l.rope.of(slidingAttention, l.positions)
		if err != nil {
			return err
		}
		if local.RopeType != "default" || l.arch.local == localPlain && local.Theta != r.Theta {
			return fmt.Errorf("config.json: rotary positions of layers with a window: %s of base %g; llama.cpp's %s has other ones: %w",
				local.RopeType, local.Theta, l.arch.name, ErrUnsupported)
		}
		m.Set(key("rope.freq_base_swa"), float32(local.Theta))
	}
	return r.write(m, l.arch.name, l.positions, l.arch.ropeTensors)
}

// Metadata are a model's metadata: its settings, and the tokenizer and the chat template of its files (see Files), which must
// have as many tokens as the model, or fewer.
func (l *Layout) Metadata(read func(name string) ([]byte, error)) (*gguf.Metadata, error) {
	m := &gguf.Metadata{}
	if err := l.settings(m); err != nil {
		return nil, err
	}
	if l.arch.encoder {
		if err := l.setPooling(m, read); err != nil {
			return nil, err
		}
	}
	m.Set("general.quantization_version", uint32(2))
	if err := l.setTokenizer(m, read); err != nil {
		return nil, err
	}
	return m, nil
}

// setPooling adds pooling_type, llama.cpp's number of sentence-transformers' mode.
func (l *Layout) setPooling(m *gguf.Metadata, read func(name string) ([]byte, error)) error {
	raw, err := read("1_Pooling/config.json")
	if err != nil {
		return err
	}
	modules, err := read("modules.json")
	if err != nil {
		return err
	}
	if bytes.Contains(modules, []byte(".Dense\"")) {
		return fmt.Errorf("modules.json: the vectors go through dense layers, for which a GGUF file of %s has no place: %w", l.arch.name, ErrUnsupported)
	}
	kind := uint32(1)
	if raw != nil {
		var modes map[string]any
		if err := json.Unmarshal(raw, &modes); err != nil {
			return fmt.Errorf("1_Pooling/config.json: %w", err)
		}
		kind = 0
		for i, mode := range []string{"mean_tokens", "cls_token", "lasttoken"} {
			if modes["pooling_mode_"+mode] == true {
				kind = uint32(i + 1)
			}
		}
		if kind == 0 {
			return fmt.Errorf("1_Pooling/config.json: llama.cpp has mean, first and last token only: %w", ErrUnsupported)
		}
	}
	m.Set(l.arch.name+".pooling_type", kind)
	return nil
}

// errNoTokenizer says what a folder lacks.
var errNoTokenizer = errors.New("no tokenizer.json; llama.cpp needs a tokenizer in the file")

// AdapterMetadata are the metadata of a LoRA for the model. alpha over the rank scales it.
func (l *Layout) AdapterMetadata(alpha float32) *gguf.Metadata {
	m := &gguf.Metadata{}
	m.Set("general.architecture", l.arch.name)
	m.Set("general.type", "adapter")
	m.Set("adapter.type", "lora")
	m.Set("adapter.lora.alpha", alpha)
	return m
}
