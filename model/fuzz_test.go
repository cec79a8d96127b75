package model

import (
	"os"
	"regexp"
	"testing"
)

// long are numbers of layers for which a model's parts take longer to make than the parser that is tested.
var long = regexp.MustCompile(`(layers?|layers?_interval|groups|experts)"\s*:\s*"?[+]?([1-9][0-9]|[0-9.]*[eE])`)

// FuzzConfig: whatever config.json says, a model without weights is made of it or there is an error. It begins with the config.json
// of every architecture.
func FuzzConfig(f *testing.F) {
	for _, path := range configs(f) {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"model_type": "bert", "architectures": ["BertForMaskedLM"], "id2label": {"0": "a", "1": "b"}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if long.Match(raw) {
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
