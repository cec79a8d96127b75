package op

import "slices"

// Copy is a cache of its own with the same keys and values.
func (c *KV) Copy() *KV {
	return &KV{Len: c.Len, cap: c.cap, k: slices.Clone(c.k), v: slices.Clone(c.v)}
}

// Bytes is the memory behind the keys and values.
func (c *KV) Bytes() int { return 4 * (len(c.k) + len(c.v)) }
