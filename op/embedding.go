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
	Scale float32       // multiplies the rows; 0 counts as 1
	// Padding are rows that get no gradient here (PyTorch's padding_idx).
	Padding []int32
}

// EmbeddingSum sums the rows of each token in the parts: [tokens, hidden].
func EmbeddingSum(p *Pass, parts ...EmbeddingPart) mat.Tensor {
	_, hidden := parts[0].Table.Dims()
	o := Operator{Rows: len(parts[0].IDs), Cols: hidden}
	for _, part := range parts {
		if RequiresGrad(part.Param) {
			o.Params = append(o.Params, part.Param)
		}
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
		}
		return nil
	}
	return p.Apply(o)
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
