package model

import (
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// Footprint is the memory that passes hold for each token, in float32 values, without the weights.
type Footprint struct {
	// Kept is what all layers keep for the backward pass, Backward the most that the backward pass holds in addition.
	Kept, Backward int
	// Results and Again are the same where layers are run again (op.Pass.Checkpointing).
	Results, Again int
	// Forward is the most that a layer holds where no backward pass follows.
	Forward int
	// Hidden is the size of a hidden state, Head the most that the head's loss holds.
	Hidden, Head int
	// Widest is the widest input or output of a linear layer.
	Widest int
	// Caches are what the layers' caches hold in generation: keys and values.
	Caches []op.CacheFootprint
}

// CacheValues is how many float32 values the caches of texts hold in generation, which have that many tokens in all.
func (f Footprint) CacheValues(texts, tokens int) int {
	n := 0
	for _, c := range f.Caches {
		kept := tokens
		if c.Window > 0 {
			kept = min(tokens, texts*(c.Window+op.WindowChunk))
		}
		n += c.Values * kept
	}
	return n
}

// Training is the most that a micro-batch holds for each token: after the head's loss, or in the backward pass of a layer.
// checkpointing says that layers are run again.
func (f Footprint) Training(checkpointing bool) int {
	if checkpointing {
		return f.Results + f.Hidden + max(f.Again, f.Head)
	}
	return f.Kept + f.Hidden + max(f.Backward, f.Head)
}

// Footprint estimates what passes with the named adapter hold, with BF16 (see op.Pass) or without. It runs no operator, so a model from
// NewMeta will do.
func (m *Model) Footprint(adapter string, bf16 bool) Footprint {
	n := min(64, m.Config().MaxPositionEmbeddings)
	b := &Batch{IDs: make([]int32, n)}
	tokens := n
	if m.Head().Kind == head.Seq2SeqLM {
		b.Labels = make([]int32, n)
		tokens += n
	}
	f := Footprint{Hidden: m.Config().HiddenSize}
	f.Head = 4*f.Hidden + min(m.Config().VocabSize, op.VocabTile)
	for _, l := range op.Footprints(bf16, func(p *op.Pass) {
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
	f.Caches = op.CacheFootprints(func(p *op.Pass) { m.Forward(p, b, nil) })
	return f
}
