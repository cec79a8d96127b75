package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// oracleLayerNorm is LayerNorm and its gradient with respect to x in float64.
func oracleLayerNorm(x, w, b, dy []float32, eps float64) (y, dx []float64, mean, inv float64) {
	n, squares, g, gx := float64(len(x)), 0.0, 0.0, 0.0
	for _, v := range x {
		mean += float64(v) / n
	}
	for i, v := range x {
		d := float64(v) - mean
		squares += d * d
		g += float64(dy[i]) * float64(w[i]) / n
		gx += float64(dy[i]) * float64(w[i]) * d / n
	}
	inv = 1 / math.Sqrt(squares/n+float64(float32(eps)))
	for i, v := range x {
		d := float64(v) - mean
		y = append(y, float64(w[i])*d*inv+float64(b[i]))
		dx = append(dx, inv*(float64(dy[i])*float64(w[i])-g-d*inv*inv*gx))
	}
	return y, dx, mean, inv
}

// TestLayerNorm takes values far from 0, too: a large mean must not cost the variance its digits.
func TestLayerNorm(t *testing.T) {
	const eps = 1e-5
	atLevels(t, func(t *testing.T) {
		for _, offset := range []float64{0, 100} {
			for _, n := range lengths() {
				rng := rand.New(rand.NewPCG(15, uint64(n)))
				normal := func(int) float32 { return float32(rng.NormFloat64()) }
				far := func(int) float32 { return float32(rng.NormFloat64() + offset) }
				x, w, b := newGuarded(n, rng.IntN(17), far), newGuarded(n, rng.IntN(17), normal), newGuarded(n, rng.IntN(17), normal)
				dy, dx, y := newGuarded(n, rng.IntN(17), normal), newGuarded(n, rng.IntN(17), normal), newGuarded(n, rng.IntN(17), normal)
				mean, inv := LayerNorm(y.s(), x.s(), w.s(), b.s(), eps)
				LayerNormGrad(dx.s(), dy.s(), x.s(), w.s(), mean, inv)
				if n < 2 {
					continue
				}
				wantY, wantDX, wantMean, wantInv := oracleLayerNorm(x.s(), w.s(), b.s(), dy.s(), eps)
				near(t, mean, wantMean, 1+offset, 5e-7, "n=%d mean", n)
				if offset == 0 {
					near(t, inv, wantInv, wantInv, 1e-6, "n=%d inv", n)
				}
				tolerance := 1e-6 * (1 + offset) * max(1, wantInv) // the mean's own rounding
				for i := range n {
					near(t, y.s()[i], wantY[i], 1+math.Abs(wantY[i]), tolerance, "n=%d y[%d]", n, i)
					near(t, dx.s()[i], wantDX[i], wantInv*10, tolerance, "n=%d dx[%d]", n, i)
				}
				for _, g := range []guarded{x, w, b, dy, dx, y} {
					g.intact(t)
				}
			}
		}
	})
}

func TestLayerNormWeightGrad(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		for _, n := range lengths() {
			rng := rand.New(rand.NewPCG(16, uint64(n)))
			normal := func(int) float32 { return float32(rng.NormFloat64()) }
			dw, db := newGuarded(n, rng.IntN(17), normal), newGuarded(n, rng.IntN(17), normal)
			dy, x := newGuarded(n, rng.IntN(17), normal), newGuarded(n, rng.IntN(17), normal)
			oldW, oldB := dw.copy(), db.copy()
			LayerNormWeightGrad(dw.s(), db.s(), dy.s(), x.s(), 0.25, 1.5)
			for i := range n {
				g := float64(dy.s()[i])
				near(t, dw.s()[i], float64(oldW.s()[i])+g*(float64(x.s()[i])-0.25)*1.5, 10, 1e-6, "n=%d dw[%d]", n, i)
				near(t, db.s()[i], float64(oldB.s()[i])+g, 10, 1e-7, "n=%d db[%d]", n, i)
			}
			dw.intact(t)
			db.intact(t)
		}
	})
}
