package numeric

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestArgmaxAndTopN(t *testing.T) {
	for _, c := range []struct {
		x    []float32
		n    int
		want []int
	}{
		{[]float32{3}, 1, []int{0}},
		{[]float32{1, 5, 2}, 2, []int{1, 2}},
		{[]float32{1, 1, 1, 1}, 3, []int{0, 1, 2}},
		{[]float32{-1, -3, -1, -2}, 4, []int{0, 2, 3, 1}},
		{[]float32{1, 2}, 5, []int{1, 0}},
		{[]float32{1, 2}, 0, nil},
		{nil, 3, nil},
	} {
		if got := TopN(c.x, c.n); !slices.Equal(got, c.want) {
			t.Errorf("the %d largest of %v are at %v, want %v", c.n, c.x, got, c.want)
		}
		if len(c.want) > 0 && Argmax(c.x) != c.want[0] {
			t.Errorf("the largest of %v is at %d, want %d", c.x, Argmax(c.x), c.want[0])
		}
	}
}

// TestTopNSorts compares TopN with a stable sort, on values with many equal ones.
func TestTopNSorts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		x := make([]float64, 1+rng.IntN(40))
		order := make([]int, len(x))
		for i := range x {
			x[i], order[i] = float64(rng.IntN(8)), i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x[b], x[a]) })
		n := 1 + rng.IntN(len(x))
		if got := TopN(x, n); !slices.Equal(got, order[:n]) {
			t.Errorf("the %d largest of %v are at %v, want %v", n, x, got, order[:n])
		}
	}
}

func TestProbabilities(t *testing.T) {
	const tolerance = 1e-12
	near := func(what string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= tolerance) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	// softmax(log 1, log 2, log 5) is (1, 2, 5)/8, even if exp alone would overflow or underflow.
	for _, shift := range []float64{0, 1e4, -1e4} {
		x := []float64{shift, shift + math.Log(2), shift + math.Log(5)}
		for i, p := range Softmax(x) {
			if math.Abs(p-[]float64{1, 2, 5}[i]/8) > 1e-11 { // x itself is rounded to 1e4's precision
				t.Errorf("shifted by %g, probability %d is %v", shift, i, p)
			}
		}
		if got := LogSumExp(x) - shift; math.Abs(got-math.Log(8)) > 1e-11 {
			t.Errorf("shifted by %g, log-sum-exp is %v, want log 8", shift, got)
		}
	}
	x := []float32{0.5, -2, 3}
	p, logs := Softmax(x), slices.Clone(x)
	LogSoftmax(logs)
	for i := range x {
		near(fmt.Sprintf("p[%d]", i), p[i], math.Exp(float64(x[i])-LogSumExp(x)))
		if math.Abs(float64(logs[i])-math.Log(p[i])) > 1e-6 { // float32
			t.Errorf("log p[%d] is %v, want %v", i, logs[i], math.Log(p[i]))
		}
	}
	near("sigmoid 0", Sigmoid(0.0), 0.5)
	near("sigmoid log 3", Sigmoid(math.Log(3)), 0.75)
	near("sigmoid -1e4", Sigmoid(float32(-1e4)), 0)
	if got := Softmax([]float32{}); len(got) != 0 {
		t.Errorf("the softmax of an empty vector is %v", got)
	}
}

// TestNotFinite checks that a value that is not finite shows in the results.
func TestNotFinite(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
		if IsFinite(bad) || IsFinite(float64(-bad)) || !IsFinite(float32(3)) {
			t.Errorf("IsFinite is wrong for %v", bad)
		}
		for _, x := range [][]float32{{bad, 1}, {1, bad}} {
			if got := LogSumExp(x); IsFinite(got) {
				t.Errorf("log-sum-exp of %v is %v", x, got)
			}
			if p := Softmax(x); !math.IsNaN(p[0] + p[1]) {
				t.Errorf("softmax of %v is %v", x, p)
			}
		}
	}
}

func BenchmarkTopN(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 49152)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for b.Loop() {
		TopN(x, 10)
	}
}
