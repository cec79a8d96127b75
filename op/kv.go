package op

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// KV is the key-value cache of a document in a layer: rotated keys, and values, [kv head][position][head dim]. The zero value
// is empty.
type KV struct {
	// Len is the number of tokens. It may be set to less.
	Len  int
	cap  int
	k, v []float32
	// Of GatedDelta: what it has read of each token, and the state after stateLen tokens.
	rows, state []float32
	stateLen    int
}

// NewKV keeps the keys and values of sources for CachedCrossAttention, a KV for each document; kv and sources are as for
// CrossAttention.
func NewKV(kv mat.Tensor, sources []int, s AttentionShape) []*KV {
	x := Matrix(kv)
	cache := make([]*KV, len(sources)-1)
	for d := range cache {
		cache[d] = &KV{}
		cache[d].add(x.Slice(sources[d], 0, sources[d+1]-sources[d], x.Cols), 0, s)
	}
	return cache
}

// add appends the keys and values of x. Keys begin at column col, and values follow.
func (c *KV) add(x tensor.Matrix, col int, s AttentionShape) {
	c.grow(c.Len+x.Rows, s)
	dim := s.HeadDim
	for i := range x.Rows {
		row := x.Row(i)[col:]
		for h := range s.KVHeads {
			at := (h*c.cap + c.Len + i) * dim
			copy(c.k[at:at+dim], row[h*dim:])
			copy(c.v[at:at+dim], row[(s.KVHeads+h)*dim:])
		}
	}
	c.Len += x.Rows
}

// grow makes room for n positions.
func (c *KV) grow(n int, s AttentionShape) {
	if n <= c.cap {
		return
	}
	room := max(n, min(2*c.cap, c.cap+1024), 64)
	move := func(old []float32) []float32 {
		b := make([]float32, s.KVHeads*room*s.HeadDim)
		for h := range s.KVHeads {
			copy(b[h*room*s.HeadDim:], old[h*c.cap*s.HeadDim:h*c.cap*s.HeadDim+c.Len*s.HeadDim])
		}
		return b
	}
	c.k, c.v, c.cap = move(c.k), move(c.v), room
}

// Copy returns a copy of the cache.
func (c *KV) Copy() *KV {
	return &KV{Len: c.Len, cap: c.cap, k: slices.Clone(c.k), v: slices.Clone(c.v), rows: slices.Clone(c.rows),
		state: slices.Clone(c.state), stateLen: c.stateLen}
}

// Bytes is the memory that the keys and values take.
func (c *KV) Bytes() int { return 4 * (len(c.k) + len(c.v) + len(c.rows) + len(c.state)) }

func (c *KV) keys(h, dim int) tensor.Matrix {
	return tensor.View(c.k[h*c.cap*dim:][:c.Len*dim], c.Len, dim)
}

func (c *KV) values(h, dim int) tensor.Matrix {
	return tensor.View(c.v[h*c.cap*dim:][:c.Len*dim], c.Len, dim)
}
