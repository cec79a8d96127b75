package infer

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
)

// Probes are batches on which two versions of a model are compared: random tokens in two documents, a few more on their own
// (an adapter is applied to few tokens in another way than to many), and a sentence where the folder has a tokenizer.
func (s *Session) Probes() ([]*model.Batch, error) {
	m := s.Model
	n := min(32, m.Config().MaxPositionEmbeddings)
	r := rand.New(rand.NewPCG(1, 1))
	ids := make([]int32, 2*n+min(8, n))
	for i := range ids {
		ids[i] = int32(r.IntN(m.Config().VocabSize))
	}
	for _, doc := range [][]int32{ids[:n], ids[n : 2*n], ids[2*n:]} {
		m.Head().EndDocument(doc)
	}
	all := []*model.Batch{{IDs: ids[:2*n], CuSeqLens: []int{0, n, 2 * n}}, {IDs: ids[2*n:]}}
	if m.Head().Kind == head.Seq2SeqLM {
		vocab, _ := m.Head().Out.Dims()
		for _, b := range all {
			for _, id := range b.IDs {
				b.Labels = append(b.Labels, id%int32(vocab))
			}
			b.TargetCuSeqLens = b.CuSeqLens
		}
		return all, nil
	}
	if _, err := os.Stat(filepath.Join(m.Dir, "tokenizer.json")); err != nil {
		return all, nil
	}
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	text := tok.Encode("The sea is a vast body of water that covers most of the Earth, and it has 3 names.", true)
	text = text[:min(len(text), m.Config().MaxPositionEmbeddings)]
	m.Head().EndDocument(text)
	return append(all, &model.Batch{IDs: text}), nil
}

// LogitChange says how far two versions of a model are apart.
type LogitChange struct {
	// Largest is the largest difference of a logit between the two, Scale the largest logit there.
	Largest float64 `json:"largest_logit_change"`
	Scale   float64 `json:"largest_logit"`
	// SameGreedy of Tokens next tokens are the same when the most likely one is taken.
	SameGreedy int `json:"same_greedy_tokens"`
	Tokens     int `json:"tokens"`
}

// CompareLogits compares the logits of two versions, row by row.
func CompareLogits(before, after [][]float32) LogitChange {
	var c LogitChange
	for i, a := range before {
		b := after[i]
		c.Tokens++
		if numeric.Argmax(a) == numeric.Argmax(b) {
			c.SameGreedy++
		}
		for j := range a {
			c.Largest = math.Max(c.Largest, math.Abs(float64(a[j])-float64(b[j])))
			c.Scale = math.Max(c.Scale, math.Abs(float64(a[j])))
		}
	}
	return c
}
