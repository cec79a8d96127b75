package model

import "github.com/spagotune/spagotune/head"

// inputs are the tokens that the decoder reads: the targets, or the sources where there are no targets, shifted by one after
// the token with which the decoder starts.
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

// first is the token with which the decoder starts: for mBART the target's last, its language; else always the same.
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
