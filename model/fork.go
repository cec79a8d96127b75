package model

import "github.com/spagotune/spagotune/op"

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
