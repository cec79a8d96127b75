package model

import "github.com/spagotune/spagotune/op"

// Cache holds the keys and values of the tokens so far, for each layer and document.
type Cache struct {
	layers  [][]*op.KV
	sources [][]*op.KV // in a sequence-to-sequence model: those of the sources, which do not change
}

// NewCache makes an empty cache for that many documents.
func (m *Model) NewCache(documents int) *Cache { return m.newCache(documents, false) }

// newCache makes an empty cache. Where it is bounded, layers with a window forget what no later token sees (op.KV), and Crop takes
// only 0.
func (m *Model) newCache(documents int, bounded bool) *Cache {
	c := &Cache{layers: make([][]*op.KV, m.Config().NumHiddenLayers)}
	if s, ok := m.Backbone.(EncoderDecoder); ok {
		n := s.NumDecoderLayers()
		c.layers, c.sources = make([][]*op.KV, n), make([][]*op.KV, n)
	}
	for i := range c.layers {
		for range documents {
			c.layers[i] = append(c.layers[i], &op.KV{Bounded: bounded})
		}
	}
	return c
}

// Len is the number of cached tokens of document d.
func (c *Cache) Len(d int) int { return c.layers[0][d].Len }

// Reorder makes the named documents, in that order, all that the cache holds. One that is named again is copied.
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

// part is a cache of documents from to to-1, which shares their memory.
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

// Layer holds the documents' keys and values in a decoder's layer i, for op.Attention; nil for a nil cache.
func (c *Cache) Layer(i int) []*op.KV {
	if c == nil {
		return nil
	}
	return c.layers[i]
}

// Source holds the sources' keys and values in a decoder's layer i, for op.CachedCrossAttention; nil for a nil cache.
func (c *Cache) Source(i int) []*op.KV {
	if c == nil {
		return nil
	}
	return c.sources[i]
}

// AddSources adds the keys and values of sources in a decoder's layer i, for the next documents without a source.
func (c *Cache) AddSources(i int, kv []*op.KV) { c.sources[i] = append(c.sources[i], kv...) }

// Repeat makes a new cache of n copies of document d.
func (c *Cache) Repeat(d, n int) *Cache {
	f := &Cache{layers: make([][]*op.KV, len(c.layers))}
	for i, l := range c.layers {
		for range n {
			f.layers[i] = append(f.layers[i], l[d].Copy())
		}
	}
	return f
}

// Crop keeps only the first n tokens of document d.
func (c *Cache) Crop(d, n int) {
	for _, l := range c.layers {
		l[d].Len = min(l[d].Len, n)
	}
}

// Select is a view of the named documents, in that order: tokens that are added to it are added to c.
func (c *Cache) Select(documents []int) *Cache {
	v := &Cache{layers: append([][]*op.KV(nil), c.layers...)}
	v.Reorder(documents)
	return v
}

// Bytes is the memory that document d takes.
func (c *Cache) Bytes(d int) int {
	n := 0
	for _, l := range c.layers {
		n += l[d].Bytes()
	}
	return n
}
