package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestRMSNorm(t *testing.T) {
	const eps = 1e-5
	atLevels(t, func(t *testing.T) {
		for _, n := range lengths() {
			rng := rand.New(rand.NewPCG(5, uint64(n)))
			normal := func(int) float32 { return float32(rng.NormFloat64()) }
			x, w := newGuarded(n, rng.IntN(17), normal), newGuarded(n, rng.IntN(17), normal)
			dy, dx, y := newGuarded(n, rng.IntN(17), normal), newGuarded(n, rng.IntN(17), normal), newGuarded(n, rng.IntN(17), normal)
			old := dx.copy()
			inv := RMSNorm(y.s(), x.s(), w.s(), eps)
			RMSNormGrad(dx.s(), dy.s(), x.s(), w.s(), inv)
			if n == 0 {
				continue
			}
			wantY, wantDX, wantInv := oracleRMSNorm(x.s(), w.s(), dy.s(), eps)
			near(t, inv, wantInv, wantInv, 1e-6, "inv")
			for i := range n {
				near(t, y.s()[i], wantY[i], math.Abs(wantY[i]), 1e-6, "n=%d y[%d]", n, i)
				o := float64(old.s()[i])
				near(t, dx.s()[i], o+wantDX[i], 10+math.Abs(o), 1e-6, "n=%d dx[%d]", n, i)
			}
			for _, g := range []guarded{x, w, dy, dx, y} {
				g.intact(t)
			}
			same := x.copy()
			if RMSNorm(same.s(), same.s(), w.s(), eps) != inv || checksum([][]float32{same.s()}) != checksum([][]float32{y.s()}) {
				t.Fatalf("n=%d: another result in place", n)
			}
		}
	})
}

// oracleRMSNorm is RMSNorm and its gradient from the derivative of x_j·inv(x) by x_i.
func oracleRMSNorm(x, w, dy []float32, eps float64) (y, dx []float64, inv float64) {
	n, squares, gx := float64(len(x)), 0.0, 0.0
	for i, v := range x {
		squares += float64(v) * float64(v)
		gx += float64(dy[i]) * float64(w[i]) * float64(v)
	}
	inv = 1 / math.Sqrt(squares/n+float64(float32(eps)))
	for i, v := range x {
		g := float64(dy[i]) * float64(w[i])
		y = append(y, float64(w[i])*float64(v)*inv)
		dx = append(dx, g*inv-float64(v)*inv*inv*inv*gx/n)
	}
	return y, dx, inv
}

func TestRotate(t *testing.T) {
	var first []uint64
	atLevels(t, func(t *testing.T) {
		var sums []uint64
		for _, half := range lengths() {
			rng := rand.New(rand.NewPCG(6, uint64(half)))
			angle := make([]float64, half)
			for i := range angle {
				angle[i] = rng.Float64() * 100
			}
			x := newGuarded(2*half, rng.IntN(17), func(int) float32 { return float32(rng.NormFloat64()) })
			cos := newGuarded(half, rng.IntN(17), func(i int) float32 { return float32(math.Cos(angle[i])) })
			sin := newGuarded(half, rng.IntN(17), func(i int) float32 { return float32(math.Sin(angle[i])) })
			old := x.copy()
			Rotate(x.s(), cos.s(), sin.s())
			for i := range half {
				a, b := float64(old.s()[i]), float64(old.s()[i+half])
				c, s := float64(cos.s()[i]), float64(sin.s()[i])
				size := math.Abs(a) + math.Abs(b)
				near(t, x.s()[i], a*c-b*s, size, 1.5e-7, "half=%d x[%d]", half, i)
				near(t, x.s()[i+half], b*c+a*s, size, 1.5e-7, "half=%d x[%d]", half, i+half)
			}
			sums = append(sums, checksum([][]float32{x.s()}))
			Unrotate(x.s(), cos.s(), sin.s())
			for i, v := range x.s() {
				near(t, v, float64(old.s()[i]), 10, 1e-7, "half=%d, there and back, x[%d]", half, i)
			}
			sums = append(sums, checksum([][]float32{x.s()}))
			x.intact(t)
		}
		if first == nil {
			first = sums
		}
		if fmt.Sprint(first) != fmt.Sprint(sums) {
			t.Error("bits differ from those of pure Go")
		}
	})
}

func TestAdamW(t *testing.T) {
	for _, beta1 := range []float64{0.9, 0, 0.4} {
		var first []uint64
		atLevels(t, func(t *testing.T) {
			var sums []uint64
			for _, n := range lengths() {
				sums = append(sums, stepAdamW(t, n, beta1))
			}
			if first == nil {
				first = sums
			}
			if fmt.Sprint(first) != fmt.Sprint(sums) {
				t.Error("bits differ from those of pure Go")
			}
		})
	}
}

// stepAdamW compares three steps with the algorithm in float64.
func stepAdamW(t *testing.T, n int, beta1 float64) uint64 {
	t.Helper()
	const lr, beta2, eps, wd = 3e-3, 0.999, 1e-8, 0.01
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	normal := func(int) float32 { return float32(rng.NormFloat64()) }
	none := func(int) float32 { return 0 }
	p, m, v := newGuarded(n, rng.IntN(17), normal), newGuarded(n, rng.IntN(17), none), newGuarded(n, rng.IntN(17), none)
	wantP, wantM, wantV := make([]float64, n), make([]float64, n), make([]float64, n)
	for i, x := range p.s() {
		wantP[i] = float64(x)
	}
	for step := 1; step <= 3; step++ {
		g := newGuarded(n, rng.IntN(17), normal)
		bias1, bias2 := 1-math.Pow(beta1, float64(step)), 1-math.Pow(beta2, float64(step))
		AdamW(p.s(), g.s(), m.s(), v.s(), lr, beta1, beta2, eps, wd, bias1, bias2)
		for i, x := range g.s() {
			g := float64(x)
			wantP[i] *= 1 - lr*wd
			wantM[i] = beta1*wantM[i] + (1-beta1)*g
			wantV[i] = beta2*wantV[i] + (1-beta2)*g*g
			wantP[i] -= lr * (wantM[i] / bias1) / (math.Sqrt(wantV[i]/bias2) + eps)
		}
		g.intact(t)
	}
	for i := range n {
		near(t, p.s()[i], wantP[i], 0.01+math.Abs(wantP[i]), 5e-7, "n=%d p[%d]", n, i)
		near(t, m.s()[i], wantM[i], 1, 5e-7, "n=%d m[%d]", n, i)
		near(t, v.s()[i], wantV[i], wantV[i], 5e-7, "n=%d v[%d]", n, i)
	}
	for _, g := range []guarded{p, m, v} {
		g.intact(t)
	}
	return checksum([][]float32{p.s(), m.s(), v.s()})
}
