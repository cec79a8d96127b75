package op

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// EmbeddingPart is an embedding (of tokens, positions or segments) and the row of each token in it.
type EmbeddingPart struct {
	IDs   []int32
	Table tensor.Source // [rows, hidden]
	Param *nn.Param     // the table's parameter, or nil if it is frozen
	// Adapter, if not nil, has made Table from a frozen one, and may train.
	Adapter RowGradder
	Scale   float32 // multiplies the rows; 0 counts as 1
	// Padding are rows that get no gradient here (PyTorch's padding_idx).
	Padding []int32
}

// RowGradder has the parameters from which a table was made.
type RowGradder interface {
	// Params are those that train.
	Params() []*nn.Param
	// GradRows adds to their gradients, given the rows that were looked up and the gradient gy [len(rows), hidden] of what
	// was found there. A row below 0 gets none. GradRows must not keep its arguments.
	GradRows(rows []int32, gy tensor.Matrix)
}

// EmbeddingSum sums the rows of each token in the parts: [tokens, hidden].
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
func (e EmbeddingPart) params() []*nn.Param {
	var all []*nn.Param
	if RequiresGrad(e.Param) {
		all = append(all, e.Param)
	}
	if e.Adapter != nil {
		all = append(all, e.Adapter.Params()...)
	}
	return all
}

func (e EmbeddingPart) scale() float32 {
	if e.Scale == 0 {
		return 1
	}
	return e.Scale
}

// lookUp writes the rows of tokens from to to-1, or adds them to what is there.
func (e EmbeddingPart) lookUp(y tensor.Matrix, from, to int, add bool) {
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
		e.Table.Block(row, y.Cols, int(e.IDs[i]), 0, 1, y.Cols)
		switch s := e.scale(); {
		case add:
			vec.Axpy(dst, s, row)
		case s != 1:
			vec.Scale(dst, s, row)
		}
	}
}

// gradient adds the tokens' gradients to those of their rows, one token after the other.
func (e EmbeddingPart) gradient(gy tensor.Matrix) {
	dw, s := Grad(e.Param), e.scale()
	for i, id := range e.IDs {
		if slices.Contains(e.Padding, id) {
			continue
		}
		vec.Axpy(dw.Row(int(id)), s, gy.Row(i))
	}
}

// adapterGradient passes the tokens' gradients to the adapter, without those of padding.
func (e EmbeddingPart) adapterGradient(pass *Pass, gy tensor.Matrix) {
	rows := slices.Clone(e.IDs)
	for i, id := range rows {
		if slices.Contains(e.Padding, id) {
			rows[i] = -1
		}
	}
	if s := e.scale(); s != 1 {
		scaled := pass.New(gy.Rows, gy.Cols)
		defer pass.Free(scaled)
		for i := range gy.Rows {
			vec.Scale(scaled.m.Row(i), s, gy.Row(i))
		}
		gy = scaled.m
	}
	e.Adapter.GradRows(rows, gy)
}
