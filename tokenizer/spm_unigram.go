package tokenizer

import (
	"math"
	"sync"

	"github.com/spagotune/spagotune/internal/charclass"
)

// spmUnigram cuts a text into the pieces whose scores have the highest sum, as
// SentencePiece does: over the whole text at once, in its arithmetic (sums are
// kept in float32), since near ties are decided by the rounding.
type spmUnigram struct {
	trie     *trie
	scores   []float64
	unk      int32
	unkScore float32
	scratch  sync.Pool // of *[]spmPath
}

// spmPath is the best way to reach a byte of the text: its last piece.
type spmPath struct {
	score float32
	start int32 // of that piece, or -1: not reached
	id    int32
}

func newSPMUnigram(f *spmFile, unk int32) *spmUnigram {
	m := &spmUnigram{trie: newTrie(4 * len(f.pieces)), scores: make([]float64, len(f.pieces)), unk: unk}
	m.scratch.New = func() any { return new([]spmPath) }
	worst, best := float32(math.MaxFloat32), float32(0x1p-126) // the largest and the smallest normal float32
	for _, p := range f.pieces {
		if p.kind == normalPiece {
			worst, best = min(worst, p.score), max(best, p.score)
		}
	}
	m.unkScore = worst - unkPenalty
	for i, p := range f.pieces {
		m.scores[i] = float64(p.score)
		if p.kind == userDefinedPiece { // better than whatever it could be cut into
			m.scores[i] = float64(float32(len(p.text))*best) - 0.1
		}
		if p.kind.inText() {
			m.trie.put(p.text, int32(i))
		}
	}
	return m
}

func (m *spmUnigram) cut(dst []tok, s string) []tok {
	scratch := m.scratch.Get().(*[]spmPath)
	defer m.scratch.Put(scratch)
	best := m.paths((*scratch)[:0], s)
	*scratch = best
	n := 0
	for end := len(s); end > 0; end = int(best[end].start) {
		n++
	}
	first := len(dst)
	for range n {
		dst = append(dst, tok{})
	}
	for end := int32(len(s)); end > 0; end = best[end].start {
		n--
		dst[first+n] = tok{best[end].id, best[end].start, end}
	}
	return dst
}

// paths finds the best path to every byte of s that can be reached.
func (m *spmUnigram) paths(best []spmPath, s string) []spmPath {
	for range len(s) + 1 {
		best = append(best, spmPath{start: -1})
	}
	for at := 0; at < len(s); {
		width := charclass.RuneLen(s[at:])
		here, single := best[at].score, false
		node := int32(0)
		for i := at; i < len(s); i++ {
			if node = m.trie.next(node, s[i]); node < 0 {
				break
			}
			id := m.trie.value[node]
			if id < 0 {
				continue
			}
			best[i+1].offer(float64(here)+m.scores[id], at, id)
			single = single || i+1-at == width
		}
		if !single {
			best[at+width].offer(float64(here+m.unkScore), at, m.unk)
		}
		at += width
	}
	return best
}

// offer takes the path over if it is the first or a better one.
func (p *spmPath) offer(score float64, start int, id int32) {
	if p.start < 0 || score > float64(p.score) {
		*p = spmPath{float32(score), int32(start), id}
	}
}
