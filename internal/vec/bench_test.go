package vec

import (
	"math/rand/v2"
	"testing"

	"github.com/spagotune/spagotune/internal/cpu"
)

func Benchmark(b *testing.B) {
	rng := rand.New(rand.NewPCG(8, 8))
	s := make([][]float32, 5)
	for i := range s {
		s[i] = make([]float32, 1<<16+1024)[16*7*i:][:1<<16] // not all at one offset within a page
		for j := range s[i] {
			s[i][j] = float32(rng.NormFloat64())
		}
	}
	for _, c := range []struct {
		name string
		n    int
		run  func(s [][]float32)
	}{
		{"Dot", 576, func(s [][]float32) { Dot(s[0], s[1]) }},
		{"SumSquares", 4096, func(s [][]float32) { SumSquares(s[0]) }},
		{"Max", 4096, func(s [][]float32) { Max(s[0]) }},
		{"Axpy", 576, func(s [][]float32) { Axpy(s[4], 1e-3, s[0]) }},
		{"Add", 576, func(s [][]float32) { Add(s[4], s[0], s[1]) }},
		{"ExpSum", 4096, func(s [][]float32) { ExpSum(s[4], s[0], 1) }},
		{"SwiGLU", 3072, func(s [][]float32) { SwiGLU(s[4], s[0], s[1]) }},
		{"SwiGLUGrad", 3072, func(s [][]float32) { SwiGLUGrad(s[2], s[4], s[0], s[1], s[3]) }},
		{"RMSNorm", 576, func(s [][]float32) { RMSNorm(s[4], s[0], s[1], 1e-5) }},
		{"RMSNormGrad", 576, func(s [][]float32) { RMSNormGrad(s[4], s[0], s[1], s[3], 1e-9) }},
		{"LayerNorm", 384, func(s [][]float32) { LayerNorm(s[4], s[0], s[1], s[2], 1e-12) }},
		{"LayerNormGrad", 384, func(s [][]float32) { LayerNormGrad(s[4], s[0], s[1], s[3], 0.1, 0.9) }},
		{"GELU", 1536, func(s [][]float32) { GELU(s[4], s[0]) }},
		{"GELUGrad", 1536, func(s [][]float32) { GELUGrad(s[4], s[0], s[1]) }},
		{"Gate", 1536, func(s [][]float32) { Gate(s[4], s[0], 1.6, 0.07) }},
		{"GateGrad", 1536, func(s [][]float32) { GateGrad(s[4], s[0], s[1], 1.6, 0.07) }},
		{"Tanh", 1536, func(s [][]float32) { Tanh(s[4], s[0]) }},
		{"ReLU", 1536, func(s [][]float32) { ReLU(s[4], s[0]) }},
		{"Rotate", 64, func(s [][]float32) { Rotate(s[4], s[3][:32], s[2][:32]) }},
		{"AdamW", 65536, func(s [][]float32) { AdamW(s[4], s[0], s[1], s[3], 1e-5, 0.9, 0.99, 1e-8, 0, 1, 1) }},
	} {
		for i := range s[3] {
			s[2][i], s[3][i] = 0, 1
		}
		b.Run(c.name, func(b *testing.B) {
			defer func(l cpu.Level) { cpu.Used = l }(cpu.Used)
			x := make([][]float32, len(s))
			for i := range s {
				x[i] = s[i][:c.n]
			}
			for _, l := range cpu.Levels() {
				b.Run(l.String(), func(b *testing.B) {
					cpu.Used = l
					for b.Loop() {
						c.run(x)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.n), "ns/value")
				})
			}
		})
	}
}
