package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/gemm"
	"github.com/spagotune/spagotune/internal/op"
)

// Cache is what generation keeps of the tokens so far: keys and values by layer and document.
type Cache struct {
	layers [][]*op.KV
}

// NewCache makes an empty cache for that many documents.
func (m *Model) NewCache(documents int) *Cache {
	c := &Cache{layers: make([][]*op.KV, m.Sizes().Layers)}
	for i := range c.layers {
		for range documents {
			c.layers[i] = append(c.layers[i], &op.KV{})
		}
	}
	return c
}

// Len is how many tokens of document d are cached.
func (c *Cache) Len(d int) int { return c.layers[0][d].Len }

// Keep drops all but the named documents, in that order.
func (c *Cache) Keep(documents []int) {
	for i, l := range c.layers {
		kept := make([]*op.KV, len(documents))
		for j, d := range documents {
			kept[j] = l[d]
		}
		c.layers[i] = kept
	}
}

func (c *Cache) layer(i int) []*op.KV {
	if c == nil {
		return nil
	}
	return c.layers[i]
}

// Loss returns the cross-entropy of every scored token of a causal batch as [scored, 1], in the order of Batch.Scored.
func (m *Model) Loss(t *op.Tape, b *Batch) (mat.Tensor, error) {
	if err := b.check(m.Sizes().Vocab, m.Sizes().Positions); err != nil {
		return nil, err
	}
	rows, targets := b.Scored()
	h := m.Forward(t, b, nil)
	head := m.LMHead()
	if head.Adapter(t.Adapter) == nil {
		return op.HeadLoss(t, h, rows, targets, head.Weight.Source(t.Adapter), head.Weight.Param(t.Adapter)), nil
	}
	logits := op.Linear(t, op.Rows(t, h, rows), nil, head)
	return op.CrossEntropy(t, logits, targets), nil
}

// Logits returns the logits of the given rows of a batch as [len(rows), vocabulary]; nil is all rows. With a cache the
// batch continues the cached documents. The result is valid until t is released.
func (m *Model) Logits(t *op.Tape, b *Batch, rows []int, cache *Cache) (gemm.Mat, error) {
	positions := m.Sizes().Positions
	if err := b.check(m.Sizes().Vocab, positions); err != nil {
		return gemm.Mat{}, err
	}
	h := m.Forward(t, b, cache)
	if rows != nil {
		g := op.Rows(t, h, rows)
		t.Done(h)
		h = g
	}
	y := op.Linear(t, h, nil, m.LMHead())
	t.Done(h)
	return op.Mat(y), nil
}
