package adapter

import (
	"math/rand/v2"
	"testing"

	"github.com/spagotune/spagotune/tensor"
)

// benchmarks are methods on a layer of a usual size, 1536×576, at r 8.
var benchmarks = []struct {
	name     string
	method   string
	settings map[string]any
}{
	{"mora6", "mora", map[string]any{"mora_type": 6}},
	{"mora1", "mora", map[string]any{"mora_type": 1}},
	{"mora2", "mora", map[string]any{"mora_type": 2}},
	{"mora3", "mora", map[string]any{"mora_type": 3}},
	{"mora4", "mora", map[string]any{"mora_type": 4}},
	{"lora", "lora", nil},
	{"dora", "dora", nil},
}

// BenchmarkMergeInto folds the update into a whole weight, on one thread, in the blocks that packing takes: 64 rows for
// A·Bᵀ, 64 columns for A·B.
func BenchmarkMergeInto(b *testing.B) {
	const out, in = 1536, 576
	for _, c := range benchmarks {
		m, err := New(c.method, c.settings)
		if err != nil {
			b.Fatal(err)
		}
		a := bare(b, m, out, in)
		stir(rand.New(rand.NewPCG(1, 1)), a)
		for _, block := range []struct {
			name       string
			rows, cols int
		}{{"NT", 64, 288}, {"NN", 384, 64}} {
			b.Run(c.name+"/"+block.name, func(b *testing.B) {
				w := tensor.New(block.rows, block.cols)
				for b.Loop() {
					for i := 0; i < out; i += block.rows {
						for j := 0; j < in; j += block.cols {
							a.MergeInto(w, i, j)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(out*in), "ns/element")
			})
		}
	}
}

// BenchmarkGrad computes the adapter's gradient for 512 tokens.
func BenchmarkGrad(b *testing.B) {
	const out, in, tokens = 1536, 576, 512
	rng := rand.New(rand.NewPCG(1, 1))
	x, gy := random(rng, tokens, in), random(rng, tokens, out)
	for _, c := range benchmarks {
		m, err := New(c.method, c.settings)
		if err != nil {
			b.Fatal(err)
		}
		a := bare(b, m, out, in)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.Grad(x, gy)
			}
		})
	}
}
