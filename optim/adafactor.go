package optim

import (
	"math"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	Register("adafactor", func(Settings, *Args) Rule { return Adafactor{} })
}

// Adafactor is the optimizer of Shazeer and Stern (2018, arXiv 1804.04235, Algorithm 4), as Trainer calls that of transformers: with
// the run's own learning rate, which no size of the parameter scales, without a first moment, β₂ = 1−t^−0.8, ε₁ = 1e-30 and a
// clipping threshold of 1. Of the mean of g² it keeps the means of rows and of columns alone. Weight decay is lr·WeightDecay of the
// parameter.
type Adafactor struct{}

const (
	adafactorEps   = 1e-30 // is added to g²
	adafactorDecay = -0.8  // the exponent of β₂
)

// State is the mean of g² over each row and each column, or for a vector g² itself.
func (Adafactor) State(rows, cols int, _ bool) []StateSpec {
	if rows == 1 {
		return []StateSpec{float32s("exp_avg_sq", cols)}
	}
	return []StateSpec{float32s("exp_avg_sq_row", rows), float32s("exp_avg_sq_col", cols)}
}

// Update moves the parameter. u is g times a factor of its row and one of its column, and is clipped to a root mean square of 1.
func (o Adafactor) Update(u *Update) {
	beta2 := 1 - math.Pow(float64(u.Step), adafactorDecay)
	byRow, byCol := o.factors(u, beta2)
	squares := make([]float64, rowJobs(u.G))
	scaled := func(row []float32, i int) {
		vec.Mul(row, u.G.Row(i), byCol)
		if byRow != nil {
			vec.Scale(row, byRow[i], row)
		}
	}
	eachRows(u.G, func(c, a, b int) {
		row := make([]float32, u.G.Cols)
		for i := a; i < b; i++ {
			scaled(row, i)
			squares[c] += vec.SumSquares(row)
		}
	})
	sum := 0.0
	for _, s := range squares {
		sum += s
	}
	lr := float32(u.LR / max(1, math.Sqrt(sum/float64(len(u.G.Data)))))
	eachRows(u.G, func(_, a, b int) {
		row := make([]float32, u.G.Cols)
		for i := a; i < b; i++ {
			w := u.W.Row(i)
			scaled(row, i)
			if u.WeightDecay > 0 {
				vec.Scale(w, float32(1-u.LR*u.WeightDecay), w)
			}
			vec.Axpy(w, -lr, row)
		}
	})
}

// factors moves the means of g² on, and returns 1/√ of them: those of columns, and those of rows divided by their mean, or nil for a
// vector.
func (o Adafactor) factors(u *Update, beta2 float64) (byRow, byCol []float32) {
	rows, cols := u.G.Rows, u.G.Cols
	sums := make([]float32, rowJobs(u.G)*cols) // of g² by column, of each job's rows
	rowMeans := make([]float32, rows)
	eachRows(u.G, func(c, a, b int) {
		for i := a; i < b; i++ {
			g := u.G.Row(i)
			vec.MulAdd(sums[c*cols:(c+1)*cols], g, g)
			rowMeans[i] = float32(vec.SumSquares(g)/float64(cols)) + adafactorEps
		}
	})
	for c := 1; c < len(sums)/cols; c++ {
		vec.Add(sums[:cols], sums[:cols], sums[c*cols:(c+1)*cols])
	}
	colMeans := sums[:cols]
	for j, s := range colMeans {
		colMeans[j] = s/float32(rows) + adafactorEps
	}
	kept := u.State[len(u.State)-1].Float32
	average(kept, colMeans, beta2)
	byCol = inverseRoots(colMeans, kept, 1)
	if rows == 1 {
		return nil, byCol
	}
	kept = u.State[0].Float32
	average(kept, rowMeans, beta2)
	return inverseRoots(rowMeans, kept, vec.Sum(kept)/float32(rows)), byCol
}

// average moves a running mean towards x.
func average(mean, x []float32, beta float64) {
	vec.Scale(mean, float32(beta), mean)
	vec.Axpy(mean, float32(1-beta), x)
}

// inverseRoots writes 1/√(x/unit) to dst, and returns it.
func inverseRoots(dst, x []float32, unit float32) []float32 {
	for i, v := range x {
		dst[i] = float32(1 / math.Sqrt(float64(v/unit)))
	}
	return dst
}

// rowJobs is the number of jobs of eachRows, which depends on the shape alone.
func rowJobs(m tensor.Matrix) int {
	per := max(1, chunk/m.Cols)
	return (m.Rows + per - 1) / per
}

// eachRows calls f for rows a to b of m, which are job c, in parallel.
func eachRows(m tensor.Matrix, f func(c, a, b int)) {
	per := max(1, chunk/m.Cols)
	tensor.Parallel(rowJobs(m), func(c int) { f(c, c*per, min(m.Rows, (c+1)*per)) })
}
