package spectrum

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/tensor"
)

// random is a matrix of normal numbers.
func random(rng *rand.Rand, rows, cols int) tensor.Matrix {
	m := tensor.New(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(rng.NormFloat64())
	}
	return m
}

// values are the singular values of the matrices together, the largest first.
func values(t *testing.T, cores ...*mat.Dense) []float64 {
	t.Helper()
	var all []float64
	for _, c := range cores {
		v, err := SingularValues(c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v...)
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all
}

// TestSingularValues: their squares add up to those of the matrix, in every shape.
func TestSingularValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, s := range [][2]int{{1, 1}, {1, 9}, {9, 1}, {40, 40}, {40, 50}, {50, 40}, {130, 260}, {260, 130}, {64, 300}} {
		m := Float64(random(rng, s[0], s[1]))
		values := values(t, m)
		sum := 0.0
		for _, v := range values {
			sum += v * v
		}
		if want := math.Pow(mat.Norm(m, 2), 2); len(values) != min(s[0], s[1]) || math.Abs(sum-want) > 1e-10*want {
			t.Errorf("%v: %d values, whose squares add up to %.15g, want %.15g", s, len(values), sum, want)
		}
	}
}

// TestCores: a core has the singular values of the matrix that it stands for, and is smaller.
func TestCores(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	repeated := tensor.New(40, 30) // four rows and five columns, again and again, and a block of its own
	small := random(rng, 4, 5)
	for i := range 35 {
		for j := range 25 {
			repeated.Row(i)[j] = small.Row(i % 4)[j%5]
		}
	}
	for i := 35; i < 40; i++ {
		copy(repeated.Row(i)[25:], random(rng, 1, 5).Data)
	}
	b, a := random(rng, 40, 3), random(rng, 3, 30)
	product := tensor.New(40, 30)
	tensor.NN(product, b, a, 0)
	for i := range product.Data {
		product.Data[i] *= 2
	}
	for _, tt := range []struct {
		name  string
		whole tensor.Matrix
		cores []*mat.Dense
		most  int // elements of the cores
	}{
		{"rows and columns that repeat", repeated, Blocks(repeated), 4*5 + 5*5},
		{"a low rank", product, []*mat.Dense{LowRank(b, a, 2)}, 3 * 3},
	} {
		size := 0
		for _, c := range tt.cores {
			r, k := c.Dims()
			size += r * k
		}
		if size > tt.most {
			t.Errorf("%s: the cores have %d elements, want %d at most", tt.name, size, tt.most)
		}
		got, want := values(t, tt.cores...), values(t, Float64(tt.whole))
		for i, w := range want {
			v := 0.0
			if i < len(got) {
				v = got[i]
			}
			if math.Abs(v-w) > 1e-6*want[0] {
				t.Errorf("%s: singular value %d is %g, want %g", tt.name, i, v, w)
			}
		}
	}
}
