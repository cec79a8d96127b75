package op

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// LayerNorm shifts and scales each row of x to mean 0 and variance 1, then by weight and bias (Ba et al. 2016, Eq. 4):
// y = weight·(x−mean)/√(variance+eps) + bias. pw and pb are the parameters of weight and bias, or nil if they are frozen.
func LayerNorm(p *Pass, x mat.Tensor, weight, bias []float32, pw, pb *nn.Param, eps float32) mat.Tensor {
	n := &layerNorm{pass: p, x: x, weight: weight, bias: bias, pw: pw, pb: pb, eps: eps}
	rows, cols := dims(x)
	o := Operator{Operands: []mat.Tensor{x}, Rows: rows, Cols: cols, Cheap: true, Forward: n.forward, Backward: n.backward, keeps: 2 * rows}
	for _, param := range []*nn.Param{pw, pb} {
		if RequiresGrad(param) {
			o.Params = append(o.Params, param)
		}
	}
	return p.Apply(o)
}

type layerNorm struct {
	pass         *Pass
	x            mat.Tensor
	weight, bias []float32
	pw, pb       *nn.Param
	eps          float32
	moments      *Tensor // per row: mean and 1/√(variance+eps)
}

func (n *layerNorm) forward(y tensor.Matrix) {
	defer n.pass.Time("layernorm")()
	x := Matrix(n.x)
	if n.moments == nil {
		n.moments = n.pass.New(x.Rows, 2)
	}
	byRows(x.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			m := n.moments.m.Row(i)
			m[0], m[1] = vec.LayerNorm(y.Row(i), x.Row(i), n.weight, n.bias, n.eps)
		}
	})
	if !n.pass.Grad {
		n.pass.Free(n.moments)
	}
}

func (n *layerNorm) backward(gy *Tensor) []*Tensor {
	defer n.pass.Time("layernorm")()
	x := Matrix(n.x)
	if RequiresGrad(n.pw) || RequiresGrad(n.pb) {
		n.weights(x, gy.m)
	}
	var dx *Tensor
	if wants(n.x) {
		dx = n.pass.New(x.Rows, x.Cols)
		byRows(x.Rows, func(from, to int) {
			for i := from; i < to; i++ {
				m := n.moments.m.Row(i)
				vec.LayerNormGrad(dx.m.Row(i), gy.m.Row(i), x.Row(i), n.weight, m[0], m[1])
			}
		})
	}
	n.pass.Free(n.moments)
	return []*Tensor{dx}
}

// normCols is the number of columns of the weights' gradients that a job sums, over all rows, so that the order is fixed.
const normCols = 128

// weights adds dw = Σ gy·(x−mean)·inv and db = Σ gy.
func (n *layerNorm) weights(x, gy tensor.Matrix) {
	buf, sums := memory.get(2 * gy.Cols)
	defer memory.put(buf)
	clear(sums)
	dw, db := sums[:gy.Cols], sums[gy.Cols:]
	tensor.Parallel((gy.Cols+normCols-1)/normCols, func(job int) {
		c, d := job*normCols, min(gy.Cols, (job+1)*normCols)
		for i := range gy.Rows {
			m := n.moments.m.Row(i)
			vec.LayerNormWeightGrad(dw[c:d], db[c:d], gy.Row(i)[c:d], x.Row(i)[c:d], m[0], m[1])
		}
	})
	if RequiresGrad(n.pw) {
		g := Grad(n.pw).Data
		vec.Add(g, g, dw)
	}
	if RequiresGrad(n.pb) {
		g := Grad(n.pb).Data
		vec.Add(g, g, db)
	}
}
