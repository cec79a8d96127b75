package op

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
)

func TestSpanCrossEntropy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := NewParam(uniform(r, 2*9), 9, 2)
	bounds, labels := []int{0, 4, 6, 9}, []int32{1, 3, -100, -100, 0, 0}
	p := &Pass{}
	defer p.Release()
	got := Matrix(SpanCrossEntropy(p, x, bounds, labels, -100))
	if got.Rows != 2 {
		t.Fatalf("%d losses, want 2", got.Rows)
	}
	for i, d := range []int{0, 2} {
		want := 0.0
		for c := range 2 {
			sum := 0.0
			for j := bounds[d]; j < bounds[d+1]; j++ {
				sum += math.Exp(float64(Data(x).Row(j)[c]))
			}
			want += (math.Log(sum) - float64(Data(x).Row(bounds[d] + int(labels[2*d+c]))[c])) / 2
		}
		if diff := math.Abs(want - float64(got.Data[i])); !(diff < 1e-6) {
			t.Errorf("document %d: loss %g, want %g", d, got.Data[i], want)
		}
	}
	checkGradients(t, []*nn.Param{x}, func(p *Pass, in []mat.Tensor) mat.Tensor {
		return SpanCrossEntropy(p, in[0], bounds, labels, -100)
	})
}
