package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/spagotune/spagotune/internal/cpu"
)

const guard = 12345.5

var inf = float32(math.Inf(1))

func atLevels(t *testing.T, f func(t *testing.T)) {
	defer func(l cpu.Level) { cpu.Used = l }(cpu.Used)
	for _, l := range cpu.Levels() {
		cpu.Used = l
		t.Run(l.String(), f)
	}
}

func lengths() []int {
	n := []int{255, 576, 1023, block - 1, block + 17}
	for i := range 71 {
		n = append(n, i)
	}
	return n
}

// guarded is a slice of n values with guards around it.
type guarded struct {
	all []float32
	off int
}

func newGuarded(n, off int, value func(i int) float32) guarded {
	g := guarded{make([]float32, n+off+20), off}
	for i := range g.all {
		g.all[i] = guard
	}
	for i := range n {
		g.all[off+i] = value(i)
	}
	return g
}

func (g guarded) n() int       { return len(g.all) - g.off - 20 }
func (g guarded) s() []float32 { return g.all[g.off : g.off+g.n() : g.off+g.n()] }
func (g guarded) copy() guarded {
	return guarded{append([]float32(nil), g.all...), g.off}
}

func (g guarded) intact(t *testing.T) {
	t.Helper()
	for i, v := range g.all {
		if (i < g.off || i >= g.off+g.n()) && v != guard {
			t.Fatalf("n=%d: wrote %v at %d", g.n(), v, i-g.off)
		}
	}
}

// near fails unless |got−want| ≤ rel·size + 1e-44: size is the greatest term that went into want.
func near(t *testing.T, got float32, want, size, rel float64, what string, args ...any) {
	t.Helper()
	g := float64(got)
	if g == want || math.IsNaN(g) && math.IsNaN(want) || math.Abs(g-want) <= rel*size+1e-44 {
		return
	}
	if math.Abs(want) > math.MaxFloat32 && math.IsInf(g, int(math.Copysign(1, want))) {
		return
	}
	t.Fatalf("%s: got %v, want %v (off by %.3g of %g)", fmt.Sprintf(what, args...), got, want, math.Abs(g-want)/size, size)
}

// elementwise is a function that writes slices, described for the shared checks below.
type elementwise struct {
	name  string
	in    int                       // input slices (outputs that are also read come first)
	out   int                       // output slices
	reads int                       // outputs that are read, too
	alias [][2]int                  // output, input that may be the same slice
	run   func(out, in [][]float32) // in does not repeat the outputs that are read
	want  func(old, in []float64) (y, size []float64)
	rel   float64 // tolerance, in sizes
	same  bool    // the same bits at every level
}

var kernels = []elementwise{
	{name: "Axpy", in: 1, out: 1, reads: 1, same: true, rel: 1.2e-7,
		run: func(o, in [][]float32) { Axpy(o[0], -1.75, in[0]) },
		want: func(old, in []float64) ([]float64, []float64) {
			return []float64{old[0] - 1.75*in[0]}, []float64{math.Abs(old[0]) + 1.75*math.Abs(in[0])}
		}},
	{name: "Add", in: 2, out: 1, same: true, rel: 6e-8, alias: [][2]int{{0, 0}, {0, 1}},
		run: func(o, in [][]float32) { Add(o[0], in[0], in[1]) },
		want: func(_, in []float64) ([]float64, []float64) {
			return []float64{in[0] + in[1]}, []float64{math.Abs(in[0] + in[1])}
		}},
	{name: "Scale", in: 1, out: 1, same: true, rel: 6e-8, alias: [][2]int{{0, 0}},
		run: func(o, in [][]float32) { Scale(o[0], 3.7, in[0]) },
		want: func(_, in []float64) ([]float64, []float64) {
			y := float64(float32(3.7)) * in[0]
			return []float64{y}, []float64{math.Abs(y)}
		}},
	{name: "Mul", in: 2, out: 1, same: true, rel: 6e-8, alias: [][2]int{{0, 0}, {0, 1}},
		run: func(o, in [][]float32) { Mul(o[0], in[0], in[1]) },
		want: func(_, in []float64) ([]float64, []float64) {
			return []float64{in[0] * in[1]}, []float64{math.Abs(in[0] * in[1])}
		}},
	{name: "MulAdd", in: 2, out: 1, reads: 1, same: true, rel: 1.2e-7,
		run: func(o, in [][]float32) { MulAdd(o[0], in[0], in[1]) },
		want: func(old, in []float64) ([]float64, []float64) {
			return []float64{old[0] + in[0]*in[1]}, []float64{math.Abs(old[0]) + math.Abs(in[0]*in[1])}
		}},
	{name: "ExpSum", in: 1, out: 1, rel: 2.4e-7, alias: [][2]int{{0, 0}},
		run: func(o, in [][]float32) { ExpSum(o[0], in[0], 0.5) },
		want: func(_, in []float64) ([]float64, []float64) {
			y := math.Exp(float64(float32(in[0]) - 0.5))
			return []float64{y}, []float64{y}
		}},
	{name: "SwiGLU", in: 2, out: 1, rel: 6e-7, alias: [][2]int{{0, 0}, {0, 1}},
		run: func(o, in [][]float32) { SwiGLU(o[0], in[0], in[1]) },
		want: func(_, in []float64) ([]float64, []float64) {
			y := in[0] / (1 + math.Exp(-in[0])) * in[1]
			return []float64{y}, []float64{math.Abs(y)}
		}},
	{name: "SwiGLUGrad", in: 3, out: 2, rel: 1e-6, alias: [][2]int{{0, 1}, {1, 2}, {0, 0}, {1, 0}},
		run: func(o, in [][]float32) { SwiGLUGrad(o[0], o[1], in[0], in[1], in[2]) },
		want: func(_, in []float64) ([]float64, []float64) {
			dy, gate, up := in[0], in[1], in[2]
			s := 1 / (1 + math.Exp(-gate))
			dg, du := dy*up*(s+gate*s*(1-s)), dy*gate*s
			return []float64{dg, du}, []float64{math.Abs(dy*up) * (s + math.Abs(gate)*s*(1-s)), math.Abs(du)}
		}},
}

// activation describes a function of one value and its gradient, by its value and derivative and their sizes.
func activation(name string, rel float64, f func(dst, x []float32), grad func(dx, dy, x []float32), want func(x float64) (y, dy float64)) []elementwise {
	return []elementwise{
		{name: name, in: 1, out: 1, rel: rel, alias: [][2]int{{0, 0}},
			run: func(o, in [][]float32) { f(o[0], in[0]) },
			want: func(_, in []float64) ([]float64, []float64) {
				y, _ := want(in[0])
				return []float64{y}, []float64{math.Abs(in[0])}
			}},
		{name: name + "Grad", in: 2, out: 1, rel: 2 * rel, alias: [][2]int{{0, 0}, {0, 1}},
			run: func(o, in [][]float32) { grad(o[0], in[0], in[1]) },
			want: func(_, in []float64) ([]float64, []float64) {
				_, d := want(in[1])
				return []float64{in[0] * d}, []float64{math.Abs(in[0])}
			}},
	}
}

func gateOf(a, b float32) (f func(dst, x []float32), grad func(dx, dy, x []float32), want func(x float64) (y, dy float64)) {
	return func(dst, x []float32) { Gate(dst, x, a, b) },
		func(dx, dy, x []float32) { GateGrad(dx, dy, x, a, b) },
		func(x float64) (y, dy float64) {
			a, b := float64(a), float64(b)
			s := 1 / (1 + math.Exp(-x*(a+b*x*x)))
			return x * s, s + x*s*(1-s)*(a+3*b*x*x)
		}
}

func init() {
	silu, siluGrad, siluWant := gateOf(1, 0)
	a := float32(math.Sqrt(8 / math.Pi))
	tanhGELU, tanhGELUGrad, tanhGELUWant := gateOf(a, 0.044715*a)
	for _, e := range [][]elementwise{
		activation("ReLU", 1e-9, ReLU, ReLUGrad, func(x float64) (y, dy float64) {
			if x > 0 {
				return x, 1
			}
			return 0, 0
		}),
		activation("SiLU", 3e-7, silu, siluGrad, siluWant),
		activation("TanhGELU", 3e-7, tanhGELU, tanhGELUGrad, tanhGELUWant),
		activation("Tanh", 2e-7, Tanh, TanhGrad, func(x float64) (y, dy float64) {
			y = math.Tanh(x)
			return y, 1 - y*y
		}),
		activation("GELU", 1e-7, GELU, GELUGrad, func(x float64) (y, dy float64) {
			cdf := math.Erfc(-x/math.Sqrt2) / 2
			return x * cdf, cdf + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
		}),
	} {
		kernels = append(kernels, e...)
	}
}

// values are ordinary ones, and among them powers of e and limits on which kernels may stumble.
func values(rng *rand.Rand) func(i int) float32 {
	odd := []float32{0, float32(math.Copysign(0, -1)), 88, -88, 88.7, -87.3, 1e-40, -1e-40, 20, -20, 1e-10, 50}
	return func(int) float32 {
		if rng.IntN(4) == 0 {
			return odd[rng.IntN(len(odd))]
		}
		return float32(rng.NormFloat64())
	}
}

func (e elementwise) slices(rng *rand.Rand, n int) (out, in []guarded) {
	for range e.out {
		out = append(out, newGuarded(n, rng.IntN(17), values(rng)))
	}
	for range e.in {
		in = append(in, newGuarded(n, rng.IntN(17), values(rng)))
	}
	return out, in
}

func raw(g []guarded) (s [][]float32) {
	for _, x := range g {
		s = append(s, x.s())
	}
	return s
}

func TestElementwise(t *testing.T) {
	for _, e := range kernels {
		t.Run(e.name, func(t *testing.T) {
			bits := map[int]uint64{} // of each length at the first level
			atLevels(t, func(t *testing.T) {
				for _, n := range lengths() {
					rng := rand.New(rand.NewPCG(1, uint64(n)))
					out, in := e.slices(rng, n)
					old := raw(out)
					for i := range old {
						old[i] = append([]float32(nil), old[i]...)
					}
					e.run(raw(out), raw(in))
					e.check(t, n, old, raw(in), raw(out))
					for _, g := range append(out, in...) {
						g.intact(t)
					}
					if sum := checksum(raw(out)); e.same && bits[n] != 0 && sum != bits[n] {
						t.Fatalf("n=%d: bits differ from those of pure Go", n)
					} else {
						bits[n] = sum
					}
				}
			})
		})
	}
}

func (e elementwise) check(t *testing.T, n int, old, in, out [][]float32) {
	t.Helper()
	o, x := make([]float64, e.out), make([]float64, e.in)
	for i := range n {
		for j := range o {
			o[j] = float64(old[j][i])
		}
		for j := range x {
			x[j] = float64(in[j][i])
		}
		y, size := e.want(o, x)
		for j := range y {
			// A factor below the normal numbers is 0: what is lost of a product is below 1e-32.
			near(t, out[j][i], y[j], size[j]+1e-26, e.rel, "%s, n=%d, out[%d][%d] of %v", e.name, n, j, i, x)
		}
	}
}

func checksum(s [][]float32) uint64 {
	h := uint64(14695981039346656037)
	for _, x := range s {
		for _, v := range x {
			h = (h ^ uint64(math.Float32bits(v))) * 1099511628211
		}
	}
	return h
}

func TestAliases(t *testing.T) {
	for _, e := range kernels {
		t.Run(e.name, func(t *testing.T) {
			atLevels(t, func(t *testing.T) {
				for _, n := range []int{5, 16, 67, 300} {
					rng := rand.New(rand.NewPCG(2, uint64(n)))
					out, in := e.slices(rng, n)
					e.run(raw(out), raw(in))
					want := raw(out)
					for _, a := range e.alias {
						o, x := raw(out), raw(in)
						for i := range o {
							o[i] = make([]float32, n)
						}
						x[a[1]] = append([]float32(nil), x[a[1]]...)
						o[a[0]] = x[a[1]]
						e.run(o, x)
						if checksum(o) != checksum(want) {
							t.Fatalf("n=%d: another result where output %d is input %d", n, a[0], a[1])
						}
					}
				}
			})
		})
	}
}

// TestPosition checks that the value of an element does not depend on its position, in a whole vector or in the rest.
func TestPosition(t *testing.T) {
	for _, e := range kernels {
		t.Run(e.name, func(t *testing.T) {
			atLevels(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(3, 3))
				out, in := e.slices(rng, 200)
				all, part := raw(out), make([][]float32, e.out)
				for i := range part {
					part[i] = append([]float32(nil), all[i][101:130]...)
				}
				x := raw(in)
				for i := range x {
					x[i] = x[i][101:130]
				}
				e.run(part, x)
				e.run(all, raw(in))
				for i := range all {
					all[i] = all[i][101:130]
				}
				if checksum(part) != checksum(all) {
					t.Fatal("a part of the slices gives other bits")
				}
			})
		})
	}
}

func TestLengthsThatDiffer(t *testing.T) {
	a, b := make([]float32, 8), make([]float32, 7)
	for name, f := range map[string]func(){
		"Dot": func() { Dot(a, b) }, "Axpy": func() { Axpy(a, 1, b) }, "Add": func() { Add(a, a, b) },
		"Add dst": func() { Add(b, a, a) }, "Scale": func() { Scale(a, 1, b) }, "Mul": func() { Mul(a, b, a) },
		"MulAdd": func() { MulAdd(a, a, b) }, "ExpSum": func() { ExpSum(a, b, 0) },
		"SwiGLU": func() { SwiGLU(a, a, b) }, "SwiGLUGrad": func() { SwiGLUGrad(a, a, a, a, b) },
		"ReLU": func() { ReLU(a, b) }, "ReLUGrad": func() { ReLUGrad(a, b, a) }, "Gate": func() { Gate(b, a, 1, 0) },
		"GateGrad": func() { GateGrad(a, a, b, 1, 0) }, "Tanh": func() { Tanh(a, b) }, "TanhGrad": func() { TanhGrad(a, b, a) },
		"GELU": func() { GELU(b, a) }, "GELUGrad": func() { GELUGrad(a, a, b) },
		"LayerNorm": func() { LayerNorm(a, a, a, b, 0) }, "LayerNormGrad": func() { LayerNormGrad(a, a, b, a, 0, 1) },
		"LayerNormWeightGrad": func() { LayerNormWeightGrad(a, a, b, a, 0, 1) },
		"RMSNorm":             func() { RMSNorm(a, a, b, 0) }, "RMSNormGrad": func() { RMSNormGrad(a, a, b, a, 1) },
		"Rotate": func() { Rotate(a, a[:4], a[:3]) }, "Rotate odd": func() { Rotate(b, a[:3], a[:3]) },
		"Unrotate": func() { Unrotate(a, b, b) }, "AdamW": func() { AdamW(a, a, a, b, 0, 0, 0, 0, 0, 1, 1) },
	} {
		func() {
			defer func() {
				if msg, _ := recover().(string); len(msg) < 4 || msg[:4] != "vec:" {
					t.Errorf("%s: recovered %q", name, msg)
				}
			}()
			f()
			t.Errorf("%s: no panic", name)
		}()
	}
}

func TestNoAllocation(t *testing.T) {
	x, y, w := make([]float32, 100), make([]float32, 100), make([]float32, 100)
	atLevels(t, func(t *testing.T) {
		n := testing.AllocsPerRun(5, func() {
			RMSNorm(y, x, w, 1e-6)
			ExpSum(y, x, 1)
			SwiGLUGrad(y, w, x, y, w)
			AdamW(y, x, w, x, 1e-3, 0.9, 0.999, 1e-8, 0, 0.1, 0.1)
			HasNonFinite(x)
			LayerNorm(y, x, w, w, 1e-5)
			LayerNormGrad(y, w, x, w, 0.1, 2)
			GELUGrad(y, x, w)
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
