package tokenizer

import (
	"iter"
	"slices"
	"strings"
	"sync"
)

// Encode returns the ids of a text. Added tokens are found in the text by their content. With addSpecialTokens, the
// post-processor adds its own: [CLS] and [SEP], or whatever the model was trained with.
func (t *Tokenizer) Encode(text string, addSpecialTokens bool) []int32 {
	e := t.encodeOne(text, 0, false)
	return t.post.process([]Encoding{e}, addSpecialTokens).IDs
}

// EncodeParts yields the ids of a text, without those that the post-processor adds, part by part: together they are what Encode returns. Where
// the pre-tokenizer splits words, a long text needs memory for a part of some 100 kB at a time.
func (t *Tokenizer) EncodeParts(text string) iter.Seq[[]int32] {
	return func(yield func([]int32) bool) {
		w := workspaces.Get().(*workspace)
		defer w.release()
		if !t.guarded(func() { t.normalize(w, validUTF8(text), false) }) {
			return
		}
		for len(w.text) > 0 {
			var e Encoding
			if !t.guarded(func() { t.encodeSection(w, &e, nil, 0) }) || !yield(e.IDs) {
				return
			}
		}
	}
}

// guarded reports whether f did not stop at a text that takes too much.
func (t *Tokenizer) guarded(f func()) (ok bool) {
	defer t.failed.guard()
	f()
	return true
}

// EncodePlus is Encode that also returns tokens, offsets, type ids and word ids.
func (t *Tokenizer) EncodePlus(text string, addSpecialTokens bool) Encoding {
	return t.post.process([]Encoding{t.encodeOne(text, 0, true)}, addSpecialTokens)
}

// EncodePair encodes two texts that belong together, such as a question and an answer.
func (t *Tokenizer) EncodePair(first, second string, addSpecialTokens bool) Encoding {
	return t.post.process([]Encoding{t.encodeOne(first, 0, true), t.encodeOne(second, 1, true)}, addSpecialTokens)
}

// workspace is memory that encodings use again.
type workspace struct {
	a, b  []piece
	toks  []tok
	text  []piece // what is left of the normalised text
	words int32   // the pieces that the model has seen of it
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// swap makes the result of a step the input of the next, and forgets the old input.
func (w *workspace) swap() {
	clear(w.a)
	w.a, w.b = w.b, w.a[:0]
}

// release forgets the text and gives the memory back.
func (w *workspace) release() {
	clear(w.a)
	w.text, w.words = nil, 0
	workspaces.Put(w)
}

// encodeOne encodes without the post-processor. With full, it fills all lists.
func (t *Tokenizer) encodeOne(text string, typeID int32, full bool) Encoding {
	defer t.failed.guard()
	text = validUTF8(text)
	w := workspaces.Get().(*workspace)
	defer w.release()
	t.normalize(w, text, full)
	e := Encoding{IDs: make([]int32, 0, len(text)/4+2)}
	var chars *charIndex
	if full {
		chars = newCharIndex(text)
	}
	for len(w.text) > 0 {
		t.encodeSection(w, &e, chars, typeID)
	}
	return e
}

// encodeSection appends the tokens of the next section of the text. Unless chars is nil, it fills all lists.
func (t *Tokenizer) encodeSection(w *workspace, e *Encoding, chars *charIndex, typeID int32) {
	for i, p := range t.pieces(w, chars != nil) {
		w.toks = w.toks[:0]
		if p.id != noToken {
			w.toks = append(w.toks, tok{p.id, 0, int32(len(p.s))})
		} else {
			w.toks = t.model.tokenize(w.toks, p.s)
		}
		for _, k := range w.toks {
			e.IDs = append(e.IDs, k.id)
			if chars != nil {
				e.Tokens = append(e.Tokens, t.tokenText(p, k))
				e.Offsets = append(e.Offsets, chars.offsets(p, k))
				e.TypeIDs = append(e.TypeIDs, typeID)
				e.WordIDs = append(e.WordIDs, w.words+int32(i))
				e.SpecialTokensMask = append(e.SpecialTokensMask, false)
			}
		}
	}
	w.words += int32(len(w.a))
}

// normalize puts the normalised text into w.text, cut up at added tokens.
func (t *Tokenizer) normalize(w *workspace, text string, full bool) {
	whole := newPiece(text, full || t.trackAlways)
	w.b = t.added.raw.split(w.b[:0], whole)
	w.swap()
	for _, p := range w.a {
		if p.id != noToken {
			w.b = append(w.b, p)
			continue
		}
		if t.language {
			w.b, p = t.splitLanguage(w.b, p)
		}
		if t.normalizer != nil {
			t.normalizer.normalize(&p)
		}
		w.b = t.added.normal.split(w.b, p)
	}
	w.swap()
	w.text = slices.Clone(w.a)
}

// pieces cuts the next section of the text up for the model.
func (t *Tokenizer) pieces(w *workspace, full bool) []piece {
	clear(w.a)
	w.a, w.text = t.cutSection(w.a[:0], w.text, full)
	n := bytesOf(w.a)
	for _, pt := range t.preTokenizers {
		w.b = pt.run(w.b[:0], w.a)
		w.swap()
		bounded(n, bytesOf(w.a))
	}
	return w.a
}

// tokenText returns the text of a token as the vocabulary has it. An added token, and the unknown token of Unigram and
// SentencePiece, have the text that they stand for.
func (t *Tokenizer) tokenText(p piece, k tok) string {
	_, isUnigram := t.model.(*unigram)
	_, isSPM := t.model.(*spmModel)
	if p.id != noToken || (isUnigram || isSPM) && k.id == t.model.unknown() {
		return strings.Clone(p.s[k.start:k.end])
	}
	s, _ := t.model.lookup().token(k.id)
	return s
}

// EncodeWords encodes a text that is given as words, such as the lines of a CoNLL file. WordIDs holds the index of each
// token's word: several tokens may have the same word, and a word that vanishes has no token. Offsets count from the
// start of the word.
//
// Each word is encoded as a text of its own. With the byte-level tokenizers of GPT-2, RoBERTa and BART, a space is put
// before each word, as transformers does for words (add_prefix_space); otherwise the words would run into each other.
func (t *Tokenizer) EncodeWords(words []string, addSpecialTokens bool) Encoding {
	t = t.forWords()
	parts := make([]Encoding, 0, len(words))
	for i, word := range words {
		e := t.encodeOne(word, 0, true)
		for j := range e.WordIDs {
			e.WordIDs[j] = int32(i)
		}
		parts = append(parts, e)
	}
	return t.post.process([]Encoding{join(parts)}, addSpecialTokens)
}

// forWords returns t, or a tokenizer that puts a space before each text where words need one.
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
