package op

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/tensor"
)

// KV is the key-value cache of a document in a layer: rotated keys, and values, [kv head][position][head dim]. The zero value
// is empty.
type KV struct {
	// Len is the number of tokens. It may be set to less; where Bounded, only to 0.
	Len int
	// Bounded lets attention with a window forget the tokens that no later query sees: what is kept is at most
	// Window+WindowChunk tokens, but for those of a pass while it runs. GatedDelta keeps those of its convolution.
	Bounded bool

	first, cap int // the first position that is kept; how many there is room for
	k, v       []float32
	// Of GatedDelta: what it has read of each token, and the state after stateLen tokens.
	rows, state []float32
	stateLen    int
}

// WindowChunk is how many tokens a bounded cache lets come before it moves those of the window to its beginning.
const WindowChunk = 64

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
	c.makeRoom(x.Rows, s)
	dim := s.HeadDim
	for i := range x.Rows {
		row := x.Row(i)[col:]
		for h := range s.KVHeads {
			at := (h*c.cap + c.kept() + i) * dim
			copy(c.k[at:at+dim], row[h*dim:])
			copy(c.v[at:at+dim], row[(s.KVHeads+h)*dim:])
		}
	}
	c.Len += x.Rows
}

// kept is the number of tokens whose keys and values are there.
func (c *KV) kept() int { return c.Len - c.first }

// forgets says whether the cache forgets tokens in attention of that shape.
func (c *KV) forgets(s AttentionShape) bool { return c.Bounded && s.Window > 0 && !s.Bidirectional }

// makeRoom makes room for n more positions.
func (c *KV) makeRoom(n int, s AttentionShape) {
	c.first = min(c.first, c.Len) // Len may have been set to 0
	if c.kept()+n <= c.cap {
		return
	}
	forgotten, room := 0, max(min(2*c.cap, c.cap+1024), 64)
	if c.forgets(s) {
		forgotten, room = max(0, c.kept()-s.Window+1), min(room, s.Window+WindowChunk)
	}
	c.move(forgotten, max(room, c.kept()-forgotten+n), s)
}

// trim forgets what no later query sees, where that is more than a chunk.
func (c *KV) trim(s AttentionShape) {
	if room := s.Window + WindowChunk; c.forgets(s) && c.cap > room {
		c.move(max(0, c.kept()-s.Window+1), room, s)
	}
}

// move forgets the first of the positions, and makes room for that many in all.
func (c *KV) move(forgotten, room int, s AttentionShape) {
	from, n, dim := c.cap, c.kept()-forgotten, s.HeadDim
	move := func(old []float32) []float32 {
		b := old
		if room != from {
			b = make([]float32, s.KVHeads*room*dim)
		}
		for h := range s.KVHeads {
			copy(b[h*room*dim:], old[(h*from+forgotten)*dim:(h*from+forgotten+n)*dim])
		}
		return b
	}
	c.k, c.v, c.first, c.cap = move(c.k), move(c.v), c.first+forgotten, room
}

// Copy returns a copy of the cache.
func (c *KV) Copy() *KV {
	return &KV{Len: c.Len, Bounded: c.Bounded, first: c.first, cap: c.cap, k: slices.Clone(c.k), v: slices.Clone(c.v), rows: slices.Clone(c.rows),
		state: slices.Clone(c.state), stateLen: c.stateLen}
}

// Bytes is the memory that the keys and values take.
func (c *KV) Bytes() int { return 4 * (len(c.k) + len(c.v) + len(c.rows) + len(c.state)) }

func (c *KV) keys(h, dim int) tensor.Matrix {
	return tensor.View(c.k[h*c.cap*dim:][:c.kept()*dim], c.kept(), dim)
}

func (c *KV) values(h, dim int) tensor.Matrix {
	return tensor.View(c.v[h*c.cap*dim:][:c.kept()*dim], c.kept(), dim)
}
