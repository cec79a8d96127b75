package tokenizer

import (
	"encoding/json"
	"fmt"
)

// model turns a piece of pre-tokenized text into tokens.
type model interface {
	// tokenize appends the tokens of s, which is not empty.
	tokenize(dst []tok, s string) []tok
	// lookup returns the model's vocabulary.
	lookup() *vocab
	// unknown returns the id of the unknown token, or -1.
	unknown() int32
}

// modelTraits is what a model must know about the parts before it.
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

// modelKind returns the type of the model. Old files do not name it; it then follows from the fields.
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

// tok is one token of a piece: its id, and its first and last byte in the piece, end excluded.
type tok struct{ id, start, end int32 }
