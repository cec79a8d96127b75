package model

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/gemm"
	"github.com/spagotune/spagotune/internal/op"
)

// Hidden returns the last hidden states of every token of a batch, [tokens, hidden], valid until t is released.
func (m *Model) Hidden(t *op.Tape, b *Batch) (gemm.Mat, error) {
	if m.Head().Kind == Seq2SeqLM {
		return gemm.Mat{}, fmt.Errorf("model: the hidden states of a model for %s are not one a token of the text", Seq2SeqLM)
	}
	if err := b.check(m.Sizes()); err != nil {
		return gemm.Mat{}, err
	}
	return op.Mat(m.Forward(t, b, nil)), nil
}

// Pooled returns what BERT's pooler, a dense layer with tanh behind it, makes of the first token of every document,
// [documents, hidden], of a host for embeddings whose checkpoint has one. It is valid until t is released.
func (m *Model) Pooled(t *op.Tape, b *Batch) (gemm.Mat, error) {
	pooler, err := m.pooler()
	if err != nil {
		return gemm.Mat{}, fmt.Errorf("model: %w", err)
	}
	if err := b.check(m.Sizes()); err != nil {
		return gemm.Mat{}, err
	}
	x := m.Forward(t, b, nil)
	bounds := b.bounds()
	y := op.Linear(t, op.Rows(t, x, bounds[:len(bounds)-1]), nil, pooler)
	return op.Mat(op.Activate(t, y, op.Tanh)), nil
}

// pooler is BERT's pooler, on which no adapter sits.
func (m *Model) pooler() (*Linear, error) {
	if _, ok := m.Host.(*bert); !ok || m.Head().Kind != Embedding {
		return nil, fmt.Errorf("a model for %s (%T) has no pooler of its own; a BERT for %s has", m.Head().Kind, m.Host, Embedding)
	}
	n := m.Sizes().Hidden
	l := NewLinear(n, n, true)
	l.Weight.Name, l.Bias.Name = poolerPath+".weight", poolerPath+".bias"
	for _, w := range []*Weight{l.Weight, l.Bias} {
		src, err := m.outsider(w)
		if err != nil {
			return nil, err
		}
		if src == nil {
			return nil, fmt.Errorf("the checkpoint has no %s", w.Name)
		}
		w.source = src
	}
	return l, nil
}
