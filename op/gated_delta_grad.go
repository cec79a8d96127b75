package op

import (
	"math"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// deltaGrad is a document in the backward pass of GatedDelta.
type deltaGrad struct{ x, ba, gy, dx, dba tensor.Matrix }

// channels are some channels after the convolution: its sums, the activations, and the gradient of these, [tokens, n].
type channels struct {
	sum, y, dy tensor.Matrix
	inv        []float32 // by what unit has multiplied y, or nil
}

func (g *gatedDelta) channels(x tensor.Matrix, c, n int, normalize bool) channels {
	h := channels{sum: tensor.New(x.Rows, n), y: tensor.New(x.Rows, n), dy: tensor.New(x.Rows, n)}
	if normalize {
		h.inv = make([]float32, x.Rows)
	}
	for t := range x.Rows {
		g.convolve(h.sum.Row(t), h.y.Row(t), x, t, c)
		if normalize {
			h.inv[t] = unit(h.y.Row(t))
		}
	}
	return h
}

// backward adds the gradients of a document in the value heads of key head k.
func (g *gatedDelta) backward(d deltaGrad, k int) {
	s := g.s
	group := s.ValueHeads / s.KeyHeads
	qc, kc, _ := s.columns(k * group)
	q, key := g.channels(d.x, qc, s.KeyDim, true), g.channels(d.x, kc, s.KeyDim, true)
	for h := k * group; h < (k+1)*group; h++ {
		_, _, vc := s.columns(h)
		v := g.channels(d.x, vc, s.ValueDim, false)
		g.headBackward(d, h, q, key, v)
		g.convBackward(d, v, vc)
	}
	g.convBackward(d, q, qc)
	g.convBackward(d, key, kc)
}

// headBackward adds the gradients of value head h to those of its query, key and value. It computes all states again.
func (g *gatedDelta) headBackward(d deltaGrad, h int, q, k, v channels) {
	s, n := g.s, d.x.Rows
	size := s.KeyDim * s.ValueDim
	buf, states := memory.get((n + 1) * size)
	defer memory.put(buf)
	clear(states[:size])
	deltas := tensor.New(n, s.ValueDim)
	at := func(t int) tensor.Matrix { return tensor.View(states[t*size:(t+1)*size], s.KeyDim, s.ValueDim) } // before token t
	for t := range n {
		copy(at(t+1).Data, at(t).Data)
		beta, alpha, _ := g.gates(d.ba.Row(t), h)
		advance(at(t+1), k.y.Row(t), v.y.Row(t), deltas.Row(t), beta, alpha)
	}
	ds, dm, dd, decayed := tensor.New(s.KeyDim, s.ValueDim), make([]float32, s.ValueDim), make([]float32, s.ValueDim), tensor.New(s.KeyDim, s.ValueDim)
	scale := float32(1 / math.Sqrt(float64(s.KeyDim)))
	for t := n - 1; t >= 0; t-- {
		beta, alpha, arg := g.gates(d.ba.Row(t), h)
		dy, kt, delta := d.gy.Row(t)[h*s.ValueDim:(h+1)*s.ValueDim], k.y.Row(t), deltas.Row(t)
		clear(dd)
		for j := range s.KeyDim {
			q.dy.Row(t)[j] += scale * vec.Dot(at(t+1).Row(j), dy)
			vec.Axpy(ds.Row(j), scale*q.y.Row(t)[j], dy)
			vec.Axpy(dd, kt[j], ds.Row(j))
			k.dy.Row(t)[j] += vec.Dot(ds.Row(j), delta)
		}
		vec.Axpy(v.dy.Row(t), beta, dd)
		vec.Scale(dm, -beta, dd)
		vec.Scale(decayed.Data, alpha, at(t).Data)
		dalpha := float32(0)
		for j := range s.KeyDim {
			vec.Axpy(ds.Row(j), kt[j], dm)
			k.dy.Row(t)[j] += vec.Dot(decayed.Row(j), dm)
			dalpha += vec.Dot(ds.Row(j), at(t).Row(j))
		}
		dbeta := vec.Dot(dd, delta) / beta // delta/β is v − Sᵀk
		vec.Scale(ds.Data, alpha, ds.Data)
		g.gateGrad(d.dba.Row(t), h, dbeta*beta*(1-beta), dalpha*alpha, arg)
	}
}

// gateGrad adds the gradients of b, and of a, the decay and the time bias through the log of α.
func (g *gatedDelta) gateGrad(dba []float32, h int, db, dlog, arg float32) {
	dba[h] += db
	rate := float32(math.Exp(float64(g.w.Decay[h])))
	da := -dlog * rate * logistic(arg)
	dba[g.s.ValueHeads+h] += da
	if RequiresGrad(g.w.PTimeBias) {
		Grad(g.w.PTimeBias).Data[h] += da
	}
	if RequiresGrad(g.w.PDecay) {
		soft := math.Log1p(math.Exp(-math.Abs(float64(arg)))) + math.Max(float64(arg), 0)
		Grad(g.w.PDecay).Data[h] -= dlog * rate * float32(soft)
	}
}

// convBackward takes the gradient of channels from column c on back through the norm, SiLU and the convolution.
func (g *gatedDelta) convBackward(d deltaGrad, h channels, c int) {
	kernel := g.s.Kernel
	for t := range d.x.Rows {
		dy, y := h.dy.Row(t), h.y.Row(t)
		if h.inv != nil {
			vec.Axpy(dy, -vec.Dot(dy, y), y)
			vec.Scale(dy, h.inv[t], dy)
		}
		for i, s := range h.sum.Row(t) {
			l := logistic(s)
			du := dy[i] * l * (1 + s*(1-l))
			w := g.w.Conv[(c+i)*kernel : (c+i+1)*kernel]
			for j := max(0, kernel-1-t); j < kernel; j++ {
				from := t - kernel + 1 + j
				d.dx.Row(from)[c+i] += du * w[j]
				if RequiresGrad(g.w.PConv) {
					Grad(g.w.PConv).Data[(c+i)*kernel+j] += du * d.x.Row(from)[c+i]
				}
			}
		}
	}
}
