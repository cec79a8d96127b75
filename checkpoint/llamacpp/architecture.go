package llamacpp

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ErrUnsupported is the error of what llama.cpp or its files have, and this package does not know.
var ErrUnsupported = errors.New("not supported")

// names are a module's names: Hugging Face's and llama.cpp's. N is the number of a layer.
type names struct{ hf, gguf string }

// An architecture is how llama.cpp keeps the models of a model_type.
type architecture struct {
	// name is general.architecture, modelType and class are config.json's.
	name, modelType, class string
	modules                []names
	// interleaved says that the rows of q_proj and k_proj are in the order of Su et al.'s pairs (2j, 2j+1).
	interleaved bool
	encoder     bool
}

var decoderModules = []names{
	{"model.embed_tokens", "token_embd"}, {"lm_head", "output"}, {"model.norm", "output_norm"},
	{"model.layers.N.self_attn.q_proj", "blk.N.attn_q"}, {"model.layers.N.self_attn.k_proj", "blk.N.attn_k"},
	{"model.layers.N.self_attn.v_proj", "blk.N.attn_v"}, {"model.layers.N.self_attn.o_proj", "blk.N.attn_output"},
	{"model.layers.N.mlp.gate_proj", "blk.N.ffn_gate"}, {"model.layers.N.mlp.up_proj", "blk.N.ffn_up"},
	{"model.layers.N.mlp.down_proj", "blk.N.ffn_down"},
}

var preNorms = []names{{"model.layers.N.input_layernorm", "blk.N.attn_norm"}, {"model.layers.N.post_attention_layernorm", "blk.N.ffn_norm"}}

var headNorms = []names{{"model.layers.N.self_attn.q_norm", "blk.N.attn_q_norm"}, {"model.layers.N.self_attn.k_norm", "blk.N.attn_k_norm"}}

var postNorms = []names{{"model.layers.N.post_attention_layernorm", "blk.N.post_attention_norm"},
	{"model.layers.N.post_feedforward_layernorm", "blk.N.post_ffw_norm"}}

var bertModules = []names{
	{"embeddings.word_embeddings", "token_embd"}, {"embeddings.position_embeddings", "position_embd"},
	{"embeddings.token_type_embeddings", "token_types"}, {"embeddings.LayerNorm", "token_embd_norm"},
	{"encoder.layer.N.attention.self.query", "blk.N.attn_q"}, {"encoder.layer.N.attention.self.key", "blk.N.attn_k"},
	{"encoder.layer.N.attention.self.value", "blk.N.attn_v"}, {"encoder.layer.N.attention.output.dense", "blk.N.attn_output"},
	{"encoder.layer.N.attention.output.LayerNorm", "blk.N.attn_output_norm"},
	{"encoder.layer.N.intermediate.dense", "blk.N.ffn_up"}, {"encoder.layer.N.output.dense", "blk.N.ffn_down"},
	{"encoder.layer.N.output.LayerNorm", "blk.N.layer_output_norm"},
}

// all are the architectures by model_type. llama.cpp keeps a Mistral as a Llama.
var all = []architecture{
	{name: "llama", modelType: "llama", class: "LlamaForCausalLM", modules: slices.Concat(decoderModules, preNorms), interleaved: true},
	{name: "llama", modelType: "mistral", class: "MistralForCausalLM", modules: slices.Concat(decoderModules, preNorms), interleaved: true},
	{name: "qwen2", modelType: "qwen2", class: "Qwen2ForCausalLM", modules: slices.Concat(decoderModules, preNorms)},
	{name: "qwen3", modelType: "qwen3", class: "Qwen3ForCausalLM", modules: slices.Concat(decoderModules, preNorms, headNorms)},
	{name: "olmo2", modelType: "olmo2", class: "Olmo2ForCausalLM", modules: slices.Concat(decoderModules, postNorms, headNorms)},
	{name: "bert", modelType: "bert", class: "BertModel", modules: bertModules, encoder: true},
}

// byName finds an architecture by general.architecture.
func byName(name string) (architecture, error) {
	known := map[string]bool{}
	for _, a := range all {
		if a.name == name {
			return a, nil
		}
		known[a.name] = true
	}
	return architecture{}, fmt.Errorf("general.architecture %q is %w; supported are %s", name, ErrUnsupported, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// byModelType finds an architecture by config.json's model_type.
func byModelType(modelType string) (architecture, error) {
	var known []string
	for _, a := range all {
		if a.modelType == modelType {
			return a, nil
		}
		known = append(known, a.modelType)
	}
	return architecture{}, fmt.Errorf("model_type %q has no place in GGUF here: %w; supported are %s", modelType, ErrUnsupported, strings.Join(known, ", "))
}

// numbered replaces the number of a layer by N, if there is one.
func numbered(name string) (pattern, number string) {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if n, err := strconv.Atoi(p); err == nil && n >= 0 && strconv.Itoa(n) == p {
			parts[i] = "N"
			return strings.Join(parts, "."), p
		}
	}
	return name, ""
}

// rename translates the module of a tensor's name, MODULE.weight or MODULE.bias.
func (a architecture) rename(name string, from, to func(names) string) (string, bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return "", false
	}
	module, suffix := name[:dot], name[dot:]
	if suffix != ".weight" && suffix != ".bias" {
		return "", false
	}
	pattern, number := numbered(module)
	for _, n := range a.modules {
		if from(n) == pattern {
			return strings.Replace(to(n), ".N.", "."+number+".", 1) + suffix, true
		}
	}
	return "", false
}

func hfName(n names) string   { return n.hf }
func ggufName(n names) string { return n.gguf }

// toHF is Hugging Face's name of a tensor of the file.
func (a architecture) toHF(name string) (string, bool) { return a.rename(name, ggufName, hfName) }

// toGGUF is llama.cpp's name of a weight.
func (a architecture) toGGUF(name string) (string, bool) {
	if a.encoder {
		name = strings.TrimPrefix(name, "bert.")
	}
	return a.rename(name, hfName, ggufName)
}

// headDim is the size of the heads whose rows are interleaved, 0 where a weight's rows are in Hugging Face's order.
func (a architecture) interleaves(hfName string, headDim int) int {
	if a.interleaved && (strings.Contains(hfName, ".q_proj.") || strings.Contains(hfName, ".k_proj.")) {
		return headDim
	}
	return 0
}
