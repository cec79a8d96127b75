package op

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// EmbeddingPart is a table of rows and the row that each token takes: words, positions, types of segment.
type EmbeddingPart struct {
	IDs   []int32
	Table tensor.Source // [rows, hidden]
	Param *nn.Param     // the table's parameter, or nil where it is frozen
	// Adapter, where not nil, has made Table of a frozen one and may train.
	Adapter RowGradder
	Scale   float32 // multiplies the rows; 0 is 1
	// Padding are rows that get no gradient here.
	Padding []int32
}

// RowGradder has parameters that a table was made of.
type RowGradder interface {
	// Params are those that train.
	Params() []*nn.Param
	// GradRows adds to their gradients, given the rows that were looked up and the gradient gy [len(rows), hidden] of what was
	// found there; a row below 0 gets none. It must not keep its arguments.
	GradRows(rows []int32, gy tensor.Matrix)
}

// EmbeddingSum adds up the rows that each token takes of the parts' tables: [tokens, hidden].
func EmbeddingSum(p *Pass, parts ...EmbeddingPart) mat.Tensor {
	_, hidden := parts[0].Table.Dims()
	o := Operator{Rows: len(parts[0].IDs), Cols: hidden}
	for _, part := range parts {
		o.Params = append(o.Params, part.params()...)
	}
	o.Forward = func(y tensor.Matrix) {
		defer p.Time("embedding")()
		byRows(y.Rows, func(from, to int) {
			for k, part := range parts {
				part.lookUp(y, from, to, k > 0)
			}
		})
	}
	o.Backward = func(gy *Tensor) []*Tensor {
		defer p.Time("embedding")()
		for _, part := range parts {
			if RequiresGrad(part.Param) {
				part.gradient(gy.m)
			}
			if part.Adapter != nil && len(part.Adapter.Params()) > 0 {
				part.adapterGradient(p, gy.m)
			}
		}
		return nil
	}
	return p.Apply(o)
}

// params are the parameters that train.
func (p EmbeddingPart) params() []*nn.Param {
	var all []*nn.Param
	if RequiresGrad(p.Param) {
		all = append(all, p.Param)
	}
	if p.Adapter != nil {
		all = append(all, p.Adapter.Params()...)
	}
	return all
}

func (p EmbeddingPart) scale() float32 {
	if p.Scale == 0 {
		return 1
	}
	return p.Scale
}

// lookUp writes the rows of tokens from to to-1, or adds them to what is there.
func (p EmbeddingPart) lookUp(y tensor.Matrix, from, to int, add bool) {
	var row []float32
	if add {
		var buf span
		buf, row = memory.get(y.Cols)
		defer memory.put(buf)
	}
	for i := from; i < to; i++ {
		dst := y.Row(i)
		if !add {
			row = dst
		}
		p.Table.Block(row, y.Cols, int(p.IDs[i]), 0, 1, y.Cols)
		switch s := p.scale(); {
		case add:
			vec.Axpy(dst, s, row)
		case s != 1:
			vec.Scale(dst, s, row)
		}
	}
}

// gradient adds the tokens' gradients to those of their rows, token after token.
func (p EmbeddingPart) gradient(gy tensor.Matrix) {
	dw, s := Grad(p.Param), p.scale()
	for i, id := range p.IDs {
		if slices.Contains(p.Padding, id) {
			continue
		}
		vec.Axpy(dw.Row(int(id)), s, gy.Row(i))
	}
}

// adapterGradient hands the tokens' gradients to the adapter, those of padding left out.
func (p EmbeddingPart) adapterGradient(pass *Pass, gy tensor.Matrix) {
	rows := slices.Clone(p.IDs)
	for i, id := range rows {
		if slices.Contains(p.Padding, id) {
			rows[i] = -1
		}
	}
	if s := p.scale(); s != 1 {
		scaled := pass.New(gy.Rows, gy.Cols)
		defer pass.Free(scaled)
		for i := range gy.Rows {
			vec.Scale(scaled.m.Row(i), s, gy.Row(i))
		}
		gy = scaled.m
	}
	p.Adapter.GradRows(rows, gy)
}
