package tokenizer

import "math"

// newSPMUnigram makes the cutter of a Unigram model. Like SentencePiece, it looks at the whole text at once, and keeps
// sums in float32.
func newSPMUnigram(f *spmFile, unk int32) *viterbi[float32] {
	m := &viterbi[float32]{trie: newTrie(4 * len(f.pieces)), scores: make([]float64, len(f.pieces)), unk: unk}
	worst, best := float32(math.MaxFloat32), float32(0x1p-126) // the largest and the smallest normal float32
	for _, p := range f.pieces {
		if p.kind == normalPiece {
			worst, best = min(worst, p.score), max(best, p.score)
		}
	}
	m.unkScore = worst - unkPenalty
	for i, p := range f.pieces {
		m.scores[i] = float64(p.score)
		if p.kind == userDefinedPiece { // better than anything it could be cut into
			m.scores[i] = float64(float32(len(p.text))*best) - 0.1
		}
		if p.kind.inText() {
			m.trie.put(p.text, int32(i))
		}
	}
	return m
}
