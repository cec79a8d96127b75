package model

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestChoose(t *testing.T) {
	logits := []float32{1, 3, 3, 0, 2}
	if got := (GenerationConfig{}).choose(logits, 0); got != 1 {
		t.Errorf("greedy took %d, want the first of the largest, 1", got)
	}
	draws := 20000
	if testing.Short() {
		draws = 5000
	}
	count := func(s GenerationConfig) []float64 {
		n := make([]float64, len(logits))
		for i := range draws {
			n[s.choose(append([]float32(nil), logits...), uint64(i))]++
		}
		for i := range n {
			n[i] /= float64(draws)
		}
		return n
	}
	softmax := func(temperature float64, keep ...int) []float64 {
		p, sum := make([]float64, len(logits)), 0.0
		for _, i := range keep {
			p[i] = math.Exp(float64(logits[i]) / temperature)
			sum += p[i]
		}
		for i := range p {
			p[i] /= sum
		}
		return p
	}
	for name, tt := range map[string]struct {
		s    GenerationConfig
		want []float64
	}{
		"temperature": {GenerationConfig{Temperature: 2}, softmax(2, 0, 1, 2, 3, 4)},
		"top-k":       {GenerationConfig{Temperature: 1, TopK: 3}, softmax(1, 1, 2, 4)},
		"top-p":       {GenerationConfig{Temperature: 1, TopP: 0.5}, softmax(1, 1, 2)},
		"all":         {GenerationConfig{Temperature: 0.5, TopK: 2, TopP: 0.4, Seed: 9}, softmax(0.5, 1)},
	} {
		for i, got := range count(tt.s) {
			if math.Abs(got-tt.want[i]) > 0.02 {
				t.Errorf("%s: token %d with frequency %.3f, want %.3f", name, i, got, tt.want[i])
			}
		}
	}
}

// TestDistribution compares selection with sorting.
func TestDistribution(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		logits := make([]float32, 1+r.IntN(40))
		for i := range logits {
			logits[i] = float32(r.IntN(12)-3) / float32(1+r.IntN(3)) // some are equal
			if r.IntN(10) == 0 {
				logits[i] = never
			}
		}
		logits[r.IntN(len(logits))] = 2
		d := newDistribution(slices.Clone(logits), 0.7)
		order := make([]candidate, len(logits))
		for i, w := range d.weights {
			order[i] = candidate{i, w}
		}
		slices.SortFunc(order, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.token, b.token))
		})
		want := r.Float64() * d.total
		n, sum := 0, 0.0
		for n == 0 || sum < want && n < len(order) {
			sum += float64(order[n].weight)
			n++
		}
		token, reached := d.at(want)
		if token != order[n-1].token && math.Abs(sum-want) > 1e-6 || math.Abs(reached-sum) > 1e-6 && math.Abs(sum-want) > 1e-6 {
			t.Fatalf("%v: at(%g) = %d, %g; want %d, %g", order, want, token, reached, order[n-1].token, sum)
		}
	}
}

// BenchmarkChoose samples from SmolLM2's vocabulary.
func BenchmarkChoose(b *testing.B) {
	const vocabulary = 49152
	for _, s := range []GenerationConfig{
		{Temperature: 0.7}, {Temperature: 0.7, TopK: 50}, {Temperature: 0.7, TopP: 0.9}, {Temperature: 0.7, TopK: 50, TopP: 0.9}, {Temperature: 1.5, TopP: 0.99},
	} {
		b.Run(fmt.Sprintf("t%g k%d p%g", s.Temperature, s.TopK, s.TopP), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			logits, scratch := make([]float32, vocabulary), make([]float32, vocabulary)
			for i := range logits {
				logits[i] = float32(3 * r.NormFloat64())
			}
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				copy(scratch, logits)
				s.choose(scratch, i)
			}
		})
	}
}
