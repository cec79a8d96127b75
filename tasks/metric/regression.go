package metric

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// MSE is the mean squared error.
func MSE(predicted, gold []float64) (float64, error) {
	if err := checkNumbers(predicted, gold); err != nil {
		return 0, err
	}
	sum := 0.0
	for i := range gold {
		d := predicted[i] - gold[i]
		sum += d * d
	}
	return sum / float64(len(gold)), nil
}

// ErrUndefined is the error of a correlation with values that do not vary.
var ErrUndefined = errors.New("not defined")

// Pearson is the linear correlation, from −1 to 1: the covariance divided by the product of the standard deviations
// (Pearson, 1895). Where all predictions, or all references, are equal, the error is ErrUndefined.
func Pearson(predicted, gold []float64) (float64, error) {
	if err := checkNumbers(predicted, gold); err != nil {
		return 0, err
	}
	x, err1 := standardized(predicted)
	y, err2 := standardized(gold)
	if err1 != nil {
		return 0, fmt.Errorf("metric: correlation: %w: predictions %w", ErrUndefined, err1)
	}
	if err2 != nil {
		return 0, fmt.Errorf("metric: correlation: %w: references %w", ErrUndefined, err2)
	}
	r := 0.0
	for i := range x {
		r += x[i] * y[i]
	}
	return max(-1, min(1, r)), nil
}

// Spearman is the correlation of the ranks, from −1 to 1 (Spearman, 1904). Equal values share the mean of their ranks.
func Spearman(predicted, gold []float64) (float64, error) {
	if err := checkNumbers(predicted, gold); err != nil {
		return 0, err
	}
	return Pearson(ranks(predicted), ranks(gold))
}

// standardized is x minus its mean, scaled to length 1.
func standardized(x []float64) ([]float64, error) {
	if slices.Max(x) == slices.Min(x) {
		return nil, errors.New("are all equal")
	}
	scale := max(slices.Max(x), -slices.Min(x)) // so that no square overflows
	mean := 0.0
	for _, v := range x {
		mean += v / scale
	}
	mean /= float64(len(x))
	out, squares := make([]float64, len(x)), 0.0
	for i, v := range x {
		out[i] = v/scale - mean
		squares += out[i] * out[i]
	}
	length := math.Sqrt(squares)
	if length == 0 {
		return nil, errors.New("differ too little")
	}
	for i := range out {
		out[i] /= length
	}
	return out, nil
}

// ranks are the places of the values in sorted order, counted from 1.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	out := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for _, at := range order[i:j] {
			out[at] = float64(i+1+j) / 2
		}
		i = j
	}
	return out
}

// checkNumbers returns an error if a number is not finite.
func checkNumbers(predicted, gold []float64) error {
	if err := samePairs(len(predicted), len(gold)); err != nil {
		return err
	}
	for i := range gold {
		if d := predicted[i] + gold[i]; math.IsNaN(d) || math.IsInf(predicted[i], 0) || math.IsInf(gold[i], 0) {
			return fmt.Errorf("metric: pair %d: %v and %v are not both finite", i, predicted[i], gold[i])
		}
	}
	return nil
}
