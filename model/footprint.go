package model

import (
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// Footprint is what passes hold of a token, in float32 values, beside the weights.
type Footprint struct {
	// Kept is what all layers keep for the backward pass, Backward the most that it holds besides.
	Kept, Backward int
	// Results is what they keep where layers are run again (op.Pass.Checkpointing), Again the most that a layer then holds
	// besides.
	Results, Again int
	// Forward is the most that a layer holds where no backward pass follows.
	Forward int
	// Hidden is a hidden state, Head what the head's loss holds at most.
	Hidden, Head int
	// Widest is the widest input or output of a linear layer.
	Widest int
}

// Training is what a micro-batch holds at its peak: after the head's loss, or in the backward pass of a layer; checkpointing
// says that layers are run again.
func (f Footprint) Training(checkpointing bool) int {
	if checkpointing {
		return f.Results + f.Hidden + max(f.Again, f.Head)
	}
	return f.Kept + f.Hidden + max(f.Backward, f.Head)
}

// Footprint works out what passes with the named adapter hold. It computes nothing, so the weights need not be there.
func (m *Model) Footprint(adapter string) Footprint {
	n := min(64, m.Config().MaxPositionEmbeddings)
	b := &Batch{IDs: make([]int32, n)}
	tokens := n
	if m.Head().Kind == head.Seq2SeqLM {
		b.Labels = make([]int32, n)
		tokens += n
	}
	f := Footprint{Hidden: m.Config().HiddenSize}
	f.Head = 4*f.Hidden + min(m.Config().VocabSize, op.VocabTile)
	for _, l := range op.Footprints(func(p *op.Pass) {
		p.Adapter = adapter
		m.Forward(p, b, nil)
	}) {
		f.Kept += l.Kept
		f.Results += l.Result
		f.Backward, f.Again, f.Forward = max(f.Backward, l.Backward), max(f.Again, l.Again), max(f.Forward, l.Forward)
	}
	for _, v := range []*int{&f.Kept, &f.Backward, &f.Results, &f.Again, &f.Forward} {
		*v = (*v + tokens - 1) / tokens
	}
	m.Linears(func(l *Linear) {
		if l != m.Head().Out {
			out, in := l.Dims()
			f.Widest = max(f.Widest, out, in)
		}
	})
	return f
}
