package adapter

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestIterate measures what subspace iteration leaves behind beside the best, on normal matrices, whose singular values
// fall most slowly, and on ones that fall as 1/√k, as those of trained weights do at least.
func TestIterate(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, falling := range []bool{false, true} {
		w := random(rng, 200, 300)
		if falling {
			f, err := decompose(widen(w))
			if err != nil {
				t.Fatal(err)
			}
			for k := range f.values {
				row := f.right.RawRowView(k)
				for j := range row {
					row[j] /= math.Sqrt(float64(k + 1))
				}
			}
			var p mat.Dense
			p.Mul(f.left.T(), f.right)
			copy(w.Data, narrow(&p))
		}
		best, err := decompose(widen(w))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			iterations int
			most       float64
		}{{4, 3e-2}, {pissaIterations, 1e-3}} {
			f, err := iterate(w, 16, tt.iterations)
			if err != nil {
				t.Fatal(err)
			}
			got, want := 0.0, 0.0
			for k := range 16 {
				got += f.values[k] * f.values[k]
				want += best.values[k] * best.values[k]
			}
			if off := 1 - got/want; off < -1e-5 || off > tt.most {
				t.Errorf("falling %t, %d iterations: the share %.2g of the best is missed, more than %g", falling, tt.iterations, off, tt.most)
			} else {
				t.Logf("falling %t, %d iterations: %.2g missed", falling, tt.iterations, off)
			}
		}
	}
}
