package model

import (
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// PoolerOutput returns the output of BERT's pooler, a dense layer followed by tanh, for the first token of every document,
// [documents, hidden]. The model must be a BERT for feature extraction whose checkpoint has a pooler. The result is valid
// until p is released.
func (m *Model) PoolerOutput(p *op.Pass, b *Batch) (tensor.Matrix, error) {
	pooler, err := m.pooler()
	if err != nil {
		return tensor.Matrix{}, fmt.Errorf("model: %w", err)
	}
	if err := b.check(m.Config()); err != nil {
		return tensor.Matrix{}, err
	}
	x := m.Forward(p, b, nil)
	bounds := b.Bounds()
	y := op.Linear(p, op.Gather(p, x, bounds[:len(bounds)-1]), pooler)
	return op.Matrix(op.Activate(p, y, op.Tanh)), nil
}

// pooler is BERT's pooler. No adapter can be attached to it.
func (m *Model) pooler() (*Linear, error) {
	if _, ok := m.Backbone.(*bert); !ok || m.Head().Kind != head.FeatureExtraction {
		return nil, notSupported("a model for %s (%T) has no pooler of its own; a BERT for %s has", m.Head().Kind, m.Backbone, head.FeatureExtraction)
	}
	n := m.Config().HiddenSize
	l := NewLinear(n, n, true)
	l.Weight.Name, l.Bias.Name = poolerPath+".weight", poolerPath+".bias"
	for _, w := range []*Weight{l.Weight, l.Bias} {
		src, err := m.extraSource(w)
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

// poolerPath is the path of BERT's pooler. It is part of the head for sequence classification.
const poolerPath = "pooler.dense"
