package infer

import (
	"io/fs"
	"math"
	"math/rand/v2"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
)

// Probes returns batches on which two versions of a model are compared: two documents of random tokens, a short one (an
// adapter is applied to few tokens by another path than to many), and a sentence if the model's folder has a tokenizer.
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
	if _, err := fs.Stat(m.Files(), "tokenizer.json"); err != nil {
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

// LogitChange says how much the logits of two versions of a model differ.
type LogitChange struct {
	// Largest is the largest absolute difference of a logit, Scale the largest absolute logit of the first version.
	Largest float64 `json:"largest_logit_change"`
	Scale   float64 `json:"largest_logit"`
	// SameGreedy is at how many of Tokens positions both have the same most likely token.
	SameGreedy int `json:"same_greedy_tokens"`
	Tokens     int `json:"tokens"`
}

// CompareLogits compares the logits of two versions of a model, row by row.
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
