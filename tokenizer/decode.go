package tokenizer

import "strings"

// Decode returns the text of ids. It leaves out ids that have no token and, with skipSpecialTokens, special tokens.
//
// Where tokenizer_config.json says clean_up_tokenization_spaces, spaces before punctuation and English contractions are
// removed, but not from the text of a BPE model, which has none that tokenization put there. So does transformers since
// 5.7; docs/decisions/0023 has more.
func (t *Tokenizer) Decode(ids []int32, skipSpecialTokens bool) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		if s, ok := t.decoderToken(id, skipSpecialTokens); ok {
			tokens = append(tokens, s)
		}
	}
	text := t.decodeTokens(tokens)
	if t.cleanUp {
		text = cleanUpText.clean(text)
	}
	return text
}

// decoderToken returns the token that the decoder gets for id, and whether it gets one.
func (t *Tokenizer) decoderToken(id int32, skipSpecialTokens bool) (string, bool) {
	s, ok := t.added.decoded[id]
	if !ok {
		s, ok = t.Token(id)
	}
	return s, ok && !(skipSpecialTokens && t.added.special[s])
}

// decodeTokens returns the text of tokens before it is cleaned up.
func (t *Tokenizer) decodeTokens(tokens []string) string {
	defer t.failed.guard()
	switch {
	case t.decoder == nil:
		return strings.Join(tokens, " ")
	case len(tokens) == 0:
		return ""
	}
	return strings.Join(t.decoder.decode(tokens), "")
}
