package model

import (
	"regexp"
	"testing"
)

// large are numbers for which a model's parts take longer to make than the parser that is tested: of many layers, above all.
var large = regexp.MustCompile(`[0-9]{4}|[1-9][0-9]{2}|[eE][+]?[0-9]`)

// FuzzConfig: whatever config.json says, a model without weights is made of it or there is an error.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		`{"model_type": "llama", "vocab_size": 32, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "rope_scaling": {"rope_type": "linear", "factor": 2}}`,
		`{"model_type": "bert", "vocab_size": 30, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16, "type_vocab_size": 2, "architectures": ["BertForMaskedLM"], "id2label": {"0": "a", "1": "b"}}`,
		`{"model_type": "gemma2", "vocab_size": 32, "hidden_size": 8, "head_dim": 4, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "sliding_window": 8}`,
		`{"model_type": "bart", "vocab_size": 32, "d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 16}`,
		`{"model_type": "gpt2", "vocab_size": 32, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16}`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if large.Match(raw) {
			return
		}
		if m, err := NewMeta(raw); err == nil && m.NumParameters() <= 0 {
			t.Errorf("%d parameters", m.NumParameters())
		}
	})
}

// FuzzGenerationConfig: generation_config.json is refused or read.
func FuzzGenerationConfig(f *testing.F) {
	for _, s := range []string{`{"eos_token_id": [1, 2], "do_sample": true, "top_k": 5, "temperature": 0.5}`, `{"num_beams": 2, "early_stopping": "never", "bad_words_ids": [[1]]}`,
		`{"eos_token_id": -1, "max_length": 1e3}`, `{"exponential_decay_length_penalty": [1, 2.0], "sequence_bias": {}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := &Model{ConfigJSON: raw}
		c, err := m.GenerationConfig()
		if ids, err2 := m.EOSTokenIDs(); err == nil && (err2 != nil || len(ids) != len(c.EOSTokenIDs)) {
			t.Errorf("%v, then %v and %v", c.EOSTokenIDs, ids, err2)
		}
	})
}
