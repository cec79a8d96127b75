package op

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// checkValues compares an operator without gradients with its definition.
func checkValues(t *testing.T, want []float64, f func(p *Pass) mat.Tensor) {
	t.Helper()
	before := memory.used
	p := &Pass{}
	got := Matrix(f(p)).Data
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	if w := worst(got, want); !(w <= 2e-6) {
		t.Errorf("%v, want %v: differs by %.2g", got, want, w)
	}
	p.Release()
	if memory.used != before {
		t.Errorf("%d values are out after the pass, %d before", memory.used, before)
	}
}

func TestMeanSquares(t *testing.T) {
	x, y := tensor.View([]float32{1, 2, -3, 0.5}, 2, 2), tensor.View([]float32{0, 2.5, -1, 0.5}, 2, 2)
	checkValues(t, []float64{(1 + 0.25) / 2, 4. / 2}, func(p *Pass) mat.Tensor { return MeanSquares(p, copied(p, x), y) })
}

// TestWeightedCrossEntropy has the values of torch.nn.functional.cross_entropy(x, target, weight=[0.5, 3, 1.25], reduction="none"), PyTorch 2.15.
func TestWeightedCrossEntropy(t *testing.T) {
	x := tensor.View([]float32{0.5, -1, 2, 1.5, 0.25, -0.75, 0, 0, 1, -2, 3, 0.5}, 4, 3)
	want := []float64{0.3016391694545746, 0.16533629596233368, 4.65433406829834, 0.25529178977012634}
	checkValues(t, want, func(p *Pass) mat.Tensor {
		return WeightedCrossEntropy(p, copied(p, x), []int32{2, 0, 1, 1}, []float32{1.25, 0.5, 3, 3})
	})
}

func TestBinaryCrossEntropy(t *testing.T) {
	x, y := tensor.View([]float32{0, 2, -3, 200, -200, 0.25}, 3, 2), tensor.View([]float32{1, 0, 0.3, 1, 0, 0.5}, 3, 2)
	want := make([]float64, 3)
	for i, v := range x.Data {
		if v, p := float64(v), float64(y.Data[i]); math.Abs(v) < 100 { // beyond, the loss is 0
			want[i/2] += (p*math.Log1p(math.Exp(-v)) + (1-p)*math.Log1p(math.Exp(v))) / 2
		}
	}
	checkValues(t, want, func(p *Pass) mat.Tensor { return BinaryCrossEntropy(p, copied(p, x), y) })
}

func TestMeanPool(t *testing.T) {
	x := tensor.View([]float32{1, 2, 3, 5, 5, 6, 7, 1}, 4, 2)
	checkValues(t, []float64{1, 2, 5, 4, 0, 0}, func(p *Pass) mat.Tensor { return MeanPool(p, copied(p, x), []int{0, 1, 4, 4}) })
}

func TestNormalize(t *testing.T) {
	x := tensor.View([]float32{3, 4, 0, 0, -5e-20, 0}, 3, 2)
	checkValues(t, []float64{0.6, 0.8, 0, 0, -5e-8, 0}, func(p *Pass) mat.Tensor { return Normalize(p, copied(p, x)) })
}

// cosines are those of all rows of a and b, in float64.
func cosines(a, b tensor.Matrix) []float64 {
	var all []float64
	for i := range a.Rows {
		for j := range b.Rows {
			ab, aa, bb := 0.0, 0.0, 0.0
			for k, u := range floats(a.Row(i)) {
				v := float64(b.Row(j)[k])
				ab, aa, bb = ab+u*v, aa+u*u, bb+v*v
			}
			all = append(all, ab/math.Sqrt(aa*bb))
		}
	}
	return all
}

func TestInfoNCE(t *testing.T) {
	r := rand.New(rand.NewPCG(42, 43))
	for _, c := range []struct{ pairs, candidates, n int }{{1, 1, 3}, {5, 5, 17}, {6, 12, 33}} {
		a, b := random(r, c.pairs, c.n), random(r, c.candidates, c.n)
		all, want := cosines(a, b), []float64(nil)
		for i := range c.pairs {
			sum := 0.0
			for _, s := range all[i*c.candidates : (i+1)*c.candidates] {
				sum += math.Exp(5 * s)
			}
			want = append(want, math.Log(sum)-5*all[i*c.candidates+i])
		}
		checkValues(t, want, func(p *Pass) mat.Tensor { return InfoNCE(p, copied(p, a), copied(p, b), 5) })
	}
}

func TestEmbeddingSum(t *testing.T) {
	r := rand.New(rand.NewPCG(44, 45))
	words, positions, types := halves(r, 50, 9), random(r, 100, 9), random(r, 2, 9)
	ids, at, segment := make([]int32, 70), make([]int32, 70), make([]int32, 70)
	var want []float64
	wide := make([]float32, 9)
	for i := range ids {
		ids[i], at[i], segment[i] = int32(i*7%50), int32(i), int32(i/40)
		words.Block(wide, 9, int(ids[i]), 0, 1, 9)
		for j, v := range floats(wide) {
			want = append(want, 3*v+float64(positions.Row(i)[j])+float64(types.Row(i / 40)[j]))
		}
	}
	checkValues(t, want, func(p *Pass) mat.Tensor {
		return EmbeddingSum(p, EmbeddingPart{IDs: ids, Table: words, Scale: 3}, EmbeddingPart{IDs: at, Table: positions},
			EmbeddingPart{IDs: segment, Table: types})
	})
	var alone []float64
	for _, id := range ids {
		words.Block(wide, 9, int(id), 0, 1, 9)
		alone = append(alone, floats(wide)...)
	}
	checkValues(t, alone, func(p *Pass) mat.Tensor { return EmbeddingSum(p, EmbeddingPart{IDs: ids, Table: words}) })
}

func TestHeadGradients(t *testing.T) {
	r := rand.New(rand.NewPCG(46, 47))
	labels := tensor.View([]float32{0, 1, 0.5, 1, 0, 0, 1, 1, 1, 0, 0, 0}, 4, 3)
	for _, tt := range []struct {
		name   string
		inputs []*nn.Param
		f      func(p *Pass, in []mat.Tensor) mat.Tensor
	}{
		{"mean squares", []*nn.Param{param(r, 4, 3)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return MeanSquares(p, in[0], labels) }},
		{"binary cross-entropy", []*nn.Param{param(r, 4, 3)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return BinaryCrossEntropy(p, in[0], labels)
		}},
		{"mean pool", []*nn.Param{param(r, 7, 3)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return MeanPool(p, in[0], []int{0, 1, 5, 7}) }},
		{"normalize", []*nn.Param{param(r, 5, 4)}, func(p *Pass, in []mat.Tensor) mat.Tensor { return Normalize(p, in[0]) }},
		{"contrastive", []*nn.Param{param(r, 4, 6), param(r, 7, 6)}, func(p *Pass, in []mat.Tensor) mat.Tensor {
			return InfoNCE(p, in[0], in[1], 3)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { checkGradients(t, tt.inputs, tt.f) })
	}
}
