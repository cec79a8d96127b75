package op

import (
	"slices"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// GroupLayerNorm is LayerNorm of runs of columns, each piece on its own, as for the norms of queries and keys in Phi. In a pass with BF16
// the backward pass rounds x to half precision.
func GroupLayerNorm(p *Pass, x mat.Tensor, groups []NormGroup, eps float32) mat.Tensor {
	n := &groupLayerNorm{pass: p, x: x, groups: slices.Clone(groups), eps: eps}
	rows, cols := dims(x)
	o := Operator{Operands: []mat.Tensor{x}, Rows: rows, Cols: cols, Cheap: true, rounds: backInF16, Forward: n.forward, Backward: n.backward}
	for i, g := range groups {
		n.pieces += g.Heads
		o.keeps += 2 * rows * g.Heads
		o.Params = append(o.Params, g.params()...)
		if g.Weight != nil && g.Bias == nil {
			n.groups[i].Bias = make([]float32, g.Cols)
		}
	}
	return p.Apply(o)
}

type groupLayerNorm struct {
	pass    *Pass
	x       mat.Tensor
	groups  []NormGroup
	eps     float32
	pieces  int
	moments *Tensor // per row and piece: mean and 1/√(variance+eps)
}

func (n *groupLayerNorm) forward(y tensor.Matrix) {
	defer n.pass.Time("layernorm")()
	x := Matrix(n.x)
	if n.moments == nil {
		n.moments = n.pass.New(x.Rows, 2*n.pieces)
	}
	byRows(x.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			xr, yr, m := x.Row(i), y.Row(i), n.moments.m.Row(i)
			eachPiece(n.groups, func(g NormGroup, piece, c, d int) {
				if g.Weight == nil {
					copy(yr[c:d], xr[c:d])
					return
				}
				m[2*piece], m[2*piece+1] = vec.LayerNorm(yr[c:d], xr[c:d], g.Weight, g.Bias, n.eps)
			})
		}
	})
	if !n.pass.Grad {
		n.pass.Free(n.moments)
	}
}

func (n *groupLayerNorm) backward(gy *Tensor) []*Tensor {
	defer n.pass.Time("layernorm")()
	x, made := n.pass.content(n.x)
	n.weights(x, gy.m)
	var dx *Tensor
	if wants(n.x) {
		dx = n.pass.New(x.Rows, x.Cols)
		n.pass.eachRow(backInF16, x, func(i int, xr []float32) {
			g, d, m := gy.m.Row(i), dx.m.Row(i), n.moments.m.Row(i)
			eachPiece(n.groups, func(gr NormGroup, piece, c, e int) {
				if gr.Weight == nil {
					copy(d[c:e], g[c:e])
					return
				}
				vec.LayerNormGrad(d[c:e], g[c:e], xr[c:e], gr.Weight, m[2*piece], m[2*piece+1])
			})
		})
	}
	n.pass.freeMade(made)
	n.pass.Free(n.moments)
	return []*Tensor{dx}
}

// weights adds dw = Σ gy·(x−mean)·inv and db = Σ gy, one row after the other, so that the order is fixed.
func (n *groupLayerNorm) weights(x, gy tensor.Matrix) {
	if !slices.ContainsFunc(n.groups, func(g NormGroup) bool { return len(g.params()) > 0 }) {
		return
	}
	buf, scratch := memory.get(x.Cols)
	defer memory.put(buf)
	for i := range x.Rows {
		xr, g, m := n.pass.row(backInF16, scratch, x.Row(i)), gy.Row(i), n.moments.m.Row(i)
		eachPiece(n.groups, func(gr NormGroup, piece, c, d int) {
			if len(gr.params()) == 0 {
				return
			}
			dw, db := make([]float32, d-c), make([]float32, d-c)
			vec.LayerNormWeightGrad(dw, db, g[c:d], xr[c:d], m[2*piece], m[2*piece+1])
			if RequiresGrad(gr.Param) {
				vec.Add(Grad(gr.Param).Data, Grad(gr.Param).Data, dw)
			}
			if RequiresGrad(gr.BiasParam) {
				vec.Add(Grad(gr.BiasParam).Data, Grad(gr.BiasParam).Data, db)
			}
		})
	}
}
