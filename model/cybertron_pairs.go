package model

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/internal/wording"
)

// bpeFile is what Cybertron's tokenizers for BART need of tokenizer.json.
type bpeFile struct {
	Model struct {
		Type   string            `json:"type"`
		Vocab  json.RawMessage   `json:"vocab"`
		Merges []json.RawMessage `json:"merges"`
	} `json:"model"`
	AddedTokens []struct {
		ID      int64  `json:"id"`
		Content string `json:"content"`
	} `json:"added_tokens"`
}

// pairFiles are those of Cybertron's tokenizers for BART, Marian and Pegasus: a SentencePiece model, or byte pairs as
// vocab.json and merges.txt, which are made from tokenizer.json where a folder has only that.
func (m *Model) pairFiles() (map[string][]byte, error) {
	pieces := m.has("spiece.model") || m.has("source.spm")
	files := map[string][]byte{}
	for _, name := range []string{"vocab.json", "merges.txt", "tokenizer.json"} {
		raw, err := m.readIf(name)
		if err != nil {
			return nil, err
		}
		if raw != nil {
			files[name] = raw
		}
	}
	tok := files["tokenizer.json"]
	delete(files, "tokenizer.json")
	if !pieces && (files["vocab.json"] == nil || files["merges.txt"] == nil) {
		var err error
		if files, err = bpeFiles(tok); err != nil {
			return nil, err
		}
	}
	if pieces {
		delete(files, "merges.txt")
	}
	if files["vocab.json"] == nil {
		return files, nil
	}
	return files, m.checkVocabularyJSON(files["vocab.json"])
}

// bpeFiles makes vocab.json and merges.txt from a tokenizer.json.
func bpeFiles(raw []byte) (map[string][]byte, error) {
	if raw == nil {
		return nil, fmt.Errorf("there is no vocab.json with merges.txt, no spiece.model and no source.spm; Cybertron's tokenizer needs one of them")
	}
	var f bpeFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if f.Model.Type != "BPE" {
		return nil, fmt.Errorf("there is no vocab.json with merges.txt, and tokenizer.json has a model of type %q; Cybertron's BART has BPE", f.Model.Type)
	}
	vocab := map[string]int64{}
	if err := json.Unmarshal(f.Model.Vocab, &vocab); err != nil {
		return nil, fmt.Errorf("tokenizer.json: model.vocab: %w", err)
	}
	for _, a := range f.AddedTokens {
		vocab[a.Content] = a.ID
	}
	merges := strings.Builder{}
	merges.WriteString("#version: 0.2\n")
	for i, raw := range f.Model.Merges {
		var pair []string
		var line string
		if json.Unmarshal(raw, &line) != nil { // newer files have pairs
			if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 {
				return nil, fmt.Errorf("tokenizer.json: merge %d is %s; want two tokens", i, wording.Clip(raw, 60))
			}
			line = pair[0] + " " + pair[1]
		}
		merges.WriteString(line + "\n")
	}
	text, err := json.Marshal(vocab)
	return map[string][]byte{"vocab.json": text, "merges.txt": []byte(merges.String())}, err
}

// checkVocabularyJSON makes sure that every token has a row: Cybertron ends the process on one that has none.
func (m *Model) checkVocabularyJSON(raw []byte) error {
	var vocab map[string]int64
	if err := json.Unmarshal(raw, &vocab); err != nil {
		return fmt.Errorf("vocab.json: %w", err)
	}
	for token, id := range vocab {
		if id < 0 || id >= int64(m.Config().VocabSize) {
			return fmt.Errorf("vocab.json: token %q has id %d; the model's vocabulary ends at %d: the file is another model's", token, id, m.Config().VocabSize-1)
		}
	}
	return nil
}
