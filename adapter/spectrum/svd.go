package spectrum

import (
	"errors"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/tensor"
)

// SVD is the leading part of a singular value decomposition, W ≈ Leftᵀ·diag(Values)·Right.
type SVD struct {
	// Left [n, rows of W] and Right [n, columns of W] hold one singular vector a row.
	Left, Right *mat.Dense
	// Values has the n singular values, the largest first.
	Values []float64
}

// ErrNoConvergence is returned where an iteration of LAPACK does not converge.
var ErrNoConvergence = errors.New("the singular value decomposition does not converge")

const (
	// exactSide is the largest smaller side of a matrix that Truncated decomposes exactly.
	exactSide = 128
	// iterations is how many iterations Truncated runs on a larger matrix.
	iterations = 16
	// oversampling is how many vectors Iterate carries beyond those it is asked for.
	oversampling = 10
)

// Truncated returns the n leading singular values and vectors of w, or as many as w has. They are exact where the
// smaller side of w is at most 128, and come from 16 iterations elsewhere; see Iterate for how close these are.
func Truncated(w tensor.Source, n int) (SVD, error) {
	rows, cols := w.Dims()
	if min(rows, cols) > exactSide {
		return Iterate(w, n, iterations)
	}
	return Exact(w)
}

// Exact returns all singular values and vectors of w, by LAPACK.
func Exact(w tensor.Source) (SVD, error) {
	rows, cols := w.Dims()
	dense := tensor.New(rows, cols)
	w.Block(dense.Data, cols, 0, 0, rows, cols)
	return exact(Float64(dense))
}

// exact hands gonum a matrix that is not wider than high; see SingularValues.
func exact(w *mat.Dense) (SVD, error) {
	rows, cols := w.Dims()
	high := mat.Matrix(w)
	if rows < cols {
		high = w.T()
	}
	var svd mat.SVD
	if !svd.Factorize(high, mat.SVDThin) {
		return SVD{}, ErrNoConvergence
	}
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	f := SVD{mat.DenseCopyOf(u.T()), mat.DenseCopyOf(v.T()), svd.Values(nil)}
	if rows < cols {
		f.Left, f.Right = f.Right, f.Left
	}
	return f, nil
}

// Iterate approximates the n leading singular values and vectors of w by subspace iteration (Halko, Martinsson and Tropp
// 2011, Algorithm 4.4). It starts from vectors of a fixed seed, so equal calls return equal bits. Of the sum of the
// squares of the n largest singular values it misses less than a thousandth at 16 iterations, and 3 % at 4, on matrices of
// normal numbers, whose singular values fall most slowly.
func Iterate(w tensor.Source, n, iterations int) (SVD, error) {
	rows, cols := w.Dims()
	k := min(n+oversampling, rows, cols)
	right, left := tensor.New(k, cols), tensor.New(k, rows)
	rng := rand.New(rand.NewPCG(0, 0))
	for i := range right.Data {
		right.Data[i] = float32(rng.NormFloat64())
	}
	var r *mat.Dense
	for range iterations + 1 {
		tensor.NT(left, right, w, 0)
		orthonormalize(left)
		tensor.NN(right, left, w, 0)
		r = orthonormalize(right)
	}
	var svd mat.SVD // w ≈ leftᵀ·rᵀ·right
	if !svd.Factorize(r.T(), mat.SVDThin) {
		return SVD{}, ErrNoConvergence
	}
	var u, v, l, rr mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	l.Mul(u.T(), Float64(left))
	rr.Mul(v.T(), Float64(right))
	return SVD{&l, &rr, svd.Values(nil)}, nil
}

// orthonormalize replaces the rows of m by orthonormal rows with the same span, and returns R of mᵀ = Q·R.
func orthonormalize(m tensor.Matrix) *mat.Dense {
	q, r := ThinQR(mat.DenseCopyOf(Float64(m).T()))
	copy(m.Data, Float32(q.T()))
	return r
}

// ThinQR returns m = Q·R for a matrix with no more columns than rows: Q [rows, cols] has orthonormal columns, and
// R [cols, cols] is upper triangular. The signs are LAPACK's, and so PyTorch's.
func ThinQR(m *mat.Dense) (q, r *mat.Dense) {
	rows, cols := m.Dims()
	a := blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: mat.DenseCopyOf(m).RawMatrix().Data}
	tau, size := make([]float64, cols), make([]float64, 1)
	lapack64.Geqrf(a, tau, size, -1)
	work := make([]float64, int(size[0])+cols)
	lapack64.Geqrf(a, tau, work, len(work))
	r = mat.NewDense(cols, cols, nil)
	for i := range cols {
		for j := i; j < cols; j++ {
			r.Set(i, j, a.Data[i*cols+j])
		}
	}
	lapack64.Orgqr(a, tau, work, len(work))
	return mat.NewDense(rows, cols, a.Data), r
}

// Float64 converts m to float64.
func Float64(m tensor.Matrix) *mat.Dense {
	d := mat.NewDense(m.Rows, m.Cols, nil)
	for i := range m.Rows {
		for j, v := range m.Row(i) {
			d.Set(i, j, float64(v))
		}
	}
	return d
}

// Float32 rounds m to float32, row by row.
func Float32(m mat.Matrix) []float32 {
	rows, cols := m.Dims()
	v := make([]float32, rows*cols)
	for i := range rows {
		for j := range cols {
			v[i*cols+j] = float32(m.At(i, j))
		}
	}
	return v
}
