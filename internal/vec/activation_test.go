package vec

import (
	"math"
	"testing"
)

// ramp is n values from -limit to limit.
func ramp(n int, limit float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(limit * (2*float64(i)/float64(n-1) - 1))
	}
	return x
}

// TestErf compares erf(x/√2) = 2·GELU(x)/x − 1 with math.Erf.
func TestErf(t *testing.T) {
	x := ramp(200_001, 8)
	atLevels(t, func(t *testing.T) {
		y, worst := make([]float32, len(x)), 0.0
		GELU(y, x)
		for i, v := range x {
			if v != 0 {
				worst = max(worst, math.Abs(2*float64(y[i])/float64(v)-1-math.Erf(float64(v)/math.Sqrt2)))
			}
		}
		t.Logf("error up to %.3g", worst)
		if !(worst <= 2e-7) {
			t.Errorf("error up to %.3g, want 2e-7 at most", worst)
		}
	})
}

func TestTanhRange(t *testing.T) {
	x := ramp(200_001, 10)
	atLevels(t, func(t *testing.T) {
		y, worst := make([]float32, len(x)), 0.0
		Tanh(y, x)
		for i, v := range x {
			want := math.Tanh(float64(v))
			near(t, y[i], want, math.Abs(want), 2e-7, "tanh(%v)", v)
			worst = max(worst, math.Abs(float64(y[i])-want))
		}
		t.Logf("error up to %.3g", worst)
	})
}

func TestActivationSpecial(t *testing.T) {
	nan := float32(math.NaN())
	atLevels(t, func(t *testing.T) {
		for _, c := range []struct {
			name    string
			f       func(dst, x []float32)
			x, want float32
		}{
			{"ReLU", ReLU, inf, inf}, {"ReLU", ReLU, -inf, 0}, {"ReLU", ReLU, nan, nan},
			{"GELU", GELU, inf, inf}, {"GELU", GELU, -inf, nan}, {"GELU", GELU, nan, nan}, {"GELU", GELU, -1e30, 0},
			{"GELU", GELU, 1e30, 1e30}, {"Tanh", Tanh, inf, 1}, {"Tanh", Tanh, -inf, -1}, {"Tanh", Tanh, nan, nan},
			{"Tanh", Tanh, 1e-40, 1e-40}, {"Tanh", Tanh, -1e30, -1},
		} {
			for _, n := range []int{1, 8, 16, 19} {
				x, y := make([]float32, n), make([]float32, n)
				for i := range x {
					x[i] = c.x
				}
				c.f(y, x)
				for _, got := range y {
					near(t, got, float64(c.want), 0, 0, "%s(%v)", c.name, c.x)
				}
			}
		}
	})
}
