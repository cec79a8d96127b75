package model

import (
	"errors"

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

// Loss returns the losses of everything in a batch that the model's head is scored by, as [scored, 1]; for a causal
// model in the order of Batch.Scored.
func (m *Model) Loss(t *op.Tape, b *Batch) (mat.Tensor, error) {
	h := m.Head()
	s := scorers[h.Kind]
	if err := b.check(m.Sizes().Vocab, m.Sizes().Positions); err != nil {
		return nil, err
	}
	if err := s.check(h, b); err != nil {
		return nil, err
	}
	if len(b.Values) == 0 && h.Kind != Embedding && countScored(b.Labels) == 0 {
		return nil, errors.New("model: nothing in the batch is scored")
	}
	return s.loss(t, h, m.Forward(t, b, nil), b), nil
}

// Scored counts the losses of a document with such labels and values.
func (m *Model) Scored(labels []int32, values []float32) int {
	return scorers[m.Head().Kind].scored(labels, values)
}

// Logits returns the outputs of the model's head: for sequence classification one row a document, [documents, labels];
// else those of the given rows of the batch, [len(rows), outputs]; nil is all rows. For Embedding they are the documents'
// vectors. With a cache the batch continues the cached documents. The result is valid until t is released.
func (m *Model) Logits(t *op.Tape, b *Batch, rows []int, cache *Cache) (gemm.Mat, error) {
	if err := b.check(m.Sizes().Vocab, m.Sizes().Positions); err != nil {
		return gemm.Mat{}, err
	}
	h := m.Head()
	x := m.Forward(t, b, cache)
	if h.Out == nil {
		return op.Mat(h.pool(t, x, b.bounds())), nil
	}
	if own := scorers[h.Kind].rows(h, b); own != nil {
		rows = own
	}
	return op.Mat(h.project(t, x, rows)), nil
}
