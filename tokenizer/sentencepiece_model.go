package tokenizer

import (
	"fmt"
	"slices"
)

// spmModel is the vocabulary of a SentencePiece model and its way to cut text. Inside of the model, a piece is known by
// its index in the file. The ids that users see may differ.
type spmModel struct {
	cutter  spmCutter
	ids     []int32 // the id of each piece, as users see it
	vocab   *vocab
	unk     int32      // index of the unknown piece
	bytes   [256]int32 // indices of the byte pieces
	byBytes bool       // unknown text becomes its bytes
}

// spmCutter finds the pieces of a normalized text.
type spmCutter interface {
	// cut appends the pieces of s, by their indices in the file.
	cut(dst []tok, s string) []tok
}

// spmLayout says which ids the pieces have. The tokens "before" come first, then the pieces from index "from" on, then
// the tokens "after". The pieces before index "from" are among the tokens "before", by name.
type spmLayout struct {
	before []string
	from   int
	after  []string
}

// vocab returns the vocabulary in this order.
func (l spmLayout) vocab(f *spmFile) (*vocab, error) {
	if l.from > len(f.pieces) {
		return nil, fmt.Errorf("has %d pieces, want %d or more", len(f.pieces), l.from)
	}
	v := &vocab{ids: make(map[string]int32, len(l.before)+len(f.pieces))}
	put := func(token string, replace bool) {
		if _, ok := v.ids[token]; !ok || replace {
			v.ids[token] = int32(len(v.tokens))
		}
		v.tokens, v.used = append(v.tokens, token), append(v.used, true)
	}
	for _, token := range l.before {
		put(token, false)
	}
	for _, p := range f.pieces[l.from:] { // of two pieces with one name, the one that is not found in texts gets it
		put(p.text, len(l.before) == 0 && !p.kind.inText())
	}
	for _, token := range l.after {
		put(token, false)
	}
	return v, nil
}

func newSPMModel(f *spmFile, layout spmLayout) (*spmModel, error) {
	v, err := layout.vocab(f)
	if err != nil {
		return nil, err
	}
	m, err := spmModelOf(f, v)
	if err != nil {
		return nil, err
	}
	for i, p := range f.pieces {
		m.ids[i] = int32(len(layout.before) + i - layout.from)
		if i < layout.from {
			id, ok := v.id(p.text)
			if !ok {
				return nil, fmt.Errorf("piece %d is %q, want one of %q", i, p.text, layout.before)
			}
			m.ids[i] = id
		}
	}
	return m, nil
}

// newSPMModelWith makes a model whose ids come from a vocabulary of its own. Pieces that are not in it are unknown.
func newSPMModelWith(f *spmFile, v *vocab) (*spmModel, error) {
	m, err := spmModelOf(f, v)
	if err != nil {
		return nil, err
	}
	name := f.pieces[m.unk].text
	unk, ok := v.id(name)
	if !ok {
		return nil, fmt.Errorf("the unknown piece is %q, which is not in the vocabulary", name)
	}
	known := 0
	for i, p := range f.pieces {
		id, ok := v.id(p.text)
		if !ok {
			id = unk
		} else if p.kind == normalPiece {
			known++
		}
		m.ids[i] = id
	}
	if known == 0 {
		return nil, fmt.Errorf("none of the %d pieces is in the vocabulary of %d tokens: they belong to different models", len(f.pieces), v.size())
	}
	return m, nil
}

// spmModelOf makes a model without ids.
func spmModelOf(f *spmFile, v *vocab) (*spmModel, error) {
	m := &spmModel{ids: make([]int32, len(f.pieces)), vocab: v, byBytes: f.byteFallback}
	for i, p := range f.pieces {
		switch p.kind {
		case unknownPiece:
			m.unk = int32(i)
		case bytePiece:
			b, _ := byteToken(p.text)
			m.bytes[b] = int32(i)
		}
	}
	if f.modelType == 1 {
		m.cutter = newSPMUnigram(f, m.unk)
		return m, nil
	}
	var err error
	m.cutter, err = newSPMBPE(f, m.unk)
	return m, err
}

func (m *spmModel) lookup() *vocab { return m.vocab }

func (m *spmModel) unknown() int32 { return m.ids[m.unk] }

func (m *spmModel) tokenize(dst []tok, s string) []tok {
	first := len(dst)
	dst = m.cutter.cut(dst, s)
	for _, t := range dst[first:] {
		if t.id == m.unk {
			dst = m.appendKnown(dst[:first], slices.Clone(dst[first:]), s)
			break
		}
	}
	for i := first; i < len(dst); i++ {
		dst[i].id = m.ids[dst[i].id]
	}
	return dst
}

// appendKnown appends toks. Unknown text becomes its bytes or, if the model has none, one unknown token for each run.
func (m *spmModel) appendKnown(dst, toks []tok, s string) []tok {
	for i, t := range toks {
		switch {
		case t.id != m.unk:
			dst = append(dst, t)
		case m.byBytes:
			for _, b := range []byte(s[t.start:t.end]) {
				dst = append(dst, tok{m.bytes[b], t.start, t.end})
			}
		case i > 0 && toks[i-1].id == m.unk:
			dst[len(dst)-1].end = t.end
		default:
			dst = append(dst, t)
		}
	}
	return dst
}
