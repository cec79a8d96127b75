package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// Forward implements Host. With a cache, whose sources have been encoded, the batch is tokens of the targets.
func (m *bart) Forward(t *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	if cache != nil {
		return m.decode(t, nil, b.IDs, b.bounds(), b, cache)
	}
	ids, bounds := m.inputs(b)
	return m.decode(t, m.encode(t, b), ids, bounds, b, nil)
}

// inputs are the tokens that the decoder reads: the targets, or where there are none the sources, each a place on behind
// the token that a decoder starts with.
func (m *bart) inputs(b *Batch) (ids []int32, bounds []int) {
	from, bounds := b.IDs, b.bounds()
	if m.Stands.Kind == head.Seq2SeqLM && b.Labels != nil {
		from, bounds = b.Labels, b.targetBounds()
	}
	ids = make([]int32, len(from))
	for d := range len(bounds) - 1 {
		doc, in := from[bounds[d]:bounds[d+1]], ids[bounds[d]:bounds[d+1]]
		in[0] = m.first(doc)
		for i := range len(doc) - 1 {
			in[i+1] = m.padded(doc[i])
		}
	}
	return ids, bounds
}

// first is what the decoder reads first: mBART the target's last token, its language, and the others a token of their own.
func (m *bart) first(target []int32) int32 {
	if m.rotates {
		return target[len(target)-1]
	}
	if m.c.ModelType != "mbart" {
		return *m.c.DecoderStartTokenID
	}
	n := 0
	for _, id := range target {
		if m.padded(id) != *m.c.PadTokenID {
			n++
		}
	}
	return m.padded(target[max(0, n-1)])
}

// padded is a label as the decoder reads it.
func (m *bart) padded(id int32) int32 {
	if id == head.IgnoreIndex {
		return *m.c.PadTokenID
	}
	return id
}

// encode returns the encoder's states, [tokens of the sources, hidden].
func (m *bart) encode(t *op.Pass, b *Batch) mat.Tensor {
	s, bounds := m.Encoder, b.bounds()
	shape := s.shape
	shape.Visible = b.AttentionLengths
	x := m.embed(t, s, nil, b.IDs, bounds, nil)
	for _, l := range s.Layers {
		x = op.Checkpoint(t, x, trained(t, l), func(t *op.Pass, x mat.Tensor) mat.Tensor {
			return m.wide(t, l, m.attend(t, shape, l, x, bounds, nil))
		})
	}
	return m.last(t, s, x)
}

// decode returns the decoder's states. It sees memory, the encoder's states of the batch b, or with a cache what is kept
// of them there.
func (m *bart) decode(t *op.Pass, memory mat.Tensor, ids []int32, bounds []int, b *Batch, cache *Cache) mat.Tensor {
	s := m.Decoder
	kept := memory
	x := m.embed(t, s, memory, ids, bounds, cache)
	for i, l := range s.Layers {
		if memory != nil {
			memory = op.Tee(t, memory)
		}
		x = op.CheckpointWith(t, x, memory, trained(t, l), func(t *op.Pass, x, memory mat.Tensor) mat.Tensor {
			x = m.attend(t, s.shape, l, x, bounds, cache.layer(i))
			x = m.half(t, l.CrossNorm, x, func(h, residual mat.Tensor) mat.Tensor {
				return m.look(t, l, h, residual, memory, bounds, b, cache.source(i))
			})
			return m.wide(t, l, x)
		})
	}
	if kept != nil {
		t.Done(kept)
	}
	return m.last(t, s, x)
}

// embed sums the words' and positions' vectors of a stack; a decoder's positions go on behind its cache.
func (m *bart) embed(t *op.Pass, s *bartStack, memory mat.Tensor, ids []int32, bounds []int, cache *Cache) mat.Tensor {
	positions := make([]int32, len(ids))
	for d := range len(bounds) - 1 {
		at := m.c.offset()
		if cache != nil {
			at += cache.Len(d)
		}
		for i := bounds[d]; i < bounds[d+1]; i++ {
			positions[i] = int32(at + i - bounds[d])
		}
	}
	words := op.EmbeddingPart{IDs: ids, Table: s.Words.Source(t.Adapter), Param: s.Words.Param(t.Adapter), Scale: m.c.scale,
		Padding: []int32{*m.c.PadTokenID}}
	places := op.EmbeddingPart{IDs: positions, Table: s.Positions.Source(t.Adapter), Param: s.Positions.Param(t.Adapter)}
	if m.places != nil {
		places.Table = m.places
	}
	var x mat.Tensor
	if memory != nil {
		x = op.EmbeddingAhead(t, memory, words, places)
	} else {
		x = op.EmbeddingSum(t, words, places)
	}
	if s.EmbeddingNorm == nil {
		return x
	}
	y := s.EmbeddingNorm.apply(t, x)
	t.Done(x)
	return y
}

// last is the norm behind the last layer.
func (m *bart) last(t *op.Pass, s *bartStack, x mat.Tensor) mat.Tensor {
	if s.Norm == nil {
		return x
	}
	y := s.Norm.apply(t, x)
	t.Done(x)
	return y
}

// half is a part f of a layer with its norm: f(norm(x)) + x where norms come first, else norm(f(x) + x). f adds the
// residual itself.
func (m *bart) half(t *op.Pass, norm *LayerNorm, x mat.Tensor, f func(h, residual mat.Tensor) mat.Tensor) mat.Tensor {
	if m.c.pre {
		h := norm.apply(t, x)
		y := f(h, x)
		t.Drop(h)
		t.Done(x)
		return y
	}
	s := f(x, x)
	t.Done(x)
	y := norm.apply(t, s)
	t.Done(s)
	return y
}

// attend is self-attention.
func (m *bart) attend(t *op.Pass, shape op.AttentionShape, l *bartLayer, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	return m.half(t, l.SelfNorm, x, func(h, residual mat.Tensor) mat.Tensor {
		qkv := op.Linear(t, h, nil, l.Self.Query, l.Self.Key, l.Self.Value)
		a := op.Attention(t, qkv, bounds, nil, shape, cache)
		t.Done(qkv)
		y := op.Linear(t, a, residual, l.Self.Output)
		t.Done(a)
		return y
	})
}

// look is attention to the source.
func (m *bart) look(t *op.Pass, l *bartLayer, h, residual, memory mat.Tensor, bounds []int, b *Batch, cache []*op.KV) mat.Tensor {
	q := op.Linear(t, h, nil, l.Cross.Query)
	var a mat.Tensor
	if cache != nil {
		a = op.CachedCrossAttention(t, q, bounds, m.Decoder.shape, cache)
	} else {
		kv := op.Linear(t, memory, nil, l.Cross.Key, l.Cross.Value)
		shape := m.Decoder.shape
		shape.Visible = b.AttentionLengths
		a = op.CrossAttention(t, q, kv, bounds, b.bounds(), shape)
		t.Done(kv)
	}
	t.Done(q)
	y := op.Linear(t, a, residual, l.Cross.Output)
	t.Done(a)
	return y
}

// wide is the feed-forward part.
func (m *bart) wide(t *op.Pass, l *bartLayer, x mat.Tensor) mat.Tensor {
	return m.half(t, l.Norm, x, func(h, residual mat.Tensor) mat.Tensor {
		u := op.Linear(t, h, nil, l.Up)
		g := op.Activate(t, u, m.c.act)
		t.Done(u)
		if m.c.pre {
			t.Last()
		}
		y := op.Linear(t, g, residual, l.Down)
		t.Drop(g)
		return y
	})
}

// remember keeps the keys and values of sources in the cache, for every layer of the decoder.
func (m *bart) remember(t *op.Pass, b *Batch, cache *Cache) {
	memory := m.encode(t, b)
	for i, l := range m.Decoder.Layers {
		kv := op.Linear(t, memory, nil, l.Cross.Key, l.Cross.Value)
		cache.sources[i] = append(cache.sources[i], op.NewKV(kv, b.bounds(), m.Decoder.shape)...)
		t.Done(kv)
	}
}

// depth is the number of the decoder's layers.
func (m *bart) depth() int { return len(m.Decoder.Layers) }

// start is the token that the decoder begins with, or nil where the target decides.
func (m *bart) start() *int32 { return m.c.DecoderStartTokenID }
