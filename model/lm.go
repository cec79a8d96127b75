package model

import (
	"errors"
	"fmt"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// Cache is what generation keeps of the tokens so far: keys and values by layer and document.
type Cache struct {
	layers  [][]*op.KV
	sources [][]*op.KV // of a sequence-to-sequence model: those of the sources, which do not change
}

// NewCache makes an empty cache for that many documents.
func (m *Model) NewCache(documents int) *Cache {
	c := &Cache{layers: make([][]*op.KV, m.Config().NumHiddenLayers)}
	if s, ok := m.Backbone.(seq2seq); ok {
		c.layers, c.sources = make([][]*op.KV, s.depth()), make([][]*op.KV, s.depth())
	}
	for i := range c.layers {
		for range documents {
			c.layers[i] = append(c.layers[i], &op.KV{})
		}
	}
	return c
}

// Len is how many tokens of document d are cached.
func (c *Cache) Len(d int) int { return c.layers[0][d].Len }

// Reorder drops all but the named documents, in that order. One that is named again is copied: both go on by themselves.
func (c *Cache) Reorder(documents []int) {
	for i, l := range c.layers {
		kept, seen := make([]*op.KV, len(documents)), map[int]bool{}
		for j, d := range documents {
			if kept[j] = l[d]; seen[d] {
				kept[j] = l[d].Copy()
			}
			seen[d] = true
		}
		c.layers[i] = kept
	}
	for i, l := range c.sources {
		kept := make([]*op.KV, len(documents))
		for j, d := range documents {
			kept[j] = l[d]
		}
		c.sources[i] = kept
	}
}

// part is the cache of documents from to to-1, which share their memory with it.
func (c *Cache) part(from, to int) *Cache {
	p := &Cache{}
	for _, l := range c.layers {
		p.layers = append(p.layers, l[from:to])
	}
	for _, l := range c.sources {
		p.sources = append(p.sources, l[from:to])
	}
	return p
}

func (c *Cache) Layer(i int) []*op.KV {
	if c == nil {
		return nil
	}
	return c.layers[i]
}

func (c *Cache) Source(i int) []*op.KV {
	if c == nil {
		return nil
	}
	return c.sources[i]
}

// check says what is wrong with a batch for the model.
func (m *Model) check(b *Batch, cache *Cache) error {
	sizes := m.Config()
	if s, ok := m.Backbone.(seq2seq); ok {
		if cache == nil {
			return m.checkSources(s, b)
		}
		if len(cache.sources[0]) != len(cache.layers[0]) {
			return fmt.Errorf("model: the cache holds %d sources for %d documents; Encode reads them", len(cache.sources[0]), len(cache.layers[0]))
		}
		if m.Head().Out != nil {
			sizes.VocabSize, _ = m.Head().Out.Dims()
		}
	}
	return b.check(sizes)
}

// Loss returns the losses of everything in a batch that the model's head is scored by, as [scored, 1]; for a causal
// model in the order of Batch.Scored.
func (m *Model) Loss(t *op.Pass, b *Batch) (mat.Tensor, error) {
	h := m.Head()
	s := objectives[h.Kind]
	if err := m.check(b, nil); err != nil {
		return nil, err
	}
	if err := s.check(h, b); err != nil {
		return nil, err
	}
	if len(b.FloatLabels) == 0 && h.Kind != head.FeatureExtraction && countScored(b.Labels) == 0 {
		return nil, errors.New("model: nothing in the batch is scored")
	}
	return s.loss(t, h, m.Forward(t, b, nil), b), nil
}

// Scored counts the losses of a document with such labels and values.
func (m *Model) Scored(labels []int32, values []float32) int {
	return objectives[m.Head().Kind].scored(labels, values)
}

// Logits returns the outputs of the model's head: for sequence classification one row a document, [documents, labels];
// else those of the given rows of the batch, [len(rows), outputs]; nil is all rows. For Embedding they are the documents'
// vectors. With a cache the batch continues the cached documents. The result is valid until t is released.
func (m *Model) Logits(t *op.Pass, b *Batch, rows []int, cache *Cache) (tensor.Matrix, error) {
	h := m.Head()
	if err := m.check(b, cache); err != nil {
		return tensor.Matrix{}, err
	}
	if err := h.checkPooling(b); err != nil {
		return tensor.Matrix{}, err
	}
	x := m.Forward(t, b, cache)
	if h.Out == nil {
		return op.Matrix(h.pool(t, x, b.Bounds())), nil
	}
	if own := objectives[h.Kind].rows(h, b); own != nil {
		rows = own
	}
	return op.Matrix(h.project(t, x, rows)), nil
}
