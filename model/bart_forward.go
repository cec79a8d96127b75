package model

import (
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/op"
)

// Forward implements Backbone. With a cache, whose sources have been encoded, the batch is tokens of the targets.
func (m *bart) Forward(p *op.Pass, b *Batch, cache *Cache) mat.Tensor {
	if cache != nil {
		return m.decode(p, nil, b.IDs, b.Bounds(), b, cache)
	}
	ids, bounds := m.inputs(b)
	return m.decode(p, m.encode(p, b), ids, bounds, b, nil)
}

// inputs are the tokens that the decoder reads: the targets, or where there are none the sources, each a place on behind
// the token that a decoder starts with.
func (m *bart) inputs(b *Batch) (ids []int32, bounds []int) {
	from, bounds := b.IDs, b.Bounds()
	if m.head.Kind == head.Seq2SeqLM && b.Labels != nil {
		from, bounds = b.Labels, b.TargetBounds()
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
func (m *bart) encode(p *op.Pass, b *Batch) mat.Tensor {
	s, bounds := m.Encoder, b.Bounds()
	shape := s.shape
	shape.Visible = b.AttentionLengths
	x := m.embed(p, s, b.IDs, bounds, nil)
	for _, l := range s.Layers {
		x = RunLayer(p, l, x, func(p *op.Pass, x mat.Tensor) mat.Tensor {
			return m.wide(p, l, m.attend(p, shape, l, x, bounds, nil))
		})
	}
	return m.last(p, s, x)
}

// decode returns the decoder's states. It sees memory, the encoder's states of the batch b, or with a cache what is kept
// of them there.
func (m *bart) decode(p *op.Pass, memory mat.Tensor, ids []int32, bounds []int, b *Batch, cache *Cache) mat.Tensor {
	s := m.Decoder
	x := m.embed(p, s, ids, bounds, cache)
	for i, l := range s.Layers {
		x = op.CheckpointWith(p, x, memory, trained(p, l), func(p *op.Pass, x, memory mat.Tensor) mat.Tensor {
			x = m.attend(p, s.shape, l, x, bounds, cache.Layer(i))
			x = m.half(p, l.CrossNorm, x, func(h mat.Tensor) mat.Tensor {
				return m.look(p, l, h, memory, bounds, b, cache.Source(i))
			})
			return m.wide(p, l, x)
		})
	}
	return m.last(p, s, x)
}

// embed sums the words' and positions' vectors of a stack; a decoder's positions go on behind its cache.
func (m *bart) embed(p *op.Pass, s *bartStack, ids []int32, bounds []int, cache *Cache) mat.Tensor {
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
	words, places := s.Words.Lookup(p, ids), s.Positions.Lookup(p, positions)
	words.Scale, words.Padding = m.c.scale, []int32{*m.c.PadTokenID}
	if m.places != nil {
		places.Table = m.places
	}
	x := op.EmbeddingSum(p, words, places)
	if s.EmbeddingNorm != nil {
		x = s.EmbeddingNorm.Forward(p, x)
	}
	return x
}

// last is the norm after the last layer.
func (m *bart) last(p *op.Pass, s *bartStack, x mat.Tensor) mat.Tensor {
	if s.Norm == nil {
		return x
	}
	return s.Norm.Forward(p, x)
}

// half is a part f of a layer with its norm and its residual: x + f(norm(x)) where norms come first, else norm(x + f(x)).
func (m *bart) half(p *op.Pass, norm *LayerNorm, x mat.Tensor, f func(h mat.Tensor) mat.Tensor) mat.Tensor {
	if m.c.pre {
		return op.Add(p, x, f(norm.Forward(p, x)))
	}
	return norm.Forward(p, op.Add(p, x, f(x)))
}

// attend is self-attention.
func (m *bart) attend(p *op.Pass, shape op.AttentionShape, l *bartLayer, x mat.Tensor, bounds []int, cache []*op.KV) mat.Tensor {
	return m.half(p, l.SelfNorm, x, func(h mat.Tensor) mat.Tensor {
		qkv := op.Linear(p, h, l.Self.Query, l.Self.Key, l.Self.Value)
		return op.Linear(p, op.Attention(p, qkv, bounds, nil, shape, cache), l.Self.Output)
	})
}

// look is attention to the source.
func (m *bart) look(p *op.Pass, l *bartLayer, h, memory mat.Tensor, bounds []int, b *Batch, cache []*op.KV) mat.Tensor {
	q := op.Linear(p, h, l.Cross.Query)
	if cache != nil {
		return op.Linear(p, op.CachedCrossAttention(p, q, bounds, m.Decoder.shape, cache), l.Cross.Output)
	}
	shape := m.Decoder.shape
	shape.Visible = b.AttentionLengths
	kv := op.Linear(p, memory, l.Cross.Key, l.Cross.Value)
	return op.Linear(p, op.CrossAttention(p, q, kv, bounds, b.Bounds(), shape), l.Cross.Output)
}

// wide is the feed-forward part.
func (m *bart) wide(p *op.Pass, l *bartLayer, x mat.Tensor) mat.Tensor {
	return m.half(p, l.Norm, x, func(h mat.Tensor) mat.Tensor { return op.MLP(p, h, m.c.act, l.Up, l.Down) })
}

// remember keeps the keys and values of sources in the cache, for every layer of the decoder.
func (m *bart) remember(p *op.Pass, b *Batch, cache *Cache) {
	memory := m.encode(p, b)
	for i, l := range m.Decoder.Layers {
		kv := op.Linear(p, memory, l.Cross.Key, l.Cross.Value)
		cache.sources[i] = append(cache.sources[i], op.NewKV(kv, b.Bounds(), m.Decoder.shape)...)
		p.Free(kv.Value().(*op.Tensor))
	}
}

// depth is the number of the decoder's layers.
func (m *bart) depth() int { return len(m.Decoder.Layers) }

// start is the token that the decoder begins with, or nil where the target decides.
func (m *bart) start() *int32 { return m.c.DecoderStartTokenID }
