package op

import (
	"math"
	"slices"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// TopK turns the logits of a router, [tokens, experts], into the experts' weights, of the same shape: of each token the k
// largest of their softmax, and 0 for the others (Shazeer et al. 2017, arXiv 1701.06538, Eq. 3 to 5). With normalize the
// weights of a token add up to 1. With balanced AddBalance's loss counts the choices.
func TopK(p *Pass, logits mat.Tensor, k int, normalize, balanced bool) mat.Tensor {
	rows, cols := dims(logits)
	var out tensor.Matrix
	if balanced && p.balance == nil {
		p.balance = &balance{}
	}
	return p.Apply(Operator{
		Operands: []mat.Tensor{logits}, Rows: rows, Cols: cols, Saves: true,
		Forward: func(y tensor.Matrix) {
			defer p.Time("router")()
			out = y
			m := Matrix(logits)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					topK(y.Row(i), m.Row(i), k, normalize)
				}
			})
			if balanced {
				p.balance.add(y, m)
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			defer p.Time("router")()
			m, dx := Matrix(logits), p.New(rows, cols)
			byRows(rows, func(from, to int) {
				for i := from; i < to; i++ {
					s, g, d := out.Row(i), gy.m.Row(i), dx.m.Row(i)
					sum := vec.Dot(s, g)
					all := s
					if !normalize {
						all = make([]float32, cols)
						softmax(all, m.Row(i))
					}
					for j := range d {
						d[j] = s[j]*g[j] - all[j]*sum
					}
					if balanced {
						p.balance.gradient(d, m.Row(i))
					}
				}
			})
			return []*Tensor{dx}
		},
	})
}

// topK is TopK of a row.
func topK(y, x []float32, k int, normalize bool) {
	clear(y)
	order := make([]int, len(x))
	for j := range order {
		order[j] = j
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case x[a] > x[b]:
			return -1
		case x[a] < x[b]:
			return 1
		}
		return 0
	})
	order = order[:min(k, len(order))]
	sum := float32(0)
	for j := range x {
		sum += float32(math.Exp(float64(x[j] - x[order[0]])))
	}
	if normalize {
		sum = 0
		for _, j := range order {
			sum += float32(math.Exp(float64(x[j] - x[order[0]])))
		}
	}
	for _, j := range order {
		y[j] = float32(math.Exp(float64(x[j]-x[order[0]]))) / sum
	}
}

// Expert is a feed-forward part with a gate: GateUp is [2n, in], Down [out, n].
type Expert struct{ GateUp, Down Projection }

// GateFunc is what lies between an expert's two layers: Forward maps the 2n outputs x of the first to the n inputs y of the
// second, and Backward their gradient dy to dx.
type GateFunc struct {
	Forward  func(y, x []float32)
	Backward func(dx, dy, x, scratch []float32)
}

// GateOf is a(g)∘u, with the gate's outputs g before those of the up projection, u.
func GateOf(a Activation) GateFunc {
	return GateFunc{
		Forward: func(y, x []float32) { a.gate(y, x[:len(y)], x[len(y):]) },
		Backward: func(dx, dy, x, scratch []float32) {
			n := len(dy)
			a.gateGrad(dx[:n], dx[n:], dy, x[:n], x[n:], scratch)
		},
	}
}

// Experts is a mixture of experts: the sum over the experts e of weights[t, e]·e(x[t]) for each token t, where only experts
// with a weight other than 0 are computed, each for its tokens at once. x is [tokens, n], weights [tokens, experts] with at
// most k of each token other than 0.
func Experts(p *Pass, x, weights mat.Tensor, k int, experts []Expert, gate GateFunc) mat.Tensor {
	e := &mixture{pass: p, x: x, weights: weights, experts: experts, gate: gate}
	rows, _ := dims(x)
	out, inner := experts[0].Down.Dims()
	o := Operator{Operands: []mat.Tensor{x, weights}, Rows: rows, Cols: out, Forward: e.forward, Backward: e.backward, keeps: rows * k * (out + 2*inner)}
	for _, x := range experts {
		o.Params = append(o.Params, x.GateUp.Params(p)...)
		o.Params = append(o.Params, x.Down.Params(p)...)
	}
	return p.Apply(o)
}

type mixture struct {
	pass       *Pass
	x, weights mat.Tensor
	experts    []Expert
	gate       GateFunc
	runs       []expertRun
}

// expertRun is what one expert computes: its tokens, and the outputs of its layers.
type expertRun struct {
	rows        []int
	hidden, out *Tensor
}

func (e *mixture) forward(y tensor.Matrix) {
	defer e.pass.Time("experts forward")()
	clear(y.Data)
	x, w := Matrix(e.x), Matrix(e.weights)
	e.runs = make([]expertRun, len(e.experts))
	for i := range w.Rows {
		for j, v := range w.Row(i) {
			if v != 0 {
				e.runs[j].rows = append(e.runs[j].rows, i)
			}
		}
	}
	for j := range e.runs {
		r := &e.runs[j]
		if len(r.rows) == 0 {
			continue
		}
		in := e.gather(x, r.rows)
		width, _ := e.experts[j].GateUp.Dims()
		r.hidden, r.out = e.pass.New(len(r.rows), width), e.pass.New(len(r.rows), y.Cols)
		e.experts[j].GateUp.Forward(e.pass, r.hidden.m, in.m)
		act := e.activate(r)
		e.experts[j].Down.Forward(e.pass, r.out.m, act.m)
		for i, t := range r.rows {
			vec.Axpy(y.Row(t), w.Row(t)[j], r.out.m.Row(i))
		}
		e.pass.Free(in)
		e.pass.Free(act)
		if !e.pass.Grad {
			e.pass.Free(r.hidden)
			e.pass.Free(r.out)
		}
	}
}

// gather copies rows of a matrix.
func (e *mixture) gather(m tensor.Matrix, rows []int) *Tensor {
	t := e.pass.New(len(rows), m.Cols)
	for i, r := range rows {
		copy(t.m.Row(i), m.Row(r))
	}
	return t
}

// activate computes the inputs of an expert's second layer.
func (e *mixture) activate(r *expertRun) *Tensor {
	act := e.pass.New(len(r.rows), r.hidden.cols/2)
	byRows(len(r.rows), func(from, to int) {
		for i := from; i < to; i++ {
			e.gate.Forward(act.m.Row(i), r.hidden.m.Row(i))
		}
	})
	return act
}

func (e *mixture) backward(gy *Tensor) []*Tensor {
	defer e.pass.Time("experts backward")()
	x, w := Matrix(e.x), Matrix(e.weights)
	dx, dw := e.pass.Zeros(x.Rows, x.Cols), e.pass.Zeros(w.Rows, w.Cols)
	for j := range e.runs {
		if len(e.runs[j].rows) > 0 {
			e.expertBackward(j, gy.m, dx.m, dw.m)
		}
	}
	return []*Tensor{dx, dw}
}

// expertBackward adds the gradients of expert j.
func (e *mixture) expertBackward(j int, gy, dx, dw tensor.Matrix) {
	p, r, w := e.pass, &e.runs[j], Matrix(e.weights)
	in, act, dy := e.gather(Matrix(e.x), r.rows), e.activate(r), e.gather(gy, r.rows)
	for i, t := range r.rows {
		dw.Row(t)[j] = vec.Dot(dy.m.Row(i), r.out.m.Row(i))
		vec.Scale(dy.m.Row(i), w.Row(t)[j], dy.m.Row(i))
	}
	paramGrad(p, e.experts[j].Down, act.m, r.out.m, dy.m)
	dact, dh := p.New(len(r.rows), act.cols), p.New(len(r.rows), r.hidden.cols)
	e.experts[j].Down.InputGrad(p, dact.m, 0, dy.m)
	byRows(len(r.rows), func(from, to int) {
		buf, scratch := memory.get(act.cols)
		defer memory.put(buf)
		for i := from; i < to; i++ {
			e.gate.Backward(dh.m.Row(i), dact.m.Row(i), r.hidden.m.Row(i), scratch)
		}
	})
	paramGrad(p, e.experts[j].GateUp, in.m, r.hidden.m, dh.m)
	din := p.New(len(r.rows), in.cols)
	e.experts[j].GateUp.InputGrad(p, din.m, 0, dh.m)
	for i, t := range r.rows {
		vec.Add(dx.Row(t), dx.Row(t), din.m.Row(i))
	}
	for _, t := range []*Tensor{in, act, dy, dact, dh, din, r.hidden, r.out} {
		p.Free(t)
	}
}

// paramGrad adds to the gradients of a projection, if it trains.
func paramGrad(p *Pass, l Projection, x, y, gy tensor.Matrix) {
	if len(l.Params(p)) == 0 {
		return
	}
	if !l.ReadsOutput(p) {
		y = tensor.Matrix{}
	}
	l.ParamGrad(p, x, y, gy)
}

// SigmoidGate multiplies each row of x, [tokens, n], by the sigmoid of its gate, [tokens, 1].
func SigmoidGate(p *Pass, x, gate mat.Tensor) mat.Tensor {
	rows, cols := dims(x)
	sigmoid := func(v float32) float32 { return float32(1 / (1 + math.Exp(-float64(v)))) }
	return p.Apply(Operator{
		Operands: []mat.Tensor{x, gate}, Rows: rows, Cols: cols,
		Forward: func(y tensor.Matrix) {
			m, g := Matrix(x), Matrix(gate)
			for i := range rows {
				vec.Scale(y.Row(i), sigmoid(g.Row(i)[0]), m.Row(i))
			}
		},
		Backward: func(gy *Tensor) []*Tensor {
			m, g, dx, dg := Matrix(x), Matrix(gate), p.New(rows, cols), p.New(rows, 1)
			for i := range rows {
				s := sigmoid(g.Row(i)[0])
				vec.Scale(dx.m.Row(i), s, gy.m.Row(i))
				dg.m.Row(i)[0] = s * (1 - s) * vec.Dot(gy.m.Row(i), m.Row(i))
			}
			return []*Tensor{dx, dg}
		},
	})
}
