package model

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzTokenizerFiles: whatever a tokenizer.json says, the files that are made from it for Cybertron have every token once,
// in the line of its id, or there is an error.
func FuzzTokenizerFiles(f *testing.F) {
	for _, s := range []string{
		`{"model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3}}, "added_tokens": [{"id": 4, "content": "b"}], "normalizer": {"lowercase": false}}`,
		`{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"], "a b"]}, "added_tokens": [{"id": 2, "content": "</s>"}]}`,
		`{"model": {"type": "WordPiece", "vocab": {"a": -1, "b": 99999999999}}}`, `{"model": {"type": "BPE", "vocab": []}}`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var w wordPieceFile
		if json.Unmarshal(raw, &w) == nil {
			if text, err := w.vocabulary(); err == nil && checkVocabularyFile(text, 1<<30) == nil {
				for i, s := range vocabularyLines(text) {
					if id, ok := w.Model.Vocab[s]; ok && int(id) != i && !addedAs(w, s, i) {
						t.Errorf("%q has id %d and is in line %d", s, id, i)
					}
				}
			}
			if _, err := w.settings(raw); err != nil && !strings.Contains(err.Error(), "json") {
				t.Error(err)
			}
		}
		if files, err := bpeFiles(raw); err == nil && !json.Valid(files["vocab.json"]) {
			t.Errorf("vocab.json is %q", files["vocab.json"])
		}
	})
}

func addedAs(w wordPieceFile, token string, id int) bool {
	for _, a := range w.AddedTokens {
		if a.Content == token && int(a.ID) == id {
			return true
		}
	}
	return false
}
