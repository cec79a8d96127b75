package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// wordPiece cuts a word into the longest pieces, from left to right. A word that cannot be cut this way is unknown as a
// whole.
type wordPiece struct {
	vocab    *vocab
	trie     *trie
	inner    int32 // the node where pieces inside of a word begin, or -1
	unk      int32
	maxChars int
	cache    *wordCache
}

func parseWordPiece(raw json.RawMessage, where string) (model, error) {
	var c struct {
		Vocab     vocab  `json:"vocab"`
		UnkToken  string `json:"unk_token"`
		Prefix    string `json:"continuing_subword_prefix"`
		MaxLength int    `json:"max_input_chars_per_word"`
	}
	err := decodeObject(raw, where, &c, "vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word")
	if err != nil {
		return nil, err
	}
	if c.MaxLength < 0 {
		return nil, fmt.Errorf("%s: max_input_chars_per_word is %d, want 0 or more", where, c.MaxLength)
	}
	return newWordPiece(&c.Vocab, c.UnkToken, c.Prefix, c.MaxLength, where)
}

func newWordPiece(v *vocab, unkToken, prefix string, maxChars int, where string) (model, error) {
	unk, ok := v.id(unkToken)
	if !ok {
		return nil, fmt.Errorf("%s: unk_token %q is not in the vocab", where, unkToken)
	}
	m := &wordPiece{vocab: v, trie: newTrie(4 * v.size()), unk: unk, maxChars: maxChars, cache: newWordCache()}
	for token, id := range v.ids {
		if token != "" {
			m.trie.put(token, id)
		}
	}
	m.inner = m.trie.walk(prefix)
	return m, nil
}

func (m *wordPiece) lookup() *vocab { return m.vocab }

func (m *wordPiece) unknown() int32 { return m.unk }

func (m *wordPiece) tokenize(dst []tok, s string) []tok {
	return m.cache.tokenize(dst, s, m.cut)
}

func (m *wordPiece) cut(dst []tok, s string) []tok {
	first := len(dst)
	unknown := tok{m.unk, 0, int32(len(s))}
	if utf8.RuneCountInString(s) > m.maxChars {
		return append(dst, unknown)
	}
	node := int32(0)
	for at := 0; at < len(s); {
		id, n := int32(-1), 0
		if node >= 0 {
			id, n = m.trie.longest(node, s[at:])
		}
		if id < 0 || n == 0 {
			return append(dst[:first], unknown)
		}
		dst = append(dst, tok{id, int32(at), int32(at + n)})
		at += n
		node = m.inner
	}
	return dst
}
