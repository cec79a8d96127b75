package tokenizer

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// Encoding is what becomes of a text: entry i of each list is about token i.
type Encoding struct {
	IDs     []int32
	Tokens  []string
	Offsets [][2]int // characters (not bytes) of the text, end excluded; {0, 0} for tokens added by the post-processor
	TypeIDs []int32  // 0 for the first text, 1 for the second, or as the post-processor says
	Words   []int32  // the word (part of the text that the model sees as one) of its text, or as given to EncodeWords; -1 for tokens added by the post-processor
	Special []bool   // added by the post-processor
}

// Encode is the ids of text. Added tokens are found in it by their content;
// with addSpecialTokens, the post-processor adds its own (add_special_tokens).
func (t *Tokenizer) Encode(text string, addSpecialTokens bool) []int32 {
	e := t.encodeOne(text, 0, false)
	return t.post.process([]Encoding{e}, addSpecialTokens).IDs
}

// EncodePlus is Encode with tokens, offsets and type ids.
func (t *Tokenizer) EncodePlus(text string, addSpecialTokens bool) Encoding {
	return t.post.process([]Encoding{t.encodeOne(text, 0, true)}, addSpecialTokens)
}

// EncodePair encodes two texts that belong together, such as question and answer.
func (t *Tokenizer) EncodePair(first, second string, addSpecialTokens bool) Encoding {
	return t.post.process([]Encoding{t.encodeOne(first, 0, true), t.encodeOne(second, 1, true)}, addSpecialTokens)
}

// workspace is memory that encodings reuse.
type workspace struct {
	a, b []piece
	toks []tok
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
	workspaces.Put(w)
}

// encodeOne encodes without the post-processor; full fills all lists.
func (t *Tokenizer) encodeOne(text string, typeID int32, full bool) Encoding {
	text = validUTF8(text)
	w := workspaces.Get().(*workspace)
	defer w.release()
	pieces := t.pieces(w, text, full)
	e := Encoding{IDs: make([]int32, 0, len(text)/4+2)}
	var chars *charIndex
	if full {
		chars = newCharIndex(text)
	}
	for i, p := range pieces {
		w.toks = w.toks[:0]
		if p.id != noToken {
			w.toks = append(w.toks, tok{p.id, 0, int32(len(p.s))})
		} else {
			w.toks = t.model.tokenize(w.toks, p.s)
		}
		for _, k := range w.toks {
			e.IDs = append(e.IDs, k.id)
			if full {
				e.Tokens = append(e.Tokens, t.tokenText(p, k))
				e.Offsets = append(e.Offsets, chars.offsets(p, k))
				e.TypeIDs = append(e.TypeIDs, typeID)
				e.Words = append(e.Words, int32(i))
				e.Special = append(e.Special, false)
			}
		}
	}
	return e
}

// pieces is the text cut up for the model.
func (t *Tokenizer) pieces(w *workspace, text string, full bool) []piece {
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
	for _, pt := range t.preTokenizers {
		w.b = pt.run(w.b, w.a)
		w.swap()
	}
	return w.a
}

// tokenText is the text of a token: as the vocabulary has it, but an added
// token, and the unknown one of Unigram and SentencePiece, as the text has it.
func (t *Tokenizer) tokenText(p piece, k tok) string {
	_, isUnigram := t.model.(*unigram)
	_, isSPM := t.model.(*spmModel)
	if p.id != noToken || (isUnigram || isSPM) && k.id == t.model.unknown() {
		return strings.Clone(p.s[k.start:k.end])
	}
	s, _ := t.model.lookup().token(k.id)
	return s
}

// charIndex turns byte offsets into character offsets.
type charIndex struct{ of []int32 } // the character of each byte

func newCharIndex(text string) *charIndex {
	c := &charIndex{make([]int32, 0, len(text))}
	n := int32(0)
	for _, r := range text {
		for range utf8.RuneLen(r) {
			c.of = append(c.of, n)
		}
		n++
	}
	return c
}

// offsets is where token k of piece p comes from. Odd cases (a token that is
// longer than its piece) are handled as the library does.
func (c *charIndex) offsets(p piece, k tok) [2]int {
	from, to := int(k.start), int(k.end)
	if from < to && to <= len(p.al) {
		from, to = int(p.al[from].start), int(p.al[to-1].end)
	} else if from == to {
		from, to = from+int(p.off), to+int(p.off)
	}
	if from < 0 || from >= len(c.of) || to < 0 {
		return [2]int{from, to}
	}
	start := int(c.of[from])
	switch {
	case to < len(c.of):
		return [2]int{start, int(c.of[to])}
	case to-1 < len(c.of):
		return [2]int{start, int(c.of[to-1]) + 1}
	}
	return [2]int{start, start + 2}
}
