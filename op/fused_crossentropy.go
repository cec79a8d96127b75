package op

import (
	"math"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// VocabTile is the most columns of logits that exist at once in FusedLinearCrossEntropy.
const VocabTile = 1024

// FusedLinearCrossEntropy is the LM head and the cross-entropy as one operator. For the given rows of h [tokens, hidden] it
// returns the losses [len(rows), 1], −log softmax(w·h_row + bias)[target], or with label smoothing CrossEntropy's. Logits exist
// only for a tile of the vocabulary at a time; the same loop sums h's gradient, with a running maximum (the softmax of Milakov
// and Gimelshein 2018).
// w is [vocabulary, hidden], and pw its parameter, or nil if it is frozen. bias may be nil; pb is its parameter.
func FusedLinearCrossEntropy(p *Pass, h mat.Tensor, rows []int, targets []int32, w tensor.Source, pw *nn.Param, bias []float32, pb *nn.Param) mat.Tensor {
	l := &fusedLoss{pass: p, x: h, rows: rows, targets: targets, w: w, pw: pw, bias: bias, pb: pb, wantsH: p.Grad && wants(h)}
	o := Operator{Operands: []mat.Tensor{h}, Rows: len(rows), Cols: 1, Forward: l.forward, Backward: l.backward}
	for _, q := range []*nn.Param{pw, pb} {
		if RequiresGrad(q) {
			o.Params = append(o.Params, q)
		}
	}
	return p.Apply(o)
}

type fusedLoss struct {
	pass    *Pass
	x       mat.Tensor
	rows    []int
	targets []int32
	w       tensor.Source
	pw      *nn.Param
	bias    []float32
	pb      *nn.Param
	wantsH  bool
	h       *Tensor // the scored rows
	dh      *Tensor // their gradients
	lse     *Tensor
}

// tiles calls f with logits = h·Wᵀ for vocabulary entries [v, v+n).
func (l *fusedLoss) tiles(f func(v, n int, w tensor.Source, logits tensor.Matrix)) {
	vocab, _ := l.w.Dims()
	buf, data := memory.get(len(l.rows) * VocabTile)
	defer memory.put(buf)
	for v := 0; v < vocab; v += VocabTile {
		n := min(VocabTile, vocab-v)
		w, logits := SourceRows(l.w, v, n), tensor.View(data[:len(l.rows)*n], len(l.rows), n)
		NT(l.pass, logits, l.h.m, w, 0)
		if l.bias != nil {
			byRows(logits.Rows, func(from, to int) {
				for i := from; i < to; i++ {
					vec.Add(logits.Row(i), logits.Row(i), l.bias[v:v+n])
				}
			})
		}
		f(v, n, w, logits)
	}
}

func (l *fusedLoss) forward(y tensor.Matrix) {
	defer l.pass.Time("head loss")()
	x, n := Matrix(l.x), len(l.rows)
	l.h, l.lse = l.pass.New(n, x.Cols), l.pass.New(n, 1)
	for i, r := range l.rows {
		copy(l.h.m.Row(i), x.Row(r))
	}
	l.losses(y.Data)
	if !l.pass.Grad || !l.wantsH && !RequiresGrad(l.pw) && !RequiresGrad(l.pb) {
		l.pass.Free(l.h)
		l.pass.Free(l.lse)
	}
}

func (l *fusedLoss) losses(losses []float32) {
	n := len(l.rows)
	vocab, _ := l.w.Dims()
	most, sum, target, total := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range most {
		most[i] = float32(math.Inf(-1))
	}
	if l.wantsH {
		l.dh = l.pass.Zeros(n, l.h.cols)
	}
	l.tiles(func(v, cols int, w tensor.Source, logits tensor.Matrix) {
		byRows(n, func(from, to int) {
			for i := from; i < to; i++ {
				x := logits.Row(i)
				if j := int(l.targets[i]) - v; j >= 0 && j < cols {
					target[i] = x[j]
				}
				if l.pass.LabelSmoothing > 0 {
					total[i] += vec.Sum(x)
				}
				if m := vec.Max(x); m > most[i] {
					shrink := float32(math.Exp(float64(most[i] - m)))
					sum[i] *= shrink
					if l.wantsH && shrink != 1 {
						vec.Scale(l.dh.m.Row(i), shrink, l.dh.m.Row(i))
					}
					most[i] = m
				}
				sum[i] += vec.ExpSum(x, x, most[i])
			}
		})
		if l.wantsH {
			NN(l.pass, l.dh.m, logits, w, 1)
		}
	})
	for i := range n {
		lse := most[i] + float32(math.Log(float64(sum[i])))
		l.lse.m.Data[i] = lse
		losses[i] = smooth{l.pass.LabelSmoothing, vocab, total[i]}.loss(lse, target[i])
	}
	if l.wantsH {
		l.finish(sum)
	}
}

// finish divides the summed gradients by the softmax's sums, and subtracts the targets' rows, and with label smoothing the
// mean of all rows.
func (l *fusedLoss) finish(sum []float32) {
	row, even, part := make([]float32, l.h.m.Cols), l.meanRow(), l.pass.LabelSmoothing
	for i, target := range l.targets {
		d := l.dh.m.Row(i)
		l.w.Block(row, len(row), int(target), 0, 1, len(row))
		vec.Scale(d, 1/sum[i], d)
		vec.Axpy(d, part-1, row)
		if part > 0 {
			vec.Axpy(d, -part, even)
		}
	}
}

// meanRow is the mean of the rows of w, [hidden], which label smoothing needs; else nil.
func (l *fusedLoss) meanRow() []float32 {
	if l.pass.LabelSmoothing == 0 {
		return nil
	}
	vocab, hidden := l.w.Dims()
	mean, ones := tensor.New(1, hidden), tensor.New(1, VocabTile)
	for i := range ones.Data {
		ones.Data[i] = 1 / float32(vocab)
	}
	for v := 0; v < vocab; v += VocabTile {
		n := min(VocabTile, vocab-v)
		tensor.NN(mean, ones.Slice(0, 0, 1, n), SourceRows(l.w, v, n), 1)
	}
	return mean.Data
}

func (l *fusedLoss) backward(gy *Tensor) []*Tensor {
	defer l.pass.Time("head loss")()
	if RequiresGrad(l.pw) || RequiresGrad(l.pb) {
		l.weights(gy.m.Data)
	}
	var dx *Tensor
	if l.wantsH {
		rows, cols := dims(l.x)
		dx = l.pass.Zeros(rows, cols)
		for i, r := range l.rows {
			vec.Axpy(dx.m.Row(r), gy.m.Data[i], l.dh.m.Row(i))
		}
		l.pass.Free(l.dh)
	}
	l.pass.Free(l.h)
	l.pass.Free(l.lse)
	return []*Tensor{dx}
}

// weights computes the logits again and adds dW = (softmax − target)ᵀ·h, and the gradient of the bias.
func (l *fusedLoss) weights(gy []float32) {
	vocab, _ := l.w.Dims()
	l.tiles(func(v, n int, _ tensor.Source, logits tensor.Matrix) {
		byRows(len(l.rows), func(from, to int) {
			for i := from; i < to; i++ {
				x := logits.Row(i)
				vec.ExpSum(x, x, l.lse.m.Data[i])
				smooth{l.pass.LabelSmoothing, vocab, 0}.gradient(x, int(l.targets[i])-v)
				vec.Scale(x, gy[i], x)
			}
		})
		if RequiresGrad(l.pw) {
			dw := Grad(l.pw)
			TN(l.pass, dw.Slice(v, 0, n, dw.Cols), logits, l.h.m, 1)
		}
		if RequiresGrad(l.pb) {
			db := Grad(l.pb).Data[v : v+n]
			for i := range l.rows {
				vec.Add(db, db, logits.Row(i))
			}
		}
	})
}

// SourceRows is a view of rows [i, i+n) of a source.
func SourceRows(s tensor.Source, i, n int) tensor.Source {
	switch s := s.(type) {
	case tensor.Matrix:
		return s.Slice(i, 0, n, s.Cols)
	case tensor.BF16:
		return tensor.BF16{Data: s.Data[i*s.Cols : (i+n)*s.Cols], Rows: n, Cols: s.Cols}
	case tensor.F16:
		return tensor.F16{Data: s.Data[i*s.Cols : (i+n)*s.Cols], Rows: n, Cols: s.Cols}
	}
	return rowsOf{s, i, n}
}

type rowsOf struct {
	s    tensor.Source
	i, n int
}

func (r rowsOf) Dims() (rows, cols int) {
	_, cols = r.s.Dims()
	return r.n, cols
}

func (r rowsOf) Block(dst []float32, ld, i, j, m, n int) { r.s.Block(dst, ld, r.i+i, j, m, n) }
