package tensor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/internal/cpu"
)

// atLevels runs f at every level of this processor.
func atLevels(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	used := cpu.Used
	defer func() { cpu.Used = used }()
	for _, l := range cpu.Levels() {
		cpu.Used = l
		t.Run(l.String(), f)
	}
}

// random returns a strided view with NaN around it, so that reads and writes outside of it show.
func random(rng *rand.Rand, rows, cols int) Matrix {
	m := New(rows+2, cols+5)
	for i := range m.Data {
		m.Data[i] = float32(math.NaN())
	}
	v := m.Slice(1, 3, rows, cols)
	for i := range rows {
		for j := range v.Row(i) {
			v.Row(i)[j] = float32(rng.NormFloat64())
		}
	}
	return v
}

func clone(m Matrix) Matrix {
	c := m
	c.Data = slices.Clone(m.Data)
	return c
}

// scaled is a Source that is twice a matrix.
type scaled struct{ m Matrix }

func (s *scaled) Dims() (int, int) { return s.m.Dims() }

func (s *scaled) Block(dst []float32, ld, i, j, m, n int) {
	s.m.Block(dst, ld, i, j, m, n)
	for r := range m {
		for c := range n {
			dst[r*ld+c] *= 2
		}
	}
}

// sources returns m as every kind of Source, and each as a plain matrix.
func sources(m Matrix) map[string]struct {
	src   Source
	plain Matrix
} {
	type pair = struct {
		src   Source
		plain Matrix
	}
	b, h := BF16{Rows: m.Rows, Cols: m.Cols}, F16{Rows: m.Rows, Cols: m.Cols}
	bm, hm, sm := New(m.Rows, m.Cols), New(m.Rows, m.Cols), New(m.Rows, m.Cols)
	for i := range m.Rows {
		for j, x := range m.Row(i) {
			b.Data, h.Data = append(b.Data, ToBF16(x)), append(h.Data, ToF16(x))
			bm.Row(i)[j], hm.Row(i)[j], sm.Row(i)[j] = FromBF16(ToBF16(x)), FromF16(ToF16(x)), 2*x
		}
	}
	return map[string]pair{"f32": {m, m}, "bf16": {b, bm}, "f16": {h, hm}, "custom": {&scaled{m}, sm}}
}

// oracle checks got = op(A)·op(B) + beta·C in float64; at reads op(A) and op(B) by (lane, k).
func oracle(t *testing.T, what string, got, c Matrix, k int, a, b func(lane, k int) float32, beta float32) {
	t.Helper()
	for i := range got.Rows {
		for j, g := range got.Row(i) {
			var s, mag float64
			for p := range k {
				x := float64(a(i, p)) * float64(b(j, p))
				s, mag = s+x, mag+math.Abs(x)
			}
			if beta != 0 {
				s += float64(beta) * float64(c.Row(i)[j])
				mag += math.Abs(float64(beta) * float64(c.Row(i)[j]))
			}
			if tol := 1e-6*mag + 1e-30; !(math.Abs(float64(g)-s) <= tol) {
				t.Fatalf("%s: C[%d,%d] = %v, want %v ± %.2g", what, i, j, g, s, tol)
			}
		}
	}
}

var sizes = [][3]int{ // m, n, k
	{1, 1, 1}, {1, 2, 3}, {2, 7, 13}, {3, 31, 33}, {4, 61, 65}, {1, 100, 193}, {4, 33, 576}, {3, 5, 8200}, {5, 9, 320}, {7, 33, 321}, {17, 40, 640}, {16, 33, 641},
	{5, 1, 2}, {7, 3, 1}, {13, 33, 31}, {31, 13, 64}, {33, 65, 7}, {61, 64, 100}, {64, 64, 64}, {65, 31, 61},
	{100, 16, 65}, {193, 61, 33}, {14, 32, 384}, {16, 17, 385}, {28, 96, 769}, {15, 129, 576}, {256, 8, 32}, {8, 256, 3},
}

var betas = [...]float32{0, 1, 0.5}

func TestProducts(t *testing.T) {
	atLevels(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		turn := 0
		for _, s := range sizes {
			m, n, k := s[0], s[1], s[2]
			a, at := random(rng, m, k), random(rng, k, m)
			fill := func() (c Matrix, beta float32) {
				turn++
				c, beta = random(rng, m, n), betas[turn%len(betas)]
				if beta == 0 {
					c.Row(m - 1)[n-1] = float32(math.NaN())
				}
				return c, beta
			}
			for name, b := range sources(random(rng, n, k)) {
				c, beta := fill()
				got := clone(c)
				NT(got, a, b.src, beta)
				oracle(t, fmt.Sprintf("NT %v %s beta %v", s, name, beta), got, c, k,
					func(i, p int) float32 { return a.Row(i)[p] }, func(j, p int) float32 { return b.plain.Row(j)[p] }, beta)
				outsideIsNaN(t, got)
			}
			b := random(rng, k, n)
			for name, b := range sources(b) {
				c, beta := fill()
				got := clone(c)
				NN(got, a, b.src, beta)
				oracle(t, fmt.Sprintf("NN %v %s beta %v", s, name, beta), got, c, k,
					func(i, p int) float32 { return a.Row(i)[p] }, func(j, p int) float32 { return b.plain.Row(p)[j] }, beta)
			}
			c, beta := fill()
			got := clone(c)
			TN(got, at, b, beta)
			oracle(t, fmt.Sprintf("TN %v beta %v", s, beta), got, c, k,
				func(i, p int) float32 { return at.Row(p)[i] }, func(j, p int) float32 { return b.Row(p)[j] }, beta)
			outsideIsNaN(t, got)
		}
	})
}

// outsideIsNaN checks that nothing between the rows of a view was written.
func outsideIsNaN(t *testing.T, m Matrix) {
	t.Helper()
	for i := range m.Rows - 1 {
		for _, x := range m.Data[i*m.Stride+m.Cols : (i+1)*m.Stride] {
			if x == x {
				t.Fatalf("written outside of C, after row %d", i)
			}
		}
	}
}
