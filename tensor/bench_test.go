package tensor

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/spagotune/spagotune/internal/cpu"
)

var peakOnce = sync.OnceValue(Peak)

func report(b *testing.B, flop float64) {
	g := flop * float64(b.N) / b.Elapsed().Seconds() / 1e9
	b.ReportMetric(g, "GFLOP/s")
	b.ReportMetric(100*g/peakOnce(), "%peak")
}

func filled(rows, cols int) Matrix {
	rng := rand.New(rand.NewPCG(3, 4))
	m := New(rows, cols)
	for i := range m.Data {
		m.Data[i] = rng.Float32() - 0.5
	}
	return m
}

func halves(rows, cols int) []uint16 {
	rng := rand.New(rand.NewPCG(3, 4))
	d := make([]uint16, rows*cols)
	for i := range d {
		d[i] = ToF16(rng.Float32() - 0.5)
	}
	return d
}

// BenchmarkNT is a layer's forward pass: tokens times a frozen weight.
func BenchmarkNT(b *testing.B) {
	for _, s := range [][3]int{{1024, 576, 1536}, {512, 768, 3072}, {256, 4096, 4096}} {
		m, k, n := s[0], s[1], s[2]
		a, w, c := filled(m, k), filled(n, k), New(m, n)
		for name, src := range map[string]Source{"f32": w, "bf16": BF16{halves(n, k), n, k}, "f16": F16{halves(n, k), n, k}} {
			for _, th := range []int{1, 2} {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/threads=%d", m, k, n, name, th), func(b *testing.B) {
					SetThreads(th)
					defer SetThreads(0)
					for b.Loop() {
						NT(c, a, src, 0)
					}
					report(b, 2*float64(m*n*k))
				})
			}
		}
	}
}

// BenchmarkNTBF16 is BenchmarkNT in bfloat16, by unit.
func BenchmarkNTBF16(b *testing.B) {
	used := cpu.UsedUnit
	defer func() { cpu.UsedUnit = used }()
	for _, s := range [][3]int{{1024, 576, 1536}, {512, 896, 4864}, {256, 4096, 4096}} {
		m, k, n := s[0], s[1], s[2]
		a, w, c := filled(m, k), filled(n, k), New(m, n)
		for name, src := range map[string]Source{"f32": w, "bf16": BF16{halves(n, k), n, k}} {
			for _, u := range cpu.Units() {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/%s", m, k, n, name, u), func(b *testing.B) {
					cpu.UsedUnit = u
					SetThreads(1)
					defer SetThreads(0)
					for b.Loop() {
						NTBF16(c, a, src, 0)
					}
					report(b, 2*float64(m*n*k))
				})
			}
		}
	}
}

// BenchmarkBackward is the other two products, in the shapes of training.
func BenchmarkBackward(b *testing.B) {
	x, gy, w, gx, gw := filled(1024, 576), filled(1024, 1536), filled(1536, 576), New(1024, 576), New(1536, 576)
	h := BF16{halves(1536, 576), 1536, 576}
	for _, th := range []int{1, 2} {
		SetThreads(th)
		b.Run(fmt.Sprintf("NN/f32/threads=%d", th), func(b *testing.B) {
			for b.Loop() {
				NN(gx, gy, w, 0)
			}
			report(b, 2*1024*576*1536)
		})
		b.Run(fmt.Sprintf("NN/bf16/threads=%d", th), func(b *testing.B) {
			for b.Loop() {
				NN(gx, gy, h, 0)
			}
			report(b, 2*1024*576*1536)
		})
		b.Run(fmt.Sprintf("TN/threads=%d", th), func(b *testing.B) {
			for b.Loop() {
				TN(gw, gy, x, 0)
			}
			report(b, 2*1024*576*1536)
		})
	}
	SetThreads(0)
}

// BenchmarkTile is attention's kind of product: small ones of views.
func BenchmarkTile(b *testing.B) {
	for _, n := range []int{16, 32, 64, 128} {
		x, y, c := filled(n, 9*64), filled(n, 9*64), New(n, 9*64)
		u, v, w := x.Slice(0, 64, n, n), y.Slice(0, 64, n, n), c.Slice(0, 64, n, n)
		for name, f := range map[string]func(c, a, b Matrix, beta float32){"NT": NT[Matrix], "NN": NN[Matrix], "TN": TN} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					f(w, u, v, 0)
				}
				report(b, 2*float64(n*n*n))
			})
		}
	}
}

// BenchmarkDecode multiplies one token by a big weight.
func BenchmarkDecode(b *testing.B) {
	const n, k = 8192, 4096
	w := BF16{halves(n, k), n, k}
	for _, m := range []int{1, 4} {
		x, y := filled(m, k), New(m, n)
		for _, th := range []int{1, 2} {
			b.Run(fmt.Sprintf("bf16/m=%d/threads=%d", m, th), func(b *testing.B) {
				SetThreads(th)
				defer SetThreads(0)
				for b.Loop() {
					NT(y, x, w, 0)
				}
				b.ReportMetric(2*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
			})
		}
	}
}

func BenchmarkPeak(b *testing.B) {
	used := cpu.Used
	defer func() { cpu.Used = used }()
	for _, l := range cpu.Levels() {
		cpu.Used = l
		b.Run(l.String(), func(b *testing.B) {
			var p float64
			for b.Loop() {
				p = Peak()
			}
			b.ReportMetric(p, "GFLOP/s")
		})
	}
}
