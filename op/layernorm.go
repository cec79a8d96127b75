package op

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// LayerNorm shifts and scales each row of x to mean 0 and variance 1, then by weight and bias (Ba et al. 2016, Eq. 4):
// y = weight·(x−mean)/√(variance+eps) + bias. pw and pb are their parameters, or nil where they are frozen.
func LayerNorm(t *Pass, x mat.Tensor, weight, bias []float32, pw, pb *nn.Param, eps float32) mat.Tensor {
	m := Matrix(x)
	n := &layerNorm{t: t, x: m, weight: weight, bias: bias, pw: pw, pb: pb, eps: eps}
	n.moments = t.New(m.Rows, 2)
	y := t.New(m.Rows, m.Cols)
	n.forward(y.m)
	y.again = n.forward
	var params []*nn.Param
	for _, p := range []*nn.Param{pw, pb} {
		if RequiresGrad(p) {
			params = append(params, p)
		}
	}
	if !wants(x) && params == nil {
		t.Done(n.moments)
	}
	return t.run(y, []mat.Tensor{x}, params, func(gy *Tensor) []*Tensor { return n.backward(gy, wants(x)) })
}

type layerNorm struct {
	t            *Pass
	x            tensor.Matrix
	weight, bias []float32
	pw, pb       *nn.Param
	eps          float32
	moments      *Tensor // per row: mean and 1/√(variance+eps)
}

func (n *layerNorm) forward(y tensor.Matrix) {
	defer n.t.Time("layernorm")()
	byRows(n.x.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			m := n.moments.m.Row(i)
			m[0], m[1] = vec.LayerNorm(y.Row(i), n.x.Row(i), n.weight, n.bias, n.eps)
		}
	})
}

func (n *layerNorm) backward(gy *Tensor, wantsX bool) []*Tensor {
	defer n.t.Time("layernorm")()
	if RequiresGrad(n.pw) || RequiresGrad(n.pb) {
		n.weights(gy.m)
	}
	var dx *Tensor
	if wantsX {
		dx = n.t.New(n.x.Rows, n.x.Cols)
		byRows(n.x.Rows, func(from, to int) {
			for i := from; i < to; i++ {
				m := n.moments.m.Row(i)
				vec.LayerNormGrad(dx.m.Row(i), gy.m.Row(i), n.x.Row(i), n.weight, m[0], m[1])
			}
		})
	}
	n.t.Free(n.moments)
	return []*Tensor{dx}
}

// normCols is how many columns of the weights' gradients one job sums, over all rows, so that the order is fixed.
const normCols = 128

// weights adds dw = Σ gy·(x−mean)·inv and db = Σ gy.
func (n *layerNorm) weights(gy tensor.Matrix) {
	buf, sums := memory.get(2 * gy.Cols)
	defer memory.put(buf)
	clear(sums)
	dw, db := sums[:gy.Cols], sums[gy.Cols:]
	tensor.Parallel((gy.Cols+normCols-1)/normCols, func(job int) {
		c, d := job*normCols, min(gy.Cols, (job+1)*normCols)
		for i := range gy.Rows {
			m := n.moments.m.Row(i)
			vec.LayerNormWeightGrad(dw[c:d], db[c:d], gy.Row(i)[c:d], n.x.Row(i)[c:d], m[0], m[1])
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
