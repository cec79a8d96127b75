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
	Scale float32       // multiplies the rows; 0 is 1
	// Padding are rows that get no gradient here.
	Padding []int32
}

// EmbeddingSum adds up the rows that each token takes of the parts' tables: [tokens, hidden].
func EmbeddingSum(t *Pass, parts ...EmbeddingPart) mat.Tensor { return embeddingSum(t, nil, parts) }

// EmbeddingAhead is EmbeddingSum for a decoder whose tables are its encoder's too: memory, the encoder's output, is an
// operand without influence, so that the encoder's gradients, those of the tables among them, come after these: their sum
// has a fixed order.
func EmbeddingAhead(t *Pass, memory mat.Tensor, parts ...EmbeddingPart) mat.Tensor {
	return embeddingSum(t, []mat.Tensor{memory}, parts)
}

func embeddingSum(t *Pass, in []mat.Tensor, parts []EmbeddingPart) mat.Tensor {
	defer t.Time("embedding")()
	_, hidden := parts[0].Table.Dims()
	y := t.New(len(parts[0].IDs), hidden)
	byRows(y.m.Rows, func(from, to int) {
		for k, p := range parts {
			p.lookUp(y.m, from, to, k > 0)
		}
	})
	var params []*nn.Param
	for _, p := range parts {
		if RequiresGrad(p.Param) {
			params = append(params, p.Param)
		}
	}
	if params == nil {
		in = nil
	}
	return t.run(y, in, params, func(gy *Tensor) []*Tensor {
		defer t.Time("embedding")()
		for _, p := range parts {
			if RequiresGrad(p.Param) {
				p.gradient(gy.m)
			}
		}
		return make([]*Tensor, len(in))
	})
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
