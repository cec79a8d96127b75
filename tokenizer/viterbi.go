package tokenizer

import (
	"sync"

	"github.com/spagotune/spagotune/internal/charclass"
)

// viterbi cuts a text into the tokens whose scores have the highest sum (Viterbi 1967; Kudo 2018, arXiv 1804.10959).
// Sums are kept in F, because rounding decides near ties: the tokenizers library uses float64, SentencePiece float32.
type viterbi[F float32 | float64] struct {
	trie     *trie     // the tokens
	scores   []float64 // by id
	unk      int32     // the token of a character that no token covers alone
	unkScore F
	scratch  sync.Pool // of *[]bestPath[F]
}

// unkPenalty is how far an unknown character scores below the worst token.
const unkPenalty = 10.0

// bestPath is the best way to reach a byte of the text: the score up to there, and the last token.
type bestPath[F float32 | float64] struct {
	score F
	start int32 // of the last token, or -1: not reached
	id    int32
}

// offer takes a path if it is the first one or a better one.
func (p *bestPath[F]) offer(score float64, start int, id int32) {
	if p.start < 0 || score > float64(p.score) {
		*p = bestPath[F]{F(score), int32(start), id}
	}
}

// cut appends the best tokens of s. Each unknown character is a token by itself.
func (v *viterbi[F]) cut(dst []tok, s string) []tok {
	scratch, _ := v.scratch.Get().(*[]bestPath[F])
	if scratch == nil {
		scratch = new([]bestPath[F])
	}
	defer v.scratch.Put(scratch)
	best := v.paths((*scratch)[:0], s)
	*scratch = best
	n := len(dst)
	for end := len(s); end > 0; end = int(best[end].start) {
		dst = append(dst, tok{})
	}
	for i, end := len(dst)-1, int32(len(s)); i >= n; i-- {
		dst[i] = tok{best[end].id, best[end].start, end}
		end = best[end].start
	}
	return dst
}

// paths finds the best path to the end of every character of s, and to every other byte where a token ends.
func (v *viterbi[F]) paths(best []bestPath[F], s string) []bestPath[F] {
	for range len(s) + 1 {
		best = append(best, bestPath[F]{start: -1})
	}
	for at := 0; at < len(s); {
		width := charclass.RuneLen(s[at:])
		here, single := best[at].score, false
		node := int32(0)
		for i := at; i < len(s); i++ {
			if node = v.trie.next(node, s[i]); node < 0 {
				break
			}
			id := v.trie.value[node]
			if id < 0 {
				continue
			}
			best[i+1].offer(float64(here)+v.scores[id], at, id)
			single = single || i+1-at == width
		}
		if !single {
			best[at+width].offer(float64(here+v.unkScore), at, v.unk)
		}
		at += width
	}
	return best
}
