package model

import (
	"math"
	"testing"
)

func TestChoose(t *testing.T) {
	logits := []float32{1, 3, 3, 0, 2}
	if got := (GenerationConfig{}).choose(logits, 0); got != 1 {
		t.Errorf("greedy took %d, want the first of the largest, 1", got)
	}
	count := func(s GenerationConfig) []float64 {
		n := make([]float64, len(logits))
		for i := range 20000 {
			n[s.choose(append([]float32(nil), logits...), uint64(i))]++
		}
		for i := range n {
			n[i] /= 20000
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
