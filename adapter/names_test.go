package adapter

import "testing"

func TestPlainName(t *testing.T) {
	const q = "model.layers.0.self_attn.q_proj."
	for name, want := range map[string]string{
		"base_model.model." + q + "lora_A.weight":                                             q + "lora_A.weight",
		"base_model.model." + q + "lora_A.default.weight":                                     q + "lora_A.weight",
		"base_model.model." + q + "lora_B.default.bias":                                       q + "lora_B.bias",
		q + "lora_A.weight":                                                                   q + "lora_A.weight",
		"module.base_model.model." + q + "lora_E.default":                                     q + "lora_E",
		"_orig_mod.base_model.model." + q + "lora_A.weight":                                   q + "lora_A.weight",
		"base_model.model._orig_mod." + q + "lora_A.weight":                                   q + "lora_A.weight",
		"base_model.model.model.layers.0._checkpoint_wrapped_module.self_attn.q_proj.lora_A":  q + "lora_A",
		"base_model.model." + q + "lora_magnitude_vector":                                     q + "lora_magnitude_vector",
		"base_model.model." + q + "lora_magnitude_vector.weight":                              q + "lora_magnitude_vector",
		"base_model.model." + q + "lora_magnitude_vector.default.weight":                      q + "lora_magnitude_vector",
		"base_model.model." + q + "lora_magnitude_vector.default":                             q + "lora_magnitude_vector",
		"base_model.model." + q + "base_layer.bias":                                           q + "bias",
		"base_model.model.lm_head.base_layer.weight":                                          "lm_head.weight",
		"base_model.model.model.embed_tokens.lora_embedding_A.default":                        "model.embed_tokens.lora_embedding_A",
		"base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta":            "model.embed_tokens.trainable_tokens_delta",
		"base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta.default":    "model.embed_tokens.trainable_tokens_delta",
		"base_model.model.model.embed_tokens.token_adapter.base_layer.weight":                 "model.embed_tokens.weight",
		"base_model.model.model.embed_tokens.token_adapter.trainable_tokens_original.default": "",
		"base_model.model.classifier.modules_to_save.default.dense.weight":                    "classifier.dense.weight",
		"base_model.model.classifier.modules_to_save.weight":                                  "classifier.weight",
		"base_model.model.classifier.original_module.weight":                                  "",
		"base_model.model.encoder.pair_weighted_averaging.lora_A.default.weight":              "encoder.pair_weighted_averaging.lora_A.weight",
		"base_model.vera_A":                        "vera_A",
		"base_model.vera_A.default":                "vera_A",
		"base_model.model." + q + "default.weight": q + "default.weight",
	} {
		if got := plainName(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
