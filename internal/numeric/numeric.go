// Package numeric turns a model's outputs into probabilities and choices: softmax, log-sum-exp, sigmoid, the largest
// values of a vector. Pure functions of one vector of logits belong here. Functions of whole matrices, and those with a
// gradient, belong to package op.
package numeric

import (
	"math"
	"slices"
)

// Float is a floating-point type.
type Float interface{ ~float32 | ~float64 }

// IsFinite reports whether x is neither NaN nor infinite.
func IsFinite[T Float](x T) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }

// Argmax returns the index of the largest value of x, the first of equals. x has one or more values.
func Argmax[T Float](x []T) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// TopN returns the indices of the n largest values of x (of all values if n is larger), in descending order of the
// values; of equal values the first comes first. It takes time len(x)·log n, and n for every value that enters the
// list.
func TopN[T Float](x []T, n int) []int {
	n = min(n, len(x))
	if n <= 0 {
		return nil
	}
	best := make([]int, 0, n+1)
	for i, v := range x {
		if len(best) == n && v <= x[best[n-1]] {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, v, func(b int, v T) int {
			if x[b] >= v {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, at, i)
		best = best[:min(len(best), n)]
	}
	return best
}

// Softmax returns exp(xᵢ) / Σⱼ exp(xⱼ). It subtracts the largest value first, so nothing overflows.
func Softmax[T Float](x []T) []float64 {
	p, sum := make([]float64, len(x)), 0.0
	if len(x) == 0 {
		return p
	}
	largest := x[Argmax(x)]
	for i, v := range x {
		p[i] = math.Exp(float64(v - largest))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// LogSumExp returns log Σᵢ exp(xᵢ), computed in float64. x has one or more values.
func LogSumExp[T Float](x []T) float64 {
	largest, sum := float64(x[Argmax(x)]), 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - largest)
	}
	return largest + math.Log(sum)
}

// LogSoftmax replaces the logits x by log softmax(x). x has one or more values.
func LogSoftmax(x []float32) {
	largest, sum := x[Argmax(x)], 0.0
	for _, v := range x {
		sum += math.Exp(float64(v - largest))
	}
	log := float32(math.Log(sum))
	for i := range x {
		x[i] = x[i] - largest - log
	}
}

// Sigmoid returns 1 / (1 + exp(−x)).
func Sigmoid[T Float](x T) float64 { return 1 / (1 + math.Exp(-float64(x))) }
