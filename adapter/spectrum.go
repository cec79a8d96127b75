package adapter

import (
	"math"
	"unsafe"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// spectral is implemented by an adapter whose ΔW has a smaller form.
type spectral interface {
	// cores are matrices that have, together, the singular values of ΔW other than 0.
	cores(out, in int) []*mat.Dense
}

var (
	_ spectral = (*lora)(nil)
	_ spectral = (*mora)(nil)
)

// cores of s·B·A: s·R·Sᵀ, where R and S are the triangles of B and of Aᵀ.
func (l *lora) cores(out, in int) []*mat.Dense {
	b, at := mat.Matrix(widen(op.Data(l.b))), widen(op.Data(l.a)).T()
	if _, r := b.Dims(); r <= min(out, in) {
		b, at = triangle(b), triangle(at)
	}
	var core mat.Dense
	core.Mul(b, at.T())
	core.Scale(float64(l.scale), &core)
	return []*mat.Dense{&core}
}

// widen is m in float64.
func widen(m tensor.Matrix) *mat.Dense {
	d := mat.NewDense(m.Rows, m.Cols, nil)
	for i := range m.Rows {
		for j, v := range m.Row(i) {
			d.Set(i, j, float64(v))
		}
	}
	return d
}

// triangle is R of m = Q·R, square.
func triangle(m mat.Matrix) mat.Matrix {
	var qr mat.QR
	qr.Factorize(m)
	var r mat.Dense
	qr.RTo(&r)
	_, cols := m.Dims()
	return r.Slice(0, cols, 0, cols)
}

// cores of MoRA's ΔW: n equal rows, or columns, are one that is √n times as long, and groups of rows and columns that
// share no place are matrices of their own.
func (a *mora) cores(out, in int) []*mat.Dense {
	w := tensor.New(out, in)
	a.MergeInto(w, 0, 0)
	return parts(widen(merged(merged(w)))) // rows, then columns
}

// merged is the transpose of w with equal rows made one.
func merged(w tensor.Matrix) tensor.Matrix {
	at := map[string]int{}
	var rows, counts []int
	for i := range w.Rows {
		row := w.Row(i)
		key := unsafe.String((*byte)(unsafe.Pointer(&row[0])), 4*len(row))
		k, ok := at[key]
		if !ok {
			k = len(rows)
			at[key] = k
			rows, counts = append(rows, i), append(counts, 0)
		}
		counts[k]++
	}
	t := tensor.New(w.Cols, len(rows))
	for k, i := range rows {
		scale := float32(math.Sqrt(float64(counts[k])))
		for j, v := range w.Row(i) {
			t.Row(j)[k] = scale * v
		}
	}
	return t
}

// parts cuts m into the matrices of the rows and columns that hang together by values other than 0.
func parts(m *mat.Dense) []*mat.Dense {
	rows, cols := m.Dims()
	group := make([]int, rows+cols) // rows, then columns; each points towards the first of its part
	for i := range group {
		group[i] = i
	}
	first := func(i int) int {
		for group[i] != i {
			group[i] = group[group[i]]
			i = group[i]
		}
		return i
	}
	for i := range rows {
		for j, v := range m.RawRowView(i) {
			if v != 0 {
				a, b := first(i), first(rows+j)
				group[max(a, b)] = min(a, b)
			}
		}
	}
	var all []*mat.Dense
	for f := range rows {
		if first(f) != f {
			continue
		}
		var in, across []int
		for i := f; i < len(group); i++ {
			if first(i) == f && i < rows {
				in = append(in, i)
			} else if first(i) == f {
				across = append(across, i-rows)
			}
		}
		if across != nil {
			all = append(all, part(m, in, across))
		}
	}
	return all
}

func part(m *mat.Dense, rows, cols []int) *mat.Dense {
	d := mat.NewDense(len(rows), len(cols), nil)
	for i, r := range rows {
		for j, c := range cols {
			d.Set(i, j, m.At(r, c))
		}
	}
	return d
}
