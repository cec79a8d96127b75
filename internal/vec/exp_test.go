package vec

import (
	"math"
	"testing"

	"github.com/spagotune/spagotune/internal/cpu"
)

// TestExpRange compares with math.Exp over the whole range in steps of some units in the last place.
func TestExpRange(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		var x []float32
		for v := float32(-87.33654); v < 88.72283; v = math.Nextafter32(v, 100) + 3.1e-4 {
			x = append(x, v)
		}
		x = append(x, 88.72283, 0, 1e-30, -1e-30)
		y := make([]float32, len(x))
		ExpSum(y, x, 0)
		worst := 0.0
		for i := range x {
			want := math.Exp(float64(x[i]))
			near(t, y[i], want, want, 1.8e-7, "exp(%v)", x[i])
			worst = max(worst, math.Abs(float64(y[i])-want)/want)
		}
		t.Logf("%d values, relative error up to %.3g", len(x), worst)
	})
}

func TestExpSpecial(t *testing.T) {
	nan, payload := float32(math.NaN()), math.Float32frombits(0xffabcdef)
	atLevels(t, func(t *testing.T) {
		for _, c := range []struct{ x, want float32 }{
			{-inf, 0}, {-1e30, 0}, {-math.MaxFloat32, 0}, {-104, 0}, {-88, 0}, {-87.34, 0}, {0, 1}, {1e-45, 1},
			{float32(math.Copysign(0, -1)), 1}, {88.73, inf}, {89, inf}, {104, inf}, {1e30, inf}, {math.MaxFloat32, inf},
			{inf, inf}, {nan, nan}, {payload, nan}, {-payload, nan},
		} {
			for _, n := range []int{1, 8, 16, 19} {
				x, y := make([]float32, n), make([]float32, n)
				for i := range x {
					x[i] = c.x
				}
				sum := ExpSum(y, x, 0)
				near(t, sum, float64(n)*float64(c.want), float64(n), 1e-7, "sum of %d exp(%v)", n, c.x)
				for _, got := range y {
					near(t, got, float64(c.want), 0, 0, "exp(%v)", c.x)
				}
			}
		}
	})
}

func TestExpSum(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		for _, n := range lengths() {
			x := newGuarded(n, n%5, func(i int) float32 { return float32(i%40) / -3 })
			y := x.copy()
			got := ExpSum(y.s(), x.s(), -2)
			want := 0.0
			for _, v := range y.s() {
				want += float64(v)
			}
			near(t, got, want, want, 1e-6, "sum")
			y.intact(t)
			if again := ExpSum(y.s(), x.s(), -2); again != got {
				t.Fatalf("n=%d: %v, then %v", n, got, again)
			}
		}
	})
}

// TestExponentialsOfAssembly checks that AVX2 and AVX-512 give the same bits.
func TestExponentialsOfAssembly(t *testing.T) {
	if cpu.Best < cpu.AVX512 {
		t.Skip("one instruction set")
	}
	defer func(l cpu.Level) { cpu.Used = l }(cpu.Used)
	x, up := make([]float32, 30000), make([]float32, 30000)
	for i := range x {
		x[i], up[i] = float32(i-15000)/160, float32(i%7)-3
	}
	var sums []uint64
	for _, l := range []cpu.Level{cpu.AVX2, cpu.AVX512} {
		cpu.Used = l
		e, s, d, u := make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(x))
		ExpSum(e, x, 0)
		SwiGLU(s, x, up)
		SwiGLUGrad(d, u, up, x, up)
		all := [][]float32{e, s, d, u}
		for _, f := range []func(dst []float32){
			func(y []float32) { GELU(y, x) }, func(y []float32) { GELUGrad(y, up, x) },
			func(y []float32) { Gate(y, x, 1.6, 0.07) }, func(y []float32) { GateGrad(y, up, x, 1.6, 0.07) },
			func(y []float32) { Tanh(y, x) }, func(y []float32) { TanhGrad(y, up, x) },
		} {
			y := make([]float32, len(x))
			f(y)
			all = append(all, y)
		}
		sums = append(sums, checksum(all))
	}
	if sums[0] != sums[1] {
		t.Error("bits differ")
	}
}

func TestSwiGLUSpecial(t *testing.T) {
	nan := float32(math.NaN())
	atLevels(t, func(t *testing.T) {
		for _, c := range []struct{ gate, y, dgate, dup float32 }{
			{0, 0, 1, 0}, {104, 208, 2, 104}, {1e30, 2e30, 2, 1e30}, {-104, 0, 0, 0}, {-1e30, 0, 0, 0},
			{inf, inf, nan, inf}, {nan, nan, nan, nan},
		} {
			for _, n := range []int{3, 16} {
				gate, one, two := make([]float32, n), make([]float32, n), make([]float32, n)
				y, dg, du := make([]float32, n), make([]float32, n), make([]float32, n)
				for i := range gate {
					gate[i], one[i], two[i] = c.gate, 1, 2
				}
				SwiGLU(y, gate, two)
				SwiGLUGrad(dg, du, one, gate, two)
				if c.gate == 0 {
					c.dgate = 1 // 2·sigmoid(0)
				}
				near(t, y[n-1], float64(c.y), 0, 0, "y of %v", c.gate)
				near(t, dg[n-1], float64(c.dgate), 0, 0, "dgate of %v", c.gate)
				near(t, du[n-1], float64(c.dup), 0, 0, "dup of %v", c.gate)
			}
		}
	})
}
