package golden

import (
	"fmt"
	"math"
	"testing"
)

// MaxAbs returns the largest difference. It is NaN if any value is NaN, and infinite if the lengths differ, or if an
// infinite value is not the same on both sides.
func MaxAbs(got, want []float32) float64 {
	d, _ := largest(got, want)
	return d
}

// MaxRel returns the largest difference, divided by the largest finite magnitude of want. If that is 0, a difference of
// 0 stays 0, and any other becomes infinite.
func MaxRel(got, want []float32) float64 {
	return relativeTo(MaxAbs(got, want), want)
}

func relativeTo(d float64, want []float32) float64 {
	if d == 0 {
		return 0
	}
	scale := 0.0
	for _, w := range want {
		if m := math.Abs(float64(w)); m > scale && !math.IsInf(m, 0) {
			scale = m
		}
	}
	return d / scale
}

// largest returns the largest difference and its index, or -1 if the lengths differ. NaN is larger than any number.
func largest(got, want []float32) (float64, int) {
	if len(got) != len(want) {
		return math.Inf(1), -1
	}
	most, at := 0.0, 0
	for i, w := range want {
		g := got[i]
		if g == w {
			continue // also both infinite
		}
		d := math.Abs(float64(g) - float64(w))
		if math.IsNaN(d) {
			return d, i
		}
		if d > most {
			most, at = d, i
		}
	}
	return most, at
}

// Close fails the test unless got is want within tol: the largest difference or, if relative is set, that difference
// divided by the largest magnitude of want. NaN never passes.
func Close(t testing.TB, what string, got, want []float32, tol float64, relative bool) {
	t.Helper()
	if message := differ(got, want, tol, relative); message != "" {
		t.Errorf("%s: %s", what, message)
	}
}

// differ says how got differs from want, "" if it is close enough.
func differ(got, want []float32, tol float64, relative bool) string {
	if len(got) != len(want) {
		return fmt.Sprintf("got %d values, want %d", len(got), len(want))
	}
	d, at := largest(got, want)
	kind := "difference"
	if relative {
		d, kind = relativeTo(d, want), "relative difference"
	}
	if d <= tol || len(want) == 0 {
		return ""
	}
	return fmt.Sprintf("largest %s %.3g, over the tolerance %.3g: at %d of %d got %v, want %v", kind, d, tol, at, len(want), got[at], want[at])
}
