package llamacpp

import "slices"

// The tables follow llama.cpp's src/models and its conversion scripts, and transformers' configurations.

var embeddings = []names{{"model.embed_tokens", "token_embd"}, {"lm_head", "output"}, {"model.norm", "output_norm"}}

var attention = []names{
	{"model.layers.N.self_attn.q_proj", "blk.N.attn_q"}, {"model.layers.N.self_attn.k_proj", "blk.N.attn_k"},
	{"model.layers.N.self_attn.v_proj", "blk.N.attn_v"}, {"model.layers.N.self_attn.o_proj", "blk.N.attn_output"},
}

var gatedMLP = []names{
	{"model.layers.N.mlp.gate_proj", "blk.N.ffn_gate"}, {"model.layers.N.mlp.up_proj", "blk.N.ffn_up"},
	{"model.layers.N.mlp.down_proj", "blk.N.ffn_down"},
}

var fusedMLP = []names{{"model.layers.N.mlp.gate_up_proj", "blk.N.ffn_up"}, {"model.layers.N.mlp.down_proj", "blk.N.ffn_down"}}

var preNorms = []names{{"model.layers.N.input_layernorm", "blk.N.attn_norm"}, {"model.layers.N.post_attention_layernorm", "blk.N.ffn_norm"}}

var headNorms = []names{{"model.layers.N.self_attn.q_norm", "blk.N.attn_q_norm"}, {"model.layers.N.self_attn.k_norm", "blk.N.attn_k_norm"}}

var postNorms = []names{{"model.layers.N.post_attention_layernorm", "blk.N.post_attention_norm"},
	{"model.layers.N.post_feedforward_layernorm", "blk.N.post_ffw_norm"}}

var sandwichNorms = slices.Concat(postNorms, []names{{"model.layers.N.input_layernorm", "blk.N.attn_norm"},
	{"model.layers.N.pre_feedforward_layernorm", "blk.N.ffn_norm"}})

var decoderModules = slices.Concat(embeddings, attention, gatedMLP)

// Experts are entries of stacked tensors.
var (
	routedExperts = []names{{"model.layers.N.mlp.gate", "blk.N.ffn_gate_inp"},
		{"model.layers.N.mlp.experts.E.gate_up_proj", "blk.N.ffn_gate_exps+blk.N.ffn_up_exps"}, {"model.layers.N.mlp.experts.E.down_proj", "blk.N.ffn_down_exps"}}
	sharedExpert = []names{{"model.layers.N.mlp.shared_expert.gate_proj", "blk.N.ffn_gate_shexp"}, {"model.layers.N.mlp.shared_expert.up_proj", "blk.N.ffn_up_shexp"},
		{"model.layers.N.mlp.shared_expert.down_proj", "blk.N.ffn_down_shexp"}, {"model.layers.N.mlp.shared_expert_gate", "blk.N.ffn_gate_inp_shexp"}}
	moe = slices.Concat(embeddings, attention, preNorms, routedExperts)

	localExperts = []setting{{"num_local_experts", expertsKey, count, true}, {"num_experts_per_tok", "expert_used_count", count, true}}
	numExperts   = []setting{{"num_experts", expertsKey, count, true}, {"num_experts_per_tok", "expert_used_count", count, true}}
	expertSize   = setting{"moe_intermediate_size", "expert_feed_forward_length", count, true}
)

var bertModules = []names{
	{"embeddings.word_embeddings", "token_embd"}, {"embeddings.position_embeddings", "position_embd"},
	{"embeddings.token_type_embeddings", "token_types"}, {"embeddings.LayerNorm", "token_embd_norm"},
	{"encoder.layer.N.attention.self.query", "blk.N.attn_q"}, {"encoder.layer.N.attention.self.key", "blk.N.attn_k"},
	{"encoder.layer.N.attention.self.value", "blk.N.attn_v"}, {"encoder.layer.N.attention.output.dense", "blk.N.attn_output"},
	{"encoder.layer.N.attention.output.LayerNorm", "blk.N.attn_output_norm"},
	{"encoder.layer.N.intermediate.dense", "blk.N.ffn_up"}, {"encoder.layer.N.output.dense", "blk.N.ffn_down"},
	{"encoder.layer.N.output.LayerNorm", "blk.N.layer_output_norm"},
}

// commonDefaults are those of most.
const commonDefaults = `{"rms_norm_eps": 1e-6, "hidden_act": "silu"}`

// Modules that may have a bias.
var (
	qkv     = []string{"attn_q", "attn_k", "attn_v"}
	qkvo    = append([]string{"attn_output"}, qkv...)
	qkvoMLP = append([]string{"ffn_gate", "ffn_up", "ffn_down"}, qkvo...)
)

// Flags and activations of several.
var (
	attentionBias = flag{config: "attention_bias", tensor: "attn_q.bias"}
	mlpBias       = flag{config: "mlp_bias", tensor: "ffn_up.bias"}
	geluTanh      = []string{"gelu_pytorch_tanh", "gelu_new", "gelu_fast"}
)

// all are the architectures. llama.cpp keeps a Mistral as a Llama.
var all = []architecture{
	{name: "llama", modelType: "llama", class: "LlamaForCausalLM", modules: slices.Concat(decoderModules, preNorms), interleaved: true,
		biased: qkvoMLP, flags: []flag{attentionBias, mlpBias}, ropeTensors: []string{"llama3", "longrope"}},
	{name: "llama", modelType: "mistral", class: "MistralForCausalLM", modules: slices.Concat(decoderModules, preNorms), interleaved: true,
		ropeTensors: []string{"llama3", "longrope"}, window: windows{unread: true}},
	{name: "qwen2", modelType: "qwen2", class: "Qwen2ForCausalLM", modules: slices.Concat(decoderModules, preNorms), biased: qkv},
	{name: "qwen3", modelType: "qwen3", class: "Qwen3ForCausalLM", modules: slices.Concat(decoderModules, preNorms, headNorms),
		defaults: `{"head_dim": 128}`},
	{name: "olmo2", modelType: "olmo2", class: "Olmo2ForCausalLM", modules: slices.Concat(decoderModules, postNorms, headNorms),
		defaults: `{"rms_norm_eps": 1e-5}`, square: true, untied: true},
	{name: "olmo2", modelType: "olmo3", class: "Olmo3ForCausalLM", modules: slices.Concat(decoderModules, postNorms, headNorms), marks: slidingKey,
		defaults: `{"rms_norm_eps": 1e-5, "rope_theta": 500000, "rope_local_base_freq": 500000, "sliding_window": 4096}`, square: true, untied: true,
		local: localPlain, window: windows{period: 4}},
	{name: "gemma", modelType: "gemma", class: "GemmaForCausalLM", modules: slices.Concat(decoderModules, preNorms), shift: 1, tied: true,
		defaults: `{"head_dim": 256, "hidden_act": "gelu_pytorch_tanh"}`, activations: []string{"gelu_pytorch_tanh", "gelu"}},
	{name: "gemma2", modelType: "gemma2", class: "Gemma2ForCausalLM", modules: slices.Concat(decoderModules, sandwichNorms), shift: 1, tied: true,
		defaults: `{"head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 256, "sliding_window": 4096,
			"attn_logit_softcapping": 50, "final_logit_softcapping": 30}`,
		keys: map[string]string{"hidden_act": "hidden_activation"}, activations: geluTanh,
		settings: []setting{{"attn_logit_softcapping", "attn_logit_softcapping", decimal, true}, {"final_logit_softcapping", "final_logit_softcapping", decimal, true}},
		window:   windows{period: 2}, queryScalar: queryScalar{46}},
	{name: "gemma3", modelType: "gemma3_text", class: "Gemma3ForCausalLM", modules: slices.Concat(decoderModules, sandwichNorms, headNorms), shift: 1,
		defaults: `{"head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 256, "sliding_window": 4096,
			"rope_theta": 1000000, "rope_local_base_freq": 10000, "tie_word_embeddings": true}`,
		keys: map[string]string{"hidden_act": "hidden_activation"}, activations: geluTanh,
		settings: []setting{{"final_logit_softcapping", "final_logit_softcapping", decimal, false}},
		local:    localBase, window: windows{period: 6}, queryScalar: queryScalar{62}},
	{name: "phi3", modelType: "phi3", class: "Phi3ForCausalLM", square: true, partial: true, ropeTensors: []string{"longrope"}, window: windows{unread: true},
		modules: slices.Concat(embeddings, fusedMLP, preNorms, []names{{"model.layers.N.self_attn.qkv_proj", "blk.N.attn_qkv"},
			{"model.layers.N.self_attn.o_proj", "blk.N.attn_output"}}), defaults: `{"rms_norm_eps": 1e-5}`},
	{name: "smollm3", modelType: "smollm3", class: "SmolLM3ForCausalLM", modules: slices.Concat(decoderModules, preNorms), interleaved: true,
		biased: qkv, defaults: `{"rope_theta": 2000000}`, flags: []flag{attentionBias}, noRope: 4},
	{name: "granite", modelType: "granite", class: "GraniteForCausalLM", modules: slices.Concat(decoderModules, preNorms), interleaved: true,
		biased: qkvoMLP, flags: []flag{attentionBias, mlpBias}, ropeTensors: []string{"llama3", "longrope"},
		defaults: `{"embedding_multiplier": 1, "logits_scaling": 1, "residual_multiplier": 1, "attention_multiplier": 1}`,
		settings: []setting{{"embedding_multiplier", "embedding_scale", decimal, false}, {"logits_scaling", "logit_scale", decimal, true},
			{"residual_multiplier", "residual_scale", decimal, false}, {"attention_multiplier", "attention.scale", decimal, true}}},
	{name: "starcoder2", modelType: "starcoder2", class: "Starcoder2ForCausalLM", biased: []string{"*"}, layerNorm: true, square: true,
		modules:  slices.Concat(embeddings, attention, preNorms, []names{{"model.layers.N.mlp.c_fc", "blk.N.ffn_up"}, {"model.layers.N.mlp.c_proj", "blk.N.ffn_down"}}),
		defaults: `{"hidden_act": "gelu_pytorch_tanh", "norm_epsilon": 1e-5, "use_bias": true}`, must: map[string]string{"use_bias": "true"},
		keys: map[string]string{"layer_norm_eps": "norm_epsilon"}, activations: geluTanh, window: windows{unread: true}},
	{name: "stablelm", modelType: "stablelm", class: "StableLmForCausalLM", layerNorm: true, partial: true, square: true, untied: true,
		modules: slices.Concat(decoderModules, preNorms, []names{{"model.layers.N.self_attn.q_layernorm.norms.E", "blk.N.attn_q_norm"},
			{"model.layers.N.self_attn.k_layernorm.norms.E", "blk.N.attn_k_norm"}}),
		biased: append([]string{"attn_norm", "ffn_norm", "output_norm"}, qkv...), defaults: `{"layer_norm_eps": 1e-5, "partial_rotary_factor": 0.25}`,
		flags: []flag{{config: "use_qkv_bias", tensor: "attn_q.bias"}, {config: "qk_layernorm", tensor: "attn_q_norm.weight"},
			{config: "use_parallel_residual", tensor: "ffn_norm.weight", missing: true}}},
	{name: "exaone4", modelType: "exaone4", class: "Exaone4ForCausalLM", modules: slices.Concat(decoderModules, postNorms, headNorms),
		defaults: `{"rms_norm_eps": 1e-5, "sliding_window": 4096, "sliding_window_pattern": 4}`, ropeTensors: []string{"llama3"},
		window: windows{period: 4, optional: true, layers: 64}},
	{name: "glm4", modelType: "glm4", class: "Glm4ForCausalLM", biased: qkv, partial: true, flags: []flag{attentionBias},
		modules: slices.Concat(embeddings, attention, fusedMLP, []names{{"model.layers.N.input_layernorm", "blk.N.attn_norm"},
			{"model.layers.N.post_self_attn_layernorm", "blk.N.post_attention_norm"}, {"model.layers.N.post_attention_layernorm", "blk.N.ffn_norm"},
			{"model.layers.N.post_mlp_layernorm", "blk.N.post_ffw_norm"}}),
		defaults: `{"head_dim": 128, "rms_norm_eps": 1.5625e-7, "partial_rotary_factor": 0.5, "attention_bias": true}`},
	{name: "cohere2", modelType: "cohere2", class: "Cohere2ForCausalLM", layerNorm: true, square: true, tied: true,
		modules:  slices.Concat(decoderModules, []names{{"model.layers.N.input_layernorm", "blk.N.attn_norm"}}),
		defaults: `{"layer_norm_eps": 1e-5, "logit_scale": 0.0625, "sliding_window": 4096}`,
		settings: []setting{{"logit_scale", "logit_scale", decimal, true}}, window: windows{period: 4}},
	{name: "gpt2", modelType: "gpt2", class: "GPT2LMHeadModel", biased: []string{"*"}, layerNorm: true, learned: true, transposed: "blk.",
		modules: []names{{"transformer.wte", "token_embd"}, {"transformer.wpe", "position_embd"}, {"transformer.ln_f", "output_norm"}, {"lm_head", "output"},
			{"transformer.h.N.ln_1", "blk.N.attn_norm"}, {"transformer.h.N.attn.c_attn", "blk.N.attn_qkv"},
			{"transformer.h.N.attn.c_proj", "blk.N.attn_output"}, {"transformer.h.N.ln_2", "blk.N.ffn_norm"},
			{"transformer.h.N.mlp.c_fc", "blk.N.ffn_up"}, {"transformer.h.N.mlp.c_proj", "blk.N.ffn_down"}},
		defaults: `{"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "n_embd": 768, "n_layer": 12, "n_head": 12}`, activations: []string{"gelu_new", "gelu_pytorch_tanh"},
		must: map[string]string{"scale_attn_weights": "true", "scale_attn_by_inverse_layer_idx": "false"},
		keys: map[string]string{"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "max_position_embeddings": "n_positions",
			"intermediate_size": "n_inner", "layer_norm_eps": "layer_norm_epsilon", "hidden_act": "activation_function"}},
	{name: "llama", modelType: "mixtral", class: "MixtralForCausalLM", marks: expertsKey, modules: moe, interleaved: true, settings: localExperts,
		ropeTensors: []string{"llama3", "longrope"}, window: windows{unread: true},
		defaults: `{"rms_norm_eps": 1e-5, "rope_theta": 1000000, "num_local_experts": 8, "num_experts_per_tok": 2}`},
	{name: "qwen2moe", modelType: "qwen2_moe", class: "Qwen2MoeForCausalLM", marks: expertsKey, modules: slices.Concat(moe, sharedExpert), biased: qkv,
		square: true, untied: true, row: "ffn_gate_inp_shexp",
		settings: append([]setting{expertSize, {"shared_expert_intermediate_size", "expert_shared_feed_forward_length", count, true}}, numExperts...),
		flags:    []flag{{config: "qkv_bias", tensor: "attn_q.bias"}},
		must:     map[string]string{"norm_topk_prob": "false", "decoder_sparse_step": "1", "mlp_only_layers": "[]"},
		defaults: `{"num_experts": 60, "num_experts_per_tok": 4, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632}`},
	{name: "qwen3moe", modelType: "qwen3_moe", class: "Qwen3MoeForCausalLM", marks: expertsKey, modules: slices.Concat(moe, headNorms),
		settings: append([]setting{expertSize}, numExperts...),
		must:     map[string]string{"norm_topk_prob": "true", "decoder_sparse_step": "1", "mlp_only_layers": "[]"},
		defaults: `{"norm_topk_prob": false, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768}`},
	{name: "olmoe", modelType: "olmoe", class: "OlmoeForCausalLM", marks: expertsKey, modules: slices.Concat(moe, headNorms), square: true, untied: true,
		settings: numExperts, must: map[string]string{"norm_topk_prob": "false"},
		defaults: `{"rms_norm_eps": 1e-5, "num_experts": 64, "num_experts_per_tok": 8}`},
	{name: "gpt-oss", modelType: "gpt_oss", class: "GptOssForCausalLM", marks: expertsKey, turns: true, transposed: "_exps", untied: true,
		modules: slices.Concat(embeddings, attention, routedExperts[1:], []names{{"model.layers.N.mlp.router", "blk.N.ffn_gate_inp"},
			{"model.layers.N.self_attn.sinks", "blk.N.attn_sinks"}, {"model.layers.N.input_layernorm", "blk.N.attn_norm"},
			{"model.layers.N.post_attention_layernorm", "blk.N.post_attention_norm"}}),
		biased:   append([]string{"ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"}, qkvo...),
		settings: localExperts, flags: []flag{attentionBias}, must: map[string]string{"attention_bias": "true", "swiglu_alpha": "1.702", "swiglu_limit": "7"},
		copies: []setting{{"intermediate_size", "expert_feed_forward_length", count, true}}, window: windows{period: 2},
		defaults: `{"head_dim": 64, "rms_norm_eps": 1e-5, "rope_theta": 150000, "sliding_window": 128, "num_local_experts": 128, "num_experts_per_tok": 4}`},
	{name: "bert", modelType: "bert", class: "BertModel", modules: bertModules, encoder: true, layerNorm: true, biased: []string{"*"},
		defaults: `{"layer_norm_eps": 1e-12, "hidden_act": "gelu"}`, activations: []string{"gelu"}},
}
