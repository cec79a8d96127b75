package spectrum

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestIterate measures how much subspace iteration misses of the best approximation: on normal matrices, whose singular
// values fall most slowly, and on matrices whose singular values fall as 1/√k, which those of trained weights do at least.
func TestIterate(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, falling := range []bool{false, true} {
		w := random(rng, 200, 300)
		if falling {
			f, err := Exact(w)
			if err != nil {
				t.Fatal(err)
			}
			for k := range f.Values {
				row := f.Right.RawRowView(k)
				for j := range row {
					row[j] /= math.Sqrt(float64(k + 1))
				}
			}
			var p mat.Dense
			p.Mul(f.Left.T(), f.Right)
			copy(w.Data, Float32(&p))
		}
		best, err := Exact(w)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			iterations int
			most       float64
		}{{4, 3e-2}, {iterations, 1e-3}} {
			f, err := Iterate(w, 16, tt.iterations)
			if err != nil {
				t.Fatal(err)
			}
			got, want := 0.0, 0.0
			for k := range 16 {
				got += f.Values[k] * f.Values[k]
				want += best.Values[k] * best.Values[k]
			}
			if off := 1 - got/want; off < -1e-5 || off > tt.most {
				t.Errorf("falling %t, %d iterations: the share %.2g of the best is missed, more than %g", falling, tt.iterations, off, tt.most)
			} else {
				t.Logf("falling %t, %d iterations: %.2g missed", falling, tt.iterations, off)
			}
		}
	}
}
