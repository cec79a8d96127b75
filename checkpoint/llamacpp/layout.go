package llamacpp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/tensor"
)

// Layout is how a model of Hugging Face's is kept in GGUF.
type Layout struct {
	arch    architecture
	config  configKeys
	headDim int
	kvHeads int
	vocab   int
}

// configKeys are the keys of config.json that metadata are made of.
type configKeys struct {
	ModelType        string   `json:"model_type"`
	NameOrPath       string   `json:"_name_or_path"`
	HiddenSize       int      `json:"hidden_size"`
	IntermediateSize int      `json:"intermediate_size"`
	Layers           int      `json:"num_hidden_layers"`
	Heads            int      `json:"num_attention_heads"`
	Positions        int      `json:"max_position_embeddings"`
	RMSNormEps       *float64 `json:"rms_norm_eps"`
	LayerNormEps     *float64 `json:"layer_norm_eps"`
	HiddenAct        string   `json:"hidden_act"`
	RopeTheta        float64  `json:"rope_theta"`
	RopeScaling      *rope    `json:"rope_scaling"`
	RopeParameters   *rope    `json:"rope_parameters"`
	SlidingWindow    *int     `json:"sliding_window"`
	UseSlidingWindow bool     `json:"use_sliding_window"`
}

// rope are the keys of rope_scaling and rope_parameters.
type rope struct {
	RopeType  string  `json:"rope_type"`
	Type      string  `json:"type"` // its older name
	Theta     float64 `json:"rope_theta"`
	Factor    float64 `json:"factor"`
	Low       float64 `json:"low_freq_factor"`
	High      float64 `json:"high_freq_factor"`
	Positions float64 `json:"original_max_position_embeddings"`
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
	l := &Layout{arch: arch}
	if err := json.Unmarshal(config, &l.config); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	l.config.Positions = positions
	if l.config.Heads <= 0 {
		return nil, fmt.Errorf("config.json: num_attention_heads is %d; want 1 or more", l.config.Heads)
	}
	if arch.encoder {
		return l, l.readShapes(shape, "embeddings.word_embeddings.weight", "", "")
	}
	return l, l.readShapes(shape, "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight")
}

// readShapes takes sizes that config.json may leave out from the weights.
func (l *Layout) readShapes(shape func(name string) []int, embed, query, key string) error {
	words := shape(embed)
	if words == nil {
		return fmt.Errorf("no weight %s", embed)
	}
	l.vocab, l.headDim, l.kvHeads = words[0], l.config.HiddenSize/l.config.Heads, l.config.Heads
	if l.arch.encoder {
		return nil
	}
	q, k := shape(query), shape(key)
	if q == nil || k == nil {
		return fmt.Errorf("no weights %s and %s", query, key)
	}
	l.headDim = q[0] / l.config.Heads
	if l.headDim == 0 {
		return fmt.Errorf("%s has %d rows for %d heads", query, q[0], l.config.Heads)
	}
	l.kvHeads = k[0] / l.headDim
	return nil
}

// Name is llama.cpp's name of a weight. One without a place is ErrUnsupported.
func (l *Layout) Name(hf string) (string, error) {
	if n, ok := l.arch.toGGUF(hf); ok {
		return n, nil
	}
	return "", fmt.Errorf("GGUF has no place for %s in the architecture %s: %w", hf, l.arch.name, ErrUnsupported)
}

// Source puts the rows of a weight, or of a matrix with a row for each of its rows, in llama.cpp's order. hf is the weight's name.
func (l *Layout) Source(hf string, src tensor.Source) tensor.Source {
	if d := l.arch.interleaves(hf, l.headDim); d > 0 {
		return reordered{src, d, halfRow}
	}
	return src
}

// Entry is a weight as llama.cpp keeps it, in type typ; vectors, positions and token types are F32.
func (l *Layout) Entry(hf string, typ gguf.Type, src tensor.Source, shape ...int) (gguf.Entry, error) {
	name, err := l.Name(hf)
	if err != nil {
		return gguf.Entry{}, err
	}
	if len(shape) == 1 {
		src = l.vector(hf, src)
	} else {
		src = l.Source(hf, src)
	}
	if len(shape) == 1 || name == "position_embd.weight" || name == "token_types.weight" {
		typ = gguf.F32
	}
	return gguf.Quantized(name, typ, src, shape...), nil
}

// vector puts the values of a bias of q_proj or k_proj in llama.cpp's order.
func (l *Layout) vector(hf string, src tensor.Source) tensor.Source {
	d := l.arch.interleaves(hf, l.headDim)
	if d == 0 {
		return src
	}
	_, n := src.Dims()
	values, v := make([]float32, n), make([]float32, n)
	src.Block(values, n, 0, 0, 1, n)
	for i := range v {
		v[i] = values[halfRow(i, d)]
	}
	return tensor.View(v, 1, n)
}

// Lost are the settings of config.json that GGUF has no place for.
func (l *Layout) Lost() []string {
	if w := l.config.SlidingWindow; w != nil && *w > 0 && *w < l.config.Positions && (l.config.UseSlidingWindow || l.config.ModelType == "mistral") {
		return []string{fmt.Sprintf("sliding_window %d (llama.cpp attends to all tokens before)", *w)}
	}
	return nil
}

// Extra are the tensors that follow from config.json: the divisors of Llama 3.1's rotary frequencies.
func (l *Layout) Extra() []gguf.Entry {
	kind, r, theta := l.rope()
	if kind != "llama3" {
		return nil
	}
	factors := llama3Factors(r.Factor, r.Low, r.High, r.Positions, theta, l.headDim)
	return []gguf.Entry{gguf.Quantized(ropeFactors, gguf.F32, tensor.View(factors, 1, len(factors)), len(factors))}
}

// rope is the kind of rotary positions, its settings and the base of the frequencies.
func (l *Layout) rope() (kind string, r rope, theta float64) {
	for _, given := range []*rope{l.config.RopeParameters, l.config.RopeScaling} {
		if given != nil && kind == "" {
			r, kind = *given, given.RopeType+given.Type
			if given.RopeType != "" {
				kind = given.RopeType
			}
		}
	}
	theta = l.config.RopeTheta
	if l.config.RopeParameters != nil && l.config.RopeParameters.Theta > 0 {
		theta = l.config.RopeParameters.Theta
	}
	if theta == 0 {
		theta = 10000
	}
	return kind, r, theta
}

// settings are the metadata of config.json.
func (l *Layout) settings(m *gguf.Metadata) error {
	key := func(name string) string { return l.arch.name + "." + name }
	m.Set("general.architecture", l.arch.name)
	m.Set("general.type", "model")
	for _, s := range []struct {
		name  string
		value int
	}{
		{"block_count", l.config.Layers}, {"context_length", l.config.Positions}, {"embedding_length", l.config.HiddenSize},
		{"feed_forward_length", l.config.IntermediateSize}, {"attention.head_count", l.config.Heads}, {"vocab_size", l.vocab},
	} {
		if s.value <= 0 || s.value > math.MaxInt32 {
			return fmt.Errorf("config.json: %s would be %d; want 1 or more", key(s.name), s.value)
		}
		m.Set(key(s.name), uint32(s.value))
	}
	if l.arch.encoder {
		return l.encoderSettings(m, key)
	}
	m.Set(key("attention.head_count_kv"), uint32(l.kvHeads))
	m.Set(key("attention.key_length"), uint32(l.headDim))
	m.Set(key("attention.value_length"), uint32(l.headDim))
	m.Set(key("rope.dimension_count"), uint32(l.headDim))
	eps := 1e-6
	if l.config.ModelType == "olmo2" {
		eps = 1e-5
	}
	if l.config.RMSNormEps != nil {
		eps = *l.config.RMSNormEps
	}
	m.Set(key("attention.layer_norm_rms_epsilon"), float32(eps))
	kind, r, theta := l.rope()
	m.Set(key("rope.freq_base"), float32(theta))
	switch kind {
	case "", "default", "llama3":
	case "linear":
		m.Set(key("rope.scaling.type"), "linear")
		m.Set(key("rope.scaling.factor"), float32(r.Factor))
	default:
		return fmt.Errorf("config.json: rope_type %q is not written to GGUF: %w", kind, ErrUnsupported)
	}
	return nil
}

// encoderSettings are BERT's.
func (l *Layout) encoderSettings(m *gguf.Metadata, key func(string) string) error {
	if l.config.HiddenAct != "" && l.config.HiddenAct != "gelu" {
		return fmt.Errorf("config.json: hidden_act %q: llama.cpp's BERT has gelu: %w", l.config.HiddenAct, ErrUnsupported)
	}
	eps := 1e-12
	if l.config.LayerNormEps != nil {
		eps = *l.config.LayerNormEps
	}
	m.Set(key("attention.layer_norm_epsilon"), float32(eps))
	m.Set(key("attention.causal"), false)
	return nil
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

// LoRA are the two entries of a layer's LoRA, ΔW = b·a: b [out, r] with its rows in llama.cpp's order, and a [r, in]. hf is the
// name of the layer's weight.
func (l *Layout) LoRA(hf string, b, a tensor.Matrix) ([]gguf.Entry, error) {
	name, err := l.Name(hf)
	if err != nil {
		return nil, err
	}
	return []gguf.Entry{
		gguf.Quantized(name+".lora_a", gguf.F32, a, a.Rows, a.Cols),
		gguf.Quantized(name+".lora_b", gguf.F32, l.Source(hf, b), b.Rows, b.Cols),
	}, nil
}
