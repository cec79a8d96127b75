package tensor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/spagotune/spagotune/internal/cpu"
)

// atForms runs f in every way in which this processor multiplies bfloat16.
func atForms(t *testing.T, f func(t *testing.T)) {
	unit := cpu.UsedUnit
	defer func() { cpu.UsedUnit = unit }()
	atLevels(t, func(t *testing.T) {
		for _, u := range cpu.Units() {
			if u != cpu.NoUnit && cpu.Used != cpu.AVX512 {
				continue
			}
			cpu.UsedUnit = u
			t.Run(u.String(), f)
		}
	})
}

// inBF16 is a copy with the values that the units take a matrix's values for.
func inBF16(m Matrix) Matrix {
	r := New(m.Rows, m.Cols)
	for i := range m.Rows {
		for j, x := range m.Row(i) {
			r.Row(i)[j] = rounded1(x)
		}
	}
	return r
}

// TestSpeedupBF16: without a unit there is nothing to measure.
func TestSpeedupBF16(t *testing.T) {
	atForms(t, func(t *testing.T) {
		if got := SpeedupBF16(); got <= 0 || (cpu.UsedUnit == cpu.NoUnit && got != 1) {
			t.Errorf("%g", got)
		}
	})
}

func TestBF16Products(t *testing.T) {
	atForms(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for turn, size := range append([][3]int{{9, 1, 1}, {33, 31, 1030}, {64, 96, 2100}, {15, 65, 63}, {257, 40, 33}}, sizes...) {
			m, n, k := size[0], size[1], size[2]
			if testing.Short() && m*n*k > 1<<20 {
				continue
			}
			for i, beta := range []float32{0, 1, -0.5} {
				if m*n*k > 1<<17 && i != turn%3 {
					continue // the oracle takes long
				}
				c := random(rng, m, n)
				a, at := random(rng, m, k), random(rng, k, m)
				ra, rat := inBF16(a), inBF16(at)
				what := func(s string) string { return fmt.Sprintf("%s %d×%d×%d beta %g", s, m, n, k, beta) }
				for name, b := range sources(random(rng, n, k)) {
					got, rb := clone(c), inBF16(b.plain)
					NTBF16(got, a, b.src, beta)
					oracle(t, what("NT "+name), got, c, k, func(i, p int) float32 { return ra.Row(i)[p] }, func(j, p int) float32 { return rb.Row(j)[p] }, beta)
				}
				for name, b := range sources(random(rng, k, n)) {
					got, rb := clone(c), inBF16(b.plain)
					NNBF16(got, a, b.src, beta)
					oracle(t, what("NN "+name), got, c, k, func(i, p int) float32 { return ra.Row(i)[p] }, func(j, p int) float32 { return rb.Row(p)[j] }, beta)
				}
				b := random(rng, k, n)
				got, rb := clone(c), inBF16(b)
				TNBF16(got, at, b, beta)
				oracle(t, what("TN"), got, c, k, func(i, p int) float32 { return rat.Row(p)[i] }, func(j, p int) float32 { return rb.Row(p)[j] }, beta)
			}
		}
	})
}

// TestBF16Operands holds every form's rounding to bfloat16's: ties, subnormal numbers, infinities, NaN.
func TestBF16Operands(t *testing.T) {
	values := []float32{0, float32(math.Copysign(0, -1)), 1, 1.00390625, 1.01171875, 3.3895314e38, math.MaxFloat32, -math.MaxFloat32, 1e-38, 1.1754944e-38, -1e-40,
		float32(math.Inf(1)), float32(math.Inf(-1))}
	rng := rand.New(rand.NewPCG(3, 4))
	for len(values) < 4096 {
		if f := math.Float32frombits(rng.Uint32()); f == f {
			values = append(values, f)
		}
	}
	atForms(t, func(t *testing.T) {
		// The product with the unit matrix, whose other products are zeros: infinities would make NaN of them.
		const n = 64
		one := New(n, n)
		for i := range n {
			one.Row(i)[i] = 1
		}
		for from := 0; from < len(values); from += n {
			x := New(n, n)
			for i, v := range values[from:min(from+n, len(values))] {
				if v-v == 0 {
					x.Row(i)[i] = v
				}
			}
			c := New(n, n)
			NTBF16(c, x, one, 0)
			for i := range n {
				want := rounded1(x.Row(i)[i])
				if want-want == 0 && c.Row(i)[i] != want {
					t.Fatalf("%g (%x) is %g, want %g", x.Row(i)[i], math.Float32bits(x.Row(i)[i]), c.Row(i)[i], want)
				}
			}
		}
		panel := append([]float32{float32(math.NaN()), math.Float32frombits(0x7f800001), math.Float32frombits(0xffffffff)}, values...)
		want := make([]float32, len(panel))
		for i, v := range panel {
			want[i] = rounded1(v)
		}
		roundBF16(cpu.Used, panel)
		for i, v := range panel {
			if math.Float32bits(v) != math.Float32bits(want[i]) {
				t.Fatalf("value %d is %g (%x), want %g (%x)", i, v, math.Float32bits(v), want[i], math.Float32bits(want[i]))
			}
		}
	})
}

// TestBF16ThreadsGiveTheSameBits: no element's sum depends on how the work is cut.
func TestBF16ThreadsGiveTheSameBits(t *testing.T) {
	defer SetThreads(0)
	atForms(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		a, b := random(rng, 130, 700), random(rng, 350, 700)
		want := New(130, 350)
		SetThreads(1)
		NTBF16(want, a, b, 0)
		for _, n := range []int{2, 3} {
			SetThreads(n)
			got := New(130, 350)
			NTBF16(got, a, b, 0)
			some := New(40, 350)
			NTBF16(some, a.Slice(0, 0, 40, 700), b, 0)
			for i := range want.Data {
				if got.Data[i] != want.Data[i] || i < len(some.Data) && some.Data[i] != want.Data[i] {
					t.Fatalf("%d threads: value %d is %g (%g of fewer rows), want %g", n, i, got.Data[i], some.Data[min(i, len(some.Data)-1)], want.Data[i])
				}
			}
		}
	})
}
