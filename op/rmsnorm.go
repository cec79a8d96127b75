package op

import (
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// rowsPerJob is the number of rows of an element-wise operator that a job takes.
const rowsPerJob = 32

// byRows runs f over blocks of rows.
func byRows(rows int, f func(from, to int)) {
	if rows <= rowsPerJob {
		f(0, rows)
		return
	}
	tensor.ParallelRanges(rows, rowsPerJob, f)
}

// RMSNorm scales each row of x to root mean square 1 and by the weights w (Zhang and Sennrich 2019, Eq. 4):
// y = w·x/√(mean(x²)+eps). param is w's parameter, or nil if w is frozen.
func RMSNorm(p *Pass, x mat.Tensor, w []float32, param *nn.Param, eps float32) mat.Tensor {
	return groupRMSNorm(p, x, []NormGroup{{Cols: len(w), Heads: 1, Weight: w, Param: param}}, eps, inFull)
}

// NormGroup is a run of columns: Heads pieces of Cols columns each. Each piece is normalised on its own, with the same
// weights; without Weight the columns are copied.
type NormGroup struct {
	Cols, Heads int
	Weight      []float32
	Param       *nn.Param
	// Bias, which may be nil, and its parameter are for GroupLayerNorm.
	Bias      []float32
	BiasParam *nn.Param
}

// params are the parameters that train.
func (g NormGroup) params() []*nn.Param {
	var ps []*nn.Param
	for _, p := range []*nn.Param{g.Param, g.BiasParam} {
		if RequiresGrad(p) {
			ps = append(ps, p)
		}
	}
	return ps
}

// eachPiece calls f for every piece of the groups, with its columns [c, d).
func eachPiece(groups []NormGroup, f func(g NormGroup, piece, c, d int)) {
	piece, c := 0, 0
	for _, g := range groups {
		for range g.Heads {
			f(g, piece, c, c+g.Cols)
			piece++
			c += g.Cols
		}
	}
}

// GroupRMSNorm is RMSNorm of runs of columns, each on its own, as for the norms of queries and keys in Qwen 3. In a pass with BF16
// the backward pass rounds x to half precision.
func GroupRMSNorm(p *Pass, x mat.Tensor, groups []NormGroup, eps float32) mat.Tensor {
	return groupRMSNorm(p, x, groups, eps, backInF16)
}

func groupRMSNorm(p *Pass, x mat.Tensor, groups []NormGroup, eps float32, rounds precision) mat.Tensor {
	n := &groupNorm{pass: p, x: x, groups: groups, eps: eps, rounds: rounds}
	rows, cols := dims(x)
	o := Operator{Operands: []mat.Tensor{x}, Rows: rows, Cols: cols, Cheap: true, rounds: rounds, Forward: n.forward, Backward: n.backward}
	for _, g := range groups {
		n.pieces += g.Heads
		o.keeps += rows * g.Heads
		if RequiresGrad(g.Param) {
			o.Params = append(o.Params, g.Param)
		}
	}
	return p.Apply(o)
}

type groupNorm struct {
	pass   *Pass
	x      mat.Tensor
	groups []NormGroup
	eps    float32
	rounds precision
	pieces int
	inv    *Tensor // per row and piece: 1/√(mean(x²)+eps)
}

func (n *groupNorm) forward(y tensor.Matrix) {
	defer n.pass.Time("rmsnorm")()
	x := Matrix(n.x)
	if n.inv == nil {
		n.inv = n.pass.New(x.Rows, n.pieces)
	}
	byRows(x.Rows, func(from, to int) {
		for i := from; i < to; i++ {
			xr, yr, inv := x.Row(i), y.Row(i), n.inv.m.Row(i)
			eachPiece(n.groups, func(g NormGroup, piece, c, d int) {
				if g.Weight == nil {
					copy(yr[c:d], xr[c:d])
					return
				}
				inv[piece] = vec.RMSNorm(yr[c:d], xr[c:d], g.Weight, n.eps)
			})
		}
	})
	if !n.pass.Grad {
		n.pass.Free(n.inv)
	}
}

func (n *groupNorm) backward(gy *Tensor) []*Tensor {
	defer n.pass.Time("rmsnorm")()
	x, made := n.pass.content(n.x)
	n.weights(x, gy.m)
	var dx *Tensor
	if wants(n.x) {
		dx = n.pass.Zeros(x.Rows, x.Cols)
		n.pass.eachRow(n.rounds, x, func(i int, xr []float32) {
			g, d, inv := gy.m.Row(i), dx.m.Row(i), n.inv.m.Row(i)
			eachPiece(n.groups, func(gr NormGroup, piece, c, e int) {
				if gr.Weight == nil {
					copy(d[c:e], g[c:e])
					return
				}
				vec.RMSNormGrad(d[c:e], g[c:e], xr[c:e], gr.Weight, inv[piece])
			})
		})
	}
	n.pass.freeMade(made)
	n.pass.Free(n.inv)
	return []*Tensor{dx}
}

// weights adds dw = Σ gy·x·inv, one row after the other, so that the order is fixed.
func (n *groupNorm) weights(x, gy tensor.Matrix) {
	train := false
	for _, g := range n.groups {
		train = train || RequiresGrad(g.Param)
	}
	if !train {
		return
	}
	buf, scratch := memory.get(x.Cols)
	defer memory.put(buf)
	for i := range x.Rows {
		xr, g, inv := n.pass.row(n.rounds, scratch, x.Row(i)), gy.Row(i), n.inv.m.Row(i)
		eachPiece(n.groups, func(gr NormGroup, piece, c, _ int) {
			if !RequiresGrad(gr.Param) {
				return
			}
			dw := Grad(gr.Param).Data
			for j := range dw {
				dw[j] += g[c+j] * xr[c+j] * inv[piece]
			}
		})
	}
}
