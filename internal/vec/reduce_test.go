package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestReductions(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		for _, n := range lengths() {
			rng := rand.New(rand.NewPCG(4, uint64(n)))
			normal := func(int) float32 { return float32(rng.NormFloat64()) }
			a, b := newGuarded(n, rng.IntN(17), normal).s(), newGuarded(n, rng.IntN(17), normal).s()
			var dot, dotSize, sum, sumSize, squares float64
			most := math.Inf(-1)
			for i := range a {
				x, y := float64(a[i]), float64(b[i])
				dot, dotSize = dot+x*y, dotSize+math.Abs(x*y)
				sum, sumSize = sum+x, sumSize+math.Abs(x)
				squares += x * x
				most = max(most, x)
			}
			near(t, Dot(a, b), dot, dotSize, 1e-6, "Dot")
			near(t, Sum(a), sum, sumSize, 1e-6, "Sum")
			if got := SumSquares(a); math.Abs(got-squares) > 1e-12*squares {
				t.Errorf("n=%d: SumSquares %v, want %v", n, got, squares)
			}
			if got := Max(a); float64(got) != most {
				t.Errorf("n=%d: Max %v, want %v", n, got, most)
			}
			if Dot(a, b) != Dot(a, b) || Sum(a) != Sum(a) {
				t.Errorf("n=%d: another sum the second time", n)
			}
		}
	})
}

// TestEveryPosition puts one special value at each position of slices with awkward lengths.
func TestEveryPosition(t *testing.T) {
	nan := float32(math.NaN())
	atLevels(t, func(t *testing.T) {
		for _, n := range []int{1, 3, 8, 15, 16, 17, 31, 64, 71, 130} {
			x := newGuarded(n, 3, func(int) float32 { return -3e38 })
			for i := range n {
				s := x.s()
				if HasNonFinite(s) {
					t.Fatalf("n=%d: HasNonFinite of finite values", n)
				}
				for _, v := range []float32{inf, -inf, nan} {
					s[i] = v
					if !HasNonFinite(s) {
						t.Fatalf("n=%d: HasNonFinite misses %v at %d", n, v, i)
					}
				}
				if got := Max(s); n > 1 && got != -3e38 {
					t.Fatalf("n=%d: Max %v with a NaN at %d", n, got, i)
				}
				s[i] = -2e38
				if got := Max(s); got != -2e38 {
					t.Fatalf("n=%d: Max %v, want that at %d", n, got, i)
				}
				s[i] = -3e38
			}
		}
		if got := Max([]float32{-inf, -inf}); got != -inf {
			t.Errorf("Max of -Inf: %v", got)
		}
		if got := Max([]float32{nan}); got != -inf {
			t.Errorf("Max of NaN: %v", got)
		}
		if HasNonFinite([]float32{1e-45, -1e-40, math.MaxFloat32, -math.MaxFloat32}) {
			t.Error("HasNonFinite of denormal and extreme values")
		}
	})
}
