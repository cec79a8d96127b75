package model

import (
	"cmp"
	"math"
	"slices"
)

// choose takes a token by its logits: the first of the largest where the temperature is 0, else a sample made by the
// seed and the token's number. It may change logits.
func (s GenerationConfig) choose(logits []float32, number uint64) int32 {
	if s.Temperature == 0 {
		best := 0
		for i, v := range logits {
			if v > logits[best] {
				best = i
			}
		}
		return int32(best)
	}
	type candidate struct {
		id int32
		p  float64
	}
	all := make([]candidate, len(logits))
	most := float64(slices.Max(logits))
	for i, v := range logits {
		all[i] = candidate{int32(i), math.Exp((float64(v) - most) / s.Temperature)}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.p, a.p) })
	if s.TopK > 0 && s.TopK < len(all) {
		all = all[:s.TopK]
	}
	total := 0.0
	for _, c := range all {
		total += c.p
	}
	if s.TopP > 0 && s.TopP < 1 {
		sum := 0.0
		for i, c := range all {
			if sum += c.p; sum >= s.TopP*total {
				all, total = all[:i+1], sum
				break
			}
		}
	}
	u := newRand(s.Seed, number).Float64() * total
	for _, c := range all {
		if u -= c.p; u < 0 {
			return c.id
		}
	}
	return all[len(all)-1].id
}
