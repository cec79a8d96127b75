package model

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// cybertronFiles are the files beside the weights that Cybertron needs to load a model.
func (m *Model) cybertronFiles() (map[string][]byte, error) {
	if m.Dir == "" {
		return nil, errors.New("no folder with the tokenizer's files: set Model.Dir to the one that the model came from")
	}
	config, err := m.cybertronConfigFile()
	if err != nil {
		return nil, err
	}
	var files map[string][]byte
	if _, ok := m.Backbone.(*bert); ok {
		files, err = m.wordPieceFiles()
	} else {
		files, err = m.pairFiles()
	}
	if err != nil {
		return nil, err
	}
	files["config.json"] = config
	return files, nil
}

// wordPieceFiles are those that Cybertron's tokenizer for BERT needs.
func (m *Model) wordPieceFiles() (map[string][]byte, error) {
	raw, err := m.readIf("tokenizer.json")
	if err != nil {
		return nil, err
	}
	var tok wordPieceFile
	if raw != nil {
		if err := json.Unmarshal(raw, &tok); err != nil {
			return nil, fmt.Errorf("tokenizer.json: %w", err)
		}
	}
	vocab, err := m.readIf("vocab.txt")
	if err != nil {
		return nil, err
	}
	if vocab == nil {
		if vocab, err = tok.vocabulary(); err != nil {
			return nil, err
		}
	}
	if err := checkVocabularyFile(vocab, m.Config().VocabSize); err != nil {
		return nil, fmt.Errorf("vocab.txt: %w", err)
	}
	settings, err := m.readIf("tokenizer_config.json")
	if err != nil {
		return nil, err
	}
	if settings, err = tok.settings(settings); err != nil {
		return nil, fmt.Errorf("tokenizer_config.json: %w", err)
	}
	return map[string][]byte{"vocab.txt": vocab, "tokenizer_config.json": settings}, nil
}

// readIf reads a file that may not be there.
func (m *Model) readIf(name string) ([]byte, error) {
	b, err := fs.ReadFile(m.Files(), name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// wordPieceFile is what Cybertron's tokenizer needs of tokenizer.json.
type wordPieceFile struct {
	Model struct {
		Type  string           `json:"type"`
		Vocab map[string]int64 `json:"vocab"`
	} `json:"model"`
	AddedTokens []struct {
		ID      int64  `json:"id"`
		Content string `json:"content"`
	} `json:"added_tokens"`
	Normalizer struct {
		Lowercase *bool `json:"lowercase"`
	} `json:"normalizer"`
}

// vocabulary is the text of a vocab.txt with the tokens of tokenizer.json.
func (f wordPieceFile) vocabulary() ([]byte, error) {
	if f.Model.Type != "WordPiece" {
		return nil, fmt.Errorf("there is no vocab.txt, and tokenizer.json has a model of type %q; Cybertron's BERT has only WordPiece", f.Model.Type)
	}
	tokens := make([]string, len(f.Model.Vocab)+len(f.AddedTokens))
	n := 0
	put := func(id int64, s string) error {
		if id < 0 || id >= int64(len(tokens)) {
			return fmt.Errorf("tokenizer.json: token %q has id %d; want ids without holes", s, id)
		}
		if strings.ContainsAny(s, "\r\n") {
			return fmt.Errorf("tokenizer.json: token %q has a line break, which vocab.txt cannot hold", s)
		}
		tokens[id], n = s, max(n, int(id)+1)
		return nil
	}
	for s, id := range f.Model.Vocab {
		if err := put(id, s); err != nil {
			return nil, err
		}
	}
	for _, a := range f.AddedTokens {
		if err := put(a.ID, a.Content); err != nil {
			return nil, err
		}
	}
	if i := slices.Index(tokens[:n], ""); i >= 0 {
		return nil, fmt.Errorf("tokenizer.json: no token has id %d", i)
	}
	return []byte(strings.Join(tokens[:n], "\n") + "\n"), nil
}

// checkVocabularyFile makes sure that Cybertron gives every token the model's id: Cybertron numbers the lines, each text
// once, and ends the process on a token without a row.
func checkVocabularyFile(text []byte, rows int) error {
	ids := map[string]int{}
	for i, t := range vocabularyLines(text) {
		if first, ok := ids[t]; ok {
			return fmt.Errorf("lines %d and %d are both %q; Cybertron would shift the ids after them", first+1, i+1, t)
		}
		ids[t] = i
	}
	if len(ids) > rows {
		return fmt.Errorf("%d tokens for a model with a vocabulary of %d: the file is another model's", len(ids), rows)
	}
	for _, t := range []string{"[CLS]", "[SEP]", "[UNK]"} {
		if _, ok := ids[t]; !ok {
			return fmt.Errorf("no token %s, which Cybertron's tokenizer needs", t)
		}
	}
	return nil
}

// settings is tokenizer_config.json with the one key that Cybertron reads, do_lower_case, which newer files leave to
// tokenizer.json.
func (f wordPieceFile) settings(raw []byte) ([]byte, error) {
	if raw == nil {
		raw = []byte("{}")
	}
	var c struct {
		DoLowerCase *bool `json:"do_lower_case"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, err
	}
	if c.DoLowerCase != nil {
		return raw, nil
	}
	lower := f.Normalizer.Lowercase == nil || *f.Normalizer.Lowercase // the default of BERT's tokenizer
	return setKey(raw, "do_lower_case", lower)
}

// vocabularyLines are the tokens of a vocab.txt.
func vocabularyLines(text []byte) []string {
	var tokens []string
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		tokens = append(tokens, s.Text())
	}
	return tokens
}
