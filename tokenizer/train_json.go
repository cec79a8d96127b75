package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// files writes the tokenizer's files, and reads them again.
func (t *bpeTrainer) files() (*Trained, error) {
	type object = map[string]any
	added := []any{}
	for id, s := range t.o.SpecialTokens {
		added = append(added, object{"id": id, "content": s, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
	}
	level := object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	merges := t.merges
	if merges == nil {
		merges = [][2]string{}
	}
	file := object{"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil,
		"pre_tokenizer": level, "post_processor": nil, "decoder": level,
		"model": object{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
			"fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": inOrder(t.tokens), "merges": merges}}
	about := object{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}
	if len(t.o.SpecialTokens) > 0 {
		about["eos_token"] = t.o.SpecialTokens[0]
	}
	tokenizerJSON, err := marshal(file)
	if err != nil {
		return nil, err
	}
	config, err := marshal(about)
	if err != nil {
		return nil, err
	}
	tok, err := Parse(tokenizerJSON, config)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: train: what was learned cannot be read: %w", err)
	}
	return &Trained{tok, tokenizerJSON, config}, nil
}

// inOrder is a vocabulary, by id.
type inOrder []string

// MarshalJSON writes an object with the tokens in the order of their ids.
func (tokens inOrder) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for id, token := range tokens {
		key, err := marshal(token)
		if err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(&b, ",%s:%d", bytes.TrimSpace(key), id)
	}
	return append(append([]byte{'{'}, bytes.TrimPrefix(b.Bytes(), []byte{','})...), '}'), nil
}

// marshal writes JSON with <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(v)
	return b.Bytes(), err
}
