package tokenizer

// EncodeWords encodes a text that is given as words, such as the lines of a
// CoNLL file: Words has the word of each token (several tokens may have the
// same, one that vanishes has none), Offsets count from the start of the word.
//
// Each word is encoded as a text of its own. The byte-level tokenizers of
// GPT-2, RoBERTa and BART put a space before it, as transformers does for
// words (add_prefix_space), or they would run into each other.
func (t *Tokenizer) EncodeWords(words []string, addSpecialTokens bool) Encoding {
	t = t.forWords()
	parts := make([]Encoding, 0, len(words))
	for i, word := range words {
		e := t.encodeOne(word, 0, true)
		for j := range e.Words {
			e.Words[j] = int32(i)
		}
		parts = append(parts, e)
	}
	return t.post.process([]Encoding{join(parts)}, addSpecialTokens)
}

// forWords is t, or one that puts a space before each text where words need it.
func (t *Tokenizer) forWords() *Tokenizer {
	if len(t.preTokenizers) != 1 {
		return t
	}
	split, ok := t.preTokenizers[0].(byteLevelSplit)
	if !ok || !split.regex || split.prefixSpace {
		return t
	}
	split.prefixSpace = true
	spaced := *t
	spaced.preTokenizers = []preTokenizer{split}
	if len(t.post.trims) > 0 {
		spaced.post.trims = []trimmer{{prefixSpace: true}}
	}
	return &spaced
}
