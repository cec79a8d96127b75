package model

import (
	"errors"
	"fmt"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

func init() {
	objectives[head.CausalLM] = causalLM{}
	objectives[head.MaskedLM] = tokenLM{}
	objectives[head.Seq2SeqLM] = tokenLM{}
}

// lmLoss is the cross-entropy of rows of x over the vocabulary.
func lmLoss(p *op.Pass, h *Head, x mat.Tensor, rows []int, targets []int32) mat.Tensor {
	o, a := h.Out, p.Adapter
	if o.Adapter(a) != nil || h.SoftCap > 0 {
		return op.CrossEntropy(p, h.project(p, x, rows), targets)
	}
	if h.Dense != nil || h.Norm != nil || h.LogitScale != 0 {
		x = h.states(p, x, rows)
		rows = every(len(targets))
	}
	var bias *nn.Param
	if o.Bias != nil {
		bias = o.Bias.Param(a)
	}
	return op.FusedLinearCrossEntropy(p, x, rows, targets, o.Weight.Source(a), o.Weight.Param(a), o.Bias.Vector(a), bias)
}

func every(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// checkVocabulary says which label is not a token.
func checkVocabulary(h *Head, b *Batch) error {
	vocab, _ := h.Out.Dims()
	for i, id := range b.Labels {
		if id != head.IgnoreIndex && (id < 0 || int(id) >= vocab) {
			return fmt.Errorf("model: token %d has label %d; the vocabulary ends at %d", i, id, vocab-1)
		}
	}
	return nil
}

// causalLM predicts every token from those before it.
type causalLM struct{}

func (causalLM) scored(labels []int32, _ []float32) int {
	return countScored(labels[min(1, len(labels)):])
}

func (causalLM) check(h *Head, b *Batch) error {
	if err := b.perToken(); err != nil {
		return err
	}
	if rows, _ := b.Scored(); len(rows) == 0 {
		return errors.New("model: no token of the batch is scored")
	}
	return checkVocabulary(h, b)
}

func (causalLM) loss(p *op.Pass, h *Head, x mat.Tensor, b *Batch) mat.Tensor {
	rows, targets := b.Scored()
	return lmLoss(p, h, x, rows, targets)
}

// tokenLM predicts each labelled token from the hidden state at its position: in a masked model, and in a decoder, which has
// a hidden state for each label.
type tokenLM struct{}

func (tokenLM) scored(labels []int32, _ []float32) int { return countScored(labels) }

func (tokenLM) check(h *Head, b *Batch) error {
	if h.Kind == head.MaskedLM {
		if err := b.perToken(); err != nil {
			return err
		}
	}
	return checkVocabulary(h, b)
}

func (tokenLM) loss(p *op.Pass, h *Head, x mat.Tensor, b *Batch) mat.Tensor {
	rows, targets := labelled(b.Labels)
	return lmLoss(p, h, x, rows, targets)
}

// labelled lists the labels that are scored, and their rows.
func labelled(labels []int32) (rows []int, targets []int32) {
	for i, l := range labels {
		if l != head.IgnoreIndex {
			rows, targets = append(rows, i), append(targets, l)
		}
	}
	return rows, targets
}

func countScored(labels []int32) int {
	n := 0
	for _, l := range labels {
		if l != head.IgnoreIndex {
			n++
		}
	}
	return n
}
