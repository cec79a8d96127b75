package tensor

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPack wants the bits of the product with the matrix itself, in every arithmetic and form, for few rows and many; and of products
// that cannot use what was packed.
func TestPack(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	atForms(t, func(t *testing.T) {
		for _, size := range [][3]int{{1, 33, 40}, {9, 1, 1}, {17, 31, 70}, {40, 200, 1100}, {130, 65, 513}} {
			m, n, k := size[0], size[1], size[2]
			a, at := random(rng, m, k), random(rng, m, n)
			for name, b := range sources(random(rng, n, k)) {
				for _, packedAsBF16 := range []bool{false, true} {
					p := Pack(b.src, packedAsBF16)
					if p.Bytes() < 2*n*k {
						t.Errorf("%d×%d values are packed in %d bytes", n, k, p.Bytes())
					}
					for product, f := range map[string]func(c Matrix, b Source){
						"NT":     func(c Matrix, b Source) { NT(c, a, b, 0) },
						"NTBF16": func(c Matrix, b Source) { NTBF16(c, a, b, 0.5) },
						"NN":     func(c Matrix, b Source) { NN(c, at, b, 1) },
					} {
						cols := n
						if product == "NN" {
							cols = k
						}
						got, want := New(m, cols), New(m, cols)
						f(got, p)
						f(want, b.src)
						if !slices.Equal(got.Data, want.Data) {
							t.Fatalf("%s of %d×%d×%d, %s packed (bfloat16 %t): %v, want %v", product, m, n, k, name, packedAsBF16, got.Data[:1], want.Data[:1])
						}
					}
				}
			}
		}
	})
	if (*Packed)(nil).Bytes() != 0 {
		t.Error("nothing takes memory")
	}
}
