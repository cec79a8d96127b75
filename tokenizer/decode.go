package tokenizer

import "strings"

// Decode is the text of ids. Ids without a token are left out, and with
// skipSpecialTokens special tokens are too.
func (t *Tokenizer) Decode(ids []int32, skipSpecialTokens bool) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		if s, ok := t.decoderToken(id, skipSpecialTokens); ok {
			tokens = append(tokens, s)
		}
	}
	return t.decodeTokens(tokens)
}

// decoderToken is the token of id as the decoder wants it, if it is to be decoded.
func (t *Tokenizer) decoderToken(id int32, skipSpecialTokens bool) (string, bool) {
	s, ok := t.added.decoded[id]
	if !ok {
		s, ok = t.Token(id)
	}
	return s, ok && !(skipSpecialTokens && t.added.special[s])
}

func (t *Tokenizer) decodeTokens(tokens []string) string {
	var text string
	if t.decoder == nil {
		text = strings.Join(tokens, " ")
	} else if len(tokens) > 0 {
		text = strings.Join(t.decoder.decode(tokens), "")
	}
	if t.cleanUp {
		text = cleanUpText.clean(text)
	}
	return text
}

// replacements are pairs of old and new text, replaced one after the other.
type replacements []string

func (r replacements) clean(s string) string {
	for i := 0; i < len(r); i += 2 {
		s = strings.ReplaceAll(s, r[i], r[i+1])
	}
	return s
}

var (
	// cleanUpText is clean_up_tokenization_spaces of transformers.
	cleanUpText = replacements{" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'",
		" n't", "n't", " 'm", "'m", " 's", "'s", " 've", "'ve", " 're", "'re"}
	// cleanUpToken is the cleanup of the decoders WordPiece and CTC.
	cleanUpToken = replacements{" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'",
		" n't", "n't", " 'm", "'m", " do not", " don't", " 's", "'s", " 've", "'ve", " 're", "'re"}
)
