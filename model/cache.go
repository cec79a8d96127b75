package model

import "github.com/spagotune/spagotune/op"

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

// Repeat is a new cache of n documents that each begin as document d, which stays as it is.
func (c *Cache) Repeat(d, n int) *Cache {
	f := &Cache{layers: make([][]*op.KV, len(c.layers))}
	for i, l := range c.layers {
		for range n {
			f.layers[i] = append(f.layers[i], l[d].Copy())
		}
	}
	return f
}

// Crop drops the tokens of document d from place n on.
func (c *Cache) Crop(d, n int) {
	for _, l := range c.layers {
		l[d].Len = min(l[d].Len, n)
	}
}

// Select is the named documents of the cache, in that order; what is computed with it lands in the cache itself.
func (c *Cache) Select(documents []int) *Cache {
	v := &Cache{layers: append([][]*op.KV(nil), c.layers...)}
	v.Reorder(documents)
	return v
}

// Bytes is the memory of document d.
func (c *Cache) Bytes(d int) int {
	n := 0
	for _, l := range c.layers {
		n += l[d].Bytes()
	}
	return n
}
