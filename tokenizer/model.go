package tokenizer

import (
	"encoding/json"
	"fmt"
)

// model turns a piece of pre-tokenized text into tokens.
type model interface {
	// tokenize appends the tokens of s, which is not empty.
	tokenize(dst []tok, s string) []tok
	// lookup is the model's vocabulary.
	lookup() *vocab
	// unknown is the id of the unknown token, or -1.
	unknown() int32
}

// modelTraits is what a model needs to know of the parts before it.
type modelTraits struct {
	byteLevel bool // text reaches the model in the byte-level alphabet
}

// parseModel reads the "model" section.
func parseModel(raw json.RawMessage, traits modelTraits) (model, error) {
	const where = "model"
	kind, err := modelKind(raw, where)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "BPE":
		return parseBPE(raw, where, traits)
	case "WordPiece":
		return parseWordPiece(raw, where)
	case "Unigram":
		return parseUnigram(raw, where)
	case "WordLevel":
		return parseWordLevel(raw, where)
	}
	return nil, fmt.Errorf("%s: type %q is %w; known: BPE, Unigram, WordLevel, WordPiece", where, kind, ErrUnsupported)
}

// modelKind is the type of the model. Old files do not name it: there it
// follows from the fields.
func modelKind(raw json.RawMessage, where string) (string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return "", fmt.Errorf("%s: want an object: %w", where, err)
	}
	has := func(name string) bool { _, ok := fields[name]; return ok }
	switch {
	case has("type"):
		return kindOf(raw, where)
	case has("merges"):
		return "BPE", nil
	case has("max_input_chars_per_word"):
		return "WordPiece", nil
	case has("unk_id"):
		return "Unigram", nil
	case has("vocab") && has("unk_token"):
		return "WordLevel", nil
	}
	return "", fmt.Errorf("%s: has no \"type\"", where)
}

// wordLevel maps whole pieces to ids.
type wordLevel struct {
	vocab *vocab
	unk   int32
}

func parseWordLevel(raw json.RawMessage, where string) (model, error) {
	var c struct {
		Vocab    vocab  `json:"vocab"`
		UnkToken string `json:"unk_token"`
	}
	if err := decodeObject(raw, where, &c, "vocab", "unk_token"); err != nil {
		return nil, err
	}
	unk, ok := c.Vocab.id(c.UnkToken)
	if !ok {
		return nil, fmt.Errorf("%s: unk_token %q is not in the vocab", where, c.UnkToken)
	}
	return &wordLevel{&c.Vocab, unk}, nil
}

func (m *wordLevel) lookup() *vocab { return m.vocab }
func (m *wordLevel) unknown() int32 { return m.unk }

func (m *wordLevel) tokenize(dst []tok, s string) []tok {
	id, ok := m.vocab.id(s)
	if !ok {
		id = m.unk
	}
	return append(dst, tok{id, 0, int32(len(s))})
}
