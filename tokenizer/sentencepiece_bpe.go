package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/charclass"
)

// spmBPE merges characters into pieces as SentencePiece does. Of all neighbours that together are a piece, those whose
// piece has the highest score are merged first; of equal scores, the leftmost. User-defined pieces are found before
// that, and are not merged.
type spmBPE struct {
	bpe     *bpe           // only its table of pairs and its merging
	chars   map[rune]int32 // the pieces of one character; other characters that pieces begin or end with have numbers from len(pieces) on
	unk     int32          // index of the unknown piece
	pieces  int32
	frozen  *trie // user-defined pieces, or nil
	byWords bool  // no piece goes over the start of a run of ▁
}

func newSPMBPE(f *spmFile, unk int32) (*spmBPE, error) {
	m := &spmBPE{
		bpe: &bpe{pairs: newTable(2 * len(f.pieces)), cache: newWordCache()}, chars: map[rune]int32{},
		unk: unk, pieces: int32(len(f.pieces)), frozen: userDefined(f), byWords: true,
	}
	m.bpe.scratch.New = func() any { return new(mergeState) }
	places := map[string]int32{}
	for i, p := range f.pieces {
		if p.kind == unusedPiece {
			return nil, fmt.Errorf("piece %d %q is unused, which is %w in a BPE model", i, p.text, ErrUnsupported)
		}
		if !p.kind.inText() {
			continue
		}
		places[p.text] = int32(i)
		if r, n := utf8.DecodeRuneInString(p.text); n == len(p.text) {
			m.chars[r] = int32(i)
		}
		if p.kind == normalPiece {
			m.byWords = m.byWords && !metaInside(p.text)
		}
	}
	ranks := scoreRanks(f.pieces)
	for text, id := range places {
		m.addPairs(text, id, ranks[f.pieces[id].score], places)
	}
	return m, nil
}

// userDefined returns the user-defined pieces of a model with their indices, nil if there are none.
func userDefined(f *spmFile) *trie {
	var found *trie
	for i, p := range f.pieces {
		if p.kind == userDefinedPiece {
			if found == nil {
				found = newTrie(64)
			}
			found.put(p.text, int32(i))
		}
	}
	return found
}

// scoreRanks numbers the scores, the highest first.
func scoreRanks(pieces []spmPiece) map[float32]int {
	var scores []float32
	for _, p := range pieces {
		scores = append(scores, p.score)
	}
	slices.SortFunc(scores, func(a, b float32) int { return cmp.Compare(b, a) })
	ranks := map[float32]int{}
	for i, s := range slices.Compact(scores) {
		ranks[s] = i
	}
	return ranks
}

// addPairs adds each pair of symbols that makes up the piece text.
func (m *spmBPE) addPairs(text string, id int32, rank int, places map[string]int32) {
	for i := range text {
		if i == 0 {
			continue
		}
		left, ok := m.symbolOf(text[:i], places)
		if !ok {
			continue
		}
		if right, ok := m.symbolOf(text[i:], places); ok {
			m.bpe.pairs.put(pairKey(left, right), uint64(rank)<<32|uint64(uint32(id)))
		}
	}
}

// symbolOf returns the number of a piece or of a single character. A character without a number gets one.
func (m *spmBPE) symbolOf(text string, places map[string]int32) (int32, bool) {
	if id, ok := places[text]; ok {
		return id, true
	}
	r, n := utf8.DecodeRuneInString(text)
	if n < len(text) {
		return 0, false
	}
	id, ok := m.chars[r]
	if !ok {
		id = m.pieces + 1 + int32(len(m.chars))
		m.chars[r] = id
	}
	return id, true
}

func (m *spmBPE) cut(dst []tok, s string) []tok {
	if m.frozen == nil {
		return m.words(dst, s, 0, len(s))
	}
	start := 0
	for at := 0; at < len(s); {
		id, n := m.frozen.longest(0, s[at:])
		if id < 0 {
			at += charclass.RuneLen(s[at:])
			continue
		}
		dst = append(m.words(dst, s, start, at), tok{id, int32(at), int32(at + n)})
		at += n
		start = at
	}
	return m.words(dst, s, start, len(s))
}

// words appends the pieces of s[i:j].
func (m *spmBPE) words(dst []tok, s string, i, j int) []tok {
	first := len(dst)
	if m.byWords {
		dst = m.bpe.cache.tokenizeWords(dst, s[i:j], m.merge)
	} else {
		dst = m.bpe.cache.tokenize(dst, s[i:j], m.merge)
	}
	shift(dst[first:], i)
	return dst
}

// merge appends the pieces of s.
func (m *spmBPE) merge(dst []tok, s string) []tok {
	st := m.bpe.scratch.Get().(*mergeState)
	defer m.bpe.scratch.Put(st)
	st.syms = st.syms[:0]
	for _, r := range s {
		id, ok := m.chars[r]
		if !ok {
			id = m.pieces // the number for all characters that no piece has
		}
		st.syms = append(st.syms, symbol{id: id, size: int32(utf8.RuneLen(r))})
	}
	linkSymbols(st.syms)
	first := len(dst)
	dst = m.bpe.mergeSymbols(dst, st)
	for i := range dst[first:] {
		if dst[first+i].id >= m.pieces {
			dst[first+i].id = m.unk
		}
	}
	return dst
}
