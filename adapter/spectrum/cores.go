package spectrum

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/tensor"
)

// LowRank returns a matrix with the singular values of scale·B·A other than 0, for B [out, r] and A [r, in]. Where r is
// no larger than either side it is scale·R·Sᵀ [r, r], with the triangles of B = Q·R and Aᵀ = P·S.
func LowRank(b, a tensor.Matrix, scale float32) *mat.Dense {
	left, right := mat.Matrix(Float64(b)), Float64(a).T()
	if b.Cols <= min(b.Rows, a.Cols) {
		left, right = triangle(left), triangle(right)
	}
	var core mat.Dense
	core.Mul(left, right.T())
	core.Scale(float64(scale), &core)
	return &core
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

// Blocks returns matrices that have, together, the singular values of w other than 0. They are small where many rows or
// columns of w are equal, and where w is block diagonal after a permutation: n equal rows, or columns, count as one that
// is √n times as long, and each block is a matrix of its own.
func Blocks(w tensor.Matrix) []*mat.Dense {
	return split(Float64(mergeRows(mergeRows(w)))) // rows, then columns
}

// mergeRows returns the transpose of w with equal rows made one.
func mergeRows(w tensor.Matrix) tensor.Matrix {
	found := map[uint64][]int{} // places in rows, by the hash of the row
	var rows, counts []int
	for i := range w.Rows {
		row, h := w.Row(i), hash(w.Row(i))
		at := slices.IndexFunc(found[h], func(k int) bool { return slices.Equal(w.Row(rows[k]), row) })
		if at < 0 {
			at = len(found[h])
			found[h] = append(found[h], len(rows))
			rows, counts = append(rows, i), append(counts, 0)
		}
		counts[found[h][at]]++
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

// hash is FNV-1a over whole numbers in place of bytes.
func hash(row []float32) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range row {
		h = (h ^ uint64(math.Float32bits(v))) * 1099511628211
	}
	return h
}

// split cuts m into its blocks: rows and columns belong to one block where a value other than 0 joins them.
func split(m *mat.Dense) []*mat.Dense {
	rows, cols := m.Dims()
	group := make([]int, rows+cols) // rows, then columns; each points towards the first of its block
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
		var down, across []int
		for i := f; i < len(group); i++ {
			if first(i) == f && i < rows {
				down = append(down, i)
			} else if first(i) == f {
				across = append(across, i-rows)
			}
		}
		if across != nil {
			all = append(all, pick(m, down, across))
		}
	}
	return all
}

// pick is the part of m in some rows and columns.
func pick(m *mat.Dense, rows, cols []int) *mat.Dense {
	d := mat.NewDense(len(rows), len(cols), nil)
	for i, r := range rows {
		for j, c := range cols {
			d.Set(i, j, m.At(r, c))
		}
	}
	return d
}

// SingularValues lists the singular values of m, in no fixed order. For a long matrix they are the square roots of the
// eigenvalues of its smaller Gram matrix: in float64 that keeps eight digits beside the largest one. Gonum v0.17 gets
// the singular values of some matrices that are wider than high wrong by 1e-4 (their squares do not add up to those of
// the elements), so it is given none.
func SingularValues(m *mat.Dense) ([]float64, error) {
	rows, cols := m.Dims()
	if 2*max(rows, cols) < 3*min(rows, cols) {
		high := mat.Matrix(m)
		if rows < cols {
			high = m.T()
		}
		var svd mat.SVD
		if !svd.Factorize(high, mat.SVDNone) {
			return nil, ErrNoConvergence
		}
		return svd.Values(nil), nil
	}
	var gram mat.SymDense
	if rows < cols {
		gram.SymOuterK(1, m)
	} else {
		gram.SymOuterK(1, m.T())
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(&gram, false) {
		return nil, ErrNoConvergence
	}
	values := eigen.Values(nil)
	for i, v := range values {
		values[i] = math.Sqrt(max(v, 0))
	}
	return values, nil
}
